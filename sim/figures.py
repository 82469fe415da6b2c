"""Figures of simulated days: by queue and interval, with confidence intervals over replications."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from routing.facts import AgentStatus
from routing.hours import zone
from routing.ids import AgentId, QueueId
from routing.model import Queue, RoutingConfig
from routing.stats import DEFAULT_SERVICE_LEVEL, Handled, Intervals, Tally, handled
from sim.confidence import Estimate, difference, estimate
from sim.scenario import Scenario
from sim.simulator import Outcomes

TOTAL = ""
"""In place of a queue: all of them."""

FIGURES = ("offered", "service_level", "asa_s", "abandonment", "occupancy", "max_wait_s", "aht_s")


@dataclass(slots=True)
class Cell:
    """One queue in one interval (or the whole day) of one replication."""

    tally: Tally
    busy_s: float = 0.0
    staffed_s: float = 0.0

    def value(self, figure: str) -> float | None:
        """A figure by name; None where there is nothing to divide by."""
        match figure:
            case "offered":
                return float(self.tally.offered)
            case "service_level":
                level: float | None = getattr(self.tally.service_level, DEFAULT_SERVICE_LEVEL)
                return level
            case "occupancy":
                return min(1.0, self.busy_s / self.staffed_s) if self.staffed_s > 0 else None
            case "abandonment":
                return self.tally.abandonment
            case "asa_s":
                return self.tally.asa_s
            case "aht_s":
                return self.tally.aht_s
            case "max_wait_s":
                return self.tally.max_wait_s if self.tally.offered else None
            case _:
                raise KeyError(figure)


@dataclass(slots=True)
class Figures:
    """One replication, counted. ``starts``: the beginnings of the intervals (Unix seconds)."""

    starts: list[float]
    by_queue: dict[str, Cell] = field(default_factory=dict)
    by_interval: dict[tuple[str, int], Cell] = field(default_factory=dict)
    rows: list[Handled] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    journal_hash: str = ""
    announced: dict[QueueId, dict[str, float | int | None]] = field(default_factory=dict)


def count(config: RoutingConfig, scenario: Scenario, outcomes: Outcomes) -> Figures:
    """Count one run. Callers of the warm-up are left out; agents' time begins after it, too."""
    begin = outcomes.start + scenario.warm_up_s
    cut = Intervals(config.timezone, scenario.interval_minutes)
    starts = [a for a, _ in cut.between(begin, outcomes.end)]
    out = Figures(starts, refused=outcomes.refused, journal_hash=outcomes.journal_hash)
    out.announced = outcomes.announced
    queues = {q.id: q for q in config.queues}

    def fresh(queue: str) -> Tally:
        known: Queue | None = queues.get(QueueId(queue))
        if known is None:
            return Tally()
        return Tally(known.service_level_s, known.short_abandon_s)

    for queue in (TOTAL, *queues):
        out.by_queue[queue] = Cell(fresh(queue))
        for n in range(len(starts)):
            out.by_interval[queue, n] = Cell(fresh(queue))
    busy: dict[AgentId, list[float]] = {a.id: [0.0] * len(starts) for a in config.agents}
    for account in outcomes.accounts:
        wrap_up_s = outcomes.wrap_up_s.get(account.interaction, 0.0)
        if account.agent is not None and account.answered_at is not None:
            until = account.answered_at + account.talk_s + wrap_up_s
            _spread(starts, outcomes.end, account.answered_at, until, busy[account.agent])
        row = handled(account, wrap_up_s)
        if row is None or row.entered_at < begin:
            continue
        out.rows.append(row)
        n = bisect_right(starts, row.entered_at) - 1
        for queue in (TOTAL, row.queue):
            out.by_queue[queue].tally.add(row)
            if row.entered_at < outcomes.end:
                out.by_interval[queue, n].tally.add(row)
    staffed = _staffed(config, starts, outcomes)
    for agent in config.agents:
        for queue in (TOTAL, *{m.queue for m in agent.memberships}):
            for n in range(len(starts)):
                for cell in (out.by_interval[queue, n], out.by_queue[queue]):
                    cell.busy_s += busy[agent.id][n]
                    cell.staffed_s += staffed[agent.id][n]
    return out


def _staffed(
    config: RoutingConfig, starts: list[float], outcomes: Outcomes
) -> dict[AgentId, list[float]]:
    """Seconds for each agent and interval in which the agent was available (or busy)."""
    out = {a.id: [0.0] * len(starts) for a in config.agents}
    since: dict[AgentId, float] = {}
    for duty in outcomes.duty:
        if duty.status is AgentStatus.AVAILABLE:
            since.setdefault(duty.agent, duty.at)
        elif duty.agent in since:
            _spread(starts, outcomes.end, since.pop(duty.agent), duty.at, out[duty.agent])
    for agent, begin in since.items():
        _spread(starts, outcomes.end, begin, outcomes.end, out[agent])
    return out


def _spread(starts: list[float], end: float, begin: float, until: float, into: list[float]) -> None:
    """Add the time from ``begin`` to ``until`` to the intervals in which it lies."""
    until = min(until, end)
    n = max(0, bisect_right(starts, begin) - 1)
    begin = max(begin, starts[0])
    while begin < until:
        border = starts[n + 1] if n + 1 < len(starts) else end
        into[n] += min(until, border) - begin
        begin = border
        n += 1


@dataclass(slots=True)
class Study:
    """All replications of one configuration."""

    name: str
    config: RoutingConfig
    runs: list[Figures] = field(default_factory=list)

    def queues(self) -> list[str]:
        """Queues that saw anybody, in the order of the file, then the total."""
        seen = [
            q.id
            for q in self.config.queues
            if any(r.by_queue[q.id].tally.offered for r in self.runs)
        ]
        return [*seen, TOTAL]

    def values(self, queue: str, figure: str, interval: int | None = None) -> list[float | None]:
        """One value for each replication."""
        return [
            (r.by_queue[queue] if interval is None else r.by_interval[queue, interval]).value(
                figure
            )
            for r in self.runs
        ]

    def estimate(self, queue: str, figure: str, interval: int | None = None) -> Estimate | None:
        """Mean and confidence interval of a figure."""
        return estimate(self.values(queue, figure, interval))

    def of_tallies(self, queue: str, get: Callable[[Tally], float | None]) -> Estimate | None:
        """The same for anything else that a tally tells."""
        return estimate([get(r.by_queue[queue].tally) for r in self.runs])

    def announced(self, queue: str, figure: str) -> Estimate | None:
        """How good the announced waits were; None where none was announced."""
        return estimate([r.announced.get(QueueId(queue), {}).get(figure) for r in self.runs])

    def starts(self) -> list[float]:
        """The beginnings of the intervals."""
        return self.runs[0].starts


def change(ours: Study, theirs: Study, queue: str, figure: str) -> Estimate | None:
    """How much ``theirs`` differs, from pairs that met the same callers."""
    return difference(ours.values(queue, figure), theirs.values(queue, figure))


def rows_of(study: Study) -> Iterable[dict[str, object]]:
    """One row for each queue and interval (and the whole day), for a table or CSV."""
    names = {q.id: q.name for q in study.config.queues}
    tz = zone(study.config.timezone)
    local = [datetime.fromtimestamp(at, tz=tz).isoformat() for at in study.starts()]
    for queue in study.queues():
        for interval in (None, *range(len(study.starts()))):
            row: dict[str, object] = {
                "config": study.name,
                "queue": queue or "*",
                "name": names.get(QueueId(queue), ""),
                "interval_start": None if interval is None else local[interval],
            }
            for figure in FIGURES:
                found = study.estimate(queue, figure, interval)
                row[figure] = found.mean if found else None
                row[f"{figure}_ci95"] = found.half_width if found and found.count > 1 else None
            yield row

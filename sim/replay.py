"""What a journal's day would have been with another configuration, call by call and in sum.

Three columns. *Journal*: the journal's facts through the engine again, which gives every contact
record as it was. *Again*: the same callers and agents with the journal's configuration in virtual
time; its distance from the journal is the model's own error. *New*: the same with the new one.
What would have gone differently is the difference between the last two, so that the model's error
is not taken for an effect.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ctid.journal_source import JournalError
from routing import commands as c
from routing import facts as f
from routing.engine import Engine
from routing.errors import RoutingError
from routing.ids import AgentId, InteractionId
from routing.model import RoutingConfig
from routing.stats import Tally, handled
from sim import journal_day
from sim.day import Day, prepared
from sim.journal_day import Journalled
from sim.persons import Caller
from sim.scenario import Distribution, Scenario
from sim.simulator import Outcomes, Simulation

SAME_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one call."""

    outcome: str
    queue: str
    agent: str
    wait_s: float

    def differs(self, other: Fate) -> bool:
        """Whether somebody would notice: another outcome, queue, agent, or a second of waiting."""
        same = (self.outcome, self.queue, self.agent) == (other.outcome, other.queue, other.agent)
        return not same or abs(self.wait_s - other.wait_s) >= SAME_WAIT_S


@dataclass(frozen=True, slots=True)
class Compared:
    """One call three times; None: not over four hours after the journal's end."""

    interaction: str
    at: float
    did: str
    journal: Fate
    again: Fate | None
    new: Fate | None

    @property
    def changed(self) -> bool:
        """Whether the new configuration would have made a difference."""
        if self.again is None or self.new is None:
            return self.again is not self.new
        return self.again.differs(self.new)

    def as_row(self) -> dict[str, Any]:
        """Flat, for CSV and JSON."""
        row: dict[str, Any] = {
            "interaction": self.interaction,
            "at": datetime.fromtimestamp(self.at, tz=UTC).isoformat().replace("+00:00", "Z"),
            "did": self.did,
            "changed": self.changed,
        }
        for name, fate in (("journal", self.journal), ("again", self.again), ("new", self.new)):
            for key in ("outcome", "queue", "agent", "wait_s"):
                row[f"{name}_{key}"] = getattr(fate, key) if fate else None
        return row


@dataclass(slots=True)
class Comparison:
    """All calls and the sums. ``refused``: facts that the journal's own engine did not take."""

    calls: list[Compared]
    sums: dict[str, Tally]
    refused: int
    skipped: int
    unknown_agents: list[AgentId]

    def as_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "sums": {name: _sum_row(tally) for name, tally in self.sums.items()},
            "changed": sum(call.changed for call in self.calls),
            "calls": [call.as_row() for call in self.calls],
            "refused_facts": self.refused,
            "skipped_entries": self.skipped,
            "unknown_agents": self.unknown_agents,
        }


def _sum_row(tally: Tally) -> dict[str, float | None]:
    return {
        "offered": tally.offered,
        "answered": tally.answered,
        "abandoned": tally.abandoned,
        "other": tally.other,
        "service_level": tally.service_level.of_offered_less_short,
        "asa_s": tally.asa_s,
        "mean_wait_s": tally.mean_wait_s,
        "max_wait_s": tally.max_wait_s,
    }


def moment(text: str | None) -> float | None:
    """ISO 8601 as Unix seconds (UTC where no zone is named). Raises ValueError."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no time; write for example 2026-11-22T09:00+08:00"
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def compare(
    journal: Path, new: RoutingConfig, *, since: float | None = None, until: float | None = None
) -> Comparison:
    """Replay. Raises JournalError when the journal does not tell enough."""
    day = journal_day.read(journal)
    if day.config is None:
        raise JournalError(
            f"{journal}: holds no configuration; begin with an entry of kind ConfigChanged"
        )
    if not day.seen:
        raise JournalError(f"{journal}: nobody called; nothing to compare")
    was, refused = _as_it_was(day)
    scenario = Scenario(
        patience=Distribution(mean_s=_patience_s(day)), lookup_s=0.05, prompt_s=4.0, seed=1
    )
    callers = _callers(day, scenario, was, since, until)
    again = _simulate(day.config, day, callers, scenario)
    known = {a.id for a in new.agents}
    unknown = sorted({d.agent for d in day.duties} - known)
    changed = _simulate(new, day, callers, scenario)
    fates = [_fates(o) for o in (was, again, changed)]
    # a call that the journal did not see to its end takes its agent's time, but is not compared
    ended = [caller for caller in callers if InteractionId(caller.id) in fates[0]]
    calls = [
        Compared(
            interaction=caller.id,
            at=caller.at,
            did=caller.did,
            journal=fates[0][InteractionId(caller.id)],
            again=fates[1].get(InteractionId(caller.id)),
            new=fates[2].get(InteractionId(caller.id)),
        )
        for caller in ended
    ]
    wanted = {InteractionId(caller.id) for caller in ended}
    sums = {
        name: _tally(outcomes, wanted)
        for name, outcomes in (("journal", was), ("again", again), ("new", changed))
    }
    return Comparison(calls, sums, refused, day.skipped, unknown)


def _as_it_was(day: Journalled) -> tuple[Outcomes, int]:
    """The journal's facts through the engine: its contact records once more."""
    assert day.config is not None
    # the daemon seeds its engine with the second of its start
    engine = Engine(day.config, seed=int(day.facts[0].at))
    out = Outcomes(day.facts[0].at, day.facts[-1].at)
    refused = 0
    for entry in day.facts:
        try:
            commands = engine.handle(entry.fact, entry.at)
        except RoutingError:
            refused += 1
            continue
        for command in commands:
            if isinstance(command, c.FileContactRecord):
                out.accounts.append(command.account)
            elif isinstance(command, c.AmendContactRecord) and command.wrap_up_s is not None:
                out.wrap_up_s[command.interaction] = command.wrap_up_s
    return out, refused


def _patience_s(day: Journalled) -> float:
    """Mean patience: all waiting over those who gave up (right-censored exponential)."""
    waited = sum((s.answered_at or s.ended_at or s.at) - s.at for s in day.seen)
    gave_up = sum(s.gave_up for s in day.seen)
    return max(5.0, waited / gave_up) if gave_up and waited > 0 else 600.0


def _callers(
    day: Journalled, scenario: Scenario, was: Outcomes, since: float | None, until: float | None
) -> list[Caller]:
    out = []
    for seen in day.seen:
        if (since is not None and seen.at < since) or (until is not None and seen.at >= until):
            continue
        caller = journal_day.caller_of(seen, scenario, scenario.patience, 0.0)
        caller.wrap_up_s = was.wrap_up_s.get(seen.id)
        out.append(caller)
    return out


def _simulate(
    config: RoutingConfig, day: Journalled, callers: list[Caller], scenario: Scenario
) -> Outcomes:
    ready = prepared(config, scenario)
    known = {a.id for a in ready.agents}
    start = day.facts[0].at
    one = Day(
        start,
        max(day.facts[-1].at, start + 1.0),
        [dataclasses.replace(caller) for caller in callers],
        [duty for duty in day.duties if duty.agent in known],
        day.phones,
    )
    return Simulation(ready, one, scenario).run()


def _fates(outcomes: Outcomes) -> dict[InteractionId, Fate]:
    return {
        a.interaction: Fate(
            outcome=a.outcome.value, queue=a.queue or "", agent=a.agent or "", wait_s=a.wait_s
        )
        for a in outcomes.accounts
        if a.channel is f.Channel.VOICE
    }


def _tally(outcomes: Outcomes, wanted: set[InteractionId]) -> Tally:
    total = Tally()
    for account in outcomes.accounts:
        row = handled(account) if account.interaction in wanted else None
        if row is not None:
            total.add(row)
    return total


def show(compared: Comparison, limit: int) -> None:
    """The sums, then the calls that would have gone differently."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title="in sum")
    for column in ("", "journal", "again (same config)", "new config"):
        table.add_column(column, justify="right" if column else "left")
    rows = {name: _sum_row(tally) for name, tally in compared.sums.items()}
    for key in rows["journal"]:
        table.add_row(key, *(_shown(key, rows[n][key]) for n in ("journal", "again", "new")))
    console.print(table)
    changed = [call for call in compared.calls if call.changed]
    console.print(f"{len(changed)} of {len(compared.calls)} calls would have gone differently")
    if changed and limit > 0:
        listed = Table(
            title=f"the first {min(limit, len(changed))}" if len(changed) > limit else ""
        )
        for column in ("call", "at (UTC)", "journal", "again", "new"):
            listed.add_column(column)
        for call in changed[:limit]:
            at = datetime.fromtimestamp(call.at, tz=UTC).strftime("%m-%d %H:%M:%S")
            listed.add_row(
                call.interaction, at, _fate(call.journal), _fate(call.again), _fate(call.new)
            )
        console.print(listed)
    if compared.refused or compared.skipped:
        console.print(
            f"[yellow]{compared.refused} facts did not fit the journal's own configuration, "
            f"{compared.skipped} entries were not understood[/]"
        )
    if compared.unknown_agents:
        names = ", ".join(compared.unknown_agents[:10])
        console.print(f"[yellow]agents whom the new configuration does not know: {names}[/]")


def _fate(fate: Fate | None) -> str:
    if fate is None:
        return "not over"
    who = f" {fate.agent}" if fate.agent else ""
    return f"{fate.outcome}{who} {fate.queue} after {fate.wait_s:.0f} s"


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    if key == "service_level":
        return f"{value:.1%}"
    return f"{value:.1f}" if key.endswith("_s") else f"{value:.0f}"

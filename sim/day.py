"""One day before it happens: every caller with patience and talk time, every agent's hours.

Drawn before any decision is taken and from generators of their own, so that two configurations meet
the very same callers (common random numbers; Law, "Simulation Modeling and Analysis", 11.2).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from routing.facts import AgentStatus, PhoneStateChanged
from routing.hours import instant, minutes_of, zone
from routing.ids import AgentId, PhoneId, QueueId
from routing.model import Entry, RecordingPolicy, RoutingConfig
from sim import journal_day
from sim.persons import Caller, Duty
from sim.scenario import Arrivals, Scenario, Shift, stream

DEFAULT_START = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - a Monday, local to the configuration
OVERTIME_S = 4 * 3600.0
"""Shifts go on after the end, while the last callers are served."""
_DOOR = "simulated-"


@dataclass(slots=True)
class Day:
    """Everything that does not depend on decisions. ``duties`` and ``callers`` are in order.

    ``phones``: what becomes of phones by themselves, for example those that were away.
    """

    start: float
    end: float
    callers: list[Caller]
    duties: list[Duty]
    phones: list[tuple[float, PhoneStateChanged]] = field(default_factory=list)


def prepared(config: RoutingConfig, scenario: Scenario) -> RoutingConfig:
    """``config`` with a door for each stream that goes straight into a queue, and a phone each.

    Nothing is recorded in virtual time, so recording is off; it has no say in routing.
    """
    wanted = {a.queue for a in scenario.arrivals if a.queue}
    doors = tuple(Entry(did=_DOOR + queue, queue=QueueId(queue)) for queue in sorted(wanted))
    return dataclasses.replace(
        config,
        entries=(*config.entries, *doors),
        queues=tuple(
            dataclasses.replace(q, recording=RecordingPolicy.NEVER) for q in config.queues
        ),
        agents=tuple(
            a if a.phone else dataclasses.replace(a, phone=PhoneId(f"{_DOOR}{a.id}"))
            for a in config.agents
        ),
    )


def make_day(config: RoutingConfig, scenario: Scenario, replication: int = 0) -> Day:
    """Draw a day. The same scenario, seed and replication give the same day."""
    local = (scenario.start or DEFAULT_START).replace(tzinfo=zone(config.timezone))
    start = instant(local)
    end = start + scenario.hours * 3600
    callers: list[Caller] = []
    for n, arrivals in enumerate(scenario.arrivals):
        callers += _callers(scenario, arrivals, n, replication, start, end)
    callers.sort(key=lambda c: (c.at, c.id))
    return Day(start, end, callers, _duties(config, scenario, replication, start, end))


def _callers(
    scenario: Scenario, arrivals: Arrivals, n: int, replication: int, start: float, end: float
) -> Iterator[Caller]:
    if arrivals.journal is not None:
        yield from journal_day.callers(scenario, arrivals, start, end)
        return
    seed = scenario.seed
    when = stream(seed, replication, n, "arrivals")
    what = stream(seed, replication, n, "callers")
    patience = arrivals.patience or scenario.patience
    people = scenario.people
    talk = arrivals.talk or people.talk
    attributes = dict(arrivals.attributes)
    if arrivals.language:
        attributes["language"] = arrivals.language
    did = arrivals.did or _DOOR + arrivals.queue
    menus = [(list(m), list(m.values())) for m in arrivals.digits if any(m.values())]
    for number, at in enumerate(_moments(arrivals, when, start, end)):
        yield Caller(
            id=f"s{n}.{number}",
            at=at,
            did=did,
            number=f"{13_000_000_000 + n * 10_000_000 + number % 10_000_000}",
            patience_s=patience.draw(what) if patience.mean_s > 0 else math.inf,
            talk_s=talk.draw(what),
            pickup_s=people.pickup.draw(what),
            luck=what.random(),
            wrap_up_s=people.wrap_up.draw(what) if people.wrap_up else None,
            digits=tuple(what.choices(keys, weights)[0] for keys, weights in menus),
            attributes=attributes,
        )


def _moments(arrivals: Arrivals, rng: Random, start: float, end: float) -> Iterator[float]:
    """A Poisson stream whose rate is a step function: exponential gaps in operational time."""
    draw = rng.expovariate
    profile = arrivals.per_half_hour or [arrivals.per_hour / 2]
    step_s = 1800.0 if arrivals.per_half_hour else end - start
    rates = [p / 1800.0 for p in profile]
    at = start
    n = 0
    left = draw(1.0)
    while at < end:
        rate = rates[min(n, len(rates) - 1)]
        until = min(start + (n + 1) * step_s, end)
        if rate > 0 and left / rate < until - at:
            at += left / rate
            yield at
            left = draw(1.0)
        else:
            left -= rate * (until - at)
            at = until
            n += 1


def _duties(
    config: RoutingConfig, scenario: Scenario, replication: int, start: float, end: float
) -> list[Duty]:
    shifts = scenario.shifts or [Shift()]
    rng = stream(scenario.seed, replication, "breaks")
    duties: list[Duty] = []
    where = zone(config.timezone)
    first = datetime.fromtimestamp(start, tz=where) - timedelta(days=1)
    days = int((end - start) // 86400) + 3
    for agent in config.agents:
        spans: list[Duty] = []
        for shift in shifts:
            if not {"*", agent.id, *(f"team:{t}" for t in agent.teams)} & set(shift.agents):
                continue
            shifted = rng.random() * shift.spread_minutes * 60
            for n in range(days):
                midnight = (first + timedelta(days=n)).replace(
                    hour=0, minute=0, second=0, microsecond=0
                )
                spans += _shift(agent.id, shift, midnight, shifted)
        duties += _within(sorted(spans, key=lambda d: d.at), start, end)
    return sorted(duties, key=lambda d: d.at)


def _shift(agent: AgentId, shift: Shift, midnight: datetime, shifted_s: float) -> Iterator[Duty]:
    begins, ends = minutes_of(shift.begins), minutes_of(shift.ends)
    ends += 24 * 60 if ends <= begins else 0

    def at(minutes: float) -> float:
        return instant(midnight + timedelta(minutes=minutes))

    yield Duty(at(begins), agent, AgentStatus.AVAILABLE)
    for rest in shift.breaks:
        begin = minutes_of(rest.at)
        begin += 24 * 60 if begin < begins else 0
        if begin + rest.minutes <= ends:
            pause_at = at(begin) + shifted_s
            yield Duty(pause_at, agent, AgentStatus.PAUSED, rest.reason or "break")
            yield Duty(pause_at + rest.minutes * 60, agent, AgentStatus.AVAILABLE)
    yield Duty(at(ends), agent, AgentStatus.LOGGED_OUT)


def _within(duties: list[Duty], start: float, end: float) -> Iterator[Duty]:
    """Duties from the start on; what holds at the start begins there.

    Where one shift ends as the next begins, the agent stays.
    """
    by_time: dict[float, Duty] = {}
    for duty in duties:
        if duty.status is not AgentStatus.LOGGED_OUT or duty.at not in by_time:
            by_time[duty.at] = duty
    before = [d for d in by_time.values() if d.at <= start]
    if before and before[-1].status is not AgentStatus.LOGGED_OUT:
        yield dataclasses.replace(before[-1], at=start)
    yield from (d for d in by_time.values() if start < d.at <= end + OVERTIME_S)

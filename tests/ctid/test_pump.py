"""The pump: order, refusals, failures of others, and that it never stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ctid.pump import Pump, PumpOverloaded
from routing.commands import Command, StartTimer
from routing.errors import UnknownTransition
from routing.facts import Fact, InteractionArrived, Party, TimerFired
from routing.ids import InteractionId, TimerId
from routing.views import Changes
from tests.ctid.virtual import StillClock

pytestmark = pytest.mark.unit

NOTHING = Changes(interactions=frozenset(), agents=frozenset(), queues=frozenset())


class Scripted:
    """Decides by the timer's name: ``bad`` crashes, ``late`` is refused, else one command."""

    def __init__(self) -> None:
        self.seen: list[Fact] = []

    def handle(self, fact: Fact, now: float) -> list[Command]:
        self.seen.append(fact)
        if isinstance(fact, TimerFired):
            if fact.timer == "bad":
                raise ZeroDivisionError("a bug")
            if fact.timer == "late":
                raise UnknownTransition("ended: TimerFired")
            return [StartTimer(timer=TimerId(f"after {fact.timer}"), after_s=1)]
        return []

    def take_changes(self) -> Changes:
        return NOTHING


class Wiring:
    def __init__(self, limit: int = 1000) -> None:
        self.engine = Scripted()
        self.entries: list[dict[str, Any]] = []
        self.executed: list[tuple[Command, int]] = []
        self.published = 0
        self.told = asyncio.Event()
        self.pump = Pump(
            engine=self.engine,
            journal=self,
            clock=StillClock(),
            execute=self.execute,
            publish=self.publish,
            first_seq=7,
            limit=limit,
        )

    def append(self, **entry: Any) -> None:
        self.entries.append(entry)

    def execute(self, commands: Sequence[Command], cause: int) -> None:
        self.executed += [(c, cause) for c in commands]

    def publish(self, changes: Changes) -> None:
        self.published += 1
        self.told.set()


def fired(name: str) -> TimerFired:
    return TimerFired(timer=TimerId(name))


def arrived(name: str) -> InteractionArrived:
    return InteractionArrived(interaction=InteractionId(name), caller=Party(number="13800138000"))


async def test_facts_are_handled_in_order_and_journaled_with_their_cause() -> None:
    w = Wiring()
    for n in range(200):  # more than one slice
        w.pump.put(fired(f"t{n}"), cause=n)
    await w.pump.settled()
    assert [f.timer for f in w.engine.seen if isinstance(f, TimerFired)] == [
        f"t{n}" for n in range(200)
    ]
    assert [e["seq"] for e in w.entries] == list(range(7, 207))
    assert [e["cause"] for e in w.entries] == list(range(200))
    assert w.entries[0]["kind"] == "TimerFired"
    assert w.entries[0]["payload"] == '{"t":"TimerFired","timer":"t0"}'
    assert [cause for _, cause in w.executed] == list(range(7, 207))


async def test_nothing_is_handled_before_put_returns() -> None:
    w = Wiring()
    w.pump.put(fired("a"))
    assert w.engine.seen == []
    await w.pump.settled()
    assert w.engine.seen == [fired("a")]


async def test_what_one_moment_changes_is_told_once() -> None:
    w = Wiring()
    w.pump.put(fired("a"))
    w.pump.put(fired("b"))
    await w.pump.settled()
    assert w.published == 0
    await asyncio.wait_for(w.told.wait(), 5)
    assert w.published == 1


async def test_what_has_changed_can_be_told_at_once() -> None:
    w = Wiring()
    w.pump.put(fired("a"))
    await w.pump.settled()
    w.pump.tell()
    w.pump.tell()
    assert w.published == 1
    w.pump.put(fired("b"))
    await w.pump.settled()
    w.pump.tell()
    assert w.published == 2


async def test_a_refused_fact_says_why_and_changes_nothing() -> None:
    w = Wiring()
    receipt = await w.pump.submit(fired("late"))
    assert (receipt.accepted, receipt.reason) == (False, "ended: TimerFired")
    assert w.executed == []
    assert w.pump.refused == 1
    assert (await w.pump.submit(fired("fine"))).accepted


async def test_a_bug_in_the_engine_does_not_stop_the_pump() -> None:
    w = Wiring()
    w.pump.put(fired("bad"))
    receipt = await w.pump.submit(fired("next"))
    assert receipt.accepted
    assert w.pump.failed == 1
    assert [str(c.timer) for c, _ in w.executed if isinstance(c, StartTimer)] == ["after next"]


async def test_a_listener_that_raises_does_not_stop_the_pump() -> None:
    w = Wiring()
    heard: list[Fact] = []

    def broken(fact: Fact, now: float) -> None:
        heard.append(fact)
        raise RuntimeError("listener")

    w.pump.listen(broken)
    w.pump.put(fired("a"))
    assert (await w.pump.submit(fired("b"))).accepted
    assert heard == [fired("a"), fired("b")]


async def test_only_arrivals_are_refused_when_too_much_waits() -> None:
    w = Wiring(limit=2)
    w.pump.put(fired("a"))
    w.pump.put(fired("b"))
    with pytest.raises(PumpOverloaded):
        w.pump.put(arrived("c"))
    w.pump.put(fired("d"))
    await w.pump.settled()
    assert len(w.engine.seen) == 3


async def test_after_close_a_submitted_fact_is_refused_at_once() -> None:
    w = Wiring()
    w.pump.close()
    receipt = await w.pump.submit(fired("a"))
    assert not receipt.accepted
    assert w.engine.seen == []


async def test_the_loop_gets_its_turn_under_a_flood() -> None:
    w = Wiring()
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        if len(w.pump):
            asyncio.get_running_loop().call_soon(turn)

    for n in range(1000):
        w.pump.put(fired(f"t{n}"))
    asyncio.get_running_loop().call_soon(turn)
    await w.pump.settled()
    assert turns >= 1000 // 64

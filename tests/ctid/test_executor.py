"""The executor: order within an interaction, independence between them, failures as facts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctid.executor import Executor
from ctid.lanes import Lanes, LanesFull
from ctid.telephony.port import SwitchError
from routing.commands import Answer, Command, NotifyAgent, Offer, Release, StartTimer, StopMusic
from routing.facts import CommandFailed, Fact, Party
from routing.ids import AgentId, InteractionId, OfferId, QueueId, TimerId

pytestmark = pytest.mark.unit

A = InteractionId("a")
B = InteractionId("b")


class Switch:
    """Takes commands; those of interaction ``a`` wait for ``gate``."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.taken: list[Command] = []
        self.took = asyncio.Event()
        self.error: Exception | None = None
        self.at_once: list[Command] = []
        self.takes = False

    def take(self, command: Command) -> bool:
        if not self.takes:
            return False
        if self.error is not None:
            raise self.error
        self.at_once.append(command)
        return True

    async def execute(self, command: Command) -> None:
        if command.interaction == A:  # type: ignore[attr-defined]
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(command)
        self.took.set()


class Wiring:
    def __init__(self, timeout_s: float = 5.0) -> None:
        self.switch = Switch()
        self.reported: list[tuple[Fact, int | None]] = []
        self.handled: list[Any] = []
        self.before: list[Any] = []
        self.executor = Executor(
            switch=self.switch,
            report=lambda fact, cause: self.reported.append((fact, cause)),
            handlers={StartTimer: self.handled.append, NotifyAgent: self.explode},
            before_switch={Offer: self.before.append, StopMusic: self.explode},
            timeout_s=timeout_s,
        )

    def explode(self, command: Command) -> None:
        raise RuntimeError("handler")


def offer(interaction: InteractionId) -> Offer:
    return Offer(
        interaction=interaction,
        offer=OfferId(f"{interaction}.o1"),
        queue=QueueId("q"),
        targets=(),
        ring_timeout_s=10,
        caller=Party(),
    )


async def test_one_interaction_keeps_its_order_and_does_not_hold_up_another() -> None:
    w = Wiring()
    w.executor.execute([Answer(interaction=A), Release(interaction=A), Answer(interaction=B)], 1)
    await w.switch.took.wait()
    assert w.switch.taken == [Answer(interaction=B)]
    w.switch.gate.set()
    await w.executor.drained()
    assert w.switch.taken == [
        Answer(interaction=B),
        Answer(interaction=A),
        Release(interaction=A),
    ]


async def test_what_has_a_handler_never_reaches_the_switch() -> None:
    w = Wiring()
    timer = StartTimer(timer=TimerId("t"), after_s=1)
    w.executor.execute([timer], 1)
    await w.executor.drained()
    assert w.handled == [timer]
    assert w.switch.taken == []


async def test_a_screen_pop_precedes_the_offer_within_the_same_call() -> None:
    w = Wiring()
    w.executor.execute([offer(B)], 1)
    assert w.before == [offer(B)]
    assert w.switch.taken == []
    await w.executor.drained()
    assert w.switch.taken == [offer(B)]


async def test_a_broken_screen_does_not_stop_the_call() -> None:
    w = Wiring()
    w.executor.execute([StopMusic(interaction=B)], 1)
    await w.executor.drained()
    assert w.switch.taken == [StopMusic(interaction=B)]
    assert w.reported == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SwitchError("no such channel"), "no such channel"),
        (ValueError("bug"), "internal error: ValueError"),
    ],
)
async def test_a_failure_comes_back_as_a_fact_with_its_cause(error: Exception, reason: str) -> None:
    w = Wiring()
    w.switch.error = error
    w.executor.execute([offer(B)], 42)
    await w.executor.drained()
    assert w.reported == [
        (
            CommandFailed(command="Offer", reason=reason, interaction=B, offer=OfferId("b.o1")),
            42,
        )
    ]


async def test_what_the_switch_takes_at_once_needs_no_task_but_overtakes_nothing() -> None:
    w = Wiring()
    w.executor.execute([Answer(interaction=A)], 1)  # waits at the gate
    w.switch.takes = True
    w.executor.execute([StopMusic(interaction=A), StopMusic(interaction=B)], 2)
    assert w.switch.at_once == [StopMusic(interaction=B)]
    w.switch.gate.set()
    await w.executor.drained()
    assert w.switch.taken == [Answer(interaction=A), StopMusic(interaction=A)]
    w.executor.execute([Release(interaction=A)], 3)
    assert w.switch.at_once == [StopMusic(interaction=B), Release(interaction=A)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SwitchError("no such channel"), "no such channel"),
        (ValueError("bug"), "internal error: ValueError"),
    ],
)
def test_what_is_not_taken_at_once_fails_with_its_cause(error: Exception, reason: str) -> None:
    w = Wiring()
    w.switch.takes, w.switch.error = True, error
    w.executor.execute([offer(B)], 42)
    failed = CommandFailed(command="Offer", reason=reason, interaction=B, offer=OfferId("b.o1"))
    assert w.reported == [(failed, 42)]


async def test_a_pbx_that_does_not_answer_is_a_failure() -> None:
    w = Wiring(timeout_s=0.01)
    w.executor.execute([Answer(interaction=A)], 3)
    await w.executor.drained()
    [(fact, cause)] = w.reported
    assert isinstance(fact, CommandFailed)
    assert "within 0.01 s" in fact.reason
    assert cause == 3


async def test_a_failed_notice_is_nobody_elses_business() -> None:
    w = Wiring()
    w.executor.execute([NotifyAgent(agent=AgentId("1001"), code="x", details={})], 1)
    await w.executor.drained()
    assert w.reported == []


async def test_lanes_are_bounded_and_go_on_after_a_failure() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        if item == 1:
            raise RuntimeError("first")
        done.append(item)

    lanes: Lanes[str, int] = Lanes("test", work, limit=2)
    lanes.put("k", 1)
    lanes.put("k", 2)
    with pytest.raises(LanesFull):
        lanes.put("k", 3)
    await lanes.drained()
    assert done == [2]
    assert len(lanes) == 0
    lanes.put("k", 4)
    await lanes.drained()
    assert done == [2, 4]

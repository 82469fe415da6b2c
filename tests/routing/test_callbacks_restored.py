"""Callbacks across a restart, and customers who are held: called once, never sent away."""

from __future__ import annotations

from typing import Any

import pytest

from routing.commands import CallCustomer, Command, Offer, StartTimer
from routing.engine import Engine
from routing.facts import AgentStatus, AgentStatusSet, InteractionRestored
from routing.ids import AgentId, InteractionId
from routing.model import CallbackMode, CallbackPolicy
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, house, open_house, queue

pytestmark = pytest.mark.unit

CB = InteractionId("cb")


def config(mode: CallbackMode = CallbackMode.CUSTOMER_FIRST, **fields: Any) -> dict[str, Any]:
    policy = CallbackPolicy(enabled=True, mode=mode, attempts=3, retry_after_s=600)
    return {"queues": (queue(callback=policy, **fields),), "agents": (agent("1"),)}


def restart(engine: Engine, parts: dict[str, Any], *, present: bool, at: float) -> list[Command]:
    """Rebuild ``engine``'s callback in a fresh engine with an agent who waits; what it commands."""
    fresh = Engine(house(**parts))
    snapshot = engine.snapshot(CB)
    fact = InteractionRestored(interaction=CB, snapshot=snapshot, present=present)
    commands = fresh.handle(fact, NOON + at)
    available = AgentStatusSet(agent=AgentId("1"), status=AgentStatus.AVAILABLE)
    commands += fresh.handle(available, NOON + at)
    engine.__dict__.update(fresh.__dict__)
    return commands


@pytest.mark.parametrize("mode", list(CallbackMode))
def test_an_attempt_that_a_crash_cut_short_is_not_repeated_at_once(mode: CallbackMode) -> None:
    parts = config(mode)
    engine = open_house(**parts)
    play(
        engine,
        ">> CallbackRequested callback=cb queue=news number=138\n<< CallCustomer interaction=cb"
        if mode is CallbackMode.CUSTOMER_FIRST
        else """
        >> CallbackRequested callback=cb queue=news number=138
        << Offer interaction=cb
        >> OfferAnswered interaction=cb offer=cb.o1 agent=1
        << CallCustomer interaction=cb
        """,
    )
    commands = restart(engine, parts, present=False, at=5)
    assert not [c for c in commands if isinstance(c, CallCustomer | Offer)]
    [due] = [c for c in commands if isinstance(c, StartTimer) and c.timer == "cb:due"]
    assert due.after_s == 600


def test_a_customer_who_is_on_the_line_after_a_restart_is_offered_not_called() -> None:
    parts = config()
    engine = open_house(**parts)
    play(
        engine,
        """
        >> CallbackRequested callback=cb queue=news number=138
        << CallCustomer interaction=cb
        """,
    )
    # the answer came while ctid was away
    commands = restart(engine, parts, present=True, at=5)
    assert not [c for c in commands if isinstance(c, CallCustomer | Offer)]
    play(
        engine,
        """
        at 6
        >> CallerReturned interaction=cb
        << Offer interaction=cb channel=voice
        >> OfferAnswered interaction=cb offer=cb.o2 agent=1
        << StartRecording interaction=cb
        >> CallerHungUp interaction=cb
        << FileContactRecord account.outcome=answered account.channel=callback
        """,
    )


def test_a_customer_who_was_called_back_is_not_sent_away_for_the_wait_before_the_call() -> None:
    engine = open_house(**config(max_wait_s=60, ring_timeout_s=20))
    play(
        engine,
        """
        >> AgentStatusSet agent=1 status=paused
        >> CallbackRequested callback=cb queue=news number=138
        at 1000
        >> AgentStatusSet agent=1 status=available
        << CallCustomer interaction=cb
        at 1005
        >> CustomerAnswered interaction=cb
        << Offer interaction=cb
        >> OfferDeclined interaction=cb offer=cb.o1 agent=1
        >> OfferEnded interaction=cb offer=cb.o1
        << Offer interaction=cb
        at 1070
        >> OfferDeclined interaction=cb offer=cb.o2 agent=1
        >> OfferEnded interaction=cb offer=cb.o2
        << Play interaction=cb
        """,
    )

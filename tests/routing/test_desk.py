"""Where agents sit, lost phones, private calls, and wrap-ups that owe a disposition."""

from __future__ import annotations

import pytest

from routing.engine import Engine
from routing.facts import AgentRestored, AgentStatus
from routing.ids import AgentId
from routing.model import Disposition, Overdue
from tests.routing.playbook import play
from tests.routing.samples import agent, open_house, queue

pytestmark = pytest.mark.unit

ONE = AgentId("1")
TALKED = """
    >> InteractionArrived interaction=i caller=1 did=news
    << Offer targets=1
    >> OfferAnswered interaction=i offer=i.o1 agent=1
    << StartRecording interaction=i
    >> CallerHungUp interaction=i
    << FileContactRecord account.agent=1
"""
OVERDUE = """
    at 60
    >> TimerFired timer=agent:1:wrap_up:i
    << NotifyAgent agent=1 code=disposition_overdue
    << AmendContactRecord agent=1 wrap_up_s=60
"""


def owing(overdue: Overdue = Overdue.PAUSE) -> Engine:
    """Agent 1 has talked for a queue that wants to know how it ended, within a minute."""
    engine = open_house(
        (
            queue(
                wrap_up_s=10,
                wrap_up_max_s=60,
                disposition_required=True,
                disposition_overdue=overdue,
            ),
        ),
        (agent("1"),),
        dispositions=(Disposition(id="tip"),),
    )
    play(engine, TALKED)
    return engine


# --- desks ---------------------------------------------------------------------------------------


def test_a_phone_that_comes_or_goes_is_told_of_whoever_has_it_also_when_logged_out() -> None:
    engine = open_house((queue(),), (agent("1"), agent("2")), available="1")

    def told(state: str) -> set[str]:
        play(engine, f">> PhoneStateChanged phone=p2 state={state}")
        return set(engine.take_changes().agents)

    assert told("unreachable") == {"2"}
    assert not engine.agent_view(AgentId("2")).phone_reachable
    assert told("idle") == {"2"}
    assert engine.agent_view(AgentId("2")).phone_reachable
    assert told("in_use") == set(), "the roster does not show it"


def test_two_agents_do_not_sit_at_one_phone() -> None:
    engine = open_house((queue(),), (agent("1"), agent("2")), available="1")
    play(
        engine,
        """
        >> AgentStatusSet agent=2 status=available phone=p1 !!
        >> AgentStatusSet agent=2 status=paused phone=p1 !!
        >> AgentStatusSet agent=2 status=available phone=desk
        >> AgentStatusSet agent=1 status=available phone=desk !!
        >> AgentStatusSet agent=2 status=logged_out
        >> AgentStatusSet agent=1 status=available phone=desk
        >> AgentStatusSet agent=2 status=available !!
        >> AgentStatusSet agent=2 status=available phone=p1
        """,
    )
    assert engine.agent_view(ONE).phone == "desk"
    assert engine.agent_view(AgentId("2")).phone == "p1"


def test_nobody_moves_in_the_middle_of_a_call() -> None:
    engine = open_house((queue(wrap_up_s=9),), (agent("1"), agent("2")), available="1")
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording interaction=i
        >> AgentStatusSet agent=1 status=available phone=desk !!
        >> AgentStatusSet agent=1 status=logged_out
        >> AgentStatusSet agent=2 status=available phone=p1 !!
        """,
    )


def test_a_lost_phone_is_told_and_gets_no_call() -> None:
    engine = open_house((queue(),), (agent("1"), agent("2")), available="1")
    play(
        engine,
        """
        >> PhoneStateChanged phone=p2 state=unreachable
        >> PhoneStateChanged phone=p1 state=unreachable
        << NotifyAgent agent=1 code=phone_lost
        >> InteractionArrived interaction=i caller=1 did=news
        >> PhoneStateChanged phone=p1 state=idle
        << NotifyAgent agent=1 code=phone_back
        << Offer targets=1
        """,
    )


def test_a_private_call_is_seen_and_ours_is_none() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(engine, ">> PhoneStateChanged phone=p1 state=in_use")
    assert engine.agent_view(ONE).private_call
    play(engine, ">> PhoneStateChanged phone=p1 state=idle\n" + TALKED.partition(">> Caller")[0])
    assert not engine.agent_view(ONE).private_call
    play(
        engine,
        ">> AgentStatusSet agent=1 status=logged_out\n>> PhoneStateChanged phone=p1 state=in_use",
    )
    assert engine.agent_view(ONE).state == "talking"
    assert not engine.agent_view(ONE).private_call


# --- dispositions that are required --------------------------------------------------------------


def test_a_wrap_up_does_not_end_without_what_the_queue_asks_for() -> None:
    engine = owing()
    play(
        engine,
        """
        >> WrapUpFinished agent=1 !!
        >> DispositionSet interaction=i agent=1 code=tip
        << AmendContactRecord disposition=tip
        << AmendContactRecord wrap_up_s=0
        """,
    )
    assert engine.agent_view(ONE).state == "idle"


def test_who_lets_the_time_run_out_is_paused_until_it_is_there() -> None:
    engine = owing()
    play(engine, OVERDUE)
    one = engine.agent_view(ONE)
    assert (one.status, one.reason, one.disposition_owed) == ("paused", "disposition", True)
    play(
        engine,
        """
        at 61
        >> AgentStatusSet agent=1 status=available !!
        >> AgentStatusSet agent=1 status=paused reason=lunch
        >> AgentStatusSet agent=1 status=paused reason=disposition
        >> DispositionSet interaction=i agent=1 code=tip
        << AmendContactRecord disposition=tip
        """,
    )
    one = engine.agent_view(ONE)
    assert (one.status, one.disposition_owed) == (AgentStatus.AVAILABLE, False)


def test_a_supervisor_may_let_the_agent_go_on_without_it() -> None:
    engine = owing()
    play(engine, OVERDUE + ">> AgentStatusSet agent=1 status=available by=sue")
    assert engine.agent_view(ONE).status is AgentStatus.AVAILABLE
    play(
        engine,
        """
        at 70
        >> DispositionSet interaction=i agent=1 code=tip
        << AmendContactRecord disposition=tip
        """,
    )
    assert not engine.agent_view(ONE).disposition_owed


def test_who_paused_already_stays_so() -> None:
    engine = owing()
    play(engine, ">> AgentStatusSet agent=1 status=paused reason=lunch\n" + OVERDUE)
    assert engine.agent_view(ONE).reason == "lunch"
    again = owing()
    again.handle(_restored(engine), 1_000_100.0)
    assert again.agent_view(ONE).disposition_owed


def _restored(engine: Engine) -> AgentRestored:
    return AgentRestored(agent=ONE, snapshot=engine.snapshot_agent(ONE))


def test_policy_may_let_it_go() -> None:
    engine = owing(Overdue.GO_ON)
    play(
        engine,
        """
        at 60
        >> TimerFired timer=agent:1:wrap_up:i
        << AmendContactRecord wrap_up_s=60
        """,
    )
    assert engine.agent_view(ONE).status is AgentStatus.AVAILABLE

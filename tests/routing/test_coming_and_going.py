"""Ways in and out that others have: a ratio, a place kept, staff that is gone for a moment."""

from __future__ import annotations

import json

import pytest

from routing import facts as f
from routing.engine import Engine
from routing.ids import FlowId, InteractionId
from routing.model import Flow, Joining, Overflow, OverflowReason, Step, StepKind
from routing.pool import MAX_GAVE_UP
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, house, open_house, queue

pytestmark = pytest.mark.unit


def waiting(engine: Engine) -> list[str]:
    """Who waits, the first in line first."""
    views = [v for v in engine.live_interactions() if v.position is not None]
    return [v.id for v in sorted(views, key=lambda v: v.position or 0)]


# --- so many for each agent (Wazo's wait ratio) --------------------------------------------------


@pytest.mark.parametrize(("there", "may_wait"), [("1 2", 4), ("1", 2), ("", 2)])
def test_more_than_so_many_for_each_agent_go_elsewhere(there: str, may_wait: int) -> None:
    """With nobody there it is as with one agent: ``join_empty`` is about that."""
    rule = Overflow(reason=OverflowReason.RATIO, limit=2, flow=FlowId("out"))
    engine = open_house(
        (queue(overflow=(rule,)),),
        (agent("1"), agent("2")),
        available=there,
        flows=(Flow(id=FlowId("out"), steps=(Step(kind=StepKind.RELEASE),)),),
    )
    talking = len(there.split())
    for n in range(talking):
        play(
            engine,
            f"""
            >> InteractionArrived interaction=t{n} caller=1 did=news
            << Offer interaction=t{n}
            """,
        )
        [offer] = [v for v in engine.live_interactions() if v.id == f"t{n}"]
        answered = f"agent={offer.ringing_agents[0]}"
        play(
            engine,
            f"""
            >> OfferAnswered interaction=t{n} offer=t{n}.o1 {answered}
            << StartRecording interaction=t{n}
            """,
        )
    for n in range(may_wait):
        play(engine, f">> InteractionArrived interaction=w{n} caller=1 did=news")
    assert len(waiting(engine)) == may_wait
    play(
        engine,
        """
        >> InteractionArrived interaction=x caller=1 did=news
        << Release interaction=x
        """,
    )


# --- a place is kept (mod_callcenter's abandoned-resume) -----------------------------------------

COMES_BACK = """
    >> InteractionArrived interaction=a caller=138 did=news
    at 10
    >> InteractionArrived interaction=b caller=139 did=news
    at 20
    >> CallerHungUp interaction=a
    << FileContactRecord account.outcome=abandoned account.wait_s=20
"""


def arrives(engine: Engine, name: str, number: str, at: float) -> None:
    engine.handle(
        f.InteractionArrived(
            interaction=InteractionId(name), caller=f.Party(number=number), did="news"
        ),
        NOON + at,
    )


def test_who_gave_up_and_calls_again_has_the_old_place() -> None:
    engine = open_house((queue(keep_place_s=60),), (agent("1"),), available="")
    play(engine, COMES_BACK)
    arrives(engine, "c", "138", 50)
    assert waiting(engine) == ["c", "b"]
    arrives(engine, "d", "138", 55)
    assert waiting(engine) == ["c", "b", "d"], "once"
    # this call's wait is this call's
    play(engine, "at 60\n>> CallerHungUp interaction=c\n<< FileContactRecord account.wait_s=10")
    arrives(engine, "e", "138", 61)
    assert waiting(engine) == ["e", "b", "d"], "a place kept twice is the first one"


def test_not_for_ever_not_for_everybody_and_not_unless_asked_for() -> None:
    engine = open_house((queue(keep_place_s=60),), (agent("1"),), available="")
    play(engine, COMES_BACK)
    arrives(engine, "c", "137", 30)
    arrives(engine, "d", "138", 81)
    assert waiting(engine) == ["b", "c", "d"]
    plain = open_house(agents=(agent("1"),), available="")
    play(plain, COMES_BACK)
    arrives(plain, "c", "138", 30)
    assert waiting(plain) == ["b", "c"]
    hidden = open_house((queue(keep_place_s=60),), (agent("1"),), available="")
    play(hidden, COMES_BACK.replace("138", '""'))
    arrives(hidden, "c", "", 30)
    assert waiting(hidden) == ["b", "c"], "a withheld number is nobody's"


def test_the_kept_place_outlives_reload_and_restart() -> None:
    engine = open_house((queue(keep_place_s=60),), (agent("1"),), available="")
    play(engine, COMES_BACK)
    changed = house((queue(keep_place_s=60, wrap_up_s=3),), (agent("1"),))
    engine.handle(f.ConfigChanged(config=changed.to_data(), version="2"), NOON + 25)
    arrives(engine, "c", "138", 30)
    assert waiting(engine) == ["c", "b"]
    fresh = Engine(changed)
    for name in ("b", "c"):
        kept = json.loads(json.dumps(engine.snapshot(InteractionId(name))))
        fresh.handle(
            f.InteractionRestored(interaction=InteractionId(name), snapshot=kept, present=True),
            NOON + 31,
        )
    assert waiting(fresh) == ["c", "b"]


def test_no_more_are_remembered_than_fit() -> None:
    engine = open_house((queue(keep_place_s=600),), (agent("1"),), available="")
    for n in range(MAX_GAVE_UP + 5):
        arrives(engine, f"i{n}", f"1{n}", n * 0.01)
        engine.handle(f.CallerHungUp(interaction=InteractionId(f"i{n}")), NOON + n * 0.01)
    [pool] = engine._floor.pools.values()
    assert len(pool.gave_up) == MAX_GAVE_UP
    assert "10" not in pool.gave_up


# --- nobody there for a moment (mod_callcenter's max-wait-time-with-no-agent) ---------------------


def alone(after_s: float = 30) -> Engine:
    engine = open_house(
        (queue(leave_empty=Joining.LOGGED_IN, leave_empty_after_s=after_s),),
        (agent("1"), agent("2")),
        available="1",
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=t caller=1 did=news
        << Offer interaction=t
        >> OfferAnswered interaction=t offer=t.o1 agent=1
        << StartRecording interaction=t
        >> InteractionArrived interaction=a caller=1 did=news
        at 10
        >> AgentStatusSet agent=1 status=logged_out
        """,
    )
    return engine


def test_the_staff_may_be_gone_for_a_moment() -> None:
    play(
        alone(),
        """
        at 30
        >> AgentStatusSet agent=2 status=paused
        at 35
        >> AgentStatusSet agent=2 status=logged_out
        at 40
        >> TimerFired timer=a:empty
        at 65
        >> TimerFired timer=a:empty
        << Play interaction=a
        """,
    )


def test_somebody_comes_in_time() -> None:
    play(
        alone(),
        """
        at 30
        >> AgentStatusSet agent=2 status=paused
        at 40
        >> TimerFired timer=a:empty
        at 90
        >> AgentStatusSet agent=2 status=available
        << Offer interaction=a targets=2
        """,
    )


def test_who_comes_later_waits_no_longer_than_the_others() -> None:
    play(
        alone(),
        """
        at 35
        >> InteractionArrived interaction=b caller=2 did=news
        at 40
        >> TimerFired timer=b:empty
        << Play interaction=b
        >> InteractionArrived interaction=c caller=2 did=news
        << Play interaction=c
        """,
    )

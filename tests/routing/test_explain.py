"""Explanations: every reason, what would change it, and agreement with what the engine does."""

from __future__ import annotations

import json
from math import inf

import pytest

from routing import facts as f
from routing.engine import Engine
from routing.explain import Candidate, Explanation
from routing.ids import AgentId, InteractionId, QueueId, SkillId
from routing.model import (
    Capacity,
    LevelAdvance,
    Membership,
    NoAnswer,
    PenaltyStep,
    PreferredAgent,
    RelaxStep,
    Requirement,
)
from routing.plain import to_plain
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, open_house, queue

pytestmark = pytest.mark.unit

S = SkillId("s")


def explained(engine: Engine, name: str, after_s: float = 0.0) -> Explanation:
    """The explanation, which is always JSON."""
    told = engine.explain(InteractionId(name), NOON + after_s)
    json.dumps(to_plain(told, full=True), allow_nan=False)
    return told


def reasons(told: Explanation, name: str) -> list[tuple[str, str, float | None]]:
    """Code, change and time of each reason."""
    candidate = next(x for x in told.candidates if x.agent == name)
    return [(r.code, r.change, r.at) for r in candidate.reasons]


def test_presence_and_work() -> None:
    engine = open_house(
        (queue(wrap_up_s=60, no_answer=NoAnswer(decline_delay_s=9)),),
        (*(agent(str(n)) for n in range(1, 8)), agent("8", capacity=Capacity(limits={}))),
        available="3 4 5 8",
    )
    play(
        engine,
        """
        >> AgentStatusSet agent=2 status=paused reason=lunch
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=3
        >> OfferAnswered interaction=i offer=i.o1 agent=3
        << StartRecording interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.agent=3
        >> InteractionArrived interaction=k caller=1 did=news
        << Offer targets=4
        >> OfferDeclined interaction=k offer=k.o1 agent=4
        >> OfferEnded interaction=k offer=k.o1
        << Offer targets=5
        >> AgentStatusSet agent=6 status=available
        >> PhoneStateChanged phone=p6 state=in_use
        >> AgentStatusSet agent=7 status=available
        >> PhoneStateChanged phone=p7 state=unreachable
        << NotifyAgent agent=7 code=phone_lost
        >> InteractionArrived interaction=j caller=1 did=news
        """,
    )
    told = explained(engine, "j")
    assert reasons(told, "1") == [("logged_out", "log_in", None)]
    assert reasons(told, "2") == [("paused", "unpause", None)]
    assert reasons(told, "3") == [("wrap_up", "wait", NOON + 60)]
    assert reasons(told, "4") == [("resting", "wait", NOON + 9)]
    assert reasons(told, "5") == [("reserved", "finish", None)]
    assert reasons(told, "6") == [("phone_in_private_use", "hang_up", None)]
    assert reasons(told, "7") == [("phone_unreachable", "register_phone", None)]
    assert reasons(told, "8") == [("capacity", "finish", None)]
    assert reasons(explained(engine, "k"), "5") == [("asked_now", "wait", None)]
    assert explained(engine, "k").asked_now == ("5",)
    play(
        engine,
        """
        >> OfferAnswered interaction=k offer=k.o2 agent=5
        << StartRecording interaction=k
        """,
    )
    assert reasons(explained(engine, "k"), "5") == [("serves_it", "finish", None)]


def test_skills_levels_and_penalties() -> None:
    q = QueueId("news")
    engine = open_house(
        (
            queue(
                requires=(Requirement(skill=S, level=3),),
                relax=(RelaxStep(after_s=60, levels={S: 2}),),
                penalty_steps=(PenaltyStep(after_s=0, max_penalty=1),),
                level_advance=LevelAdvance.AFTER_WAIT,
                level_wait_s=30,
                level_skip_unstaffed=False,
            ),
        ),
        (
            agent("1", skills={}),
            agent("2", skills={S: 2}),
            agent("3", Membership(queue=q, penalty=2), skills={S: 3}),
            agent("4", Membership(queue=q, level=2), skills={S: 3}),
        ),
    )
    play(engine, ">> InteractionArrived interaction=i caller=1 did=news")
    told = explained(engine, "i", 5)
    assert reasons(told, "1") == [("skill_missing", "learn_skill", None)]
    assert reasons(told, "2") == [("skill_too_low", "wait", NOON + 60)]
    assert reasons(told, "3") == [("penalty_outside", "change_penalty", None)]
    assert reasons(told, "4") == [("level_not_reached", "wait", NOON + 30)]
    assert (told.levels_reached, told.relaxes_at, told.position) == (1, NOON + 30, 1)
    assert reasons(explained(engine, "i", 30), "4") == []


def test_the_first_place_is_asked_next() -> None:
    for strategy in ("longest_idle", "top_down", "best_skill", "random", "weighted_random"):
        people = tuple(agent(str(n), "a", "b", skills={S: n % 3 + 1}) for n in range(5))
        engine = open_house((queue("a", strategy=strategy), queue("b")), people, seed=4)
        # an offer to one agent shows who would come next in the same queue
        engine.handle(
            f.InteractionArrived(interaction=InteractionId("i"), caller=f.Party(), did="a"), NOON
        )
        told = explained(engine, "i")
        following: Candidate = told.candidates[0]
        assert following.place == 1
        engine.handle(
            f.InteractionArrived(interaction=InteractionId("j"), caller=f.Party(), did="a"), NOON
        )
        assert engine.interaction_view(InteractionId("j")).ringing_agents == (following.agent,)


def test_waiting_for_the_preferred_agent() -> None:
    engine = open_house((queue(preferred=PreferredAgent(owner=True)),), (agent("1"), agent("2")))
    play(
        engine,
        """
        >> PhoneStateChanged phone=p2 state=in_use
        >> PhoneStateChanged phone=p1 state=in_use
        >> InteractionArrived interaction=i caller=1 did=news
        """,
    )
    assert explained(engine, "i").queue in (None, "news")
    play(engine, ">> CustomerMatched interaction=i customer=c attributes=owner:2")
    told = explained(engine, "i")
    assert told.preferred_agent == "2"
    assert ("waits_for_preferred_agent", "wait", NOON + 20) in reasons(told, "1")
    assert reasons(told, "2") == [("phone_in_private_use", "hang_up", None)]


def test_agents_without_a_phone_and_interactions_without_a_queue() -> None:
    engine = open_house((queue(),), (agent("1"),), available="")
    fresh = Engine(engine.config)
    nobody = agent("1")
    config = type(engine.config)(
        queues=engine.config.queues,
        entries=engine.config.entries,
        agents=(type(nobody)(id=nobody.id, memberships=nobody.memberships),),
    )
    fresh = Engine(config)
    play(
        fresh,
        """
        >> AgentStatusSet agent=1 status=available
        >> InteractionArrived interaction=i caller=1 did=news
        >> InteractionArrived interaction=x caller=1 did=nowhere
        << Play interaction=x
        """,
    )
    assert reasons(explained(fresh, "i"), "1") == [("no_phone", "choose_phone", None)]
    assert explained(fresh, "x").candidates == ()
    assert explained(fresh, "i").relaxes_at is None
    assert inf not in explained(fresh, "i").candidates[0].rank
    with pytest.raises(KeyError):
        fresh.explain(InteractionId("nobody"), NOON)
    assert not fresh.agent_view(AgentId("1")).phone_reachable

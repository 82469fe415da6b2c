"""Turns that an ordinary day seldom takes: each has its own play, so that none rests on luck."""

from __future__ import annotations

import runpy
import sys
from math import inf

import pytest

from routing import control_facts as cf
from routing import diagrams
from routing import engine as engine_module
from routing import facts as f
from routing.commands import FileContactRecord
from routing.engine import Engine
from routing.errors import UnknownTransition
from routing.ids import AgentId, FlowId, InteractionId, PhoneId, QueueId, RecordingId, SkillId
from routing.model import (
    Announcements,
    CallbackPolicy,
    Capacity,
    CustomerRules,
    Entry,
    Flow,
    Membership,
    NoAnswer,
    Overflow,
    OverflowReason,
    PenaltyStep,
    PreferredAgent,
    Prompt,
    Skill,
    Step,
    StepKind,
)
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, open_house, queue

pytestmark = pytest.mark.unit

I = InteractionId("i")  # noqa: E741
HELLO = (Prompt(value="hello"),)
WORDS = Flow(id=FlowId("words"), steps=(Step(kind=StepKind.ANNOUNCEMENT, prompts=HELLO),))
TO_WORDS = Entry(did="words", flow=FlowId("words"))
BOTH = Capacity(limits={f.Channel.VOICE: 1, f.Channel.CHAT: 1, f.Channel.EMAIL: 1}, exclusive=())


def spoken(engine: Engine, text: str) -> list[list[str]]:
    """What is played in the course of a play."""
    every = play(engine, text)
    return [
        [p.value for p in x.prompts] for x in every if type(x).__name__ in ("Play", "CollectDigits")
    ]


def account(commands: list[object]) -> FileContactRecord:
    """The one contact record among the commands."""
    (filed,) = [c for c in commands if isinstance(c, FileContactRecord)]
    return filed


# --- the engine ----------------------------------------------------------------------------------


def test_work_without_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_house((queue(),), (agent("1"),), available="")
    monkeypatch.setattr(engine_module, "MAX_TURNS", 0)
    with pytest.raises(AssertionError, match="do not come to an end"):
        engine.handle(f.AgentStatusSet(agent=AgentId("1"), status=f.AgentStatus.AVAILABLE), NOON)


def test_a_fact_that_the_table_does_not_know_in_this_state() -> None:
    engine = open_house((queue(),), ())
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        >> CustomerAnswered interaction=i !!
        >> OfferRinging interaction=i offer=i.o1 agent=1 !!
        """,
    )
    (view,) = engine.queues(NOON)
    assert (view.id, view.waiting) == ("news", 1)


def test_what_supervisors_did_may_be_told_after_the_end() -> None:
    engine = open_house((queue(),), ())
    late = """
        >> SupervisionStarted interaction=gone supervision=s
        >> SupervisionModeChanged interaction=gone supervision=s mode=barge
        >> SupervisionEnded interaction=gone supervision=s
        >> SuperviseRequested interaction=gone supervision=s mode=barge phone=p by=boss !!
        """
    assert play(engine, late) == []


def test_the_page_of_diagrams_can_be_had_from_the_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "routing.diagrams")
    runpy.run_module("routing.diagrams", run_name="__main__")
    assert capsys.readouterr().out == diagrams.page()


# --- agents --------------------------------------------------------------------------------------


def test_whoever_pauses_while_others_still_ring_is_not_paused_again() -> None:
    engine = open_house(
        (queue(strategy="ring_all", no_answer=NoAnswer(pause_after=1)),), (agent("1"), agent("2"))
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1,2
        >> AgentStatusSet agent=1 status=paused reason=lunch
        at 20
        >> TimerFired timer=i:ring1
        << CancelOffer reason=ring_timeout
        >> OfferEnded interaction=i offer=i.o1
        << NotifyAgent agent=2 code=paused_after_no_answer
        """,
    )
    first, second = engine.agents()
    assert (first.status, first.reason) == ("paused", "lunch")
    assert (second.status, second.reason) == ("paused", "no_answer")


def test_a_pause_amid_a_conversation_makes_nobody_longer_idle() -> None:
    engine = open_house((queue(),), (agent("1"), agent("2")))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording interaction=i
        at 5
        >> AgentStatusSet agent=1 status=paused
        >> AgentStatusSet agent=1 status=available
        at 10
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        >> InteractionArrived interaction=j caller=1 did=news
        << Offer targets=2
        """,
    )


def test_a_disposition_during_the_conversation_leaves_the_wrap_up_where_the_queue_says_so() -> None:
    engine = open_house((queue(wrap_up_s=30, disposition_ends_wrap_up=False),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording interaction=i
        >> DispositionSet interaction=i agent=1 code=done
        at 9
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        << AmendContactRecord disposition=done
        """,
    )
    assert engine.agent_view(AgentId("1")).state == "wrap_up"


def test_the_wrap_up_of_a_chat_says_nothing_of_the_phone() -> None:
    engine = open_house(
        (queue(), queue("chat", channel=f.Channel.CHAT, wrap_up_s=20)),
        (agent("1", "news", "chat", capacity=BOTH),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=c caller=1 did=chat channel=chat
        << Offer interaction=c
        >> OfferAnswered interaction=c offer=c.o1 agent=1
        >> PhoneStateChanged phone=p1 state=in_use
        >> CallerHungUp interaction=c
        << FileContactRecord account.interaction=c
        >> InteractionArrived interaction=v caller=1 did=news
        >> PhoneStateChanged phone=p1 state=idle
        << Offer interaction=v
        """,
    )


def test_channels_beside_each_other() -> None:
    email = queue("email", channel=f.Channel.EMAIL)
    chat = queue("chat", channel=f.Channel.CHAT, strategy="ring_all")
    engine = open_house(
        (queue(), chat, email),
        tuple(agent(n, "news", "chat", "email", capacity=BOTH) for n in "12"),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=c caller=1 did=chat channel=chat
        << Offer interaction=c targets=1,2
        >> InteractionArrived interaction=d caller=1 did=chat channel=chat
        >> InteractionArrived interaction=e caller=1 did=email channel=email
        << Offer interaction=e targets=1
        >> OfferAnswered interaction=e offer=e.o1 agent=1
        """,
    )
    both = engine.agent_view(AgentId("1"))
    assert (both.state, both.interaction) == ("talking", "e")  # the foremost of two
    play(
        engine,
        """
        >> CallerHungUp interaction=d
        << FileContactRecord account.interaction=d
        >> CallerHungUp interaction=c
        << FileContactRecord account.interaction=c
        >> InteractionArrived interaction=v caller=1 did=news
        << Offer interaction=v
        >> InteractionArrived interaction=g caller=1 did=chat channel=chat
        << Offer interaction=g targets=1,2
        """,
    )


def test_who_rests_and_wraps_up_a_chat_still_does_after_a_restart() -> None:
    engine = open_house(
        (queue(), queue("chat", channel=f.Channel.CHAT)),
        (agent("1", "news", "chat", capacity=BOTH),),
        available="",
    )
    wrap_up = {"interaction": "c", "channel": "chat", "queue": "chat", "since": NOON - 5}
    snapshot = {
        "status": "available",
        "resting_until": NOON + 4,
        "wrap_ups": [{**wrap_up, "until": NOON + 30}],
    }
    play(engine, ">> InteractionArrived interaction=v caller=1 did=news")
    commands = engine.handle(f.AgentRestored(agent=AgentId("1"), snapshot=snapshot), NOON)
    assert [type(c).__name__ for c in commands] == ["StartTimer", "StartTimer"]
    play(
        engine,
        """
        at 4
        >> TimerFired timer=agent:1:rest
        << Offer interaction=v targets=1
        """,
    )


# --- what is heard -------------------------------------------------------------------------------


def test_announcements_wait_for_the_welcome_and_stop_with_the_offer() -> None:
    heard = Announcements(welcome=HELLO, position=True, first_after_s=5, every_s=5)
    engine = open_house((queue(announcements=heard),), (agent("1"),), available="")
    told = spoken(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Play step=i.s1
        at 5
        >> TimerFired timer=i:say
        >> StepFinished interaction=i step=i.s1 outcome=done
        << StartMusic interaction=i
        >> StepFinished interaction=i step=i.s1 outcome=done
        at 10
        >> TimerFired timer=i:say
        << Play step=i.s2
        >> StepFinished interaction=i step=i.s2 outcome=done
        << StartMusic interaction=i
        >> AgentStatusSet agent=1 status=available
        << Offer targets=1
        at 15
        >> TimerFired timer=i:say
        """,
    )
    assert told == [["hello"], ["queue-youarenext"]]


@pytest.mark.parametrize(
    ("staff", "words"), [(0, []), (30, ["queue-holdtime", "1", "queue-minute"])]
)
def test_a_wait_is_spoken_in_words_that_fit(staff: int, words: list[str]) -> None:
    heard = Announcements(expected_wait=True, first_after_s=5)
    people = tuple(agent(str(n)) for n in range(staff))
    engine = open_house((queue(announcements=heard),), people)
    for n in range(staff):
        busy = f.PhoneStateChanged(phone=PhoneId(f"p{n}"), state=f.PhoneState.IN_USE)
        engine.handle(busy, NOON)
    told = spoken(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        at 5
        >> TimerFired timer=i:say
        << Play step=i.s1
        """,
    )
    assert told == [words]


def test_who_gives_up_after_an_announcement_counts_in_its_calibration() -> None:
    heard = Announcements(expected_wait=True, first_after_s=5)
    engine = open_house((queue(announcements=heard),), (agent("1"),))
    play(
        engine,
        """
        >> PhoneStateChanged phone=p1 state=in_use
        >> InteractionArrived interaction=i caller=1 did=news
        at 5
        >> TimerFired timer=i:say
        << Play step=i.s1
        at 500000
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=abandoned
        """,
    )
    report = engine.announced_waits()[QueueId("news")]
    assert (report["announced"], report["given_up"], report["above"]) == (1, 1, 1)


# --- customers -----------------------------------------------------------------------------------


def test_the_crm_says_nothing_new_while_waiting() -> None:
    engine = open_house((queue(),), (), skills=(Skill(id=SkillId("s")),))
    every = play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        >> CustomerMatched interaction=i customer=c name=Li attributes=skill.s:many
        """,
    )
    assert "CancelTimer" not in [type(c).__name__ for c in every]
    view = engine.interaction_view(I)
    assert (view.state, view.priority, view.position) == ("waiting", 0, 1)


def test_blocked_at_the_door() -> None:
    rules = CustomerRules(blocked_prompts=(Prompt(value="sorry"),))
    engine = open_house((queue(),), (), flows=(WORDS,), entries=(TO_WORDS,), customers=rules)
    told = spoken(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=words
        << Play step=i.s1
        >> CustomerMatched interaction=i customer=c attributes=blocked:yes
        << Play step=i.s2
        >> StepFinished interaction=i step=i.s1 outcome=done
        >> StepFinished interaction=i step=i.s2 outcome=done
        << Release cause=21
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=blocked
        """,
    )
    assert told == [["hello"], ["sorry"]]


def test_blocked_while_out_of_control_is_not_queued_again() -> None:
    to_news = Flow(id=FlowId("q"), steps=(Step(kind=StepKind.QUEUE, queue=QueueId("news")),))
    engine = open_house(
        (queue(),), (), flows=(to_news,), entries=(Entry(did="q", flow=FlowId("q")),)
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=q
        >> ControlLost interaction=i
        >> CustomerMatched interaction=i customer=c attributes=blocked:1
        >> CallerReturned interaction=i
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=blocked
        """,
    )


def test_a_customer_matched_while_a_prompt_was_cut_short() -> None:
    engine = open_house((queue(),), (), flows=(WORDS,), entries=(TO_WORDS,))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=words
        << Play step=i.s1
        >> ControlLost interaction=i
        >> CustomerMatched interaction=i customer=c attributes=vip:1
        >> CallerReturned interaction=i
        << Play step=i.s2
        """,
    )
    assert engine.interaction_view(I).priority == 1


def test_a_vip_keeps_waiting_for_the_agent_whom_the_caller_asked_for() -> None:
    engine = open_house(
        (queue(preferred=PreferredAgent(owner=True, patience_s=60)),), (agent("1"), agent("2"))
    )
    play(
        engine,
        """
        >> PhoneStateChanged phone=p2 state=in_use
        >> InteractionArrived interaction=i caller=1 did=news attributes=owner:2
        at 1
        >> TimerFired timer=i:identify
        >> CustomerMatched interaction=i customer=c attributes=vip:1
        >> AgentStatusSet agent=2 status=paused
        << Offer interaction=i targets=1
        >> OfferDeclined interaction=i offer=i.o1 agent=1
        >> AgentStatusSet agent=1 status=paused
        >> OfferEnded interaction=i offer=i.o1
        at 60
        >> TimerFired timer=i:patience
        """,
    )
    view = engine.interaction_view(I)
    assert (view.state, view.priority) == ("waiting", 1)


# --- offers and conversations --------------------------------------------------------------------


def test_a_caller_who_is_back_under_control_is_not_rung_any_more() -> None:
    engine = open_house((queue(),), (agent("1"), agent("2")))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> CallerReturned interaction=i
        << Offer offer=i.o2 targets=2
        """,
    )


def test_words_after_the_conversation_are_no_second_hang_up() -> None:
    engine = open_house((queue(),), (agent("1"),))
    i = ">> AgentHungUp interaction=i agent=1"
    play(
        engine,
        f"""
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording recording=i.r1
        at 60
        >> RecordingFailed interaction=i recording=i.r1 reason=full
        {i}
        << Release interaction=i
        at 70
        {i}
        """,
    )
    filed = account(engine.handle(f.CallerHungUp(interaction=I), NOON + 70)).account
    assert filed.recordings == (RecordingId("i.r1"),)
    assert filed.recording_failures == ("i.r1: full",)
    assert filed.talk_s == 60


# --- rules of queues -----------------------------------------------------------------------------


def test_a_wait_that_is_short_enough_is_waited() -> None:
    rules = (
        Overflow(reason=OverflowReason.EWT, limit=10_000, flow=FlowId("words")),
        Overflow(reason=OverflowReason.LENGTH, limit=1, flow=FlowId("words")),
    )
    engine = open_house((queue(overflow=rules),), (agent("1"),), flows=(WORDS,))
    play(
        engine,
        """
        >> PhoneStateChanged phone=p1 state=in_use
        >> InteractionArrived interaction=i caller=1 did=news
        >> InteractionArrived interaction=j caller=1 did=news
        << Play interaction=j
        """,
    )
    assert engine.interaction_view(I).state == "waiting"


def test_penalties_below_the_range_of_the_moment_are_not_asked() -> None:
    steps = (PenaltyStep(after_s=0, min_penalty=2), PenaltyStep(after_s=30))
    low = Membership(queue=QueueId("news"), penalty=1)
    engine = open_house((queue(penalty_steps=steps),), (agent("1", low),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        at 30
        >> TimerFired timer=i:stage
        << Offer targets=1
        """,
    )


def test_what_nobody_can_is_known_of_any_number_of_requests() -> None:
    names = "abcd"
    rule = Overflow(reason=OverflowReason.UNROUTABLE, flow=FlowId("words"))
    engine = open_house(
        (queue(overflow=(rule,), preferred=PreferredAgent(owner=True)),),
        (agent("1", skills={SkillId(s): 9 for s in names}),),
        flows=(WORDS,),
        skills=tuple(Skill(id=SkillId(s)) for s in names),
        available="",
        max_live=5000,
    )
    refused = []
    for n in range(1500):
        i = InteractionId(f"i{n}")
        digits = f"{n:04}"
        engine.handle(f.InteractionArrived(interaction=i, caller=f.Party(), did="news"), NOON)
        asked = {f"skill.{s}": str(int(d) + 1) for s, d in zip(names, digits, strict=True)}
        engine.handle(
            f.CustomerMatched(interaction=i, customer="c", attributes=asked),  # type: ignore[arg-type]
            NOON,
        )
        state = engine.interaction_view(i).state
        assert state == ("entering" if "9" in digits else "waiting"), digits
        refused.append(state)
    assert "entering" in refused[-100:]


def test_a_callback_is_promised_once_even_if_its_words_are_cut_short() -> None:
    steps = (Step(kind=StepKind.CALLBACK, queue=QueueId("news"), prompts=HELLO),)
    engine = open_house(
        (queue(callback=CallbackPolicy(enabled=True)),),
        (),
        flows=(Flow(id=FlowId("back"), steps=steps),),
        entries=(Entry(did="back", flow=FlowId("back")),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=138 did=back
        << Play step=i.s1
        >> ControlLost interaction=i
        >> CallerReturned interaction=i
        << Play step=i.s2
        >> StepFinished interaction=i step=i.s2 outcome=done
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=callback
        """,
    )
    assert [v.id for v in engine.live_interactions()] == ["i.cb"]


def test_a_chat_is_explained_without_a_phone() -> None:
    engine = open_house(
        (queue("chat", channel=f.Channel.CHAT),), (agent("1", "chat"),), available=""
    )
    play(engine, ">> InteractionArrived interaction=i caller=1 did=chat channel=chat")
    (only,) = engine.explain(I, NOON).candidates
    assert [r.code for r in only.reasons] == ["logged_out"]


# --- after a restart -----------------------------------------------------------------------------


def test_a_callback_that_waited_waits_on() -> None:
    engine = open_house((queue(callback=CallbackPolicy(enabled=True)),), (agent("1"),))
    snapshot = {"channel": "callback", "state": "waiting", "queue": "news", "in_queue": True}
    engine.handle(
        f.InteractionRestored(
            interaction=I,
            snapshot={**snapshot, "caller": {"number": "138"}, "waiting_since": NOON - 60},
            present=False,
        ),
        NOON,
    )
    play(
        engine,
        """
        at 10
        >> TimerFired timer=i:due
        << Offer interaction=i targets=1 channel=callback
        """,
    )


def test_a_wrap_up_of_which_the_pbx_says_that_it_is_a_conversation() -> None:
    engine = open_house((queue(wrap_up_s=30),), (agent("1"),), available="")
    wrap_up = {"interaction": "i", "channel": "voice", "queue": "news", "since": NOON}
    agent_was = {"status": "available", "wrap_ups": [{**wrap_up, "until": NOON + 30}]}
    engine.handle(f.AgentRestored(agent=AgentId("1"), snapshot=agent_was), NOON)
    assert engine.agent_view(AgentId("1")).state == "wrap_up"
    commands = engine.handle(
        f.InteractionRestored(
            interaction=I,
            snapshot={"state": "talking", "queue": "news", "agent": "1"},
            present=True,
            agent=AgentId("1"),
        ),
        NOON,
    )
    assert "CancelTimer" in [type(c).__name__ for c in commands]
    assert engine.agent_view(AgentId("1")).state == "talking"
    engine.handle(f.TimerFired(timer="agent:1:wrap_up:i"), NOON + 30)  # type: ignore[arg-type]
    assert engine.agent_view(AgentId("1")).state == "talking"


def test_unknown_things_are_refused_by_name() -> None:
    engine = open_house((queue(),), ())
    with pytest.raises(UnknownTransition, match="nothing that is live"):
        engine.handle(cf.HangUpRequested(interaction=I, by="1"), NOON)
    assert engine.announced_waits()[QueueId("news")]["announced"] == 0
    assert engine.queue_view(QueueId("news"), NOON).waiting < inf

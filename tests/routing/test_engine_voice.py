"""A voice call's way through the engine, as plays."""

from __future__ import annotations

import json

import pytest

from routing.commands import FileContactRecord, Prompt
from routing.engine import Engine
from routing.facts import AgentRestored, CallerReturned, InteractionRestored
from routing.ids import AgentId, InteractionId, QueueId
from routing.model import (
    Announcements,
    Disposition,
    Flow,
    Membership,
    NoAnswer,
    RecordingPolicy,
    Step,
    StepKind,
)
from tests.routing.playbook import picture, play
from tests.routing.samples import NOON, agent, open_house, queue

pytestmark = pytest.mark.unit


def test_a_caller_is_offered_connected_recorded_and_accounted_for() -> None:
    engine = open_house((queue(wrap_up_s=20),), (agent("1"),))
    every = play(
        engine,
        """
        >> InteractionArrived interaction=i1 caller=138 did=news
        << LookUpCustomer interaction=i1
        << Answer interaction=i1
        << Offer offer=i1.o1 targets=1 queue=news caller=138 recording=i1.r1 ring_timeout_s=20
        << StartTimer timer=i1:ring1 after_s=20
        >> OfferRinging interaction=i1 offer=i1.o1 agent=1
        at 4
        >> OfferAnswered interaction=i1 offer=i1.o1 agent=1
        << StartRecording recording=i1.r1 agent=1 queue=news
        >> RecordingStarted interaction=i1 recording=i1.r1
        at 64
        >> AgentHungUp interaction=i1 agent=1
        << StartTimer timer=agent:1:wrap_up:i1 after_s=20
        << Release interaction=i1 cause=16
        << StartTimer timer=i1:end
        >> RecordingEnded interaction=i1 recording=i1.r1
        at 65
        >> CallerHungUp interaction=i1 cause=16
        << FileContactRecord account.outcome=answered account.talk_s=60 account.wait_s=4
        >> AgentHungUp interaction=i1 agent=1 !!
        >> RecordingEnded interaction=i1 recording=i1.r1
        at 70
        >> DispositionSet interaction=i1 agent=1 code=sold notes=ok
        << AmendContactRecord disposition=sold notes=ok
        << AmendContactRecord wrap_up_s=6
        """,
    )
    account = next(c.account for c in every if isinstance(c, FileContactRecord))
    assert account.offers[0].outcome == "answered"
    assert account.recordings == ("i1.r1",)
    assert engine.live_interactions() == []


def test_the_next_caller_is_offered_in_the_step_in_which_the_agent_hangs_up() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i1 did=news caller=1
        << Offer interaction=i1
        >> OfferAnswered interaction=i1 offer=i1.o1 agent=1
        << StartRecording interaction=i1
        >> InteractionArrived interaction=i2 did=news caller=2
        at 9
        >> AgentHungUp interaction=i1 agent=1
        << Release interaction=i1
        << Offer interaction=i2 targets=1
        """,
    )
    assert engine.agent_view(AgentId("1")).interaction == "i2"


def test_no_answer_declines_and_failures() -> None:
    policy = NoAnswer(pause_after=1, decline_delay_s=5, failure_delay_s=7)
    engine = open_house(
        (queue(no_answer=policy, strategy="top_down"),), (agent("1"), agent("2"), agent("3"))
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer offer=i.o1 targets=1
        << StartTimer timer=i:ring1 after_s=20
        at 3
        >> OfferDeclined interaction=i offer=i.o1 agent=1 cause=17
        << StartTimer timer=agent:1:rest after_s=5
        >> OfferEnded interaction=i offer=i.o1
        << CancelTimer timer=i:ring1
        << Offer offer=i.o2 targets=2
        << StartTimer timer=i:ring2 after_s=20
        >> OfferFailed interaction=i offer=i.o2 agent=2 reason=gone
        << StartTimer timer=agent:2:rest after_s=7
        >> OfferEnded interaction=i offer=i.o2
        << CancelTimer timer=i:ring2
        << Offer offer=i.o3 targets=3
        << StartTimer timer=i:ring3 after_s=20
        at 23
        >> TimerFired timer=i:ring3
        << CancelOffer offer=i.o3 reason=ring_timeout
        << StartTimer timer=i:ring3
        >> OfferEnded interaction=i offer=i.o3
        << NotifyAgent agent=3 code=paused_after_no_answer
        << CancelTimer timer=i:ring3
        at 24
        >> TimerFired timer=agent:1:rest
        << Offer offer=i.o4 targets=1
        << StartTimer timer=i:ring4 after_s=20
        >> OfferRinging interaction=i offer=i.o1 agent=1 !!
        >> OfferEnded interaction=i offer=i.o1 !!
        >> OfferDeclined interaction=i offer=i.o4 agent=3 !!
        >> CallerHungUp interaction=i
        << CancelTimer timer=i:ring4
        << FileContactRecord account.outcome=abandoned
        """,
    )
    assert engine.agent_view(AgentId("3")).status == "paused"
    assert engine.agent_view(AgentId("1")).state == "idle"


def test_an_answer_that_beats_the_cancel_counts() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer offer=i.o1
        at 20
        >> TimerFired timer=i:ring1
        << CancelOffer offer=i.o1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording interaction=i
        >> OfferEnded interaction=i offer=i.o1
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """,
    )


def test_ring_all_frees_the_others_for_the_next_caller() -> None:
    engine = open_house((queue(strategy="ring_all"),), (agent("1"), agent("2")))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer offer=i.o1 targets=1,2
        >> InteractionArrived interaction=j did=news caller=2
        >> OfferAnswered interaction=i offer=i.o1 agent=2
        << StartRecording interaction=i agent=2
        << Offer offer=j.o1 targets=1
        """,
    )


def test_ring_progressively_asks_one_more_after_each_step() -> None:
    engine = open_house((queue(strategy="ring_progressively"),), (agent("1"), agent("2")))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer offer=i.o1 targets=1
        << StartTimer timer=i:ring1
        << StartTimer timer=i:grow1 after_s=5
        at 5
        >> TimerFired timer=i:grow1
        << ExtendOffer offer=i.o1 targets=2
        << StartTimer timer=i:grow1
        at 10
        >> TimerFired timer=i:grow1
        << StartTimer timer=i:grow1
        >> OfferAnswered interaction=i offer=i.o1 agent=2
        << CancelTimer timer=i:ring1
        << CancelTimer timer=i:grow1
        << StartRecording interaction=i agent=2
        """,
    )


def test_an_offer_whose_end_is_never_told_is_taken_back() -> None:
    engine = open_house((queue(),), (agent("1"),), reserve_lease_s=8.0)
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer offer=i.o1
        << StartTimer timer=i:ring1 after_s=20
        at 20
        >> TimerFired timer=i:ring1
        << CancelOffer offer=i.o1
        << StartTimer timer=i:ring1 after_s=8
        at 28
        >> TimerFired timer=i:ring1
        << Offer offer=i.o2 targets=1
        << StartTimer timer=i:ring2
        """,
    )


def test_waiting_with_welcome_position_and_music() -> None:
    heard = Announcements(
        welcome=(Prompt(value="hello"),),
        position=True,
        first_after_s=15,
        every_s=30,
        position_up_to=2,
        comfort=(Prompt(value="sorry"),),
    )
    engine = open_house((queue(announcements=heard),), ())
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << LookUpCustomer interaction=i
        << Answer interaction=i
        << Play step=i.s1 prompts=hello language=zh-CN
        << StartTimer timer=i:say after_s=15
        >> StepFinished interaction=i step=i.s1 outcome=done
        << StartMusic interaction=i
        at 15
        >> TimerFired timer=i:say
        << Play step=i.s2 prompts=queue-youarenext,sorry
        << StartTimer timer=i:say after_s=30
        >> StepFinished interaction=i step=i.s1 outcome=done
        >> StepFinished interaction=i step=i.s2 outcome=failed
        << StartMusic interaction=i
        >> CallerHungUp interaction=i cause=16
        << CancelTimer timer=i:say
        << FileContactRecord account.outcome=abandoned account.wait_s=15
        """,
    )


def test_an_unknown_number_is_never_met_with_silence() -> None:
    engine = open_house((queue(),), ())
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=999 caller=1
        << LookUpCustomer interaction=i
        << Answer interaction=i
        << Play step=i.s1 prompts=ctid/apology
        >> InteractionArrived interaction=i did=999 caller=1 !!
        >> StepFinished interaction=i step=i.s1 outcome=done
        << Release interaction=i cause=1
        << StartTimer timer=i:end
        >> CallerHungUp interaction=i
        << CancelTimer timer=i:end
        << FileContactRecord account.outcome=failed
        """,
    )
    engine = open_house((queue(),), (agent("1"),), default_queue=QueueId("news"))
    play(engine, ">> InteractionArrived interaction=i did=999 caller=1\n<< Offer queue=news")


def test_paused_or_gone_while_ringing() -> None:
    engine = open_house((queue(),), (agent("1"), agent("2")))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        >> AgentStatusSet agent=1 status=paused reason=lunch
        << CancelOffer offer=i.o1 reason=agent_left
        >> OfferEnded interaction=i offer=i.o1
        << Offer targets=2
        >> AgentStatusSet agent=9 status=paused !!
        """,
    )


def test_private_calls_are_left_alone() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> PhoneStateChanged phone=p1 state=in_use
        >> InteractionArrived interaction=i did=news caller=1
        >> PhoneStateChanged phone=p1 state=idle
        << Offer targets=1
        >> PhoneStateChanged phone=p1 state=ringing
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording interaction=i
        >> PhoneStateChanged phone=p1 state=in_use
        >> InteractionArrived interaction=j did=news caller=2
        >> CallerHungUp interaction=i
        << FileContactRecord account.interaction=i
        << Offer interaction=j targets=1
        """,
    )


def test_wrap_up_is_extended_finished_and_over_all_queues() -> None:
    engine = open_house(
        (queue("a", wrap_up_s=30, wrap_up_max_s=50), queue("b")), (agent("1", "a", "b"),)
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=a caller=1
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording agent=1
        >> InteractionArrived interaction=j did=b caller=2
        at 10
        >> CallerHungUp interaction=i
        << FileContactRecord account.agent=1
        >> WrapUpExtended agent=1 extra_s=100
        at 30
        >> WrapUpFinished agent=1
        << AmendContactRecord wrap_up_s=20
        << Offer interaction=j targets=1
        >> WrapUpFinished agent=1 !!
        >> WrapUpExtended agent=1 extra_s=100 !!
        """,
    )


def test_a_required_disposition_holds_the_wrap_up() -> None:
    engine = open_house(
        (queue(disposition_required=True, wrap_up_max_s=300),),
        (agent("1"),),
        dispositions=(Disposition(id="sold"),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording agent=1
        >> AgentHungUp interaction=i agent=1
        << Release interaction=i
        >> DispositionSet interaction=i agent=1 code=bought !!
        >> DispositionSet interaction=x agent=1 code=sold !!
        at 5
        >> DispositionSet interaction=i agent=1 code=sold
        >> CallerHungUp interaction=i
        << FileContactRecord account.agent=1
        << AmendContactRecord disposition=sold
        << AmendContactRecord wrap_up_s=5
        """,
    )
    assert engine.agent_view(AgentId("1")).state == "idle"
    assert engine.agent_view(AgentId("1")).disposition_due is None


def test_a_disposition_during_the_conversation_leaves_no_wrap_up() -> None:
    engine = open_house((queue(wrap_up_s=30),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording agent=1
        >> DispositionSet interaction=i agent=1 code=sold
        >> CallerHungUp interaction=i
        << FileContactRecord account.agent=1
        << AmendContactRecord disposition=sold
        """,
    )
    assert engine.agent_view(AgentId("1")).state == "idle"


def test_logging_out_ends_the_wrap_up_but_not_the_conversation() -> None:
    engine = open_house((queue(wrap_up_s=30),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording agent=1
        >> AgentStatusSet agent=1 status=logged_out
        """,
    )
    assert engine.agent_view(AgentId("1")).state == "talking"
    play(engine, ">> CallerHungUp interaction=i\n<< FileContactRecord account.agent=1", NOON + 9)
    assert engine.agent_view(AgentId("1")).state == ""
    play(
        engine,
        """
        >> AgentStatusSet agent=1 status=available
        >> InteractionArrived interaction=j did=news caller=1
        << Offer targets=1
        >> OfferAnswered interaction=j offer=j.o1 agent=1
        << StartRecording agent=1
        >> CallerHungUp interaction=j
        << FileContactRecord account.agent=1
        at 4
        >> AgentStatusSet agent=1 status=logged_out
        << AmendContactRecord wrap_up_s=4
        """,
        NOON + 20,
    )


def test_recording_policies() -> None:
    for policy, share, expected in (
        (RecordingPolicy.NEVER, 1.0, False),
        (RecordingPolicy.ON_DEMAND, 1.0, False),
        (RecordingPolicy.SAMPLE, 1.0, True),
        (RecordingPolicy.SAMPLE, 0.0, False),
        (RecordingPolicy.ALWAYS, 0.0, True),
    ):
        engine = open_house((queue(recording=policy, record_share=share),), (agent("1"),))
        every = play(
            engine,
            """
            >> InteractionArrived interaction=i did=news caller=1
            << Offer targets=1
            >> OfferAnswered interaction=i offer=i.o1 agent=1
            """
            + ("<< StartRecording agent=1" if expected else ""),
        )
        offer = next(c for c in every if type(c).__name__ == "Offer")
        assert (offer.recording is not None) == expected


def test_a_survey_follows_the_conversation() -> None:
    survey = Flow(
        id="survey", steps=(Step(kind=StepKind.MENU, prompts=(Prompt(value="rate"),), attempts=1),)
    )
    engine = open_house((queue(survey="survey"),), (agent("1"),), flows=(survey,))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording agent=1
        >> AgentHungUp interaction=i agent=1
        << CollectDigits step=i.s1 prompts=rate
        >> StepFinished interaction=i step=i.s1 outcome=digits digits=5
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """,
    )


def test_release_by_a_supervisor() -> None:
    for before in (
        "",
        ">> OfferAnswered interaction=i offer=i.o1 agent=1\n<< StartRecording agent=1",
    ):
        engine = open_house((queue(),), (agent("1"),))
        play(
            engine,
            f"""
            >> InteractionArrived interaction=i did=news caller=1
            << Offer targets=1
            {before}
            >> ReleaseRequested interaction=i by=boss reason=noise
            << Release interaction=i
            >> CallerHungUp interaction=i
            << FileContactRecord account.outcome=released
            """,
        )
        assert engine.agent_view(AgentId("1")).state == "idle"


def test_the_end_comes_even_if_nobody_tells() -> None:
    engine = open_house((queue(),), ())
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        >> ReleaseRequested interaction=i by=boss
        << Release interaction=i
        at 10
        >> TimerFired timer=i:end
        << FileContactRecord account.outcome=released
        >> TimerFired timer=i:end
        >> CallerHungUp interaction=i !!
        """,
    )


def test_a_waiting_caller_can_be_sent_to_another_queue() -> None:
    engine = open_house((queue("a"), queue("b")), (agent("1", "b"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=a caller=1
        >> ReleaseRequested interaction=i by=boss to_queue=b
        << Offer queue=b targets=1
        """,
    )


# --- restart -------------------------------------------------------------------------------------


def reopened(
    engine: Engine, *, config: object = None
) -> tuple[Engine, dict[str, dict[str, object]]]:
    """A new engine with the agents of the old one, and what the journal kept of the rest."""
    fresh = Engine(engine.config)
    kept = {v.id: json.loads(json.dumps(engine.snapshot(v.id))) for v in engine.live_interactions()}
    for view in engine.agents():
        snapshot = json.loads(json.dumps(engine.snapshot_agent(view.id)))
        fresh.handle(AgentRestored(agent=view.id, snapshot=snapshot), NOON + 100)
    return fresh, kept


def test_waiting_callers_keep_place_and_wait_over_a_restart() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=t did=news caller=9
        << Offer targets=1
        >> OfferAnswered interaction=t offer=t.o1 agent=1
        << StartRecording agent=1
        at 1
        >> InteractionArrived interaction=i did=news caller=1
        at 2
        >> InteractionArrived interaction=j did=news caller=2
        """,
    )
    fresh, kept = reopened(engine)
    for name in ("j", "i"):
        fresh.handle(
            InteractionRestored(interaction=InteractionId(name), snapshot=kept[name], present=True),
            NOON + 101,
        )
    talking = InteractionRestored(
        interaction=InteractionId("t"), snapshot=kept["t"], present=True, agent=AgentId("1")
    )
    assert fresh.handle(talking, NOON + 101) == []
    assert fresh.agent_view(AgentId("1")).state == "talking"
    assert [fresh.interaction_view(InteractionId(n)).position for n in ("i", "j")] == [1, 2]
    assert fresh.interaction_view(InteractionId("i")).state == "adrift"
    for name in ("j", "i"):
        fresh.handle(CallerReturned(interaction=InteractionId(name)), NOON + 102)
    play(
        fresh,
        """
        at 110
        >> AgentHungUp interaction=t agent=1
        << Release interaction=t
        << Offer interaction=i targets=1
        >> CallerHungUp interaction=t
        << FileContactRecord account.outcome=answered account.talk_s=110
        >> CallerHungUp interaction=j
        << FileContactRecord account.outcome=abandoned account.wait_s=108
        """,
    )


def test_a_second_kill_before_the_knock_leaves_the_line_as_the_pbx_told_it() -> None:
    """Callers of whom only the PBX told are known by a snapshot now, and never stood in a queue."""
    engine = open_house((queue(),), ())
    told = {"channel": "voice", "caller": {"number": "1"}, "did": "news", "arrived_at": NOON}
    engine.handle(
        InteractionRestored(interaction=InteractionId("i"), snapshot=told, present=True), NOON + 10
    )
    fresh, kept = reopened(engine)
    later = {**told, "caller": {"number": "2"}, "arrived_at": NOON + 12}
    for name, snapshot in (("i", kept["i"]), ("j", later)):
        fresh.handle(
            InteractionRestored(interaction=InteractionId(name), snapshot=snapshot, present=True),
            NOON + 101,
        )
    for name in ("j", "i"):
        fresh.handle(CallerReturned(interaction=InteractionId(name)), NOON + 102)
    views = [fresh.interaction_view(InteractionId(n)) for n in ("i", "j")]
    assert [v.position for v in views] == [1, 2]
    assert [v.queued_at for v in views] == [NOON, NOON + 12]


def test_callers_who_left_while_nobody_watched_are_accounted_for() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=t did=news caller=9
        << Offer targets=1
        >> OfferAnswered interaction=t offer=t.o1 agent=1
        << StartRecording agent=1
        >> InteractionArrived interaction=i did=news caller=1
        """,
    )
    fresh, kept = reopened(engine)
    for name, outcome in (("t", "answered"), ("i", "abandoned")):
        fact = InteractionRestored(
            interaction=InteractionId(name), snapshot=kept[name], present=False
        )
        filed = fresh.handle(fact, NOON + 101)
        assert [c.account.outcome for c in filed if isinstance(c, FileContactRecord)] == [outcome]
    assert fresh.live_interactions() == []


def test_an_agent_who_answered_while_nobody_watched_is_found_talking() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        """,
    )
    fresh, kept = reopened(engine)
    commands = fresh.handle(
        InteractionRestored(
            interaction=InteractionId("i"), snapshot=kept["i"], present=True, agent=AgentId("1")
        ),
        NOON + 101,
    )
    assert [type(c).__name__ for c in commands] == ["StartRecording"]
    play(
        fresh,
        """
        at 130
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered account.agents=1
        """,
    )


def test_a_lost_control_session_keeps_the_place() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer offer=i.o1 targets=1
        >> ControlLost interaction=i
        << CancelOffer offer=i.o1
        >> InteractionArrived interaction=j did=news caller=2
        << Offer interaction=j
        >> OfferDeclined interaction=i offer=i.o1 agent=1
        >> CallerReturned interaction=i
        >> CallerHungUp interaction=j
        << FileContactRecord account.interaction=j
        << Offer interaction=i offer=i.o2
        >> ControlLost interaction=i
        << CancelOffer offer=i.o2
        >> OfferAnswered interaction=i offer=i.o2 agent=1
        << StartRecording interaction=i
        >> CallerReturned interaction=i
        << Release interaction=i
        """,
    )


def test_wrap_up_and_rest_survive_a_restart() -> None:
    policy = NoAnswer(pause_after=0, decline_delay_s=500)
    engine = open_house((queue(wrap_up_s=400, no_answer=policy),), (agent("1"), agent("2")))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording agent=1
        >> CallerHungUp interaction=i
        << FileContactRecord account.agent=1
        >> InteractionArrived interaction=j did=news caller=1
        << Offer targets=2
        >> OfferDeclined interaction=j offer=j.o1 agent=2
        """,
    )
    fresh, _ = reopened(engine)
    assert picture(fresh)[0] == picture(engine)[0]
    play(
        fresh, "at 400\n>> TimerFired timer=agent:1:wrap_up:i\n<< AmendContactRecord wrap_up_s=400"
    )


# --- failures ------------------------------------------------------------------------------------


def test_commands_that_fail() -> None:
    engine = open_house((queue(),), (agent("1"), agent("2")))
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        >> CommandFailed command=Offer reason=down interaction=i offer=i.o1
        << Offer targets=2
        >> OfferAnswered interaction=i offer=i.o2 agent=2
        << StartRecording recording=i.r1
        >> CommandFailed command=StartRecording reason=full interaction=i recording=i.r1
        >> ReleaseRequested interaction=i by=boss
        << Release interaction=i
        >> CommandFailed command=Release reason=gone interaction=i
        << FileContactRecord account.outcome=released
        >> CommandFailed command=Release reason=gone interaction=i
        """,
    )


def test_two_phones_and_a_hot_desk() -> None:
    engine = open_house((queue(),), (agent("1"), agent("2")), available="")
    play(
        engine,
        """
        >> AgentStatusSet agent=1 status=available phone=desk
        >> PhoneStateChanged phone=desk state=unreachable
        << NotifyAgent agent=1 code=phone_lost
        >> InteractionArrived interaction=i did=news caller=1
        >> AgentStatusSet agent=1 status=available phone=other
        << Offer targets=1
        """,
    )
    assert engine.agent_view(AgentId("1")).phone == "other"


def test_membership_wrap_up_and_limits() -> None:
    own = Membership(queue=QueueId("news"), wrap_up_s=7)
    engine = open_house((queue(wrap_up_s=30),), (agent("1", own),), max_live=1)
    play(
        engine,
        """
        >> InteractionArrived interaction=i did=news caller=1
        << Offer targets=1
        >> InteractionArrived interaction=j did=news caller=2
        << Play interaction=j prompts=ctid/unavailable
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording agent=1
        >> CallerHungUp interaction=i
        << FileContactRecord account.interaction=i
        """,
    )
    assert engine.agent_view(AgentId("1")).wrap_up_until == NOON + 7

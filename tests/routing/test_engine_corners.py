"""Rare turns: each is here because it once went wrong, or could."""

from __future__ import annotations

import pytest

from routing import facts as f
from routing.commands import FileContactRecord
from routing.engine import Engine
from routing.errors import ConfigError, UnknownTransition
from routing.facts import InteractionRestored
from routing.ids import AgentId, FlowId, InteractionId, QueueId, SkillId
from routing.model import (
    Agent,
    Announcements,
    CallbackMode,
    CallbackPolicy,
    Entry,
    Flow,
    Hours,
    Joining,
    Membership,
    NoAnswer,
    Overflow,
    OverflowReason,
    PreferredAgent,
    Prompt,
    RelaxStep,
    Requirement,
    RoutingConfig,
    Skill,
    Step,
    StepKind,
)
from routing.skills import merged
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, house, open_house, queue
from tests.routing.test_control_branches import I, talking

pytestmark = pytest.mark.unit


def test_impossible_configurations() -> None:
    stray = Agent(id=AgentId("1"), memberships=(Membership(queue=QueueId("x")),))
    with pytest.raises(ConfigError) as told:
        Engine(house((queue(hours="h"),), (stray,)))
    assert len(told.value.problems) == 2
    with pytest.raises(ConfigError, match="Mars"):
        Engine(RoutingConfig(timezone="Mars/Olympus"))


def test_facts_nobody_knows() -> None:
    engine = Engine(RoutingConfig())
    with pytest.raises(UnknownTransition, match="not known"):
        engine.handle(f.Fact(), NOON)
    restored = InteractionRestored(
        interaction=InteractionId("i"), snapshot={}, present=True, agent=AgentId("1")
    )
    with pytest.raises(UnknownTransition, match="not in the configuration"):
        engine.handle(restored, NOON)
    alone = Engine(RoutingConfig(agents=(Agent(id=AgentId("1")),)))
    with pytest.raises(UnknownTransition, match="no queue"):
        alone.handle(restored, NOON)
    assert alone.live_interactions() == []


def test_a_leg_the_journal_never_saw_is_adopted() -> None:
    engine = open_house((queue(),), (agent("1"),))
    snapshot = {"channel": "voice", "caller": {"number": "1"}, "did": "news", "arrived_at": NOON}
    fact = InteractionRestored(
        interaction=InteractionId("i"), snapshot=snapshot, present=True, agent=AgentId("1")
    )
    engine.handle(fact, NOON + 5)
    with pytest.raises(UnknownTransition, match="live already"):
        engine.handle(fact, NOON + 5)
    assert engine.agent_view(AgentId("1")).state == "talking"
    assert engine.queue_view(QueueId("news"), NOON + 5).talking == 1
    waiting = InteractionRestored(interaction=InteractionId("j"), snapshot=snapshot, present=True)
    engine.handle(waiting, NOON + 5)
    play(engine, "at 6\n>> CallerReturned interaction=j")
    assert engine.interaction_view(InteractionId("j")).state == "waiting"
    play(
        engine,
        """
        at 7
        >> ControlLost interaction=j
        >> OfferAnswered interaction=j offer=j.o7 agent=1 !!
        """,
    )


def test_a_wrap_up_in_a_queue_that_is_no_more_is_not_restored() -> None:
    engine = open_house((queue(),), (agent("1"),), available="")
    wrap_up = {
        "interaction": "i",
        "channel": "voice",
        "queue": "gone",
        "since": NOON,
        "until": NOON + 9,
    }
    fact = f.AgentRestored(
        agent=AgentId("1"), snapshot={"status": "available", "wrap_ups": [wrap_up]}
    )
    engine.handle(fact, NOON)
    assert engine.agent_view(AgentId("1")).state == "idle"


def test_positions_and_expected_waits_are_spoken() -> None:
    heard = Announcements(position=True, expected_wait=True, first_after_s=9, position_up_to=2)
    engine = open_house((queue(announcements=heard),), (agent("1"),))
    every = play(
        engine,
        """
        >> PhoneStateChanged phone=p1 state=in_use
        >> InteractionArrived interaction=a caller=1 did=news
        >> InteractionArrived interaction=b caller=1 did=news
        >> InteractionArrived interaction=c caller=1 did=news
        at 9
        >> TimerFired timer=b:say
        << Play interaction=b
        >> TimerFired timer=c:say
        << Play interaction=c
        >> PhoneStateChanged phone=p1 state=idle
        << Offer interaction=a
        >> CallerHungUp interaction=a
        << FileContactRecord account.interaction=a
        << Offer interaction=b
        >> StepFinished interaction=b step=b.s1 outcome=done
        >> OfferAnswered interaction=b offer=b.o1 agent=1
        << StartRecording interaction=b
        """,
    )
    words = [[p.value for p in x.prompts] for x in every if type(x).__name__ == "Play"]
    assert words[0][:3] == ["queue-thereare", "2", "queue-callswaiting"]
    assert words[0][3] == "queue-holdtime"
    assert words[1][:3] == ["queue-quantity1", "2", "queue-quantity2"]
    reports = engine.calibration() if hasattr(engine, "calibration") else None
    assert reports is None or "news" in reports


def test_a_set_step_and_a_queue_that_is_not_there() -> None:
    s = SkillId("s")
    steps = (
        Step(kind=StepKind.SET, language="en", priority=4, skills=(Requirement(skill=s, level=2),)),
        Step(kind=StepKind.QUEUE, queue=QueueId("news")),
    )
    flows = (
        Flow(id=FlowId("set"), steps=steps),
        Flow(id=FlowId("lost"), steps=(Step(kind=StepKind.QUEUE, queue=QueueId("nowhere")),)),
    )
    engine = open_house(
        (queue(),),
        (agent("1"), agent("2", skills={s: 2})),
        flows=flows,
        skills=(Skill(id=s),),
        entries=(
            Entry(did="set", flow=FlowId("set")),
            Entry(did="lost", flow=FlowId("lost")),
            Entry(did="none"),
        ),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=set
        << Offer targets=2
        >> InteractionArrived interaction=j caller=1 did=lost
        << Release interaction=j
        >> InteractionArrived interaction=k caller=1 did=none
        << Play interaction=k
        """,
    )
    assert engine.interaction_view(InteractionId("i")).priority == 4
    higher = Requirement(skill=s, level=3, required=False)
    assert merged([higher, Requirement(skill=s), higher]) == (Requirement(skill=s),)


def test_a_digit_without_a_rule_and_a_message_in_a_queues_name() -> None:
    rules = (Overflow(reason=OverflowReason.DIGIT, digit="1", flow=FlowId("m")),)
    heard = Announcements(comfort=(Prompt(value="x"),), first_after_s=5, every_s=0)
    message = Step(kind=StepKind.VOICE_MESSAGE, queue=QueueId("mail"))
    engine = open_house(
        (queue(overflow=rules, announcements=heard), queue("mail")),
        (),
        flows=(Flow(id=FlowId("m"), steps=(message,)),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << StartMusic interaction=i
        at 5
        >> TimerFired timer=i:say
        << CollectDigits step=i.s1
        >> StepFinished interaction=i step=i.s1 outcome=digits digits=7
        << StartMusic interaction=i
        >> ControlLost interaction=i
        >> StepFinished interaction=i step=i.s1 outcome=done
        >> CallerReturned interaction=i
        << StartMusic interaction=i
        """,
    )
    engine = open_house(
        (queue(), queue("mail")),
        (),
        entries=(Entry(did="m", flow=FlowId("m")),),
        flows=(Flow(id=FlowId("m"), steps=(message,)),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=m
        << RecordMessage interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=voice_message account.queue=mail
        """,
    )


def test_a_flow_that_a_reload_took_away() -> None:
    steps = (Step(kind=StepKind.ANNOUNCEMENT, prompts=(Prompt(value="x"),)),)
    flows = (
        Flow(id=FlowId("a"), steps=steps),
        Flow(id=FlowId("e"), steps=(Step(kind=StepKind.EXTERNAL, number="5"),)),
    )
    entries = (Entry(did="a", flow=FlowId("a")), Entry(did="e", flow=FlowId("e")))
    engine = open_house((queue(),), (), flows=flows, entries=entries)
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=a
        << Play step=i.s1
        >> InteractionArrived interaction=j caller=1 did=e
        << SendTo interaction=j
        """,
    )
    engine.handle(f.ConfigChanged(config=house((queue(),)).to_data(), version="2"), NOON)
    play(
        engine,
        """
        >> StepFinished interaction=i step=i.s1 outcome=done
        << Release interaction=i
        >> ExternalEnded interaction=j answered=no
        << Release interaction=j
        """,
    )


def callback_house(**fields: object) -> Engine:
    """One agent who is not there yet."""
    policy = CallbackPolicy(enabled=True, **fields)  # type: ignore[arg-type]
    return open_house(
        (queue(callback=policy),), (agent("1"),), available="", hours=(Hours(id="never"),)
    )


def test_callbacks_that_cannot_be() -> None:
    engine = callback_house(hours="never")
    play(
        engine,
        """
        >> CallbackRequested callback=b queue=news number=1
        << FileContactRecord account.outcome=failed
        """,
    )
    engine = callback_house(after_abandon=True)
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        >> CallbackRequested callback=i.cb queue=news number=1
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=abandoned
        """,
    )
    assert len(engine.live_interactions()) == 1


def test_callbacks_released_or_blocked_while_called() -> None:
    for mode, how in (
        (CallbackMode.AGENT_FIRST, ">> ReleaseRequested interaction=b by=boss"),
        (
            CallbackMode.AGENT_FIRST,
            ">> CustomerMatched interaction=b customer=c attributes=blocked:1",
        ),
        (CallbackMode.CUSTOMER_FIRST, ">> ReleaseRequested interaction=b by=boss"),
    ):
        engine = callback_house(mode=mode)
        first = mode is CallbackMode.AGENT_FIRST
        offered = (
            """<< Offer interaction=b
            >> OfferAnswered interaction=b offer=b.o1 agent=1
            << CallCustomer interaction=b"""
            if first
            else "<< CallCustomer interaction=b"
        )
        play(
            engine,
            f"""
            >> AgentStatusSet agent=1 status=available
            >> CallbackRequested callback=b queue=news number=1
            {offered}
            >> AgentHungUp interaction=b agent=9 !!
            {how}
            << Release interaction=b
            >> CustomerAnswered interaction=b
            >> CustomerCallFailed interaction=b cause=16
            << FileContactRecord account.interaction=b
            """,
        )
        assert engine.agent_view(AgentId("1")).state == "idle"


def test_callbacks_lost_on_the_way() -> None:
    engine = callback_house()
    play(
        engine,
        """
        >> AgentStatusSet agent=1 status=available
        >> CallbackRequested callback=b queue=news number=1
        << Offer interaction=b
        >> ReleaseRequested interaction=b by=boss
        << CancelOffer interaction=b
        << FileContactRecord account.outcome=released
        >> CallbackRequested callback=c queue=news number=1
        << Offer interaction=c
        >> OfferAnswered interaction=c offer=c.o1 agent=1
        << CallCustomer interaction=c
        >> CommandFailed command=CallCustomer reason=no interaction=c
        >> CallbackRequested callback=d queue=news number=1
        << Offer interaction=d
        >> OfferAnswered interaction=d offer=d.o1 agent=1
        << CallCustomer interaction=d
        >> AgentHungUp interaction=d agent=1
        >> CallbackRequested callback=e queue=news number=1
        << Offer interaction=e
        >> OfferAnswered interaction=e offer=e.o1 agent=1
        << CallCustomer interaction=e
        >> CallerHungUp interaction=e
        """,
    )
    assert engine.agent_view(AgentId("1")).state == "idle"


def test_empty_queues_let_go_only_of_who_waits() -> None:
    engine = open_house(
        (queue("a", leave_empty=Joining.AVAILABLE), queue("b", leave_empty=Joining.AVAILABLE)),
        (agent("1", "a"), agent("2", "a", "b")),
        sorry=(),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=a
        << Offer targets=1
        >> InteractionArrived interaction=j caller=1 did=a
        << Offer targets=2
        >> InteractionArrived interaction=k caller=1 did=a
        >> AgentStatusSet agent=1 status=paused
        << CancelOffer interaction=i
        >> AgentStatusSet agent=2 status=paused
        << CancelOffer interaction=j
        << Release interaction=k
        >> OfferEnded interaction=i offer=i.o1
        << Release interaction=i
        """,
    )


def test_the_crm_answers_late_or_twice() -> None:
    engine = open_house(
        (queue(preferred=PreferredAgent(owner=True, patience_s=5)),), (agent("1"), agent("2"))
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        at 1
        >> TimerFired timer=i:identify
        << Offer interaction=i targets=1
        >> CustomerMatched interaction=i customer=c attributes=owner:2
        >> CustomerMatched interaction=i customer=c attributes=owner:2,vip:1
        >> OfferDeclined interaction=i offer=i.o1 agent=1
        >> OfferEnded interaction=i offer=i.o1
        << Offer interaction=i targets=2
        at 6
        >> TimerFired timer=i:patience
        """,
    )


def test_growth_ends_with_the_offer() -> None:
    engine = open_house((queue(strategy="ring_progressively"),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        at 20
        >> TimerFired timer=i:ring1
        << CancelOffer interaction=i
        >> TimerFired timer=i:grow1
        >> CommandFailed command=StopMusic reason=x interaction=i
        """,
    )


def test_late_words_after_the_end_are_no_news() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> ReleaseRequested interaction=i by=boss
        << Release interaction=i
        >> OfferRinging interaction=i offer=i.o1 agent=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        >> OfferDeclined interaction=i offer=i.o1 agent=1
        >> OfferFailed interaction=i offer=i.o1 agent=1 cause=3
        >> OfferEnded interaction=i offer=i.o1
        >> ExternalEnded interaction=i answered=no
        >> ControlLost interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=released
        """,
    )


def test_being_available_again_ends_a_rest() -> None:
    engine = open_house((queue(no_answer=NoAnswer(decline_delay_s=60)),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> OfferDeclined interaction=i offer=i.o1 agent=1
        >> OfferEnded interaction=i offer=i.o1
        at 5
        >> AgentStatusSet agent=1 status=paused
        >> AgentStatusSet agent=1 status=available
        << Offer targets=1
        """,
    )


def test_a_contact_record_is_bounded_however_long_it_went_on() -> None:
    engine = open_house((queue(),), (agent("1"),))
    i = InteractionId("i")
    engine.handle(f.InteractionArrived(interaction=i, caller=f.Party(), did="news"), NOON)
    for n in range(1, 260):
        offer = engine.interaction_view(i).offer
        assert offer == f"i.o{n}"
        engine.handle(
            f.OfferFailed(interaction=i, offer=offer, agent=AgentId("1"), reason="gone"), NOON
        )
        engine.handle(f.OfferEnded(interaction=i, offer=offer), NOON)
    filed = engine.handle(f.CallerHungUp(interaction=i), NOON)
    account = next(c.account for c in filed if isinstance(c, FileContactRecord))
    assert len(account.offers) == 200
    assert len(account.causes) == 20


def test_chats_wait_while_the_agent_is_on_the_phone() -> None:
    engine = open_house(
        (queue(), queue("chat", channel=f.Channel.CHAT)), (agent("1", "news", "chat"),)
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=v caller=1 did=news
        << Offer interaction=v
        >> InteractionArrived interaction=c caller=1 did=chat channel=chat
        >> CallerHungUp interaction=v
        << FileContactRecord account.interaction=v
        << Offer interaction=c
        """,
    )


def test_overflow_into_the_same_queue_and_a_full_one() -> None:
    again = Flow(id=FlowId("again"), steps=(Step(kind=StepKind.QUEUE, queue=QueueId("news")),))
    rules = (
        Overflow(reason=OverflowReason.WAIT, limit=10, flow=FlowId("again")),
        Overflow(reason=OverflowReason.UNROUTABLE, flow=FlowId("again")),
    )
    engine = open_house(
        (queue(overflow=rules, max_waiting=1, max_wait_s=99),),
        (agent("1"),),
        flows=(again,),
        sorry=(),
    )
    play(
        engine,
        """
        >> PhoneStateChanged phone=p1 state=in_use
        >> InteractionArrived interaction=i caller=1 did=news
        >> InteractionArrived interaction=j caller=1 did=news
        << Release interaction=j
        at 10
        >> TimerFired timer=i:wait
        """,
    )
    view = engine.interaction_view(InteractionId("i"))
    assert (view.queue, view.state, view.queued_at) == ("news", "waiting", NOON)


def test_whoever_waits_for_this_agent_competes_with_the_line() -> None:
    engine = open_house(
        (queue(preferred=PreferredAgent(owner=True, patience_s=500)),), (agent("1"), agent("2"))
    )
    play(
        engine,
        """
        >> PhoneStateChanged phone=p1 state=in_use
        >> PhoneStateChanged phone=p2 state=in_use
        >> InteractionArrived interaction=first caller=1 did=news
        >> CustomerNotFound interaction=first
        at 5
        >> InteractionArrived interaction=mine caller=1 did=news
        >> CustomerMatched interaction=mine customer=c attributes=owner:2
        >> PhoneStateChanged phone=p2 state=idle
        << Offer interaction=first targets=2
        >> CallerHungUp interaction=first
        << FileContactRecord account.interaction=first
        << Offer interaction=mine targets=2
        """,
    )


def test_a_relax_step_that_changes_nothing_starts_no_timer() -> None:
    engine = open_house((queue(relax=(RelaxStep(after_s=5, drop_all=True),)),), ())
    every = play(engine, ">> InteractionArrived interaction=i caller=1 did=news")
    assert all(getattr(c, "timer", "") != "i:stage" for c in every)


@pytest.mark.parametrize("on_the_way", [False, True])
def test_a_caller_who_was_on_hold_when_we_ended_is_served_first(on_the_way: bool) -> None:
    sent = ">> TransferRequested interaction=i by=li kind=queue to=sport\n<< BringBack"
    engine = talking(sent if on_the_way else "")
    fresh = open_house((queue(), queue("sport")), (agent("1"), agent("2", "news", "sport")))
    found = InteractionRestored(interaction=I, snapshot=engine.snapshot(I), present=True)
    fresh.handle(found, NOON + 9)
    play(
        fresh,
        """
        >> CallerReturned interaction=i
        << Offer interaction=i queue=news
        """,
        now=NOON + 9,
    )


def test_what_was_before_a_restart_counts_once() -> None:
    snapshot = talking("").snapshot(I)
    fresh = open_house((queue(), queue("sport")), (agent("1"),), available="")
    fresh.handle(InteractionRestored(interaction=I, snapshot=snapshot, present=True), NOON + 9)
    play(
        fresh,
        """
        >> CallerReturned interaction=i
        >> ControlLost interaction=i
        >> CallerReturned interaction=i
        >> CallerHungUp interaction=i cause=16
        << FileContactRecord
        """,
        now=NOON + 9,
    )
    news = fresh.queue_view(QueueId("news"), NOON + 9)
    assert (news.waiting, news.entered) == (0, 1)


def test_a_caller_who_was_being_released_when_we_ended_is_released() -> None:
    engine = talking(">> AgentHungUp interaction=i agent=1\n<< Release interaction=i")
    fresh = open_house((queue(),), (agent("1"),))
    found = InteractionRestored(interaction=I, snapshot=engine.snapshot(I), present=True)
    fresh.handle(found, NOON + 9)
    play(fresh, ">> CallerReturned interaction=i\n<< Release interaction=i", now=NOON + 9)


def test_who_is_called_out_of_the_blue_has_nothing_to_be_called_back_for() -> None:
    play(
        open_house((queue(),), (agent("1"),)),
        """
        >> PhoneStateChanged phone=p1 state=idle
        >> CallRequested callback=c agent=1 queue=news number=138 by=li
        << Offer interaction=c
        >> CallbackRequested callback=b queue=news number=138 interaction=c !!
        """,
    )

"""Flows, entry and exit, skills, levels, priorities, preferred agents and callbacks, as plays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import facts as f
from routing.commands import FileContactRecord, Offer, Prompt
from routing.engine import Engine
from routing.ids import AgentId, FlowId, InteractionId, QueueId, SkillId
from routing.model import (
    Announcements,
    CallbackMode,
    CallbackPolicy,
    Capacity,
    CustomerRules,
    Entry,
    Flow,
    Hours,
    Joining,
    LanguageMatch,
    LevelAdvance,
    Membership,
    MenuChoice,
    Opening,
    Overflow,
    OverflowReason,
    PenaltyStep,
    PreferredAgent,
    RelaxStep,
    Requirement,
    Skill,
    SpecialDay,
    Step,
    StepKind,
)
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, open_house, queue

pytestmark = pytest.mark.unit

# NOON is Monday 12 January 1970, 13:46:40 UTC: 21:46:40 in Shanghai


def flow(name: str, *steps: Step) -> Flow:
    """A flow."""
    return Flow(id=FlowId(name), steps=steps)


def to(name: str) -> Step:
    """Into a queue."""
    return Step(kind=StepKind.QUEUE, queue=QueueId(name))


def say(*words: str) -> tuple[Prompt, ...]:
    """Prompts."""
    return tuple(Prompt(value=w) for w in words)


def entry(name: str) -> Entry:
    """The number of the same name leads into the flow."""
    return Entry(did=name, flow=FlowId(name))


def test_a_menu_with_language_priority_and_skill() -> None:
    polite = SkillId("polite")
    menu = Step(
        kind=StepKind.MENU,
        prompts=say("choose"),
        invalid=say("wrong"),
        silence=say("hello?"),
        attempts=3,
        choices=(
            MenuChoice(
                digits="1",
                flow=FlowId("news"),
                language="en",
                priority=2,
                skills=(Requirement(skill=polite, level=2),),
            ),
        ),
        otherwise=FlowId("bye"),
    )
    flows = (
        flow("main", Step(kind=StepKind.ANNOUNCEMENT, prompts=say("welcome")), menu),
        flow("news", to("news")),
        flow("bye", Step(kind=StepKind.RELEASE, prompts=say("bye"), cause=31)),
    )
    engine = open_house(
        (queue(),),
        (agent("1"), agent("2", skills={polite: 2})),
        entries=(entry("main"),),
        flows=flows,
        skills=(Skill(id=polite),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=main
        << Play step=i.s1 prompts=welcome language=zh-CN
        >> StepFinished interaction=i step=i.s1 outcome=done
        << CollectDigits step=i.s2 prompts=choose max_digits=1 timeout_s=5
        >> StepFinished interaction=i step=i.s2 outcome=digits digits=7
        << CollectDigits step=i.s3 prompts=wrong,choose
        >> StepFinished interaction=i step=i.s3 outcome=timed_out
        << CollectDigits step=i.s4 prompts=hello?,choose
        >> StepFinished interaction=i step=i.s4 outcome=digits digits=1
        << Offer targets=2
        >> InteractionArrived interaction=j caller=1 did=main
        << Play step=j.s1
        >> CommandFailed command=Play reason=missing interaction=j step=j.s1
        << CollectDigits step=j.s2
        >> StepFinished interaction=j step=j.s2 outcome=timed_out
        << CollectDigits step=j.s3
        >> StepFinished interaction=j step=j.s3 outcome=timed_out
        << CollectDigits step=j.s4
        >> StepFinished interaction=j step=j.s4 outcome=timed_out
        << Play step=j.s5 prompts=bye
        >> StepFinished interaction=j step=j.s5 outcome=done
        << Release cause=31
        >> CallerHungUp interaction=j
        << FileContactRecord account.outcome=released
        """,
    )
    assert engine.interaction_view(InteractionId("i")).priority == 2


def test_hours_and_holidays() -> None:
    week = (Opening(days=(1, 2, 3, 4, 5), opens="09:00", closes="18:00"),)
    open_now = Hours(id="late", week=(Opening(days=(1,), opens="21:00", closes="23:00"),))
    closed = Hours(id="day", week=week)
    holiday = Hours(id="feast", week=week, days=(SpecialDay(date="1970-01-12", name="feast"),))
    flows = tuple(
        flow(
            name,
            Step(
                kind=StepKind.HOURS,
                hours=name,
                closed=FlowId("closed"),
                holiday=FlowId("holiday"),
            ),
            to("news"),
        )
        for name in ("late", "day", "feast")
    )
    flows += (
        flow("closed", Step(kind=StepKind.RELEASE, prompts=say("closed"))),
        flow("holiday", Step(kind=StepKind.RELEASE, prompts=say("holiday"))),
    )
    engine = open_house(
        (queue(),),
        (agent("1"),),
        entries=tuple(entry(n) for n in ("late", "day", "feast")),
        flows=flows,
        hours=(open_now, closed, holiday),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=a caller=1 did=late
        << Offer targets=1
        >> InteractionArrived interaction=b caller=1 did=day
        << Play prompts=closed
        >> CallerHungUp interaction=b
        << FileContactRecord account.outcome=closed
        >> InteractionArrived interaction=c caller=1 did=feast
        << Play prompts=holiday
        """,
    )


def test_every_rule_by_which_a_caller_leaves_a_queue() -> None:
    rules = (
        Overflow(reason=OverflowReason.WAIT, limit=30, flow=FlowId("b")),
        Overflow(reason=OverflowReason.LENGTH, limit=2, flow=FlowId("external")),
        Overflow(reason=OverflowReason.DIGIT, digit="1", flow=FlowId("message")),
    )
    flows = (
        flow("b", to("b")),
        flow(
            "external",
            Step(kind=StepKind.EXTERNAL, number="555", otherwise=FlowId("message")),
        ),
        flow("message", Step(kind=StepKind.VOICE_MESSAGE, prompts=say("speak"))),
    )
    heard = Announcements(comfort=say("press 1"), first_after_s=10)
    engine = open_house(
        (queue("a", overflow=rules, announcements=heard), queue("b", max_wait_s=50)),
        (),
        flows=flows,
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=a
        >> InteractionArrived interaction=j caller=1 did=a
        >> InteractionArrived interaction=k caller=1 did=a
        << SendTo number=555 ring_timeout_s=30
        >> ExternalEnded interaction=k answered=no
        << Play step=k.s1 prompts=speak
        >> StepFinished interaction=k step=k.s1 outcome=done
        << RecordMessage step=k.s2 recording=k.r1 max_s=180
        >> StepFinished interaction=k step=k.s2 outcome=done
        << Release interaction=k
        >> CallerHungUp interaction=k
        << FileContactRecord account.outcome=voice_message account.recordings=k.r1
        at 10
        >> TimerFired timer=i:say
        << CollectDigits step=i.s1
        >> TimerFired timer=j:say
        << CollectDigits step=j.s1
        >> StepFinished interaction=j step=j.s1 outcome=timed_out
        >> StepFinished interaction=i step=i.s1 outcome=digits digits=1
        << Play step=i.s2 prompts=speak
        >> StepFinished interaction=i step=i.s2 outcome=done
        << RecordMessage step=i.s3
        >> StepFinished interaction=i step=i.s3 outcome=failed
        << Release interaction=i
        at 30
        >> TimerFired timer=j:wait
        at 80
        >> TimerFired timer=j:wait
        << Play interaction=j step=j.s2
        >> StepFinished interaction=j step=j.s2 outcome=done
        << Release interaction=j
        >> CallerHungUp interaction=j
        << FileContactRecord account.outcome=timed_out account.queues=a,b account.wait_s=80
        """,
    )


def test_an_outside_number_that_answers_ends_the_call_afterwards() -> None:
    flows = (flow("out", Step(kind=StepKind.EXTERNAL, number="555")),)
    engine = open_house((queue(),), (), entries=(entry("out"),), flows=flows)
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=out
        << SendTo number=555
        >> CustomerMatched interaction=i customer=c attributes=blocked:1
        >> ControlLost interaction=i
        >> ExternalEnded interaction=i answered=yes
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=overflowed account.customer=c
        >> InteractionArrived interaction=j caller=1 did=out
        << SendTo number=555
        >> CommandFailed command=SendTo reason=no interaction=j
        << Release interaction=j
        >> InteractionArrived interaction=k caller=1 did=out
        << SendTo number=555
        >> CallerReturned interaction=k
        << Release interaction=k
        >> CallerReturned interaction=k
        << Release interaction=k
        """,
    )


def test_a_flow_that_never_ends_is_ended() -> None:
    flows = (flow("round", Step(kind=StepKind.GO, flow=FlowId("round"))), flow("empty"))
    engine = open_house((queue(),), (), entries=(entry("round"), entry("empty")), flows=flows)
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=round
        << Play interaction=i
        >> InteractionArrived interaction=j caller=1 did=empty
        << Release interaction=j
        >> CallerHungUp interaction=j
        << FileContactRecord account.outcome=released
        """,
    )


def test_joining_and_leaving_when_empty() -> None:
    engine = open_house(
        (
            queue("in", join_empty=Joining.LOGGED_IN),
            queue("out", leave_empty=Joining.AVAILABLE),
            queue("shut", hours="never", max_waiting=1),
        ),
        (agent("1", "in", "out"),),
        available="",
        hours=(Hours(id="never"),),
        sorry=(),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=s caller=1 did=shut
        << Release interaction=s
        >> InteractionArrived interaction=i caller=1 did=in
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=overflowed
        >> AgentStatusSet agent=1 status=paused
        >> InteractionArrived interaction=j caller=1 did=in
        >> InteractionArrived interaction=k caller=1 did=out
        << Release interaction=k
        >> AgentStatusSet agent=1 status=available
        << Offer interaction=j
        >> InteractionArrived interaction=l caller=1 did=out
        >> AgentStatusSet agent=1 status=logged_out
        << CancelOffer interaction=j
        << Release interaction=l
        """,
    )


def test_overflow_by_expected_wait_and_by_skills_nobody_has() -> None:
    rare = SkillId("rare")
    rules = (
        Overflow(reason=OverflowReason.EWT, limit=60, flow=FlowId("b")),
        Overflow(reason=OverflowReason.UNROUTABLE, flow=FlowId("b")),
    )
    engine = open_house(
        (queue("a", overflow=rules), queue("b")),
        (agent("1", "a"), agent("2", "b")),
        flows=(flow("b", to("b")),),
        skills=(Skill(id=rare),),
        entries=(
            Entry(did="rare", queue=QueueId("a"), skills=(Requirement(skill=rare, level=3),)),
        ),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=r caller=1 did=rare
        >> InteractionArrived interaction=i caller=1 did=a
        << Offer interaction=i queue=a targets=1
        >> InteractionArrived interaction=j caller=1 did=a
        << Offer interaction=j queue=b targets=2
        """,
    )
    assert [v.queue for v in engine.live_interactions()] == ["b", "a", "b"]


def test_requirements_relax_and_levels_open_with_waiting() -> None:
    s = SkillId("s")
    engine = open_house(
        (
            queue(
                requires=(Requirement(skill=s, level=3),),
                relax=(
                    RelaxStep(after_s=10, levels={s: 2}),
                    RelaxStep(after_s=20, drop=(s,)),
                ),
                level_advance=LevelAdvance.AFTER_WAIT,
                level_wait_s=15,
                level_skip_unstaffed=False,
            ),
        ),
        (
            agent("1", skills={s: 1}),
            agent("2", Membership(queue=QueueId("news"), level=2), skills={s: 2}),
        ),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << LookUpCustomer interaction=i
        << StartTimer timer=i:stage after_s=10
        << Answer interaction=i
        << StartMusic interaction=i
        at 10
        >> TimerFired timer=i:stage
        << StartTimer timer=i:stage after_s=5
        at 15
        >> TimerFired timer=i:stage
        << StartTimer timer=i:stage after_s=5
        << Offer targets=2
        << StartTimer timer=i:ring1
        >> OfferDeclined interaction=i offer=i.o1 agent=2
        at 20
        >> TimerFired timer=i:stage
        >> OfferEnded interaction=i offer=i.o1
        << CancelTimer timer=i:ring1
        << Offer targets=1
        << StartTimer timer=i:ring2
        """,
    )


def test_levels_nobody_staffs_cost_no_wait() -> None:
    engine = open_house(
        (queue(level_advance=LevelAdvance.AFTER_WAIT, level_wait_s=15),),
        (agent("1"), agent("2", Membership(queue=QueueId("news"), level=3))),
        available="",
    )
    play(
        engine,
        """
        >> AgentStatusSet agent=1 status=paused
        >> AgentStatusSet agent=2 status=available
        >> InteractionArrived interaction=i caller=1 did=news
        >> AgentStatusSet agent=1 status=logged_out
        << Offer targets=2
        """,
    )


def test_penalties_change_with_waiting() -> None:
    engine = open_house(
        (queue(penalty_steps=(PenaltyStep(after_s=0, max_penalty=1), PenaltyStep(after_s=9))),),
        (agent("1", Membership(queue=QueueId("news"), penalty=2)),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        at 9
        >> TimerFired timer=i:stage
        << Offer targets=1
        """,
    )


def test_max_offers() -> None:
    engine = open_house((queue(max_offers=1),), (agent("1"),), sorry=())
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> OfferEnded interaction=i offer=i.o1
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=timed_out
        """,
    )


def test_language_becomes_a_skill() -> None:
    skills = (Skill(id=SkillId("zh"), language="zh-CN"), Skill(id=SkillId("en"), language="en"))
    engine = open_house(
        (queue(language_match=LanguageMatch.REQUIRED),),
        (agent("1", skills={SkillId("zh"): 1}), agent("2", skills={SkillId("en"): 1})),
        skills=skills,
        entries=(Entry(did="en", queue=QueueId("news"), language="en"),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=en
        << Offer targets=2
        >> InteractionArrived interaction=j caller=1 did=news
        << Offer targets=1
        """,
    )


# --- customers -----------------------------------------------------------------------------------


def test_vip_blocked_and_skills_from_the_crm() -> None:
    rules = CustomerRules(blocked_prompts=say("no"), vip_priority=3)
    engine = open_house((queue(),), (), customers=rules, skills=(Skill(id=SkillId("s")),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        >> InteractionArrived interaction=j caller=2 did=news
        >> CustomerMatched interaction=j customer=c name=Li attributes=vip:1,skill.s:2
        >> InteractionArrived interaction=k caller=3 did=news
        >> CustomerMatched interaction=k customer=d attributes=blocked:yes
        << Play interaction=k prompts=no
        >> StepFinished interaction=k step=k.s1 outcome=done
        << Release interaction=k cause=21
        >> CallerHungUp interaction=k
        << FileContactRecord account.outcome=blocked account.customer=d
        >> CustomerMatched interaction=i customer=e known=no attributes=vip:1
        """,
    )
    view = engine.interaction_view(InteractionId("j"))
    assert (view.position, view.priority, view.customer_name) == (1, 3, "Li")
    assert engine.interaction_view(InteractionId("i")).priority == 0


def test_blocked_while_ringing() -> None:
    engine = open_house((queue(),), (agent("1"),))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> CustomerMatched interaction=i customer=d attributes=blocked:1
        << Release interaction=i cause=21
        """,
    )
    assert engine.agent_view(AgentId("1")).state == "idle"


def preferring(**fields: Any) -> Engine:
    """Two agents; the caller's owner counts."""
    return open_house(
        (queue(preferred=PreferredAgent(owner=True, last_agent_days=2, patience_s=20), **fields),),
        (agent("1"), agent("2")),
    )


def test_the_preferred_agent_is_tried_first_and_waited_for() -> None:
    engine = preferring()
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << LookUpCustomer deadline_s=1
        << StartTimer timer=i:identify after_s=1
        >> CustomerMatched interaction=i customer=c attributes=owner:2
        << CancelTimer timer=i:identify
        << StartTimer timer=i:patience after_s=20
        << Answer interaction=i
        << Offer targets=2
        << StartTimer timer=i:ring1
        >> InteractionArrived interaction=j caller=1 did=news
        << LookUpCustomer deadline_s=1
        << StartTimer timer=j:identify
        >> CustomerMatched interaction=j customer=c attributes=last_agent:2,last_agent_at:999000
        << CancelTimer timer=j:identify
        << StartTimer timer=j:patience after_s=20
        << Answer interaction=j
        << StartMusic interaction=j
        at 20
        >> TimerFired timer=j:patience
        << Offer interaction=j targets=1
        << StartTimer timer=j:ring1
        >> InteractionArrived interaction=k caller=1 did=news
        << LookUpCustomer deadline_s=1
        << StartTimer timer=k:identify
        at 21
        >> TimerFired timer=k:identify
        << Answer interaction=k
        << StartMusic interaction=k
        """,
    )


def test_the_patience_ends_when_the_preferred_agent_leaves() -> None:
    engine = preferring()
    play(
        engine,
        """
        >> PhoneStateChanged phone=p2 state=in_use
        >> InteractionArrived interaction=i caller=1 did=news
        >> CustomerMatched interaction=i customer=c attributes=owner:2
        >> AgentStatusSet agent=2 status=paused
        << Offer interaction=i targets=1
        >> InteractionArrived interaction=j caller=1 did=news
        >> CustomerNotFound interaction=j
        >> InteractionArrived interaction=k caller=1 did=news
        >> CustomerMatched interaction=k customer=c attributes=last_agent:2,last_agent_at:soon
        """,
    )


def test_the_preferred_agent_takes_the_own_customer_when_free() -> None:
    engine = preferring()
    play(
        engine,
        """
        >> PhoneStateChanged phone=p2 state=in_use
        >> InteractionArrived interaction=i caller=1 did=news
        >> CustomerMatched interaction=i customer=c attributes=owner:2
        >> PhoneStateChanged phone=p2 state=idle
        << Offer interaction=i targets=2
        """,
    )


# --- who is served next --------------------------------------------------------------------------


def test_priority_ages_and_queues_have_weight() -> None:
    engine = open_house(
        (
            queue("a", priority_step_s=60),
            queue("b", head_start_s=30),
            queue("c", sl_boost_s=100, service_level_s=20, sl_window_s=5),
        ),
        (agent("1", "a", "b", "c"),),
        available="",
        entries=(Entry(did="vip*", queue=QueueId("a"), priority=1),),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=a1 caller=1 did=a
        at 20
        >> InteractionArrived interaction=b1 caller=1 did=b
        at 50
        >> InteractionArrived interaction=a2 caller=1 did=vip7
        at 55
        >> InteractionArrived interaction=c1 caller=1 did=c
        at 71
        >> AgentStatusSet agent=1 status=available
        << Offer interaction=c1
        at 72
        >> CallerHungUp interaction=c1
        << FileContactRecord account.interaction=c1
        << Offer interaction=b1
        >> CallerHungUp interaction=b1
        << FileContactRecord account.interaction=b1
        << Offer interaction=a2
        >> CallerHungUp interaction=a2
        << FileContactRecord account.interaction=a2
        << Offer interaction=a1
        """,
    )


@given(
    priorities=st.lists(
        st.tuples(st.integers(-50, 50), st.integers(0, 2), st.floats(0, 300)),
        min_size=2,
        max_size=25,
    ),
    weights=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    boost=st.floats(0, 1e6),
)
@settings(max_examples=150, deadline=None)
def test_nobody_is_overtaken_by_who_came_much_later(
    priorities: list[tuple[int, int, float]], weights: list[float], boost: float
) -> None:
    """The bound of docs/routing.md: head starts lie in [-H, H] and a boost in [0, H], so whoever
    arrives more than 3 H after a caller is served after that caller, under any weights."""
    limit_s = 100.0
    names = ("a", "b", "c")
    engine = open_house(
        tuple(
            queue(n, head_start_s=w, priority_step_s=1000, sl_boost_s=boost, sl_window_s=1e6)
            for n, w in zip(names, weights, strict=True)
        ),
        (agent("1", *names),),
        available="",
        entries=tuple(
            Entry(did=f"{n}{p}", queue=QueueId(n), priority=p)
            for n in names
            for p in range(-50, 51)
        ),
        max_head_start_s=limit_s,
    )
    arrived: dict[InteractionId, float] = {}
    now = NOON
    for n, (priority, which, gap_s) in enumerate(priorities):
        now += gap_s
        i = InteractionId(f"i{n}")
        arrived[i] = now
        engine.handle(
            f.InteractionArrived(interaction=i, caller=f.Party(), did=f"{names[which]}{priority}"),
            now,
        )
    commands = engine.handle(
        f.AgentStatusSet(agent=AgentId("1"), status=f.AgentStatus.AVAILABLE), now
    )
    served: list[InteractionId] = []
    while arrived.keys() - served:
        offer = next(c for c in commands if isinstance(c, Offer))
        served.append(offer.interaction)
        commands = engine.handle(f.CallerHungUp(interaction=offer.interaction), now)
    for n, earlier in enumerate(served):
        for later in served[n + 1 :]:
            assert arrived[earlier] <= arrived[later] + 3 * limit_s


# --- callbacks -----------------------------------------------------------------------------------


def calling_back(mode: CallbackMode = CallbackMode.AGENT_FIRST, **fields: Any) -> Engine:
    """A queue that calls back."""
    policy = CallbackPolicy(
        enabled=True, mode=mode, attempts=2, retry_after_s=600, ring_timeout_s=30, **fields
    )
    return open_house(
        (queue(callback=policy),),
        (agent("1"),),
        available="",
        flows=(
            flow("back", Step(kind=StepKind.CALLBACK, queue=QueueId("news"), prompts=say("ok"))),
        ),
        entries=(entry("back"),),
        hours=(Hours(id="h", week=(Opening(days=(1, 2), opens="08:00", closes="22:00"),)),),
    )


def test_a_callback_keeps_the_place_and_is_called_agent_first() -> None:
    engine = calling_back()
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=138 did=news
        at 10
        >> InteractionArrived interaction=j caller=139 did=news
        at 20
        >> CallbackRequested callback=cb interaction=i queue=news number=138
        << Release interaction=i
        >> CallbackRequested callback=cb queue=news number=138 !!
        >> CallbackRequested callback=x interaction=i queue=news number=138 !!
        >> CallbackRequested callback=x queue=nowhere number=138 !!
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=callback
        at 30
        >> AgentStatusSet agent=1 status=available
        << Offer interaction=cb targets=1 channel=callback
        >> OfferAnswered interaction=cb offer=cb.o1 agent=1
        << CallCustomer interaction=cb number=138 agent=1 ring_timeout_s=30
        at 40
        >> CustomerCallFailed interaction=cb cause=19
        << Offer interaction=j
        >> CallerHungUp interaction=j
        << FileContactRecord account.interaction=j
        at 640
        >> TimerFired timer=cb:due
        << Offer interaction=cb offer=cb.o2
        >> OfferAnswered interaction=cb offer=cb.o2 agent=1
        << CallCustomer interaction=cb
        at 650
        >> CustomerAnswered interaction=cb
        << StartRecording interaction=cb
        at 700
        >> AgentHungUp interaction=cb agent=1
        << Release interaction=cb
        >> CallerHungUp interaction=cb
        << FileContactRecord account.outcome=answered account.talk_s=50 account.channel=callback
        """,
    )
    [news] = engine.queues(NOON + 700)
    # the two who held the line; being called back after 11 minutes is no slow answer
    assert (news.entered, news.answered, news.abandoned) == (2, 0, 1)
    assert news.average_speed_of_answer_s is None


def test_a_callback_customer_first_and_given_up_after_its_attempts() -> None:
    engine = calling_back(CallbackMode.CUSTOMER_FIRST)
    play(
        engine,
        """
        >> AgentStatusSet agent=1 status=available
        >> InteractionArrived interaction=i caller=138 did=back
        << Play interaction=i prompts=ok
        << CallCustomer interaction=i.cb number=138 agent=None
        >> StepFinished interaction=i step=i.s1 outcome=done
        << Release interaction=i
        at 3
        >> CustomerAnswered interaction=i.cb
        << Offer interaction=i.cb targets=1 channel=voice
        >> OfferAnswered interaction=i.cb offer=i.cb.o1 agent=1
        << StartRecording interaction=i.cb
        >> CallerHungUp interaction=i.cb
        << FileContactRecord account.outcome=answered
        >> CallbackRequested callback=x queue=news number=139
        << CallCustomer interaction=x
        at 50
        >> TimerFired timer=x:call
        at 650
        >> TimerFired timer=x:due
        << CallCustomer interaction=x
        >> CustomerCallFailed interaction=x reason=busy
        << FileContactRecord account.outcome=failed
        """,
    )
    assert engine.agent_view(AgentId("1")).state == "idle"


def test_callbacks_wait_for_their_hours_and_expire() -> None:
    engine = calling_back(hours="h", expires_after_s=100_000)
    # it is 21:46:40 in Shanghai; at 22:00 the hours end, at 08:00 they begin
    play(
        engine,
        """
        at 1000
        >> CallbackRequested callback=cb queue=news number=138
        << StartTimer timer=cb:due after_s=35800
        >> CallbackRequested callback=late queue=news number=138 not_before=1100000
        << StartTimer timer=late:due
        at 36800
        >> TimerFired timer=cb:due
        at 110000
        >> TimerFired timer=late:due
        << FileContactRecord account.outcome=timed_out
        """,
    )


def test_missed_calls_become_callbacks() -> None:
    engine = calling_back(after_abandon=True)
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=138 did=news
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=abandoned
        >> InteractionArrived interaction=n caller= did=news
        >> CallerHungUp interaction=n
        << FileContactRecord account.outcome=abandoned
        >> InteractionArrived interaction=m caller= did=back
        << Release interaction=m
        """,
    )
    assert [v.id for v in engine.live_interactions() if v.channel == "callback"] == ["i.cb"]
    play(
        engine,
        """
        >> ReleaseRequested interaction=i.cb by=boss
        << FileContactRecord account.outcome=released
        """,
    )


# --- chats beside calls --------------------------------------------------------------------------


def test_one_capacity_over_all_channels() -> None:
    engine = open_house(
        (queue(), queue("chat", channel=f.Channel.CHAT)),
        (
            agent(
                "1",
                "news",
                "chat",
                capacity=Capacity(limits={f.Channel.VOICE: 1, f.Channel.CHAT: 2}),
            ),
        ),
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=a caller=1 did=chat channel=chat
        << Offer interaction=a
        >> InteractionArrived interaction=b caller=1 did=chat channel=chat
        << Offer interaction=b
        >> InteractionArrived interaction=c caller=1 did=chat channel=chat
        >> InteractionArrived interaction=v caller=1 did=news
        >> OfferAnswered interaction=a offer=a.o1 agent=1
        >> CallerHungUp interaction=a
        << FileContactRecord account.channel=chat
        << Offer interaction=c
        >> CallerHungUp interaction=b
        << FileContactRecord account.interaction=b
        >> CallerHungUp interaction=c
        << FileContactRecord account.interaction=c
        << Offer interaction=v
        """,
    )
    assert engine.agent_view(AgentId("1")).interaction == "v"


def test_the_same_facts_give_the_same_commands() -> None:
    def run(seed: int) -> list[Any]:
        engine = open_house(
            (queue(strategy="random"),), tuple(agent(str(n)) for n in range(6)), seed=seed
        )
        out: list[Any] = []
        for n in range(30):
            arrival = f.InteractionArrived(
                interaction=InteractionId(f"i{n}"), caller=f.Party(), did="news"
            )
            out += engine.handle(arrival, NOON + n)
            if n % 3 == 0:
                gone = InteractionId(f"i{n // 2}")
                if any(v.id == gone for v in engine.live_interactions()):
                    out += engine.handle(f.CallerHungUp(interaction=gone), NOON + n)
        return out

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert any(isinstance(c, FileContactRecord) for c in run(1))

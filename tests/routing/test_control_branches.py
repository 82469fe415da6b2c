"""Supervision, transfers, hold and consultation: what is refused, and the turns seldom taken."""

from __future__ import annotations

import pytest

from routing import control_facts as cf
from routing import facts as f
from routing.commands import FileContactRecord
from routing.engine import Engine
from routing.errors import UnknownTransition
from routing.facts import Channel
from routing.ids import AgentId, InteractionId, PhoneId
from routing.model import Capacity, Queue, SupervisionNotice
from routing.supervision import mode_of
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, open_house, queue

pytestmark = pytest.mark.unit

I = InteractionId("i")  # noqa: E741

TALK = """
    >> PhoneStateChanged phone=boss state=idle
    >> PhoneStateChanged phone=p2 state=idle
    >> PhoneStateChanged phone=p1 state=idle
    >> InteractionArrived interaction=i caller=1 did=news
    << Offer targets=1
    >> OfferAnswered interaction=i offer=i.o1 agent=1
    << StartRecording interaction=i
"""
SUPERVISED = """
    >> SuperviseRequested interaction=i supervision=v mode=monitor phone=boss by=sue
    << Supervise interaction=i supervision=v
    >> SupervisionStarted interaction=i supervision=v
"""


def talking(text: str, *queues: Queue, available: str = "1 2") -> Engine:
    """Agent 1 talks in i, 2 is in the queue too, 3 only in chats; then ``text``."""
    engine = open_house(
        queues or (queue(), queue("sport"), queue("chat", channel=Channel.CHAT)),
        (agent("1"), agent("2", "news", "sport"), agent("3", *(("chat",) if not queues else ()))),
        available=available,
    )
    play(engine, TALK + text)
    return engine


# --- supervision ---------------------------------------------------------------------------------


def test_supervision_is_refused_for_reasons() -> None:
    engine = talking(SUPERVISED)
    refused = """
        >> SuperviseRequested interaction=i supervision=v mode=barge phone=boss by=tom !!
        >> SuperviseRequested interaction=i supervision=w mode=barge phone=boss by=sue !!
        >> SuperviseRequested interaction=i supervision=w mode=barge phone=nowhere by=tom !!
        >> SuperviseRequested interaction=i supervision=w mode=barge phone=p1 by=tom !!
        >> PhoneStateChanged phone=p2 state=unreachable
        << NotifyAgent agent=2 code=phone_lost
        >> SuperviseRequested interaction=i supervision=w mode=barge phone=p2 by=tom !!
        >> PhoneStateChanged phone=p2 state=in_use
        << NotifyAgent agent=2 code=phone_back
        >> SuperviseRequested interaction=i supervision=w mode=barge phone=p2 by=tom !!
        >> SuperviseStopRequested interaction=i supervision=w !!
        >> SuperviseModeRequested interaction=i supervision=w mode=barge !!
        >> InterceptRequested interaction=i by=tom phone=boss supervision=v !!
    """
    play(engine, refused)
    for n in range(7):
        play(
            engine,
            f"""
            >> SuperviseRequested interaction=i supervision=s{n} mode=monitor phone=boss by=b{n}
            << Supervise supervision=s{n}
            >> SuperviseModeRequested interaction=i supervision=s{n} mode=barge !!
            """,
        )
    play(
        engine,
        ">> SuperviseRequested interaction=i supervision=x mode=monitor phone=boss by=last !!",
    )


def test_agents_are_told_where_the_queue_says_so() -> None:
    engine = talking(
        SUPERVISED
        + """
        << NotifyAgent agent=1 code=supervised
        >> SupervisionStarted interaction=i supervision=v
        >> SuperviseModeRequested interaction=i supervision=v mode=monitor
        >> SuperviseModeRequested interaction=i supervision=v mode=whisper
        << SwitchSupervision mode=whisper
        >> SupervisionModeChanged interaction=i supervision=v mode=whisper
        << NotifyAgent agent=1 code=supervised
        >> SupervisionModeChanged interaction=i supervision=v mode=whisper
        >> SuperviseStopRequested interaction=i supervision=v
        << EndSupervision supervision=v
        >> SupervisionEnded interaction=i supervision=v
        << NotifyAgent agent=1 code=supervision_ended
        """,
        queue(supervision_notice=SupervisionNotice.SCREEN),
        queue("sport"),
    )
    assert engine.interaction_view(I).supervisors == ()


def test_supervisors_go_where_the_conversation_goes() -> None:
    engine = talking(
        SUPERVISED
        + """
        >> HoldRequested interaction=i by=1 hold=yes
        << Hold interaction=i
        >> HoldChanged interaction=i held=yes
        << FollowSupervision supervision=v listen_only=True
        >> SuperviseModeRequested interaction=i supervision=v mode=barge !!
        >> HoldRequested interaction=i by=1 hold=yes !!
        >> HoldChanged interaction=i held=yes
        >> HoldRequested interaction=i by=1 hold=no
        << Unhold interaction=i
        >> HoldChanged interaction=i held=no
        << FollowSupervision supervision=v listen_only=False
        """
    )
    assert not engine.interaction_view(I).on_hold
    play(
        engine,
        """
        >> CallerHungUp interaction=i
        << EndSupervision supervision=v
        << FileContactRecord account.outcome=answered
        """,
    )


def test_a_take_over_by_who_listens_already() -> None:
    engine = talking(
        SUPERVISED
        + """
        >> InterceptRequested interaction=i by=sue phone=boss supervision=v
        << Intercept supervision=v
        >> InterceptRequested interaction=i by=tom phone=boss !!
        >> HoldRequested interaction=i by=1 hold=yes !!
        >> TakeoverEnded interaction=i connected=yes
        at 30
        >> TakenOver interaction=i
        << NotifyAgent agent=1 code=taken_over
        """
    )
    view = engine.interaction_view(I)
    assert (view.state, view.supervisors, view.taken_over_by) == ("taken_over", (), "sue")


def test_a_supervisors_phone_that_cannot_be_rung_is_forgotten() -> None:
    engine = talking(
        """
        >> SuperviseRequested interaction=i supervision=v mode=monitor phone=boss by=sue
        << Supervise interaction=i
        >> CommandFailed command=Supervise reason=no interaction=i
        >> SuperviseRequested interaction=i supervision=w mode=monitor phone=boss by=sue
        << Supervise interaction=i
        >> InterceptRequested interaction=i by=tom phone=boss
        << Intercept interaction=i
        >> CommandFailed command=Intercept reason=no interaction=i
        >> InterceptRequested interaction=i by=tom phone=boss
        << Intercept interaction=i
        """
    )
    view = engine.interaction_view(I)
    assert [s.id for s in view.supervisors] == ["w"]


# --- transfers and control -----------------------------------------------------------------------


def test_transfers_to_nowhere_are_refused() -> None:
    engine = talking(
        """
        >> TransferRequested interaction=i by=1 kind=queue to=gone !!
        >> TransferRequested interaction=i by=1 kind=agent to=9 !!
        >> TransferRequested interaction=i by=1 kind=agent to=1 !!
        >> TransferRequested interaction=i by=1 kind=agent to=3 !!
        >> AgentStatusSet agent=3 status=available
        >> TransferRequested interaction=i by=1 kind=agent to=3 !!
        """
    )
    assert engine.interaction_view(I).agent == "1"


def test_a_colleague_of_another_queue_is_waited_for_a_while() -> None:
    engine = open_house((queue(), queue("sport")), (agent("1"), agent("2", "sport")))
    play(
        engine,
        TALK
        + """
        >> TransferRequested interaction=i by=1 kind=agent to=2
        << BringBack interaction=i
        >> PhoneStateChanged phone=p2 state=in_use
        >> CallerReturned interaction=i
        >> ControlLost interaction=i
        """,
    )
    play(engine, ">> CallerReturned interaction=i")
    assert engine.interaction_view(I).queue == "sport"
    play(
        engine,
        """
        at 40
        >> TimerFired timer=i:patience
        >> PhoneStateChanged phone=p2 state=idle
        << Offer interaction=i targets=2
        """,
    )


def test_the_colleagues_patience_ends_while_it_rings_or_after() -> None:
    engine = talking(
        """
        >> TransferRequested interaction=i by=1 kind=agent to=2
        << BringBack interaction=i
        >> CallerReturned interaction=i
        << Offer targets=2
        at 40
        >> TimerFired timer=i:patience
        """
    )
    assert engine.interaction_view(I).ringing_agents == ("2",)


def test_who_was_released_may_have_the_caller_again() -> None:
    engine = talking(
        """
        >> AgentReleaseRequested interaction=i by=sue
        << BringBack interaction=i
        >> CallerReturned interaction=i
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o2 agent=1
        at 20
        """,
        available="1",
    )
    (filed,) = [
        c
        for c in engine.handle(f.CallerHungUp(interaction=I), NOON + 20)
        if isinstance(c, FileContactRecord)
    ]
    assert filed.account.agents == (AgentId("1"),)


def test_a_caller_who_does_not_come_back_in_time() -> None:
    engine = talking(
        """
        >> AgentReleaseRequested interaction=i by=sue
        << BringBack interaction=i
        at 10
        >> TimerFired timer=i:moving
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """
    )
    assert engine.live_interactions() == []


@pytest.mark.parametrize(
    ("end", "then"),
    [
        ("ExternalEnded interaction=i answered=yes", "Release"),
        ("CallerReturned interaction=i", "Release"),
        ("ExternalEnded interaction=i answered=no", "Offer"),
        ("CommandFailed command=SendTo reason=no interaction=i", "Offer"),
    ],
)
def test_an_outside_number_that_took_the_caller_or_did_not(end: str, then: str) -> None:
    talking(
        f"""
        >> TransferRequested interaction=i by=1 kind=number to=110
        << BringBack interaction=i
        >> CallerReturned interaction=i
        << SendTo number=110
        >> {end}
        << {then} interaction=i
        """
    )


def test_an_agent_hangs_up_by_button_and_a_waiting_caller_is_there_anyway() -> None:
    engine = talking(
        """
        >> HangUpRequested interaction=i by=1
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """,
        available="1",
    )
    play(
        engine,
        """
        >> AgentStatusSet agent=1 status=paused
        >> InteractionArrived interaction=w caller=1 did=news
        >> CallerReturned interaction=w
        """,
    )
    assert engine.interaction_view(InteractionId("w")).state == "waiting"


def test_a_conversation_of_no_queue_needs_one_to_go_to() -> None:
    engine = open_house((queue(),), (agent("1"),))
    found = f.InteractionRestored(interaction=I, snapshot={}, present=True, agent=AgentId("1"))
    engine.handle(found, NOON)
    with pytest.raises(UnknownTransition, match="say which queue"):
        engine.handle(cf.AgentReleaseRequested(interaction=I, by="sue"), NOON)
    with pytest.raises(UnknownTransition, match="say which queue"):
        engine.handle(
            cf.ConsultRequested(interaction=I, by="1", kind=cf.TransferKind.NUMBER, to="1"), NOON
        )
    play(engine, ">> HoldRequested interaction=i by=1 hold=yes\n<< Hold music=default")


# --- consultation --------------------------------------------------------------------------------

ASKS_TWO = """
    >> ConsultRequested interaction=i by=1 kind=agent to=2
    << Consult phone=p2 agent=2
"""
TOGETHER = ASKS_TWO + ">> ConsultChanged interaction=i phase=private\n"


def test_consultations_that_cannot_be() -> None:
    talking(
        """
        >> ConsultAsked interaction=i by=1 ask=swap !!
        >> ConsultRequested interaction=i by=1 kind=queue to=sport !!
        >> ConsultRequested interaction=i by=1 kind=agent to=9 !!
        >> ConsultRequested interaction=i by=1 kind=agent to=1 !!
        >> ConsultChanged interaction=i phase=ended
        """
        + ASKS_TWO
        + """
        >> ConsultRequested interaction=i by=1 kind=agent to=2 !!
        >> ConsultAsked interaction=i by=1 ask=complete !!
        >> HoldRequested interaction=i by=1 hold=yes !!
        >> CommandFailed command=Consult reason=no interaction=i
        >> ConsultAsked interaction=i by=1 ask=cancel !!
        """
    )


def test_swapped_cancelled_and_the_consulted_one_leaves() -> None:
    engine = talking(
        TOGETHER
        + """
        >> ConsultAsked interaction=i by=1 ask=swap
        << ChangeConsult ask=swap
        >> CommandFailed command=ChangeConsult reason=no interaction=i
        >> ConsultChanged interaction=i phase=swapped
        >> ConsultChanged interaction=i phase=ended reason=gone
        >> ConsultRequested interaction=i by=1 kind=number to=110
        << Consult number=110
        >> ConsultChanged interaction=i phase=ended
        """
    )
    assert engine.interaction_view(I).consult == ""
    assert engine.interaction_view(I).agent == "1"


def test_the_consulted_agent_has_the_caller_in_the_end() -> None:
    engine = talking(
        TOGETHER
        + """
        >> ConsultAsked interaction=i by=1 ask=complete
        << ChangeConsult ask=complete
        >> ConsultChanged interaction=i phase=transferred
        """
    )
    view = engine.interaction_view(I)
    assert (view.state, view.agent, view.consult) == ("talking", "2", "")
    assert engine.agent_view(AgentId("1")).state == "idle"
    assert engine.agent_view(AgentId("2")).state == "talking"


def test_the_agent_hangs_up_in_each_phase() -> None:
    talking(
        ASKS_TWO
        + """
        >> AgentHungUp interaction=i agent=1
        << ChangeConsult ask=cancel
        << Release interaction=i
        """
    )
    engine = talking(
        TOGETHER
        + """
        >> AgentHungUp interaction=i agent=1
        << ChangeConsult ask=complete
        >> ConsultChanged interaction=i phase=ended
        << BringBack interaction=i
        >> CallerReturned interaction=i
        << Offer interaction=i
        """
    )
    assert engine.interaction_view(I).position == 1
    engine = talking(
        """
        >> ConsultRequested interaction=i by=1 kind=number to=110
        << Consult number=110
        >> ConsultChanged interaction=i phase=private
        >> AgentHungUp interaction=i agent=1
        << ChangeConsult ask=complete
        >> ConsultChanged interaction=i phase=transferred
        """
    )
    assert engine.interaction_view(I).state == "external"
    play(engine, ">> ExternalEnded interaction=i answered=yes\n<< Release interaction=i")


def test_a_consultation_that_cannot_be_completed_brings_the_caller_back() -> None:
    talking(
        TOGETHER
        + """
        >> ConsultAsked interaction=i by=1 ask=complete
        << ChangeConsult ask=complete
        >> CommandFailed command=ChangeConsult reason=no interaction=i
        << BringBack interaction=i
        >> CallerReturned interaction=i
        << Offer interaction=i
        """
    )


def test_a_release_amid_a_consultation_ends_it() -> None:
    engine = talking(
        TOGETHER
        + """
        >> AgentReleaseRequested interaction=i by=sue
        << BringBack interaction=i
        """
    )
    assert engine.interaction_view(I).consult == ""


def test_a_phone_at_which_nobody_sits_can_be_listened_from() -> None:
    engine = talking(
        """
        >> AgentStatusSet agent=2 status=available phone=desk
        >> PhoneStateChanged phone=p2 state=idle
        >> SuperviseRequested interaction=i supervision=v mode=monitor phone=p2 by=sue
        << Supervise phone=p2
        """
    )
    assert engine.agent_view(AgentId("2")).phone == PhoneId("desk")


def test_a_colleague_who_pauses_is_not_waited_for() -> None:
    engine = talking(
        """
        >> TransferRequested interaction=i by=1 kind=agent to=2
        << BringBack interaction=i
        >> PhoneStateChanged phone=p2 state=in_use
        >> AgentStatusSet agent=1 status=paused
        >> CallerReturned interaction=i
        >> AgentStatusSet agent=2 status=paused
        at 40
        >> TimerFired timer=i:patience
        >> AgentStatusSet agent=1 status=available
        << Offer targets=1
        """
    )
    assert engine.interaction_view(I).state == "offering"


def test_a_colleague_who_still_wraps_it_up_can_be_consulted_and_take_it() -> None:
    engine = talking(
        """
        >> TransferRequested interaction=i by=1 kind=agent to=2
        << BringBack interaction=i
        >> CallerReturned interaction=i
        << Offer targets=2
        >> OfferAnswered interaction=i offer=i.o2 agent=2
        >> ConsultRequested interaction=i by=2 kind=agent to=1
        << Consult phone=p1 agent=1
        >> ConsultChanged interaction=i phase=private
        >> ConsultAsked interaction=i by=2 ask=complete
        << ChangeConsult ask=complete
        >> ConsultChanged interaction=i phase=transferred
        at 60
        >> TimerFired timer=agent:1:wrap_up:i
        """,
        queue(wrap_up_s=60),
        queue("sport"),
    )
    assert engine.agent_view(AgentId("1")).state == "talking"
    assert engine.agent_view(AgentId("2")).state == "wrap_up"


def test_digits_at_the_supervisors_phone() -> None:
    assert [mode_of(d) for d in "456"] == list(cf.SuperviseMode)
    assert mode_of("9") is None


def test_a_chat_that_comes_back_to_who_still_wraps_it_up() -> None:
    both = Capacity(limits={Channel.CHAT: 2}, exclusive=())
    engine = open_house(
        (queue("chat", channel=Channel.CHAT, wrap_up_s=60),), (agent("1", "chat", capacity=both),)
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=chat channel=chat
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        >> AgentReleaseRequested interaction=i by=sue
        << BringBack interaction=i
        at 5
        >> CallerReturned interaction=i
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o2 agent=1
        at 60
        >> TimerFired timer=agent:1:wrap_up:i
        >> CallerHungUp interaction=i
        << FileContactRecord account.talk_s=55
        << AmendContactRecord wrap_up_s=5
        """,
    )
    assert engine.agent_view(AgentId("1")).state == "wrap_up"

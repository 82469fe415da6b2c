"""The agent's own phone from the client: answer, mute, digits; and the tone of a supervision."""

from __future__ import annotations

import pytest

from routing.control_facts import DigitsRequested
from routing.engine import Engine
from routing.errors import FactError
from routing.ids import AgentId, InteractionId
from routing.model import AutoAnswer, SupervisionNotice
from tests.routing.playbook import play
from tests.routing.samples import agent, open_house, queue

pytestmark = pytest.mark.unit

I = InteractionId("i")  # noqa: E741
ARRIVES = """
    >> InteractionArrived interaction=i caller=1 did=news
    << Offer targets=1 auto_answer={auto}
"""
ANSWERED = """
    >> OfferAnswered interaction=i offer=i.o1 agent=1
    << StartRecording interaction=i
"""


def house(auto: AutoAnswer, *, strategy: str = "longest_idle", available: str = "1 2") -> Engine:
    return open_house(
        (queue(strategy=strategy),),
        (agent("1", auto_answer=auto), agent("2", auto_answer=auto)),
        available=available,
    )


def talking(text: str) -> Engine:
    engine = house(AutoAnswer.NEVER)
    play(engine, ARRIVES.format(auto=False) + ANSWERED + text)
    return engine


# --- answer --------------------------------------------------------------------------------------


def test_a_phone_that_rings_is_made_to_answer() -> None:
    engine = house(AutoAnswer.ON_REQUEST)
    play(
        engine,
        ARRIVES.format(auto=False)
        + """
        >> AnswerRequested interaction=i agent=1 by=li !!
        >> OfferRinging interaction=i offer=i.o1 agent=1
        >> AnswerRequested interaction=i agent=2 by=li !!
        >> AnswerRequested interaction=i agent=9 by=li !!
        >> AnswerRequested interaction=i agent=1 by=li
        << AnswerOffer interaction=i offer=i.o1
        >> CommandFailed interaction=i command=AnswerOffer reason=gone
        """
        + ANSWERED
        + ">> AnswerRequested interaction=i agent=1 by=li !!\n",
    )
    assert engine.agent_view(AgentId("1")).auto_answer is AutoAnswer.ON_REQUEST


def test_a_phone_that_does_not_answer_by_itself_is_not_asked_to() -> None:
    play(
        house(AutoAnswer.NEVER),
        ARRIVES.format(auto=False)
        + """
        >> OfferRinging interaction=i offer=i.o1 agent=1
        >> AnswerRequested interaction=i agent=1 by=li !!
        """,
    )


def test_every_call_answers_by_itself_where_the_agent_has_it_so() -> None:
    play(house(AutoAnswer.ALWAYS), ARRIVES.format(auto=True))


def test_phones_that_ring_together_do_not_answer_by_themselves() -> None:
    play(
        house(AutoAnswer.ALWAYS, strategy="ring_all"),
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1,2 auto_answer=False
        >> OfferRinging interaction=i offer=i.o1 agent=1
        >> AnswerRequested interaction=i agent=1 by=li !!
        """,
    )


def test_who_calls_a_customer_need_not_lift_the_phone() -> None:
    play(
        house(AutoAnswer.ON_REQUEST),
        """
        >> PhoneStateChanged phone=p1 state=idle
        >> CallRequested callback=o agent=1 queue=news number=110
        << Offer interaction=o auto_answer=True
        >> OfferRinging interaction=o offer=o.o1 agent=1
        >> AnswerRequested interaction=o agent=1 by=li !!
        """,
    )


# --- mute and digits -----------------------------------------------------------------------------


def test_mute_lasts_until_it_is_taken_back_or_the_agent_has_left() -> None:
    engine = talking(
        """
        >> MuteRequested interaction=i by=li mute=no !!
        >> MuteRequested interaction=i by=li mute=yes
        << SetMute mute=True
        >> MuteChanged interaction=i muted=yes
        >> MuteRequested interaction=i by=li mute=yes !!
        """
    )
    assert engine.interaction_view(I).muted
    play(
        engine,
        """
        >> MuteRequested interaction=i by=li mute=no
        << SetMute mute=False
        >> MuteChanged interaction=i muted=no
        >> MuteChanged interaction=i muted=yes
        >> TransferRequested interaction=i by=li kind=queue to=news
        << BringBack interaction=i
        >> MuteChanged interaction=i muted=yes
        """,
    )
    assert not engine.interaction_view(I).muted


def test_digits_go_to_somebody_who_is_there() -> None:
    talking(
        """
        >> PhoneStateChanged phone=p2 state=idle
        >> DigitsRequested interaction=i by=li digits=12#
        << SendDigits digits=12#
        >> ConsultRequested interaction=i by=li kind=agent to=2
        << Consult agent=2
        >> HoldChanged interaction=i held=yes
        >> DigitsRequested interaction=i by=li digits=1 !!
        >> ConsultChanged interaction=i phase=private
        >> DigitsRequested interaction=i by=li digits=*
        << SendDigits digits=*
        >> ConsultChanged interaction=i phase=ended
        >> DigitsRequested interaction=i by=li digits=1 !!
        """
    )


@pytest.mark.parametrize("digits", ["", "12x", "1" * 65, "１"])
def test_what_is_no_digit_is_no_fact(digits: str) -> None:
    with pytest.raises(FactError):
        DigitsRequested(interaction=I, by="li", digits=digits)


def test_late_words_about_a_call_that_has_ended_mean_nothing() -> None:
    play(
        house(AutoAnswer.NEVER),
        """
        >> MuteChanged interaction=gone muted=yes
        >> RecordingSuspended interaction=gone recording=gone.r1 suspended=yes
        """,
    )


# --- somebody is added, somebody listens ---------------------------------------------------------


def test_a_third_party_is_brought_in_at_once() -> None:
    talking(
        """
        >> ConsultRequested interaction=i by=li kind=number to=139 conference=yes
        << Consult number=139
        >> ConsultChanged interaction=i phase=private
        << ChangeConsult ask=conference
        >> ConsultChanged interaction=i phase=conference
        >> ConsultChanged interaction=i phase=private
        """
    )


def test_a_tone_tells_the_agent_of_who_listens_and_of_each_mode() -> None:
    engine = open_house((queue(supervision_notice=SupervisionNotice.TONE),), (agent("1"),))
    play(
        engine,
        ARRIVES.format(auto=False)
        + ANSWERED
        + """
        >> PhoneStateChanged phone=boss state=idle
        >> SuperviseRequested interaction=i supervision=v mode=monitor phone=boss by=sue
        << Supervise supervision=v
        >> SupervisionStarted interaction=i supervision=v
        << SignalAgent interaction=i
        << NotifyAgent code=supervised
        >> SupervisionModeChanged interaction=i supervision=v mode=barge
        << SignalAgent interaction=i
        << NotifyAgent code=supervised
        >> SuperviseRequested interaction=i supervision=w mode=monitor phone=boss by=tom
        << Supervise supervision=w
        >> SupervisionEnded interaction=i supervision=v
        << NotifyAgent code=supervision_ended
        >> AgentReleaseRequested interaction=i by=sue
        << BringBack interaction=i
        >> SupervisionEnded interaction=i supervision=w
        """,
    )

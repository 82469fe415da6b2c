"""Questions after the call: asked twice, answered or not, and never a way out of the house."""

from __future__ import annotations

import pytest

from routing.commands import FileContactRecord, Prompt
from routing.engine import Engine
from routing.ids import FlowId
from routing.model import Flow, Step, StepKind
from tests.routing.playbook import play
from tests.routing.samples import agent, open_house, queue

pytestmark = pytest.mark.unit


def test_an_outside_number_in_a_survey_ends_the_call() -> None:
    away = Flow(id=FlowId("away"), steps=(Step(kind=StepKind.EXTERNAL, number="139"),))
    engine = open_house((queue(survey=FlowId("away")),), (agent("1"),), flows=(away,))
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=138 did=news
        << Offer interaction=i
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        << StartRecording interaction=i
        >> AgentHungUp interaction=i agent=1
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """,
    )


CALL = """
    >> InteractionArrived interaction=i caller=138 did=news
    << Offer interaction=i
    >> OfferAnswered interaction=i offer=i.o1 agent=1
    << StartRecording interaction=i
"""
ASKED = """
    >> AgentHungUp interaction=i agent=1
    << CollectDigits step=i.s1 prompts=rate max_digits=1 timeout_s=5
"""


def asking() -> Engine:
    """Two questions; the first is asked twice, and with other words."""
    rate = Step(
        kind=StepKind.SURVEY,
        question="satisfaction",
        prompts=(Prompt(value="rate"),),
        invalid=(Prompt(value="what"),),
        silence=(Prompt(value="hello"),),
        attempts=2,
    )
    again = Step(kind=StepKind.SURVEY, question="again", prompts=(Prompt(value="again"),))
    flow = Flow(id=FlowId("csat"), steps=(rate, again))
    return open_house((queue(survey=flow.id),), (agent("1"),), flows=(flow,))


def survey(engine: Engine, text: str) -> dict[str, str | None]:
    [record] = [c for c in play(engine, text) if isinstance(c, FileContactRecord)]
    return dict(record.account.survey)


def test_answers_are_kept_and_the_call_ends() -> None:
    engine = asking()
    play(engine, CALL + ASKED)
    restored = engine.snapshot(engine.live_interactions()[0].id)
    assert restored["survey"] == {"satisfaction": None}
    assert survey(
        engine,
        """
        >> StepFinished interaction=i step=i.s1 outcome=digits digits=9
        << CollectDigits step=i.s2 prompts=what,rate
        >> StepFinished interaction=i step=i.s2 outcome=digits digits=5
        << CollectDigits step=i.s3 prompts=again
        >> StepFinished interaction=i step=i.s3 outcome=digits digits=1
        << Release interaction=i
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """,
    ) == {"satisfaction": "5", "again": "1"}


def test_silence_is_asked_once_more_and_then_left() -> None:
    assert survey(
        asking(),
        CALL
        + ASKED
        + """
        >> StepFinished interaction=i step=i.s1 outcome=timed_out
        << CollectDigits step=i.s2 prompts=hello,rate
        >> StepFinished interaction=i step=i.s2 outcome=timed_out
        << CollectDigits step=i.s3 prompts=again
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """,
    ) == {"satisfaction": None, "again": None}


def test_who_hangs_up_first_is_not_asked() -> None:
    end = ">> CallerHungUp interaction=i\n<< FileContactRecord account.outcome=answered\n"
    assert survey(asking(), CALL + end) == {}


def test_an_agent_who_ends_it_in_the_client_leaves_the_caller_to_the_questions() -> None:
    assert survey(
        asking(),
        CALL
        + """
        >> HangUpRequested interaction=i by=li
        << BringBack interaction=i
        >> CallerReturned interaction=i
        << CollectDigits step=i.s1 prompts=rate
        >> StepFinished interaction=i step=i.s1 outcome=digits digits=4
        << CollectDigits step=i.s2 prompts=again
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """,
    ) == {"satisfaction": "4", "again": None}


def test_whom_an_agent_called_is_not_asked() -> None:
    engine = asking()
    play(engine, ">> PhoneStateChanged phone=p1 state=idle")
    assert (
        survey(
            engine,
            """
            >> CallRequested callback=o agent=1 queue=news number=110
            << Offer interaction=o
            >> OfferAnswered interaction=o offer=o.o1 agent=1
            << CallCustomer number=110
            >> CustomerAnswered interaction=o
            << StartRecording interaction=o
            >> AgentHungUp interaction=o agent=1
            << Release interaction=o
            >> CallerHungUp interaction=o
            << FileContactRecord account.outcome=answered
            """,
        )
        == {}
    )

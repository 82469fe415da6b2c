"""Steps that lead out of the house do nothing for a caller whose conversation is over."""

from __future__ import annotations

import pytest

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

"""An agent calls somebody: the agent's phone first, once, and filed like any other."""

from __future__ import annotations

import pytest

from routing.engine import Engine
from routing.ids import AgentId, QueueId
from routing.model import Entry
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, open_house, queue

pytestmark = pytest.mark.unit

CALL = (
    ">> CallRequested callback=o agent=1 queue=news number=110\n<< Offer interaction=o targets=1\n"
)


def calling(text: str) -> Engine:
    """Agents 1 and 2 are available, 3 is logged out; all phones are idle."""
    engine = open_house(
        (queue(caller_id="88880000"), queue("sport")),
        tuple(agent(n) for n in "123"),
        entries=(Entry(did="9*", queue=QueueId("news")),),
        available="1 2",
    )
    play(engine, "\n".join(f">> PhoneStateChanged phone=p{n} state=idle" for n in "123"))
    play(engine, text)
    return engine


def test_the_agent_then_the_customer() -> None:
    engine = calling(
        CALL
        + """
        >> OfferAnswered interaction=o offer=o.o1 agent=1
        << CallCustomer number=110 caller_id=88880000 show=news agent=1
        >> CustomerAnswered interaction=o
        << StartRecording interaction=o
        at 30
        >> CallerHungUp interaction=o
        << FileContactRecord account.channel=voice account.outbound=True account.talk_s=30
        """
    )
    queue_now = engine.queue_view(QueueId("news"), NOON)
    # an agent's own call is no caller who was served in time
    assert (queue_now.waiting, queue_now.answered, queue_now.service_level) == (0, 0, None)
    assert engine.agent_view(AgentId("1")).calls_handled == 1


@pytest.mark.parametrize(
    "end",
    [
        ">> OfferDeclined interaction=o offer=o.o1 agent=1\n>> OfferEnded interaction=o offer=o.o1",
        """>> OfferAnswered interaction=o offer=o.o1 agent=1
        << CallCustomer number=110
        >> CustomerCallFailed interaction=o cause=17""",
    ],
)
def test_it_is_tried_once(end: str) -> None:
    engine = calling(CALL + end + "\n<< FileContactRecord account.outcome=failed\n")
    assert engine.live_interactions() == []
    assert engine.agent_view(AgentId("1")).state == "idle"


def test_who_cannot_call_is_refused() -> None:
    calling(
        """
        >> CallRequested callback=o agent=9 queue=news number=110 !!
        >> CallRequested callback=o agent=1 queue=sport number=110 !!
        >> CallRequested callback=o agent=3 queue=news number=110 !!
        """
        + CALL
        + """
        >> CallRequested callback=o agent=2 queue=news number=110 !!
        >> CallRequested callback=p agent=1 queue=news number=110 !!
        >> PhoneStateChanged phone=p2 state=in_use
        >> CallRequested callback=p agent=2 queue=news number=110 !!
        """
    )

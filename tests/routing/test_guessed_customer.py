"""A customer who is only guessed is shown to people and never written down."""

from __future__ import annotations

import pytest

from routing.commands import FileContactRecord
from routing.engine import Engine
from routing.facts import CallerHungUp, CustomerMatched, InteractionArrived, Party
from routing.ids import CustomerId, InteractionId, QueueId
from routing.model import Queue, RoutingConfig

pytestmark = pytest.mark.unit

I1 = InteractionId("i1")


@pytest.mark.parametrize(("known", "filed"), [(False, None), (True, "17")])
def test_only_a_known_customer_stands_on_the_contact_record(known: bool, filed: str | None) -> None:
    engine = Engine(RoutingConfig(queues=(Queue(id=QueueId("news")),), default_queue="news"))
    arrived = InteractionArrived(interaction=I1, caller=Party(number="84701003"), did="9")
    engine.handle(arrived, 1.0)
    matched = CustomerMatched(
        interaction=I1, customer=CustomerId("17"), name="金陵", known=known, attributes={}
    )
    engine.handle(matched, 1.5)
    assert engine.interaction_view(I1).customer == filed
    commands = engine.handle(CallerHungUp(interaction=I1), 9.0)
    [account] = [c.account for c in commands if isinstance(c, FileContactRecord)]
    assert account.customer == filed

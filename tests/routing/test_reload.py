"""A new configuration while people talk, ring and wait: nothing that runs is touched."""

from __future__ import annotations

import pytest

from routing import facts as f
from routing.engine import Engine
from routing.errors import RoutingError
from routing.ids import AgentId, InteractionId, QueueId
from routing.model import PreferredAgent, RoutingConfig
from tests.routing.playbook import picture, play
from tests.routing.samples import NOON, agent, house, open_house, queue

pytestmark = pytest.mark.unit

NEWS, SPORT = QueueId("news"), QueueId("sport")


def reload(engine: Engine, config: RoutingConfig, at: float = NOON) -> list[str]:
    """Put ``config`` in force; the kinds of the commands that follow."""
    commands = engine.handle(f.ConfigChanged(config=config.to_data(), version="2"), at)
    return [type(c).__name__ for c in commands]


def busy() -> Engine:
    """Agent 1 talks, 2 rings, 3 is idle in sport only, 4 is logged out; two callers wait."""
    engine = open_house(
        (queue(), queue("sport")),
        (agent("1"), agent("2", "news", "sport"), agent("3", "sport"), agent("4")),
        available="1 2 3",
    )
    play(
        engine,
        """
        >> InteractionArrived interaction=a caller=1 did=news
        << Offer targets=1
        >> OfferAnswered interaction=a offer=a.o1 agent=1
        << StartRecording interaction=a
        >> InteractionArrived interaction=b caller=1 did=news
        << Offer targets=2
        >> InteractionArrived interaction=c caller=1 did=news
        >> InteractionArrived interaction=d caller=1 did=news
        """,
    )
    return engine


def test_the_same_configuration_changes_nothing() -> None:
    engine = busy()
    before = picture(engine)
    figures = engine.queues(NOON)
    assert reload(engine, engine.config) == []
    assert picture(engine) == before
    assert engine.queues(NOON) == figures
    play(
        engine,
        """
        at 9
        >> OfferAnswered interaction=b offer=b.o1 agent=2
        << StartRecording interaction=b
        >> AgentHungUp interaction=a agent=1
        << Release interaction=a
        << Offer interaction=c targets=1
        """,
    )


def test_a_new_queue_and_a_new_colleague_serve_at_once() -> None:
    engine = busy()
    config = house(
        (queue(), queue("sport"), queue("more")),
        (
            agent("1"),
            agent("2", "news", "sport"),
            agent("3", "sport", "more", "news"),
            agent("4"),
        ),
    )
    assert "Offer" in reload(engine, config)
    assert engine.agent_view(AgentId("3")).interaction == "c"  # who has waited longest
    assert [q.id for q in engine.queues(NOON)] == ["news", "sport", "more"]
    assert engine.interaction_view(InteractionId("d")).position == 3  # behind two who are offered


def test_what_is_no_longer_in_the_file_stays_while_it_holds_something() -> None:
    engine = busy()
    config = house((queue("sport"),), (agent("3", "sport"),), default_queue=SPORT)
    reload(engine, config)
    assert [q.id for q in engine.queues(NOON)] == ["sport", "news"]
    assert [a.id for a in engine.agents()] == ["3", "1", "2"]  # 4 held nothing
    assert engine.queue_view(NEWS, NOON).waiting == 3
    assert engine.queue_view(NEWS, NOON).talking == 1
    play(
        engine,
        """
        >> AgentHungUp interaction=a agent=1
        << Release interaction=a
        << Offer interaction=c targets=1
        >> CallerHungUp interaction=a
        << FileContactRecord account.queue=news
        >> CallerHungUp interaction=b
        << FileContactRecord account.queue=news
        << Offer interaction=d targets=2
        >> CallerHungUp interaction=c
        << FileContactRecord account.queue=news
        >> CallerHungUp interaction=d
        << FileContactRecord account.queue=news
        >> AgentStatusSet agent=1 status=logged_out
        >> AgentStatusSet agent=2 status=logged_out
        """,
    )
    reload(engine, config)
    assert [q.id for q in engine.queues(NOON)] == ["sport"]
    assert [a.id for a in engine.agents()] == ["3"]


def test_an_answer_from_somebody_who_is_in_the_queue_no_more() -> None:
    engine = busy()
    agents = (agent("1"), agent("2", "sport"), agent("3", "sport"), agent("4"))
    reload(engine, house((queue(), queue("sport")), agents))
    play(
        engine,
        """
        >> OfferAnswered interaction=b offer=b.o1 agent=2
        << StartRecording interaction=b
        """,
    )
    assert engine.agent_view(AgentId("2")).state == "talking"
    assert engine.queue_view(NEWS, NOON).talking == 2
    play(
        engine,
        """
        at 60
        >> AgentHungUp interaction=b agent=2
        << Release interaction=b
        >> CallerHungUp interaction=b
        << FileContactRecord account.agent=2 account.talk_s=60
        """,
    )


def test_turns_counts_and_who_is_waited_for_outlive_it() -> None:
    config = house(
        (queue(strategy="fewest_calls", preferred=PreferredAgent(owner=True, patience_s=60)),),
        (agent("1"), agent("2")),
    )
    engine = Engine(config)
    play(
        engine,
        """
        >> AgentStatusSet agent=1 status=available
        >> AgentStatusSet agent=2 status=available
        >> InteractionArrived interaction=a caller=1 did=news
        >> CustomerNotFound interaction=a
        << Offer targets=1
        >> OfferAnswered interaction=a offer=a.o1 agent=1
        << StartRecording interaction=a
        >> CallerHungUp interaction=a
        << FileContactRecord account.agent=1
        >> PhoneStateChanged phone=p2 state=in_use
        >> InteractionArrived interaction=b caller=1 did=news
        >> CustomerMatched interaction=b customer=c attributes=owner:2
        """,
    )
    assert engine.interaction_view(InteractionId("b")).state == "waiting"
    assert "Offer" in reload(engine, config)  # whom it waited for is forgotten
    assert engine.agent_view(AgentId("1")).interaction == "b"
    assert engine.snapshot_agent(AgentId("1"))["queue_calls"] == {"news": 1}


def test_one_that_cannot_be_changes_nothing() -> None:
    engine = busy()
    before = picture(engine)
    for config in (
        {"queues": [{"id": "news", "strategy": "none"}]},
        {"queues": [{"id": "news", "hours": "never"}]},
        {"timezone": "Mars/Olympus"},
        {"agents": [{"id": "1", "memberships": [{"queue": "gone"}]}]},
    ):
        with pytest.raises(RoutingError):
            engine.handle(f.ConfigChanged(config=config, version="3"), NOON)
        assert picture(engine) == before


@pytest.mark.parametrize("stays", [True, False])
def test_a_caller_on_the_way_to_another_queue_arrives_there(stays: bool) -> None:
    """Also where the new configuration has that queue no longer: it holds somebody."""
    engine = busy()
    play(
        engine,
        """
        >> TransferRequested interaction=a by=1 kind=queue to=sport
        << BringBack interaction=a
        << Offer interaction=c targets=1
        """,
    )
    sport = (queue("sport"),) if stays else ()
    reload(engine, house((queue(), *sport), (agent("1"), agent("2"))))
    play(
        engine,
        """
        >> CallerReturned interaction=a
        << Offer interaction=a queue=sport targets=3
        """,
    )
    [view] = [v for v in engine.queues(NOON) if v.id == SPORT]
    assert view.waiting == 1

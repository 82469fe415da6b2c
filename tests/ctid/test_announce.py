"""What is told to whom: the person concerned at once, watchers the latest, twice a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ctid.access import Role, Viewer
from ctid.announce import COALESCE_S, Announcer
from ctid.clock import SystemClock
from ctid.events import EventHub, Subscription
from routing.facts import AgentStatus, Channel, Party
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, QueueId
from routing.model import Agent, Membership, Queue, RoutingConfig
from routing.views import AgentView, Changes, InteractionView, QueueView

pytestmark = pytest.mark.unit

NEWS, ADS = QueueId("news"), QueueId("ads")
R1, B1 = AgentId("r1"), AgentId("b1")
I1, I2 = InteractionId("i1"), InteractionId("i2")
AMY = Viewer(username="amy", role=Role.AGENT, agent=R1, teams=frozenset({"red"}))
BOB = Viewer(username="bob", role=Role.AGENT, agent=B1, teams=frozenset({"blue"}))
RED = Viewer(username="red", role=Role.SUPERVISOR, teams=frozenset({"red"}))
BLUE = Viewer(username="blue", role=Role.SUPERVISOR, teams=frozenset({"blue"}))


def view_of_agent(agent: AgentId, state: str = "idle", **more: Any) -> AgentView:
    values: dict[str, Any] = {
        "id": agent,
        "name": agent,
        "status": AgentStatus.AVAILABLE,
        "reason": "",
        "state": state,
        "phone": PhoneId(agent),
        "phone_reachable": True,
        "since": 0.0,
        "interaction": None,
        "queues": (),
        "teams": (),
        "wrap_up_until": None,
        "calls_handled": 0,
        "disposition_due": None,
        "held": (),
    }
    return AgentView(**{**values, **more})


def view_of_interaction(**more: Any) -> InteractionView:
    values: dict[str, Any] = {
        "id": I1,
        "channel": Channel.VOICE,
        "state": "waiting",
        "caller": Party(number="123"),
        "did": "",
        "queue": NEWS,
        "position": 1,
        "priority": 0,
        "arrived_at": 0.0,
        "queued_at": None,
        "answered_at": None,
        "ended_at": None,
        "agent": None,
        "ringing_agents": (),
        "offer": None,
        "customer": None,
        "customer_name": "",
        "recording": False,
        "outcome": None,
    }
    return InteractionView(**{**values, **more})


class Board:
    """The engine's views, set by the test."""

    def __init__(self) -> None:
        self.config = RoutingConfig(
            queues=(Queue(id=NEWS, teams=("red",)), Queue(id=ADS, teams=("blue",))),
            agents=(
                Agent(id=R1, teams=("red",), memberships=(Membership(queue=NEWS),)),
                Agent(id=B1, teams=("blue",), memberships=(Membership(queue=ADS),)),
            ),
        )
        self.agents = {R1: view_of_agent(R1), B1: view_of_agent(B1)}
        self.interactions: dict[InteractionId, InteractionView] = {}
        self.asked: list[QueueId] = []

    def agent_view(self, agent: AgentId) -> AgentView:
        return self.agents[agent]

    def interaction_view(self, interaction: InteractionId) -> InteractionView:
        return self.interactions[interaction]

    def queue_view(self, queue: QueueId, now: float) -> QueueView:
        self.asked.append(queue)
        return QueueView(
            id=queue,
            name="",
            strategy="",
            waiting=len(self.interactions),
            talking=0,
            longest_wait_since=None,
            agents_available=0,
            agents_logged_in=0,
            entered=0,
            answered=0,
            abandoned=0,
            service_level=None,
            service_level_s=20.0,
            average_speed_of_answer_s=None,
            ewt_s=None,
        )


class Ears:
    """Everything that each viewer heard."""

    def __init__(self, hub: EventHub, *viewers: Viewer) -> None:
        self.streams: dict[str, Subscription] = {
            v.username: hub.subscribe(v, session=v.username) for v in viewers
        }

    async def heard(self, who: str) -> list[tuple[str, Any]]:
        raw = await self.streams[who].take(0.0)
        assert raw is not None
        blocks = [dict(line.split(": ", 1) for line in b.split("\n")) for b in _blocks(raw)]
        events = [(b["event"], json.loads(b["data"])) for b in blocks]
        return [(e, d) for e, d in events if e != "hello"]

    async def kinds(self, who: str) -> list[str]:
        return [event for event, _ in await self.heard(who)]


def _blocks(raw: bytes) -> Sequence[str]:
    return raw.decode().split("\n\n")[:-1]


def changed(
    *, agents: Sequence[AgentId] = (), interactions: bool = False, queues: Sequence[QueueId] = ()
) -> Changes:
    return Changes(
        interactions=frozenset({I1} if interactions else ()),
        agents=frozenset(agents),
        queues=frozenset(queues),
    )


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def hub() -> EventHub:
    return EventHub(SystemClock())


@pytest.fixture
def announcer(board: Board, hub: EventHub) -> Announcer:
    return Announcer(board, hub, SystemClock())


async def flushed() -> None:
    await asyncio.sleep(COALESCE_S * 1.2)


async def test_an_agent_hears_the_own_change_at_once_and_once(
    announcer: Announcer, hub: EventHub
) -> None:
    ears = Ears(hub, AMY, BOB, RED, BLUE)
    announcer.changes(changed(agents=[R1]))
    assert await ears.kinds("amy") == ["agent"]
    await flushed()
    assert await ears.kinds("amy") == []
    assert await ears.kinds("red") == ["agent"]
    assert await ears.kinds("blue") == []
    assert await ears.kinds("bob") == []


async def test_queue_figures_are_the_latest_and_at_most_twice_a_second(
    announcer: Announcer, board: Board, hub: EventHub
) -> None:
    ears = Ears(hub, AMY, BOB, RED)
    for n in range(200):
        board.interactions[InteractionId(str(n))] = view_of_interaction()
        announcer.changes(changed(queues=[NEWS]))
    await asyncio.sleep(0.05)
    first = await ears.heard("amy")
    assert [(e, d["waiting"]) for e, d in first] == [("queue", 200)]
    assert board.asked == [NEWS]  # counted once, not two hundred times
    announcer.changes(changed(queues=[NEWS]))
    board.interactions.clear()
    for _ in range(5):
        await asyncio.sleep(0)
    assert await ears.kinds("amy") == []  # not yet
    await flushed()
    assert [d["waiting"] for _, d in await ears.heard("amy")] == [0]
    assert await ears.kinds("bob") == []  # not his queue
    assert await ears.kinds("red") == ["queue", "queue"]
    assert announcer._timer is None  # nothing runs while nothing changes


async def test_an_interaction_is_told_to_those_it_left_as_well(
    announcer: Announcer, board: Board, hub: EventHub
) -> None:
    ears = Ears(hub, AMY, BOB, RED, BLUE)
    board.interactions[I1] = view_of_interaction(ringing_agents=(R1,))
    announcer.changes(changed(interactions=True))
    assert await ears.kinds("amy") == ["interaction"]
    await flushed()
    assert await ears.kinds("red") == ["interaction"]
    assert await ears.kinds("blue") == []
    board.interactions[I1] = view_of_interaction(queue=ADS)
    announcer.changes(changed(interactions=True))
    board.interactions[I1] = view_of_interaction(queue=ADS, ringing_agents=(B1,))
    announcer.changes(changed(interactions=True))
    heard = await ears.heard("amy")
    assert {d["queue"] for _, d in heard} == {"ads"}  # it rings no more
    assert await ears.kinds("bob") == ["interaction"]
    await flushed()
    assert [d["queue"] for _, d in await ears.heard("red")] == ["ads"]
    assert [d["ringing_agents"] for _, d in await ears.heard("blue")] == [["b1"]]
    # from here on it is none of red's business
    board.interactions[I1] = replace(board.interactions[I1], outcome="abandoned", ended_at=1.0)
    announcer.changes(changed(interactions=True))
    await flushed()
    assert await ears.kinds("red") == []
    assert await ears.kinds("amy") == []
    assert [d["ended_at"] for _, d in await ears.heard("blue")] == ["1970-01-01T00:00:01.000Z"]
    assert announcer._whose == {}


async def test_who_is_offered_the_next_call_is_told_its_own_state_with_the_pop(
    announcer: Announcer, board: Board, hub: EventHub
) -> None:
    """The engine's changes are told up to 60 ms later; the card must not wait for them."""
    ears = Ears(hub, AMY, RED)
    board.agents[R1] = view_of_agent(R1, "talking", held=(I1,))
    announcer.changes(changed(agents=[R1]))
    await flushed()
    assert await ears.kinds("amy") == ["agent"]
    assert await ears.kinds("red") == ["agent"]
    board.agents[R1] = view_of_agent(R1, "reserved", held=(I2,))
    announcer.pop([R1], {"interaction": I2, "offer": "i2.o1"})
    heard = await ears.heard("amy")
    assert sorted(event for event, _ in heard) == ["agent", "pop"]
    assert [data["state"] for event, data in heard if event == "agent"] == ["reserved"]
    assert await ears.kinds("red") == []  # who only watches is told with the changes
    announcer.changes(changed(agents=[R1]))
    await flushed()
    assert await ears.kinds("red") == ["agent"]


async def test_a_pop_stays_open_through_the_conversation_and_the_wrap_up(
    announcer: Announcer, board: Board, hub: EventHub
) -> None:
    data = {"interaction": I1, "offer": "i1.o1"}

    async def reloaded() -> list[tuple[str, str]]:
        ears = Ears(hub, AMY)
        heard = await ears.heard("amy")
        ears.streams["amy"].close()
        return [(event, data["interaction"]) for event, data in heard]

    announcer.pop([R1], data)
    assert await reloaded() == [("pop", I1)]
    announcer.pop_closed([R1], interaction=I1, offer=OfferId("i1.o1"), outcome="answered")
    assert await reloaded() == [("pop", I1)]
    for view in (
        view_of_agent(R1, "talking", held=(I1,)),
        view_of_agent(R1, "wrap_up", held=(I1,)),
        view_of_agent(R1, "idle", disposition_due=I1),
        view_of_agent(R1, "reserved", held=(I2,), disposition_due=I1),
    ):
        board.agents[R1] = view
        announcer.changes(changed(agents=[R1]))
        assert await reloaded() == [("pop", I1)]
    # the next one begins before the agent was ever idle, as on a busy floor: the first is over
    announcer.pop([R1], {"interaction": I2, "offer": "i2.o1"})
    board.agents[R1] = view_of_agent(R1, "talking", held=(I2,), disposition_due=I2)
    announcer.changes(changed(agents=[R1]))
    assert await reloaded() == [("pop", I2)]
    board.agents[R1] = view_of_agent(R1, "idle")
    announcer.changes(changed(agents=[R1]))
    assert await reloaded() == []


async def test_a_withdrawn_pop_is_over(announcer: Announcer, hub: EventHub) -> None:
    ears = Ears(hub, AMY)
    announcer.pop([R1, B1], {"interaction": I1, "offer": "i1.o1"})
    announcer.pop_closed([R1], interaction=I1, offer=OfferId("i1.o1"), outcome="withdrawn")
    announcer.pop_update([R1], {"interaction": I1, "offer": "i1.o1"})
    assert await ears.kinds("amy") == ["pop", "pop_closed", "agent"]  # pops go ahead of all else
    assert await Ears(hub, AMY).kinds("amy") == []
    assert await Ears(hub, BOB).kinds("bob") == ["pop"]


async def test_unknown_ids_are_passed_over(announcer: Announcer, hub: EventHub) -> None:
    ears = Ears(hub, AMY)
    announcer.changes(changed(agents=[AgentId("gone")], interactions=True))
    announcer.notice_all("pbx_lost", {})
    announcer.config_changed()
    assert await ears.kinds("amy") == ["notice", "reset"]

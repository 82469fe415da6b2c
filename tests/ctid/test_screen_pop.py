"""Screen-pops: what the agent is told when somebody is free at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from ctid.access import Role, Viewer
from ctid.announce import Announcer
from ctid.crm_json import PopJson
from ctid.events import EventHub
from ctid.pump import Pump
from ctid.screen_pop import ScreenPops
from routing.commands import CancelOffer, Command, LookUpCustomer, Offer, Target
from routing.facts import CallerHungUp, Channel, CustomerMatched, Fact, InteractionArrived, Party
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, QueueId
from routing.views import AgentView, Changes
from tests.ctid.virtual import StillClock

pytestmark = pytest.mark.unit

I1, O1, LINA = InteractionId("i1"), OfferId("i1.o1"), AgentId("lina")
CALLER = Party(number="13800138001", name="")
ARRIVAL = InteractionArrived(interaction=I1, caller=CALLER, did="88880001")
NOTHING = Changes(interactions=frozenset(), agents=frozenset(), queues=frozenset())


class AgentFree:
    """Offers what arrives at once, and takes the offer back when the caller is gone."""

    def agent_view(self, agent: AgentId) -> AgentView:
        raise KeyError(agent)

    def handle(self, fact: Fact, now: float) -> list[Command]:
        match fact:
            case InteractionArrived():
                look_up = LookUpCustomer(
                    interaction=I1, caller=CALLER, channel=Channel.VOICE, deadline_s=1.0
                )
                offer = Offer(
                    interaction=I1,
                    offer=O1,
                    queue=QueueId("news"),
                    targets=(Target(agent=LINA, phone=PhoneId("1001")),),
                    ring_timeout_s=15.0,
                    caller=CALLER,
                )
                return [look_up, offer]
            case CallerHungUp():
                return [CancelOffer(interaction=I1, offer=O1)]
            case _:
                return []

    def take_changes(self) -> Changes:
        return NOTHING


class Desk:
    """The pump and the pops on the real hub, with a CRM that knows everybody."""

    def __init__(self, *, unmasked: bool = True) -> None:
        self.unmasked = unmasked
        clock = StillClock()
        hub = EventHub(clock)
        engine: Any = AgentFree()
        self.asked: list[str] = []
        self.matched = asyncio.Event()
        self.pops = ScreenPops(
            source=self, announcer=Announcer(engine, hub, clock), clock=clock, report=self.report
        )
        self.pump = Pump(
            engine=engine,
            journal=self,
            clock=clock,
            execute=self.execute,
            publish=lambda changes: None,
        )
        self.pump.listen(self.pops.on_fact)
        viewer = Viewer(username="lina", role=Role.AGENT, agent=LINA, teams=frozenset())
        self.stream = hub.subscribe(viewer, session="s")

    def append(self, **entry: Any) -> None:
        """The journal's part."""

    def report(self, fact: Fact) -> None:
        if isinstance(fact, CustomerMatched):
            self.matched.set()

    def execute(self, commands: Sequence[Command], seq: int) -> None:
        for command in commands:
            match command:
                case LookUpCustomer():
                    self.pops.look_up(command)
                case Offer():
                    self.pops.offer(command)
                case CancelOffer():
                    self.pops.cancel(command)

    async def pop(self, number: str) -> PopJson:
        self.asked.append(number)
        return PopJson(
            customer={"id": "1", "name": "周建国"}, candidates=[], history=[], attributes={}
        )

    def sees_all(self, agent: AgentId) -> bool:
        return self.unmasked

    async def pop_as(self, caller: Party, agent: AgentId) -> tuple[PopJson, Party]:
        masked = PopJson(
            customer={"id": "1", "name": "周**"}, candidates=[], history=[], attributes={}
        )
        return masked, Party(number="138****8001")

    async def told(self) -> list[tuple[str, Any]]:
        piece = await self.stream.take(30)
        assert piece is not None
        events = []
        for block in piece.decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            if "event" in lines and lines["event"] != "hello":
                events.append((lines["event"], json.loads(lines["data"])))
        return events


async def test_an_immediate_offer_tells_the_number_called_and_then_the_customer() -> None:
    desk = Desk()
    await desk.pump.submit(ARRIVAL)
    (event, first), *rest = await desk.told()
    assert (event, first["did"]) == ("pop", "88880001")
    async with asyncio.timeout(30):
        await desk.matched.wait()
    later = rest or await desk.told()
    assert [(event, data["customer"]["name"]) for event, data in later] == [
        ("pop_update", "周建国")
    ]
    assert later[0][1]["did"] == "88880001"
    assert desk.asked == [CALLER.number], "the CRM is asked once for each arrival"


async def test_a_caller_who_hangs_up_closes_the_pop_as_abandoned() -> None:
    desk = Desk()
    await desk.pump.submit(ARRIVAL)
    async with asyncio.timeout(30):
        await desk.matched.wait()
    await desk.told()
    await desk.pump.submit(CallerHungUp(interaction=I1))
    assert await desk.told() == [
        ("pop_closed", {"interaction": I1, "offer": O1, "outcome": "abandoned"})
    ]


async def test_who_sees_numbers_masked_sees_them_masked_in_the_pop() -> None:
    desk = Desk(unmasked=False)
    await desk.pump.submit(ARRIVAL)
    async with asyncio.timeout(30):
        await desk.matched.wait()
    told = await desk.told()
    assert [event for event, _ in told] == ["pop"]  # nothing unmasked follows
    assert told[0][1]["caller"]["number"] == "138****8001"
    assert told[0][1]["customer"]["name"] == "周**"
    assert CALLER.number not in json.dumps(told)

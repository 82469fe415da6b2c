"""The production engine, pump and store behind the server: one call, as people see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from argon2 import PasswordHasher

from crmcore.access import SYSTEM
from crmcore.store import Store
from crmcore.users import Users
from ctid.announce import Announcer
from ctid.clock import SystemClock
from ctid.events import EventHub
from ctid.http.models import Explanation
from ctid.http.server import start_http
from ctid.http.services import HttpSettings, Services
from ctid.pump import Pump
from routing.commands import Command, FileContactRecord, Offer
from routing.engine import Engine
from routing.facts import (
    AgentHungUp,
    CallerHungUp,
    InteractionArrived,
    OfferAnswered,
    OfferRinging,
    Party,
)
from routing.ids import AgentId, InteractionId, PhoneId, QueueId
from routing.model import Agent, Disposition, Entry, Membership, Queue, RoutingConfig

pytestmark = pytest.mark.daemon

NEWS, A1, I1 = QueueId("news"), AgentId("1001"), InteractionId("1.1")
CONFIG = RoutingConfig(
    queues=(Queue(id=NEWS, name="新闻热线", wrap_up_s=30.0, dispositions=("tip",)),),
    agents=(Agent(id=A1, name="王", phone=PhoneId("1001"), memberships=(Membership(queue=NEWS),)),),
    entries=(Entry(did="96060", queue=NEWS),),
    dispositions=(Disposition(id="tip"),),
)


class NoJournal:
    def append(self, **entry: Any) -> None:
        pass


class Daemon:
    """As much of the daemon as a call needs to be seen."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = SystemClock()
        self.engine = Engine(CONFIG)
        self.hub = EventHub(self.clock)
        self.announcer = Announcer(self.engine, self.hub, self.clock)
        self.commands: list[Command] = []
        self.pump = Pump(
            engine=self.engine,
            journal=NoJournal(),
            clock=self.clock,
            execute=self._execute,
            publish=self.announcer.changes,
        )

    def _execute(self, commands: Sequence[Command], cause: int) -> None:
        self.commands += commands

    def one(self, kind: type[Command]) -> Any:
        (found,) = [c for c in self.commands if isinstance(c, kind)]
        return found


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    clock = SystemClock()
    store = await Store.open(tmp_path / "ctid.db", clock.now_s())
    store.users = Users(store.db, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for person in (
        {"username": "amy", "role": "agent", "agent": "1001"},
        {"username": "sue", "role": "supervisor"},
    ):
        await store.users.create(SYSTEM, person, "secret-1", clock.now_s())
    yield Daemon(store)
    await store.close()


class Person:
    """A browser with its event stream."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http
        self.stream: Any = None

    async def enter(self, username: str) -> None:
        body = {"username": username, "password": "secret-1"}
        async with self.http.post(self.url + "/login", json=body) as response:
            assert response.status == 200
        self.stream = await self.http.get(self.url + "/events")

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.http.request(method, self.url + path, json=body) as response:
            return response.status, await response.json() if response.status != 204 else None

    async def until(self, event: str, **values: Any) -> Any:
        """The next event of this kind with these values."""
        async with asyncio.timeout(30):
            while True:
                block = (await self.stream.content.readuntil(b"\n\n")).decode()
                fields = dict(x.split(": ", 1) for x in block.strip().split("\n") if ": " in x)
                data = json.loads(fields.get("data", "{}"))
                if fields.get("event") == event and values.items() <= data.items():
                    return data


async def test_one_call_from_arrival_to_disposition(daemon: Daemon) -> None:
    services = Services(
        engine=daemon.engine,
        submit=daemon.pump.submit,
        store=daemon.store,
        hub=daemon.hub,
        clock=daemon.clock,
        settings=HttpSettings(port=0, drain_s=1.0),
        readiness=lambda: {"pbx": True},
        recordings=_none,
    )
    server = await start_http(services)
    api = server.url + "/api/v1"
    headers = {"X-Requested-With": "ctid"}

    def jar() -> aiohttp.CookieJar:
        return aiohttp.CookieJar(unsafe=True)

    async with (
        aiohttp.ClientSession(headers=headers, cookie_jar=jar()) as first,
        aiohttp.ClientSession(headers=headers, cookie_jar=jar()) as second,
    ):
        amy, sue = Person(api, first), Person(api, second)
        await amy.enter("amy")
        await sue.enter("sue")
        status, agent = await amy.call("PUT", "/agents/me/status", {"status": "available"})
        assert (status, agent["status"], agent["state"]) == (200, "available", "idle")
        await sue.until("agent", id="1001", status="available")

        caller = Party(number="13800138000")
        daemon.pump.put(InteractionArrived(interaction=I1, caller=caller, did="96060"))
        offered = await amy.until("interaction", id="1.1", ringing_agents=["1001"])
        await sue.until("queue", id="news", entered=1)
        await sue.until("interaction", id="1.1")
        offer = daemon.one(Offer)
        assert offered["offer"] == offer.offer
        status, page = await amy.call("GET", "/interactions")
        assert [i["id"] for i in page["items"]] == ["1.1"]
        status, why = await sue.call("GET", "/interactions/1.1/explain")
        assert status == 200
        Explanation.model_validate_json(json.dumps(why))
        (candidate,) = why["candidates"]
        assert (candidate["agent"], candidate["place"]) == ("1001", None)
        assert candidate["reasons"][0]["code"]
        assert why["asked_now"] == ["1001"]

        daemon.pump.put(OfferRinging(interaction=I1, offer=offer.offer, agent=A1))
        daemon.pump.put(OfferAnswered(interaction=I1, offer=offer.offer, agent=A1))
        await amy.until("agent", id="1001", state="talking", interaction="1.1")
        daemon.pump.put(AgentHungUp(interaction=I1, agent=A1))
        daemon.pump.put(CallerHungUp(interaction=I1))
        wrap_up = await amy.until("agent", id="1001", state="wrap_up")
        assert wrap_up["wrap_up_until"] is not None
        ended = await sue.until("interaction", id="1.1", outcome="answered")
        assert ended["ended_at"] is not None
        await daemon.store.file_contact_record(
            daemon.one(FileContactRecord).account, daemon.clock.now_s()
        )

        status, _ = await amy.call("PUT", "/interactions/1.1/disposition", {"code": "tip"})
        assert status == 204
        await amy.until("agent", id="1001", state="idle")
        status, problem = await amy.call("POST", "/agents/me/wrap-up", {"action": "finish"})
        assert (status, problem["code"]) in ((409, "refused"), (200, None)), problem
        status, page = await sue.call("GET", "/contact-records?interaction=1.1")
        assert [r["outcome"] for r in page["items"]] == ["answered"]
        status, figures = await sue.call("GET", "/queues/news")
        assert (figures["answered"], figures["service_level"]) == (1, 1.0)
        status, problem = await sue.call("GET", "/interactions/1.1")
        assert status == 404
        for person in (amy, sue):
            person.stream.close()
    await server.stop()


async def _none(recording: object) -> None:
    return None

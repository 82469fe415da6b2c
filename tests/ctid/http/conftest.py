"""A real server, store and client; the engine here is a board of views that a test sets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
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
from ctid.http.models import ProblemOut
from ctid.http.openapi import codes_of
from ctid.http.routes import ENDPOINTS
from ctid.http.server import HttpServer, start_http
from ctid.http.services import HttpSettings, RecordingFile, Services
from ctid.queues_desk import QueuesDesk
from ctid.veil import veil_of
from routing.explain import Explanation
from routing.facts import AgentStatus, AgentStatusSet, Channel, Fact, Party
from routing.ids import AgentId, InteractionId, PhoneId, QueueId, RecordingId
from routing.model import (
    Agent,
    Disposition,
    Membership,
    PauseReason,
    Queue,
    RoutingConfig,
    Team,
)
from routing.views import AgentView, InteractionView, QueueView

PASSWORD = "secret-1"
# cheap on purpose: the cost of a real hash is not what is tested here
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

NEWS, ADS = QueueId("news"), QueueId("ads")


def make_config() -> RoutingConfig:
    def agent(name: str, team: str, queue: QueueId) -> Agent:
        return Agent(
            id=AgentId(name),
            name=f"坐席{name}",
            phone=PhoneId(name),
            teams=(team,),
            memberships=(Membership(queue=queue),),
        )

    return RoutingConfig(
        queues=(
            Queue(id=NEWS, name="新闻热线", teams=("red",), dispositions=("tip",)),
            Queue(id=ADS, name="Advertising", teams=("blue",)),
        ),
        agents=(
            agent("1001", "red", NEWS),
            agent("1002", "red", NEWS),
            agent("2001", "blue", ADS),
        ),
        teams=(Team(id="red"), Team(id="blue")),
        pause_reasons=(PauseReason(id="lunch", name="午餐"),),
        dispositions=(Disposition(id="tip", name="线索"), Disposition(id="other")),
    )


class Board:
    """Stands for the engine: shows what it was given, takes facts, refuses on demand."""

    def __init__(self, config: RoutingConfig) -> None:
        self.config = config
        self.agent_views: dict[AgentId, AgentView] = {
            a.id: AgentView(
                id=a.id,
                name=a.name,
                status=AgentStatus.LOGGED_OUT,
                reason="",
                state="",
                phone=a.phone,
                phone_reachable=True,
                since=1_700_000_000.0,
                interaction=None,
                queues=tuple(m.queue for m in a.memberships),
                teams=a.teams,
                wrap_up_until=None,
                calls_handled=0,
                disposition_due=None,
                held=(),
            )
            for a in config.agents
        }
        self.live: dict[InteractionId, InteractionView] = {}
        self.facts: list[Fact] = []
        self.submitted = asyncio.Event()
        self.refuse_with = ""
        self.fail_with: Exception | None = None
        self.stuck: asyncio.Event | None = None
        self.readiness = {"pbx": True}

    def agents(self) -> list[AgentView]:
        return list(self.agent_views.values())

    def agent_view(self, agent_id: AgentId) -> AgentView:
        return self.agent_views[agent_id]

    def queues(self, now: float) -> list[QueueView]:
        return [self.queue_view(q.id, now) for q in self.config.queues]

    def queue_view(self, queue_id: QueueId, now: float) -> QueueView:
        queue = {q.id: q for q in self.config.queues}[queue_id]
        return QueueView(
            id=queue.id,
            name=queue.name,
            strategy=queue.strategy,
            waiting=sum(1 for i in self.live.values() if i.queue == queue.id),
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

    def live_interactions(self) -> list[InteractionView]:
        return list(self.live.values())

    def interaction_view(self, interaction_id: InteractionId) -> InteractionView:
        return self.live[interaction_id]

    def explain(self, interaction_id: InteractionId, now: float) -> Explanation:
        return Explanation(interaction=interaction_id, at=now, state="waiting", queue=None)

    def arrive(
        self, name: str, queue: QueueId = NEWS, agent: AgentId | None = None, at: float = 1.7e9
    ) -> InteractionView:
        view = InteractionView(
            id=InteractionId(name),
            channel=Channel.VOICE,
            state="waiting" if agent is None else "talking",
            caller=Party(number="13800138000", name="王"),
            did="96060",
            queue=queue,
            position=1,
            priority=0,
            arrived_at=at,
            queued_at=at,
            answered_at=None,
            ended_at=None,
            agent=agent,
            ringing_agents=(),
            offer=None,
            customer=None,
            customer_name="",
            recording=False,
            outcome=None,
        )
        self.live[view.id] = view
        return view

    async def submit(self, fact: Fact) -> Receipt:
        self.facts.append(fact)
        self.submitted.set()
        if self.fail_with is not None:
            raise self.fail_with
        if self.stuck is not None:
            await self.stuck.wait()
        if self.refuse_with:
            return Receipt(accepted=False, reason=self.refuse_with)
        if isinstance(fact, AgentStatusSet):
            self.agent_views[fact.agent] = replace(
                self.agent_views[fact.agent],
                status=fact.status,
                reason=fact.reason,
                phone=fact.phone or self.agent_views[fact.agent].phone,
            )
        return Receipt(accepted=True, reason="")


@dataclass(frozen=True)
class Receipt:
    accepted: bool
    reason: str


PEOPLE: tuple[dict[str, Any], ...] = (
    {"username": "amy", "name": "王艾米", "role": "agent", "agent": "1001", "teams": ["red"]},
    {"username": "bob", "role": "agent", "agent": "2001", "teams": ["blue"]},
    {"username": "sue", "role": "supervisor", "teams": ["red"]},
    {"username": "root", "role": "admin"},
    {"username": "vic", "role": "viewer"},
    {"username": "ill", "role": "agent"},
)


class Clock(SystemClock):
    """The real clock, which a test may push forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.ahead_s


@dataclass
class Site:
    """A running server and what stands behind it."""

    server: HttpServer
    services: Services
    board: Board
    store: Store
    clock: Clock
    hub: EventHub
    announcer: Announcer
    url: str

    @property
    def api(self) -> str:
        return self.url + "/api/v1"


Make = Callable[..., Awaitable[Site]]


@pytest.fixture
async def make_site(tmp_path: Path) -> AsyncIterator[Make]:
    servers: list[HttpServer] = []
    stores: list[Store] = []

    async def make(queues: QueuesDesk | None = None, **settings: Any) -> Site:
        clock = Clock()
        store = await Store.open(tmp_path / f"{len(stores)}.db", clock.now_s())
        stores.append(store)
        store.users = Users(store.db, HASHER)
        for person in PEOPLE:
            given = {"language": "zh-CN", **person}
            await store.users.create(SYSTEM, given, PASSWORD, clock.now_s())
        await store.users.update(SYSTEM, "ill", {"disabled": True}, clock.now_s())
        board, hub = Board(make_config()), EventHub(clock, client_limit=50, veil=veil_of(store))

        async def recording_file(recording: RecordingId) -> RecordingFile | None:
            path = tmp_path / f"{recording}.wav"
            return RecordingFile(path=path) if path.is_file() else None

        services = Services(
            engine=board,
            submit=board.submit,
            store=store,
            hub=hub,
            clock=clock,
            settings=HttpSettings(
                **{"port": 0, "web_dir": tmp_path / "web", "drain_s": 1.0, **settings}
            ),
            readiness=lambda: board.readiness,
            recordings=recording_file,
            queues=queues,
        )
        server = await start_http(services)
        servers.append(server)
        return Site(
            server, services, board, store, clock, hub, Announcer(board, hub, clock), server.url
        )

    yield make
    for server in servers:
        await server.stop()
    for store in stores:
        await store.close()


@pytest.fixture
async def site(make_site: Make) -> Site:
    return await make_site()


def check_described(method: str, path: str, response: aiohttp.ClientResponse, raw: bytes) -> None:
    """Every answer that any test gets is one that the description promises."""
    path = path.split("?")[0]
    for endpoint in ENDPOINTS:
        pattern = re.sub(r"{\w+}", "[^/]+", endpoint.path)
        if endpoint.method == method and re.fullmatch(pattern, path):
            break
    else:
        return
    if response.status >= 400:
        assert response.content_type == "application/problem+json", (response.status, raw)
        problem = ProblemOut.model_validate_json(raw)
        assert problem.status == response.status
        assert problem.code in codes_of(endpoint), (method, path, problem)
    elif endpoint.answer is not None:
        endpoint.answer.model_validate_json(raw)
    elif endpoint.media == "application/json":
        assert (response.status, raw) == (204, b"")


class Client:
    """A browser: keeps its cookie, sends the header against forged requests."""

    def __init__(self, api: str) -> None:
        self.api = api
        self.http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"X-Requested-With": "ctid"}
        )

    async def call(
        self, method: str, path: str, body: Any = None, **more: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        if body is not None:
            more["json"] = body
        async with self.http.request(method, self.api + path, **more) as response:
            raw = await response.read()
            data = json.loads(raw) if raw and "json" in response.content_type else raw
            check_described(method, path, response, raw)
            return response.status, data, response

    async def get(self, path: str, **more: Any) -> Any:
        status, data, _ = await self.call("GET", path, **more)
        assert status == 200, (status, data)
        return data


Login = Callable[..., Awaitable[Client]]


@pytest.fixture
async def log_in(site: Site) -> AsyncIterator[Login]:
    clients: list[Client] = []

    async def log_in(username: str | None, api: str = "") -> Client:
        client = Client(api or site.api)
        clients.append(client)
        if username is not None:
            body = {"username": username, "password": PASSWORD}
            status, data, _ = await client.call("POST", "/login", body)
            assert status == 200, data
        return client

    yield log_in
    for client in clients:
        await client.http.close()

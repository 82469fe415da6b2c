"""What the HTTP side is handed: the seams to the engine, the pump, the store and the files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from crmcore.privacy import ErasePort
from crmcore.store import Store
from ctid.clock import Clock
from ctid.events import EventHub
from ctid.queues_desk import QueuesDesk
from routing.explain import Explanation
from routing.facts import Fact
from routing.ids import AgentId, InteractionId, QueueId, RecordingId
from routing.model import RoutingConfig
from routing.views import AgentView, InteractionView, QueueView


class EngineReader(Protocol):
    """The reading half of ``routing.engine.Engine``. Unknown ids raise KeyError."""

    @property
    def config(self) -> RoutingConfig:
        """The configuration in force."""
        ...

    def agents(self) -> list[AgentView]:
        """Every agent."""
        ...

    def agent_view(self, agent_id: AgentId, /) -> AgentView:
        """One agent."""
        ...

    def queues(self, now: float, /) -> list[QueueView]:
        """Every queue."""
        ...

    def queue_view(self, queue_id: QueueId, now: float, /) -> QueueView:
        """One queue."""
        ...

    def live_interactions(self) -> list[InteractionView]:
        """Every interaction that has not ended."""
        ...

    def interaction_view(self, interaction_id: InteractionId, /) -> InteractionView:
        """One live interaction."""
        ...

    def explain(self, interaction_id: InteractionId, now: float, /) -> Explanation:
        """Why each agent was or was not chosen."""
        ...


class FactReceipt(Protocol):
    """What became of a submitted fact. ``reason`` is set when it was refused."""

    @property
    def accepted(self) -> bool:
        """Whether the engine took it."""
        ...

    @property
    def reason(self) -> str:
        """Why not, in words for the person who asked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFile:
    """Where a finished recording lies. ``content_type`` as in RFC 2046, ``audio/wav``."""

    path: Path
    content_type: str = "audio/wav"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How the HTTP side behaves. ``cookie_secure``: served over TLS (by a proxy in front).

    Every address that is not loopback should sit behind TLS: set ``cookie_secure`` then.
    """

    host: str = "127.0.0.1"
    port: int = 8080  # 0: any free port, see HttpServer.port
    cookie_secure: bool = False
    session_ttl_s: float = 12 * 3600.0
    body_limit: int = 1024 * 1024
    body_timeout_s: float = 15.0
    upload_limit: int = 256 * 1024 * 1024
    upload_timeout_s: float = 600.0
    header_timeout_s: float = 10.0
    keepalive_s: float = 60.0
    max_connections: int = 8192
    submit_timeout_s: float = 10.0
    stream_ping_s: float = 15.0
    stream_write_timeout_s: float = 30.0
    drain_s: float = 5.0
    logins_at_once: int = 64
    address_failures: int = 50  # wrong passwords from one address, then it waits
    failure_window_s: float = 300.0
    web_dir: Path = field(default_factory=lambda: Path(__file__).parent.parent / "web")


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that a handler may use.

    ``crm_changed`` is told after each change of the CRM: webhooks and reminders may be due;
    ``users_changed`` after each change of a user, and when one logs in.
    ``erase_ports``: what else has to forget a person.
    """

    engine: EngineReader
    submit: Callable[[Fact], Awaitable[FactReceipt]]
    store: Store
    hub: EventHub
    clock: Clock
    settings: HttpSettings
    readiness: Callable[[], Mapping[str, bool]]
    recordings: Callable[[RecordingId], Awaitable[RecordingFile | None]]
    queues: QueuesDesk | None = None  # None: the configuration is not changed over HTTP
    crm_changed: Callable[[], None] = _nothing
    users_changed: Callable[[], None] = _nothing
    erase_ports: Sequence[ErasePort] = ()

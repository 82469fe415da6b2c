"""Who takes part in a simulated day: callers with what they bring, agents with their hours."""

from __future__ import annotations

from dataclasses import dataclass, field

from routing.facts import AgentStatus
from routing.ids import AgentId


@dataclass(slots=True)
class Caller:
    """Somebody who will call. Times are Unix seconds and seconds."""

    id: str
    at: float
    did: str
    number: str
    patience_s: float
    talk_s: float
    pickup_s: float
    luck: float  # 0..1: whether the agent who is asked first declines or does not answer
    wrap_up_s: float | None = None
    digits: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Duty:
    """From ``at`` on the agent wants this status."""

    at: float
    agent: AgentId
    status: AgentStatus
    reason: str = ""

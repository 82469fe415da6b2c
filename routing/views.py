"""Read-only pictures of the engine's state for people: HTTP, events, the command line.

Built on demand from the engine's own records; changing one changes nothing.
Times are Unix seconds (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass

from routing.control_facts import SuperviseMode
from routing.facts import AgentStatus, Channel, Party
from routing.ids import (
    AgentId,
    CustomerId,
    InteractionId,
    OfferId,
    PhoneId,
    QueueId,
    SupervisionId,
)
from routing.model import AutoAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """One agent now. ``state``: idle, reserved, ringing, talking, wrap_up (empty: logged out)."""

    id: AgentId
    name: str
    status: AgentStatus
    reason: str
    state: str
    phone: PhoneId
    phone_reachable: bool
    since: float  # when status or state last changed
    interaction: InteractionId | None
    queues: tuple[QueueId, ...]
    teams: tuple[str, ...]
    wrap_up_until: float | None
    calls_handled: int  # today's answered interactions, since the daemon knows
    disposition_due: InteractionId | None
    held: tuple[InteractionId, ...]  # reserved, ringing, talking or in wrap-up
    disposition_owed: bool = False  # paused until it is given
    private_call: bool = False  # the phone is busy with a call that is not ours
    auto_answer: AutoAnswer = AutoAnswer.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """One queue now and today."""

    id: QueueId
    name: str
    strategy: str
    waiting: int
    talking: int
    longest_wait_since: float | None
    agents_available: int  # idle and available
    agents_logged_in: int
    entered: int
    answered: int
    abandoned: int
    service_level: float | None  # share 0..1 answered within service_level_s; None: no call yet
    service_level_s: float
    average_speed_of_answer_s: float | None
    ewt_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorView:
    """Somebody who supervises an interaction. ``active`` false: the phone still rings."""

    id: SupervisionId
    by: str  # user name
    mode: SuperviseMode
    phone: PhoneId
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionView:
    """One interaction now. ``state`` as in ``interaction_state``."""

    id: InteractionId
    channel: Channel
    state: str
    caller: Party
    did: str
    queue: QueueId | None
    position: int | None  # 1 is next
    priority: int
    arrived_at: float
    queued_at: float | None
    answered_at: float | None
    ended_at: float | None
    agent: AgentId | None
    ringing_agents: tuple[AgentId, ...]
    offer: OfferId | None
    customer: CustomerId | None
    customer_name: str
    recording: bool
    outcome: str | None
    supervisors: tuple[SupervisorView, ...] = ()
    taken_over_by: str = ""  # user name of a supervisor who talks with the caller
    on_hold: bool = False
    consult: str = ""  # phase of a consultation; empty: none
    muted: bool = False  # nobody hears the agent
    recording_suspended: bool = False
    outbound: bool = False  # we called the customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What one ``handle`` touched: the parts whose views are worth sending again."""

    interactions: frozenset[InteractionId]
    agents: frozenset[AgentId]
    queues: frozenset[QueueId]

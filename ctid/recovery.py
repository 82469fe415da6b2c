"""Recovery: what the journal knew as live is compared with what the PBX has.

The PBX is the truth for live legs, the journal for intent (docs/adr/0003). On start every live row
becomes a fact that says whether its leg is still there and with whom it is connected; on every
reconnect the engine's own picture is compared the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from ctid.telephony.port import LiveCall
from routing.facts import (
    AgentHungUp,
    AgentRestored,
    CallerHungUp,
    Channel,
    Fact,
    InteractionRestored,
)
from routing.ids import AgentId, InteractionId, PhoneId
from routing.views import AgentView, InteractionView

log = structlog.get_logger(__name__)


class LiveRow(Protocol):
    """One live row of the journal."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def snapshot(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a start found."""

    facts: tuple[Fact, ...]
    known: Mapping[InteractionId, AgentId | None]  # who is there, and with whom they talk
    ended: int
    adopted: int


def agent_of(call: LiveCall, by_phone: Mapping[PhoneId, AgentId]) -> AgentId | None:
    """Who talks in this call: as the leg says, or who sits at the phone."""
    if call.agent is not None:
        return call.agent
    return by_phone.get(call.agent_phone) if call.agent_phone is not None else None


def on_start(rows: Iterable[LiveRow], calls: Iterable[LiveCall]) -> Recovered:
    """Facts that bring the engine from nothing to the truth.

    Agents first, so that the interactions that talk find theirs. A caller whom the journal never
    saw (the facts were lost in the crash, or it came while ctid was away) is restored from what the
    PBX tells, in order of arrival: ``calls`` come in that order.
    """
    facts: list[Fact] = []
    by_phone: dict[PhoneId, AgentId] = {}
    interactions: list[LiveRow] = []
    for row in rows:
        if row.kind == "agent":
            facts.append(AgentRestored(agent=AgentId(row.id), snapshot=row.snapshot))
            phone = row.snapshot.get("phone")
            if isinstance(phone, str) and phone:
                by_phone[PhoneId(phone)] = AgentId(row.id)
        else:
            interactions.append(row)
    left = {call.interaction: call for call in calls}
    known: dict[InteractionId, AgentId | None] = {}
    ended = 0
    for row in interactions:
        interaction = InteractionId(row.id)
        call = left.pop(interaction, None)
        agent: AgentId | None = None
        if call is None:
            ended += 1
        else:
            agent = known[interaction] = agent_of(call, by_phone)
        facts.append(
            InteractionRestored(
                interaction=interaction,
                snapshot=row.snapshot,
                present=call is not None,
                agent=agent,
            )
        )
    # Their facts were lost, so they came after everything that the journal knows. The PBX tells
    # ages in whole seconds; the order of ``calls`` is exact.
    latest = max((_arrived_at(row) for row in interactions), default=0.0)
    adopted = 0
    for call in left.values():
        agent = agent_of(call, by_phone)
        latest = max(call.arrived_at, latest)
        adopted += 1
        known[call.interaction] = agent
        facts.append(
            InteractionRestored(
                interaction=call.interaction,
                snapshot={
                    "channel": Channel.VOICE.value,
                    "caller": {"number": call.caller.number, "name": call.caller.name},
                    "did": call.did,
                    "arrived_at": latest,
                },
                present=True,
                agent=agent,
            )
        )
    return Recovered(facts=tuple(facts), known=known, ended=ended, adopted=adopted)


def _arrived_at(row: LiveRow) -> float:
    at = row.snapshot.get("arrived_at", 0.0)
    return float(at) if isinstance(at, int | float) else 0.0


class EngineViews(Protocol):
    """What is read of the engine."""

    def live_interactions(self) -> list[InteractionView]: ...

    def agents(self) -> list[AgentView]: ...


def on_reconnect(engine: EngineViews, calls: Iterable[LiveCall]) -> list[Fact]:
    """Facts that were missed while the link to the PBX was down."""
    there = {call.interaction: call for call in calls}
    by_phone = {a.phone: a.id for a in engine.agents() if a.phone}
    facts: list[Fact] = []
    for view in engine.live_interactions():
        if view.channel is not Channel.VOICE:
            continue
        call = there.get(view.id)
        if call is None:
            facts.append(CallerHungUp(interaction=view.id))
            continue
        if view.agent is None or view.state != "talking":
            continue
        if agent_of(call, by_phone) != view.agent:
            facts.append(AgentHungUp(interaction=view.id, agent=view.agent))
    return facts

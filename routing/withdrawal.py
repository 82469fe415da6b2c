"""Taking an offer back from agents, and keeping the account of it."""

from __future__ import annotations

from routing import agents
from routing.agent_records import AgentRecord
from routing.commands import OfferAccount
from routing.floor import Floor
from routing.ids import AgentId, TimerId
from routing.records import Interaction, OfferRecord

MAX_ACCOUNTS = 200
"""Offers beyond this many are no longer itemised in the contact record."""


def note(floor: Floor, live: Interaction, offer: OfferRecord, agent: AgentId, outcome: str) -> None:
    """The offer is over for one agent."""
    offered_at = offer.asked.pop(agent)
    if len(live.offers) < MAX_ACCOUNTS:
        live.offers.append(
            OfferAccount(
                offer=offer.id,
                agent=agent,
                offered_at=offered_at,
                ended_at=floor.now,
                outcome=outcome,
            )
        )


def one(
    floor: Floor,
    live: Interaction,
    offer: OfferRecord,
    agent: AgentRecord,
    *,
    event: str,
    outcome: str,
    rest_s: float = 0.0,
) -> None:
    """Free one agent of the offer. Only a withdrawn one keeps the idle time."""
    agent.engagements[live.id].move(event, floor.now)
    note(floor, live, offer, agent.id, outcome)
    agents.disengage(floor, agent, live, turn_used=outcome != "withdrawn", rest_s=rest_s)


def all_asked(floor: Floor, live: Interaction, outcome: str) -> None:
    """Free everyone still asked; the offer is over."""
    offer = live.offer
    if offer is None:
        return
    for agent_id in list(offer.asked):
        one(floor, live, offer, floor.agents[agent_id], event="withdrawn", outcome=outcome)
    close(floor, live)


def close(floor: Floor, live: Interaction) -> None:
    """The offer is over, whatever its outcome."""
    offer = live.offer
    assert offer is not None
    live.offer = None
    for timer in (ring_timer(live, offer), growth_timer(live, offer)):
        live.timers.discard(timer)
        floor.cancel_timer(timer)


def ring_timer(live: Interaction, offer: OfferRecord) -> TimerId:
    """Ends the ringing, then the lease. Its own for each offer: an old one may still be fired."""
    return TimerId(f"{live.id}:ring{offer.number}")


def growth_timer(live: Interaction, offer: OfferRecord) -> TimerId:
    """Asks one agent more."""
    return TimerId(f"{live.id}:grow{offer.number}")

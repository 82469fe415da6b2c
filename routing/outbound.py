"""Calls that an agent makes: the agent's phone first, for a queue, like a callback of one try."""

from __future__ import annotations

from routing import facts as f
from routing import offers, supervision
from routing.errors import UnknownTransition
from routing.facts import AgentStatus, Channel, Party
from routing.floor import Floor
from routing.interaction_state import State
from routing.records import Interaction


def requested(floor: Floor, fact: f.CallRequested) -> None:
    """Reserve the agent and ring; the customer is called when the agent has answered."""
    if fact.callback in floor.live:
        raise UnknownTransition(f"{fact.callback} is live already")
    agent = floor.agents.get(fact.agent)
    if agent is None:
        raise UnknownTransition(f"agent {fact.agent} is not in the configuration")
    seat = agent.seats.get(fact.queue)
    if seat is None:
        raise UnknownTransition(f"agent {fact.agent} is not in queue {fact.queue}")
    if agent.status is AgentStatus.LOGGED_OUT:
        raise UnknownTransition(f"agent {fact.agent} is logged out")
    if agent.engagements:
        raise UnknownTransition(f"agent {fact.agent} is {agent.state}")
    supervision.free_phone(floor, agent.phone)
    floor.seq += 1
    caller = Party(number=fact.number, name=fact.name)
    did = next((e.did for e in floor.config.entries if e.queue == fact.queue), "")
    live = Interaction(fact.callback, Channel.VOICE, caller, did.rstrip("*"), floor.now, floor.seq)
    live.direct = True
    live.customer_here = False
    live.pool = seat.pool
    live.queues.append(fact.queue)
    live.waiting_since = live.queued_at = floor.now
    floor.live[live.id] = live
    live.move("sent_on", State.WAITING)
    offers.begin(floor, live, [seat])

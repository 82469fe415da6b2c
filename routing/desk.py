"""Where agents sit, and what they owe before they go on."""

from __future__ import annotations

from routing.agent_records import AgentRecord
from routing.errors import UnknownTransition
from routing.facts import AgentStatus, AgentStatusSet
from routing.floor import Floor


def check(floor: Floor, agent: AgentRecord, fact: AgentStatusSet) -> None:
    """UnknownTransition if the agent cannot have this status, or not at this phone."""
    if fact.status is AgentStatus.LOGGED_OUT:
        return
    phone = fact.phone or agent.phone
    sitter = floor.agents.get(floor.phones.get(phone, agent.id))
    if (
        sitter is not None
        and sitter is not agent
        and (sitter.status is not AgentStatus.LOGGED_OUT or sitter.on_the_phone)
    ):
        raise UnknownTransition(
            f"agent {sitter.id} sits at phone {phone}: choose another, or log that agent out first"
        )
    if phone != agent.phone and agent.on_the_phone:
        raise UnknownTransition(f"agent {agent.id} is on the phone {agent.phone}: hang up first")
    if agent.owed is not None and fact.status is AgentStatus.AVAILABLE and not fact.by:
        raise UnknownTransition(f"say first how {agent.owed} ended: its queue asks for it")

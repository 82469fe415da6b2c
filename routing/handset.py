"""What agents do with their own phone from the client: answer it, mute it, key in digits."""

from __future__ import annotations

from routing import control_facts as cf
from routing.agent_state import AgentState
from routing.commands import AnswerOffer, SendDigits, SetMute
from routing.control_facts import ConsultPhase
from routing.errors import UnknownTransition
from routing.floor import Floor
from routing.model import AutoAnswer
from routing.records import Interaction


def answer_requested(floor: Floor, live: Interaction, fact: cf.AnswerRequested) -> None:
    """The phone that rings is asked to answer by itself."""
    offer = live.offer
    agent = floor.agents.get(fact.agent)
    if offer is None or agent is None or fact.agent not in offer.asked:
        raise UnknownTransition(f"the phone of agent {fact.agent} does not ring for {live.id}")
    if agent.config.auto_answer is AutoAnswer.NEVER:
        raise UnknownTransition(
            f"the phone of agent {fact.agent} is not known to answer by itself: see auto_answer"
        )
    if len(offer.asked) > 1 or not live.customer_here:
        raise UnknownTransition("this call has to be answered at the phone")
    if agent.engagements[live.id].state is not AgentState.RINGING:
        raise UnknownTransition(f"the phone of agent {fact.agent} does not ring yet")
    floor.emit(AnswerOffer(interaction=live.id, offer=offer.id))


def mute_requested(floor: Floor, live: Interaction, fact: cf.MuteRequested) -> None:
    """Keep the agent's voice back, or let it through."""
    if live.muted is fact.mute:
        raise UnknownTransition(f"the agent of {live.id} is {'' if fact.mute else 'not '}muted")
    floor.emit(SetMute(interaction=live.id, mute=fact.mute))


def mute_changed(floor: Floor, live: Interaction, fact: cf.MuteChanged) -> None:
    """The PBX has done it."""
    if live.agent is not None:
        live.muted = fact.muted
        floor.touch(live)


def digits_requested(floor: Floor, live: Interaction, fact: cf.DigitsRequested) -> None:
    """Digits go to whom the agent talks with, so there has to be somebody."""
    phase = live.consult.phase if live.consult is not None else None
    # in private it is the caller who is on hold: the consulted one hears them
    held = live.held and phase is not ConsultPhase.PRIVATE
    if held or phase is ConsultPhase.RINGING:
        raise UnknownTransition(f"{live.id} is on hold: nobody would hear the digits")
    floor.emit(SendDigits(interaction=live.id, digits=fact.digits))

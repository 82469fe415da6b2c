"""Consultation: the agent asks somebody beside the caller; swap, transfer, conference."""

from __future__ import annotations

from routing import agents, control, offers, watchers
from routing import control_facts as cf
from routing import facts as f
from routing.commands import BringBack, ChangeConsult, Consult
from routing.control_facts import ConsultAsk, ConsultPhase, TransferKind
from routing.errors import UnknownTransition
from routing.floor import Floor
from routing.ids import NO_PHONE, AgentId
from routing.interaction_state import State
from routing.records import Consultation, Interaction, Onward
from routing.supervision import free_phone

TOGETHER = (ConsultPhase.PRIVATE, ConsultPhase.SWAPPED)
ASKS = {
    ConsultAsk.SWAP: TOGETHER,
    ConsultAsk.CANCEL: (ConsultPhase.RINGING, *TOGETHER),
    ConsultAsk.COMPLETE: (*TOGETHER, ConsultPhase.CONFERENCE),
    ConsultAsk.CONFERENCE: TOGETHER,
}
"""In which phases what may be asked."""


def requested(floor: Floor, live: Interaction, fact: cf.ConsultRequested) -> None:
    """Ring whom the agent wants to ask."""
    if live.held or live.taker or live.consult is not None:
        raise UnknownTransition(f"{live.id} is on hold, taken over or in a consultation already")
    control.own_pool(floor, live)  # where the caller goes if all else fails
    music = live.pool.queue.music if live.pool is not None else "default"
    if fact.kind is TransferKind.AGENT:
        agent = floor.agents.get(AgentId(fact.to))
        if agent is None or agent is live.agent or not agent.phone:
            raise UnknownTransition(f"agent {fact.to} cannot be asked")
        free_phone(floor, agent.phone)
        live.consult = Consultation(agent, "")
        command = Consult(interaction=live.id, phone=agent.phone, agent=agent.id, music=music)
    elif fact.kind is TransferKind.NUMBER:
        live.consult = Consultation(None, fact.to)
        command = Consult(interaction=live.id, phone=NO_PHONE, number=fact.to, music=music)
    else:
        raise UnknownTransition("a queue cannot be consulted: transfer the caller to it")
    live.consult.conference = fact.conference
    floor.emit(command)
    floor.touch(live)


def asked(floor: Floor, live: Interaction, fact: cf.ConsultAsked) -> None:
    """On with it."""
    consult = live.consult
    if consult is None or consult.phase not in ASKS[fact.ask]:
        phase = consult.phase if consult is not None else "no consultation"
        raise UnknownTransition(f"{fact.ask} is not possible now: {phase}")
    if fact.ask is ConsultAsk.COMPLETE:
        _complete(floor, live, "ConsultAsked")
    else:
        floor.emit(ChangeConsult(interaction=live.id, ask=fact.ask))


def agent_left(floor: Floor, live: Interaction) -> bool:
    """The agent hung up. Whoever was asked then has the caller; false: there is nobody."""
    consult = live.consult
    if consult is None:
        return False
    if consult.phase is ConsultPhase.RINGING:
        floor.emit(ChangeConsult(interaction=live.id, ask=ConsultAsk.CANCEL))
        live.consult = None
        return False
    _complete(floor, live, "AgentHungUp")
    return True


def _complete(floor: Floor, live: Interaction, event: str) -> None:
    pool = control.own_pool(floor, live)
    control.leave(floor, live, event, Onward(pool), None)
    floor.emit(ChangeConsult(interaction=live.id, ask=ConsultAsk.COMPLETE))


def changed(floor: Floor, live: Interaction, fact: cf.ConsultChanged) -> None:
    """The PBX has done it, or the consulted one has gone."""
    consult = live.consult
    if consult is None:
        return
    consult.phase = fact.phase
    floor.touch(live)
    if fact.phase is ConsultPhase.ENDED:
        live.consult = None
        if fact.reason:
            live.note_cause(f"consultation: {fact.reason}"[: f.MAX_TEXT])
        if live.state is State.MOVING:
            # the agent has left meanwhile: nobody has the caller
            live.first = True
            floor.emit(BringBack(interaction=live.id))
    elif fact.phase is ConsultPhase.PRIVATE and consult.conference:
        consult.conference = False
        floor.emit(ChangeConsult(interaction=live.id, ask=ConsultAsk.CONFERENCE))
    elif fact.phase is ConsultPhase.TRANSFERRED and live.state is State.MOVING:
        live.consult = None
        _transferred(floor, live, consult)


def _transferred(floor: Floor, live: Interaction, consult: Consultation) -> None:
    onward = live.onward
    assert onward is not None
    floor.cancel_own_timer(live, "moving")
    agent = consult.agent
    if agent is None:
        live.onward = Onward(onward.pool, number=consult.number)
        live.move("ConsultChanged", State.EXTERNAL)
        watchers.follow(floor, live, listen_only=True)
        return
    live.onward = None
    live.move("ConsultChanged", State.TALKING)
    agents.engage(floor, agent, live, onward.pool)
    offers.connected(floor, live, agent, onward.pool, "adopted")
    agents.refresh(floor, agent)


def command_failed(floor: Floor, live: Interaction, command: str) -> None:
    """What could not be done leaves everything as it was."""
    if command == Consult.__name__:
        live.consult = None
    elif command == ChangeConsult.__name__ and live.state is State.MOVING:
        live.consult = None
        live.first = True
        floor.emit(BringBack(interaction=live.id))

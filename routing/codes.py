"""Feature codes: what agents key in at the phone during a conversation.

It is done as if it had been asked for in the client. What cannot be done the agent hears as a tone
and reads on the screen: a telephone shows no reason.
"""

from __future__ import annotations

from routing import consult, control, flows, handover
from routing import control_facts as cf
from routing.commands import NotifyAgent, SignalAgent
from routing.control_facts import ConsultAsk, PhoneAct, TransferKind
from routing.errors import UnknownTransition
from routing.floor import Floor
from routing.ids import PhoneId
from routing.records import Interaction

CONSULT_ASKS = {
    PhoneAct.SWAP: ConsultAsk.SWAP,
    PhoneAct.COMPLETE: ConsultAsk.COMPLETE,
    PhoneAct.CONFERENCE: ConsultAsk.CONFERENCE,
    PhoneAct.CANCEL: ConsultAsk.CANCEL,
}


def dialled(floor: Floor, live: Interaction, fact: cf.FeatureCodeDialled) -> None:
    """Do it, or tell the agent why not."""
    agent = live.agent
    if agent is None or agent.id != fact.agent:
        raise UnknownTransition(f"{live.id} is not with agent {fact.agent} (any more)")
    try:
        _do(floor, live, fact)
    except UnknownTransition as why:
        floor.emit(SignalAgent(interaction=live.id))
        details = {"interaction": live.id, "act": fact.act.value, "why": str(why)}
        floor.emit(NotifyAgent(agent=agent.id, code="code_refused", details=details))


def _do(floor: Floor, live: Interaction, fact: cf.FeatureCodeDialled) -> None:
    by, interaction = fact.agent, live.id
    if fact.act is PhoneAct.TRANSFER:
        kind, to = _whom(floor, fact)
        asked = cf.TransferRequested(interaction=interaction, by=by, kind=kind, to=to)
        control.transfer_requested(floor, live, asked)
    elif fact.act is PhoneAct.CONSULT:
        kind, to = _whom(floor, fact)
        question = cf.ConsultRequested(interaction=interaction, by=by, kind=kind, to=to)
        consult.requested(floor, live, question)
    elif fact.act is PhoneAct.HOLD:
        hold = cf.HoldRequested(interaction=interaction, by=by, hold=not live.held)
        control.hold_requested(floor, live, hold)
    else:
        ask = CONSULT_ASKS[fact.act]
        consult.asked(floor, live, cf.ConsultAsked(interaction=interaction, by=by, ask=ask))


def _whom(floor: Floor, fact: cf.FeatureCodeDialled) -> tuple[TransferKind, str]:
    """An outside number, the agent at that phone, or the queue of that number."""
    if fact.outside:
        return TransferKind.NUMBER, fact.to
    agent = handover.at_phone(floor, PhoneId(fact.to))
    if agent is not None:
        return TransferKind.AGENT, agent.id
    entry = flows.entry_for(floor, fact.to)
    if entry is None or entry.queue is None:
        raise UnknownTransition(f"{fact.to} is neither a phone with an agent nor a queue's number")
    return TransferKind.QUEUE, entry.queue

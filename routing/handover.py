"""What agents' phones do with a caller by themselves: send on (blind), hand over (attended).

Nobody was asked, so nothing can be refused at the time: a caller who was sent to nowhere goes back
to the agent who did it, or to the head of the queue.
"""

from __future__ import annotations

from routing import agents, control, ending, flows, offers, watchers
from routing import control_facts as cf
from routing import facts as f
from routing.agent_records import AgentRecord
from routing.agent_state import AgentState
from routing.commands import ChangeConsult, NameLeg, Release
from routing.control_facts import ConsultAsk
from routing.facts import AgentStatus
from routing.floor import Floor
from routing.ids import PhoneId
from routing.interaction_state import State
from routing.pool import Pool
from routing.records import Interaction, Onward

TALKS = (State.TALKING, State.TAKEN_OVER, State.EXTERNAL)
"""The states in which somebody has the caller."""


def sent_on(floor: Floor, live: Interaction, fact: cf.CallerSentOn) -> None:
    """The caller is on the way back; where to is not known yet."""
    if live.state in TALKS:
        _send(floor, live, "CallerSentOn")


def _send(floor: Floor, live: Interaction, event: str) -> None:
    sender = live.agent
    live.first = False
    _part(floor, live)
    control.set_off(floor, live, event, Onward(_pool(floor, live), sender=sender))


def dialled(floor: Floor, live: Interaction, fact: cf.DialledOn) -> None:
    """The caller is here: on to where the phone has sent it."""
    if live.state in (State.RELEASING, State.AFTER_CALL):
        floor.emit(Release(interaction=live.id))
        return
    if live.state in TALKS:  # CallerSentOn was lost with the link
        _send(floor, live, "DialledOn")
    elif live.state is State.ADRIFT:
        last = floor.agents.get(live.agents[-1]) if live.agents else None
        control.set_off(floor, live, "DialledOn", Onward(_pool(floor, live), sender=last))
    if live.state is State.MOVING:
        live.onward = _onward(floor, live, fact)
        control.returned(floor, live, "DialledOn")


def _onward(floor: Floor, live: Interaction, fact: cf.DialledOn) -> Onward:
    assert live.onward is not None
    pool, sender = live.onward.pool, live.onward.sender
    by = sender.id if sender is not None else "a phone"
    live.note_cause(f"sent on by {by} to {fact.to}"[: f.MAX_TEXT])
    if fact.outside:
        return Onward(pool, number=fact.to)
    agent = at_phone(floor, PhoneId(fact.to))
    if agent is not None and agent is not sender and _takes(agent):
        target = _pool_of(live, agent)
        if target is not None:
            return Onward(target, agent=agent)
    entry = flows.entry_for(floor, fact.to) if agent is None else None
    queue = floor.pools.get(entry.queue) if entry is not None and entry.queue else None
    if queue is not None:
        return Onward(queue)
    live.note_cause(f"{fact.to} takes no caller now"[: f.MAX_TEXT])
    live.first = True
    return _back(floor, live, pool, sender)


def _takes(agent: AgentRecord) -> bool:
    """Whether a caller may wait for this agent: also through a wrap-up, or a phone in use."""
    return agent.status is AgentStatus.AVAILABLE and not agent.on_the_phone


def _back(floor: Floor, live: Interaction, pool: Pool, sender: AgentRecord | None) -> Onward:
    """To the agent who sent it, who is not through with it then; else to the queue."""
    if sender is None or not _takes(sender):
        return Onward(pool)
    engagement = sender.engagements.get(live.id)
    if engagement is not None and engagement.state is AgentState.WRAP_UP:
        agents.end_wrap_up(floor, sender, engagement)
    return Onward(_pool_of(live, sender) or pool, agent=sender)


def at_phone(floor: Floor, phone: PhoneId) -> AgentRecord | None:
    """The agent who is logged in at ``phone``."""
    holder = floor.phones.get(phone)
    agent = floor.agents.get(holder) if holder is not None else None
    return agent if agent is not None and agent.status is not AgentStatus.LOGGED_OUT else None


def _pool_of(live: Interaction, agent: AgentRecord) -> Pool | None:
    own = live.pool
    if own is not None and own.queue.id in agent.seats:
        return agent.seats[own.queue.id].pool
    return next(
        (s.pool for s in agent.seats.values() if s.pool.queue.channel is live.channel), None
    )


def _pool(floor: Floor, live: Interaction) -> Pool:
    """Where the caller waits if all else fails: there is always one when somebody talked."""
    own = live.pool
    pool = floor.pools.get(own.queue.id) if own is not None else None
    return pool if pool is not None else next(iter(floor.pools.values()))


def _part(floor: Floor, live: Interaction) -> None:
    """Whoever had the caller has left."""
    if live.consult is not None:
        live.consult = None
        floor.emit(ChangeConsult(interaction=live.id, ask=ConsultAsk.CANCEL))
    if live.state is State.TALKING:
        ending.agent_left(floor, live)
    watchers.count_takeover(floor, live)
    control.alone(live)


def handed_over(floor: Floor, live: Interaction, fact: cf.HandedOver) -> None:
    """Somebody else talks with the caller now: an agent, or a number outside the floor."""
    if live.state not in TALKS:
        return
    pool = _pool(floor, live)
    _part(floor, live)
    agent = at_phone(floor, fact.phone) if fact.phone else None
    to = agent.id if agent is not None else fact.phone or fact.number
    live.note_cause(f"handed over to {to}"[: f.MAX_TEXT])
    floor.emit(NameLeg(interaction=live.id, agent=agent.id if agent is not None else None))
    if agent is None:
        live.onward = Onward(pool, number=to)
        live.move("HandedOver", State.EXTERNAL)
        watchers.follow(floor, live, listen_only=True)
    else:
        live.onward = None
        live.move("HandedOver", State.TALKING)
        agents.engage(floor, agent, live, pool)
        offers.connected(floor, live, agent, pool, "adopted")
        agents.refresh(floor, agent)
    floor.touch(live)

"""Agents: status, phone, engagements, rests and wrap-up, and in which queues each stands idle."""

from __future__ import annotations

from routing.agent_records import PHONE_CHANNELS, AgentRecord, Engagement
from routing.agent_state import AgentState
from routing.commands import AmendContactRecord, NotifyAgent
from routing.facts import AgentStatus, PhoneState
from routing.floor import Floor
from routing.ids import InteractionId, PhoneId, TimerId
from routing.model import Overdue
from routing.pool import Pool
from routing.records import Interaction

ENGINE = "engine"
OWED = "disposition"
"""The pause reason of an agent who has not said how the last conversation ended."""


def refresh(floor: Floor, agent: AgentRecord) -> None:
    """Leave the queues the agent no longer accepts from; ask to be matched for new ones."""
    floor.touch_agent(agent)
    gain = False
    for channel, seats in agent.seats_by_channel:
        accepts = agent.accepts(channel)
        for seat in seats:
            if seat.entry is None:
                gain = gain or accepts
            elif not accepts:
                seat.pool.close(seat)
    if gain:
        floor.freed.append(agent)


def engage(floor: Floor, agent: AgentRecord, live: Interaction, pool: Pool) -> Engagement:
    """A new hold on ``live``, still idle: the caller moves it."""
    before = agent.engagements.get(live.id)
    if before is not None:
        end_wrap_up(floor, agent, before)  # of the same: it goes on
    engagement = Engagement(live.id, live.channel, pool, floor.now)
    agent.engagements[live.id] = engagement
    if not agent.busy:
        agent.note_load(floor.now)
    agent.since = floor.now
    return engagement


def disengage(
    floor: Floor, agent: AgentRecord, live: Interaction, *, turn_used: bool, rest_s: float = 0.0
) -> None:
    """The agent no longer holds ``live``. ``turn_used``: being idle counts from now."""
    del agent.engagements[live.id]
    _free(floor, agent, turn_used=turn_used, phone=live.channel in PHONE_CHANNELS)
    if rest_s > 0:
        rest(floor, agent, rest_s)
    refresh(floor, agent)


def _free(floor: Floor, agent: AgentRecord, *, turn_used: bool, phone: bool) -> None:
    if not agent.engagements:
        agent.note_load(floor.now)
    agent.since = floor.now
    if turn_used:
        agent.idle_since = floor.now
    if phone and agent.phone_state in (PhoneState.RINGING, PhoneState.IN_USE):
        # what the PBX said of the phone was our call; its own word on the end comes a little later
        agent.phone_state = PhoneState.IDLE
        floor.phone_states[agent.phone] = PhoneState.IDLE


def rest(floor: Floor, agent: AgentRecord, rest_s: float) -> None:
    """Nothing is offered to the agent for a while."""
    agent.resting_until = floor.now + rest_s

    def over(floor: Floor) -> None:
        agent.resting_until = 0.0
        refresh(floor, agent)

    floor.start_timer(TimerId(f"agent:{agent.id}:rest"), rest_s, over)


def no_answer(floor: Floor, agent: AgentRecord, pool: Pool) -> None:
    """Count a ring time-out; pause the agent after as many in a row as the queue allows."""
    agent.missed += 1
    policy = pool.queue.no_answer
    if policy.pause_after and agent.missed >= policy.pause_after:
        agent.missed = 0
        if agent.status is AgentStatus.AVAILABLE:
            set_status(floor, agent, AgentStatus.PAUSED, policy.pause_reason)
            floor.emit(
                NotifyAgent(
                    agent=agent.id,
                    code="paused_after_no_answer",
                    details={"queue": pool.queue.id, "reason": policy.pause_reason},
                )
            )


def set_status(
    floor: Floor, agent: AgentRecord, status: AgentStatus, reason: str = "", phone: str = ""
) -> None:
    """What the agent wants from now on. Conversations go on; a wrap-up ends with a log-out."""
    before = agent.status
    if phone and phone != agent.phone:
        sit_at(floor, agent, PhoneId(phone))
    if status is before and reason == agent.reason:
        refresh(floor, agent)
        return
    agent.status = status
    agent.reason = reason
    agent.since = floor.now
    if status is AgentStatus.AVAILABLE:
        agent.missed = 0
        if not agent.engagements:
            agent.idle_since = floor.now
        if agent.resting_until:
            agent.resting_until = 0.0
            floor.cancel_timer(TimerId(f"agent:{agent.id}:rest"))
    if (before is AgentStatus.AVAILABLE) != (status is AgentStatus.AVAILABLE):
        _count_available(floor, agent, 1 if status is AgentStatus.AVAILABLE else -1)
    if before is AgentStatus.LOGGED_OUT and agent.phone:
        floor.phones[agent.phone] = agent.id
        agent.phone_state = floor.phone_states.get(agent.phone, PhoneState.IDLE)
    if before is AgentStatus.LOGGED_OUT:
        new_day(floor, agent)
    if (before is AgentStatus.LOGGED_OUT) != (status is AgentStatus.LOGGED_OUT):
        change = -1 if status is AgentStatus.LOGGED_OUT else 1
        for seat in agent.seats.values():
            if seat.pool.staff(seat, change):
                # other levels may be asked now: everyone waiting looks again
                floor.seekers.extend(e[-1] for line in seat.pool.lines.values() for e in line)
    if status is AgentStatus.LOGGED_OUT:
        for engagement in list(agent.engagements.values()):
            if engagement.state is AgentState.WRAP_UP:
                end_wrap_up(floor, agent, engagement)
    refresh(floor, agent)


def count_staff(floor: Floor, agent: AgentRecord) -> None:
    """Count the agent in queues that were built anew."""
    for seat in agent.seats.values():
        if agent.status is not AgentStatus.LOGGED_OUT:
            seat.pool.staff(seat, 1)
        if agent.status is AgentStatus.AVAILABLE:
            seat.pool.available += 1
    if agent.status is AgentStatus.AVAILABLE:
        _count_capacity(agent, 1)


def _count_capacity(agent: AgentRecord, change: int) -> None:
    for crew in agent.crews:
        at_once = change * agent.config.capacity.limits.get(crew.channel, 0)
        crew.size += at_once
        for pool in crew.pools:
            pool.capacity += at_once


def _count_available(floor: Floor, agent: AgentRecord, change: int) -> None:
    for seat in agent.seats.values():
        seat.pool.available += change
    _count_capacity(agent, change)
    if change < 0:
        for entry in agent.wanted.values():
            # whoever waits for this agent only need not wait for the patience to end
            entry[-1].preferred = None
            floor.seekers.append(entry[-1])
        agent.wanted.clear()


def new_day(floor: Floor, agent: AgentRecord) -> None:
    """The first log-in of a day begins the agent's counts anew."""
    if agent.day != floor.day():
        agent.day = floor.day()
        agent.calls = 0
        agent.talk_s = 0.0
        for seat in agent.seats.values():
            seat.queue_calls = 0


def sit_at(floor: Floor, agent: AgentRecord, phone: PhoneId) -> None:
    """The agent is at ``phone`` from now on; whoever was said to be there is not."""
    if floor.phones.get(agent.phone) == agent.id:
        del floor.phones[agent.phone]
    agent.phone = phone
    floor.phones[phone] = agent.id
    agent.phone_state = floor.phone_states.get(phone, PhoneState.IDLE)


def phone_changed(floor: Floor, phone: PhoneId, state: PhoneState) -> None:
    """The PBX's word on a phone. Busy without an engagement of ours is a private call."""
    before = floor.phone_states.get(phone, PhoneState.IDLE)
    floor.phone_states[phone] = state
    if PhoneState.UNREACHABLE in (state, before):
        for anyone in floor.agents.values():
            if anyone.phone == phone:  # the roster shows it of those who are logged out, too
                floor.touch_agent(anyone)
    holder = floor.phones.get(phone)
    agent = floor.agents.get(holder) if holder is not None else None
    if agent is None or agent.phone_state is state:
        return
    lost = PhoneState.UNREACHABLE in (state, agent.phone_state)
    agent.phone_state = state
    if lost and agent.status is not AgentStatus.LOGGED_OUT:
        code = "phone_lost" if state is PhoneState.UNREACHABLE else "phone_back"
        floor.emit(NotifyAgent(agent=agent.id, code=code, details={"phone": phone}))
    refresh(floor, agent)


def begin_wrap_up(floor: Floor, agent: AgentRecord, live: Interaction) -> None:
    """The conversation is over for the agent."""
    engagement = agent.engagements[live.id]
    engagement.move("talk_over", floor.now)
    talk_s = floor.now - engagement.talk_since
    agent.talk_s += talk_s
    agent.since = floor.now
    agent.handled.append(live.id)
    queue = engagement.pool.queue
    seat = agent.seats.get(queue.id)
    own = seat.membership.wrap_up_s if seat is not None else None
    wrap_up_s = queue.wrap_up_s if own is None else own
    if not live.disposed:
        agent.due = live.id
        if queue.disposition_required:
            wrap_up_s = max(wrap_up_s, queue.wrap_up_max_s)
    elif queue.disposition_ends_wrap_up:
        wrap_up_s = 0.0
    if wrap_up_s <= 0 or agent.status is AgentStatus.LOGGED_OUT:
        engagement.pool.waits.handled(talk_s)
        engagement.move("wrap_up_over", floor.now)
        del agent.engagements[live.id]
        _free(floor, agent, turn_used=True, phone=live.channel in PHONE_CHANNELS)
        refresh(floor, agent)
        return
    engagement.until = floor.now + wrap_up_s
    _time_wrap_up(floor, agent, engagement)
    if live.channel in PHONE_CHANNELS and agent.phone_state is not PhoneState.UNREACHABLE:
        agent.phone_state = PhoneState.IDLE
        floor.phone_states[agent.phone] = PhoneState.IDLE
    refresh(floor, agent)


def _time_wrap_up(floor: Floor, agent: AgentRecord, engagement: Engagement) -> None:
    def over(floor: Floor) -> None:
        overdue(floor, agent, engagement)
        end_wrap_up(floor, agent, engagement)

    floor.start_timer(wrap_up_timer(agent, engagement), engagement.until - floor.now, over)


def resume_wrap_up(floor: Floor, agent: AgentRecord, engagement: Engagement) -> None:
    """A wrap-up that a restart has interrupted."""
    agent.engagements[engagement.interaction] = engagement
    agent.note_load(floor.now)
    _time_wrap_up(floor, agent, engagement)
    refresh(floor, agent)


def wrap_up_timer(agent: AgentRecord, engagement: Engagement) -> TimerId:
    return TimerId(f"agent:{agent.id}:wrap_up:{engagement.interaction}")


def extend_wrap_up(
    floor: Floor, agent: AgentRecord, engagement: Engagement, extra_s: float
) -> None:
    """Longer, up to the queue's limit counted from the end of the conversation."""
    limit = engagement.since + engagement.pool.queue.wrap_up_max_s
    engagement.until = min(engagement.until + extra_s, max(limit, engagement.until))
    _time_wrap_up(floor, agent, engagement)
    floor.touch_agent(agent)


def end_wrap_up(floor: Floor, agent: AgentRecord, engagement: Engagement) -> None:
    """The agent is done with the interaction."""
    wrap_up_s = floor.now - engagement.since
    # talk and wrap-up: for so long the agent was not there for the next
    engagement.pool.waits.handled(floor.now - engagement.talk_since)
    engagement.move("wrap_up_over", floor.now)
    del agent.engagements[engagement.interaction]
    floor.cancel_timer(wrap_up_timer(agent, engagement))
    amend(
        floor,
        AmendContactRecord(interaction=engagement.interaction, agent=agent.id, wrap_up_s=wrap_up_s),
    )
    _free(
        floor, agent, turn_used=True, phone=engagement.channel in PHONE_CHANNELS and not wrap_up_s
    )
    refresh(floor, agent)


def owes(agent: AgentRecord, engagement: Engagement) -> bool:
    """Whether the disposition is still to come that the queue asks for."""
    return agent.due == engagement.interaction and engagement.pool.queue.disposition_required


def overdue(floor: Floor, agent: AgentRecord, engagement: Engagement) -> None:
    """The time for the wrap-up is over."""
    queue = engagement.pool.queue
    if owes(agent, engagement) and queue.disposition_overdue is Overdue.PAUSE:
        agent.owed = engagement.interaction
        if agent.status is AgentStatus.AVAILABLE:
            set_status(floor, agent, AgentStatus.PAUSED, OWED)
        floor.emit(
            NotifyAgent(
                agent=agent.id,
                code="disposition_overdue",
                details={"interaction": engagement.interaction, "queue": queue.id},
            )
        )


def settled(floor: Floor, agent: AgentRecord, interaction: InteractionId) -> None:
    """The disposition is there: whoever was paused for it alone goes on."""
    if agent.owed != interaction:
        return
    agent.owed = None
    if agent.status is AgentStatus.PAUSED and agent.reason == OWED:
        set_status(floor, agent, AgentStatus.AVAILABLE)


def amend(floor: Floor, amendment: AmendContactRecord) -> None:
    """Send now, or keep until the contact record has been filed."""
    live = floor.live.get(amendment.interaction)
    if live is not None:
        live.amendments.append(amendment)
    else:
        floor.emit(amendment)


def dispose(
    floor: Floor, agent: AgentRecord, interaction: InteractionId, code: str, notes: str
) -> None:
    """The agent says how it ended."""
    engagement = agent.engagements.get(interaction)
    if agent.due == interaction:
        agent.due = None
    live = floor.live.get(interaction)
    if live is not None:
        live.disposed = True
    amend(
        floor,
        AmendContactRecord(
            interaction=interaction, agent=agent.id, disposition=code, notes=notes or None
        ),
    )
    settled(floor, agent, interaction)
    floor.touch_agent(agent)
    if (
        engagement is not None
        and engagement.state is AgentState.WRAP_UP
        and engagement.pool.queue.disposition_ends_wrap_up
    ):
        end_wrap_up(floor, agent, engagement)

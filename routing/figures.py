"""Views of the floor for people, built when asked for."""

from __future__ import annotations

from routing.agent_records import AgentRecord
from routing.agent_state import AgentState
from routing.facts import AgentStatus, PhoneState
from routing.floor import Floor
from routing.interaction_state import State
from routing.place import head_start_s
from routing.pool import Figures, Pool
from routing.records import Interaction
from routing.views import AgentView, InteractionView, QueueView, SupervisorView

WITH_AGENT = (State.TALKING, State.ENDED)


def agent_view(floor: Floor, agent: AgentRecord) -> AgentView:
    """The agent now."""
    state = agent.state
    foremost = next((e for e in agent.engagements.values() if e.state is state), None)
    gone = agent.status is AgentStatus.LOGGED_OUT and foremost is None
    wrap_up = foremost if foremost is not None and state is AgentState.WRAP_UP else None
    phone_state = floor.phone_states.get(agent.phone, PhoneState.IDLE)
    return AgentView(
        id=agent.id,
        name=agent.config.name,
        status=agent.status,
        reason=agent.reason,
        state="" if gone else state.value,
        phone=agent.phone,
        phone_reachable=bool(agent.phone) and phone_state is not PhoneState.UNREACHABLE,
        since=agent.since,
        interaction=foremost.interaction if foremost is not None else None,
        queues=tuple(agent.seats),
        teams=agent.config.teams,
        wrap_up_until=wrap_up.until if wrap_up is not None else None,
        calls_handled=agent.calls,
        disposition_due=agent.due,
        held=tuple(e.interaction for e in agent.engagements.values()),
        disposition_owed=agent.owed is not None,
        private_call=not gone
        and not agent.on_the_phone
        and agent.phone_state in (PhoneState.IN_USE, PhoneState.RINGING),
        auto_answer=agent.config.auto_answer,
    )


def queue_view(floor: Floor, pool: Pool, now: float) -> QueueView:
    """The queue now and today."""
    floor.now = max(floor.now, now)
    today: Figures = floor.figures(pool)
    waiting = [live for live in pool.waiting() if live.customer_here]
    since = min((live.queued_at for live in waiting), default=None)
    served = today.answered + today.abandoned
    newcomer = (floor.now - head_start_s(floor, pool.queue, 0),)
    expected = None if pool.idle else pool.expected_wait(newcomer)
    return QueueView(
        id=pool.queue.id,
        name=pool.queue.name,
        strategy=pool.queue.strategy,
        waiting=len(pool.order),
        talking=pool.talking,
        longest_wait_since=since,
        agents_available=pool.idle,
        agents_logged_in=pool.logged_in,
        entered=today.entered,
        answered=today.answered,
        abandoned=today.abandoned,
        service_level=today.in_time / served if served else None,
        service_level_s=pool.queue.service_level_s,
        average_speed_of_answer_s=today.wait_sum_s / today.answered if today.answered else None,
        ewt_s=0.0 if pool.idle else expected.mid_s if expected is not None else None,
    )


def interaction_view(live: Interaction) -> InteractionView:
    """The interaction now."""
    pool = live.pool
    position = None
    if pool is not None and live.entry is not None:
        position = pool.order.position(live.entry) + 1
    offer = live.offer
    return InteractionView(
        id=live.id,
        channel=live.channel,
        state=live.state.value,
        caller=live.caller,
        did=live.did,
        queue=pool.queue.id if pool is not None else None,
        position=position,
        priority=live.priority,
        arrived_at=live.arrived_at,
        queued_at=live.waiting_since,
        answered_at=live.answered_at,
        ended_at=live.ended_at,
        agent=live.agent.id if live.agent is not None and live.state in WITH_AGENT else None,
        ringing_agents=tuple(offer.asked) if offer is not None else (),
        offer=offer.id if offer is not None else None,
        customer=live.customer,
        customer_name=live.customer_name,
        recording=bool(live.running_recordings),
        outcome=live.leaving.value if live.leaving is not None else None,
        supervisors=tuple(
            SupervisorView(id=s.id, by=s.by, mode=s.mode, phone=s.phone, active=s.active)
            for s in live.supervisions.values()
        )
        if live.supervisions
        else (),
        taken_over_by=live.taker if live.taken_since is not None else "",
        on_hold=live.held,
        consult=live.consult.phase.value if live.consult is not None else "",
        muted=live.muted,
        recording_suspended=live.suspended,
        outbound=live.outbound,
    )

"""Waiting in a queue: joining, stages, preferred agents, and the rules by which one leaves."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from routing import audio, ending
from routing.commands import Outcome
from routing.facts import AgentStatus
from routing.floor import Floor
from routing.ids import AgentId
from routing.interaction_state import State
from routing.model import Joining, Overflow, OverflowReason, Queue
from routing.place import key_of, leave, leave_line, unanswered, urgency
from routing.pool import Pool
from routing.records import Interaction
from routing.skills import rounds_at, score

OUTCOMES = {
    OverflowReason.WAIT: Outcome.TIMED_OUT,
    OverflowReason.OFFERS: Outcome.TIMED_OUT,
    OverflowReason.CLOSED: Outcome.CLOSED,
}


def enter(floor: Floor, live: Interaction, pool: Pool) -> bool:
    """Join the queue; false if the queue's rules refuse, and then the rules were followed."""
    queue = pool.queue
    live.pool = pool
    live.queued_at = floor.now if live.backdated_to is None else live.backdated_to
    live.backdated_to = None
    if live.waiting_since is None:
        live.waiting_since = live.queued_at
    if queue.keep_place_s > 0:
        live.kept_s = pool.came_back(live.caller.number, floor.now)
    if not live.queues or live.queues[-1] != queue.id:
        live.queues.append(queue.id)
    _note_ask(floor, live, pool)
    refusal = _refusal(floor, live, pool) if live.customer_here and not live.rejoined else None
    if refusal is not None:
        send_on(floor, live, refusal)
        return False
    live.leaving = None
    live.queue_offers = 0
    live.welcomed = False
    live.announced = None  # what another queue promised says nothing here
    live.music = False
    take_place(floor, live, pool)
    if not live.outbound:  # as in ``stats``: nobody holds the line
        floor.figures(pool).entered += 1
    _prefer(floor, live)
    if live.customer_here:
        resume(floor, live)
    else:
        floor.movers.append(live)
    return True


def take_place(floor: Floor, live: Interaction, pool: Pool) -> None:
    """Stand where urgency says."""
    _note_ask(floor, live, pool)
    live.entry = (urgency(floor, live, pool.queue), live.seq, live.id, live)
    pool.order.add(live.entry)


def _note_ask(floor: Floor, live: Interaction, pool: Pool) -> None:
    language = live.language or floor.config.language
    live.ask = pool.ask(floor.config.skills, language, live.requirements)


def resume(floor: Floor, live: Interaction) -> None:
    """The interaction is (again) free to be offered: see whether it may stay, then match it."""
    pool = live.pool
    assert pool is not None
    floor.touch(live)
    rule = _limit(pool.queue)
    if not live.customer_here:
        # nobody is on the line: only a callback's own rules count, see callbacks
        _restage(floor, live)
        if live.not_before > floor.now:
            floor.start_own_timer(live, "due", live.not_before - floor.now, _when_waiting(live))
        else:
            floor.seekers.append(live)
    elif rule[0] <= floor.now - live.queued_at:
        send_on(floor, live, OverflowReason.WAIT, rule[1])
    elif 0 < pool.queue.max_offers <= live.queue_offers:
        send_on(floor, live, OverflowReason.OFFERS)
    elif (alone_s := _alone_s(floor, pool)) <= 0:
        send_on(floor, live, OverflowReason.NO_AGENT)
    else:
        if alone_s != inf:
            floor.start_own_timer(live, "empty", alone_s, _when_waiting(live))
        _restage(floor, live)
        floor.seekers.append(live)


def _when_waiting(live: Interaction) -> Callable[[Floor], None]:
    def due(floor: Floor) -> None:
        if live.state is State.WAITING:
            floor.movers.append(live)

    return due


def _restage(floor: Floor, live: Interaction) -> None:
    pool = live.pool
    assert pool is not None
    assert live.ask is not None
    wait_s = floor.now - live.queued_at
    live.need, relaxes_s = live.ask.need_at(wait_s)
    live.rounds, advances_s = rounds_at(pool.queue, wait_s, len(pool.staffed))
    next_s = min(relaxes_s, advances_s)
    if next_s != inf:
        floor.start_own_timer(live, "stage", next_s - wait_s, _when_waiting(live))


def park(floor: Floor, live: Interaction) -> None:
    """Nobody is free: stand in line, with something to hear."""
    pool = live.pool
    assert pool is not None
    assert live.entry is not None
    if live.preferred is not None:
        live.preferred.wanted[live.id] = live.entry
    else:
        key = key_of(live)
        if live.line is not None:
            if live.line_key == key:
                _time_limit(floor, live, pool)
                return
            pool.unpark(live)
        pool.park(live, key)
    if live.customer_here:
        _time_limit(floor, live, pool)
        audio.hold(floor, live)


def _time_limit(floor: Floor, live: Interaction, pool: Pool) -> None:
    """See that the longest wait is timed, also after a timer that came a little early."""
    limit_s = _limit(pool.queue)[0]
    if live.customer_here and limit_s != inf and f"{live.id}:wait" not in live.timers:
        left_s = limit_s - (floor.now - live.queued_at)
        floor.start_own_timer(live, "wait", left_s, _when_waiting(live))


def reprioritise(floor: Floor, live: Interaction) -> None:
    """Priority or skills have changed: take the place that follows from them."""
    pool = live.pool
    if pool is None or live.entry is None:
        return
    leave_line(floor, live)
    pool.order.remove(live.entry)
    take_place(floor, live, pool)
    if live.preferred is None:
        _prefer(floor, live)
    if live.state is State.WAITING:
        resume(floor, live)


# --- leaving by rule -----------------------------------------------------------------------------


def send_on(
    floor: Floor, live: Interaction, reason: OverflowReason, rule: Overflow | None = None
) -> None:
    """Go where the queue's rule for ``reason`` leads, or be released with a few words."""
    pool = live.pool
    assert pool is not None
    if rule is None:
        rule = next((o for o in pool.queue.overflow if o.reason is reason), None)
    live.leaving = OUTCOMES.get(reason, Outcome.OVERFLOWED)
    live.note_cause(f"{pool.queue.id}:{reason}")
    if live.entry is not None:
        unanswered(floor, live, pool, gave_up=False)
    leave(floor, live)
    live.move("sent_on", State.ENTERING)
    live.attempts = 0
    live.step_index = 0
    live.flow = rule.flow if rule is not None else None
    if rule is None:
        ending.say_then_release(floor, live, floor.config.sorry, live.leaving)
    else:
        floor.movers.append(live)
    if reason is OverflowReason.CLOSED or reason is OverflowReason.NO_AGENT:
        ending.note_missed(floor, live, pool)


def _limit(queue: Queue) -> tuple[float, Overflow | None]:
    rules = [(o.limit, o) for o in queue.overflow if o.reason is OverflowReason.WAIT]
    first = min(rules, key=lambda r: r[0], default=(inf, None))
    return (
        first if not queue.max_wait_s or first[0] <= queue.max_wait_s else (queue.max_wait_s, None)
    )


def _empty(pool: Pool, joining: Joining) -> bool:
    if joining is Joining.ALWAYS:
        return False
    return not (pool.logged_in if joining is Joining.LOGGED_IN else pool.available)


def _counts(status: AgentStatus, joining: Joining) -> bool:
    if joining is Joining.LOGGED_IN:
        return status is not AgentStatus.LOGGED_OUT
    return status is AgentStatus.AVAILABLE


def _refusal(floor: Floor, live: Interaction, pool: Pool) -> OverflowReason | None:
    queue = pool.queue
    waiting = len(pool.order)
    if queue.hours and not floor.schedules[queue.hours].is_open(floor.now):
        return OverflowReason.CLOSED
    if _empty(pool, queue.join_empty):
        return OverflowReason.NO_AGENT
    if queue.max_waiting and waiting >= queue.max_waiting:
        return OverflowReason.LENGTH
    for rule in queue.overflow:
        if rule.reason is OverflowReason.LENGTH and waiting >= rule.limit:
            return rule.reason
        if rule.reason is OverflowReason.RATIO and waiting >= rule.limit * max(pool.available, 1):
            return rule.reason
        if rule.reason is OverflowReason.UNROUTABLE and not possible(pool, live):
            return rule.reason
        if rule.reason is OverflowReason.EWT and not pool.idle:
            expected = pool.expected_wait((urgency(floor, live, queue), live.seq))
            if expected is None or expected.mid_s > rule.limit:
                return rule.reason
    return None


def possible(pool: Pool, live: Interaction) -> bool:
    """Whether any agent of the queue could ever take this, when everything has relaxed."""
    assert live.ask is not None
    last = live.ask.needs[-1][1]
    known = pool.possible.get(last)
    if known is None:
        known = any(
            score(last, s.agent.config.skills, s.penalty, False) is not None
            for s in pool.seats.values()
        )
        if len(pool.possible) < 1000:
            pool.possible[last] = known
    return known


def _alone_s(floor: Floor, pool: Pool) -> float:
    """For how long callers may still wait although nobody is there; inf: somebody is."""
    queue = pool.queue
    if not _empty(pool, queue.leave_empty):
        return inf
    return pool.empty_since + queue.leave_empty_after_s - floor.now


def left(floor: Floor, pool: Pool, before: AgentStatus, after: AgentStatus) -> None:
    """Somebody of the staff chose ``after``: who may not wait without staff leaves, or soon."""
    joining = pool.queue.leave_empty
    if _counts(before, joining) and not _counts(after, joining) and _empty(pool, joining):
        pool.empty_since = floor.now
        floor.movers.extend(live for live in pool.waiting() if live.state is State.WAITING)


# --- preferred agent -----------------------------------------------------------------------------


def _prefer(floor: Floor, live: Interaction) -> None:
    pool = live.pool
    assert pool is not None
    policy = pool.queue.preferred
    wanted = []
    if policy.owner:
        wanted.append(live.attribute("owner"))
    if policy.last_agent_days > 0:
        at = _number(live.attribute("last_agent_at"))
        if at is not None and floor.now - at <= policy.last_agent_days * 86400:
            wanted.append(live.attribute("last_agent"))
    left_s = policy.patience_s - (floor.now - live.queued_at)
    for name in wanted:
        seat = pool.seats.get(AgentId(name))
        if seat is not None and seat.agent.status is AgentStatus.AVAILABLE and left_s > 0:
            live.preferred = seat.agent

            def widen(floor: Floor) -> None:
                if live.preferred is not None:
                    live.preferred.wanted.pop(live.id, None)
                    live.preferred = None
                    if live.state is State.WAITING:
                        resume(floor, live)

            floor.start_own_timer(live, "patience", left_s, widen)
            return


def may_prefer(live: Interaction) -> bool:
    """Whether the queue sends callers to agents whom they know."""
    policy = live.pool.queue.preferred if live.pool is not None else None
    return policy is not None and (policy.owner or policy.last_agent_days > 0)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

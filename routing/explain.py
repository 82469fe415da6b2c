"""Why this agent, why not that one: every candidate with rank, or each reason for exclusion.

Reads the floor and changes nothing; looks at every agent of the queue, so it is for people, not for
the voice path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.agent_records import PHONE_CHANNELS, AgentRecord, Seat
from routing.agent_state import AgentState
from routing.facts import AgentStatus, PhoneState
from routing.floor import Floor
from routing.ids import AgentId, InteractionId, QueueId
from routing.model import Requirement
from routing.place import urgency
from routing.pool import Pool
from routing.records import Interaction
from routing.skills import ANY_LEVEL, Need, Score, rounds_at, score


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an agent is not asked. ``change``: what would have to change, as a stable code.

    ``at``: when time alone will change it (Unix seconds), if it will.
    """

    code: str
    change: str
    at: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One agent of the queue. ``place``: 1 would be asked first; None: excluded."""

    agent: AgentId
    name: str
    place: int | None
    level: int
    penalty: int
    preferred_skills: int  # summed weight of the preferred skills the agent has
    proficiency: int  # only for best_skill
    rank: tuple[float, ...]  # the strategy's, least first
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the engine sees of one interaction at one moment. Times: Unix seconds, UTC."""

    interaction: InteractionId
    at: float
    state: str
    queue: QueueId | None
    strategy: str = ""
    position: int | None = None
    waiting_since: float | None = None
    head_start_s: float = 0.0  # of priority and the queue's weight; more is earlier
    requirements: tuple[Requirement, ...] = ()  # as they stand now
    relaxes_at: float | None = None
    levels_reached: int | None = None  # None: all
    preferred_agent: AgentId | None = None
    asked_now: tuple[AgentId, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def explain(floor: Floor, live: Interaction, now: float) -> Explanation:
    """The picture now."""
    pool = live.pool
    if pool is None or live.ask is None or live.waiting_since is None:
        return Explanation(interaction=live.id, at=now, state=live.state.value, queue=None)
    wait_s = now - live.queued_at
    need, relaxes_s = live.ask.need_at(wait_s)
    rounds, advances_s = rounds_at(pool.queue, wait_s, len(pool.staffed))
    next_s = min(relaxes_s, advances_s)
    found = []
    for seat in pool.seats.values():
        reasons = tuple(_reasons(floor, live, pool, seat, need, rounds, now))
        fit = score(need, seat.agent.config.skills, seat.penalty, pool.strategy.by_proficiency)
        found.append((seat, reasons, fit))
    places = _places(pool, [(seat, fit) for seat, reasons, fit in found if not reasons])
    return Explanation(
        interaction=live.id,
        at=now,
        state=live.state.value,
        queue=pool.queue.id,
        strategy=pool.queue.strategy,
        position=pool.order.position(live.entry) + 1 if live.entry is not None else None,
        waiting_since=live.waiting_since,
        head_start_s=live.waiting_since - urgency(floor, live, pool.queue),
        requirements=need.requirements,
        relaxes_at=live.queued_at + next_s if next_s < float("inf") else None,
        levels_reached=None if rounds == ANY_LEVEL else rounds + 1,
        preferred_agent=live.preferred.id if live.preferred is not None else None,
        asked_now=tuple(live.offer.asked) if live.offer is not None else (),
        candidates=tuple(
            sorted(
                (
                    Candidate(
                        agent=seat.agent.id,
                        name=seat.agent.config.name,
                        place=places.get(seat.agent.id),
                        level=seat.level,
                        penalty=seat.penalty,
                        preferred_skills=-fit[0] if fit is not None else 0,
                        proficiency=-fit[1] if fit is not None else 0,
                        rank=pool.strategy.rank(seat),
                        reasons=reasons,
                    )
                    for seat, reasons, fit in found
                ),
                key=lambda c: (c.place is None, c.place or 0),
            )
        ),
    )


def _places(pool: Pool, free: list[tuple[Seat, Score | None]]) -> dict[AgentId, int]:
    def key(item: tuple[Seat, Score | None]) -> tuple[Any, ...]:
        seat, fit = item
        rank = pool.lead(seat) if pool.strategy.race else pool.strategy.rank(seat)
        return (seat.level, seat.penalty, fit, rank, seat.order)

    ordered = sorted(free, key=key)
    return {seat.agent.id: n for n, (seat, _) in enumerate(ordered, 1)}


def _reasons(
    floor: Floor,
    live: Interaction,
    pool: Pool,
    seat: Seat,
    need: Need,
    rounds: int,
    now: float,
) -> Iterator[Reason]:
    agent = seat.agent
    yield from _presence(agent, pool)
    yield from _work(agent, live, pool)
    if live.preferred is not None and live.preferred is not agent:
        patience_s = pool.queue.preferred.patience_s
        yield Reason(
            code="waits_for_preferred_agent",
            change="wait",
            at=live.queued_at + patience_s,
            details={"agent": live.preferred.id},
        )
    if live.preferred is agent:
        return  # whom the caller knows is asked whatever the skills
    if not pool.reached(seat.level, rounds):
        later = pool.level_index.get(seat.level, 0) * pool.queue.level_wait_s
        yield Reason(
            code="level_not_reached",
            change="wait",
            at=live.queued_at + later,
            details={"level": seat.level},
        )
    yield from _fit(live, seat, need)


def _presence(agent: AgentRecord, pool: Pool) -> Iterator[Reason]:
    if agent.status is AgentStatus.LOGGED_OUT:
        yield Reason(code="logged_out", change="log_in")
    elif agent.status is AgentStatus.PAUSED:
        yield Reason(code="paused", change="unpause", details={"reason": agent.reason})
    if agent.resting_until:
        yield Reason(code="resting", change="wait", at=agent.resting_until)
    if pool.queue.channel in PHONE_CHANNELS:
        if not agent.phone:
            yield Reason(code="no_phone", change="choose_phone")
        elif agent.phone_state is PhoneState.UNREACHABLE:
            yield Reason(code="phone_unreachable", change="register_phone")
        elif agent.phone_state is not PhoneState.IDLE and not agent.engagements:
            yield Reason(code="phone_in_private_use", change="hang_up")


def _work(agent: AgentRecord, live: Interaction, pool: Pool) -> Iterator[Reason]:
    channel = pool.queue.channel
    capacity = agent.config.capacity
    held = [e for e in agent.engagements.values() if e.interaction != live.id]
    for engagement in agent.engagements.values():
        if engagement.interaction == live.id:
            asked = engagement.state in (AgentState.RESERVED, AgentState.RINGING)
            code, change = ("asked_now", "wait") if asked else ("serves_it", "finish")
            yield Reason(code=code, change=change)
    blocking = [e for e in held if channel in capacity.exclusive or e.channel in capacity.exclusive]
    for engagement in blocking:
        until = engagement.until if engagement.state is AgentState.WRAP_UP else None
        yield Reason(
            code=engagement.state.value,
            change="wait" if until is not None else "finish",
            at=until,
            details={"interaction": engagement.interaction},
        )
    load = sum(e.channel is channel for e in held)
    limit = capacity.limits.get(channel, 0)
    if load >= limit and not blocking:
        yield Reason(
            code="capacity", change="finish", details={"channel": channel.value, "limit": limit}
        )


def _fit(live: Interaction, seat: Seat, need: Need) -> Iterator[Reason]:
    skills, penalty = seat.agent.config.skills, seat.penalty
    assert live.ask is not None
    relaxed = next(
        (
            live.queued_at + after_s
            for after_s, later in live.ask.needs
            if score(later, skills, penalty, False) is not None
        ),
        None,
    )
    for r in need.requirements:
        has = skills.get(r.skill)
        if r.required and (has is None or has < r.level):
            yield Reason(
                code="skill_missing" if has is None else "skill_too_low",
                change="wait" if relaxed is not None else "learn_skill",
                at=relaxed,
                details={"skill": r.skill, "level": r.level, "has": has},
            )
    if penalty < need.min_penalty or (need.max_penalty is not None and penalty > need.max_penalty):
        yield Reason(
            code="penalty_outside",
            change="wait" if relaxed is not None else "change_penalty",
            at=relaxed,
            details={"penalty": penalty, "from": need.min_penalty, "to": need.max_penalty},
        )

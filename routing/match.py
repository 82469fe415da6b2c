"""Bringing free agents and waiting interactions together.

Between two ``handle`` calls no waiting interaction has an idle agent who may take it. Hence a
single freed agent only has to look at waiting interactions, and a single seeker only at idle
agents; only when several came at once are both sides put in place first. Callers go by urgency,
agents by rank.
"""

from __future__ import annotations

from math import inf

from routing import offers, place, waiting
from routing.agent_records import AgentRecord, Seat
from routing.floor import Floor
from routing.ids import QueueId
from routing.interaction_state import State
from routing.line import Entry
from routing.records import Interaction


def settle(floor: Floor) -> None:
    """Match everyone on the work lists."""
    freed = _unique_agents(floor)
    seekers = _unique_seekers(floor)
    if len(freed) == 1 and not seekers:
        agent = freed[0]
        live = most_urgent_for(floor, agent)
        if live is None:
            _stand_idle(agent)  # or not, if something has come between
        else:
            _offer(floor, live, [agent.seats[_pool_id(live)]])
        return
    if len(seekers) == 1 and not freed:
        _seek(floor, seekers[0])
        return
    for live in seekers:
        waiting.park(floor, live)
    for agent in freed:
        _stand_idle(agent)
    for agent in freed:
        while _stands_idle(agent) and (caller := most_urgent_for(floor, agent)) is not None:
            _seek(floor, caller)
    for live in sorted(seekers, key=_urgency):
        if live.state is State.WAITING:
            _seek(floor, live)


def most_urgent_for(floor: Floor, agent: AgentRecord) -> Interaction | None:
    """The waiting interaction that this agent should take now."""
    best: tuple[float, int] = (inf, 0)
    found: Interaction | None = None
    for channel, seats in agent.seats_by_channel:
        if not agent.accepts(channel):
            continue
        for seat in seats:
            pool = seat.pool
            if not pool.lines:
                continue
            boosted = pool.queue.sl_boost_s
            head = pool.head_for(seat, inf if boosted else best[0])
            if head is not None:
                key = (served_at(floor, head) if boosted else head[0], head[1])
                if key < best:
                    best, found = key, head[-1]
    for entry in agent.wanted.values():
        live: Interaction = entry[-1]
        assert live.pool is not None
        key = (served_at(floor, entry), entry[1])
        if key < best and agent.accepts(live.pool.queue.channel):
            best, found = key, live
    return found


def served_at(floor: Floor, entry: Entry) -> float:
    """The urgency that queues are compared by: least first. See ``place.urgency``."""
    live: Interaction = entry[-1]
    assert live.pool is not None
    queue = live.pool.queue
    value: float = entry[0]
    if queue.sl_boost_s:
        left_s = queue.service_level_s - (floor.now - live.queued_at)
        if 0 <= left_s <= queue.sl_window_s:
            value -= min(queue.sl_boost_s, floor.config.max_head_start_s)
    return value


def _seek(floor: Floor, live: Interaction) -> None:
    seats = candidates(floor, live)
    if seats:
        _offer(floor, live, seats)
    else:
        waiting.park(floor, live)


def candidates(floor: Floor, live: Interaction) -> list[Seat]:
    """Whom an offer of this interaction would ask now."""
    pool = live.pool
    assert pool is not None
    preferred = live.preferred
    if preferred is not None:
        seat = preferred.seats.get(pool.queue.id)
        if seat is not None and preferred.accepts(pool.queue.channel):
            return [seat]
        return []
    return pool.best(place.key_of(live))


def _offer(floor: Floor, live: Interaction, seats: list[Seat]) -> None:
    place.leave_line(floor, live)
    offers.begin(floor, live, seats)


def _stand_idle(agent: AgentRecord) -> None:
    for channel, seats in agent.seats_by_channel:
        if agent.accepts(channel):
            for seat in seats:
                if seat.entry is None:
                    seat.pool.open(seat)


def _stands_idle(agent: AgentRecord) -> bool:
    return any(seat.entry is not None for seat in agent.seats.values())


def _unique_agents(floor: Floor) -> list[AgentRecord]:
    if len(floor.freed) == 1:
        return [floor.freed.pop()]
    agents = list({a.order: a for a in floor.freed}.values())
    floor.freed.clear()
    return agents


def _unique_seekers(floor: Floor) -> list[Interaction]:
    if not floor.seekers:
        return []
    seekers = {live.seq: live for live in floor.seekers if live.state is State.WAITING}
    floor.seekers.clear()
    return list(seekers.values())


def _urgency(live: Interaction) -> tuple[float, int]:
    assert live.entry is not None
    return (live.entry[0], live.seq)


def _pool_id(live: Interaction) -> QueueId:
    assert live.pool is not None
    return live.pool.queue.id

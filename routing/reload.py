"""A new configuration while calls are live: nothing that runs is touched."""

from __future__ import annotations

from dataclasses import replace

from routing import agents, waiting
from routing.agent_records import Seat
from routing.facts import AgentStatus, ConfigChanged
from routing.floor import Floor
from routing.interaction_state import State
from routing.model import RoutingConfig
from routing.pool import Pool


def config_changed(floor: Floor, fact: ConfigChanged) -> None:
    """Put ``fact.config`` in force. ConfigError or PlainError (nothing changed) if it cannot be.

    Agents keep status, engagements and counts, queues their figures and order. A queue or an agent
    that the new configuration no longer has stays until the next change if it holds something live.
    """
    config = RoutingConfig.from_data(fact.config)
    old_pools, old_agents = floor.pools, floor.agents
    old_seats = {a.id: a.seats for a in old_agents.values()}
    floor.adopt(_with_what_is_live(floor, config))
    floor.config = config
    for pool in floor.pools.values():
        if pool.queue.id in old_pools:
            _carry_counts(pool, old_pools[pool.queue.id])
    for agent in floor.agents.values():
        for seat in agent.seats.values():
            _carry_seat(seat, old_seats.get(agent.id, {}).get(seat.pool.queue.id))
        for engagement in agent.engagements.values():
            engagement.pool = floor.pools[engagement.pool.queue.id]
        agent.wanted.clear()
        agents.count_staff(floor, agent)
        agents.refresh(floor, agent)
    for live in floor.live.values():
        if live.offer is not None:
            live.offer.pool = floor.pools[live.offer.pool.queue.id]
        if live.onward is not None:
            live.onward = live.onward._replace(pool=floor.pools[live.onward.pool.queue.id])
        if live.pool is not None:
            live.pool = floor.pools[live.pool.queue.id]
            if live.entry is not None:
                live.line = None
                live.preferred = None
                waiting.take_place(floor, live, live.pool)
                if live.state is State.WAITING:
                    floor.movers.append(live)
    floor.changed_queues.update(floor.pools)


def _with_what_is_live(floor: Floor, config: RoutingConfig) -> RoutingConfig:
    """The new configuration, and the old queues and agents that still hold something."""
    queues = {q.id for q in config.queues}
    held = {live.pool.queue.id for live in floor.live.values() if live.pool is not None}
    held |= {live.onward.pool.queue.id for live in floor.live.values() if live.onward is not None}
    for agent in floor.agents.values():
        held |= {e.pool.queue.id for e in agent.engagements.values()}
    kept_queues = tuple(
        p.queue for p in floor.pools.values() if p.queue.id in held and p.queue.id not in queues
    )
    known = queues | {q.id for q in kept_queues}
    named = {a.id for a in config.agents}
    kept_agents = tuple(
        replace(a.config, memberships=tuple(m for m in a.config.memberships if m.queue in known))
        for a in floor.agents.values()
        if a.id not in named and (a.engagements or a.status is not AgentStatus.LOGGED_OUT)
    )
    return replace(config, queues=config.queues + kept_queues, agents=config.agents + kept_agents)


def _carry_counts(pool: Pool, old: Pool) -> None:
    pool.talking = old.talking
    pool.turn = old.turn
    pool.day = old.day
    pool.figures = old.figures
    pool.waits = old.waits
    pool.empty_since = old.empty_since
    pool.gave_up = old.gave_up


def _carry_seat(seat: Seat, old: Seat | None) -> None:
    if old is not None:
        seat.last_turn = old.last_turn
        seat.queue_calls = old.queue_calls

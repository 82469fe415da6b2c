"""Small houses for the engine's tests."""

from __future__ import annotations

from typing import Any

from routing.engine import Engine
from routing.facts import AgentStatus, AgentStatusSet
from routing.ids import AgentId, PhoneId, QueueId
from routing.model import Agent, Entry, Membership, NoAnswer, Queue, RoutingConfig

NOON = 1_000_000.0


def queue(name: str = "news", **fields: Any) -> Queue:
    """A queue without rests after declines, unless a test wants them."""
    fields.setdefault("no_answer", NoAnswer(pause_after=0, decline_delay_s=0, failure_delay_s=0))
    return Queue(id=QueueId(name), **fields)


def agent(name: str, *queues: str | Membership, **fields: Any) -> Agent:
    """An agent at a phone of the same name."""
    memberships = tuple(
        q if isinstance(q, Membership) else Membership(queue=QueueId(q))
        for q in queues or ("news",)
    )
    return Agent(id=AgentId(name), phone=PhoneId(f"p{name}"), memberships=memberships, **fields)


def house(
    queues: tuple[Queue, ...] = (), agents: tuple[Agent, ...] = (), **fields: Any
) -> RoutingConfig:
    """``queues`` are reached by dialling their own name."""
    queues = queues or (queue(),)
    own = tuple(Entry(did=q.id, queue=q.id) for q in queues)
    return RoutingConfig(
        queues=queues, agents=agents, entries=(*own, *fields.pop("entries", ())), **fields
    )


def open_house(*args: Any, available: str | None = None, seed: int = 0, **fields: Any) -> Engine:
    """An engine whose agents (all, or the named ones) are available."""
    config = house(*args, **fields)
    engine = Engine(config, seed=seed)
    names = [a.id for a in config.agents] if available is None else available.split()
    for n, name in enumerate(names):
        engine.handle(
            AgentStatusSet(agent=AgentId(name), status=AgentStatus.AVAILABLE), NOON - 1000 + n
        )
    engine.take_changes()
    return engine

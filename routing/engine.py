"""The engine: facts in, commands out. The only door to the routing core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from routing import facts as f
from routing import figures, match, reactions, recovery
from routing.commands import Command
from routing.errors import UnknownTransition
from routing.explain import Explanation, explain
from routing.floor import Floor
from routing.ids import AgentId, InteractionId, QueueId
from routing.interaction_state import TABLE
from routing.model import RoutingConfig
from routing.records import Interaction
from routing.views import AgentView, Changes, InteractionView, QueueView

MAX_TURNS = 100_000
"""Turns of the work lists within one fact. Reached only by a fault, which is then reported."""


class Engine:
    """Routing state and its reactions.

    ``handle`` raises UnknownTransition for a fact that the tables do not know in the present state,
    and then nothing has changed. ``now`` is Unix time in seconds and must not run backwards.
    """

    def __init__(self, config: RoutingConfig, *, seed: int = 0) -> None:
        self._floor = Floor(config, seed)
        self._ended: dict[InteractionId, Interaction] = {}

    @property
    def config(self) -> RoutingConfig:
        """The configuration in force."""
        return self._floor.config

    def handle(self, fact: f.Fact, now: float) -> list[Command]:
        """Take one fact; the commands are to be carried out in order."""
        floor = self._floor
        floor.now = now
        floor.out = []
        kind = type(fact)
        reaction = reactions.OF_INTERACTION.get(kind)
        if reaction is not None:
            live = floor.live.get(cast(Any, fact).interaction)
            if live is None:
                reactions.unknown_interaction(floor, fact)
            else:
                if kind.__name__ not in TABLE[live.state]:
                    raise UnknownTransition(f"{kind.__name__} while {live.id} is {live.state}")
                reaction(floor, live, fact)
        else:
            other: Callable[[Floor, Any], None] | None = reactions.OF_FLOOR.get(kind)
            if other is None:
                raise UnknownTransition(f"{kind.__name__} is not known to the engine")
            other(floor, fact)
        if floor.movers or floor.freed or floor.seekers or floor.promises:
            self._settle(floor)
        out = floor.out
        floor.out = []
        return out

    def _settle(self, floor: Floor) -> None:
        for _ in range(MAX_TURNS):
            if floor.movers:
                reactions.move_on(floor, floor.movers.pop(0))
            elif floor.promises:
                reactions.keep_promise(floor, floor.promises.pop(0))
            elif floor.freed or floor.seekers:
                match.settle(floor)
            else:
                return
        raise AssertionError("the work lists do not come to an end")

    # --- views -------------------------------------------------------------------------------

    def take_changes(self) -> Changes:
        """What was touched since the last call."""
        floor = self._floor
        changes = Changes(
            interactions=frozenset(floor.changed_interactions),
            agents=frozenset(floor.changed_agents),
            queues=frozenset(floor.changed_queues),
        )
        self._ended, floor.ended = floor.ended, {}
        floor.changed_interactions.clear()
        floor.changed_agents.clear()
        floor.changed_queues.clear()
        return changes

    def agent_view(self, agent: AgentId, /) -> AgentView:
        """One agent. KeyError if there is none of that id."""
        return figures.agent_view(self._floor, self._floor.agents[agent])

    def agents(self) -> list[AgentView]:
        """All agents, in the order of the file."""
        return [figures.agent_view(self._floor, a) for a in self._floor.agents.values()]

    def queue_view(self, queue: QueueId, now: float, /) -> QueueView:
        """One queue. KeyError if there is none of that id."""
        return figures.queue_view(self._floor, self._floor.pools[queue], now)

    def queues(self, now: float, /) -> list[QueueView]:
        """All queues, in the order of the file."""
        return [figures.queue_view(self._floor, p, now) for p in self._floor.pools.values()]

    def interaction_view(self, interaction: InteractionId, /) -> InteractionView:
        """One live interaction, or one that ended within the last changes. Else KeyError."""
        live = self._floor.live.get(interaction)
        return figures.interaction_view(live if live is not None else self._ended[interaction])

    def live_interactions(self) -> list[InteractionView]:
        """All live interactions, oldest first."""
        return [figures.interaction_view(live) for live in self._floor.live.values()]

    def explain(self, interaction: InteractionId, now: float, /) -> Explanation:
        """Why each agent of its queue is or is not asked now. KeyError if it is not live."""
        return explain(self._floor, self._floor.live[interaction], now)

    def announced_waits(self) -> dict[QueueId, dict[str, float | int | None]]:
        """How good each queue's announced waits were: see ``estimate.Calibration.report``."""
        return {p.queue.id: p.waits.calibration.report() for p in self._floor.pools.values()}

    # --- recovery ----------------------------------------------------------------------------

    def snapshot(self, interaction: InteractionId) -> dict[str, Any]:
        """What InteractionRestored needs later. KeyError if it is not live."""
        return recovery.snapshot(self._floor.live[interaction])

    def snapshot_agent(self, agent: AgentId) -> dict[str, Any]:
        """What AgentRestored needs later. KeyError if there is no such agent."""
        return recovery.snapshot_agent(self._floor.agents[agent])

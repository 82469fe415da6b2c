"""What the clients are told: turns the engine's changes and the executor's news into events.

The person concerned hears at once; those who watch hear the latest at most twice a second, so that
a busy floor costs each change once and not once per watcher. No timer runs while nothing changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ctid.access import Action, HouseOf, Scope, Viewer, agents_of
from ctid.clock import Clock
from ctid.events import EventHub, everyone
from routing.ids import AgentId, InteractionId, OfferId, QueueId
from routing.model import RoutingConfig
from routing.views import AgentView, Changes, InteractionView, QueueView

COALESCE_S = 0.5

Whose = tuple[tuple[AgentId, ...], QueueId | None]


class EngineViews(Protocol):
    """The part of the engine that is read here. Unknown ids raise KeyError."""

    @property
    def config(self) -> RoutingConfig: ...
    def agent_view(self, agent: AgentId, /) -> AgentView: ...
    def queue_view(self, queue: QueueId, now: float, /) -> QueueView: ...
    def interaction_view(self, interaction: InteractionId, /) -> InteractionView: ...


class Announcer:
    """Publishes views and screen-pops on the hub, each to those who may see it."""

    def __init__(self, engine: EngineViews, hub: EventHub, clock: Clock) -> None:
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._house_of = HouseOf()
        self._agents: dict[AgentId, AgentView] = {}
        self._interactions: dict[InteractionId, InteractionView] = {}
        self._queues: dict[QueueId, None] = {}
        # to whom an interaction belonged since it was last sent: they must hear that it moved on
        self._whose: dict[InteractionId, dict[Whose, None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0

    # --- the engine's changes -------------------------------------------------------------------

    def changes(self, changes: Changes) -> None:
        """Announce what one fact touched (``Engine.take_changes``)."""
        for agent in changes.agents:
            self._agent_changed(agent)
        for interaction in changes.interactions:
            self._interaction_changed(interaction)
        for queue in changes.queues:
            self._queues[queue] = None
        if self._agents or self._interactions or self._queues:
            self._arm()

    def _agent_changed(self, agent: AgentId) -> None:
        try:
            view = self._engine.agent_view(agent)
        except KeyError:
            self._hub.keep_pops(agent, ())
            return
        self._hub.keep_pops(agent, (*view.held, view.disposition_due))
        self._hub.publish_to_agent(agent, "agent", view)
        self._agents[agent] = view

    def _interaction_changed(self, interaction: InteractionId) -> None:
        try:
            view = self._engine.interaction_view(interaction)
        except KeyError:
            self._whose.pop(interaction, None)
            return
        agents = agents_of(view)
        whose = self._whose.setdefault(interaction, {})
        told = set(agents).union(*(before for before, _ in whose))
        whose[agents, view.queue] = None
        for agent in told:
            self._hub.publish_to_agent(agent, "interaction", view)
        self._interactions[interaction] = view

    def _arm(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._quiet_until), self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._quiet_until = asyncio.get_running_loop().time() + COALESCE_S
        house = self._house_of(self._engine.config)
        agents, self._agents = self._agents, {}
        interactions, self._interactions = self._interactions, {}
        queues, self._queues = self._queues, {}
        now = self._clock.now_s()
        for queue in queues:
            try:
                figures = self._engine.queue_view(queue, now)
            except KeyError:
                continue

            def sees_queue(viewer: Viewer, queue: QueueId = queue) -> bool:
                return house.may_see_queue(viewer, viewer.scope(Action.QUEUES_VIEW), queue)

            self._hub.publish("queue", figures, audience=sees_queue)
        for agent, view in agents.items():

            def watches(viewer: Viewer, agent: AgentId = agent) -> bool:
                return viewer.agent != agent and house.may_see_agent(
                    viewer, viewer.scope(Action.AGENTS_VIEW), agent
                )

            self._hub.publish("agent", view, audience=watches)
        for interaction, matter in interactions.items():
            owners = tuple(self._whose.pop(interaction, {}))
            told = frozenset(a for agents_then, _ in owners for a in agents_then)

            def follows(
                viewer: Viewer,
                owners: tuple[Whose, ...] = owners,
                told: frozenset[AgentId] = told,
            ) -> bool:
                if viewer.agent in told:
                    return False  # heard at once
                scope = viewer.scope(Action.INTERACTIONS_VIEW)
                return any(house.may_see_matter(viewer, scope, a, q) for a, q in owners)

            self._hub.publish("interaction", matter, audience=follows)
            if matter.ended_at is None:
                self._whose[interaction] = {(agents_of(matter), matter.queue): None}

    # --- the executor's news ----------------------------------------------------------------------

    def pop(self, agents: Iterable[AgentId], data: Mapping[str, Any]) -> None:
        """A screen-pop for the agents of one offer; ``data`` as ``PopEvent`` in the API.

        Their own state is told with it: who has just put down would seem to be talking still.
        """
        for agent in agents:
            self._agent_changed(agent)
            self._hub.pop(agent, InteractionId(data["interaction"]), data)

    def pop_update(self, agents: Iterable[AgentId], data: Mapping[str, Any]) -> None:
        """The same pop with what came late (the customer); ignored where it is over."""
        for agent in agents:
            self._hub.update_pop(agent, InteractionId(data["interaction"]), data)

    def pop_closed(
        self,
        agents: Iterable[AgentId],
        *,
        interaction: InteractionId,
        offer: OfferId,
        outcome: str,
    ) -> None:
        """The offer is over for these agents. An answered one stays open until the wrap-up ends."""
        data = {"interaction": interaction, "offer": offer, "outcome": outcome}
        for agent in agents:
            if outcome != "answered":
                self._hub.forget_pop(agent, interaction)
            self._hub.publish_to_agent(agent, "pop_closed", data, urgent=True)

    def notice(self, agent: AgentId, code: str, details: Mapping[str, Any]) -> None:
        """Tell an agent something by its stable code."""
        self._hub.publish_to_agent(agent, "notice", {"code": code, "details": dict(details)})

    def contact_record(self, interaction: InteractionId, change: str) -> None:
        """A contact record was ``filed`` or ``amended``, or its ``recording`` is settled."""

        def reads_records(viewer: Viewer) -> bool:
            return viewer.scope(Action.CONTACT_RECORDS_VIEW) is not Scope.NONE

        data = {"interaction": interaction, "change": change}
        self._hub.publish("contact_record", data, audience=reads_records)

    def config_changed(self) -> None:
        """A new configuration is in force: every client loads everything again."""
        self._hub.reset()

    def notice_all(self, code: str, details: Mapping[str, Any]) -> None:
        """Tell everybody something by its stable code (the connection to the PBX is lost)."""
        self._hub.publish("notice", {"code": code, "details": dict(details)}, audience=everyone)

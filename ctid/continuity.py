"""Keeps the journal's live rows current: what a restart needs to go on where this process stopped.

Snapshots are taken when the journal commits, so that a busy moment costs one row per interaction
and not one per fact. What that loses in a crash, the PBX's own channels tell (recovery).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from routing.ids import AgentId, InteractionId
from routing.views import Changes

INTERACTION = "interaction"
AGENT = "agent"


class Snapshots(Protocol):
    """What is needed of the engine. Unknown ids raise KeyError."""

    def snapshot(self, interaction: InteractionId) -> Mapping[str, Any]: ...

    def snapshot_agent(self, agent: AgentId) -> Mapping[str, Any]: ...


class LiveRows(Protocol):
    """What is needed of the journal."""

    def wake(self) -> None: ...

    def put_live(self, kind: str, id: str, snapshot: Mapping[str, Any]) -> None: ...


class Continuity:
    """Stages the snapshot of everything that changed, from :meth:`begin` on.

    Before recovery the engine knows nobody, and what it would say of everybody must not overwrite
    the rows that recovery is about to read.
    """

    def __init__(self, engine: Snapshots, journal: LiveRows) -> None:
        self._engine = engine
        self._journal = journal
        self._interactions: set[InteractionId] = set()
        self._agents: set[AgentId] = set()
        self._begun = False

    def begin(self) -> None:
        """Recovery has put the engine right: keep its changes, those so far included."""
        self._begun = True
        self._journal.wake()

    def changes(self, changes: Changes) -> None:
        """Note what one fact touched."""
        self._interactions |= changes.interactions
        self._agents |= changes.agents
        if self._begun:
            self._journal.wake()

    def stage(self) -> None:
        """Hand the snapshots to the journal, which is about to commit."""
        if not self._begun:
            return
        interactions, self._interactions = self._interactions, set()
        agents, self._agents = self._agents, set()
        for interaction in interactions:
            try:
                snapshot = self._engine.snapshot(interaction)
            except KeyError:
                continue  # ended; its row leaves with the filing of its contact record
            self._journal.put_live(INTERACTION, interaction, snapshot)
        for agent in agents:
            try:
                self._journal.put_live(AGENT, agent, self._engine.snapshot_agent(agent))
            except KeyError:
                continue

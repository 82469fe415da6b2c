"""What is kept for a restart, and from when on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ctid.continuity import Continuity
from routing.ids import AgentId, InteractionId
from routing.views import Changes

pytestmark = pytest.mark.unit

TOUCHED = Changes(
    interactions=frozenset({InteractionId("i"), InteractionId("gone")}),
    agents=frozenset({AgentId("a")}),
    queues=frozenset(),
)


class Rows:
    """Engine and journal in one: snapshots are taken from here and put here."""

    def __init__(self) -> None:
        self.state = "logged_out"
        self.woken = 0
        self.rows: dict[str, Mapping[str, Any]] = {"a": {"status": "available"}}

    def snapshot(self, interaction: InteractionId) -> Mapping[str, Any]:
        if interaction == "gone":
            raise KeyError(interaction)
        return {"state": self.state}

    def snapshot_agent(self, agent: AgentId) -> Mapping[str, Any]:
        return {"status": self.state}

    def wake(self) -> None:
        self.woken += 1

    def put_live(self, kind: str, id: str, snapshot: Mapping[str, Any]) -> None:
        self.rows[id] = snapshot


async def test_nothing_is_overwritten_before_it_was_read() -> None:
    """The first fact of a start touches every agent, who are all logged out then."""
    rows = Rows()
    continuity = Continuity(rows, rows)
    continuity.changes(TOUCHED)
    continuity.stage()  # also not by a stop that comes before recovery
    assert rows.rows == {"a": {"status": "available"}}
    assert rows.woken == 0
    rows.state = "available"  # recovered
    continuity.begin()
    assert rows.woken == 1  # the journal commits, though no fact may come
    continuity.stage()
    assert rows.rows == {"a": {"status": "available"}, "i": {"state": "available"}}

"""The two transition tables: complete, reachable, and what the docs draw."""

from __future__ import annotations

from pathlib import Path

import pytest

from routing import agent_state, diagrams, interaction_state, reactions
from routing.agent_records import Engagement
from routing.agent_state import AgentState
from routing.codec import FACTS
from routing.draws import Draws
from routing.errors import UnknownTransition
from routing.facts import Channel, Party
from routing.ids import InteractionId, QueueId
from routing.interaction_state import State
from routing.model import Queue
from routing.pool import Pool
from routing.records import Interaction

pytestmark = pytest.mark.unit


def test_every_event_is_a_fact_or_the_engines_own() -> None:
    for row in interaction_state.TABLE.values():
        for event, targets in row.items():
            assert event in FACTS or event.islower()
            assert targets
            assert set(targets) <= set(State)


def test_every_state_has_a_row_and_can_be_reached_and_left() -> None:
    table = interaction_state.TABLE
    assert set(table) == set(State)
    reached = {State.ENTERING, State.ADRIFT}  # by arrival, and by restoring
    while True:
        more = {t for s in reached for ts in table[s].values() for t in ts} - reached
        if not more:
            break
        reached |= more
    assert reached == set(State)
    for state in set(State) - {State.ENDED}:
        assert any(set(targets) - {state} for targets in table[state].values())
    assert table[State.ENDED] == {}


def test_every_fact_about_an_interaction_is_known_somewhere() -> None:
    known = {event for row in interaction_state.TABLE.values() for event in row}
    for kind in reactions.OF_INTERACTION:
        assert kind.__name__ in known
    handled = {k.__name__ for k in (*reactions.OF_INTERACTION, *reactions.OF_FLOOR)}
    assert handled == set(FACTS)


def test_the_agent_table_is_complete() -> None:
    table = agent_state.TABLE
    assert set(table) == set(AgentState) == set(agent_state.FOREMOST)
    assert {t for row in table.values() for t in row.values()} == set(AgentState)


def test_what_is_not_in_a_table_is_refused_or_a_fault() -> None:
    pool = Pool(Queue(id=QueueId("q")), Draws(0))
    engagement = Engagement(InteractionId("i"), Channel.VOICE, pool, 0.0)
    with pytest.raises(UnknownTransition, match="OfferEnded while the agent is idle"):
        engagement.move("OfferEnded", 1.0)
    assert engagement.state is AgentState.IDLE
    live = Interaction(InteractionId("i"), Channel.VOICE, Party(), "", 0.0, 1)
    with pytest.raises(AssertionError, match="must not lead"):
        live.move("OfferEnded", State.TALKING)


def test_the_docs_show_the_tables() -> None:
    shown = Path(__file__).parents[2] / "docs" / "states.md"
    assert shown.read_text() == diagrams.page(), "run: python -m routing.diagrams > docs/states.md"

"""Recovery: every live row and every leg is accounted for, agents before their conversations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctid.recovery import on_start
from ctid.telephony.port import LiveCall
from routing.facts import AgentRestored, InteractionRestored, Party
from routing.ids import AgentId, InteractionId, PhoneId

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Row:
    kind: str
    id: str
    snapshot: dict[str, Any]


def call(name: str, *, phone: str | None = None, agent: str | None = None) -> LiveCall:
    return LiveCall(
        interaction=InteractionId(name),
        caller=Party(number="13800138000", name="王"),
        did="88886666",
        arrived_at=5.0,
        controlled=False,
        agent=AgentId(agent) if agent else None,
        agent_phone=PhoneId(phone) if phone else None,
    )


def test_rows_and_legs_are_matched() -> None:
    rows = [
        Row("interaction", "waits", {"state": "waiting", "arrived_at": 7.5}),
        Row("interaction", "talks", {"state": "talking"}),
        Row("interaction", "gone", {"state": "waiting"}),
        Row("agent", "li", {"phone": "1001"}),
    ]
    calls = [call("waits"), call("talks", phone="1001"), call("new")]
    found = on_start(rows, calls)
    assert isinstance(found.facts[0], AgentRestored)
    restored = {f.interaction: f for f in found.facts if isinstance(f, InteractionRestored)}
    assert (restored[InteractionId("waits")].present, restored[InteractionId("waits")].agent) == (
        True,
        None,
    )
    assert restored[InteractionId("talks")].agent == "li"
    assert not restored[InteractionId("gone")].present
    # the journal never saw it: it came last, whatever the PBX's coarse clock says
    assert restored[InteractionId("new")].present
    assert restored[InteractionId("new")].snapshot["arrived_at"] == 7.5
    assert found.known == {"waits": None, "talks": "li", "new": None}
    assert (found.ended, found.adopted) == (1, 1)


def test_a_conversation_whose_facts_were_lost_is_adopted() -> None:
    rows = [Row("agent", "li", {"phone": "1001"})]
    found = on_start(rows, [call("lost", phone="1001")])
    [fact] = [f for f in found.facts if isinstance(f, InteractionRestored)]
    assert (fact.interaction, fact.agent, fact.present) == ("lost", "li", True)
    assert fact.snapshot["arrived_at"] == 5.0
    assert fact.snapshot["caller"] == {"number": "13800138000", "name": "王"}
    assert found.adopted == 1


def test_callers_whose_facts_were_lost_keep_their_order_whatever_ages_the_pbx_tells() -> None:
    """Ages come in whole seconds, and some callers have knocked anew before the list was read."""
    rows = [Row("interaction", "known", {"arrived_at": 10.0})]
    arrived = {"first": 9.2, "second": 12.4, "third": 11.0, "fourth": 12.5}
    calls = [replace(call(name), arrived_at=at) for name, at in arrived.items()]
    found = on_start(rows, [call("known"), *calls])
    facts = [f for f in found.facts if isinstance(f, InteractionRestored)]
    assert [f.interaction for f in facts] == ["known", *arrived]
    assert [f.snapshot["arrived_at"] for f in facts] == [10.0, 10.0, 12.4, 12.4, 12.5]


names = st.sampled_from("abcdefgh")


@given(st.sets(names), st.sets(names))
def test_every_row_and_every_leg_becomes_exactly_one_fact(rows: set[str], calls: set[str]) -> None:
    found = on_start(
        [Row("interaction", n, {}) for n in sorted(rows)], [call(n) for n in sorted(calls)]
    )
    restored = [f for f in found.facts if isinstance(f, InteractionRestored)]
    assert sorted(f.interaction for f in restored) == sorted(rows | calls)
    assert {f.interaction for f in restored if f.present} == calls
    assert set(found.known) == calls

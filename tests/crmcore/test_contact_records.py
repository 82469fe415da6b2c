"""Contact records: once, amended, never reopened; and the call-back list that follows from them."""

from __future__ import annotations

import dataclasses
import sqlite3

import pytest

from crmcore import callbacks, contact_records, customers, pop, timeline
from crmcore.access import SYSTEM, Actor
from crmcore.errors import Conflict, Forbidden, Invalid, NotFound
from routing.commands import AmendContactRecord, InteractionAccount, OfferAccount, Outcome
from routing.facts import Channel, Party
from routing.ids import AgentId, InteractionId, OfferId, QueueId, RecordingId

pytestmark = pytest.mark.store


def account(
    n: int, outcome: Outcome = Outcome.ANSWERED, number: str = "13800138000", **more: object
) -> InteractionAccount:
    base = InteractionAccount(
        interaction=InteractionId(f"i{n}"),
        channel=Channel.VOICE,
        caller=Party(number=number, name="张三"),
        did="96060",
        outcome=outcome,
        arrived_at=1000.0 * n,
        ended_at=1000.0 * n + 60,
        queue=QueueId("tips"),
        queues=(QueueId("tips"),),
        agent=AgentId("a1") if outcome is Outcome.ANSWERED else None,
        offers=(
            OfferAccount(
                offer=OfferId(f"i{n}.o1"),
                agent=AgentId("a1"),
                offered_at=1.0,
                ended_at=2.0,
                outcome="answered",
            ),
        ),
    )
    return dataclasses.replace(base, **more)  # type: ignore[arg-type]


def test_filed_once_and_a_late_event_changes_nothing(conn: sqlite3.Connection) -> None:
    first = contact_records.file(conn, account(1, recordings=(RecordingId("r1"),)), 5.0)
    again = contact_records.file(conn, account(1, Outcome.ABANDONED), 9.0)
    assert first == ("1", True)
    assert again == ("1", False)
    record = contact_records.get(conn, SYSTEM, "i1")
    assert record["outcome"] == "answered"
    assert record["offers"][0]["offer"] == "i1.o1"
    assert [r["state"] for r in record["recordings"]] == ["pending"]
    assert callbacks.page(conn, SYSTEM)[0] == []


def test_an_amendment_may_come_first(conn: sqlite3.Connection) -> None:
    early = AmendContactRecord(
        interaction=InteractionId("i1"),
        agent=AgentId("a1"),
        disposition="news_tip",
        notes="火灾线索",
    )
    assert contact_records.amend(conn, early, 1.0) is False
    contact_records.file(conn, account(1), 2.0)
    late = AmendContactRecord(interaction=InteractionId("i1"), agent=AgentId("a1"), wrap_up_s=12.5)
    assert contact_records.amend(conn, late, 3.0) is True
    record = contact_records.get(conn, SYSTEM, "1")
    assert (record["disposition"], record["notes"], record["wrap_up_s"]) == (
        "news_tip",
        "火灾线索",
        12.5,
    )
    found, _ = contact_records.page(conn, SYSTEM, {"q": "火灾"})
    assert [one["id"] for one in found] == ["1"]


def test_recording_states_only_go_forward(conn: sqlite3.Connection) -> None:
    contact_records.put_recording(conn, "r1", "i1", "ready", 2.0, file_name="a.wav", size=44)
    contact_records.file(conn, account(1, recordings=(RecordingId("r1"),)), 3.0)
    contact_records.put_recording(conn, "r1", "i1", "pending", 4.0)
    one = contact_records.recording(conn, SYSTEM, "r1")
    assert (one["state"], one["file"], one["contact_record"]) == ("ready", "a.wav", 1)


def test_pages_meet_without_gap_or_overlap(conn: sqlite3.Connection) -> None:
    for n in range(1, 24):
        contact_records.file(conn, account(n, arrived_at=float(n // 3) + 0.1234567891), 1.0)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        records, cursor = contact_records.page(conn, SYSTEM, cursor=cursor, limit=5)
        seen += [one["id"] for one in records]
        if cursor is None:
            break
    assert seen == [str(n) for n in range(23, 0, -1)]
    with pytest.raises(Invalid):
        contact_records.page(conn, SYSTEM, {"nonsense": "1"})
    with pytest.raises(Invalid):
        contact_records.page(conn, SYSTEM, cursor="x")


def test_filters(conn: sqlite3.Connection) -> None:
    contact_records.file(conn, account(1), 1.0)
    contact_records.file(conn, account(2, Outcome.ABANDONED, "010-84701234"), 1.0)
    for filters, expected in (
        ({"outcome": "abandoned"}, ["2"]),
        ({"number": "+86 10 8470 1234"}, ["2"]),
        ({"agent": "a1"}, ["1"]),
        ({"from": "1500"}, ["2"]),
        ({"to": "1500", "queue": "tips"}, ["1"]),
    ):
        found, _ = contact_records.page(conn, SYSTEM, filters)
        assert [one["id"] for one in found] == expected, filters


def test_a_person_changes_under_an_optimistic_lock_and_within_rights(
    conn: sqlite3.Connection,
) -> None:
    contact_records.file(conn, account(1), 1.0)
    agent = Actor(username="li", role="agent", agent="a1")
    other = Actor(username="wu", role="agent", agent="a2")
    with pytest.raises(Forbidden):
        contact_records.update(conn, other, "1", {"notes": "x"}, 2.0)
    changed = contact_records.update(conn, agent, "1", {"notes": "x"}, 2.0, version=1)
    assert (changed["notes"], changed["version"]) == ("x", 2)
    with pytest.raises(Conflict):
        contact_records.update(conn, agent, "1", {"notes": "y"}, 3.0, version=1)
    with pytest.raises(Invalid):
        contact_records.update(conn, agent, "1", {"outcome": "answered"}, 3.0)
    with pytest.raises(NotFound):
        contact_records.get(conn, agent, "77")


def test_the_call_back_list_counts_dedupes_and_forgets(conn: sqlite3.Connection) -> None:
    contact_records.file(conn, account(1, Outcome.ABANDONED), 1.0)
    contact_records.file(conn, account(2, Outcome.TIMED_OUT, "+8613800138000"), 1.0)
    contact_records.file(conn, account(3, Outcome.ABANDONED, "anonymous"), 1.0)
    contact_records.file(conn, account(4, Outcome.BLOCKED, "13900139000"), 1.0)
    entries, _ = callbacks.page(conn, SYSTEM)
    assert [(e["number"], e["missed"], e["first_interaction"]) for e in entries] == [
        ("13800138000", 2, "i1")
    ]
    contact_records.file(conn, account(5, number="013800138000"), 1.0)
    assert callbacks.page(conn, SYSTEM)[0] == []
    done, _ = callbacks.page(conn, SYSTEM, state="done")
    assert done[0]["result"] == "rang_again"
    contact_records.file(conn, account(6, Outcome.ABANDONED), 1.0)
    assert callbacks.page(conn, SYSTEM)[0][0]["missed"] == 1
    contact_records.file(conn, account(7, Outcome.FAILED, outbound=True), 1.0)
    assert len(callbacks.page(conn, SYSTEM)[0]) == 1
    contact_records.file(conn, account(8, outbound=True), 1.0)
    done, _ = callbacks.page(conn, SYSTEM, state="done")
    assert [one["result"] for one in done] == ["rang_again", "reached"]


def test_one_takes_a_call_back_and_reports(conn: sqlite3.Connection) -> None:
    contact_records.file(conn, account(1, Outcome.ABANDONED), 1.0)
    li, wu = (Actor(username=name, role="agent", agent=name) for name in ("li", "wu"))
    taken = callbacks.take(conn, li, "1", 2.0)
    assert (taken["state"], taken["owner"]) == ("taken", "li")
    with pytest.raises(Conflict, match="li has taken"):
        callbacks.take(conn, wu, "1", 3.0)
    tried = callbacks.result(conn, li, "1", "no_answer", 4.0, due_at=9.0)
    assert (tried["state"], tried["attempts"], tried["due_at"]) == ("taken", 1, 9.0)
    done = callbacks.result(conn, li, "1", "reached", 5.0, note="谢谢")
    assert (done["state"], done["closed_at"], done["note"]) == ("done", 5.0, "谢谢")
    with pytest.raises(Conflict):
        callbacks.result(conn, li, "1", "reached", 6.0)


def test_pop_knows_the_customer_and_what_was_before(conn: sqlite3.Connection) -> None:
    who = customers.create(
        conn,
        SYSTEM,
        {
            "name": "李四",
            "vip": True,
            "custom": {"skill.finance": 3},
            "contact_points": [{"value": "138 0013 8000"}],
        },
        1.0,
    )
    contact_records.file(conn, account(1), 2.0)
    data = pop.pop(conn, SYSTEM, "17951013800138000")
    assert data.customer is not None
    assert (data.customer["id"], data.known) == (who["id"], True)
    assert [one["interaction"] for one in data.history] == ["i1"]
    fact = pop.match_fact(data)
    assert fact is not None
    assert fact[3] == {
        "skill.finance": "3",
        "vip": "1",
        "last_agent": "a1",
        "last_agent_at": "1060.0",
    }


def test_an_unknown_number_shows_its_own_history(conn: sqlite3.Connection) -> None:
    contact_records.file(conn, account(1), 2.0)
    data = pop.pop(conn, SYSTEM, "013800138000")
    assert data.customer is None
    assert [one["interaction"] for one in data.history] == ["i1"]
    assert pop.match_fact(data) is None


def test_the_timeline_is_whole_over_pages(conn: sqlite3.Connection) -> None:
    who = customers.create(
        conn, SYSTEM, {"name": "李四", "contact_points": [{"value": "13800138000"}]}, 1.0
    )["id"]
    for n in range(1, 12):
        contact_records.file(conn, account(n, arrived_at=5.0 if n % 2 else 1e9 / 7 + n), 2.0)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        entries, cursor = timeline.page(conn, SYSTEM, who, cursor=cursor, limit=3)
        seen += [one["type"] + one["id"] for one in entries]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 12
    assert seen[-1].startswith("change")
    only, _ = timeline.page(conn, SYSTEM, who, types=["change"])
    assert [one["action"] for one in only] == ["create"]

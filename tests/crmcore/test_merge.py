"""Merging moves everything, and undoing it is the identity."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore import (
    consent,
    contact_records,
    customers,
    duplicates,
    matching,
    merge,
    notes,
    relations,
    search,
    tasks,
)
from crmcore.access import SYSTEM
from crmcore.errors import Conflict, Invalid
from crmcore.store import Store
from routing.commands import Outcome

from .conftest import schema
from .test_contact_records import account

pytestmark = pytest.mark.store

LEFT_OUT = {
    "audit", "merges", "migrations", "sqlite_sequence", "customer_fts_data", "customer_fts_idx",
    "customer_fts_config", "record_fts_data", "record_fts_idx", "record_fts_config", "customer_fts",
    "record_fts",
}  # fmt: skip


def dump(conn: sqlite3.Connection, *, left_out: set[str] = LEFT_OUT) -> dict[str, list[str]]:
    """Everything that is stored, but for versions, the audit and the inner side of the index."""
    tables = [r[0] for r in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    out = {}
    for table in sorted(set(tables) - left_out):
        rows = []
        for row in conn.execute(f"SELECT * FROM {table}"):  # noqa: S608
            one = {k: row[k] for k in row.keys() if k != "version"}  # noqa: SIM118
            rows.append(json.dumps(one, default=repr, ensure_ascii=False, sort_keys=True))
        out[table] = sorted(rows)
    return out


def build(conn: sqlite3.Connection, plan: list[dict[str, Any]]) -> list[str]:
    ids: list[str] = []
    for n, one in enumerate(plan):
        given = {
            "name": one["name"],
            "vip": one["vip"],
            "title": one["title"],
            "owner": one["owner"],
            "birthday": one["birthday"],
            "tags": one["tags"],
            "roles": one["roles"],
            "custom": one["custom"],
            "contact_points": [
                *({"value": value} for value in one["phones"]),
                *({"kind": "email", "value": value} for value in one.get("mails", ())),
            ],
            "kind": one.get("kind", "person"),
            "addresses": [{"city": city} for city in one["cities"]],
        }
        who = customers.create(conn, SYSTEM, given, 10.0 + n)["id"]
        ids.append(who)
        for m in range(one["notes"]):
            notes.add(conn, SYSTEM, who, f"备注{m}", 20.0 + m)
        for m in range(one["files"]):
            relations.attach(conn, SYSTEM, who, f"{m}.txt", "text/plain", b"x", 29.0)
        tasks.create(conn, SYSTEM, {"title": "回访", "customer": who}, 30.0)
        consent.record_consent(conn, SYSTEM, who, "sms", "marketing", True, "call", 31.0)
        relations.state_fact(conn, SYSTEM, who, "职业", "教师", "来电", 32.0)
        notes.watch(conn, SYSTEM, who, watching=one["vip"])
        if one["phones"]:
            matching.link(conn, SYSTEM, one["phones"][0], who, 33.0)
            outcome = Outcome.ABANDONED if one["missed"] else Outcome.ANSWERED
            contact_records.file(conn, account(n, outcome, one["phones"][0]), 34.0)
    for n, one in enumerate(plan):
        other = ids[one["relates"] % len(ids)]
        if other != ids[n]:
            relations.relate(conn, SYSTEM, ids[n], one["relation"], other, 40.0, note=one["name"])
    for pair in duplicates.of_customer(conn, int(ids[0])):
        duplicates.note(conn, [pair], 41.0)
    return ids


PHONES = st.lists(st.sampled_from([f"1380013800{n}" for n in range(6)]), max_size=3, unique=True)
WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2)
CUSTOMER = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["王伟", "王芳", "李强"]),
        "vip": st.booleans(),
        "title": st.sampled_from(["", "主任"]),
        "tags": WORDS,
        "roles": WORDS,
        "custom": st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 3)),
        "phones": PHONES,
        "cities": st.lists(st.sampled_from(["南京", "苏州"]), max_size=2),
        "notes": st.integers(0, 2),
        "relates": st.integers(0, 5),
        "relation": st.sampled_from(["household", "works_for"]),
        "missed": st.booleans(),
        "files": st.integers(0, 1),
        "owner": st.sampled_from([None, "amy"]),
        "birthday": st.sampled_from([None, "1966-06-16"]),
    }
)


@settings(max_examples=30, deadline=None)
@given(st.lists(CUSTOMER, min_size=2, max_size=4), st.data())
def test_merge_then_undo_is_the_identity(plan: list[dict[str, Any]], data: st.DataObject) -> None:
    conn = schema()
    ids = build(conn, plan)
    into, gone = data.draw(st.permutations(ids).map(lambda p: p[:2]))
    before = dump(conn)
    index = {one: search.stored_documents(conn, int(one)) for one in ids}
    done = merge.merge(conn, SYSTEM, into, gone, 50.0)
    assert customers.get(conn, SYSTEM, gone)["id"] == into
    left = {
        t: conn.execute(f"SELECT count(*) FROM {t} WHERE customer = ?", (gone,)).fetchone()[0]  # noqa: S608
        for t in (*merge.MOVED_BY_ID, *merge.MOVED_BY_KEY)
    }
    assert not any(left.values()), left
    merge.undo(conn, SYSTEM, done["merge"], 60.0)
    assert dump(conn) == before
    for one in ids:
        stored = conn.execute(
            "SELECT name, rest FROM customer_fts WHERE rowid = ?", (one,)
        ).fetchone()
        assert tuple(stored) == index[one]
    conn.close()


def test_what_came_after_the_merge_stays_with_the_survivor(conn: sqlite3.Connection) -> None:
    a, b = (customers.create(conn, SYSTEM, {"name": n}, 1.0)["id"] for n in ("王伟", "王玮"))
    done = merge.merge(conn, SYSTEM, a, b, 2.0)
    notes.add(conn, SYSTEM, b, "合并之后", 3.0)  # the old id leads to the survivor
    merge.undo(conn, SYSTEM, done["merge"], 4.0)
    assert [n["text"] for n in notes.of_customer(conn, SYSTEM, a)] == ["合并之后"]
    assert notes.of_customer(conn, SYSTEM, b) == []
    with pytest.raises(Conflict):
        merge.undo(conn, SYSTEM, done["merge"], 5.0)
    with pytest.raises(Invalid):
        merge.merge(conn, SYSTEM, a, a, 6.0)


def test_an_id_that_was_given_again_is_not_taken_for_the_old_row(conn: sqlite3.Connection) -> None:
    """SQLite gives the id of a deleted last row to the next one."""
    point = {"contact_points": [{"value": "13800138000"}]}
    a, b = (
        customers.create(conn, SYSTEM, {"name": n, **point}, 1.0)["id"] for n in ("王伟", "王玮")
    )
    old = notes.add(conn, SYSTEM, b, "旧的备注", 1.5)
    relations.relate(conn, SYSTEM, a, "household", b, 1.5)
    done = merge.merge(conn, SYSTEM, a, b, 2.0)
    notes.delete(conn, SYSTEM, old["id"], 3.0)
    new = notes.add(conn, SYSTEM, a, "新的备注", 3.5)
    assert new["id"] == old["id"]
    c, d = (customers.create(conn, SYSTEM, {"name": n, **point}, 3.0)["id"] for n in "丙丁")
    relations.relate(conn, SYSTEM, c, "household", d, 3.0)
    merge.undo(conn, SYSTEM, done["merge"], 4.0)
    assert [n["text"] for n in notes.of_customer(conn, SYSTEM, a)] == ["新的备注"]
    for one in (a, b, c, d):
        points = customers.get(conn, SYSTEM, one)["contact_points"]
        assert [p["display"] for p in points] == ["138 0013 8000"], one
    assert [r["customer"] for r in relations.of_customer(conn, SYSTEM, b)] == [a]
    assert [r["customer"] for r in relations.of_customer(conn, SYSTEM, c)] == [d]


def test_merges_are_undone_from_the_last_one(conn: sqlite3.Connection) -> None:
    a, b, c = (customers.create(conn, SYSTEM, {"name": n}, 1.0)["id"] for n in "甲乙丙")
    first = merge.merge(conn, SYSTEM, b, c, 2.0)
    second = merge.merge(conn, SYSTEM, a, b, 3.0)
    assert customers.get(conn, SYSTEM, c)["id"] == a
    with pytest.raises(Conflict):
        merge.undo(conn, SYSTEM, first["merge"], 4.0)
    merge.undo(conn, SYSTEM, second["merge"], 5.0)
    merge.undo(conn, SYSTEM, first["merge"], 6.0)
    assert customers.get(conn, SYSTEM, c)["name"] == "丙"


async def test_duplicates_are_found_scored_reviewed_and_left_alone(store: Store) -> None:
    rows = [
        ("王伟", ["13800138000"]),
        ("王玮", ["0138-0013-8000"]),  # sounds the same, same number
        ("李强", ["13800138000"]),  # shares the line only
        ("赵敏", ["13900000001"]),
        ("王伟", []),  # the name alone says nothing
    ]
    ids = []
    for name, phones in rows:
        given = {"name": name, "contact_points": [{"value": p} for p in phones]}
        ids.append((await store.create_customer(SYSTEM, given, 1.0))["id"])
    assert await duplicates.scan(store.db, 2.0) == 1
    queue, _ = await store.read(duplicates.page, SYSTEM)
    assert [(p["one"]["id"], p["other"]["id"]) for p in queue] == [(ids[0], ids[1])]
    assert "same_phone" in queue[0]["reasons"]
    assert len(await store.read(duplicates.of_customer, int(ids[1]))) == 1
    await store.write(duplicates.dismiss, SYSTEM, queue[0]["id"], 3.0)
    assert await duplicates.scan(store.db, 4.0) == 0
    assert (await store.read(duplicates.page, SYSTEM))[0] == []

"""Consent counts by its last entry; who is erased leaves no byte."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from crmcore import (
    callbacks,
    consent,
    contact_records,
    customers,
    dictionaries,
    doctor,
    duplicates,
    importing,
    matching,
    merge,
    notes,
    privacy,
    relations,
    tasks,
    timeline,
)
from crmcore.access import SYSTEM, Actor
from crmcore.errors import Conflict, Forbidden, Invalid, NotFound, StoreIncompatible
from crmcore.store import Store
from routing.commands import AmendContactRecord, Outcome
from routing.ids import AgentId, InteractionId

from .test_contact_records import account

pytestmark = pytest.mark.store

NUMBER = "13876543210"
PERSON = [
    NUMBER, "138-7654-3210", "138 7654 3210", "0257654321", "7654321",
    "诸葛慕容", "諸葛慕容", "zhugemurong", "zhuge murong", "zgmr",
    "murong.private@example.cn", "慕容的微信号", "琵琶巷八十八号", "1966-06-16", "爱好收藏怀表",
    "孤僻的备注", "只有他知道的事", "通话里的秘密", "调查里的秘密", "附件里的秘密", "任务里的秘密",
    "导入里的秘密", "摘要里的秘密", "诸葛 慕容 旧名",
]  # fmt: skip


async def fill(store: Store, folder: Path) -> str:
    """Write the person into every column that can hold personal data."""
    given = {
        "name": "诸葛慕容",
        "title": "只有他知道的事",
        "birthday": "1966-06-16",
        "custom": {"hobby": "爱好收藏怀表"},
        "contact_points": [
            {"value": "138-7654-3210"},
            {"value": "025-7654321"},
            {"kind": "email", "value": "murong.private@example.cn"},
            {"kind": "wechat", "value": "慕容的微信号"},
        ],
        "addresses": [{"city": "南京市", "street": "琵琶巷八十八号"}],
    }
    write = store.write
    who = str((await store.create_customer(SYSTEM, given, 1.0))["id"])
    other = str((await store.create_customer(SYSTEM, {"name": "别人"}, 1.0))["id"])
    twin_given = {"name": "諸葛慕容", "contact_points": [{"value": NUMBER}]}
    twin = str((await store.create_customer(SYSTEM, twin_given, 1.0))["id"])
    await duplicates.scan(store.db, 1.0)
    await store.update_customer(SYSTEM, twin, {"name": "诸葛 慕容 旧名"}, 1.5)
    await write(merge.merge, SYSTEM, who, twin, 2.0)
    await write(notes.add, SYSTEM, who, "孤僻的备注", 2.0)
    await write(notes.add, SYSTEM, other, f"他的号码是 {NUMBER}", 2.0)
    await write(relations.relate, SYSTEM, who, "household", other, 2.0, note="只有他知道的事")
    await write(relations.state_fact, SYSTEM, who, "x", "只有他知道的事", "call", 2.0)
    await write(relations.attach, SYSTEM, who, "a", "text/plain", "附件里的秘密".encode(), 2.0)
    await write(tasks.create, SYSTEM, {"title": "任务里的秘密", "customer": who}, 2.0)
    await write(matching.link, SYSTEM, NUMBER, who, 2.0)
    await write(consent.record_consent, SYSTEM, who, "sms", "any", True, "call", 2.0, proof=NUMBER)
    for n, outcome in ((1, Outcome.ANSWERED), (2, Outcome.ABANDONED)):
        await store.file_contact_record(account(n, outcome, NUMBER), 3.0)
    await store.put_recording("r1", "i1", "ready", 3.0, file_name="r1.wav", sha256="ab")
    amendment = AmendContactRecord(
        interaction=InteractionId("i1"), agent=AgentId("a"), notes="通话里的秘密"
    )
    await store.amend_contact_record(amendment, 3.0)
    await store.update_contact_record(SYSTEM, "1", {"survey": {"a": "调查里的秘密"}}, 3.0)
    await write(callbacks.result, SYSTEM, "1", "no_answer", 3.0, note="摘要里的秘密")
    for n, payload in enumerate(
        (
            {"t": "InteractionArrived", "caller": {"number": NUMBER, "name": "诸葛慕容"}},
            {"t": "DispositionSet", "notes": "通话里的秘密"},
        ),
        start=1,
    ):
        store.journal.append(
            n,
            3.0,
            None,
            "F",
            "i1",
            json.dumps({**payload, "interaction": "i1"}, ensure_ascii=False),
        )
    store.journal.append(3, 3.0, None, "F", None, json.dumps({"dialled": NUMBER}))
    await store.journal.flush()
    table = folder / "in.csv"
    table.write_text(
        f"姓名,手机,备注\n诸葛慕容,{NUMBER},导入里的秘密\n坏行,anonymous {NUMBER},导入里的秘密\n"
    )
    mapping = ["name", "phone", "custom.note"]
    await importing.run(store.db, SYSTEM, table, mapping, "both", 4.0)
    table.unlink()
    return who


def traces(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("s.db*")):
        content = path.read_bytes()
        for one in PERSON:
            if one.encode() in content:
                found.setdefault(path.name, []).append(one)
    return found


class Recordings:
    """A port that keeps audio in memory and can fail."""

    def __init__(self, files: set[str]) -> None:
        self.files = files
        self.broken = False

    async def erase(self, recordings: Sequence[dict[str, Any]], customer: str) -> None:
        if self.broken:
            raise OSError("disk gone")
        self.files -= {one["file"] for one in recordings}


async def test_who_is_erased_leaves_no_byte(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "s.db", 1.0)
    who = await fill(store, tmp_path)
    await store.db.truncate_wal()
    seen = {one for names in traces(tmp_path).values() for one in names}
    assert len(seen) >= len(PERSON) - 5, set(PERSON) - seen  # the search below can find something
    port = Recordings({"r1.wav", "other.wav"})
    port.broken = True
    done = await privacy.erase(store.db, SYSTEM, who, "request of 2026-01-01", 9.0, ports=[port])
    assert (done["finished"], done["contact_records"], done["recordings"]) == (False, 2, 1)
    assert traces(tmp_path) == {}
    port.broken = False
    for erasure in await store.read(privacy.unfinished):
        assert (await privacy.finish(store.db, erasure, 10.0, ports=[port]))["finished"]
    assert port.files == {"other.wav"}
    assert await store.read(privacy.unfinished) == []
    # what stays: that there were interactions, and that the store is sound
    records, _ = await store.contact_records(SYSTEM)
    assert [(r["outcome"], r["customer_name"]) for r in records] == [
        ("abandoned", done["pseudonym"]),
        ("answered", done["pseudonym"]),
    ]
    assert records[1]["recordings"][0]["state"] == "erased"
    assert await store.journal.verify() == 3
    assert [f for f in await doctor.examine(store.db) if not f["ok"]] == []
    with pytest.raises(NotFound):
        await store.customer(SYSTEM, who)
    with pytest.raises(NotFound):
        await store.read(timeline.page, SYSTEM, who)
    await store.close()
    assert traces(tmp_path) == {}


OTHERS = (
    "他的另一个写法 138-7654 3210 请记下",
    "+86 138 7654 3210",
    "１３８７６５４３２１０",
    "(0)138.7654.3210",
    "MURONG.Private@Example.CN",
    "0086-138-7654-3210",
)


async def test_whoever_else_wrote_the_number_down_in_their_own_way(store: Store) -> None:
    """In notes, tasks, custom fields, saved filters, undo data and the audit of others."""
    write = store.write
    points = [{"value": NUMBER}, {"kind": "email", "value": "murong.private@example.cn"}]
    who = (await store.create_customer(SYSTEM, {"name": "甲", "contact_points": points}, 1.0))["id"]
    given = {"name": "乙", "title": OTHERS[0], "custom": {"x": OTHERS[1]}, "tags": ["留下"]}
    other = (await store.create_customer(SYSTEM, given, 1.0))["id"]
    given = {"name": "丙", "title": OTHERS[5], "contact_points": [{"value": "13700000001"}]}
    gone = (await store.create_customer(SYSTEM, given, 1.0))["id"]
    for one in OTHERS:
        await write(notes.add, SYSTEM, other, f"前 {one} 后 13987654321", 2.0)
        await write(tasks.create, SYSTEM, {"title": one, "text": one, "customer": other}, 2.0)
        await write(relations.attach, SYSTEM, other, one, "text/plain", b"x", 2.0)
        await write(relations.state_fact, SYSTEM, other, "x", one, "call", 2.0)
        await write(consent.record_consent, SYSTEM, other, "sms", "any", True, one, 2.0, proof=one)
        await write(dictionaries.save_view, SYSTEM, "customer", one, {"phone": one})
    await write(relations.relate, SYSTEM, other, "household", gone, 2.0, note=OTHERS[3])
    await write(merge.merge, SYSTEM, other, gone, 3.0)
    await privacy.erase(store.db, SYSTEM, who, "asked", 9.0)

    def look(conn: sqlite3.Connection) -> str:
        lines = [line for line in conn.iterdump() if "INSERT INTO" in line]
        return unicodedata.normalize("NFKC", "\n".join(lines)).casefold()

    left = await store.db.read(look)
    digits = re.sub(r"(?<=\d)[\s().-]+(?=\d)", "", left)
    assert "13876543210" not in digits
    assert "murong" not in left
    assert "13987654321" in left  # nobody else's number goes with it
    found = await store.read(notes.of_customer, SYSTEM, other)
    assert {one["text"] for one in found} >= {f"前 {privacy.BLANK} 后 13987654321"}
    assert [f for f in await doctor.examine(store.db) if not f["ok"]] == []


async def test_erasure_asks_for_a_reason_a_right_and_a_quiet_line(store: Store) -> None:
    given = {"name": "甲", "contact_points": [{"value": NUMBER}]}
    who = (await store.create_customer(SYSTEM, given, 1.0))["id"]
    supervisor = Actor(username="s", role="supervisor")
    with pytest.raises(Forbidden):
        await privacy.erase(store.db, supervisor, who, "x", 2.0)
    with pytest.raises(Invalid):
        await privacy.erase(store.db, SYSTEM, who, "  ", 2.0)
    store.journal.put_live("interaction", "i9", {"caller": {"number": NUMBER}})
    await store.journal.flush()
    with pytest.raises(Conflict, match="live"):
        await privacy.erase(store.db, SYSTEM, who, "x", 2.0)


async def test_a_restored_backup_forgets_again(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "s.db", 1.0)
    given = {"name": "诸葛慕容", "contact_points": [{"value": NUMBER}]}
    who = (await store.create_customer(SYSTEM, given, 1.0))["id"]
    await store.create_customer(SYSTEM, {"name": "留下的人"}, 1.0)
    await store.db.backup_to(tmp_path / "backup")
    await privacy.erase(store.db, SYSTEM, who, "asked", 2.0)
    with pytest.raises(Conflict, match="in use"):
        await doctor.restore(tmp_path / "backup", tmp_path / "s.db", 3.0)
    await store.close()
    done = await doctor.restore(tmp_path / "backup", tmp_path / "s.db", 3.0)
    assert done["erased_again"] == 1
    await asyncio.to_thread(Path(done["kept"]).unlink)
    assert traces(tmp_path) == {}
    store = await Store.open(tmp_path / "s.db", 4.0)
    found, _ = await store.customers(SYSTEM)
    assert [one["name"] for one in found] == ["留下的人"]
    await store.close()


async def names_after_restoring(backup: Path, target: Path, now: float) -> list[str]:
    await doctor.restore(backup, target, now)
    store = await Store.open(target, now)
    found, _ = await store.customers(SYSTEM)
    await store.close()
    return sorted(one["name"] for one in found)


async def test_backups_in_any_order_and_of_any_age_forget_again(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = await Store.open(path, 1.0)
    person = {"name": "诸葛慕容", "contact_points": [{"value": NUMBER}]}
    await store.create_customer(SYSTEM, {"name": "留下的人"}, 1.0)
    await store.db.backup_to(tmp_path / "before")
    who = (await store.create_customer(SYSTEM, person, 1.0))["id"]
    twin = (await store.create_customer(SYSTEM, {"name": "诸葛慕容"}, 1.0))["id"]
    await store.db.backup_to(tmp_path / "apart")
    await store.write(merge.merge, SYSTEM, who, twin, 2.0)
    await store.db.backup_to(tmp_path / "merged")
    await privacy.erase(store.db, SYSTEM, who, "asked", 3.0)
    await store.close()
    for n, name in enumerate(("before", "merged", "apart", "before", "apart", "merged"), 4):
        assert await names_after_restoring(tmp_path / name, path, float(n)) == ["留下的人"], name
        await asyncio.to_thread((tmp_path / "s.db.replaced").unlink)
        assert traces(tmp_path) == {}
    store = await Store.open(path, 20.0)
    new = (await store.create_customer(SYSTEM, {"name": "新来的人"}, 20.0))["id"]
    assert int(new) > int(twin)  # nobody gets the id of somebody who was erased
    await store.close()


async def test_another_house_s_backup_is_not_taken_for_an_own_one(tmp_path: Path) -> None:
    for n, name in enumerate(("诸葛慕容", "别家的人")):
        store = await Store.open(tmp_path / f"{n}.db", 1.0 + n)
        who = (await store.create_customer(SYSTEM, {"name": name}, 3.0))["id"]
        await store.db.backup_to(tmp_path / f"{n}.backup")
        if not n:
            await privacy.erase(store.db, SYSTEM, who, "asked", 4.0)
        await store.close()
    found = await names_after_restoring(tmp_path / "1.backup", tmp_path / "0.db", 5.0)
    assert found == ["别家的人"]


async def test_what_is_no_store_is_not_put_in_place(tmp_path: Path) -> None:
    await (await Store.open(tmp_path / "s.db", 1.0)).close()
    await asyncio.to_thread((tmp_path / "empty").touch)
    with pytest.raises(StoreIncompatible):
        await doctor.restore(tmp_path / "empty", tmp_path / "s.db", 2.0)


async def test_a_broken_backup_is_not_put_in_place(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "s.db", 1.0)
    await store.close()
    (tmp_path / "bad").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises((sqlite3.DatabaseError, Conflict)):
        await doctor.restore(tmp_path / "bad", tmp_path / "s.db", 2.0)
    await (await Store.open(tmp_path / "s.db", 3.0)).close()


async def test_the_doctor_finds_and_repairs_the_index(store: Store) -> None:
    given = {"name": "甲乙丙", "contact_points": [{"value": NUMBER}]}
    who = (await store.create_customer(SYSTEM, given, 1.0))["id"]

    def harm(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE customer_fts SET name = 'x' WHERE rowid = ?", (who,))
        conn.execute("UPDATE contact_points SET key = '+1'")

    await store.db.write(harm)
    bad = {f["check"] for f in await doctor.examine(store.db) if not f["ok"]}
    assert bad == {"search_index", "number_keys"}
    assert await doctor.repair(store.db, 2.0) == 2
    assert [f for f in await doctor.examine(store.db) if not f["ok"]] == []
    assert (await store.match(NUMBER)).known


def test_consent_counts_by_its_last_word(conn: sqlite3.Connection) -> None:
    given = {"name": "甲", "contact_points": [{"value": NUMBER}]}
    who = int(customers.create(conn, SYSTEM, given, 1.0)["id"])

    def say(channel: str, purpose: str, granted: bool) -> None:
        consent.record_consent(conn, SYSTEM, who, channel, purpose, granted, "call", 2.0)

    assert not consent.may_contact(conn, who, "sms", "marketing")
    say("sms", "marketing", True)
    assert consent.may_contact(conn, who, "sms", "marketing")
    assert not consent.may_contact(conn, who, "email", "marketing")
    say("any", "any", False)
    assert not consent.may_contact(conn, who, "sms", "marketing")
    say("sms", "any", True)
    assert consent.may_contact(conn, who, "sms", "research")
    conn.execute("UPDATE contact_points SET opt_out = 1")
    assert not consent.may_contact(conn, who, "sms", "research")
    assert len(consent.ledger(conn, SYSTEM, who)) == 3
    with pytest.raises(Invalid):
        say("telepathy", "any", True)


def test_everything_about_one_person(conn: sqlite3.Connection) -> None:
    given = {"name": "甲", "contact_points": [{"value": NUMBER}]}
    who = customers.create(conn, SYSTEM, given, 1.0)["id"]
    contact_records.file(conn, account(1, number=NUMBER), 2.0)
    notes.add(conn, SYSTEM, who, "备注", 2.0)
    known = privacy.export(conn, SYSTEM, who, 3.0)
    assert known["contact_records"][0]["interaction"] == "i1"
    assert known["notes"][0]["text"] == "备注"
    json.dumps(known)
    with pytest.raises(Forbidden):
        privacy.export(conn, Actor(username="li", role="agent"), who, 3.0)

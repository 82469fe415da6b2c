"""Who is erased leaves no byte: in no file, in no form, wherever the person may have stood."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore import (
    callbacks,
    consent,
    contact_records,
    customers,
    dictionaries,
    doctor,
    duplicates,
    exporting,
    import_undo,
    importing,
    journal,
    matching,
    merge,
    notes,
    numbers,
    personal,
    privacy,
    quotes,
    relations,
    tasks,
    webhooks,
)
from crmcore.access import SYSTEM
from crmcore.errors import Conflict, Invalid
from crmcore.store import Store
from ctid.erasure import RecordingEraser
from recorder.plan import RecordingPlan
from routing.commands import AmendContactRecord, Outcome
from routing.facts import Party
from routing.ids import AgentId, InteractionId, RecordingId

from . import forms
from .conftest import schema
from .test_contact_records import account
from .test_import_undo import Lane

pytestmark = pytest.mark.store

NUMBER, LANDLINE, ABROAD = "138-7654-3210", "025-87659834", "+442079467391"
MAIL, WECHAT = "murong.private@example.cn", "钰琪的微信号"
NAME, TWIN, OLD = "诸葛慕容", "諸葛慕蓉", "欧阳鹂鹂"
TITLE, BIRTHDAY, HOBBY = "瓯越矍铄", "1966-06-16", "收藏鼻烟壶"
STREET, DISTRICT, TAG = "琵琶巷八十八号", "白鹭洲区", "倔强孤僻"
NOTE, RECORD, SURVEY = "嗫嚅其词", "涕泗滂沱", "忐忑不安"
FILE, CONTENT, TASK = "饕餮盛宴.txt", "魑魅魍魉", "踌躇满志"
CALLBACK, FACT, PROOF, RELATION = "觊觎已久", "耄耋之年", "斡旋谶纬", "龃龉甚深"
CELL, CARD, CALLER = "囹圄之灾", "龌龊勾当", "赑屃"
PERSON = [
    NUMBER, LANDLINE, ABROAD, MAIL, WECHAT, NAME, TWIN, OLD, TITLE, BIRTHDAY, HOBBY, STREET,
    DISTRICT, TAG, NOTE, RECORD, SURVEY, FILE, CONTENT, TASK, CALLBACK, FACT, PROOF, RELATION, CELL,
    CARD, CALLER,
]  # fmt: skip
NAMES = (NAME, TWIN, OLD, CALLER)
WANTED = forms.needles(PERSON, NAMES)
OTHER = "13912345067"


def test_every_form_is_found(tmp_path: Path) -> None:
    """Else the tests below would find nothing because they cannot."""
    for value in (NUMBER, MAIL, NAME, BIRTHDAY):
        for spelled in forms.spellings(value):
            for raw in forms.encodings(spelled).values():
                (tmp_path / "x").write_bytes(b"\0\1" + raw + b"\xff")
                assert forms.search_files(tmp_path, WANTED), (spelled, raw)
    for n in range(3):
        (tmp_path / "x").write_bytes(base64.b64encode(("x" * n + NAME + "yz").encode()))
        assert forms.search_files(tmp_path, WANTED)
    (tmp_path / "x").write_bytes("王小明 13800138000 a@b.cn 1990-01-01".encode())
    assert forms.search_files(tmp_path, WANTED) == {}


# ---- everything about one person, in the files of a whole house ----------------------------------


async def fill(store: Store, folder: Path) -> tuple[str, str]:
    """Write the person wherever a person can stand; answers the person and somebody else."""
    write = store.write
    await write(webhooks.create, SYSTEM, "http://127.0.0.1:9/x", ["*"], 1.0)
    given: dict[str, Any] = {
        "name": NAME,
        "title": TITLE,
        "birthday": BIRTHDAY,
        "tags": [TAG],
        "custom": {"hobby": HOBBY},
        "contact_points": [
            {"value": NUMBER},
            {"value": LANDLINE, "label": "家"},
            {"value": ABROAD},
            {"kind": "email", "value": MAIL},
            {"kind": "wechat", "value": WECHAT},
        ],
        "addresses": [{"city": "南京市", "district": DISTRICT, "street": STREET}],
    }
    who = str((await store.create_customer(SYSTEM, given, 1.0))["id"])
    other = str((await store.create_customer(SYSTEM, {"name": "王小明"}, 1.0))["id"])
    parted = str((await store.create_customer(SYSTEM, {"name": "李大海"}, 1.0))["id"])
    twin_given = {**given, "name": TWIN, "contact_points": [{"value": NUMBER}]}
    twin = str((await store.create_customer(SYSTEM, twin_given, 1.0))["id"])
    await duplicates.scan(store.db, 1.0)
    await store.update_customer(SYSTEM, twin, {"name": OLD}, 1.5)
    await write(merge.merge, SYSTEM, who, twin, 2.0)
    # for a while the person was taken for somebody else, and that one's address was changed
    joined = await write(merge.merge, SYSTEM, parted, who, 2.1)
    both = await store.customer(SYSTEM, parted)
    addresses = [{**one, "label": "旧"} for one in both["addresses"]]
    await store.update_customer(SYSTEM, parted, {"addresses": addresses}, 2.2)
    await write(merge.undo, SYSTEM, joined["merge"], 2.3)
    await write(notes.add, SYSTEM, who, f"@amy {NOTE}", 2.0)
    await write(relations.relate, SYSTEM, who, "household", other, 2.0, note=RELATION)
    await write(relations.state_fact, SYSTEM, who, "x", FACT, "call", 2.0)
    await write(relations.attach, SYSTEM, who, FILE, "text/plain", CONTENT.encode(), 2.0)
    await write(tasks.create, SYSTEM, {"title": TASK, "customer": who}, 2.0)
    await write(tasks.create, SYSTEM, {"title": TASK, "interaction": "i1"}, 2.0)
    late = await write(tasks.create, SYSTEM, {"title": TASK}, 2.0)
    await write(tasks.update, SYSTEM, late["id"], {"customer": who}, 2.1)
    await write(matching.link, SYSTEM, NUMBER, who, 2.0)
    await write(consent.record_consent, SYSTEM, who, "sms", "any", True, "call", 2.0, proof=PROOF)
    for n, outcome in ((1, Outcome.ANSWERED), (2, Outcome.ABANDONED)):
        party = Party(number=NUMBER, name=CALLER)
        await store.file_contact_record(account(n, outcome, caller=party), 3.0)
    await store.amend_contact_record(
        AmendContactRecord(interaction=InteractionId("i1"), agent=AgentId("a"), notes=RECORD), 3.0
    )
    await store.update_contact_record(SYSTEM, "1", {"survey": {"a": SURVEY}}, 3.0)
    await write(callbacks.result, SYSTEM, "1", "no_answer", 3.0, note=CALLBACK)
    # a call of the person that was put down to somebody else
    await store.file_contact_record(
        account(3, caller=Party(number=NUMBER, name=CALLER), customer=other), 3.0
    )
    payloads = (
        ("i1", {"t": "InteractionArrived", "caller": {"number": NUMBER, "name": NAME}}),
        ("i1", {"t": "CustomerMatched", "attributes": {"skill.x": HOBBY}}),
        ("i1", {"t": "DispositionSet", "notes": NOTE}),
        ("i1", {"t": "ReleaseRequested", "reason": RELATION}),
        ("i9", {"t": "DispositionSet", "notes": "他说 +86 (138) 7654 3210 也行"}),
        (None, {"dialled": NUMBER}),
    )
    for n, (interaction, payload) in enumerate(payloads, 1):
        told = json.dumps(payload, ensure_ascii=False)
        store.journal.append(n, 3.0, None, "F", interaction, told)
    await store.journal.flush()
    table = folder / "in.csv"
    table.write_text(
        f"姓名,手机,备注\n{NAME},{NUMBER},{CELL}\n坏行,anonymous {NUMBER},{CARD}\n", "gb18030"
    )
    mapping = ["name", "phone", "custom.note"]
    await importing.run(store.db, SYSTEM, table, mapping, "both", 4.0, file_name=f"{NUMBER}.csv")
    table.unlink()
    return who, other


def keep_audio(folder: Path) -> RecordingPlan:
    plan = RecordingPlan(intake_dir=folder / "intake", library_dir=folder / "library")
    for path in (
        plan.intake_path(RecordingId("i1.r")),
        plan.message_path(RecordingId("i1.r")),
        plan.library_dir / "2026/01/01/i1.r.wav",
        plan.library_dir / "2026/01/01/i9.r.wav",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF" + CONTENT.encode() * ("i1" in path.name))
    return plan


async def export_all(store: Store, folder: Path) -> None:
    await asyncio.to_thread(folder.mkdir)
    for entity, kinds in (
        ("customer", ("csv", "xlsx", "vcf")),
        ("contact_record", ("csv", "xlsx")),
    ):
        for kind in kinds:
            path = folder / f"{entity}.{kind}"
            await store.read(exporting.write, SYSTEM, entity, kind, path)


async def test_no_file_of_the_house_keeps_a_byte_of_the_person(tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    store = await Store.open(house / "ctid.db", 1.0)
    await store.users.create(SYSTEM, {"username": "amy", "role": "agent"}, "secret-1", 1.0)
    who, other = await fill(store, tmp_path)
    plan = keep_audio(house)
    file = "2026/01/01/i1.r.wav"
    await store.put_recording("i1.r", "i1", "ready", 3.0, file_name=file, sha256="ab")
    await store.db.truncate_wal()
    seen = {one.partition(":")[0] for f in forms.search_files(house, WANTED).values() for one in f}
    assert seen == set(PERSON)
    reason = f"{NAME}来电 {NUMBER} 要求"
    port = RecordingEraser(plan)
    done = await privacy.erase(store.db, SYSTEM, who, reason, 9.0, ports=[port])
    assert (done["finished"], done["contact_records"], done["recordings"]) == (True, 2, 1)
    assert forms.search_files(house, WANTED) == {}
    assert [p.name for p in plan.library_dir.rglob("*.wav")] == ["i9.r.wav"]

    def terms(conn: sqlite3.Connection) -> bytes:
        found = []
        for table in ("customer_fts", "record_fts"):
            conn.execute(f"CREATE VIRTUAL TABLE temp.{table}_v USING fts5vocab(main, {table}, row)")
            found += [r[0] for r in conn.execute(f"SELECT term FROM temp.{table}_v")]  # noqa: S608
        return "\n".join(found).encode()

    # terms share their beginnings in the file: only the index itself can tell all of them
    assert forms.search(await store.db.write(terms), WANTED) == set()
    await export_all(store, house / "exports")
    await store.db.backup_to(house / "ctid.backup")
    assert forms.search_files(house, WANTED) == {}
    assert await store.journal.verify() == 6
    assert [f for f in await doctor.examine(store.db) if not f["ok"]] == []
    assert (await store.customer(SYSTEM, other))["name"] == "王小明"
    await store.close()
    assert forms.search_files(house, WANTED) == {}


# ---- what stays ----------------------------------------------------------------------------------


async def test_what_stays_about_the_person_is_listed(store: Store, tmp_path: Path) -> None:
    """Every row that still belongs to the person holds something in the listed columns only."""
    who, _ = await fill(store, tmp_path)
    await store.put_recording("i1.r", "i1", "ready", 3.0, file_name="a.wav", sha256="ab")
    plan = RecordingPlan(intake_dir=tmp_path / "intake", library_dir=tmp_path / "library")
    await privacy.erase(store.db, SYSTEM, who, "asked", 9.0, ports=[RecordingEraser(plan)])

    def look(conn: sqlite3.Connection) -> dict[str, set[str]]:
        ids = {
            int(who),
            *(r[0] for r in conn.execute("SELECT id FROM customers WHERE merged_into")),
        }
        mine: dict[str, set[str]] = {}
        names = [r[0] for r in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in (n for n in names if not n.startswith("sqlite_")):
            for row in conn.execute(f"SELECT * FROM {table}"):  # noqa: S608
                one = dict(row)
                belongs = {
                    one["id"] if table == "customers" else None,
                    *(one.get(name) for name in ("customer", "other", "survivor", "gone")),
                }
                if belongs & ids or one.get("interaction") in ("i1", "i2"):
                    empty = (None, "", 0, 0.0, "[]", "{}")
                    mine.setdefault(table, set()).update(
                        k for k, v in one.items() if v not in empty
                    )
        return mine

    left = await store.db.read(look)
    for table, columns in left.items():
        assert columns <= personal.KEPT.get(table, frozenset()), table
    assert set(left) == {
        "customers", "contact_records", "consents", "erasures", "audit", "journal", "recordings",
        "merges", "webhook_deliveries",
    }  # fmt: skip


def test_every_text_of_the_store_is_looked_at_or_holds_codes(conn: sqlite3.Connection) -> None:
    """A new column must be sorted: may somebody write another person's number in it?"""
    unsorted = []
    for table in [
        r[0] for r in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]:
        if table.startswith("sqlite_") or "_fts" in table:
            continue
        for column in conn.execute(f"PRAGMA table_info({table})"):
            known = (*quotes.TEXTS.get(table, ()), *personal.CODES.get(table, ()))
            if column["type"] == "TEXT" and column["name"] not in known:
                unsorted.append(f"{table}.{column['name']}")
    assert unsorted == []


# ---- what comes in between -----------------------------------------------------------------------


async def test_who_reads_for_long_delays_the_end_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "ctid.db", 1.0)
    who, _ = await fill(store, tmp_path)
    await store.db.truncate_wal()
    reading = sqlite3.connect(tmp_path / "ctid.db", isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM customers").fetchone()
    truncate = store.db.truncate_wal

    async def impatient() -> bool:
        return await truncate(patience_s=0.0)

    store.db.truncate_wal = impatient  # type: ignore[method-assign]
    done = await privacy.erase(store.db, SYSTEM, who, "asked", 9.0)
    assert not done["finished"]
    reading.execute("ROLLBACK")
    reading.close()
    [erasure] = await store.read(privacy.unfinished)
    assert (await privacy.finish(store.db, erasure, 10.0))["finished"]
    assert await store.read(privacy.unfinished) == []
    assert forms.search_files(tmp_path, WANTED) == {}
    await store.close()


@pytest.mark.parametrize("after", ["blank_journal", "find", "_erase"])
async def test_an_erasure_that_was_cut_short_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    store = await Store.open(tmp_path / "ctid.db", 1.0)
    who, _ = await fill(store, tmp_path)
    module = privacy if after == "_erase" else quotes
    whole: Any = getattr(module, after)

    class Cut(BaseException):
        """The process was killed."""

    if after == "_erase":
        monkeypatch.setattr(privacy, "finish", lambda *a, **k: (_ for _ in ()).throw(Cut))
    else:

        async def cut(*args: Any) -> None:
            await whole(*args)
            raise Cut

        monkeypatch.setattr(quotes, after, cut)
    with pytest.raises(Cut):
        await privacy.erase(store.db, SYSTEM, who, "asked", 9.0)
    monkeypatch.undo()
    if after != "_erase":  # it is as if it had not been asked for: ask again
        await privacy.erase(store.db, SYSTEM, who, "asked", 10.0)
    for erasure in await store.read(privacy.unfinished):
        await privacy.finish(store.db, erasure, 11.0)
    assert forms.search_files(tmp_path, WANTED) == {}
    await store.close()


async def test_a_call_of_a_person_without_a_number_is_live_all_the_same(store: Store) -> None:
    who = (await store.create_customer(SYSTEM, {"name": NAME}, 1.0))["id"]
    store.journal.put_live("interaction", "i9", {"customer": who, "customer_name": NAME})
    await store.journal.flush()
    with pytest.raises(Conflict, match="live"):
        await privacy.erase(store.db, SYSTEM, who, "x", 2.0)


async def test_what_waited_for_a_webhook_is_not_sent_empty(store: Store) -> None:
    await store.write(webhooks.create, SYSTEM, "http://127.0.0.1:9/x", ["*"], 1.0)
    who = (await store.create_customer(SYSTEM, {"name": NAME}, 1.0))["id"]
    await privacy.erase(store.db, SYSTEM, who, "x", 2.0)
    batch, _ = await store.read(webhooks.due, 3.0)
    assert [json.loads(body)["event"] for *_, body in batch] == ["customer.erased"]


# ---- a number that is somebody else's, too -------------------------------------------------------


async def test_a_shared_number_stays_with_the_other_and_nowhere_else(
    store: Store, tmp_path: Path
) -> None:
    points = [{"value": NUMBER}, {"kind": "email", "value": MAIL}]
    who = (await store.create_customer(SYSTEM, {"name": NAME, "contact_points": points}, 1.0))["id"]
    given = {"name": "家人", "contact_points": [{"value": NUMBER}]}
    spouse = (await store.create_customer(SYSTEM, given, 1.0))["id"]
    third = (await store.create_customer(SYSTEM, {"name": "邻居"}, 1.0))["id"]
    for one in (spouse, third):
        await store.write(notes.add, SYSTEM, one, f"电话 {NUMBER}，信箱 {MAIL}", 2.0)
    for n, whose in enumerate((who, spouse), 1):
        record = account(n, Outcome.ABANDONED, NUMBER, customer=whose)
        await store.file_contact_record(record, 3.0)
    table = tmp_path / "in.csv"
    table.write_text("手机,邮箱,称呼\n010-84701234,x@y.cn,\n")
    given_2 = {"name": "家人", "contact_points": [{"kind": "email", "value": "x@y.cn"}]}
    await store.update_customer(
        SYSTEM,
        spouse,
        {"contact_points": [*given["contact_points"], *given_2["contact_points"]]},
        3.5,
    )
    mapping = ["phone", "email", "title"]
    done = await importing.run(store.db, SYSTEM, table, mapping, "update", 4.0)
    assert done.updated == 1
    await privacy.erase(store.db, SYSTEM, who, "asked", 9.0)
    texts = {
        one: [n["text"] for n in await store.read(notes.of_customer, SYSTEM, one)]
        for one in (spouse, third)
    }
    assert texts == {
        spouse: [f"电话 {NUMBER}，信箱 {privacy.BLANK}"],
        third: [f"电话 {privacy.BLANK}，信箱 {privacy.BLANK}"],
    }
    records, _ = await store.contact_records(SYSTEM, {"customer": spouse})
    assert [r["caller_number"] for r in records] == [NUMBER]
    assert (await store.match(NUMBER)).known
    await import_undo.undo(store.db, SYSTEM, done.import_id, 10.0)
    values = [p["value"] for p in (await store.customer(SYSTEM, spouse))["contact_points"]]
    assert values == [NUMBER, "x@y.cn"]


def test_a_short_number_is_no_part_of_a_long_one() -> None:
    bank = quotes.Person({"short:95588": {"95588", "short:95588"}})
    assert bank.blanked("95588 或 13995588123") == f"{quotes.BLANK} 或 13995588123"
    assert not bank.quoted("13995588123")


# ---- drawn ---------------------------------------------------------------------------------------

SPELLED = st.sampled_from(
    [
        "13876543210", "138-7654-3210", "138 7654 3210", "+86 138 7654 3210", "0086-138-7654-3210",
        "138~7654~3210", "138‑7654—3210", "一三八七六五四三二一〇", "幺三八 7654 三二幺零",
        "１３８７６５４３２１０", "(0)138.7654.3210", "+8613876543210", "138/7654/3210",
        "０２５－８７６５９８３４", "025-87659834", "(025) 8765 9834", "+86 25 8765-9834",
        "MURONG.Private@Example.CN", "murong.private＠example.cn",
        "ｍｕｒｏｎｇ．private@example.cn",
    ]
)  # fmt: skip
Way = Callable[[sqlite3.Connection, str, str, str, int], object]


def _imported(conn: sqlite3.Connection, other: str, said: str, n: int) -> None:
    """What an import keeps: its name, what it changed, what it refused."""
    undo = json.dumps({"customers": [{"title": said}]}, ensure_ascii=False)
    key = conn.execute(
        "INSERT INTO imports(file_name, mode, mapping, state, actor, at)"
        " VALUES (?, 'both', '[]', 'done', 'x', 1.0)",
        (f"{said}.csv",),
    ).lastrowid
    conn.execute(
        "INSERT INTO import_changes(import_id, customer, change, undo) VALUES (?,?,?,?)",
        (key, other, json.dumps({"title": said}, ensure_ascii=False), undo),
    )
    conn.execute(
        "INSERT INTO import_refusals(import_id, line, problem, content) VALUES (?,?,?,?)",
        (
            key,
            n,
            json.dumps(Invalid({"name": said}).details(), ensure_ascii=False),
            json.dumps([said], ensure_ascii=False),
        ),
    )


def _merged(conn: sqlite3.Connection, other: str, said: str, n: int) -> None:
    gone = customers.create(conn, SYSTEM, {"name": "丙", "title": said, "sex": said}, 2.0)["id"]
    done = merge.merge(conn, SYSTEM, other, gone, 2.0)
    if n % 2:
        merge.undo(conn, SYSTEM, done["merge"], 2.5)


def _update(**given: Any) -> Callable[..., object]:
    def way(conn: sqlite3.Connection, who: str, other: str, said: str, n: int) -> object:
        filled = json.loads(json.dumps(given).replace('"?"', json.dumps(said)))
        return customers.update(conn, SYSTEM, other, filled, 2.0)

    return way


WAYS: dict[str, Way] = {
    "name": _update(name="?"),
    "title": _update(title="?"),
    "other fields": _update(sex="?", language="?", source="?", custom={"x": "?"}),
    "tags": _update(tags=["?", "留下"]),
    "roles": _update(roles=["?", "reader"]),
    "addresses": _update(addresses=[{"street": "?", "label": "?", "city": "?", "source": "?"}]),
    "labels": _update(contact_points=[{"value": OTHER, "label": "?", "source": "?"}]),
    "note": lambda conn, who, other, said, n: notes.add(conn, SYSTEM, other, f"前{said}后", 2.0),
    "relation": lambda conn, who, other, said, n: relations.relate(
        conn, SYSTEM, other, "household", who if n % 2 else "3", 2.0, note=said
    ),
    "fact": lambda conn, who, other, said, n: relations.state_fact(
        conn, SYSTEM, other, said, said, said, 2.0
    ),
    "file": lambda conn, who, other, said, n: relations.attach(
        conn, SYSTEM, other, said, said, b"x", 2.0
    ),
    "task": lambda conn, who, other, said, n: tasks.create(
        conn, SYSTEM, {"title": said, "text": said, "customer": other if n % 2 else None}, 2.0
    ),
    "consent": lambda conn, who, other, said, n: consent.record_consent(
        conn, SYSTEM, other, "sms", "any", True, said, 2.0, proof=said
    ),
    "view": lambda conn, who, other, said, n: dictionaries.save_view(
        conn, SYSTEM, "customer", said, {"q": said}
    ),
    "their record": lambda conn, who, other, said, n: _record(conn, 100 + n, OTHER, said, other),
    "their record of a wrong number": lambda conn, who, other, said, n: _record(
        conn, 200 + n, "13876543210", said, other
    ),
    "own record": lambda conn, who, other, said, n: _record(
        conn, 300 + n, "13876543210", said, who
    ),
    "nobody's record": lambda conn, who, other, said, n: _record(
        conn, 400 + n, "025-87659834", said, None
    ),
    "early": lambda conn, who, other, said, n: contact_records.amend(
        conn,
        AmendContactRecord(
            interaction=InteractionId(f"e{n}"), agent=AgentId("a"), notes=said, disposition=said
        ),
        2.0,
    ),
    "import": lambda conn, who, other, said, n: _imported(conn, other, said, n),
    "merge": lambda conn, who, other, said, n: _merged(conn, other, said, n),
    "callback": lambda conn, who, other, said, n: _missed(conn, n, said),
    "journal": lambda conn, who, other, said, n: _journaled(conn, f"j{n}", {"notes": said}),
    "own journal": lambda conn, who, other, said, n: _journaled(
        conn, f"i{300 + n}", {"notes": said, "caller": {"number": "13876543210"}}
    ),
    "link": lambda conn, who, other, said, n: _linked(conn, other),
}


def _record(conn: sqlite3.Connection, n: int, number: str, said: str, whose: str | None) -> None:
    party = Party(number=number, name=said)
    contact_records.file(conn, account(n, caller=party, customer=whose), 3.0)
    conn.execute("UPDATE contact_records SET customer = ? WHERE interaction = ?", (whose, f"i{n}"))
    changed = {"notes": said, "survey": {"a": said}, "disposition": said}
    contact_records.update(conn, SYSTEM, f"i{n}", changed, 3.0)


def _missed(conn: sqlite3.Connection, n: int, said: str) -> None:
    contact_records.file(conn, account(500 + n, Outcome.ABANDONED, OTHER), 3.0)
    [entry, *_] = callbacks.page(conn, SYSTEM)[0]
    callbacks.result(conn, SYSTEM, entry["id"], "no_answer", 3.0, note=said)


def _journaled(conn: sqlite3.Connection, interaction: str, payload: dict[str, Any]) -> None:
    head = conn.execute("SELECT head_seq, head_chain FROM journal_state").fetchone()
    told = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    entry = journal.JournalEntry(head["head_seq"] + 1, 3.0, None, "F", interaction, told)
    journal._write(conn, bytes(head["head_chain"]), [entry], {})


def _linked(conn: sqlite3.Connection, other: str) -> None:
    """The person's number was the other's for a while: the choice is remembered."""
    matching.link(conn, SYSTEM, "13876543210", other, 2.0)
    customers.update(conn, SYSTEM, other, {"contact_points": [{"value": OTHER}]}, 2.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(WAYS)), SPELLED), min_size=1, max_size=8))
def test_wherever_somebody_wrote_it_down(written: list[tuple[str, str]]) -> None:
    conn = schema()
    conn.execute("PRAGMA secure_delete=ON")
    points = [{"value": NUMBER}, {"value": LANDLINE}, {"kind": "email", "value": MAIL}]
    who = customers.create(conn, SYSTEM, {"name": "某人", "contact_points": points}, 1.0)["id"]
    given = {"name": "王小明", "contact_points": [{"value": OTHER}], "title": "留下的话"}
    other = customers.create(conn, SYSTEM, given, 1.0)["id"]
    customers.create(conn, SYSTEM, {"name": "第三人"}, 1.0)
    for n, (way, said) in enumerate(written):
        WAYS[way](conn, who, other, said, n)
    asyncio.run(privacy.erase(Lane(conn), SYSTEM, who, "asked", 9.0))  # type: ignore[arg-type]
    lines = "\n".join(one for one in conn.iterdump() if "INSERT INTO" in one)
    digit = {ord(c): one for one, some in numbers.WRITTEN_DIGITS.items() for c in some}
    plain = unicodedata.normalize("NFKC", lines).translate(digit).casefold()
    digits = re.sub(rf"(?<=\d)[\s{re.escape(numbers.BETWEEN_DIGITS)}]+(?=\d)", "", plain)
    for one in ("13876543210", "0123456783", "2587659834", "murong"):
        assert one not in digits, [w for w, _ in written]
    image = conn.serialize()
    for _, said in written:
        assert said.encode() not in image
    assert OTHER in digits  # nobody else's number goes with it
    assert (customers.get(conn, SYSTEM, other)["contact_points"][0]["value"]) == OTHER
    indexed = {r[0] for r in conn.execute("SELECT rowid FROM customer_fts")}
    active = {r[0] for r in conn.execute("SELECT id FROM customers WHERE state = 'active'")}
    assert indexed == active
    assert journal._verify(conn) is not None
    assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
    conn.close()

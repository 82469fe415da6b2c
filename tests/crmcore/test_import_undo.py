"""Undoing an import is the identity, whatever was imported into whatever was there.

The imports here run on one connection in memory and read their file in this process, so that many
can be drawn; ``test_importing`` has the file, the lane and the reader's own process.
"""

from __future__ import annotations

import asyncio
import csv
import marshal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore import (
    consent,
    contact_records,
    customers,
    duplicates,
    import_reader,
    import_undo,
    importing,
    matching,
    merge,
    notes,
    privacy,
    relations,
    search,
    tabular,
    tasks,
    webhooks,
)
from crmcore.access import SYSTEM
from crmcore.errors import StoreError
from routing.commands import Outcome

from .conftest import schema
from .test_contact_records import account
from .test_merge import CUSTOMER, build

pytestmark = pytest.mark.store

Row = dict[str, Any]
Rows = dict[tuple[str, tuple[Any, ...]], Row]
"""Everything that is stored: (table, primary key) -> row."""

OWN = {
    "customers": "id",
    "contact_points": "customer",
    "addresses": "customer",
    "customer_roles": "customer",
    "customer_tags": "customer",
}
"""A customer's own rows, and the column that says whose they are."""
ABOUT_IMPORTS = {"imports", "import_changes", "import_refusals"}
INNER = {"audit", "migrations", "sqlite_sequence"}


class Lane:
    """Stands for ``Database``: every function is a whole transaction on one connection."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn

    async def write(self, fn: Callable[[sqlite3.Connection], Any], **_: Any) -> Any:
        self.conn.execute("BEGIN IMMEDIATE")
        try:
            value = fn(self.conn)
        except BaseException:
            self.conn.execute("ROLLBACK")
            raise
        self.conn.execute("COMMIT")
        return value

    async def read(self, fn: Callable[[sqlite3.Connection], Any], **_: Any) -> Any:
        return fn(self.conn)

    async def truncate_wal(self) -> None:
        """There is no log."""


class HereReader:
    """Stands for ``Reader``: the same rows in the same frames, without a process."""

    def __init__(self, frames: Iterator[import_reader.Frame], total: int) -> None:
        self._frames, self.total = frames, total

    @classmethod
    async def open(cls, path: Path, *order: Any) -> HereReader:
        source = tabular.open_table(path)
        return cls(import_reader.prepare(source, *order), tabular.count_rows(source))

    async def rows(self, most: int) -> list[bytes]:
        some = islice(self._frames, max(1, most // import_reader.FRAME_ROWS))
        return [marshal.dumps(one) for one in some]

    async def close(self) -> None:
        """Nothing was opened."""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "Reader", HereReader)
    monkeypatch.setattr(import_reader, "FRAME_ROWS", 2)  # so that few rows are several frames
    monkeypatch.setattr(importing, "CHUNK", 4)


# ---- what is drawn -------------------------------------------------------------------------------

PHONES = [f"1380013800{n}" for n in range(6)]
SPELLINGS = [*PHONES, "+86 138 0013 8001", "138-0013-8002", "010-84701234", "95588", "1002"]
MAILS = ["a@b.cn", "A@B.CN", "wang.wei@example.cn"]
CELLS: dict[str, list[str]] = {
    "name": ["王伟", "張三豐", "Anna Lee", "=1+1", "先锋广告公司", "龖𠮷", "x" * 300],
    "kind": ["个人", "公司", "organisation", "动物"],
    "title": ["主任", "二楼\n左手"],
    "sex": ["女"],
    "birthday": ["1966-06-16", "1966/6/16", "六月十六"],
    "language": ["en"],
    "owner": ["amy", "bob"],
    "team": ["red"],
    "vip": ["是", "no"],
    "source": ["展会"],
    "tags": ["读者，订户", "a", "a、b、c"],
    "roles": ["reader", "a;z"],
    "phone": [*SPELLINGS, "13800138000、010-84701234", "13800138001 13800138002", "anonymous"],
    "email": [*MAILS, "nobody"],
    "wechat": ["wx_1", "微信号"],
    "qq": ["10001"],
    "weibo": ["@微博"],
    "province": ["江苏省"],
    "city": ["南京", "苏州"],
    "district": ["鼓楼区"],
    "street": ["中山路1号"],
    "postcode": ["210000"],
    "custom.x": ["1", "金"],
    "custom.level": ["银"],
}
ALWAYS = ["name", "phone", "email"]
OTHERS = [*sorted(set(CELLS) - set(ALWAYS)), "phone", "street", "custom.x", ""]

STORE = st.lists(
    st.builds(
        lambda one, mails, kind: {**one, "mails": mails, "kind": kind},
        CUSTOMER,
        st.lists(st.sampled_from(MAILS), max_size=1),
        st.sampled_from(["person", "organisation"]),
    ),
    min_size=1,
    max_size=4,
)


@st.composite
def tables(draw: st.DrawFn) -> Row:
    columns = [*ALWAYS, *draw(st.lists(st.sampled_from(OTHERS), max_size=8))]
    columns = draw(st.permutations(columns))
    cells = [st.sampled_from(["", *CELLS.get(name, ["z"])]) for name in columns]
    return {
        "mapping": columns,
        "rows": draw(st.lists(st.tuples(*cells), min_size=1, max_size=10)),
        "format": draw(st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16", "xlsx"])),
        "delimiter": draw(st.sampled_from(",;\t")),
        "mode": draw(st.sampled_from(["both", "both", "create", "update"])),
    }


def written(folder: Path, table: Row) -> Path:
    path = folder / "in.xlsx"  # openpyxl goes by the name's end, all else by the content
    header = [f"列{n}" for n in range(len(table["mapping"]))]
    if table["format"] == "xlsx":
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in (header, *table["rows"]):
            # as a spreadsheet keeps it: a number for a number, an apostrophe before a formula
            sheet.append(
                [float(c) if c.isdigit() and len(c) > 4 else tabular.guarded(c) for c in row]
            )
        book.save(path)
        return path
    with open(path, "w", encoding=table["format"], newline="") as file:
        csv.writer(file, delimiter=table["delimiter"]).writerows([header, *table["rows"]])
    return path


ACTS = (
    "change", "change_point", "note", "link", "task", "consent", "fact", "file", "relate", "watch",
    "record", "missed", "merge", "part", "duplicates", "erase",
)  # fmt: skip
USERS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6
)


async def act(lane: Lane, what: str, one: int, other: int, n: int) -> None:
    """What somebody does to a customer; what the store refuses did not happen."""
    conn, now = lane.conn, 100.0 + n
    found = [r[0] for r in conn.execute("SELECT id FROM customers WHERE state = 'active'")]
    if not found:
        return
    who, whom = found[one % len(found)], found[other % len(found)]
    number = PHONES[other % len(PHONES)]
    deeds: dict[str, Callable[[], object]] = {
        "change": lambda: customers.update(conn, SYSTEM, who, {"title": f"改{n}"}, now),
        "change_point": lambda: customers.update(
            conn, SYSTEM, who, {"contact_points": [{"value": number}], "tags": ["新"]}, now
        ),
        "note": lambda: notes.add(conn, SYSTEM, who, f"备注{n}", now),
        "link": lambda: matching.link(conn, SYSTEM, number, who, now),
        "task": lambda: tasks.create(conn, SYSTEM, {"title": "回访", "customer": who}, now),
        "consent": lambda: consent.record_consent(
            conn, SYSTEM, who, "sms", "any", True, "call", now
        ),
        "fact": lambda: relations.state_fact(conn, SYSTEM, who, "职业", "教师", "来电", now),
        "file": lambda: relations.attach(conn, SYSTEM, who, "a", "text/plain", b"x", now),
        "relate": lambda: relations.relate(conn, SYSTEM, who, "household", whom, now),
        "watch": lambda: notes.watch(conn, SYSTEM, who, watching=True),
        "record": lambda: contact_records.file(
            conn, account(100 + n, Outcome.ANSWERED, number), now
        ),
        "missed": lambda: contact_records.file(
            conn, account(100 + n, Outcome.ABANDONED, number), now
        ),
        "merge": lambda: merge.merge(conn, SYSTEM, who, whom, now),
        "part": lambda: merge.undo(
            conn, SYSTEM, conn.execute("SELECT max(id) FROM merges").fetchone()[0], now
        ),
        "duplicates": lambda: duplicates.note(conn, duplicates.of_customer(conn, who), now),
    }
    if what == "erase":
        await privacy.erase(lane, SYSTEM, who, "asked", now)  # type: ignore[arg-type]
        return
    conn.execute("SAVEPOINT act")
    try:
        deeds[what]()
    except StoreError:
        conn.execute("ROLLBACK TO act")
    conn.execute("RELEASE act")


# ---- what is compared ----------------------------------------------------------------------------


def everything(conn: sqlite3.Connection) -> Rows:
    """All rows of all tables but the audit, the imports' own and the inner side of the index."""
    found: Rows = {}
    tables = [
        row[0]
        for row in conn.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_fts%'"
            " ESCAPE '\\'"
        )
    ]
    for table in sorted(set(tables) - ABOUT_IMPORTS - INNER):
        key = [r["name"] for r in conn.execute(f"PRAGMA table_info({table})") if r["pk"]]
        for row in conn.execute(f"SELECT * FROM {table}"):  # noqa: S608
            found[table, tuple(row[name] for name in key)] = dict(row)
    return found


def indexed(conn: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """The search indices: their texts, and each term with where it stands (``fts5vocab``)."""
    found = []
    for table in ("customer_fts", "record_fts"):
        found += [tuple(r) for r in conn.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid")]  # noqa: S608
        conn.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{table}_v"
            f" USING fts5vocab(main, {table}, instance)"
        )
        found += sorted(tuple(r) for r in conn.execute(f"SELECT * FROM temp.{table}_v"))  # noqa: S608
    return found


QUERIES = [
    *SPELLINGS, *MAILS, *CELLS["name"][:6], "ww", "wangwei", "zsf", "138001", "8001", "读者",
    "主任", "南京", "中山路", "金", "wx_1", "备注", "anna", "a", "鼓楼区",
]  # fmt: skip


def answers(conn: sqlite3.Connection) -> list[Any]:
    """What searching and lists answer."""
    found: list[Any] = [search.find(conn, SYSTEM, query) for query in QUERIES]
    for filters in ({}, {"tag": "a"}, {"role": "reader"}, {"owner": "amy"}, {"vip": "true"}):
        found.append(customers.load(conn, SYSTEM, search.page(conn, SYSTEM, filters)[0]))
    found += [matching.ranked(conn, matching.numbers.parse(one)) for one in SPELLINGS]
    return found


def owner(table: str, row: Row) -> int | None:
    return row[OWN[table]] if table in OWN else None


def own(rows: Rows, who: int) -> Rows:
    return {key: row for key, row in rows.items() if owner(key[0], row) == who}


def ids(rows: Rows) -> set[int]:
    return {key[0] for table, key in rows if table == "customers"}


def used(rows: Rows, who: int) -> bool:
    """Whether something of another kind stands at this customer."""
    return any(
        who in (row.get("customer"), row.get("other"), row.get("survivor"), row.get("gone"))
        for (table, _), row in rows.items()
        if table not in {*OWN, "duplicates", "watchers", "webhook_deliveries", "erasures"}
    )


def expected(before: Rows, imported: Rows, now: Rows) -> tuple[Rows, dict[str, int]]:
    """What undoing makes of ``now``: who was changed since (or is new and was used) stays as they
    are; everybody else is as before."""
    counts = {"removed": 0, "restored": 0, "kept": 0}
    after = {key: row for key, row in now.items() if key[0] not in OWN}
    for who in ids(now):
        was, then, there = own(before, who), own(imported, who), own(now, who)
        if was == then:  # not the import's
            after |= there
        elif there != then or (not was and used(now, who)):
            after |= there
            # who was erased is known no more to have been the import's
            erased = was and now["customers", (who,)]["state"] == "erased"
            counts["kept"] += not erased
        elif was:
            after |= was
            counts["restored"] += 1
        else:
            counts["removed"] += 1
            gone = {
                key
                for key, row in after.items()
                if (key[0] == "watchers" and row["customer"] == who)
                or (key[0] == "duplicates" and who in (row["one"], row["other"]))
            }
            after = {key: row for key, row in after.items() if key not in gone}
    return after, counts


def sound(conn: sqlite3.Connection) -> None:
    """The index holds what the rows say, and nothing points at nothing."""
    texts = {r[0]: (r[1], r[2]) for r in conn.execute("SELECT rowid, name, rest FROM customer_fts")}
    active = [r[0] for r in conn.execute("SELECT id FROM customers WHERE state = 'active'")]
    assert texts == {one: search.stored_documents(conn, one) for one in active}
    assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
    assert conn.execute("SELECT count(*) FROM customers WHERE state = 'staged'").fetchone()[0] == 0


@contextmanager
def a_store(plan: list[Row]) -> Iterator[Lane]:
    conn = schema()
    webhooks.create(conn, SYSTEM, "http://127.0.0.1:9/x", ["*"], 1.0)
    if plan:
        build(conn, plan)
    yield Lane(conn)
    conn.close()


async def run(lane: Lane, folder: Path, table: Row, now: float, **more: Any) -> importing.Progress:
    path = written(folder, table)
    return await importing.run(lane, SYSTEM, path, table["mapping"], table["mode"], now, **more)  # type: ignore[arg-type]


async def undo(lane: Lane, import_id: str, now: float) -> dict[str, int]:
    return await import_undo.undo(lane, SYSTEM, import_id, now)  # type: ignore[arg-type]


def nothing_left(conn: sqlite3.Connection, import_id: str) -> None:
    left = conn.execute("SELECT count(*) FROM import_changes WHERE import_id = ?", (import_id,))
    assert left.fetchone()[0] == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undo")


# ---- the properties ------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(STORE, tables())
def test_import_then_undo_is_the_identity(folder: Path, plan: list[Row], table: Row) -> None:
    async def check(lane: Lane) -> None:
        conn = lane.conn
        before, index, found = everything(conn), indexed(conn), answers(conn)
        done = await run(lane, folder, table, 50.0)
        imported = everything(conn)
        sound(conn)
        counts = await undo(lane, done.import_id, 60.0)
        assert counts == expected(before, imported, imported)[1]
        assert counts["kept"] == 0
        assert counts["removed"] == done.created
        assert everything(conn) == before
        assert indexed(conn) == index
        assert answers(conn) == found
        nothing_left(conn, done.import_id)

    with a_store(plan) as lane:
        asyncio.run(check(lane))


@settings(max_examples=60, deadline=None)
@given(STORE, tables(), USERS)
def test_undo_keeps_whom_people_worked_on_and_restores_the_rest(
    folder: Path, plan: list[Row], table: Row, users: list[tuple[str, int, int]]
) -> None:
    async def check(lane: Lane) -> None:
        conn = lane.conn
        before = everything(conn)
        done = await run(lane, folder, table, 50.0)
        imported = everything(conn)
        for n, (what, one, other) in enumerate(users):
            await act(lane, what, one, other, n)
        should, counts = expected(before, imported, everything(conn))
        assert await undo(lane, done.import_id, 200.0) == counts
        assert everything(conn) == should
        sound(conn)
        nothing_left(conn, done.import_id)

    with a_store(plan) as lane:
        asyncio.run(check(lane))


@settings(max_examples=30, deadline=None)
@given(STORE, tables(), tables(), st.booleans())
def test_two_imports_are_undone_in_either_order(
    folder: Path, plan: list[Row], first: Row, second: Row, backwards: bool
) -> None:
    async def check(lane: Lane) -> None:
        conn = lane.conn
        states = [everything(conn)]
        made = []
        for n, table in enumerate((first, second)):
            made.append((await run(lane, folder, table, 50.0 + n)).import_id)
            states.append(everything(conn))
        if backwards:
            await undo(lane, made[1], 60.0)
            assert everything(conn) == states[1]
            await undo(lane, made[0], 61.0)
            assert everything(conn) == states[0]
        else:
            should, counts = expected(states[0], states[1], states[2])
            assert await undo(lane, made[0], 60.0) == counts
            assert everything(conn) == should
            await undo(lane, made[1], 61.0)
        sound(conn)

    with a_store(plan) as lane:
        asyncio.run(check(lane))


# ---- what people do while it is being read -------------------------------------------------------


def meanwhile(what: Callable[[sqlite3.Connection], object], lane: Lane) -> Row:
    """Do it when all rows are staged and nothing is applied yet."""

    def at(progress: importing.Progress) -> None:
        if progress.stage == "applying":
            what(lane.conn)

    return {"progress": at}


def two_customers(conn: sqlite3.Connection) -> list[int]:
    made = []
    for name, number in (("王伟", PHONES[0]), ("李强", PHONES[1])):
        given = {"name": name, "contact_points": [{"value": number}]}
        made.append(int(customers.create(conn, SYSTEM, given, 1.0)["id"]))
    return made


CHANGE = {
    "mapping": ["phone", "title", "tags"],
    "rows": [(PHONES[0], "主任", "新"), (PHONES[1], "编辑", "")],
    "format": "utf-8",
    "delimiter": ",",
    "mode": "update",
}


async def test_a_customer_merged_meanwhile_gets_the_change_as_its_survivor(folder: Path) -> None:
    with a_store([]) as lane:
        conn = lane.conn
        one, other = two_customers(conn)
        during = meanwhile(lambda conn: merge.merge(conn, SYSTEM, other, one, 2.0), lane)
        done = await run(lane, folder, CHANGE, 50.0, **during)
        assert (done.updated, done.skipped) == (2, 0)
        assert customers.get(conn, SYSTEM, one)["id"] == str(other)
        assert customers.get(conn, SYSTEM, other)["tags"] == ["新"]
        sound(conn)
        await undo(lane, done.import_id, 60.0)
        assert customers.get(conn, SYSTEM, other)["tags"] == []
        sound(conn)


async def test_a_customer_gone_meanwhile_is_passed_over(folder: Path) -> None:
    """Erased, or taken back with the import that made it."""
    with a_store([]) as lane:
        conn = lane.conn
        two_customers(conn)
        new = {
            **CHANGE,
            "rows": [(PHONES[2], "记者", ""), (PHONES[3], "", "")],
            "mode": "create",
        }
        first = await run(lane, folder, new, 40.0)
        again = {**CHANGE, "rows": [(n, "改", "") for n in (PHONES[0], PHONES[2], PHONES[3])]}
        erased = customers.load(conn, SYSTEM, search.find(conn, SYSTEM, PHONES[3]))[0]["id"]

        def during(conn: sqlite3.Connection) -> None:
            privacy._erase(conn, SYSTEM, erased, "asked", 45.0)
            import_undo._undo(conn, SYSTEM, int(first.import_id), 45.0)
            while import_undo._drop_some(conn, int(first.import_id)):
                pass

        done = await run(lane, folder, again, 50.0, **meanwhile(during, lane))
        assert (done.updated, done.skipped) == (1, 2)
        sound(conn)
        assert (await undo(lane, done.import_id, 60.0))["restored"] == 1

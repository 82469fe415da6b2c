"""Tables in and out: all or nothing, undone as a whole, safe to open."""

from __future__ import annotations

import asyncio
import csv
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore import customer_input, exporting, import_undo, importing, notes, tabular
from crmcore.access import SYSTEM
from crmcore.errors import Conflict, Invalid
from crmcore.store import Store

from .test_import_undo import everything

pytestmark = pytest.mark.store

HEADER = ["姓名", "手机号码", "邮箱", "城市", "地址", "标签", "会员等级"]
MAPPING = ["name", "phone", "email", "city", "street", "tags", "custom.level"]
ROWS = [
    ["张三", "138 0013 8000、010-84701234", "z@x.cn", "南京市", "中山路1号", "读者，订户", "金"],
    ["李四", "013900139000", "", "", "", "", ""],
    ["", "", "nobody", "", "", "", ""],
    ["张三丰", "+8613800138000", "", "苏州市", "干将路2号", "", "银"],
]


def table(path: Path, rows: list[list[str]], encoding: str = "utf-8", delimiter: str = ",") -> Path:
    with open(path, "w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([HEADER, *rows])
    return path


async def run(store: Store, path: Path, mode: str = "both", **more: Any) -> importing.Progress:
    return await importing.run(store.db, SYSTEM, path, MAPPING, mode, 5.0, **more)


async def names(store: Store) -> list[str]:
    found, _ = await store.customers(SYSTEM, limit=200)
    return sorted(one["name"] for one in found)


@pytest.mark.parametrize(
    ("encoding", "delimiter", "guessed"),
    [
        ("utf-8", ",", "utf-8"),
        ("utf-8-sig", ";", "utf-8-sig"),
        ("gb18030", "\t", "gb18030"),
        ("gbk", ",", "gb18030"),
        ("utf-16", "\t", "utf-16"),
    ],
)
def test_encoding_and_delimiter_are_guessed(
    tmp_path: Path, encoding: str, delimiter: str, guessed: str
) -> None:
    path = table(tmp_path / "a.csv", ROWS, encoding, delimiter)
    seen = importing.preview(path)
    assert (seen["encoding"], seen["delimiter"]) == (guessed, delimiter)
    assert seen["mapping"] == [*MAPPING[:-1], ""]
    assert seen["total"] == 4
    assert seen["rows"][0] == ROWS[0]
    [problem] = seen["problems"]
    assert problem["line"] == 4
    assert [e["code"] for e in problem["errors"]] == ["mail"]


def test_a_late_chinese_name_is_not_misread(tmp_path: Path) -> None:
    rows = [["a", "13800138000", "", "", "", "", ""]] * 20_000 + [ROWS[0]]
    assert importing.preview(table(tmp_path / "a.csv", rows, "gb18030"))["encoding"] == "gb18030"


def test_workbooks_are_read_and_numbers_stay_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(HEADER)
    book.active.append(["张三", 13800138000.0, None, None, None, None, None])
    book.save(tmp_path / "a.xlsx")
    seen = importing.preview(tmp_path / "a.xlsx")
    assert (seen["kind"], seen["rows"][0][1]) == ("xlsx", "13800138000")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\n\n", "no_header"),
        (b"\x00\x01\x02", "no_table"),
        (b"PK\x03\x04nonsense", "unreadable"),
        (b"\xd0\xcf\x11\xe0x", "old_workbook"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(Invalid) as refused:
        importing.preview(path)
    [told] = refused.value.details()
    assert (told["field"], told["code"]) == ("file", code)


async def test_create_and_update_within_one_file(store: Store, tmp_path: Path) -> None:
    told: list[str] = []
    done = await run(
        store, table(tmp_path / "a.csv", ROWS), progress=lambda p: told.append(p.stage)
    )
    assert (done.created, done.updated, done.refused, done.total) == (2, 1, 1, 4)
    assert told == ["reading", "applying", "done"]
    found, _ = await store.customers(SYSTEM, query="13800138000")
    one = found[0]
    assert one["name"] == "张三丰"
    assert sorted(p["value"] for p in one["contact_points"]) == [
        "+8613800138000",
        "010-84701234",
        "z@x.cn",
    ]
    assert one["tags"] == ["订户", "读者"]
    assert one["custom"] == {"level": "银"}
    assert {a["city"] for a in one["addresses"]} == {"南京市", "苏州市"}
    _, refused = await store.read(importing.refusals, SYSTEM, done.import_id)
    assert [(r["line"], r["cells"][2]) for r in refused] == [(4, "nobody")]


async def test_modes(store: Store, tmp_path: Path) -> None:
    given = {"name": "旧名", "contact_points": [{"value": "13800138000"}]}
    await store.create_customer(SYSTEM, given, 1.0)
    path = table(tmp_path / "a.csv", ROWS[:2])
    done = await run(store, path, "create")
    assert (done.created, done.skipped, await names(store)) == (1, 1, ["旧名", "李四"])
    done = await run(store, path, "update")
    assert (done.updated, done.refused, await names(store)) == (2, 0, ["张三", "李四"])
    with pytest.raises(Invalid):
        await run(store, path, "replace")
    with pytest.raises(Invalid):
        await importing.run(store.db, SYSTEM, path, ["password"], "both", 1.0)


@pytest.mark.parametrize("chunk", [importing.CHUNK, 250])
async def test_who_stands_in_a_file_twice_is_one_customer(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(importing, "CHUNK", chunk)
    rows = [[f"客{n}", f"139{n % 600:08d}", "", "", "", "", ""] for n in range(700)]
    done = await run(store, table(tmp_path / "a.csv", rows))
    assert (done.created, done.updated) == (600, 100)
    found, _ = await store.customers(SYSTEM, query="13900000050")
    assert [one["name"] for one in found] == ["客650"]
    found, _ = await store.customers(SYSTEM, query="客650")
    assert [one["contact_points"][0]["value"] for one in found] == ["13900000050"]


async def test_undo_over_the_lane_and_the_readers_process(store: Store, tmp_path: Path) -> None:
    """What is drawn in ``test_import_undo``, once with all that stands in between."""
    for name, number in (("旧", "13800138000"), ("老", "13700137000")):
        given = {"name": name, "contact_points": [{"value": number}], "tags": ["x"]}
        await store.create_customer(SYSTEM, given, 1.0)
    before, index = await store.db.read(everything), await store.db.read(texts)
    done = await run(store, table(tmp_path / "a.csv", ROWS))
    assert (done.created, done.updated) == (1, 2)
    counts = await import_undo.undo(store.db, SYSTEM, done.import_id, 6.0)
    assert counts == {"removed": 1, "restored": 1, "kept": 0}
    assert await store.db.read(everything) == before
    assert await store.db.read(texts) == index
    with pytest.raises(Conflict):
        await import_undo.undo(store.db, SYSTEM, done.import_id, 7.0)


def texts(conn: sqlite3.Connection) -> list[Any]:
    return [tuple(r) for r in conn.execute("SELECT rowid, * FROM customer_fts ORDER BY rowid")]


async def test_undo_keeps_what_people_worked_on(store: Store, tmp_path: Path) -> None:
    done = await run(store, table(tmp_path / "a.csv", ROWS[:2]))
    found, _ = await store.customers(SYSTEM, query="李四")
    await store.write(notes.add, SYSTEM, found[0]["id"], "打过电话", 6.0)
    counts = await import_undo.undo(store.db, SYSTEM, done.import_id, 7.0)
    assert counts == {"removed": 1, "restored": 0, "kept": 1}
    assert await names(store) == ["李四"]


async def test_nothing_is_seen_before_all_is_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[f"客{n}", f"139{n:08d}", "", "", "", "", ""] for n in range(3000)]
    monkeypatch.setattr(importing, "CHUNK", 1000)
    seen: list[int] = []

    def look(at: importing.Progress) -> None:
        looks.append(asyncio.ensure_future(store.customers(SYSTEM, query="客")))  # noqa: TID251

    looks: list[Any] = []
    await run(store, table(tmp_path / "a.csv", rows), progress=look)
    for one in looks[:-2]:
        seen.append(len((await one)[0]))
    assert set(seen) <= {0, 50}
    assert seen[0] == 0
    await asyncio.gather(*looks)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from crmcore import importing
from crmcore.access import SYSTEM
from crmcore.store import Store
async def main():
    store = await Store.open(sys.argv[1], 1.0)
    importing.CHUNK = 2000
    told = []
    def progress(at):
        told.append(at)
        if len(told) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    await importing.run(store.db, SYSTEM, Path(sys.argv[2]), ["name", "phone"], "both", 2.0,
                        progress=progress)
asyncio.run(main())
"""


async def test_a_kill_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    rows = [[f"客{n}", f"139{n:08d}", "", "", "", "", ""] for n in range(20_000)]
    source = table(tmp_path / "a.csv", rows)

    def import_and_kill() -> None:
        child = subprocess.run([sys.executable, "-c", KILLED, str(path), str(source)], check=False)
        assert child.returncode == -signal.SIGKILL

    await asyncio.to_thread(import_and_kill)
    store = await Store.open(path, 3.0)
    assert await names(store) == []
    left = await store.db.read(
        lambda conn: [
            conn.execute(f"SELECT count(*) FROM {t}").fetchone()[0]  # noqa: S608
            for t in ("customers", "contact_points", "customer_fts")
        ]
    )
    assert left == [0, 0, 0]
    assert (await store.read(importing.page, SYSTEM))[0][0]["state"] == "failed"
    await store.close()


# ---- out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_what_went_out_comes_in_again_and_no_cell_is_a_formula(
    store: Store, tmp_path: Path, kind: str
) -> None:
    given = {
        "name": '=HYPERLINK("http://x")',
        "contact_points": [{"value": "+442079460000"}, {"value": "13800138000"}],
        "tags": ["@a", "-b"],
        "addresses": [{"city": "南京市", "street": "'=x"}],
    }
    await store.create_customer(SYSTEM, given, 1.0)
    path = tmp_path / f"out.{kind}"
    assert await store.read(exporting.write, SYSTEM, "customer", kind, path) == 1
    if kind == "csv":
        for row in csv.reader(path.read_text("utf-8-sig").splitlines()):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    rows = list(tabular.rows(tabular.open_table(path)))
    line = dict(zip(rows[0], rows[1], strict=True))
    assert line["name"] == given["name"]
    assert line["phone"] == "+442079460000、13800138000"
    assert line["street"] == "'=x"


@given(st.text(max_size=20))
def test_guarding_is_undone_exactly(cell: str) -> None:
    assert tabular.unguarded(tabular.guarded(cell)) == cell
    assert not tabular.guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


async def test_vcards_go_out_and_come_in(store: Store, tmp_path: Path) -> None:
    given = {
        "name": "张三，经理; 主任",
        "title": "主任",
        "birthday": "1990-02-03",
        "tags": ["a,b", "读者"],
        "contact_points": [{"value": "13800138000"}, {"kind": "email", "value": "z@x.cn"}],
        "addresses": [{"city": "南京市", "province": "江苏省", "street": "很长的路" * 12}],
    }
    await store.create_customer(SYSTEM, given, 1.0)
    path = tmp_path / "out.vcf"
    await store.read(exporting.write, SYSTEM, "customer", "vcf", path)
    content = path.read_bytes().decode()
    assert all(len(line.encode()) <= 75 for line in content.split("\r\n"))
    card = exporting.read_vcards(content)[0]
    again = await store.create_customer(SYSTEM, card, 2.0)
    assert (again["name"], again["tags"]) == (given["name"], ["a,b", "读者"])
    assert again["addresses"][0]["street"] == "很长的路" * 12
    apple = "BEGIN:VCARD\nVERSION:3.0\nN:王;芳;;;\nitem1.TEL;type=CELL:138-0013-8000\nEND:VCARD\n"
    assert exporting.read_vcards(apple)[0]["name"] == "王芳"
    with pytest.raises(Invalid):
        exporting.read_vcards("hello")


def test_no_customer_is_made_of_nothing() -> None:
    with pytest.raises(Invalid):
        customer_input.checked_point({"value": ""}, importing.HOME, "x")

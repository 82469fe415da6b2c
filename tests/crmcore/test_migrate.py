"""Migrations: recorded with their work, backed up before, never backwards."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from crmcore import personal
from crmcore.db import Database
from crmcore.errors import StoreIncompatible
from crmcore.migrate import Migration, known_migrations, migrate, statements, store_version

pytestmark = pytest.mark.store


def made(version: int, sql: str, least: int = 1) -> Migration:
    return Migration(version=version, name=f"m{version}", sql=sql, min_compatible=least)


BASE = made(
    1,
    "CREATE TABLE migrations(version INTEGER PRIMARY KEY, name TEXT, applied_at REAL, sha256 TEXT,"
    " min_compatible INT);\nCREATE TABLE t(n INT);\n",
)


async def test_a_failing_migration_leaves_nothing_and_keeps_the_copy(tmp_path: Path) -> None:
    db = await Database.open(tmp_path / "s.db")
    assert await migrate(db, 1.0, migrations=(BASE,)) == [1]
    await db.write(lambda conn: conn.execute("INSERT INTO t VALUES (7)") and None)
    bad = made(2, "CREATE TABLE u(n INT);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(sqlite3.OperationalError):
        await migrate(db, 2.0, migrations=(BASE, bad))
    tables = await db.read(
        lambda conn: {r[0] for r in conn.execute("SELECT name FROM sqlite_master")}
    )
    assert "u" not in tables
    assert await db.read(store_version) == (1, 1)
    with sqlite3.connect(tmp_path / "s.db.before-0002") as copy:
        assert copy.execute("SELECT n FROM t").fetchall() == [(7,)]
    await db.close()


async def test_a_newer_store_is_refused_unless_it_allows_this_program(tmp_path: Path) -> None:
    db = await Database.open(tmp_path / "s.db")
    await migrate(db, 1.0, migrations=(BASE, made(2, "CREATE TABLE u(n INT);\n", 1)))
    assert await migrate(db, 2.0, migrations=(BASE,)) == []  # 2 says that 1 may still open it
    newer = made(3, "CREATE TABLE v(n INT);\n", 3)
    await migrate(db, 3.0, migrations=(BASE, made(2, "", 1), newer))
    with pytest.raises(StoreIncompatible, match="version 3 or later"):
        await migrate(db, 4.0, migrations=(BASE,))
    await db.close()


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as conn:
        conn.execute("CREATE TABLE somebody_elses(n INT)")
    db = await Database.open(tmp_path / "x.db")
    with pytest.raises(StoreIncompatible, match="not a ctid store"):
        await migrate(db, 1.0)
    await db.close()


def test_triggers_stay_whole() -> None:
    sql = (
        "-- a\nCREATE TABLE t(n);\nCREATE TRIGGER x BEFORE DELETE ON t\nBEGIN\n  SELECT 1;\nEND;\n"
    )
    assert len(list(statements(sql))) == 2
    with pytest.raises(ValueError, match="does not end"):
        list(statements("CREATE TABLE t(n"))


def test_personal_data_is_marked_and_listed() -> None:
    marked: dict[str, set[str]] = {}
    table = ""
    for one in known_migrations():
        for line in one.sql.splitlines():
            if match := re.match(r"CREATE TABLE (\w+)", line):
                table = match[1]
            if "[pd]" in line and not line.startswith("--"):
                marked.setdefault(table, set()).add(line.split()[0])
    assert marked == {name: set(columns) for name, columns in personal.COLUMNS.items()}

"""Forward-only migrations: each is applied and recorded in one transaction.

``migrations/NNNN_name.sql`` holds statements; a line ``-- min_compatible: N`` names the oldest
program (by its newest migration) that may still open the store afterwards.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from crmcore.db import Database
from crmcore.errors import StoreIncompatible

APPLICATION_ID = 0x63746964  # "ctid", https://www.sqlite.org/pragma.html#pragma_application_id
_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_MIN = re.compile(r"^--\s*min_compatible:\s*(\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of ``migrations/``."""

    version: int
    name: str
    sql: str
    min_compatible: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known_migrations() -> tuple[Migration, ...]:
    """All migrations that this program carries, in order; gaps are a programming error."""
    found = []
    for entry in (resources.files("crmcore") / "migrations").iterdir():
        match = _NAME.match(entry.name)
        if match is None:
            continue
        sql = entry.read_text(encoding="utf-8")
        least = _MIN.search(sql)
        version = int(match[1])
        found.append(
            Migration(
                version=version,
                name=match[2],
                sql=sql,
                min_compatible=int(least[1]) if least else version,
            )
        )
    found.sort(key=lambda one: one.version)
    if [one.version for one in found] != list(range(1, len(found) + 1)):
        raise AssertionError("migrations must be numbered 0001, 0002, ... without a gap")
    return tuple(found)


def statements(sql: str) -> Iterator[str]:
    """Split a script into statements; a trigger's body stays whole."""
    pending = ""
    for line in sql.splitlines(keepends=True):
        if not pending and (not line.strip() or line.lstrip().startswith("--")):
            continue
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        raise ValueError(f"a statement does not end: {pending[:80]!r}")


def store_version(conn: sqlite3.Connection) -> tuple[int, int]:
    """``(version, minimum compatible version)`` of the store; ``(0, 0)`` for an empty file."""
    if not conn.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        return 0, 0
    if conn.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreIncompatible("the file is a database, but not a ctid store; name another file")
    row = conn.execute(
        "SELECT version, min_compatible FROM migrations ORDER BY version DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def _apply(conn: sqlite3.Connection, migration: Migration, now: float) -> None:
    for statement in statements(migration.sql):
        conn.execute(statement)
    conn.execute(f"PRAGMA application_id={APPLICATION_ID}")
    conn.execute(f"PRAGMA user_version={migration.version}")
    conn.execute(
        "INSERT INTO migrations(version, name, applied_at, sha256, min_compatible)"
        " VALUES (?,?,?,?,?)",
        (migration.version, migration.name, now, migration.sha256, migration.min_compatible),
    )


async def migrate(
    db: Database,
    now: float,
    *,
    migrations: tuple[Migration, ...] | None = None,
    copy: bool = True,
) -> list[int]:
    """Bring the store to this program's version. Returns the versions applied.

    A store that already holds data is first copied to ``<file>.before-NNNN`` beside it, unless
    ``copy`` is false. A store made by a newer program is opened only if its minimum compatible
    version allows this one; otherwise :class:`StoreIncompatible` and nothing is changed.
    """
    if migrations is None:
        migrations = known_migrations()
    newest = migrations[-1].version
    version, least = await db.read(store_version)
    if least > newest:
        raise StoreIncompatible(
            f"the store has version {version} and needs a program of version {least} or later; "
            f"this one knows {newest}. Install the newer ctid, or restore the back-up that was "
            "made before the migration"
        )
    due = [one for one in migrations if one.version > version]
    if due and version and copy:
        target = db.path.with_name(f"{db.path.name}.before-{due[0].version:04d}")
        n = 1
        while target.exists():
            n += 1
            target = db.path.with_name(f"{db.path.name}.before-{due[0].version:04d}.{n}")
        await db.backup_to(target)
    for one in due:
        await db.write(lambda conn, one=one: _apply(conn, one, now), timeout_s=3600)  # type: ignore[misc]
    return [one.version for one in due]

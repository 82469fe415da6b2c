"""Looking after the store: is it whole, copy it while it runs, put a copy back.

A finding: ``{check, ok: bool, detail}``; ``detail`` says what to do where something is wrong.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crmcore import customer_input, customer_rows, migrate, numbers, search
from crmcore.access import SYSTEM
from crmcore.db import Database
from crmcore.errors import Conflict, StoreIncompatible
from crmcore.journal import Journal
from crmcore.numbers import HOME, NumberPlan

Row = dict[str, Any]
_PAGE = 2000


def _finding(check: str, problems: Sequence[str], advice: str) -> Row:
    if not problems:
        return {"check": check, "ok": True, "detail": ""}
    shown = "; ".join(problems[:5])
    more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
    return {"check": check, "ok": False, "detail": f"{shown}{more}. {advice}"}


async def examine(db: Database, *, plan: NumberPlan = HOME) -> list[Row]:
    """All checks, on a store in use: file, foreign keys, migrations, journal, index, keys."""
    return [
        await db.read(_integrity, timeout_s=3600),
        await db.read(_foreign_keys, timeout_s=3600),
        await db.read(_migrations),
        await _journal(db),
        await _index(db),
        await _keys(db, plan),
        await db.read(_records, timeout_s=600),
    ]


def _integrity(conn: sqlite3.Connection) -> Row:
    rows = [r[0] for r in conn.execute("PRAGMA integrity_check(20)")]
    return _finding("integrity", [r for r in rows if r != "ok"], "Restore the last good back-up.")


def _foreign_keys(conn: sqlite3.Connection) -> Row:
    rows = [
        f"{r[0]} row {r[1]} points at no {r[2]}" for r in conn.execute("PRAGMA foreign_key_check")
    ]
    return _finding("foreign_keys", rows, "Restore the last good back-up.")


def _migrations(conn: sqlite3.Connection) -> Row:
    known = {one.version: one.sha256 for one in migrate.known_migrations()}
    rows = [
        f"migration {r['version']} was applied in another wording"
        for r in conn.execute("SELECT version, sha256 FROM migrations")
        if r["version"] in known and known[r["version"]] != r["sha256"]
    ]
    return _finding("migrations", rows, "Use the program that made this store.")


async def _journal(db: Database) -> Row:
    whole = await (await Journal.open(db)).verify()
    bad = ["the hash chain is broken"] if whole is None else []
    return _finding("journal", bad, "Somebody changed the journal; compare it with a back-up.")


async def _index(db: Database) -> Row:
    """The search index against the rows, one by one."""
    wrong: list[str] = []
    after = 0
    while True:

        def page(conn: sqlite3.Connection, after: int = after) -> tuple[list[str], int]:
            found = []
            last = after
            for row in conn.execute(
                "SELECT c.id, c.state, f.name, f.rest FROM customers c LEFT JOIN customer_fts f"
                " ON f.rowid = c.id WHERE c.id > ? ORDER BY c.id LIMIT ?",
                (after, _PAGE),
            ):
                last = row["id"]
                if row["state"] == "active":
                    if (row["name"], row["rest"]) != search.stored_documents(conn, last):
                        found.append(f"customer {last} is indexed wrongly")
                elif row["name"] is not None and row["state"] != "staged":
                    found.append(f"customer {last} should not be indexed")
            return found, last

        found, last = await db.read(page, timeout_s=120)
        wrong += found
        if last == after:
            return _finding("search_index", wrong, "Run the doctor with repair.")
        after = last


async def _keys(db: Database, plan: NumberPlan) -> Row:
    """Every number's key against what the present rules make of it."""
    wrong: list[str] = []
    after = 0
    while True:

        def page(conn: sqlite3.Connection, after: int = after) -> tuple[list[str], int]:
            found = []
            last = after
            for row in conn.execute(
                "SELECT id, customer, value, key FROM contact_points WHERE id > ?"
                " AND kind = 'phone' ORDER BY id LIMIT ?",
                (after, _PAGE),
            ):
                last = row["id"]
                if numbers.key(row["value"], plan) != row["key"]:
                    found.append(f"customer {row['customer']} has a number under an old key")
            return found, last

        found, last = await db.read(page, timeout_s=120)
        wrong += found
        if last == after:
            return _finding("number_keys", wrong, "Run the doctor with repair.")
        after = last


def _records(conn: sqlite3.Connection) -> Row:
    rows = [
        f"interaction {r[0]} has a contact record and is still live"
        for r in conn.execute(
            "SELECT l.id FROM live l JOIN contact_records r ON r.interaction = l.id"
            " WHERE l.kind = 'interaction'"
        )
    ]
    return _finding("live", rows, "Restart the daemon; it compares them with the PBX.")


async def repair(db: Database, now: float, *, plan: NumberPlan = HOME) -> int:
    """Make the search index and the numbers' keys what the rows say. Answers how many changed."""
    changed = 0
    after = 0
    while True:

        def page(conn: sqlite3.Connection, after: int = after) -> tuple[int, int]:
            count, last = 0, after
            for row in conn.execute(
                "SELECT id, state FROM customers WHERE id > ? ORDER BY id LIMIT 200", (after,)
            ).fetchall():
                last = row["id"]
                count += _repair_one(conn, last, row["state"], plan)
            return count, last

        count, last = await db.write(page)
        changed += count
        if last == after:
            return changed
        after = last


def _repair_one(conn: sqlite3.Connection, customer: int, state: str, plan: NumberPlan) -> int:
    changed = 0
    for point in conn.execute(
        "SELECT id, value, key FROM contact_points WHERE customer = ? AND kind = 'phone'",
        (customer,),
    ).fetchall():
        key, tail = customer_input.contact_key("phone", point["value"], plan)
        if key and key != point["key"]:
            changed += conn.execute(
                "UPDATE OR IGNORE contact_points SET key = ?, tail = ? WHERE id = ?",
                (key, tail, point["id"]),
            ).rowcount
    there = conn.execute(
        "SELECT name, rest FROM customer_fts WHERE rowid = ?", (customer,)
    ).fetchone()
    if state == "active":
        if there is None or tuple(there) != search.stored_documents(conn, customer):
            search.index(conn, customer)
            changed += 1
    elif there is not None and state != "staged":
        search.unindex(conn, customer)
        changed += 1
    return changed


# ---- back-ups ------------------------------------------------------------------------------------


async def check_file(path: Path) -> list[Row]:
    """Whether a file is a whole ctid store that this program can open. Changes nothing."""
    uri = f"file:{path}?mode=ro&immutable=1"
    conn = sqlite3.connect(uri, uri=True)
    conn.row_factory = sqlite3.Row
    try:
        version, least = migrate.store_version(conn)
        if not version:
            raise StoreIncompatible(f"{path} holds no store")
        newest = migrate.known_migrations()[-1].version
        if least > newest:
            raise StoreIncompatible(f"{path} needs a newer program (version {least})")
        return [_integrity(conn), _foreign_keys(conn)]
    finally:
        conn.close()


async def restore(backup: Path, target: Path, now: float) -> Row:
    """Put a back-up in the place of a store that is not in use: ``{kept, erased_again}``.

    What stood there is kept beside it as ``<target>.replaced``. Persons who were erased after the
    back-up was made are erased again, also in a newer back-up that is restored after this one; ids
    that were given since are not given again. Raises StoreIncompatible, Conflict (target in use,
    back-up broken), ``sqlite3.DatabaseError`` (no store), ``OSError``.
    """
    from crmcore import privacy  # a restore is the one place where the layers meet

    broken = [one["detail"] for one in await check_file(backup) if not one["ok"]]
    if broken:
        raise Conflict(f"the back-up is broken: {broken[0]}")
    past = _take_over(target)
    kept = _swap(backup, target)
    db = await Database.open(target, readers=1)
    again = 0
    try:
        await migrate.migrate(db, now, copy=False)
        if past is not None and past.birth == await db.read(_birth):
            for customer, reason in await db.write(lambda conn: _take_up(conn, past)):
                await privacy.erase(db, SYSTEM, customer, reason, now)
                again += 1
    finally:
        await db.close()
    return {"kept": kept, "erased_again": again}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """What a store that is replaced must hand on. ``birth``: when it was made, by which its own
    back-ups are known; ``erasures``: of everybody who was erased, by id."""

    birth: float
    last_id: int
    erasures: dict[int, tuple[Any, ...]]


_ERASURE = "customer, pseudonym, reason, actor, at, finished_at"
_ERASED = (
    f"SELECT {_ERASURE} FROM erasures UNION ALL"
    # who was merged into the person may stand alone in a back-up
    " SELECT c.id, e.pseudonym, e.reason, e.actor, e.at, e.finished_at FROM customers c"
    " JOIN erasures e ON e.at = c.updated_at WHERE c.state = 'erased' AND c.merged_into IS NOT NULL"
)


def _birth(conn: sqlite3.Connection) -> float:
    return float(conn.execute("SELECT min(applied_at) FROM migrations").fetchone()[0])


def _take_over(target: Path) -> _Past | None:
    """Make sure that nobody uses the store, and read who was erased."""
    if not target.exists():
        return None
    conn = sqlite3.connect(target, timeout=1.0, isolation_level=None)
    try:
        conn.execute("PRAGMA locking_mode=EXCLUSIVE")
        conn.execute("BEGIN EXCLUSIVE")
        past = _Past(
            birth=_birth(conn),
            last_id=customer_rows.next_id(conn) - 1,
            erasures={row[0]: tuple(row) for row in conn.execute(_ERASED)},
        )
        conn.execute("COMMIT")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return past
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise Conflict("the store is in use; stop the daemon first") from error
        return None
    except sqlite3.DatabaseError:
        return None  # what stands there is broken: that is why it is replaced
    finally:
        conn.close()


def _take_up(conn: sqlite3.Connection, past: _Past) -> list[tuple[int, str]]:
    """Remember who was erased; answers those who have come back with the back-up."""
    if customer_rows.next_id(conn) <= past.last_id:
        conn.execute("DELETE FROM sqlite_sequence WHERE name = 'customers'")
        conn.execute(
            "INSERT INTO sqlite_sequence(name, seq) VALUES ('customers', ?)", (past.last_id,)
        )
    states = {
        one: conn.execute("SELECT state FROM customers WHERE id = ?", (one,)).fetchone()
        for one in past.erasures
    }
    known = {row[0] for row in conn.execute("SELECT customer FROM erasures")}
    conn.executemany(
        f"INSERT INTO erasures({_ERASURE}) VALUES (?,?,?,?,?,?)",
        [row for one, row in past.erasures.items() if states[one] is None and one not in known],
    )
    active = [one for one, state in states.items() if state and state["state"] == "active"]
    return [(one, str(past.erasures[one][2])) for one in active]


def _swap(backup: Path, target: Path) -> str:
    part = target.with_name(target.name + ".part")
    shutil.copyfile(backup, part)
    os.chmod(part, 0o600)
    kept = ""
    if target.exists():
        aside = target.with_name(target.name + ".replaced")
        os.replace(target, aside)
        kept = str(aside)
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, target)
    return kept

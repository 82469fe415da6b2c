"""Taking an import back: what was only staged, and what was applied.

Before :mod:`crmcore.importing` changes a customer, it keeps that customer's own rows (:func:`raw`);
:func:`undo` puts them back exactly and makes the import's new customers staged again. Staged ones
are seen by nobody, so :func:`drop_staged` may take its time; :func:`recover` goes on with it after
a crash.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from crmcore import audit, search
from crmcore.access import Actor
from crmcore.db import Database
from crmcore.errors import Conflict, NotFound

Row = dict[str, Any]
_PARTS = ("contact_points", "addresses", "customer_roles", "customer_tags")


def raw(conn: sqlite3.Connection, customer: int) -> Row:
    """A customer's own rows as they stand, for putting them back exactly."""
    kept: Row = {
        "customers": [
            dict(conn.execute("SELECT * FROM customers WHERE id = ?", (customer,)).fetchone())
        ]
    }
    for table in _PARTS:
        kept[table] = [
            dict(row)
            for row in conn.execute(f"SELECT * FROM {table} WHERE customer = ?", (customer,))
        ]
    return kept


def put_back(conn: sqlite3.Connection, customer: int, kept: Mapping[str, Any]) -> None:
    """Make a customer's own rows what :func:`raw` kept."""
    row = kept["customers"][0]
    sets = ", ".join(f"{name} = ?" for name in row)
    conn.execute(f"UPDATE customers SET {sets} WHERE id = ?", (*row.values(), customer))
    for table in _PARTS:
        conn.execute(f"DELETE FROM {table} WHERE customer = ?", (customer,))
        for one in kept[table]:
            conn.execute(
                f"INSERT INTO {table}({', '.join(one)}) VALUES ({','.join('?' * len(one))})",
                tuple(one.values()),
            )
    search.index(conn, customer)


_USED = "({})".format(
    " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} t WHERE t.{column} = customers.id)"
        for table, column in (
            ("contact_records", "customer"),
            ("notes", "customer"),
            ("tasks", "customer"),
            ("callbacks", "customer"),
            ("consents", "customer"),
            ("relations", "customer"),
            ("relations", "other"),
            ("attachments", "customer"),
            ("profile_facts", "customer"),
            ("number_choices", "customer"),
            ("merges", "survivor"),
            ("merges", "gone"),
        )
    )
)
"""Whether something stands at a customer that no import makes."""


async def undo(db: Database, actor: Actor, import_id: object, now: float) -> Row:
    """Take a whole import back: how many customers were ``{removed, restored, kept}``.

    Kept as they are: those that were changed since, and new ones that were called, given notes or
    used in any other way. What came to a restored one since (notes, calls) stays with it.
    Raises NotFound, Forbidden, Conflict.
    """
    actor.require("customer", "import")
    key = int(str(import_id)) if str(import_id).isdigit() and len(str(import_id)) < 19 else 0
    counts = await db.write(lambda conn: _undo(conn, actor, key, now), timeout_s=600)
    await drop_staged(db, key, "undone", now)
    return counts


def _undo(conn: sqlite3.Connection, actor: Actor, key: int, now: float) -> Row:
    row = conn.execute("SELECT state FROM imports WHERE id = ?", (key,)).fetchone()
    if row is None:
        raise NotFound("there is no such import")
    if row["state"] != "done":
        raise Conflict(f"this import is {row['state']}; only a finished one can be undone")
    stay: set[int] = set()  # as they are, with all that the import changed
    restored: set[int] = set()
    seen: set[int] = set()
    for change in conn.execute(
        "SELECT customer, undo FROM import_changes WHERE import_id = ? ORDER BY id DESC", (key,)
    ).fetchall():
        who, before = change["customer"], json.loads(change["undo"])
        if who not in seen:
            seen.add(who)
            if not conn.execute(
                "SELECT 1 FROM customers WHERE id = ? AND state = 'active' AND version = ?"
                f" AND NOT (import_id IS ? AND {_USED})",
                (who, before["after"], key),
            ).fetchone():
                stay.add(who)
        if who not in stay:
            put_back(conn, who, before)
            restored.add(who)
    new = {row[0] for row in conn.execute("SELECT id FROM customers WHERE import_id = ?", (key,))}
    removed = conn.execute(
        "UPDATE customers SET state = 'staged' WHERE import_id = ? AND state = 'active'"
        f" AND version = 1 AND NOT {_USED}",
        (key,),
    ).rowcount
    counts = {
        "removed": removed,
        "restored": len(restored - new),
        "kept": len(new) - removed + len(stay - new),
    }
    conn.execute("UPDATE imports SET state = 'undoing' WHERE id = ?", (key,))
    audit.note(conn, actor, "undo_import", "customer", f"import {key}", now, after=counts)
    return counts


async def drop_staged(db: Database, key: int, state: str, now: float) -> None:
    """Remove what nobody has seen, in short transactions."""
    while await db.write(lambda conn: _drop_some(conn, key), bulk=True):
        pass

    def finish(conn: sqlite3.Connection) -> None:
        conn.execute("DELETE FROM import_changes WHERE import_id = ?", (key,))
        conn.execute(
            "UPDATE imports SET state = ?, finished_at = ? WHERE id = ?", (state, now, key)
        )

    await db.write(finish)


def _drop_some(conn: sqlite3.Connection, key: int) -> bool:
    ids = [
        row[0]
        for row in conn.execute(
            "SELECT id FROM customers WHERE import_id = ? AND state = 'staged' LIMIT 500", (key,)
        )
    ]
    marks = ",".join("?" * len(ids))
    for table in _PARTS:
        conn.execute(f"DELETE FROM {table} WHERE customer IN ({marks})", ids)
    conn.execute(f"DELETE FROM duplicates WHERE one IN ({marks}) OR other IN ({marks})", ids + ids)
    conn.execute(f"DELETE FROM watchers WHERE customer IN ({marks})", ids)
    conn.execute(f"DELETE FROM customer_fts WHERE rowid IN ({marks})", ids)
    conn.execute(f"DELETE FROM customers WHERE id IN ({marks})", ids)
    return bool(ids)


def staged_rows(conn: sqlite3.Connection) -> int:
    """How many customers interrupted imports left."""
    row = conn.execute(
        "SELECT count(*) FROM customers WHERE state = 'staged' AND import_id IN"
        " (SELECT id FROM imports WHERE state IN ('staging', 'undoing'))"
    ).fetchone()
    return int(row[0])


async def recover(db: Database, now: float) -> int:
    """After a crash: finish what was being undone, remove what was only staged.

    Answers how many imports that concerned.
    """
    rows = await db.read(
        lambda conn: conn.execute(
            "SELECT id, state FROM imports WHERE state IN ('staging', 'undoing')"
        ).fetchall()
    )
    for row in rows:
        await drop_staged(db, row["id"], "undone" if row["state"] == "undoing" else "failed", now)
    return len(rows)

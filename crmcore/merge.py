"""Two customers that are one: the survivor takes everything over in one transaction, and it can be
undone.

What it takes to undo stands in ``merges.undo``: which rows moved (by id), which could not move
because the survivor had the same (whole rows), and which of the survivor's fields were filled.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from crmcore import audit, customers, search, webhooks
from crmcore.access import Actor
from crmcore.errors import Conflict, Invalid, NotFound

Row = dict[str, Any]

MOVED_BY_ID = (
    "contact_records",
    "callbacks",
    "notes",
    "tasks",
    "attachments",
    "consents",
    "profile_facts",
    "addresses",
)
"""Tables whose rows simply change the customer."""
_SINCE = {
    "notes": "at",
    "tasks": "created_at",
    "attachments": "at",
    "consents": "at",
    "profile_facts": "at",
    "addresses": "created_at",
}
"""When a row was made: SQLite gives the id of a deleted last row to the next one."""
MOVED_BY_KEY: dict[str, tuple[str, ...]] = {
    "contact_points": ("kind", "key"),
    "relations": ("kind", "other"),
    "customer_roles": ("role",),
    "customer_tags": ("tag",),
    "watchers": ("username",),
}
"""Tables in which the survivor may have the same already, and what is the same."""
_FILLED = ("title", "sex", "birthday", "language", "owner", "team", "source")


def merge(
    conn: sqlite3.Connection, actor: Actor, survivor: object, gone: object, now: float
) -> Row:
    """Merge ``gone`` into ``survivor``. Answers ``{merge: id, customer: {...}}``.

    Empty fields of the survivor are filled; its own values stay. Raises NotFound, Forbidden,
    Invalid when both are the same.
    """
    into, from_ = customers.row_id(survivor), customers.row_id(gone)
    if into == from_:
        raise Invalid({"gone": "is the survivor itself"})
    keeps, goes = customers.active(conn, into), customers.active(conn, from_)
    for row in (keeps, goes):
        actor.require_row("customer", "merge", owner=row["owner"], team=row["team"])
    before = customers.snapshot(conn, into)
    undo: Row = {"moved": {}, "dropped": {}, "fields": {}}
    for table in MOVED_BY_ID:
        ids = [r[0] for r in conn.execute(f"SELECT id FROM {table} WHERE customer = ?", (from_,))]
        if ids:
            conn.execute(f"UPDATE {table} SET customer = ? WHERE customer = ?", (into, from_))
            undo["moved"][table] = ids
    for table, same in MOVED_BY_KEY.items():
        _move_by_key(conn, table, same, into, from_, undo)
    _move_other_side(conn, into, from_, undo)
    undo["choices"] = [
        r[0] for r in conn.execute("SELECT key FROM number_choices WHERE customer = ?", (from_,))
    ]
    conn.execute("UPDATE number_choices SET customer = ? WHERE customer = ?", (into, from_))
    filled = _filled(keeps, goes)
    undo["fields"] = {name: [keeps[name], value] for name, value in filled.items()}
    undo["updated_at"] = [keeps["updated_at"], goes["updated_at"]]
    sets = "".join(f", {name} = ?" for name in filled)
    conn.execute(
        f"UPDATE customers SET version = version + 1, updated_at = ?{sets} WHERE id = ?",
        (now, *filled.values(), into),
    )
    conn.execute(
        "UPDATE customers SET state = 'merged', merged_into = ?, version = version + 1,"
        " updated_at = ? WHERE id = ?",
        (into, now, from_),
    )
    search.unindex(conn, from_)
    search.index(conn, into)
    pair = (min(into, from_), max(into, from_))
    conn.execute(
        "UPDATE duplicates SET state = 'merged', decided_at = ?, decided_by = ?"
        " WHERE one = ? AND other = ?",
        (now, actor.username, *pair),
    )
    cursor = conn.execute(
        "INSERT INTO merges(survivor, gone, undo, actor, at) VALUES (?,?,?,?,?)",
        (into, from_, audit.text(undo), actor.username, now),
    )
    audit.note(
        conn,
        actor,
        "merge",
        "customer",
        into,
        now,
        before=before,
        after={**customers.snapshot(conn, into), "merged": str(from_)},
        customer=into,
    )
    told = {"customer": str(into), "gone": str(from_), "merge": str(cursor.lastrowid)}
    webhooks.emit(conn, "customer.merged", told, now, customer=into)
    return {"merge": str(cursor.lastrowid), "customer": customers.get(conn, actor, into)}


def _move_by_key(
    conn: sqlite3.Connection,
    table: str,
    same: tuple[str, ...],
    into: int,
    from_: int,
    undo: Row,
) -> None:
    rows = conn.execute(f"SELECT * FROM {table} WHERE customer = ?", (from_,)).fetchall()
    match = " AND ".join(f"{name} = ?" for name in same)
    for row in rows:
        key = [row[name] for name in same]
        itself = table == "relations" and row["other"] == into
        there = conn.execute(
            f"SELECT 1 FROM {table} WHERE customer = ? AND {match}", (into, *key)
        ).fetchone()
        if there or itself:
            undo["dropped"].setdefault(table, []).append(dict(row))
            conn.execute(f"DELETE FROM {table} WHERE customer = ? AND {match}", (from_, *key))
        else:
            undo["moved"].setdefault(table, []).append(key)
            conn.execute(
                f"UPDATE {table} SET customer = ? WHERE customer = ? AND {match}",
                (into, from_, *key),
            )


def _move_other_side(conn: sqlite3.Connection, into: int, from_: int, undo: Row) -> None:
    """Relations of others that point at the one that goes."""
    for row in conn.execute("SELECT * FROM relations WHERE other = ?", (from_,)).fetchall():
        there = conn.execute(
            "SELECT 1 FROM relations WHERE customer = ? AND kind = ? AND other = ?",
            (row["customer"], row["kind"], into),
        ).fetchone()
        if there or row["customer"] == into:
            undo["dropped"].setdefault("relations", []).append(dict(row))
            conn.execute("DELETE FROM relations WHERE id = ?", (row["id"],))
        else:
            undo.setdefault("pointed", []).append(row["id"])
            conn.execute("UPDATE relations SET other = ? WHERE id = ?", (into, row["id"]))


def _filled(keeps: sqlite3.Row, goes: sqlite3.Row) -> Row:
    filled = {n: goes[n] for n in _FILLED if not keeps[n] and goes[n]}
    for flag in ("vip", "blocked"):
        if goes[flag] and not keeps[flag]:
            filled[flag] = 1
    mine, other = json.loads(keeps["custom"]), json.loads(goes["custom"])
    if other.keys() - mine.keys():
        filled["custom"] = audit.text({**other, **mine})
    return filled


def undo(conn: sqlite3.Connection, actor: Actor, merge_id: object, now: float) -> list[Row]:
    """Take a merge back: both customers as they were, what came since stays with the survivor.

    Answers both customers. Raises NotFound, Forbidden, Conflict (undone already, or one of them was
    merged again or erased).
    """
    key = int(str(merge_id)) if str(merge_id).isdigit() and len(str(merge_id)) < 19 else 0
    row = conn.execute("SELECT * FROM merges WHERE id = ?", (key,)).fetchone()
    if row is None:
        raise NotFound("there is no such merge")
    if row["undone_at"] is not None:
        raise Conflict("this merge was undone already")
    into, from_ = row["survivor"], row["gone"]
    keeps = conn.execute("SELECT * FROM customers WHERE id = ?", (into,)).fetchone()
    goes = conn.execute("SELECT * FROM customers WHERE id = ?", (from_,)).fetchone()
    if keeps["state"] != "active" or goes["state"] != "merged" or goes["merged_into"] != into:
        raise Conflict("one of the two was merged again or erased; undo that first")
    actor.require_row("customer", "merge", owner=keeps["owner"], team=keeps["team"])
    before = customers.snapshot(conn, into)
    was = json.loads(row["undo"])
    for table in MOVED_BY_ID:
        before_it = f" AND {_SINCE[table]} <= ?" if table in _SINCE else ""
        more = (row["at"],) if before_it else ()
        conn.executemany(
            f"UPDATE {table} SET customer = ? WHERE id = ? AND customer = ?{before_it}",
            [(from_, one, into, *more) for one in was["moved"].get(table, ())],
        )
    for table, same in MOVED_BY_KEY.items():
        match = " AND ".join(f"{name} = ?" for name in same)
        conn.executemany(
            f"UPDATE {table} SET customer = ? WHERE customer = ? AND {match}",
            [(from_, into, *one) for one in was["moved"].get(table, ())],
        )
    conn.executemany(
        "UPDATE relations SET other = ? WHERE id = ? AND other = ?",
        [(from_, one, into) for one in was.get("pointed", ())],
    )
    for table, rows in was["dropped"].items():
        for one in rows:
            _put_back(conn, table, one)
    conn.executemany(
        "UPDATE number_choices SET customer = ? WHERE key = ? AND customer = ?",
        [(from_, one, into) for one in was["choices"]],
    )
    for name, (old, new) in was["fields"].items():
        if keeps[name] == new:
            conn.execute(f"UPDATE customers SET {name} = ? WHERE id = ?", (old, into))
    keeps_at, goes_at = was["updated_at"]
    if keeps["updated_at"] != row["at"]:  # it was changed since
        keeps_at = now
    conn.execute(
        "UPDATE customers SET version = version + 1, updated_at = ? WHERE id = ?", (keeps_at, into)
    )
    conn.execute(
        "UPDATE customers SET state = 'active', merged_into = NULL, version = version + 1,"
        " updated_at = ? WHERE id = ?",
        (goes_at, from_),
    )
    search.index(conn, into)
    search.index(conn, from_)
    conn.execute(
        "UPDATE duplicates SET state = 'open', decided_at = NULL, decided_by = NULL"
        " WHERE one = ? AND other = ? AND state = 'merged'",
        (min(into, from_), max(into, from_)),
    )
    conn.execute("UPDATE merges SET undone_at = ? WHERE id = ?", (now, key))
    audit.note(
        conn,
        actor,
        "undo_merge",
        "customer",
        into,
        now,
        before=before,
        after=customers.snapshot(conn, into),
        customer=into,
    )
    return customers.load(conn, actor, [into, from_])


_MERGES = (
    "SELECT m.id, m.survivor, m.gone, m.actor, m.at, m.undone_at, g.name AS gone_name,"
    " c.name AS survivor_name, m.undone_at IS NULL AND c.state = 'active' AND g.state = 'merged'"
    " AND g.merged_into = c.id AS undoable"
    " FROM merges m JOIN customers c ON c.id = m.survivor JOIN customers g ON g.id = m.gone"
)


def _put_back(conn: sqlite3.Connection, table: str, row: Row) -> None:
    """Insert a row that gave way, by another id if somebody else's row has got its id since."""
    if "id" in row and conn.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row["id"],)).fetchone():
        row = {name: value for name, value in row.items() if name != "id"}
    marks = ",".join("?" * len(row))
    conn.execute(
        f"INSERT OR IGNORE INTO {table}({', '.join(row)}) VALUES ({marks})", tuple(row.values())
    )


def merges_of(conn: sqlite3.Connection, actor: Actor, customer: object) -> list[Row]:
    """``[{id, survivor, survivor_name, gone, gone_name, actor, at, undone_at, undoable}]`` of one
    survivor, newest first."""
    actor.require("customer", "read")
    rows = conn.execute(
        f"{_MERGES} WHERE m.survivor = ? ORDER BY m.id DESC", (customers.row_id(customer),)
    )
    return [_shown(actor, row) for row in rows]


def page(
    conn: sqlite3.Connection, actor: Actor, *, cursor: int = 0, limit: int = 50
) -> tuple[list[Row], int | None]:
    """All merges whose survivor the actor may merge, newest first: ``(as merges_of, the next
    page's cursor)``."""
    where, values = actor.sql_scope("customer", "merge", owner="c.owner", team="c.team")
    limit = max(1, min(limit, 200))
    rows = conn.execute(
        f"{_MERGES} WHERE {where} AND (? = 0 OR m.id < ?) ORDER BY m.id DESC LIMIT ?",
        (*values, cursor, cursor, limit + 1),
    ).fetchall()
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    return [_shown(actor, row) for row in rows[:limit]], following


def _shown(actor: Actor, row: sqlite3.Row) -> Row:
    return {
        **dict(row),
        **{name: str(row[name]) for name in ("id", "survivor", "gone")},
        **{name: actor.text(row[name]) for name in ("gone_name", "survivor_name")},
        "undoable": bool(row["undoable"]),
    }

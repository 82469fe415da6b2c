"""Everything that happened with one customer, newest first, from whichever table it stands in.

An entry: ``{type, id, at, ...}`` where ``type`` is ``contact_record`` (with the whole record under
``record``), ``note`` ({author, text, pinned, contact_record}), ``task`` ({title, state, owner,
due_at}), ``callback`` ({state, missed, result, owner}), ``consent`` ({channel, purpose, state,
source}), ``change`` (an audit entry: {action, actor, fields}) or ``fact`` ({name, value, source}).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from crmcore import contact_records, customers
from crmcore.access import Actor, Scope
from crmcore.errors import Invalid, NotFound

Row = dict[str, Any]
Fetch = Callable[[sqlite3.Connection, Actor, int, float, int], list[Row]]


def _records(conn: sqlite3.Connection, actor: Actor, who: int, at: float, room: int) -> list[Row]:
    where, values = actor.sql_scope("contact_record", agent="r.agent", team="r.team")
    records = contact_records.fetch(
        conn,
        actor,
        f"r.customer = ? AND r.arrived_at <= ? AND {where}",
        (who, at, *values),
        order="r.arrived_at DESC",
        limit=room,
    )
    return [
        {"type": "contact_record", "id": one["id"], "at": one["arrived_at"], "record": one}
        for one in records
    ]


def _notes(conn: sqlite3.Connection, actor: Actor, who: int, at: float, room: int) -> list[Row]:
    rows = conn.execute(
        "SELECT * FROM notes WHERE customer = ? AND at <= ? ORDER BY at DESC LIMIT ?",
        (who, at, room),
    )
    return [
        {
            "type": "note",
            "id": str(row["id"]),
            "at": row["at"],
            "author": row["author"],
            "text": actor.text(row["text"]),
            "pinned": bool(row["pinned"]),
            "contact_record": str(row["contact_record"]) if row["contact_record"] else None,
        }
        for row in rows
    ]


def _tasks(conn: sqlite3.Connection, actor: Actor, who: int, at: float, room: int) -> list[Row]:
    where, values = actor.sql_scope("task", owner="owner", team="team")
    rows = conn.execute(
        "SELECT id, created_at, title, state, owner, due_at FROM tasks"
        f" WHERE customer = ? AND created_at <= ? AND {where} ORDER BY created_at DESC LIMIT ?",
        (who, at, *values, room),
    )
    return [
        {
            "type": "task",
            "id": str(row["id"]),
            "at": row["created_at"],
            "title": actor.text(row["title"]),
            "state": row["state"],
            "owner": row["owner"],
            "due_at": row["due_at"],
        }
        for row in rows
    ]


def _callbacks(conn: sqlite3.Connection, actor: Actor, who: int, at: float, room: int) -> list[Row]:
    where, values = actor.sql_scope("callback", owner="owner", team="team")
    rows = conn.execute(
        "SELECT id, last_at, state, missed, result, owner FROM callbacks"
        f" WHERE customer = ? AND last_at <= ? AND {where} ORDER BY last_at DESC LIMIT ?",
        (who, at, *values, room),
    )
    return [
        {
            "type": "callback",
            "id": str(row["id"]),
            "at": row["last_at"],
            **{k: row[k] for k in ("state", "missed", "result", "owner")},
        }
        for row in rows
    ]


def _consents(conn: sqlite3.Connection, actor: Actor, who: int, at: float, room: int) -> list[Row]:
    rows = conn.execute(
        "SELECT id, at, channel, purpose, state, source FROM consents"
        " WHERE customer = ? AND at <= ? ORDER BY at DESC LIMIT ?",
        (who, at, room),
    )
    return [
        {"type": "consent", **dict(row), "id": str(row["id"]), "source": actor.text(row["source"])}
        for row in rows
    ]


def _changes(conn: sqlite3.Connection, actor: Actor, who: int, at: float, room: int) -> list[Row]:
    rows = conn.execute(
        "SELECT id, at, action, actor, after FROM audit WHERE entity = 'customer'"
        " AND entity_id = ? AND at <= ? ORDER BY id DESC LIMIT ?",
        (str(who), at, room),
    )
    return [
        {
            "type": "change",
            "id": str(row["id"]),
            "at": row["at"],
            "action": row["action"],
            "actor": row["actor"],
            "fields": sorted(json.loads(row["after"])) if row["after"] else [],
        }
        for row in rows
    ]


def _facts(conn: sqlite3.Connection, actor: Actor, who: int, at: float, room: int) -> list[Row]:
    rows = conn.execute(
        "SELECT id, at, name, value, source FROM profile_facts WHERE customer = ? AND at <= ?"
        " ORDER BY at DESC LIMIT ?",
        (who, at, room),
    )
    return [
        {
            "type": "fact",
            "id": str(row["id"]),
            "at": row["at"],
            **{k: actor.text(row[k]) for k in ("name", "value", "source")},
        }
        for row in rows
    ]


_SOURCES: dict[str, tuple[str | None, Fetch]] = {
    "contact_record": ("contact_record", _records),
    "note": ("note", _notes),
    "task": ("task", _tasks),
    "callback": ("callback", _callbacks),
    "consent": ("consent", _consents),
    "change": (None, _changes),
    "fact": (None, _facts),
}
TYPES = tuple(_SOURCES)
_BLUR_S = 2e-5


def page(
    conn: sqlite3.Connection,
    actor: Actor,
    customer: object,
    *,
    types: Sequence[str] = (),
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[Row], str | None]:
    """``(entries, cursor of the next page or None)``; ``types`` narrows (default: all).

    Raises NotFound for a customer whom the actor may not read, Invalid for a wrong type or cursor.
    """
    who = customers.survivor(conn, customers.row_id(customer))
    if who is None or not customers.readable(conn, actor, who):
        raise NotFound("there is no such customer")
    unknown = [one for one in types if one not in _SOURCES]
    if unknown:
        raise Invalid({"types": f"must be of {', '.join(_SOURCES)}"})
    at, skip = _cursor(cursor)
    limit = max(1, min(limit, 200))
    entries: list[Row] = []
    for name in types or TYPES:
        entity, fetch = _SOURCES[name]
        if entity is None or actor.scope(entity, "read") is not Scope.NONE:
            entries += fetch(conn, actor, who, at, limit + 1 + len(skip))
    entries = [one for one in entries if f"{one['type']}{one['id']}" not in skip]
    entries.sort(key=lambda one: (-one["at"], one["type"], one["id"]))
    shown = entries[:limit]
    if len(entries) <= limit:
        return shown, None
    # times come back exact to 10 microseconds: go on a little before and leave out what was shown
    last = shown[-1]["at"] + _BLUR_S
    near = {f"{one['type']}{one['id']}" for one in shown if one["at"] - last < _BLUR_S}
    return shown, "~".join((repr(last), *sorted(near | (skip if at - last < _BLUR_S else set()))))


def _cursor(cursor: str | None) -> tuple[float, set[str]]:
    """Time of the last entry shown, and what was shown of that very instant."""
    if not cursor:
        return float("inf"), set()
    at, *shown = cursor.split("~")
    try:
        return float(at), set(shown)
    except ValueError:
        raise Invalid({"cursor": "is broken; start again without one"}) from None

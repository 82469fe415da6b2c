"""Tasks and reminders.

A task: ``{id, title, text, customer, interaction, owner, team, due_at, remind_at, reminded_at,
state: "open"|"done"|"cancelled", created_by, created_at, closed_at, version}``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from crmcore import audit, customers, text, webhooks
from crmcore.access import Actor
from crmcore.errors import REQUIRED, Conflict, Invalid, NotFound, one_of

Row = dict[str, Any]
_TEXT = {"title": 200, "text": 10_000, "owner": 64, "team": 64, "interaction": 256}
_TIMES = ("due_at", "remind_at")
STATES = ("open", "done", "cancelled")


def _checked(conn: sqlite3.Connection, given: Mapping[str, Any]) -> Row:
    errors: dict[str, str] = {}
    out: Row = {}
    for name, value in given.items():
        if name in _TEXT:
            out[name] = text.clean(str(value), _TEXT[name]) if value else None
        elif name in _TIMES:
            if value is not None and not isinstance(value, int | float):
                errors[name] = "must be a time (Unix seconds)"
            out[name] = value
        elif name == "state":
            out[name] = value
            if value not in STATES:
                errors[name] = one_of(STATES)
        elif name == "customer":
            out[name] = customers.active(conn, customers.row_id(value))["id"] if value else None
        elif name not in ("version", "id"):
            errors[name] = "is not a field of a task"
    if "title" in out and not out["title"]:
        errors["title"] = REQUIRED
    if "text" in out:
        out["text"] = out["text"] or ""
    if errors:
        raise Invalid(errors)
    return out


def create(conn: sqlite3.Connection, actor: Actor, given: Mapping[str, Any], now: float) -> Row:
    """Make a task; its owner is the actor unless given. Raises Invalid, Forbidden, NotFound."""
    actor.require("task", "create")
    values = {"owner": actor.username, **_checked(conn, {"title": "", **given})}
    values.pop("state", None)
    values.setdefault("team", actor.teams[0] if actor.teams else None)
    cursor = conn.execute(
        f"INSERT INTO tasks({', '.join(values)}, created_by, created_at)"
        f" VALUES ({','.join('?' * len(values))},?,?)",
        (*values.values(), actor.username, now),
    )
    audit.note(
        conn, actor, "create", "task", cursor.lastrowid, now, after=values,
        customer=values.get("customer"),
    )  # fmt: skip
    told = {"task": str(cursor.lastrowid), "owner": values["owner"]}
    webhooks.emit(conn, "task.created", told, now)
    return _shape(actor, _row(conn, cursor.lastrowid))


def _row(conn: sqlite3.Connection, task: object) -> sqlite3.Row:
    row = conn.execute(
        "SELECT * FROM tasks WHERE id = ?",
        (int(str(task)) if str(task).isdigit() and len(str(task)) < 19 else 0,),
    ).fetchone()
    if row is None:
        raise NotFound("there is no such task")
    found: sqlite3.Row = row
    return found


def _shape(actor: Actor, row: sqlite3.Row) -> Row:
    one = dict(row)
    one["id"] = str(one["id"])
    one["customer"] = str(one["customer"]) if one["customer"] else None
    one["title"], one["text"] = actor.text(one["title"]), actor.text(one["text"])
    return one


def get(conn: sqlite3.Connection, actor: Actor, task: object) -> Row:
    """One task. Raises NotFound."""
    row = _row(conn, task)
    actor.require_row("task", "read", owner=row["owner"], team=row["team"])
    return _shape(actor, row)


def update(
    conn: sqlite3.Connection,
    actor: Actor,
    task: object,
    given: Mapping[str, Any],
    now: float,
    *,
    version: int | None = None,
) -> Row:
    """Change fields or the state. Raises NotFound, Forbidden, Conflict, Invalid."""
    row = _row(conn, task)
    actor.require_row("task", "update", owner=row["owner"], team=row["team"])
    if version is not None and version != row["version"]:
        raise Conflict(f"the task has version {row['version']} now; read it again")
    values = _checked(conn, given)
    for name in ("title", "text"):
        if name in values:
            values[name] = actor.sent_back(values[name], row[name])
    if "state" in values:
        values["closed_at"] = None if values["state"] == "open" else now
    if "remind_at" in values:
        values["reminded_at"] = None
    sets = "".join(f", {name} = ?" for name in values)
    conn.execute(
        f"UPDATE tasks SET version = version + 1{sets} WHERE id = ?", (*values.values(), row["id"])
    )
    audit.note(
        conn,
        actor,
        "update",
        "task",
        row["id"],
        now,
        before={k: row[k] for k in values},
        after=values,
        customer=row["customer"],
    )
    webhooks.emit(conn, "task.updated", {"task": str(row["id"]), "fields": sorted(values)}, now)
    return _shape(actor, _row(conn, row["id"]))


def page(
    conn: sqlite3.Connection,
    actor: Actor,
    *,
    state: str = "open",
    owner: str | None = None,
    customer: object = None,
    due_before: float | None = None,
    cursor: int = 0,
    limit: int = 50,
) -> tuple[list[Row], int | None]:
    """Tasks that the actor may read, earliest due first. ``cursor``: how many were shown."""
    where, values = actor.sql_scope("task", owner="owner", team="team")
    parts = [where]
    if state != "all":
        parts.append("state = ?")
        values.append(state)
    if owner is not None:
        parts.append("owner = ?")
        values.append(owner)
    if customer is not None:
        parts.append("customer = ?")
        values.append(customers.row_id(customer))
    if due_before is not None:
        parts.append("due_at < ?")
        values.append(due_before)
    limit = max(1, min(limit, 200))
    rows = conn.execute(
        f"SELECT * FROM tasks WHERE {' AND '.join(parts)}"
        " ORDER BY due_at IS NULL, due_at, id LIMIT ? OFFSET ?",
        (*values, limit + 1, cursor),
    ).fetchall()
    return [_shape(actor, r) for r in rows[:limit]], cursor + limit if len(rows) > limit else None


def due_reminders(conn: sqlite3.Connection, now: float) -> tuple[list[Row], float | None]:
    """Take the reminders that are due (each once) and say when the next one will be.

    For one timer of the daemon: sleep until the answered time or until a task changes.
    """
    rows = conn.execute(
        "SELECT * FROM tasks WHERE remind_at <= ? AND reminded_at IS NULL AND state = 'open'",
        (now,),
    ).fetchall()
    conn.executemany(
        "UPDATE tasks SET reminded_at = ? WHERE id = ?", [(now, row["id"]) for row in rows]
    )
    following = conn.execute(
        "SELECT min(remind_at) FROM tasks WHERE remind_at > ? AND reminded_at IS NULL"
        " AND state = 'open'",
        (now,),
    ).fetchone()[0]
    return [{**dict(row), "id": str(row["id"])} for row in rows], following

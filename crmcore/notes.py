"""Notes about a customer, with mentions of colleagues (``@username``) and watchers.

A note: ``{id, customer, contact_record, author, text, pinned, at, version, mentions: [username],
may: ["update", "delete"]}``; ``may`` says what the actor may do to it.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from crmcore import audit, customers, search, text
from crmcore.access import Actor
from crmcore.errors import REQUIRED, Conflict, Invalid, NotFound

Row = dict[str, Any]
MAX_NOTE = 20_000
# Not behind a Latin letter or digit, as in a mail address; Chinese writes no space before it.
_MENTION = re.compile(r"(?<![A-Za-z0-9_@.])@([\w.-]{1,64})")
_LATIN = re.compile(r"[A-Za-z0-9_.-]*")


def add(
    conn: sqlite3.Connection,
    actor: Actor,
    customer: object,
    content: str,
    now: float,
    *,
    contact_record: object = None,
    pinned: bool = False,
) -> Row:
    """Write a note and tell the colleagues it mentions and those who watch the customer."""
    who = _writable(conn, actor, customer, "create")
    body = text.clean(content, MAX_NOTE)
    if not body:
        raise Invalid({"text": REQUIRED})
    record = customers.row_id(contact_record) if contact_record else None
    cursor = conn.execute(
        "INSERT INTO notes(customer, contact_record, author, text, pinned, at)"
        " VALUES (?,?,?,?,?,?)",
        (who, record, actor.username, body, int(pinned), now),
    )
    note = int(cursor.lastrowid or 0)
    _mention(conn, actor, note, who, body, now)
    search.index(conn, who)
    audit.note(
        conn, actor, "create", "note", note, now, after={"text": body, "pinned": pinned},
        customer=who,
    )  # fmt: skip
    return get(conn, actor, note)


def _writable(conn: sqlite3.Connection, actor: Actor, customer: object, action: str) -> int:
    actor.require("note", action)
    who = customers.survivor(conn, customers.row_id(customer))
    if who is None or not customers.readable(conn, actor, who):
        raise NotFound("there is no such customer")
    return who


def _mention(
    conn: sqlite3.Connection, actor: Actor, note: int, customer: int, body: str, now: float
) -> None:
    named = {one for word in _MENTION.findall(body) for one in _names(word)}
    told = {
        row[0]
        for row in conn.execute(
            "SELECT username FROM users WHERE disabled_at IS NULL AND"
            f" username IN ({','.join('?' * len(named))})",
            tuple(named),
        )
    }
    told |= {
        row[0]
        for row in conn.execute("SELECT username FROM watchers WHERE customer = ?", (customer,))
    }
    conn.executemany(
        "INSERT OR IGNORE INTO mentions(note, username, at) VALUES (?,?,?)",
        [(note, one, now) for one in sorted(told - {actor.username})],
    )


def _names(word: str) -> set[str]:
    """Whom the word behind ``@`` may mean: it may end a sentence, or Chinese may follow it."""
    latin = _LATIN.match(word)
    return {word, word.rstrip(".-"), latin[0].rstrip(".-") if latin else ""}


def _row(conn: sqlite3.Connection, note: object) -> sqlite3.Row:
    row = conn.execute(
        "SELECT * FROM notes WHERE id = ?",
        (int(str(note)) if str(note).isdigit() and len(str(note)) < 19 else 0,),
    ).fetchone()
    if row is None:
        raise NotFound("there is no such note")
    found: sqlite3.Row = row
    return found


def get(conn: sqlite3.Connection, actor: Actor, note: object) -> Row:
    """One note. Raises NotFound."""
    row = _row(conn, note)
    actor.require_row("note", "read", owner=row["author"])
    if not customers.readable(conn, actor, row["customer"]):
        raise NotFound("there is no such note")
    return _shape(conn, actor, row)


def _shape(conn: sqlite3.Connection, actor: Actor, row: sqlite3.Row) -> Row:
    one = dict(row)
    one["id"], one["customer"] = str(one["id"]), str(one["customer"])
    one["contact_record"] = str(one["contact_record"]) if one["contact_record"] else None
    one["text"], one["pinned"] = actor.text(one["text"]), bool(one["pinned"])
    one["mentions"] = [
        r[0]
        for r in conn.execute(
            "SELECT username FROM mentions WHERE note = ? ORDER BY username", (row["id"],)
        )
    ]
    one["may"] = [
        action
        for action in ("update", "delete")
        if actor.reaches(actor.scope("note", action), row["author"], None)
    ]
    return one


def of_customer(
    conn: sqlite3.Connection, actor: Actor, customer: object, *, limit: int = 50
) -> list[Row]:
    """Pinned ones first, then newest."""
    who = _writable(conn, actor, customer, "read")
    rows = conn.execute(
        "SELECT * FROM notes WHERE customer = ? ORDER BY pinned DESC, at DESC LIMIT ?",
        (who, max(1, min(limit, 200))),
    ).fetchall()
    return [_shape(conn, actor, row) for row in rows]


def update(
    conn: sqlite3.Connection,
    actor: Actor,
    note: object,
    now: float,
    *,
    content: str | None = None,
    pinned: bool | None = None,
    version: int | None = None,
) -> Row:
    """Change a note's text or pin. Raises NotFound, Forbidden, Conflict, Invalid."""
    row = _row(conn, note)
    actor.require_row("note", "update", owner=row["author"])
    if version is not None and version != row["version"]:
        raise Conflict(f"the note has version {row['version']} now; read it again")
    body = row["text"]
    if content is not None:
        body = actor.sent_back(text.clean(content, MAX_NOTE), body)
    if not body:
        raise Invalid({"text": "must not be empty; delete the note instead"})
    pin = row["pinned"] if pinned is None else int(pinned)
    conn.execute(
        "UPDATE notes SET text = ?, pinned = ?, version = version + 1 WHERE id = ?",
        (body, pin, row["id"]),
    )
    _mention(conn, actor, row["id"], row["customer"], body, now)
    search.index(conn, row["customer"])
    audit.note(
        conn,
        actor,
        "update",
        "note",
        row["id"],
        now,
        before={"text": row["text"], "pinned": row["pinned"]},
        after={"text": body, "pinned": pin},
        customer=row["customer"],
    )
    return get(conn, actor, note)


def delete(conn: sqlite3.Connection, actor: Actor, note: object, now: float) -> None:
    """Take a note away. Raises NotFound, Forbidden."""
    row = _row(conn, note)
    actor.require_row("note", "delete", owner=row["author"])
    conn.execute("DELETE FROM notes WHERE id = ?", (row["id"],))
    search.index(conn, row["customer"])
    audit.note(
        conn, actor, "delete", "note", row["id"], now, before={"text": row["text"]},
        customer=row["customer"],
    )  # fmt: skip


def watch(
    conn: sqlite3.Connection, actor: Actor, customer: object, *, watching: bool = True
) -> list[str]:
    """Be told of every note about a customer, or no longer. Answers who watches."""
    who = _writable(conn, actor, customer, "read")
    if watching:
        conn.execute(
            "INSERT OR IGNORE INTO watchers(customer, username) VALUES (?,?)",
            (who, actor.username),
        )
    else:
        conn.execute(
            "DELETE FROM watchers WHERE customer = ? AND username = ?", (who, actor.username)
        )
    return _watchers(conn, who)


def watchers(conn: sqlite3.Connection, actor: Actor, customer: object) -> list[str]:
    """User names of those who are told of every note about a customer."""
    return _watchers(conn, _writable(conn, actor, customer, "read"))


def _watchers(conn: sqlite3.Connection, customer: int) -> list[str]:
    rows = conn.execute(
        "SELECT username FROM watchers WHERE customer = ? ORDER BY username", (customer,)
    )
    return [row[0] for row in rows]


def colleagues(conn: sqlite3.Connection, actor: Actor) -> list[Row]:
    """Whom a note can tell: ``[{username, name}]`` of all who may log in and read notes."""
    actor.require("note", "create")
    rows = conn.execute(
        "SELECT username, name, role FROM users WHERE disabled_at IS NULL ORDER BY username"
    )
    return [
        {"username": row["username"], "name": row["name"] or row["username"]}
        for row in rows
        if actor.policy.scope(row["role"], "note", "read")
    ]


def mentions(
    conn: sqlite3.Connection, actor: Actor, *, unread: bool = True, limit: int = 50
) -> list[Row]:
    """Notes that concern the actor, newest first.

    ``[{id, at, read_at, customer_name, note: {...}}]``; Forbidden for who may not read notes.
    """
    actor.require("note", "read")
    rows = conn.execute(
        "SELECT m.id AS mention, m.at AS told_at, m.read_at, c.name, n.* FROM mentions m"
        " JOIN notes n ON n.id = m.note JOIN customers c ON c.id = n.customer"
        " WHERE m.username = ?"
        f"{' AND m.read_at IS NULL' if unread else ''} ORDER BY m.id DESC LIMIT ?",
        (actor.username, max(1, min(limit, 200))),
    ).fetchall()
    return [
        {
            "id": str(row["mention"]),
            "at": row["told_at"],
            "read_at": row["read_at"],
            "customer_name": actor.text(row["name"]),
            "note": _shape(conn, actor, _row(conn, row["id"])),
        }
        for row in rows
        if customers.readable(conn, actor, row["customer"])
    ]


def read_mention(conn: sqlite3.Connection, actor: Actor, mention: object, now: float) -> None:
    """Mark one of the actor's own mentions as read; another's or an unknown one is NotFound."""
    key = int(str(mention)) if str(mention).isdigit() and len(str(mention)) < 19 else 0
    if not conn.execute(
        "UPDATE mentions SET read_at = coalesce(read_at, ?) WHERE id = ? AND username = ?",
        (now, key, actor.username),
    ).rowcount:
        raise NotFound("there is no such mention")

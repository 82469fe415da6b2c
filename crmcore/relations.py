"""What belongs to a customer beside its own fields: relations, dated facts, attachments.

A relation: ``{id, kind, direction: "to"|"from", customer: id, name, note, since_at}`` as seen from
one side. A fact: ``{id, name, value, source, at}``. An attachment: ``{id, name, media_type, bytes,
sha256, author, at}``.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

from crmcore import audit, customers, text
from crmcore.access import Actor
from crmcore.errors import Invalid, NotFound

Row = dict[str, Any]
MAX_ATTACHMENT = 10 * 1024 * 1024


def _for_update(conn: sqlite3.Connection, actor: Actor, customer: object) -> int:
    row = customers.active(conn, customers.row_id(customer))
    actor.require_row("customer", "update", owner=row["owner"], team=row["team"])
    return int(row["id"])


def _for_read(conn: sqlite3.Connection, actor: Actor, customer: object) -> int:
    who = customers.survivor(conn, customers.row_id(customer))
    if who is None or not customers.readable(conn, actor, who):
        raise NotFound("there is no such customer")
    return who


def relate(
    conn: sqlite3.Connection,
    actor: Actor,
    customer: object,
    kind: str,
    other: object,
    now: float,
    *,
    note: str = "",
    since_at: float | None = None,
) -> list[Row]:
    """Say that ``customer`` <kind> ``other`` (works_for, household, agency_of, ...)."""
    who = _for_update(conn, actor, customer)
    whom = int(customers.active(conn, customers.row_id(other))["id"])
    if who == whom:
        raise Invalid({"other": "is the customer itself"})
    if not conn.execute(
        "SELECT 1 FROM dictionaries WHERE kind = 'relation' AND code = ?", (kind,)
    ).fetchone():
        raise Invalid({"kind": "is not in the dictionary of relations"})
    conn.execute(
        "INSERT INTO relations(customer, kind, other, note, since_at, created_at)"
        " VALUES (?,?,?,?,?,?) ON CONFLICT (customer, kind, other)"
        " DO UPDATE SET note = excluded.note, since_at = excluded.since_at",
        (who, kind, whom, text.clean(note, 1000), since_at, now),
    )
    after = {"kind": kind, "other": str(whom)}
    audit.note(conn, actor, "relate", "customer", who, now, after=after, customer=who)
    return of_customer(conn, actor, who)


def unrelate(
    conn: sqlite3.Connection, actor: Actor, customer: object, relation: object, now: float
) -> None:
    """Take a relation away, from either side. Raises NotFound."""
    who = _for_update(conn, actor, customer)
    row = conn.execute(
        "SELECT * FROM relations WHERE id = ? AND (customer = ? OR other = ?)",
        (customers.row_id(relation), who, who),
    ).fetchone()
    if row is None:
        raise NotFound("there is no such relation")
    conn.execute("DELETE FROM relations WHERE id = ?", (row["id"],))
    before = {"kind": row["kind"], "other": str(row["other"])}
    audit.note(
        conn, actor, "unrelate", "customer", row["customer"], now, before=before,
        customer=row["customer"],
    )  # fmt: skip


def of_customer(conn: sqlite3.Connection, actor: Actor, customer: object) -> list[Row]:
    """All relations of a customer, from both sides."""
    who = _for_read(conn, actor, customer)
    rows = conn.execute(
        "SELECT r.id, r.kind, r.customer = ?1 AS forth, r.note, r.since_at, c.id AS there, c.name,"
        " c.owner, c.team FROM relations r JOIN customers c"
        " ON c.id = CASE WHEN r.customer = ?1 THEN r.other ELSE r.customer END"
        " WHERE r.customer = ?1 OR r.other = ?1 ORDER BY r.id",
        (who,),
    )
    scope = actor.scope("customer", "read")
    return [
        {
            "id": str(row["id"]),
            "kind": row["kind"],
            "direction": "to" if row["forth"] else "from",
            "customer": str(row["there"]),
            "name": actor.text(row["name"]),
            "note": actor.text(row["note"]),
            "since_at": row["since_at"],
        }
        for row in rows
        if actor.reaches(scope, row["owner"], row["team"])
    ]


def state_fact(
    conn: sqlite3.Connection,
    actor: Actor,
    customer: object,
    name: str,
    value: str,
    source: str,
    now: float,
) -> Row:
    """Note something about a customer with its source and date; earlier values stay."""
    who = _for_update(conn, actor, customer)
    values = (text.clean(name, 64), text.clean(value, 2000), text.clean(source, 200))
    if not all(values):
        raise Invalid({"fact": "name, value and source must not be empty"})
    cursor = conn.execute(
        "INSERT INTO profile_facts(customer, name, value, source, at) VALUES (?,?,?,?,?)",
        (who, *values, now),
    )
    after = {"name": values[0], "value": values[1], "source": values[2]}
    audit.note(conn, actor, "state_fact", "customer", who, now, after=after, customer=who)
    shown = {name: actor.text(value) for name, value in after.items()}
    return {"id": str(cursor.lastrowid), **shown, "at": now}


def facts(conn: sqlite3.Connection, actor: Actor, customer: object) -> list[Row]:
    """The latest value of each fact."""
    who = _for_read(conn, actor, customer)
    rows = conn.execute(
        "SELECT id, name, value, source, max(at) AS at FROM profile_facts WHERE customer = ?"
        " GROUP BY name ORDER BY name",
        (who,),
    )
    return [
        {**dict(r), "id": str(r["id"])} | {k: actor.text(r[k]) for k in ("name", "value", "source")}
        for r in rows
    ]


def retract_fact(
    conn: sqlite3.Connection, actor: Actor, customer: object, fact: object, now: float
) -> None:
    """Take back what a fact says, with its earlier values; the audit trail keeps the last one.

    Raises NotFound.
    """
    who = _for_update(conn, actor, customer)
    row = conn.execute(
        "SELECT name, value, source FROM profile_facts WHERE id = ? AND customer = ?",
        (customers.row_id(fact), who),
    ).fetchone()
    if row is None:
        raise NotFound("there is no such fact")
    conn.execute("DELETE FROM profile_facts WHERE customer = ? AND name = ?", (who, row["name"]))
    audit.note(conn, actor, "retract_fact", "customer", who, now, before=dict(row), customer=who)


def attach(
    conn: sqlite3.Connection,
    actor: Actor,
    customer: object,
    name: str,
    media_type: str,
    content: bytes,
    now: float,
) -> Row:
    """Keep a file with a customer (at most 10 MiB). Raises Invalid."""
    who = _for_update(conn, actor, customer)
    label = text.clean(name, 200).replace("/", "_").replace("\\", "_").replace("\n", " ")
    if not label or not 0 < len(content) <= MAX_ATTACHMENT:
        raise Invalid({"content": "give a name and 1 byte to 10 MiB"})
    digest = hashlib.sha256(content).hexdigest()
    cursor = conn.execute(
        "INSERT INTO attachments(customer, name, media_type, sha256, content, author, at)"
        " VALUES (?,?,?,?,?,?,?)",
        (who, label, text.clean(media_type, 100), digest, content, actor.username, now),
    )
    after = {"attachment": label, "sha256": digest}
    audit.note(conn, actor, "attach", "customer", who, now, after=after, customer=who)
    return next(a for a in attachments(conn, actor, who) if a["id"] == str(cursor.lastrowid))


def attachments(conn: sqlite3.Connection, actor: Actor, customer: object) -> list[Row]:
    """The files of a customer, without their content."""
    who = _for_read(conn, actor, customer)
    rows = conn.execute(
        "SELECT id, name, media_type, length(content) AS bytes, sha256, author, at"
        " FROM attachments WHERE customer = ? ORDER BY id",
        (who,),
    )
    return [{**dict(r), "id": str(r["id"]), "name": actor.text(r["name"])} for r in rows]


def attachment(
    conn: sqlite3.Connection, actor: Actor, customer: object, attachment_id: object
) -> tuple[str, str, bytes]:
    """``(name, media type, content)``; not for a role that sees fields masked. NotFound."""
    who = _for_read(conn, actor, customer)
    row = conn.execute(
        "SELECT name, media_type, content FROM attachments WHERE id = ? AND customer = ?",
        (customers.row_id(attachment_id), who),
    ).fetchone()
    if row is None or actor.masks:
        raise NotFound("there is no such attachment")
    return row["name"], row["media_type"], bytes(row["content"])


def detach(
    conn: sqlite3.Connection, actor: Actor, customer: object, attachment_id: object, now: float
) -> None:
    """Delete a file. Raises NotFound."""
    who = _for_update(conn, actor, customer)
    if not conn.execute(
        "DELETE FROM attachments WHERE id = ? AND customer = ?",
        (customers.row_id(attachment_id), who),
    ).rowcount:
        raise NotFound("there is no such attachment")
    before = {"attachment": str(attachment_id)}
    audit.note(conn, actor, "detach", "customer", who, now, before=before, customer=who)

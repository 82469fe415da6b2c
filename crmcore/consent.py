"""The consent ledger: per channel and purpose, nothing in it is changed, the last entry counts.

No entry means no consent.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from crmcore import audit, customers, text
from crmcore.access import Actor
from crmcore.errors import Invalid, NotFound

Row = dict[str, Any]
CHANNELS = ("phone", "sms", "email", "postal", "wechat", "any")
PURPOSES = ("service", "marketing", "recording", "research", "any")


def record_consent(
    conn: sqlite3.Connection,
    actor: Actor,
    customer: object,
    channel: str,
    purpose: str,
    granted: bool,
    source: str,
    now: float,
    *,
    proof: str = "",
) -> Row:
    """Add one entry. ``source`` says how it was given (call, web form, paper); ``proof`` where it
    can be checked (a recording's id, a document). Raises NotFound, Forbidden, Invalid."""
    actor.require("consent", "create")
    row = customers.active(conn, customers.row_id(customer))
    if not customers.readable(conn, actor, row["id"]):
        raise NotFound("there is no such customer")
    errors = {}
    if channel not in CHANNELS:
        errors["channel"] = f"must be one of {', '.join(CHANNELS)}"
    if purpose not in PURPOSES:
        errors["purpose"] = f"must be one of {', '.join(PURPOSES)}"
    if not text.clean(source, 200):
        errors["source"] = "must say how the consent was given or withdrawn"
    if errors:
        raise Invalid(errors)
    state = "granted" if granted else "withdrawn"
    cursor = conn.execute(
        "INSERT INTO consents(customer, channel, purpose, state, source, proof, actor, at)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (
            row["id"],
            channel,
            purpose,
            state,
            text.clean(source, 200),
            text.clean(proof, 200),
            actor.username,
            now,
        ),
    )
    after = {"channel": channel, "purpose": purpose, "state": state}
    audit.note(conn, actor, "consent", "customer", row["id"], now, after=after, customer=row["id"])
    return next(c for c in ledger(conn, actor, row["id"]) if c["id"] == str(cursor.lastrowid))


def ledger(conn: sqlite3.Connection, actor: Actor, customer: object) -> list[Row]:
    """All entries, newest first: ``{id, channel, purpose, state, source, proof, actor, at}``."""
    actor.require("consent", "read")
    who = customers.survivor(conn, customers.row_id(customer))
    if who is None or not customers.readable(conn, actor, who):
        raise NotFound("there is no such customer")
    rows = conn.execute(
        "SELECT id, channel, purpose, state, source, proof, actor, at FROM consents"
        " WHERE customer = ? ORDER BY id DESC",
        (who,),
    )
    return [
        {**dict(r), "id": str(r["id"])} | {k: actor.text(r[k]) for k in ("source", "proof")}
        for r in rows
    ]


def may_contact(conn: sqlite3.Connection, customer: int, channel: str, purpose: str) -> bool:
    """Whether the ledger allows it: the latest entry that speaks of the channel and purpose.

    ``any`` speaks of all. An opt-out of every contact point of the channel forbids it too.
    """
    row = conn.execute(
        "SELECT state FROM consents WHERE customer = ? AND channel IN (?, 'any')"
        " AND purpose IN (?, 'any') ORDER BY id DESC LIMIT 1",
        (customer, channel, purpose),
    ).fetchone()
    if row is None or row["state"] != "granted":
        return False
    kind = {"phone": "phone", "sms": "phone"}.get(channel, channel)
    out = conn.execute(
        "SELECT min(opt_out) FROM contact_points WHERE customer = ? AND kind = ?", (customer, kind)
    ).fetchone()[0]
    return not out

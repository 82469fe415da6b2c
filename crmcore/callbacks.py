"""The call-back work list: callers who did not reach anybody.

One open entry for each number: who rings again in vain is counted, who is reached is taken off.
An entry: ``{id, number, display, customer, customer_name, queue, team, did, first_interaction,
last_interaction, missed, first_at, last_at, state: "open"|"taken"|"done", owner, attempts, result,
note, due_at, closed_at, version}``.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from crmcore import audit, numbers, text, webhooks
from crmcore.access import Actor
from crmcore.errors import Conflict, Invalid, NotFound
from crmcore.numbers import Number
from routing.commands import InteractionAccount, Outcome

Row = dict[str, Any]

MISSED = frozenset(
    (
        Outcome.ABANDONED,
        Outcome.TIMED_OUT,
        Outcome.CALLBACK,
        Outcome.VOICE_MESSAGE,
        Outcome.CLOSED,
        Outcome.FAILED,
    )
)
RESULTS = ("reached", "no_answer", "busy", "wrong_number", "rang_again", "not_needed", "other")
FINAL = frozenset(("reached", "wrong_number", "rang_again", "not_needed", "other"))


def after_record(
    conn: sqlite3.Connection,
    account: InteractionAccount,
    number: Number,
    customer: int | None,
    team: str | None,
) -> None:
    """Keep the list when an inbound contact record is filed (in the same transaction)."""
    if not number.key:
        return
    if account.outcome == Outcome.ANSWERED:
        conn.execute(
            "UPDATE callbacks SET state = 'done', result = 'rang_again', closed_at = ?,"
            " version = version + 1 WHERE number_key = ? AND state <> 'done'"
            " AND first_at <= ?",
            (account.ended_at, number.key, account.ended_at),
        )
        return
    if account.outcome not in MISSED or (not account.queues and account.outcome != Outcome.CLOSED):
        return
    conn.execute(
        "INSERT INTO callbacks(number_key, number, customer, queue, team, did, first_interaction,"
        " last_interaction, first_at, last_at) VALUES (?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (number_key) WHERE state <> 'done' DO UPDATE SET missed = missed + 1,"
        " last_interaction = excluded.last_interaction, last_at = excluded.last_at,"
        " customer = coalesce(callbacks.customer, excluded.customer), queue = excluded.queue,"
        " version = version + 1",
        (
            number.key,
            account.caller.number,
            customer,
            account.queue or (account.queues[-1] if account.queues else None),
            team,
            account.did,
            account.interaction,
            account.interaction,
            account.arrived_at,
            account.arrived_at,
        ),
    )
    told = {"interaction": account.interaction, "queue": account.queue}
    webhooks.emit(conn, "callback.opened", told, account.ended_at, customer=customer)


def page(
    conn: sqlite3.Connection,
    actor: Actor,
    *,
    state: str = "open",
    queue: str | None = None,
    owner: str | None = None,
    cursor: int = 0,
    limit: int = 50,
) -> tuple[list[Row], int | None]:
    """The list, oldest first. ``state``: open (also taken), done or all."""
    where, values = actor.sql_scope("callback", owner="b.owner", team="b.team")
    parts = [where, "b.id > ?"]
    values.append(cursor)
    if state == "open":
        parts.append("b.state <> 'done'")
    elif state == "done":
        parts.append("b.state = 'done'")
    for name, value in (("queue", queue), ("owner", owner)):
        if value is not None:
            parts.append(f"b.{name} = ?")
            values.append(value)
    limit = max(1, min(limit, 200))
    rows = conn.execute(
        "SELECT b.*, c.name AS customer_name FROM callbacks b LEFT JOIN customers c"
        f" ON c.id = b.customer WHERE {' AND '.join(parts)} ORDER BY b.id LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    more = rows[limit - 1]["id"] if len(rows) > limit else None
    return [_shape(actor, row) for row in rows[:limit]], more


def _shape(actor: Actor, row: sqlite3.Row) -> Row:
    one = dict(row)
    key = one.pop("number_key")
    one["id"] = str(one["id"])
    one["customer"] = str(one["customer"]) if one["customer"] is not None else None
    one["customer_name"] = actor.text(one["customer_name"] or "")
    one["number"] = actor.phone(one["number"]) or ""
    one["display"] = numbers.display(key) if actor.sees("phone") else actor.phone(key)
    one["note"] = actor.text(one["note"])
    return one


def _get(conn: sqlite3.Connection, actor: Actor, entry: object, version: int | None) -> sqlite3.Row:
    row = conn.execute(
        "SELECT b.*, c.name AS customer_name FROM callbacks b LEFT JOIN customers c"
        " ON c.id = b.customer WHERE b.id = ?",
        (int(str(entry)) if str(entry).isdigit() and len(str(entry)) < 19 else 0,),
    ).fetchone()
    if row is None:
        raise NotFound("there is no such call-back")
    actor.require_row("callback", "update", owner=row["owner"], team=row["team"])
    if version is not None and version != row["version"]:
        raise Conflict(f"the call-back has version {row['version']} now; read it again")
    found: sqlite3.Row = row
    return found


def take(
    conn: sqlite3.Connection,
    actor: Actor,
    entry: object,
    now: float,
    *,
    owner: str | None = None,
    version: int | None = None,
) -> Row:
    """Take an entry (or give it to ``owner``). Conflict if somebody else has it or it is done."""
    row = _get(conn, actor, entry, version)
    who = owner or actor.username
    if row["state"] == "done":
        raise Conflict("the call-back is done")
    if row["state"] == "taken" and row["owner"] not in (who, actor.username) and owner is None:
        raise Conflict(f"{row['owner']} has taken this call-back")
    conn.execute(
        "UPDATE callbacks SET state = 'taken', owner = ?, version = version + 1 WHERE id = ?",
        (who, row["id"]),
    )
    after = _get(conn, actor, entry, None)
    audit.note(
        conn,
        actor,
        "take",
        "callback",
        row["id"],
        now,
        before={"state": row["state"], "owner": row["owner"]},
        after={"state": "taken", "owner": who},
    )
    return _shape(actor, after)


def result(
    conn: sqlite3.Connection,
    actor: Actor,
    entry: object,
    code: str,
    now: float,
    *,
    note: str = "",
    due_at: float | None = None,
    version: int | None = None,
) -> Row:
    """Note the result of one attempt. A final one closes the entry, else its owner keeps it."""
    if code not in RESULTS:
        raise Invalid({"result": f"must be one of {', '.join(RESULTS)}"})
    row = _get(conn, actor, entry, version)
    if row["state"] == "done":
        raise Conflict("the call-back is done")
    final = code in FINAL
    conn.execute(
        "UPDATE callbacks SET state = ?, owner = ?, attempts = attempts + 1, result = ?,"
        " note = ?, due_at = ?, closed_at = ?, version = version + 1 WHERE id = ?",
        (
            "done" if final else "taken",
            row["owner"] or actor.username,
            code,
            text.clean(note, 2000) or row["note"],
            due_at,
            now if final else None,
            row["id"],
        ),
    )
    if final:
        told = {"callback": str(row["id"]), "result": code}
        webhooks.emit(conn, "callback.closed", told, now, customer=row["customer"])
    audit.note(
        conn,
        actor,
        "result",
        "callback",
        row["id"],
        now,
        before={"state": row["state"], "result": row["result"]},
        after={"state": "done" if final else "taken", "result": code},
        customer=row["customer"],
    )
    return _shape(actor, _get(conn, actor, entry, None))


def reached(conn: sqlite3.Connection, key: str, now: float) -> int:
    """An outbound call reached this number: close its entry. Answers how many."""
    return conn.execute(
        "UPDATE callbacks SET state = 'done', result = 'reached', closed_at = ?,"
        " version = version + 1 WHERE number_key = ? AND state <> 'done'",
        (now, key),
    ).rowcount

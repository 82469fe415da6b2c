"""Contact records: one for each interaction, written once, amended afterwards, never reopened.

A contact record as this package answers it (times: Unix seconds)::

    {id: "91", interaction, channel, direction: "in"|"out", caller_number, caller_name, did, queue,
     queues: [..], agent, agents: [..], team, customer: id|None, customer_name, outcome,
     disposition, notes, arrived_at, queued_at, answered_at, ended_at, wait_s, talk_s, wrap_up_s,
     priority, offers: [{offer, agent, offered_at, ended_at, outcome}], legs: [..], causes: [..],
     survey: {..}|None, recording_failures: [..], recordings: [{id, state, file, duration_s, bytes,
     sha256, reason}], version, updated_at}
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from crmcore import audit, callbacks, customers, matching, numbers, text
from crmcore.access import Actor, Scope
from crmcore.errors import Conflict, Invalid, NotFound
from crmcore.numbers import HOME, NumberPlan
from routing.commands import AmendContactRecord, InteractionAccount

Row = dict[str, Any]
MAX_NOTES = 20_000
_JSON = ("queues", "agents", "offers", "legs", "causes", "recording_failures")


def file(
    conn: sqlite3.Connection,
    account: InteractionAccount,
    now: float,
    *,
    team: str | None = None,
    direction: str = "in",
    plan: NumberPlan = HOME,
) -> tuple[str, bool]:
    """Write the contact record and drop the live snapshot in the same transaction.

    Answers ``(contact record id, new)``. A second time changes nothing: a late event never
    overwrites. Also writes what was amended early, and keeps the call-back list.
    """
    interaction = str(account.interaction)
    there = conn.execute(
        "SELECT id FROM contact_records WHERE interaction = ?", (interaction,)
    ).fetchone()
    conn.execute("DELETE FROM live WHERE kind = 'interaction' AND id = ?", (interaction,))
    if there:
        return str(there[0]), False
    number = numbers.parse(account.caller.number, plan)
    customer = _customer_of(conn, account, number)
    cursor = conn.execute(
        "INSERT INTO contact_records(interaction, channel, direction, caller_number, caller_name,"
        " number_key, did, queue, queues, agent, agents, team, customer, outcome, arrived_at,"
        " queued_at, answered_at, ended_at, wait_s, talk_s, priority, offers, causes,"
        " recording_failures, updated_at)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            interaction,
            str(account.channel),
            direction,
            account.caller.number,
            account.caller.name,
            number.key or None,
            account.did,
            account.queue,
            audit.text(account.queues),
            account.agent,
            audit.text(account.agents),
            team,
            customer,
            str(account.outcome),
            account.arrived_at,
            account.queued_at,
            account.answered_at,
            account.ended_at,
            account.wait_s,
            account.talk_s,
            account.priority,
            audit.text([dataclasses.asdict(one) for one in account.offers]),
            audit.text(account.causes),
            audit.text(account.recording_failures),
            now,
        ),
    )
    record = int(cursor.lastrowid or 0)
    conn.executemany(
        "INSERT OR IGNORE INTO recordings(id, interaction, state, created_at, updated_at)"
        " VALUES (?,?,'pending',?,?)",
        [(str(one), interaction, now, now) for one in account.recordings],
    )
    for early in conn.execute(
        "SELECT agent, disposition, notes, wrap_up_s FROM early_amendments WHERE interaction = ?"
        " ORDER BY id",
        (interaction,),
    ).fetchall():
        _amend(conn, record, early["disposition"], early["notes"], early["wrap_up_s"], now)
    conn.execute("DELETE FROM early_amendments WHERE interaction = ?", (interaction,))
    if direction == "in":
        callbacks.after_record(conn, account, number, customer, team)
    return str(record), True


def _customer_of(
    conn: sqlite3.Connection, account: InteractionAccount, number: numbers.Number
) -> int | None:
    if account.customer and str(account.customer).isdigit():
        who = customers.survivor(conn, int(account.customer))
        if who is not None:
            return who
    return matching.for_record(conn, number)


def amend(conn: sqlite3.Connection, command: AmendContactRecord, now: float) -> bool:
    """Add what became known after the end. Answers False if it was kept for a record to come."""
    row = conn.execute(
        "SELECT id FROM contact_records WHERE interaction = ?", (command.interaction,)
    ).fetchone()
    if row is None:
        conn.execute(
            "INSERT INTO early_amendments(interaction, agent, disposition, notes, wrap_up_s)"
            " VALUES (?,?,?,?,?)",
            (
                command.interaction,
                command.agent,
                command.disposition,
                command.notes,
                command.wrap_up_s,
            ),
        )
        return False
    _amend(conn, row[0], command.disposition, command.notes, command.wrap_up_s, now)
    return True


def _amend(
    conn: sqlite3.Connection,
    record: int,
    disposition: str | None,
    notes: str | None,
    wrap_up_s: float | None,
    now: float,
) -> None:
    conn.execute(
        "UPDATE contact_records SET disposition = coalesce(?, disposition),"
        " notes = coalesce(?, notes), wrap_up_s = coalesce(?, wrap_up_s),"
        " version = version + 1, updated_at = ? WHERE id = ?",
        (disposition, None if notes is None else text.clean(notes), wrap_up_s, now, record),
    )
    if notes is not None:
        index_notes(conn, record)


def index_notes(conn: sqlite3.Connection, record: int) -> None:
    """Bring the search index of one record's notes up to date."""
    conn.execute("DELETE FROM record_fts WHERE rowid = ?", (record,))
    notes = conn.execute("SELECT notes FROM contact_records WHERE id = ?", (record,)).fetchone()[0]
    if notes:
        conn.execute(
            "INSERT INTO record_fts(rowid, notes) VALUES (?,?)", (record, text.tokens(notes))
        )


def update(
    conn: sqlite3.Connection,
    actor: Actor,
    record: object,
    given: Mapping[str, Any],
    now: float,
    *,
    version: int | None = None,
) -> Row:
    """A person changes ``disposition``, ``notes``, ``customer`` (id or None) or ``survey``.

    Raises NotFound, Forbidden, Conflict, Invalid.
    """
    row = _row(conn, record)
    actor.require_row("contact_record", "update", team=row["team"], agent=row["agent"])
    if version is not None and version != row["version"]:
        raise Conflict(f"the contact record has version {row['version']} now; read it again")
    allowed = ("disposition", "notes", "customer", "survey")
    unknown = {k: "cannot be changed" for k in given if k not in (*allowed, "version")}
    if unknown:
        raise Invalid(unknown)
    values: Row = {}
    if "disposition" in given:
        values["disposition"] = text.clean(str(given["disposition"]), 64) or None
    if "notes" in given:
        values["notes"] = text.clean(str(given["notes"] or ""), MAX_NOTES)
    if "customer" in given:
        who = given["customer"]
        values["customer"] = customers.active(conn, customers.row_id(who))["id"] if who else None
    if "survey" in given:
        values["survey"] = audit.text(given["survey"]) if given["survey"] is not None else None
    before = {k: row[k] for k in values}
    sets = "".join(f", {name} = ?" for name in values)
    conn.execute(
        f"UPDATE contact_records SET version = version + 1, updated_at = ?{sets} WHERE id = ?",
        (now, *values.values(), row["id"]),
    )
    if "notes" in values:
        index_notes(conn, row["id"])
    audit.note(
        conn,
        actor,
        "update",
        "contact_record",
        row["id"],
        now,
        before=before,
        after=values,
        customer=row["customer"],
    )
    return get(conn, actor, str(row["id"]))


# ---- recordings ----------------------------------------------------------------------------------


def put_recording(
    conn: sqlite3.Connection,
    recording: str,
    interaction: str,
    state: str,
    now: float,
    *,
    file_name: str = "",
    sha256: str = "",
    size: int = 0,
    duration_s: float = 0.0,
    reason: str = "",
) -> None:
    """Write the state of a recording: ``pending``, ``ready`` or ``failed``.

    A ready one never becomes pending again, an erased one stays erased.
    """
    conn.execute(
        "INSERT INTO recordings(id, interaction, file, sha256, bytes, duration_s, state, reason,"
        " created_at, updated_at) VALUES (?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (id) DO UPDATE SET file = excluded.file, sha256 = excluded.sha256,"
        " bytes = excluded.bytes, duration_s = excluded.duration_s, state = excluded.state,"
        " reason = excluded.reason, updated_at = excluded.updated_at"
        " WHERE state <> 'erased' AND NOT (state = 'ready' AND excluded.state = 'pending')",
        (recording, interaction, file_name, sha256, size, duration_s, state, reason, now, now),
    )


def recording(conn: sqlite3.Connection, actor: Actor, recording_id: str) -> Row:
    """One recording with its record: ``{id, interaction, file, sha256, bytes, duration_s, state,
    reason, created_at, updated_at, contact_record, agent, queue, team}``. NotFound, Forbidden."""
    row = conn.execute(
        "SELECT r.*, c.id AS contact_record, c.agent, c.queue, c.team FROM recordings r"
        " LEFT JOIN contact_records c ON c.interaction = r.interaction WHERE r.id = ?",
        (recording_id,),
    ).fetchone()
    if row is None:
        raise NotFound("there is no such recording")
    actor.require_row("recording", "read", team=row["team"], agent=row["agent"])
    return dict(row)


def pending_recordings(conn: sqlite3.Connection) -> list[Row]:
    """Recordings whose file was never finalised (after a crash)."""
    return [dict(row) for row in conn.execute("SELECT * FROM recordings WHERE state = 'pending'")]


# ---- reading -------------------------------------------------------------------------------------


def _row(conn: sqlite3.Connection, record: object) -> sqlite3.Row:
    """By number (``"91"``) or by interaction id."""
    key = str(record)
    row = None
    if key.isdigit() and len(key) < 19:
        row = conn.execute("SELECT * FROM contact_records WHERE id = ?", (int(key),)).fetchone()
    if row is None:
        row = conn.execute("SELECT * FROM contact_records WHERE interaction = ?", (key,)).fetchone()
    if row is None:
        raise NotFound("there is no such contact record")
    found: sqlite3.Row = row
    return found


def get(conn: sqlite3.Connection, actor: Actor, record: object) -> Row:
    """One contact record, by id or by interaction id. Raises NotFound."""
    row = _row(conn, record)
    actor.require_row("contact_record", "read", team=row["team"], agent=row["agent"])
    return shaped(conn, actor, [row])[0]


FILTERS = (
    "agent",
    "queue",
    "outcome",
    "disposition",
    "channel",
    "direction",
    "customer",
    "team",
)


def page(
    conn: sqlite3.Connection,
    actor: Actor,
    filters: Mapping[str, str] | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
    plan: NumberPlan = HOME,
) -> tuple[list[Row], str | None]:
    """Newest arrival first: ``(records, cursor of the next page or None)``.

    Filters: those of :data:`FILTERS` by equality, ``number`` (any spelling), ``from`` and ``to``
    (Unix seconds, arrival), ``q`` (words of the notes), ``has_recording`` ("true").
    Raises Invalid for an unknown filter or a broken cursor.
    """
    where, values = actor.sql_scope("contact_record", agent="agent", team="team")
    parts = [where]
    for name, value in (filters or {}).items():
        if name == "customer":
            parts.append("customer = ?")
            values.append(customers.survivor(conn, customers.row_id(value)))
        elif name in FILTERS:
            parts.append(f"{name} = ?")
            values.append(value)
        elif name == "number":
            parts.append("number_key = ?")
            values.append(numbers.key(value, plan))
        elif name in ("from", "to"):
            parts.append(f"arrived_at {'>=' if name == 'from' else '<'} ?")
            values.append(_number(name, value))
        elif name == "q":
            parts.append("id IN (SELECT rowid FROM record_fts WHERE record_fts MATCH ?)")
            values.append(text.match_expression(value) or '""')
        elif name == "has_recording":
            parts.append(
                "EXISTS (SELECT 1 FROM recordings r WHERE r.interaction ="
                " contact_records.interaction AND r.state = 'ready')"
            )
        else:
            raise Invalid({name: "is no filter of contact records"})
    if cursor:
        at, _, last = cursor.partition("_")
        parts.append("(arrived_at, id) < (?, ?)")
        values.extend((_number("cursor", at), int(_number("cursor", last))))
    limit = max(1, min(limit, 200))
    rows = conn.execute(
        f"SELECT * FROM contact_records WHERE {' AND '.join(parts)}"
        " ORDER BY arrived_at DESC, id DESC LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    more = (
        f"{rows[limit - 1]['arrived_at']!r}_{rows[limit - 1]['id']}" if len(rows) > limit else None
    )
    return shaped(conn, actor, rows[:limit]), more


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise Invalid({name: "must be a number"}) from None


def of_customer(
    conn: sqlite3.Connection, actor: Actor, customer: int, *, limit: int = 5
) -> list[Row]:
    """The last contact records of a customer that the actor may read, newest first."""
    return _last(conn, actor, "customer", customer, limit)


def of_number(conn: sqlite3.Connection, actor: Actor, key: str, *, limit: int = 5) -> list[Row]:
    """The last contact records of a number's key, newest first."""
    return _last(conn, actor, "number_key", key, limit)


def _last(
    conn: sqlite3.Connection, actor: Actor, column: str, value: object, limit: int
) -> list[Row]:
    if actor.scope("contact_record", "read") is Scope.NONE:
        return []
    where, values = actor.sql_scope("contact_record", agent="agent", team="team")
    rows = conn.execute(
        f"SELECT * FROM contact_records WHERE {column} = ? AND {where}"
        " ORDER BY arrived_at DESC LIMIT ?",
        (value, *values, limit),
    ).fetchall()
    return shaped(conn, actor, rows)


def shaped(conn: sqlite3.Connection, actor: Actor, rows: Sequence[sqlite3.Row]) -> list[Row]:
    """Rows as they are answered: with recordings and customer's name, masked for the actor."""
    if not rows:
        return []
    recordings: dict[str, list[Row]] = {}
    marks = ",".join("?" * len(rows))
    for found in conn.execute(
        f"SELECT * FROM recordings WHERE interaction IN ({marks}) ORDER BY created_at, id",
        [row["interaction"] for row in rows],
    ):
        one = {
            k: found[k] for k in ("id", "state", "file", "duration_s", "bytes", "sha256", "reason")
        }
        recordings.setdefault(found["interaction"], []).append(one)
    wanted = list({row["customer"] for row in rows if row["customer"] is not None})
    names: dict[int, str] = {}
    if wanted:
        marks = ",".join("?" * len(wanted))
        names = dict(
            conn.execute(f"SELECT id, name FROM customers WHERE id IN ({marks})", wanted).fetchall()
        )
    out = []
    for row in rows:
        one = dict(row)
        one.pop("number_key")
        for name in _JSON:
            one[name] = json.loads(one[name]) if one[name] != "[]" else []
        one["survey"] = json.loads(one["survey"]) if one["survey"] else None
        one["id"] = str(one["id"])
        one["customer_name"] = actor.text(names.get(one["customer"], ""))
        one["customer"] = str(one["customer"]) if one["customer"] is not None else None
        if actor.masks:
            one["caller_number"] = actor.phone(one["caller_number"]) or ""
            one["caller_name"] = actor.text(one["caller_name"])
            one["notes"] = actor.text(one["notes"])
            for name in ("survey", "legs", "causes", "offers"):
                one[name] = actor.masked_values(one[name])
        one["recordings"] = recordings.get(one["interaction"], [])
        out.append(one)
    return out

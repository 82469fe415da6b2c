"""Contact records: one for each interaction, written once, amended afterwards, never reopened.

A contact record as this package answers it (times: Unix seconds)::

    {id: "91", interaction, channel, direction: "in"|"out", caller_number, caller_name, did, queue,
     queues: [..], agent, agents: [..], team, customer: id|None, customer_name, outcome,
     disposition, notes, arrived_at, queued_at, answered_at, ended_at, wait_s, talk_s, wrap_up_s,
     priority, offers: [{offer, agent, offered_at, ended_at, outcome}], legs: [..], causes: [..],
     survey: {question: key|None}|None, recording_failures: [..],
     recording_gaps: [{recording, by, since_at, until_at|None}],
     recordings: [{id, state, file, duration_s, bytes, sha256, reason}], version, updated_at}
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from crmcore import audit, callbacks, customers, matching, numbers, text, webhooks
from crmcore.access import Actor, Scope
from crmcore.errors import Conflict, Invalid, NotFound
from crmcore.numbers import HOME, NumberPlan
from routing.commands import AmendContactRecord, InteractionAccount, Outcome
from routing.facts import Channel

Row = dict[str, Any]
MAX_NOTES = 20_000
_JSON = ("queues", "agents", "offers", "legs", "causes", "recording_failures", "recording_gaps")


def file(
    conn: sqlite3.Connection,
    account: InteractionAccount,
    now: float,
    *,
    team: str | None = None,
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
    direction = "out" if account.outbound else "in"
    customer = _customer_of(conn, account, number)
    cursor = conn.execute(
        "INSERT INTO contact_records(interaction, channel, direction, caller_number, caller_name,"
        " number_key, did, queue, queues, agent, agents, team, customer, outcome, arrived_at,"
        " queued_at, answered_at, ended_at, wait_s, talk_s, priority, offers, causes,"
        " recording_failures, recording_gaps, survey, updated_at)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
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
            audit.text([dataclasses.asdict(one) for one in account.recording_gaps]),
            audit.text(dict(account.survey)) if account.survey else None,
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
    if not account.outbound or (
        account.channel is Channel.CALLBACK and account.outcome != Outcome.ANSWERED
    ):
        callbacks.after_record(conn, account, number, customer, team)
    elif account.outcome == Outcome.ANSWERED and number.key:
        callbacks.reached(conn, number.key, account.ended_at)
    told = {
        "contact_record": str(record),
        "interaction": interaction,
        "channel": str(account.channel),
        "outcome": str(account.outcome),
        "queue": account.queue,
        "agent": account.agent,
        "customer": str(customer) if customer else None,
    }
    webhooks.emit(conn, "contact_record.filed", told, now, customer=customer)
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
        code = text.clean(str(given["disposition"]), 64)
        values["disposition"] = actor.sent_back(code, row["disposition"] or "") or None
    if "notes" in given:
        notes = text.clean(str(given["notes"] or ""), MAX_NOTES)
        values["notes"] = actor.sent_back(notes, row["notes"])
    if "customer" in given:
        who = given["customer"]
        values["customer"] = customers.active(conn, customers.row_id(who))["id"] if who else None
    if "survey" in given:
        values["survey"] = _survey(actor, given["survey"], row["survey"])
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
    told = {"contact_record": str(row["id"]), "fields": sorted(values)}
    webhooks.emit(conn, "contact_record.updated", told, now, customer=row["customer"])
    return get(conn, actor, str(row["id"]))


def _survey(actor: Actor, given: Any, stored: str | None) -> str | None:
    if given is None:
        return None
    there = json.loads(stored) if stored else {}
    shown = actor.masked_values(there)
    values = {k: there[k] if k in there and v == shown[k] else v for k, v in dict(given).items()}
    return audit.text(values)


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


_PLAIN = (
    "interaction", "channel", "direction", "caller_number", "caller_name", "did", "queue", "agent",
    "team", "outcome", "disposition", "notes", "arrived_at", "queued_at", "answered_at", "ended_at",
    "wait_s", "talk_s", "wrap_up_s", "priority", "version", "updated_at", "customer_name",
)  # fmt: skip
_PAIRS = ", ".join(
    (
        "'id', CAST(id AS TEXT)",
        "'customer', CAST(customer AS TEXT)",
        *(f"'{name}', {name}" for name in _PLAIN),
        *(f"'{name}', json({name})" for name in (*_JSON, "survey", "recordings")),
    )
)
_RECORDINGS = (
    "(SELECT json_group_array(json_object('id', x.id, 'state', x.state, 'file', x.file,"
    " 'duration_s', x.duration_s, 'bytes', x.bytes, 'sha256', x.sha256, 'reason', x.reason))"
    " FROM recordings x WHERE x.interaction = r.interaction)"
)


def fetch(
    conn: sqlite3.Connection,
    actor: Actor,
    where: str,
    values: Sequence[object],
    *,
    order: str = "r.arrived_at DESC, r.id DESC",
    limit: int = 1,
) -> list[Row]:
    """Contact records as they are answered. ``r`` is the table in ``where`` and ``order``.

    One statement gives all of them as one JSON text: each step of a statement gives the
    interpreter's lock away and has to get it back, which under load costs more than the query.
    SQLite prints numbers with 15 digits, so times are exact to 10 microseconds.
    """
    found = conn.execute(
        f"SELECT json_group_array(json_object({_PAIRS})) FROM (SELECT r.*,"
        f" coalesce(c.name, '') AS customer_name, {_RECORDINGS} AS recordings"
        " FROM contact_records r LEFT JOIN customers c ON c.id = r.customer"
        f" WHERE {where} ORDER BY {order} LIMIT ?)",
        (*values, limit),
    ).fetchone()[0]
    records: list[Row] = json.loads(found)
    if actor.masks:
        for one in records:
            one["caller_number"] = actor.phone(one["caller_number"]) or ""
            for name in ("caller_name", "notes", "customer_name", "disposition"):
                one[name] = actor.text(one[name])
            for name in ("survey", "legs", "causes", "offers", "recording_failures"):
                one[name] = actor.masked_values(one[name])
    return records


def get(conn: sqlite3.Connection, actor: Actor, record: object) -> Row:
    """One contact record, by id or by interaction id. Raises NotFound."""
    row = _row(conn, record)
    actor.require_row("contact_record", "read", team=row["team"], agent=row["agent"])
    return fetch(conn, actor, "r.id = ?", (row["id"],))[0]


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
    where, values = actor.sql_scope("contact_record", agent="r.agent", team="r.team")
    parts = [where]
    for name, value in (filters or {}).items():
        if name == "customer":
            parts.append("r.customer = ?")
            values.append(customers.survivor(conn, customers.row_id(value)))
        elif name in FILTERS:
            parts.append(f"r.{name} = ?")
            values.append(value)
        elif name == "number":
            parts.append("r.number_key = ?")
            values.append(numbers.key(value, plan))
        elif name in ("from", "to"):
            parts.append(f"r.arrived_at {'>=' if name == 'from' else '<'} ?")
            values.append(_number(name, value))
        elif name == "q":
            parts.append("r.id IN (SELECT rowid FROM record_fts WHERE record_fts MATCH ?)")
            asked = text.match_expression(value) if actor.may_search(value) else ""
            values.append(asked or '""')
        elif name == "has_recording":
            parts.append(
                "EXISTS (SELECT 1 FROM recordings x WHERE x.interaction = r.interaction"
                " AND x.state = 'ready')"
            )
        else:
            raise Invalid({name: "is no filter of contact records"})
    if cursor:
        parts.append(
            "(r.arrived_at, r.id) < (SELECT o.arrived_at, o.id FROM contact_records o"
            " WHERE o.id = ?)"
        )
        values.append(int(_number("cursor", cursor)))
    limit = max(1, min(limit, 200))
    records = fetch(conn, actor, " AND ".join(parts), values, limit=limit + 1)
    return records[:limit], records[limit - 1]["id"] if len(records) > limit else None


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
    where, values = actor.sql_scope("contact_record", agent="r.agent", team="r.team")
    return fetch(
        conn,
        actor,
        f"r.{column} = ? AND {where}",
        (value, *values),
        order="r.arrived_at DESC",
        limit=limit,
    )

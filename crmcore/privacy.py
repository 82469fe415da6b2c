"""A person's rights: everything known about one person, and being forgotten. Consent: ``consent``.

**Erasure** takes out every trace of a person: the customer's own rows and those of the customers
merged into it, notes, tasks, attachments, the audit's values, import rows, the search index, the
journal's payloads, the number on contact records (also of records that nobody was linked to), and,
through a port, the audio files. What statistics and the law need stays under a pseudonym: that
there was an interaction, when, how long, with whom on our side, and the consent ledger.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from crmcore import (
    audit,
    consent,
    contact_records,
    customers,
    journal,
    notes,
    numbers,
    relations,
    search,
    tasks,
    text,
    webhooks,
)
from crmcore.access import Actor
from crmcore.db import Database
from crmcore.errors import Conflict, Invalid, NotFound

Row = dict[str, Any]
BLANK = "[erased]"
_PERSONAL_KEYS = frozenset(
    ("number", "name", "caller_number", "caller_name", "customer_name", "notes", "digits", "note")
)


class ErasePort(Protocol):
    """Something outside the store that holds traces of a person."""

    async def erase(self, recordings: Sequence[Row], customer: str) -> None:
        """Remove the audio of these rows (``{id, interaction, file, ...}``) and what else there is.

        Must be repeatable: it is called again when it failed half-way.
        """
        ...


# ---- everything about one person -----------------------------------------------------------------


def export(conn: sqlite3.Connection, actor: Actor, customer: object, now: float) -> Row:
    """All that is stored about one person, as one JSON-ready object. Needs the right to export."""
    row = customers.active(conn, customers.row_id(customer))
    who = int(row["id"])
    actor.require_row("customer", "export", owner=row["owner"], team=row["team"])
    keys = [
        r[0]
        for r in conn.execute(
            "SELECT key FROM contact_points WHERE customer = ? AND kind = 'phone'", (who,)
        )
    ]
    marks = ",".join("?" * len(keys))
    records = contact_records.fetch(
        conn,
        actor,
        f"r.customer = ? OR (r.customer IS NULL AND r.number_key IN ({marks}))",
        (who, *keys),
        limit=100_000,
    )
    found = {
        "customer": customers.get(conn, actor, who),
        "facts": relations.facts(conn, actor, who),
        "relations": relations.of_customer(conn, actor, who),
        "attachments": relations.attachments(conn, actor, who),
        "notes": [
            {k: v for k, v in note.items() if k != "may"}
            for note in notes.of_customer(conn, actor, who, limit=200)
        ],
        "tasks": tasks.page(conn, actor, state="all", customer=who, limit=200)[0],
        "consents": consent.ledger(conn, actor, who),
        "contact_records": records,
        "exported_at": now,
    }
    audit.note(conn, actor, "export", "customer", who, now, customer=who)
    return found


# ---- being forgotten -----------------------------------------------------------------------------


async def erase(
    db: Database,
    actor: Actor,
    customer: object,
    reason: str,
    now: float,
    *,
    ports: Sequence[ErasePort] = (),
) -> Row:
    """Forget a person: ``{erasure, pseudonym, contact_records, recordings, finished}``.

    The store is clean when this returns. A port that fails leaves ``finished`` false; call
    :func:`finish` later. Copies (back-ups, files that were exported and taken away) are out of
    reach; restoring a back-up erases again, see ``crmcore.doctor.restore``.
    Raises NotFound, Forbidden, Invalid, Conflict (a call of this person is still live).
    """
    done = await db.write(lambda conn: _erase(conn, actor, customer, reason, now), timeout_s=300)
    traces = await _journal_traces(db, done.pop("strings"), done.pop("interactions"))
    for seqs in (traces[i : i + 200] for i in range(0, len(traces), 200)):
        await db.write(lambda conn, seqs=seqs: _redact(conn, seqs))  # type: ignore[misc]
    await scrub(db)
    return await finish(db, done["erasure"], now, ports=ports) | done


def _ids(conn: sqlite3.Connection, who: int) -> list[int]:
    """The customer and all that were merged into it, over any number of steps."""
    return [
        row[0]
        for row in conn.execute(
            "WITH RECURSIVE t(id) AS (SELECT ? UNION SELECT c.id FROM customers c JOIN t"
            " ON c.merged_into = t.id) SELECT id FROM t",
            (who,),
        )
    ]


def _erase(
    conn: sqlite3.Connection, actor: Actor, customer: object, reason: str, now: float
) -> Row:
    row = customers.active(conn, customers.row_id(customer))
    actor.require_row("customer", "erase", owner=row["owner"], team=row["team"])
    why = text.clean(reason, 200)
    if not why:
        raise Invalid({"reason": "must say on what ground"})
    who = int(row["id"])
    ids = _ids(conn, who)
    marks = ",".join("?" * len(ids))
    keys = [
        r[0]
        for r in conn.execute(
            f"SELECT DISTINCT key FROM contact_points WHERE customer IN ({marks})"
            " AND kind = 'phone'",
            ids,
        )
    ]
    key_marks = ",".join("?" * len(keys))
    records = conn.execute(
        "SELECT id, interaction, caller_number, caller_name, number_key FROM contact_records"
        f" WHERE customer IN ({marks}) OR (customer IS NULL AND number_key IN ({key_marks}))",
        (*ids, *keys),
    ).fetchall()
    strings = _strings(conn, ids, [dict(r) for r in records])
    live = conn.execute("SELECT id, snapshot FROM live WHERE kind = 'interaction'").fetchall()
    if any(s in one["snapshot"] for one in live for s in strings["exact"]):
        raise Conflict("a call of this person is live; erase when it has ended")
    pseudonym = "erased-" + hashlib.sha256(f"{who}|{now!r}".encode()).hexdigest()[:12]
    _blank_records(conn, [r["id"] for r in records])
    for table in (
        "contact_points", "addresses", "customer_roles", "customer_tags", "profile_facts",
        "attachments", "watchers", "number_choices", "import_changes", "notes",
    ):  # fmt: skip
        conn.execute(f"DELETE FROM {table} WHERE customer IN ({marks})", ids)
    conn.execute(
        f"DELETE FROM relations WHERE customer IN ({marks}) OR other IN ({marks})", ids * 2
    )
    conn.execute(f"DELETE FROM duplicates WHERE one IN ({marks}) OR other IN ({marks})", ids * 2)
    conn.execute(
        f"DELETE FROM callbacks WHERE customer IN ({marks}) OR number_key IN ({key_marks})",
        (*ids, *keys),
    )
    conn.execute(f"DELETE FROM tasks WHERE customer IN ({marks})", ids)
    conn.execute(f"UPDATE consents SET source = '', proof = '' WHERE customer IN ({marks})", ids)
    conn.execute(
        "UPDATE merges SET undo = '{}', undone_at = coalesce(undone_at, ?)"
        f" WHERE survivor IN ({marks}) OR gone IN ({marks})",
        (now, *ids, *ids),
    )
    conn.execute(f"UPDATE audit SET before = NULL, after = NULL WHERE customer IN ({marks})", ids)
    conn.execute(f"UPDATE webhook_deliveries SET body = '' WHERE customer IN ({marks})", ids)
    conn.executemany(
        "UPDATE audit SET before = NULL, after = NULL WHERE entity = 'contact_record'"
        " AND entity_id = ?",
        [(str(r["id"]),) for r in records],
    )
    _elsewhere(conn, strings["exact"])
    for one in ids:
        search.unindex(conn, one)
    conn.execute(
        "UPDATE customers SET name = '', name_key = '', sound = '', title = '', sex = '',"
        " birthday = NULL, language = '', custom = '{}', source = '', owner = NULL,"
        f" state = 'erased', version = version + 1, updated_at = ? WHERE id IN ({marks})",
        (now, *ids),
    )
    conn.execute("UPDATE customers SET name = ? WHERE id = ?", (pseudonym, who))
    interactions = [r["interaction"] for r in records]
    recordings = _recordings(conn, interactions)
    cursor = conn.execute(
        "INSERT INTO erasures(customer, pseudonym, reason, actor, at, pending)"
        " VALUES (?,?,?,?,?,?)",
        (who, pseudonym, why, actor.username, now, audit.text(interactions)),
    )
    audit.note(conn, actor, "erase", "customer", who, now)
    webhooks.emit(conn, "customer.erased", {"customer": str(who)}, now)
    return {
        "erasure": str(cursor.lastrowid),
        "pseudonym": pseudonym,
        "contact_records": len(records),
        "recordings": len(recordings),
        "strings": strings["exact"],
        "interactions": interactions,
    }


def _strings(conn: sqlite3.Connection, ids: list[int], records: list[Row]) -> dict[str, list[str]]:
    """What identifies the person exactly: numbers as known, mail addresses, other accounts."""
    marks = ",".join("?" * len(ids))
    exact: set[str] = set()
    for value, key in conn.execute(
        f"SELECT value, key FROM contact_points WHERE customer IN ({marks})", ids
    ):
        exact.update((value, key))
        if key.startswith("+"):
            exact.update((numbers.parse(key).digits, key[1:], numbers.display(key)))
    for one in records:
        exact.add(one["caller_number"])
    return {"exact": sorted((s for s in exact if len(s) >= 5), key=len, reverse=True)}


def _blank_records(conn: sqlite3.Connection, ids: list[int]) -> None:
    for one in ids:
        conn.execute(
            "UPDATE contact_records SET caller_number = '', caller_name = '', number_key = NULL,"
            " notes = '', survey = NULL, legs = '[]', causes = '[]', version = version + 1"
            " WHERE id = ?",
            (one,),
        )
        conn.execute("DELETE FROM record_fts WHERE rowid = ?", (one,))


_TEXTS = (
    ("notes", "text"),
    ("customers", "title"),
    ("customers", "custom"),
    ("contact_records", "survey"),
    ("consents", "source"),
    ("consents", "proof"),
    ("attachments", "name"),
    ("saved_views", "name"),
    ("saved_views", "filter"),
    ("merges", "undo"),
    ("import_changes", "undo"),
    ("tasks", "title"),
    ("tasks", "text"),
    ("contact_records", "notes"),
    ("early_amendments", "notes"),
    ("relations", "note"),
    ("callbacks", "note"),
    ("profile_facts", "value"),
)
_ROWS = (("import_refusals", "content", "[]"), ("import_changes", "change", "{}"))


def _spellings(one: str) -> re.Pattern[str]:
    """What finds a value in text: a number with whatever people write between its digits, or
    any other value in capitals and small letters."""
    digits = numbers.parse(one).digits
    if len(digits) < 7 or any(c.isalpha() for c in one):
        return re.compile(re.escape(one), re.IGNORECASE)
    between = r"[\s\-()（）/.·_\u2010-\u2015－]*"
    whole = between.join(f"[{c}{chr(0xFF10 + int(c))}]" for c in digits)
    country = r"(?:(?:\+|00)?86" + between + ")?"
    return re.compile(rf"(?<!\d){country}0?{whole}(?!\d)|{re.escape(one)}")


def _elsewhere(conn: sqlite3.Connection, strings: list[str]) -> None:
    """Other customers' texts that quote the person's number or mail address, and their index."""
    if not strings:
        return
    expressions = [_spellings(one) for one in strings]

    def quotes(value: str | None) -> bool:
        return bool(value) and any(one.search(str(value)) for one in expressions)

    conn.create_function("quotes_person", 1, quotes, deterministic=True)
    again: set[int] = set()
    for table, column in _TEXTS:
        whose = "id" if table == "customers" else "customer" if table == "notes" else "NULL"
        rows = conn.execute(
            f"SELECT id, {whose} AS whose, {column} AS value FROM {table}"
            f" WHERE length({column}) >= 5 AND quotes_person({column})"
        ).fetchall()
        for row in rows:
            value = row["value"]
            for one in expressions:
                value = one.sub(BLANK, value)
            if table == "saved_views" and column == "name":
                value += f" {row['id']}"  # names of views must differ
            conn.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, row["id"]))
            if table == "contact_records":
                contact_records.index_notes(conn, row["id"])
            if row["whose"] is not None:
                again.add(row["whose"])
    conn.execute(
        "UPDATE audit SET before = NULL, after = NULL"
        " WHERE quotes_person(before) OR quotes_person(after)"
    )
    for customer in again:
        if customers.survivor(conn, customer) == customer:
            search.index(conn, customer)
    for table, column, empty in _ROWS:
        conn.execute(f"UPDATE {table} SET {column} = ? WHERE quotes_person({column})", (empty,))
    conn.create_function("quotes_person", 1, None)  # it knows the person


def _recordings(conn: sqlite3.Connection, interactions: list[str]) -> list[Row]:
    found: list[Row] = []
    for one in interactions:
        rows = conn.execute(
            "SELECT * FROM recordings WHERE interaction = ? AND state <> 'erased'", (one,)
        )
        found += [dict(row) for row in rows]
    return found


async def _journal_traces(
    db: Database, strings: list[str], interactions: list[str]
) -> list[tuple[int, str]]:
    """``[(seq, payload as it shall be)]`` of every entry that holds a trace."""
    named = set(interactions)
    traces: list[tuple[int, str]] = []
    after = 0
    while True:

        def look(conn: sqlite3.Connection, after: int = after) -> tuple[list[tuple[int, str]], int]:
            found = []
            last = after
            for seq, interaction, payload in conn.execute(
                "SELECT seq, interaction, payload FROM journal WHERE seq > ? ORDER BY seq"
                " LIMIT 5000",
                (after,),
            ):
                last = seq
                if interaction in named or any(s in payload for s in strings):
                    cleaned = _cleaned(payload, strings, interaction in named)
                    if cleaned != payload:
                        found.append((seq, cleaned))
            return found, last

        found, last = await db.read(look, timeout_s=60)
        traces += found
        if last == after:
            return traces
        after = last


def _cleaned(payload: str, strings: list[str], own: bool) -> str:
    try:
        value = json.loads(payload)
    except ValueError:
        return json.dumps(BLANK)

    def walk(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(one, name) for one in value]
        if isinstance(value, str):
            if own and name in _PERSONAL_KEYS and value:
                return BLANK
            for one in strings:
                value = value.replace(one, BLANK)
        return value

    return audit.text(walk(value))


def _redact(conn: sqlite3.Connection, traces: list[tuple[int, str]]) -> None:
    journal.redact(conn, [seq for seq, _ in traces], [payload for _, payload in traces])


async def scrub(db: Database) -> None:
    """Rewrite the search index without its deleted words and empty the write-ahead log.

    FTS5 only marks what was deleted until its segments are merged
    (https://www.sqlite.org/fts5.html, "merge"); done in steps that let other writes in between.
    """
    for table in ("customer_fts", "record_fts"):
        more = True
        first = True
        while more:

            def step(conn: sqlite3.Connection, table: str = table, first: bool = first) -> bool:
                before = conn.total_changes
                conn.execute(
                    f"INSERT INTO {table}({table}, rank) VALUES ('merge', ?)",
                    (-200 if first else 200,),
                )
                return conn.total_changes - before > 1

            more = await db.write(step)
            first = False
    await db.truncate_wal()


async def finish(
    db: Database, erasure: object, now: float, *, ports: Sequence[ErasePort] = ()
) -> Row:
    """Ask the ports, then mark the recordings as erased. Answers ``{finished: bool}``."""
    key = customers.row_id(erasure)

    def look(conn: sqlite3.Connection) -> tuple[int, list[Row]]:
        row = conn.execute("SELECT * FROM erasures WHERE id = ?", (key,)).fetchone()
        if row is None:
            raise NotFound("there is no such erasure")
        return row["customer"], _recordings(conn, json.loads(row["pending"]))

    customer, recordings = await db.read(look)
    if recordings and not ports:
        return {"finished": False}
    try:
        for port in ports:
            await port.erase(recordings, str(customer))
    except Exception:  # a port's failure must not lose what is still to be done
        return {"finished": False}

    def done(conn: sqlite3.Connection) -> None:
        conn.executemany(
            "UPDATE recordings SET state = 'erased', file = '', sha256 = '', reason = 'erased',"
            " updated_at = ? WHERE id = ?",
            [(now, one["id"]) for one in recordings],
        )
        conn.execute("UPDATE erasures SET pending = '[]', finished_at = ? WHERE id = ?", (now, key))

    await db.write(done)
    return {"finished": True}


def unfinished(conn: sqlite3.Connection) -> list[str]:
    """Erasures whose ports have not all succeeded, for the daemon to try again."""
    rows = conn.execute("SELECT id FROM erasures WHERE finished_at IS NULL ORDER BY id")
    return [str(row[0]) for row in rows]

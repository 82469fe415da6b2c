"""A person's rights: everything known about one person, and being forgotten. Consent: ``consent``.

**Erasure** takes out every trace of a person: the customer's own rows and those of the customers
merged into it, notes, tasks, attachments, the audit's values, import rows, the search index, the
journal's payloads, the number on contact records (also of records that nobody was linked to), what
others wrote about the person's numbers and addresses (``quotes``) and, through a port, the audio
files. What statistics and the law need stays under a pseudonym: ``personal.KEPT`` lists it.

The order matters: what has to be looked for by the person's numbers is cleaned while the store
still knows them, so that an erasure that a crash cut short can be asked for again; what needs no
number (the index's remains, the log, the ports) is taken up again by :func:`finish`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from crmcore import (
    audit,
    consent,
    contact_records,
    customers,
    notes,
    numbers,
    quotes,
    relations,
    search,
    tasks,
    text,
    webhooks,
)
from crmcore.access import Actor
from crmcore.db import Database
from crmcore.errors import Conflict, Invalid, NotFound
from crmcore.quotes import Person

Row = dict[str, Any]
BLANK = quotes.BLANK


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

    The store's rows are clean when this returns. ``finished`` false: a port failed, or somebody who
    reads for long keeps the write-ahead log from being emptied; call :func:`finish` later. Copies
    (back-ups, files that were exported and taken away) are out of reach; restoring a back-up erases
    again, see ``crmcore.doctor.restore``.
    Raises NotFound, Forbidden, Invalid, Conflict (a call of this person is still live).
    """
    known = await db.read(lambda conn: _known(conn, actor, customer, reason))
    last = await quotes.blank_journal(db, known.person, known.interactions)
    places = await quotes.find(db, known.person)
    done = await db.write(
        lambda conn: _erase(conn, actor, customer, reason, now, places), timeout_s=300
    )
    gone: _Known = done.pop("known")
    # what came meanwhile; with a number that was not known before, all of it
    await quotes.blank_journal(
        db, gone.person, gone.interactions, last if gone.person == known.person else 0
    )
    return await finish(db, done["erasure"], now, ports=ports) | done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A person as the store knows them. ``ids``: with all that were merged into it."""

    customer: int
    ids: list[int]
    keys: list[str]
    records: list[int]
    interactions: list[str]
    person: Person
    reason: str


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


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _known(conn: sqlite3.Connection, actor: Actor, customer: object, reason: str) -> _Known:
    """Whom to forget. Raises NotFound, Forbidden, Invalid, Conflict."""
    row = customers.active(conn, customers.row_id(customer))
    actor.require_row("customer", "erase", owner=row["owner"], team=row["team"])
    why = text.clean(reason, 200)
    if not why:
        raise Invalid({"reason": "must say on what ground"})
    who = int(row["id"])
    ids = _ids(conn, who)
    keys = [
        r[0]
        for r in conn.execute(
            f"SELECT DISTINCT key FROM contact_points WHERE customer IN ({_marks(ids)})"
            " AND kind = 'phone' ORDER BY key",
            ids,
        )
    ]
    records = conn.execute(
        "SELECT id, interaction, caller_number, caller_name, number_key FROM contact_records"
        f" WHERE customer IN ({_marks(ids)})"
        f" OR (customer IS NULL AND number_key IN ({_marks(keys)})) ORDER BY id",
        (*ids, *keys),
    ).fetchall()
    person = _person(conn, ids, records)
    for live in conn.execute("SELECT snapshot FROM live WHERE kind = 'interaction'"):
        snapshot = live["snapshot"]
        if person.quoted(snapshot) or any(f'"customer":"{one}"' in snapshot for one in ids):
            raise Conflict("a call of this person is live; erase when it has ended")
    return _Known(
        customer=who,
        ids=ids,
        keys=keys,
        records=[r["id"] for r in records],
        interactions=[r["interaction"] for r in records],
        person=person,
        reason=person.unnamed(why),
    )


def _person(conn: sqlite3.Connection, ids: list[int], records: Iterable[sqlite3.Row]) -> Person:
    """Numbers as known, mail addresses, other accounts, and the names."""
    values: dict[str, set[str]] = {}
    for value, key in conn.execute(
        f"SELECT value, key FROM contact_points WHERE customer IN ({_marks(ids)})", ids
    ):
        known = values.setdefault(key, set())
        known.update((value, key))
        if key.startswith("+"):
            known.update((numbers.parse(key).digits, key[1:], numbers.display(key)))
    marks = _marks(ids)
    names = {
        str(r[0] or "")
        for r in conn.execute(
            f"SELECT name FROM customers WHERE id IN ({marks})"
            # as they were called before
            " UNION SELECT before ->> '$.name' FROM audit"
            f" WHERE entity = 'customer' AND customer IN ({marks})"
            " UNION SELECT undo ->> '$.customers[0].name' FROM import_changes"
            f" WHERE customer IN ({marks})",
            ids * 3,
        )
    }
    for one in records:
        if one["caller_number"]:
            values.setdefault(one["number_key"] or "", set()).add(one["caller_number"])
        names.add(one["caller_name"])
    return Person(values, names)


def _erase(
    conn: sqlite3.Connection,
    actor: Actor,
    customer: object,
    reason: str,
    now: float,
    places: Sequence[quotes.Place] = (),
) -> Row:
    """Everything that is rows, in one transaction; ``places``: where others quote the person."""
    known = _known(conn, actor, customer, reason)
    who, ids, keys = known.customer, known.ids, known.keys
    marks, key_marks = _marks(ids), _marks(keys)
    pseudonym = "erased-" + hashlib.sha256(f"{who}|{now!r}".encode()).hexdigest()[:12]
    _blank_audit(conn, known, now)
    _blank_records(conn, known)
    conn.execute(
        f"DELETE FROM callbacks WHERE customer IN ({marks}) OR (number_key IN ({key_marks})"
        # of a number that is another customer's, too, the other's call-back stays
        " AND NOT EXISTS (SELECT 1 FROM contact_points p WHERE p.customer = callbacks.customer"
        " AND p.key = callbacks.number_key))",
        (*ids, *keys),
    )
    for table in (
        "contact_points", "addresses", "customer_roles", "customer_tags", "profile_facts",
        "attachments", "watchers", "number_choices", "import_changes", "notes", "tasks",
    ):  # fmt: skip
        conn.execute(f"DELETE FROM {table} WHERE customer IN ({marks})", ids)
    conn.execute(
        f"DELETE FROM number_choices WHERE key IN ({key_marks}) AND NOT EXISTS"
        " (SELECT 1 FROM contact_points p WHERE p.key = number_choices.key AND p.kind = 'phone')",
        keys,
    )
    conn.execute(
        f"DELETE FROM relations WHERE customer IN ({marks}) OR other IN ({marks})", ids * 2
    )
    conn.execute(f"DELETE FROM duplicates WHERE one IN ({marks}) OR other IN ({marks})", ids * 2)
    conn.execute(f"UPDATE consents SET source = '', proof = '' WHERE customer IN ({marks})", ids)
    conn.execute(
        "UPDATE merges SET undo = '{}', undone_at = coalesce(undone_at, ?)"
        f" WHERE survivor IN ({marks}) OR gone IN ({marks})",
        (now, *ids, *ids),
    )
    conn.execute(
        "UPDATE webhook_deliveries SET body = '', state = iif(state = 'pending', 'failed', state)"
        f" WHERE customer IN ({marks})",
        ids,
    )
    for one in ids:
        search.unindex(conn, one)
    conn.execute(
        "UPDATE customers SET name = '', name_key = '', sound = '', title = '', sex = '',"
        " birthday = NULL, language = '', custom = '{}', source = '', owner = NULL,"
        f" state = 'erased', version = version + 1, updated_at = ? WHERE id IN ({marks})",
        (now, *ids),
    )
    conn.execute("UPDATE customers SET name = ? WHERE id = ?", (pseudonym, who))
    quotes.blank(conn, known.person, places)
    recordings = _recordings(conn, known.interactions)
    cursor = conn.execute(
        "INSERT INTO erasures(customer, pseudonym, reason, actor, at, pending)"
        " VALUES (?,?,?,?,?,?)",
        (who, pseudonym, known.reason, actor.username, now, audit.text(known.interactions)),
    )
    audit.note(conn, actor, "erase", "customer", who, now)
    webhooks.emit(conn, "customer.erased", {"customer": str(who)}, now)
    return {
        "erasure": str(cursor.lastrowid),
        "pseudonym": pseudonym,
        "contact_records": len(known.records),
        "recordings": len(recordings),
        "known": known,
    }


def _blank_audit(conn: sqlite3.Connection, known: _Known, now: float) -> None:
    """The values before and after, of the person and of what stood at the person."""
    marks = _marks(known.ids)
    blank = "UPDATE audit SET before = NULL, after = NULL WHERE "
    conn.execute(f"{blank}customer IN ({marks})", known.ids)
    for entity, ids in (
        ("contact_record", known.records),
        ("task", _of(conn, "tasks", known)),
        ("callback", _of(conn, "callbacks", known)),
    ):
        conn.executemany(f"{blank}entity = ? AND entity_id = ?", [(entity, str(i)) for i in ids])
    # a partner's entries from the merge on until the two were parted again may hold both
    for merged in conn.execute(
        "SELECT survivor, gone, at, undone_at FROM merges"
        f" WHERE undone_at IS NOT NULL AND (survivor IN ({marks}) OR gone IN ({marks}))",
        known.ids * 2,
    ).fetchall():
        conn.execute(
            f"{blank}customer IN (?, ?) AND at BETWEEN ? AND ?",
            (merged["survivor"], merged["gone"], merged["at"], merged["undone_at"]),
        )


def _of(conn: sqlite3.Connection, table: str, known: _Known) -> list[int]:
    sql = f"SELECT id FROM {table} WHERE customer IN ({_marks(known.ids)})"
    return [row[0] for row in conn.execute(sql, known.ids)]


def _blank_records(conn: sqlite3.Connection, known: _Known) -> None:
    """The contact records, and what belongs to their interactions and to nobody else."""
    for one, interaction in zip(known.records, known.interactions, strict=True):
        conn.execute(
            "UPDATE contact_records SET caller_number = '', caller_name = '', number_key = NULL,"
            " notes = '', survey = NULL, legs = '[]', causes = '[]', version = version + 1"
            " WHERE id = ?",
            (one,),
        )
        conn.execute("DELETE FROM record_fts WHERE rowid = ?", (one,))
        mine = conn.execute(
            "SELECT id FROM tasks WHERE interaction = ? AND customer IS NULL", (interaction,)
        ).fetchall()
        for task in mine:
            conn.execute("DELETE FROM tasks WHERE id = ?", (task["id"],))
            conn.execute(
                "UPDATE audit SET before = NULL, after = NULL WHERE entity = 'task'"
                " AND entity_id = ?",
                (str(task["id"]),),
            )


def _recordings(conn: sqlite3.Connection, interactions: list[str]) -> list[Row]:
    found: list[Row] = []
    for one in interactions:
        rows = conn.execute(
            "SELECT * FROM recordings WHERE interaction = ? AND state <> 'erased'", (one,)
        )
        found += [dict(row) for row in rows]
    return found


async def scrub(db: Database) -> bool:
    """Rewrite the search index without its deleted words and empty the write-ahead log.

    FTS5 only marks what was deleted until its segments are merged
    (https://www.sqlite.org/fts5.html, "merge"); done in steps that let other writes in between.
    Answers False if the log could not be emptied because somebody reads for long.
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
    return await db.truncate_wal()


async def finish(
    db: Database, erasure: object, now: float, *, ports: Sequence[ErasePort] = ()
) -> Row:
    """What an erasure needs beyond the rows: ``{finished: bool}``. Repeatable until it is true.

    Cleans the index and the log, asks the ports, then marks the recordings as erased.
    """
    key = customers.row_id(erasure)
    clean = await scrub(db)

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
        conn.execute(
            "UPDATE erasures SET pending = '[]', finished_at = ? WHERE id = ?",
            (now if clean else None, key),
        )

    await db.write(done)
    return {"finished": clean}


def unfinished(conn: sqlite3.Connection) -> list[str]:
    """Erasures that are not finished yet, for the daemon to try again."""
    rows = conn.execute("SELECT id FROM erasures WHERE finished_at IS NULL ORDER BY id")
    return [str(row[0]) for row in rows]

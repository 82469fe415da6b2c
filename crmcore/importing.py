"""Import of customers from a table: look at it, map the columns, run it.

**All or nothing.** Rows are staged in short transactions (customers in state ``staged``, changes in
``import_changes``), seen by nobody; so a long import neither blocks the writer nor shows half a
table. One last transaction makes them all visible. What a crash left staged is removed at the next
start, see :mod:`crmcore.import_undo`, which also takes a whole import back.

**Modes.** ``create``: rows whose number or mail address a customer already has are skipped;
``update``: only such customers are changed, other rows are refused; ``both``. Empty cells change
nothing.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, TypeVar

from crmcore import (
    audit,
    customer_rows,
    customers,
    import_map,
    import_reader,
    import_undo,
    tabular,
)
from crmcore.access import Actor
from crmcore.db import Database
from crmcore.errors import Invalid, NotFound, Wrong
from crmcore.import_reader import Reader, Ready
from crmcore.numbers import HOME, NumberPlan

Row = dict[str, Any]
T = TypeVar("T")
CHUNK = 8000
STEP = 16  # frames
_NOBODY = Wrong("no customer has this number or mail address", "nobody")
MODES = ("create", "update", "both")


@dataclass(slots=True)
class Progress:
    """Told after each step. ``stage``: reading, applying, done."""

    import_id: str
    stage: str
    done: int
    total: int
    created: int = 0
    updated: int = 0
    skipped: int = 0
    refused: int = 0


# ---- looking -------------------------------------------------------------------------------------


def preview(path: Path, *, plan: NumberPlan = HOME, sample: int = 20) -> Row:
    """What a file looks like, before anything is written. Blocking: call it in a thread.

    ``{kind, encoding, delimiter, columns: [text], mapping: [field], rows: [[cell]], total,
    problems: [{line, problem, errors}]}``; ``problems`` are those of the first rows under that
    mapping, ``errors`` the same for machines.
    """
    source = tabular.open_table(path)
    lines = tabular.rows(source)
    header = next(lines, None)
    if not header or not any(header):
        raise Invalid({"file": Wrong("has no header row", "no_header")})
    mapping = import_map.guess(header)
    first = list(islice((r for r in lines if any(r)), sample))
    problems = []
    for n, row in enumerate(first):
        try:
            import_map.values(row, mapping, plan)
        except Invalid as error:
            told = {"problem": str(error), "errors": error.details()}
            problems.append({"line": n + 2, **told})
    return {
        "kind": source.kind,
        "encoding": source.encoding,
        "delimiter": source.delimiter,
        "columns": header,
        "mapping": mapping,
        "rows": first,
        "total": tabular.count_rows(source),
        "problems": problems,
    }


# ---- running -------------------------------------------------------------------------------------


async def run(
    db: Database,
    actor: Actor,
    path: Path,
    mapping: list[str],
    mode: str,
    now: float,
    *,
    file_name: str = "",
    plan: NumberPlan = HOME,
    progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Import the whole file. Answers the final counts; ``progress`` is told in the loop's thread.

    Raises Forbidden, Invalid. If it is cancelled or fails, nothing of it stays.
    """
    actor.require("customer", "import")
    if mode not in MODES:
        raise Invalid({"mode": f"must be one of {', '.join(MODES)}"})
    wrong = [n for n in mapping if n and n not in import_map.FIELDS and not n.startswith("custom.")]
    if wrong or not any(mapping):
        raise Invalid({"mapping": f"unknown fields {wrong}; map at least one column"})
    reader = await Reader.open(path, mapping, plan, now, actor.username)
    try:
        return await _run(db, actor, reader, mapping, mode, now, file_name, progress)
    finally:
        await reader.close()


async def _run(
    db: Database,
    actor: Actor,
    reader: Reader,
    mapping: list[str],
    mode: str,
    now: float,
    file_name: str,
    progress: Callable[[Progress], None] | None,
) -> Progress:
    total = reader.total
    key = await db.write(
        lambda conn: (
            conn.execute(
                "INSERT INTO imports(file_name, mode, mapping, state, total, actor, at)"
                " VALUES (?,?,?,'staging',?,?,?)",
                (file_name[:200], mode, audit.text(mapping), total, actor.username, now),
            ).lastrowid
        )
    )
    assert key is not None
    at = Progress(str(key), "reading", 0, total)
    try:
        frames = await reader.rows(CHUNK)
        while frames:
            # the next rows come in while these are written; neither is left behind by a failure
            following, written = await asyncio.gather(
                reader.rows(CHUNK), _stage(db, key, frames, mode, at), return_exceptions=True
            )
            if isinstance(written, BaseException):
                raise written
            if isinstance(following, BaseException):
                raise following
            frames = following
            if progress is not None:
                progress(at)
        at.stage = "applying"
        if progress is not None:
            progress(at)
        await db.write(lambda conn: _apply(conn, actor, key, at, now), timeout_s=600)
    except BaseException:
        await asyncio.shield(import_undo.drop_staged(db, key, "failed", now))
        raise
    at.stage = "done"
    if progress is not None:
        progress(at)
    return at


async def _stage(db: Database, key: int, frames: list[bytes], mode: str, at: Progress) -> None:
    """Write the rows of these frames, seen by nobody.

    Table by table rather than row by row: a transaction writes each page it touches once, so many
    rows of one table cost far less than few rows of all tables, in the same time in the lane.
    """

    async def step(fn: Callable[[sqlite3.Connection], T]) -> T:
        return await db.write(fn, bulk=True, timeout_s=600)

    new = await step(lambda conn: _sort_out(conn, key, frames, mode, at))
    for n, write_part in enumerate(customer_rows.PARTS):
        for some in (new[i : i + STEP] for i in range(0, len(new), STEP)):

            def write(
                conn: sqlite3.Connection, n: int = n, some: _New = some, do: Any = write_part
            ) -> None:
                for ids, packed in some:
                    rows = zip(ids, import_reader.unpack(packed[n]), strict=True)
                    do(conn, [(one, row) for one, row in rows if one])

            await step(write)


_New = list[tuple[list[int], list[bytes]]]
"""Of each frame its rows' new customers (0: none) and its packed parts."""


def _sort_out(
    conn: sqlite3.Connection, key: int, frames: list[bytes], mode: str, at: Progress
) -> _New:
    """Write new customers, changes and refusals; answer what is left to write."""
    left: _New = []
    owners: _Owners = {}  # also of the frames before, whose numbers are still to be written
    for frame in frames:
        ready, parts = import_reader.unpack(frame)
        owners |= _owners(conn, key, ready)
        left.append((_sort_out_frame(conn, key, ready, owners, mode, at), parts))
    return left


def _sort_out_frame(
    conn: sqlite3.Connection,
    key: int,
    ready: list[Ready],
    owners: _Owners,
    mode: str,
    at: Progress,
) -> list[int]:
    following = customer_rows.next_id(conn)
    new: list[tuple[int, customer_rows.Values]] = []
    ids: list[int] = []
    changes: list[tuple[int, int, str]] = []
    refused: list[tuple[int, int, str, str]] = []
    for line, problem, cells, values, keys, customer in ready:
        ids.append(0)
        if not problem:
            found, one = next((owners[k] for k in keys if k in owners), (0, 0))
            if found > 1:
                problem = _told(
                    Wrong(
                        f"the number or mail address belongs to {found} customers",
                        "shared",
                        customers=found,
                    )
                )
            elif found and mode == "create":
                at.skipped += 1
                continue
            elif found:
                changes.append((key, one, audit.text(import_reader.unpack(values))))
                continue
            elif mode == "update":
                problem = _told(_NOBODY)
            else:
                owners.update((k, (1, following)) for k in keys)
                new.append((following, customer))
                ids[-1] = following
                following += 1
                continue
        refused.append((key, line, problem, audit.text(import_reader.unpack(cells))))
    customer_rows.write_customers(conn, new, state="staged", import_id=key)
    conn.executemany(
        "INSERT INTO import_changes(import_id, customer, change) VALUES (?,?,?)", changes
    )
    conn.executemany(
        "INSERT INTO import_refusals(import_id, line, problem, content) VALUES (?,?,?,?)", refused
    )
    at.done += len(ready)
    at.created += len(new)
    at.updated += len(changes)
    at.refused += len(refused)
    return ids


_Owners = dict[tuple[str, str], tuple[int, int]]


def _told(problem: Wrong) -> str:
    return audit.text(Invalid({"": problem}).details())


def _owners(conn: sqlite3.Connection, key: int, ready: list[Ready]) -> _Owners:
    """Of each number and mail address in these rows that somebody has: how many, and one of them.

    Customers that this import has staged count, too.
    """
    rows = conn.execute(
        "SELECT p.kind, p.key, count(*), min(p.customer) FROM json_each(?) wanted"
        " CROSS JOIN contact_points p ON p.key = wanted.value AND p.kind IN ('phone', 'email')"
        " CROSS JOIN customers c ON c.id = p.customer"
        " AND (c.state = 'active' OR (c.state = 'staged' AND c.import_id = ?))"
        " GROUP BY p.kind, p.key",
        (audit.text(sorted({one for row in ready for _, one in row[4]})), key),
    )
    return {(kind, one): (count, customer) for kind, one, count, customer in rows}


def _apply(conn: sqlite3.Connection, actor: Actor, key: int, at: Progress, now: float) -> None:
    """The moment in which it all becomes true."""
    conn.execute(
        "UPDATE customers SET state = 'active' WHERE import_id = ? AND state = 'staged'", (key,)
    )
    applied = 0
    for change in conn.execute(
        "SELECT id, customer, change FROM import_changes WHERE import_id = ? ORDER BY id", (key,)
    ).fetchall():
        who = customers.survivor(conn, change["customer"])  # it may have been merged meanwhile
        if who is None:
            conn.execute("DELETE FROM import_changes WHERE id = ?", (change["id"],))
            continue
        undo = import_undo.raw(conn, who)
        _merge_values(conn, who, json.loads(change["change"]), now)
        undo["after"] = conn.execute(
            "SELECT version FROM customers WHERE id = ?", (who,)
        ).fetchone()[0]
        conn.execute(
            "UPDATE import_changes SET customer = ?, undo = ? WHERE id = ?",
            (who, audit.text(undo), change["id"]),
        )
        applied += 1
    at.skipped += at.updated - applied  # whoever was erased or taken back meanwhile
    at.updated = applied
    conn.execute(
        "UPDATE imports SET state = 'done', created = ?, updated = ?, skipped = ?, refused = ?,"
        " finished_at = ? WHERE id = ?",
        (at.created, at.updated, at.skipped, at.refused, now, key),
    )
    after = {"created": at.created, "updated": at.updated, "refused": at.refused}
    audit.note(conn, actor, "import", "customer", f"import {key}", now, after=after)


def _merge_values(conn: sqlite3.Connection, customer: int, values: Row, now: float) -> None:
    """Change what the row says; numbers, addresses, tags and roles are added, not replaced."""
    points = values.pop("contact_points", ())
    places = values.pop("addresses", ())
    for name in ("tags", "roles"):
        if name in values:
            column = name[:-1]
            there = conn.execute(
                f"SELECT {column} FROM customer_{name} WHERE customer = ?", (customer,)
            )
            values[name] = [*values[name], *(row[0] for row in there)]
    if "custom" in values:
        old = conn.execute("SELECT custom FROM customers WHERE id = ?", (customer,)).fetchone()[0]
        values["custom"] = audit.text({**json.loads(old), **json.loads(values["custom"])})
    for point in points:
        customers.add_point(conn, customer, point, now)
    for place in places:
        if not conn.execute(
            "SELECT 1 FROM addresses WHERE customer = ? AND city = ? AND street = ?",
            (customer, place["city"], place["street"]),
        ).fetchone():
            customers.add_address(conn, customer, place, now)
    customers.write_values(conn, customer, values, now)


# ---- afterwards ----------------------------------------------------------------------------------


def page(
    conn: sqlite3.Connection, actor: Actor, *, cursor: int = 0, limit: int = 50
) -> tuple[list[Row], int | None]:
    """Imports, newest first: ``({id, file_name, mode, mapping, state, total, created, updated,
    skipped, refused, actor, at, finished_at}, the next page's cursor)``."""
    actor.require("customer", "import")
    limit = max(1, min(limit, 200))
    rows = conn.execute(
        "SELECT * FROM imports WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2",
        (cursor, limit + 1),
    ).fetchall()
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    found = [
        {
            **dict(r),
            "id": str(r["id"]),
            "file_name": actor.text(r["file_name"]),
            "mapping": json.loads(r["mapping"]),
        }
        for r in rows[:limit]
    ]
    return found, following


def refusals(
    conn: sqlite3.Connection, actor: Actor, import_id: object
) -> tuple[list[str], list[Row]]:
    """The rows that were not taken, for the error file: ``(mapping, [{line, problems: [{field,
    code, detail, params}], cells: [text]}])``; ``mapping``: for each column its field, if any."""
    actor.require("customer", "import")
    key = customers.row_id(import_id)
    run = conn.execute("SELECT mapping FROM imports WHERE id = ?", (key,)).fetchone()
    if run is None:
        raise NotFound(f"there is no import {import_id}")
    mapping: list[str] = json.loads(run["mapping"])
    rows = conn.execute(
        "SELECT line, problem, content FROM import_refusals WHERE import_id = ? ORDER BY line",
        (key,),
    )
    return mapping, [
        {
            "line": row["line"],
            "problems": [
                {**one, "detail": actor.text(one["detail"])} for one in json.loads(row["problem"])
            ],
            "cells": masked_cells(actor, mapping, json.loads(row["content"])),
        }
        for row in rows
    ]


def masked_cells(actor: Actor, mapping: list[str], cells: list[str]) -> list[str]:
    """A row of a table as the actor may see it; ``mapping``: for each column its field, if any."""
    return [actor.field(name, cell) for name, cell in zip_longest(mapping, cells, fillvalue="")][
        : len(cells)
    ]

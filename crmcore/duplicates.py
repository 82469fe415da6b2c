"""Finding customers that may be one: blocks by number, mail and sound of the name, then a score.

Only customers of one block are compared, so a million customers do not mean a million times a
million pairs. A block that is too large (a switchboard's number, 王伟) says nothing by itself and
is left out.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import combinations
from typing import Any

from rapidfuzz import fuzz

from crmcore import audit, customers
from crmcore.access import Actor
from crmcore.db import Database
from crmcore.errors import NotFound

Row = dict[str, Any]
THRESHOLD = 60.0
LARGEST_BLOCK = 20
_PAGE = 500

_BLOCKS = {
    "phone": "SELECT key FROM contact_points WHERE kind = 'phone' AND key > ? AND invalid = 0"
    " GROUP BY key HAVING count(*) BETWEEN 2 AND ? ORDER BY key LIMIT ?",
    "email": "SELECT key FROM contact_points WHERE kind = 'email' AND key > ? AND invalid = 0"
    " GROUP BY key HAVING count(*) BETWEEN 2 AND ? ORDER BY key LIMIT ?",
    "name": "SELECT sound FROM customers WHERE sound <> '' AND sound > ?"
    " GROUP BY sound HAVING count(*) BETWEEN 2 AND ? ORDER BY sound LIMIT ?",
}


def score(one: Row, other: Row) -> tuple[float, list[str]]:
    """How likely two customers are one, 0 to 100, and why.

    Each is ``{kind, name_key, sound, birthday, phones: set, mails: set, places: set}``.
    """
    reasons: list[str] = []
    if one["kind"] != other["kind"]:
        return 0.0, []
    names = 0.0
    if one["name_key"] and other["name_key"]:
        names = fuzz.token_sort_ratio(one["name_key"], other["name_key"])
        if one["sound"] == other["sound"]:
            names = max(names, 85.0)
        if one["name_key"] == other["name_key"]:
            reasons.append("same_name")
        elif names >= 80:
            reasons.append("similar_name")
    nameless = not one["name_key"] or not other["name_key"]
    total = 0.0
    if one["phones"] & other["phones"]:
        reasons.append("same_phone")
        total += 55
    if one["mails"] & other["mails"]:
        reasons.append("same_mail")
        total += 55
    if one["birthday"] and other["birthday"]:
        if one["birthday"] == other["birthday"]:
            reasons.append("same_birthday")
            total += 35
        else:
            total -= 40
    if one["places"] & other["places"]:
        reasons.append("same_address")
        total += 30
    if nameless:
        total += 20 if total >= 55 else 0
    else:
        total += (names - 50) * 0.8 if names >= 50 else -30
    return max(0.0, min(100.0, total)), reasons


def _load(conn: sqlite3.Connection, ids: list[int]) -> dict[int, Row]:
    marks = ",".join("?" * len(ids))
    found: dict[int, Row] = {
        row["id"]: {**dict(row), "phones": set(), "mails": set(), "places": set()}
        for row in conn.execute(
            "SELECT id, kind, name_key, sound, birthday FROM customers"
            f" WHERE id IN ({marks}) AND state = 'active'",
            ids,
        )
    }
    for row in conn.execute(
        "SELECT customer, kind, key FROM contact_points"
        f" WHERE customer IN ({marks}) AND kind IN ('phone', 'email')",
        ids,
    ):
        if row["customer"] in found:
            group = "phones" if row["kind"] == "phone" else "mails"
            found[row["customer"]][group].add(row["key"])
    for row in conn.execute(
        f"SELECT customer, city, street FROM addresses WHERE customer IN ({marks})", ids
    ):
        if row["customer"] in found and row["street"]:
            found[row["customer"]]["places"].add(f"{row['city']}|{row['street']}")
    return found


def _pairs(conn: sqlite3.Connection, ids: list[int]) -> list[tuple[int, int, float, str]]:
    loaded = _load(conn, ids)
    out = []
    for a, b in combinations(sorted(loaded), 2):
        points, reasons = score(loaded[a], loaded[b])
        if points >= THRESHOLD:
            out.append((a, b, points, json.dumps(reasons)))
    return out


def _block_page(
    conn: sqlite3.Connection, kind: str, after: str
) -> tuple[list[tuple[int, int, float, str]], str | None]:
    keys = [r[0] for r in conn.execute(_BLOCKS[kind], (after, LARGEST_BLOCK, _PAGE))]
    member = (
        "SELECT id FROM customers WHERE sound = ? AND state = 'active'"
        if kind == "name"
        else f"SELECT customer FROM contact_points WHERE key = ? AND kind = '{kind}'"
    )
    found: list[tuple[int, int, float, str]] = []
    for key in keys:
        ids = [r[0] for r in conn.execute(member, (key,))]
        found += _pairs(conn, ids)
    return found, keys[-1] if len(keys) == _PAGE else None


def note(conn: sqlite3.Connection, pairs: list[tuple[int, int, float, str]], now: float) -> int:
    """Put pairs on the review queue; a pair that a person decided on is left alone."""
    before = conn.total_changes
    conn.executemany(
        "INSERT INTO duplicates(one, other, score, reasons, found_at) VALUES (?,?,?,?,?)"
        " ON CONFLICT (one, other) DO UPDATE SET score = excluded.score,"
        " reasons = excluded.reasons WHERE state = 'open' AND score <> excluded.score",
        [(*pair, now) for pair in pairs],
    )
    return conn.total_changes - before


async def scan(db: Database, now: float) -> int:
    """Go through all blocks in short steps. Answers how many pairs are new or scored anew."""
    noted = 0
    for kind in _BLOCKS:
        after: str | None = ""
        while after is not None:
            here: str = after
            pairs, after = await db.read(
                lambda conn, kind=kind, here=here: _block_page(conn, kind, here),  # type: ignore[misc]
                timeout_s=120,
            )
            if pairs:
                noted += await db.write(lambda conn, pairs=pairs: note(conn, pairs, now))  # type: ignore[misc]
    return noted


def of_customer(conn: sqlite3.Connection, customer: int) -> list[tuple[int, int, float, str]]:
    """Pairs that one customer makes with others (right after it was created or changed)."""
    ids: dict[int, None] = {}
    for sql in (
        "SELECT q.customer FROM contact_points p JOIN contact_points q ON q.key = p.key"
        " AND q.kind = p.kind WHERE p.customer = ? AND p.kind IN ('phone', 'email') LIMIT 50",
        "SELECT o.id FROM customers c JOIN customers o ON o.sound = c.sound AND o.state = 'active'"
        " WHERE c.id = ? AND c.sound <> '' LIMIT 50",
    ):
        ids.update(dict.fromkeys(r[0] for r in conn.execute(sql, (customer,))))
    ids.setdefault(customer, None)
    return [pair for pair in _pairs(conn, list(ids)) if customer in pair[:2]]


def page(
    conn: sqlite3.Connection, actor: Actor, *, cursor: int = 0, limit: int = 50
) -> tuple[list[Row], int | None]:
    """The review queue, best first: ``[{id, score, reasons, one: {...}, other: {...}}]``.

    ``cursor`` is how many were shown before.
    """
    actor.require("customer", "merge")
    limit = max(1, min(limit, 100))
    rows = conn.execute(
        "SELECT d.* FROM duplicates d JOIN customers a ON a.id = d.one AND a.state = 'active'"
        " JOIN customers b ON b.id = d.other AND b.state = 'active' WHERE d.state = 'open'"
        " ORDER BY d.score DESC, d.id LIMIT ? OFFSET ?",
        (limit + 1, cursor),
    ).fetchall()
    out = []
    for row in rows[:limit]:
        both = customers.load(conn, actor, [row["one"], row["other"]])
        if len(both) == 2:
            out.append(
                {
                    "id": str(row["id"]),
                    "score": row["score"],
                    "reasons": json.loads(row["reasons"]),
                    "one": both[0],
                    "other": both[1],
                }
            )
    return out, cursor + limit if len(rows) > limit else None


def dismiss(conn: sqlite3.Connection, actor: Actor, pair: object, now: float) -> None:
    """A person says: these are two. The pair does not come back. Raises NotFound, Forbidden."""
    actor.require("customer", "merge")
    key = int(str(pair)) if str(pair).isdigit() and len(str(pair)) < 19 else 0
    done = conn.execute(
        "UPDATE duplicates SET state = 'dismissed', decided_at = ?, decided_by = ?"
        " WHERE id = ? AND state = 'open'",
        (now, actor.username, key),
    ).rowcount
    if not done:
        raise NotFound("there is no such open pair")
    audit.note(conn, actor, "dismiss", "duplicate", key, now)

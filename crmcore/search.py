"""Finding customers: by number, by name (also pinyin initials), by any text, and by filters.

The index tables hold tokens cut by :mod:`crmcore.text`. A search never sorts all hits of a
frequent term: names that begin with the query come first from the ordinary index, then names, then
everything else, each stage bounded and in the order of the row id, newest last.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from crmcore import numbers, text
from crmcore.access import Actor

Row = dict[str, Any]
FILTERS = ("role", "tag", "owner", "team", "kind", "vip", "blocked")
"""Equality filters of a customer list; values are text (``vip`` and ``blocked``: true or false)."""


# ---- the index -----------------------------------------------------------------------------------


def documents(values: Mapping[str, Any], notes: str = "") -> tuple[str, str]:
    """``(name, rest)`` as the index takes them, from a customer's checked values."""
    name = values.get("name", "")
    names = [text.tokens(name), *text.initials(name)]
    rest = [values.get("title", ""), *values.get("tags", ())]
    for point in values.get("contact_points", ()):
        if point["kind"] != "phone":
            rest.append(point["value"])
    for one in values.get("addresses", ()):
        rest.append(f"{one['province']}{one['city']}{one['district']}{one['street']}")
    custom = values.get("custom", "{}")
    if custom != "{}":
        rest.extend(str(v) for v in json.loads(custom).values())
    if notes:
        rest.append(notes)
    return " ".join(names), text.tokens(" ".join(part for part in rest if part))


def index_new(conn: sqlite3.Connection, new: Iterable[tuple[int, str, str]]) -> None:
    """Index new customers: ``(id, name, rest)`` of each, the two from :func:`documents`."""
    conn.executemany("INSERT INTO customer_fts(rowid, name, rest) VALUES (?,?,?)", new)


def stored_documents(conn: sqlite3.Connection, customer: int) -> tuple[str, str]:
    """What the index must hold for a customer, from its rows (also the doctor's yardstick)."""
    row = conn.execute(
        "SELECT name, title, custom FROM customers WHERE id = ?", (customer,)
    ).fetchone()
    values: Row = dict(row)
    values["tags"] = [
        r[0]
        for r in conn.execute(
            "SELECT tag FROM customer_tags WHERE customer = ? ORDER BY tag", (customer,)
        )
    ]
    values["contact_points"] = [
        dict(r)
        for r in conn.execute(
            "SELECT kind, value FROM contact_points WHERE customer = ? ORDER BY id", (customer,)
        )
    ]
    values["addresses"] = [
        dict(r)
        for r in conn.execute(
            "SELECT province, city, district, street FROM addresses WHERE customer = ? ORDER BY id",
            (customer,),
        )
    ]
    notes = " \n ".join(
        r[0]
        for r in conn.execute("SELECT text FROM notes WHERE customer = ? ORDER BY id", (customer,))
    )
    return documents(values, notes)


def index(conn: sqlite3.Connection, customer: int) -> None:
    """Index an existing customer anew from its rows."""
    unindex(conn, customer)
    index_new(conn, [(customer, *stored_documents(conn, customer))])


def unindex(conn: sqlite3.Connection, customer: int) -> None:
    """Take a customer out of the index."""
    conn.execute("DELETE FROM customer_fts WHERE rowid = ?", (customer,))


# ---- asking --------------------------------------------------------------------------------------


def _conditions(actor: Actor, filters: Mapping[str, str]) -> tuple[str, list[object]]:
    where, values = actor.sql_scope("customer", owner="c.owner", team="c.team")
    parts = ["c.state = 'active'", where]
    for name, value in filters.items():
        if name in ("owner", "team", "kind"):
            parts.append(f"c.{name} = ?")
            values.append(value)
        elif name in ("vip", "blocked"):
            parts.append(f"c.{name} = ?")
            values.append(int(str(value).lower() in ("1", "true")))
        elif name in ("role", "tag"):
            parts.append(
                f"EXISTS (SELECT 1 FROM customer_{name}s t WHERE t.customer = c.id"
                f" AND t.{name} = ?)"
            )
            values.append(value)
    return " AND ".join(parts), values


def page(
    conn: sqlite3.Connection,
    actor: Actor,
    filters: Mapping[str, str],
    *,
    after: int = 0,
    limit: int = 50,
) -> tuple[list[int], int | None]:
    """Ids of a filtered list, newest first, and the cursor of the next page."""
    where, values = _conditions(actor, filters)
    if after:
        where += " AND c.id < ?"
        values.append(after)
    source = "customers c"
    for name in ("tag", "role"):
        if name in filters:  # start from the short list
            where += f" AND c.id IN (SELECT customer FROM customer_{name}s WHERE {name} = ?)"
            values.append(filters[name])
    rows = conn.execute(
        f"SELECT c.id FROM {source} WHERE {where} ORDER BY c.id DESC LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    ids = [row[0] for row in rows]
    return ids[:limit], ids[limit - 1] if len(ids) > limit else None


def find(
    conn: sqlite3.Connection,
    actor: Actor,
    query: str,
    filters: Mapping[str, str] | None = None,
    *,
    limit: int = 50,
    plan: numbers.NumberPlan = numbers.HOME,
) -> list[int]:
    """Ids of the customers that a person's words find, best first.

    Digits find numbers: the whole number, its beginning, or its last four digits and more (only
    the whole number for a role that sees numbers masked). Other text finds names, pinyin, tags,
    addresses, mail, custom fields and notes by any two characters in a row; only names for a role
    that sees addresses or mail masked, and free text only by Chinese words for one that sees
    numbers masked, or what is hidden could be guessed piece by piece.
    """
    where, values = _conditions(actor, filters or {})
    found: dict[int, None] = {}

    def take(sql: str, *params: object, room: int = limit) -> None:
        wanted = min(room, limit) - len(found)
        if wanted <= 0:
            return
        rows = conn.execute(
            f"{sql} AND {where} LIMIT ?",
            (*params, *values, wanted + len(found)),
        )
        for row in rows:
            if len(found) >= limit:
                break
            found.setdefault(row[0], None)

    query = text.clean(query, text.MAX_QUERY)
    digits = "".join(c for c in text.fold(query) if c.isdigit())
    if len(digits) >= 3 and not any(c.isalpha() for c in query):
        _by_number(take, actor, numbers.key(query, plan), digits)
        return list(found)
    key = text.name_key(query)
    hides_texts = bool(actor.masks & {"phone", "notes"})
    if not key or (hides_texts and len(digits) >= 3):
        return []
    # what is shown masked must not be guessed by asking for it piece by piece
    names_only = bool(actor.masks & {"email", "address"}) or not actor.may_search(query)
    begins = "SELECT c.id FROM customers c WHERE c.name_key >= ? AND c.name_key < ?"
    take("SELECT c.id FROM customers c WHERE c.name_key = ?", key)
    take(begins, key, key + "\U0010ffff")
    fts = (
        "SELECT c.id FROM customer_fts f CROSS JOIN customers c ON c.id = f.rowid"
        " WHERE customer_fts MATCH ?"
    )
    # whole words before beginnings: the beginning of a frequent word is dear to look up
    for begins_too in (False, True):
        expression = text.match_expression(query, begins=begins_too)
        if expression and len(key) > 1 and len(found) < limit:
            take(fts, f"name : ({expression})")
            if not names_only:
                take(fts, expression)
        if expression == text.match_expression(query, begins=True):
            break
    return list(found)


def _by_number(take: Any, actor: Actor, key: str, digits: str) -> None:
    by = "SELECT c.id FROM contact_points p CROSS JOIN customers c ON c.id = p.customer WHERE "
    take(by + "p.key = ?", key)
    if not actor.sees("phone"):
        return
    if len(digits) >= 7:
        take(by + "p.tail = ? AND p.key LIKE ?", digits[-numbers.TAIL_DIGITS :], f"%{digits}")
    national = digits.lstrip("0")
    for start in (f"+86{national}", f"+{national}", f"short:{digits}", f"local:{digits}"):
        if len(national) >= 3:
            take(by + "p.key >= ? AND p.key < ?", start, start + "~")
    if 4 <= len(digits) < 7:
        take(
            by + "p.tail IS NOT NULL AND substr(p.tail, 4) = ? AND p.tail LIKE ?",
            digits[-4:],
            f"%{digits}",
        )

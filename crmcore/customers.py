"""Customers: persons and organisations with their contact points, addresses, roles and tags.

A customer as this package answers it (JSON-ready; times are Unix seconds)::

    {id: "17", kind: "person"|"organisation", name, title, sex, birthday: "YYYY-MM-DD"|None,
     language, vip: bool, blocked: bool, owner: username|None, team, custom: {}, source,
     state: "active"|"merged"|"erased", merged_into: id|None, version, created_at, created_by,
     updated_at, roles: [code], tags: [text],
     contact_points: [{id, kind, value, display, label, preferred, opt_out, invalid, source,
                       source_at}],
     addresses: [{id, label, country, province, city, district, street, postcode, opt_out,
                  invalid, source, source_at}]}

Input takes the same names; ``contact_points``, ``addresses``, ``roles`` and ``tags`` replace what
is there when given. Every function takes the transaction's connection and the asking actor.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crmcore import audit, customer_masks, customer_rows, search, text, webhooks
from crmcore.access import Actor
from crmcore.customer_input import ADDRESS, PLAIN, checked
from crmcore.errors import Conflict, Invalid, NotFound, Wrong
from crmcore.numbers import HOME, NumberPlan

Row = dict[str, Any]


def row_id(value: object) -> int:
    """An id from outside as the row's number; raises NotFound for anything else."""
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if not 0 < number < 2**62:
        raise NotFound("there is no such customer")
    return number


# ---- writing -------------------------------------------------------------------------------------


def create(
    conn: sqlite3.Connection,
    actor: Actor,
    given: Mapping[str, Any],
    now: float,
    *,
    plan: NumberPlan = HOME,
) -> Row:
    """Make a customer and answer it. Raises Invalid, Forbidden."""
    actor.require("customer", "create")
    values = checked(given, plan, new=True)
    if not values.get("name") and not values.get("contact_points"):
        raise Invalid(
            {"name": Wrong("give a name or at least one contact point", "name_or_contact")}
        )
    customer = customer_rows.next_id(conn)
    customer_rows.write(conn, customer, customer_rows.cut(values, now, actor.username))
    after = snapshot(conn, customer)
    audit.note(conn, actor, "create", "customer", customer, now, after=after, customer=customer)
    webhooks.emit(conn, "customer.created", {"customer": str(customer)}, now, customer=customer)
    return get(conn, actor, customer)


def add_point(conn: sqlite3.Connection, customer: int, point: Row, now: float) -> None:
    """Add a checked contact point; one with the same key only takes the newer spelling."""
    conn.execute(customer_rows.ADD_POINT, (customer, *customer_rows.point_row(point, now)))


def add_address(conn: sqlite3.Connection, customer: int, one: Row, now: float) -> None:
    """Add a checked address."""
    conn.execute(customer_rows.ADD_ADDRESS, (customer, *customer_rows.address_row(one, now)))


def _set_list(
    conn: sqlite3.Connection,
    table: str,
    column: str,
    customer: int,
    values: Iterable[str],
    now: float,
) -> None:
    wanted = set(values)
    rows = conn.execute(f"SELECT {column} FROM {table} WHERE customer = ?", (customer,))
    there = {row[0] for row in rows}
    for gone in there - wanted:
        conn.execute(
            f"DELETE FROM {table} WHERE customer = ? AND {column} = ?",
            (customer, gone),
        )
    extra, stamp = (", since_at", ",?") if table == "customer_roles" else ("", "")
    for added in sorted(wanted - there):
        conn.execute(
            f"INSERT INTO {table}(customer, {column}{extra}) VALUES (?,?{stamp})",
            (customer, added, now) if stamp else (customer, added),
        )


def update(
    conn: sqlite3.Connection,
    actor: Actor,
    customer: object,
    given: Mapping[str, Any],
    now: float,
    *,
    version: int | None = None,
    plan: NumberPlan = HOME,
) -> Row:
    """Change the fields given and answer the customer.

    ``version`` is the one the asker saw; a different one now is Conflict. ``None`` skips the check.
    Raises NotFound, Forbidden, Conflict, Invalid.
    """
    number = row_id(customer)
    row = active(conn, number)
    actor.require_row("customer", "update", owner=row["owner"], team=row["team"])
    if version is not None and version != row["version"]:
        raise Conflict(f"customer {number} has version {row['version']} now; read it again")
    values = customer_masks.sent_back(conn, actor, row, checked(given, plan, new=False))
    before = snapshot(conn, number)
    write_values(conn, number, values, now)
    after = snapshot(conn, number)
    audit.note(
        conn, actor, "update", "customer", number, now, before=before, after=after, customer=number
    )
    webhooks.emit(conn, "customer.updated", {"customer": str(number)}, now, customer=number)
    return get(conn, actor, number)


def write_values(conn: sqlite3.Connection, customer: int, values: Row, now: float) -> None:
    """Store checked values of an existing customer and index it anew."""
    plain = {k: v for k, v in values.items() if k in PLAIN}
    if "name" in plain:
        plain["name_key"] = text.name_key(plain["name"])
        plain["sound"] = text.sound(plain["name"])
    sets = "".join(f", {name} = ?" for name in plain)
    conn.execute(
        f"UPDATE customers SET version = version + 1, updated_at = ?{sets} WHERE id = ?",
        (now, *plain.values(), customer),
    )
    if "roles" in values:
        _set_list(conn, "customer_roles", "role", customer, values["roles"], now)
    if "tags" in values:
        _set_list(conn, "customer_tags", "tag", customer, values["tags"], now)
    if "contact_points" in values:
        _replace_points(conn, customer, values["contact_points"], now)
    if "addresses" in values:
        _replace_addresses(conn, customer, values["addresses"], now)
    search.index(conn, customer)


def _replace_points(conn: sqlite3.Connection, customer: int, points: list[Row], now: float) -> None:
    there = {
        row["id"]: row
        for row in conn.execute("SELECT * FROM contact_points WHERE customer = ?", (customer,))
    }
    by_key = {(row["kind"], row["key"]): row["id"] for row in there.values()}
    kept: set[int] = set()
    for point in points:
        if point.get("unseen"):
            kept.add(int(point["id"]))
            continue
        known = by_key.get((point["kind"], point["key"]))
        if known is None and str(point.get("id") or "").isdigit() and int(point["id"]) in there:
            known = int(point["id"])
        if known is None or known in kept:
            add_point(conn, customer, point, now)
            continue
        kept.add(known)
        conn.execute(
            "UPDATE contact_points SET kind=?, value=?, key=?, tail=?, label=?, preferred=?,"
            " opt_out=?, invalid=? WHERE id = ?",
            (
                point["kind"],
                point["value"],
                point["key"],
                point["tail"],
                point["label"],
                point["preferred"],
                point["opt_out"],
                point["invalid"],
                known,
            ),
        )
    for gone in there.keys() - kept:
        conn.execute("DELETE FROM contact_points WHERE id = ?", (gone,))


def _replace_addresses(
    conn: sqlite3.Connection, customer: int, addresses: list[Row], now: float
) -> None:
    there = {
        row[0] for row in conn.execute("SELECT id FROM addresses WHERE customer = ?", (customer,))
    }
    kept: set[int] = set()
    for one in addresses:
        known = int(one["id"]) if str(one.get("id") or "").isdigit() else 0
        if known not in there or known in kept:
            add_address(conn, customer, one, now)
            continue
        kept.add(known)
        sets = ", ".join(f"{f} = ?" for f in ADDRESS)
        conn.execute(
            f"UPDATE addresses SET {sets}, opt_out = ?, invalid = ? WHERE id = ?",
            (*(one[f] for f in ADDRESS), one["opt_out"], one["invalid"], known),
        )
    for gone in there - kept:
        conn.execute("DELETE FROM addresses WHERE id = ?", (gone,))


# ---- reading -------------------------------------------------------------------------------------


def active(conn: sqlite3.Connection, customer: int) -> sqlite3.Row:
    """The row of an active customer; a merged one leads to its survivor only in :func:`get`."""
    row = conn.execute(
        "SELECT * FROM customers WHERE id = ? AND state = 'active'", (customer,)
    ).fetchone()
    if row is None:
        raise NotFound("there is no such customer, or it was merged or erased")
    found: sqlite3.Row = row
    return found


def survivor(conn: sqlite3.Connection, customer: int) -> int | None:
    """The active customer that this id stands for today (follows merges); ``None`` if erased."""
    for _ in range(50):
        row = conn.execute(
            "SELECT state, merged_into FROM customers WHERE id = ?", (customer,)
        ).fetchone()
        if row is None or row["state"] in ("erased", "staged"):
            return None
        if row["state"] == "active":
            return customer
        customer = row["merged_into"]
    return None


def get(conn: sqlite3.Connection, actor: Actor, customer: object) -> Row:
    """One customer; a merged id answers its survivor. Raises NotFound."""
    actor.require("customer", "read")
    number = survivor(conn, row_id(customer))
    found = load(conn, actor, [number]) if number else []
    if not found:
        raise NotFound("there is no such customer")
    return found[0]


def readable(conn: sqlite3.Connection, actor: Actor, customer: int) -> bool:
    """Whether the actor may read this active customer."""
    scope = actor.require("customer", "read")
    row = conn.execute(
        "SELECT owner, team FROM customers WHERE id = ? AND state = 'active'", (customer,)
    ).fetchone()
    return row is not None and actor.reaches(scope, row["owner"], row["team"])


_COLUMNS = (
    "kind", "name", "title", "sex", "birthday", "language", "vip", "blocked", "owner", "team",
    "source", "state", "version", "created_at", "created_by", "updated_at",
)  # fmt: skip
_POINT = ("kind", "value", "key", "label", "preferred", "opt_out", "invalid", "source", "source_at")
_PLACE = (*ADDRESS, "opt_out", "invalid", "source", "source_at")


def _part(table: str, shape: str, order: str) -> str:
    return (
        f"(SELECT json_group_array({shape}) FROM (SELECT * FROM {table} WHERE customer = c.id"
        f" ORDER BY {order}))"
    )


def _object(names: Sequence[str]) -> str:
    pairs = ", ".join(f"'{name}', {name}" for name in names)
    return f"json_object('id', CAST(id AS TEXT), {pairs})"


_LOAD = (
    "SELECT json_group_array(json_object('id', CAST(c.id AS TEXT),"
    + " 'merged_into', CAST(c.merged_into AS TEXT), 'custom', json(c.custom), "
    + ", ".join(f"'{name}', c.{name}" for name in _COLUMNS)
    + f", 'roles', json({_part('customer_roles', 'role', 'role')})"
    + f", 'tags', json({_part('customer_tags', 'tag', 'tag')})"
    + f", 'contact_points', json({_part('contact_points', _object(_POINT), 'preferred DESC, id')})"
    + f", 'addresses', json({_part('addresses', _object(_PLACE), 'id')})"
    + ")) FROM customers c WHERE c.id IN "
)


def load(conn: sqlite3.Connection, actor: Actor, ids: Sequence[int]) -> list[Row]:
    """The customers of these ids that the actor may read, in the order given, masked.

    One statement gives all of them as one JSON text (why: see ``contact_records.fetch``).
    """
    if not ids:
        return []
    scope = actor.require("customer", "read")
    found = conn.execute(f"{_LOAD}({','.join('?' * len(ids))})", ids).fetchone()[0]
    by_id = {
        int(one["id"]): one
        for one in json.loads(found)
        if actor.reaches(scope, one["owner"], one["team"])
    }
    return [customer_masks.shown(actor, by_id[one]) for one in ids if one in by_id]


def snapshot(conn: sqlite3.Connection, customer: int) -> Row:
    """The customer's values for the audit: unmasked, without ids of the parts."""
    row = conn.execute("SELECT * FROM customers WHERE id = ?", (customer,)).fetchone()
    values: Row = {name: row[name] for name in PLAIN}
    values["roles"] = [
        r[0]
        for r in conn.execute(
            "SELECT role FROM customer_roles WHERE customer = ? ORDER BY role", (customer,)
        )
    ]
    values["tags"] = [
        r[0]
        for r in conn.execute(
            "SELECT tag FROM customer_tags WHERE customer = ? ORDER BY tag", (customer,)
        )
    ]
    values["contact_points"] = [
        dict(r)
        for r in conn.execute(
            "SELECT kind, value, label, preferred, opt_out, invalid FROM contact_points"
            " WHERE customer = ? ORDER BY id",
            (customer,),
        )
    ]
    values["addresses"] = [
        {f: r[f] for f in (*ADDRESS, "opt_out", "invalid")}
        for r in conn.execute("SELECT * FROM addresses WHERE customer = ? ORDER BY id", (customer,))
    ]
    return values

"""From a number to a customer: every candidate, ranked, each marked known or maybe.

*Known*: the number stands at the customer as a valid contact point. *Maybe*: only the part without
the area code agrees, or the contact point is marked invalid. When several are known (a shared
line) nobody is taken silently: the customer is the one whom a person chose last, or none.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from crmcore import audit, customer_input, customers, numbers
from crmcore.access import Actor
from crmcore.numbers import HOME, Number, NumberPlan

Row = dict[str, Any]


def ranked(conn: sqlite3.Connection, number: Number) -> list[tuple[int, str, str, bool]]:
    """``(customer id, level, reason, chosen)`` of everybody the number may mean, best first."""
    if not number.key:
        return []
    rows = conn.execute(
        "SELECT p.customer, p.key, p.invalid, p.preferred, c.updated_at,"
        " (SELECT n.customer FROM number_choices n WHERE n.key = p.key) AS chosen"
        " FROM contact_points p JOIN customers c ON c.id = p.customer AND c.state = 'active'"
        " WHERE p.key = ? AND p.kind = 'phone' LIMIT 100",
        (number.key,),
    ).fetchall()
    if number.tail is not None and number.kind in ("local", "landline"):
        rows += conn.execute(
            "SELECT p.customer, p.key, p.invalid, p.preferred, c.updated_at, NULL AS chosen"
            " FROM contact_points p JOIN customers c ON c.id = p.customer AND c.state = 'active'"
            " WHERE p.tail = ? AND p.key <> ? AND p.kind = 'phone' LIMIT 100",
            (number.tail, number.key),
        ).fetchall()
    chosen = rows[0]["chosen"] if rows else None
    best: dict[int, tuple[tuple[float, ...], str, str]] = {}
    for row in rows:
        if row["key"] != number.key:
            if not numbers.may_be_same(number, numbers.parse(row["key"])):
                continue
            level, reason = "maybe", "without_area"
        elif row["invalid"]:
            level, reason = "maybe", "invalid_point"
        else:
            level, reason = "known", "number"
        one = row["customer"]
        rank = (one == chosen, level == "known", row["preferred"], row["updated_at"], one)
        if one not in best or rank > best[one][0]:
            best[one] = (rank, level, reason)
    order = sorted(best, key=lambda one: best[one][0], reverse=True)
    return [(one, best[one][1], best[one][2], one == chosen) for one in order]


def meant(candidates: list[tuple[int, str, str, bool]]) -> int | None:
    """The customer that may be taken without asking a person: chosen once, or the only known."""
    chosen = [one for one, _, _, was in candidates if was]
    if chosen:
        return chosen[0]
    known = [one for one, level, _, _ in candidates if level == "known"]
    return known[0] if len(known) == 1 else None


def link(
    conn: sqlite3.Connection,
    actor: Actor,
    caller_number: str,
    customer: object,
    now: float,
    *,
    plan: NumberPlan = HOME,
) -> Row:
    """A person says: this number is (also) this customer's.

    Adds the contact point if it is missing, marks it valid, remembers the choice for a number that
    several share, and gives the customer the number's contact records that nobody has yet.
    Answers ``{customer: {...}, relinked: n}``.
    """
    who = customers.row_id(customer)
    row = customers.active(conn, who)
    actor.require_row("customer", "update", owner=row["owner"], team=row["team"])
    point = customer_input.checked_point(
        {"kind": "phone", "value": caller_number, "source": "linked"}, plan, "number"
    )
    before = customers.snapshot(conn, who)
    customers.add_point(conn, who, point, now)
    conn.execute(
        "UPDATE contact_points SET invalid = 0 WHERE customer = ? AND kind = 'phone' AND key = ?",
        (who, point["key"]),
    )
    conn.execute(
        "INSERT INTO number_choices(key, customer, chosen_at, chosen_by) VALUES (?,?,?,?)"
        " ON CONFLICT (key) DO UPDATE SET customer = excluded.customer,"
        " chosen_at = excluded.chosen_at, chosen_by = excluded.chosen_by",
        (point["key"], who, now, actor.username),
    )
    relinked = conn.execute(
        "UPDATE contact_records SET customer = ?, version = version + 1, updated_at = ?"
        " WHERE number_key = ? AND customer IS NULL",
        (who, now, point["key"]),
    ).rowcount
    conn.execute(
        "UPDATE callbacks SET customer = ? WHERE number_key = ? AND customer IS NULL",
        (who, point["key"]),
    )
    conn.execute(
        "UPDATE customers SET version = version + 1, updated_at = ? WHERE id = ?", (now, who)
    )
    audit.note(
        conn,
        actor,
        "link_number",
        "customer",
        who,
        now,
        before=before,
        after=customers.snapshot(conn, who),
        customer=who,
    )
    return {"customer": customers.get(conn, actor, who), "relinked": relinked}


def for_record(conn: sqlite3.Connection, number: Number) -> int | None:
    """The customer to put on a contact record when routing knew none."""
    return meant(ranked(conn, number))

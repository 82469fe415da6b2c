"""The screen-pop's data: who calls, who else it may be, and what was before. One read."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any

from crmcore import contact_records, customers, numbers
from crmcore.access import Actor
from crmcore.matching import meant, ranked
from crmcore.numbers import HOME, NumberPlan

Row = dict[str, Any]
MAX_CANDIDATES = 10
HISTORY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PopData:
    """What a screen-pop shows.

    ``customer``: the one meant, or None. ``candidates``: ``[{customer: {...}, level: "known" |
    "maybe", reason: "number" | "without_area" | "invalid_point", chosen: bool}]``, best first, the
    one meant included. ``history``: the last contact records of the customer, or of the number
    when no customer is meant. ``attributes``: text values as
    :class:`routing.facts.CustomerMatched` takes them.
    """

    number: str
    key: str
    customer: Row | None = None
    known: bool = False
    candidates: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    open_tasks: int = 0
    attributes: dict[str, str] = field(default_factory=dict)


def pop(
    conn: sqlite3.Connection,
    actor: Actor,
    caller_number: str,
    *,
    plan: NumberPlan = HOME,
    history: int = HISTORY,
    customer: object = None,
) -> PopData:
    """Everything a screen-pop shows, in one read. ``customer`` overrides the match, when given."""
    number = numbers.parse(caller_number, plan)
    found = ranked(conn, number)
    who = customers.survivor(conn, customers.row_id(customer)) if customer else meant(found)
    ids = [one for one, *_ in found[:MAX_CANDIDATES]]
    if who is not None and who not in ids:
        ids.insert(0, who)
    loaded = {int(one["id"]): one for one in customers.load(conn, actor, ids)}
    level = {one: (lv, reason, chosen) for one, lv, reason, chosen in found}
    candidates = [
        {
            "customer": loaded[one],
            "level": level.get(one, ("known", "linked", True))[0],
            "reason": level.get(one, ("known", "linked", True))[1],
            "chosen": level.get(one, ("known", "linked", True))[2],
        }
        for one in ids
        if one in loaded
    ]
    person = loaded.get(who) if who is not None else None
    if person is not None:
        last = contact_records.of_customer(conn, actor, int(person["id"]), limit=history)
    elif number.key and not found:
        last = contact_records.of_number(conn, actor, number.key, limit=history)
    else:
        last = []
    attributes, tasks = _around(conn, person) if person else ({}, 0)
    return PopData(
        number=actor.phone(caller_number) or "",
        key=actor.phone(number.key) or "",
        customer=person,
        known=person is not None,
        candidates=candidates,
        history=last,
        open_tasks=tasks,
        attributes=attributes,
    )


def _around(conn: sqlite3.Connection, person: Row) -> tuple[dict[str, str], int]:
    """What routing may use, and how many tasks are open. Skills: custom fields ``skill.<id>``."""
    found = {
        name: str(value)
        for name, value in person["custom"].items()
        if name.startswith("skill.") and isinstance(value, int | str)
    }
    for flag in ("vip", "blocked"):
        if person[flag]:
            found[flag] = "1"
    if person["language"]:
        found["language"] = person["language"]
    row = conn.execute(
        "SELECT (SELECT count(*) FROM tasks WHERE customer = ?1 AND state = 'open') AS tasks,"
        " (SELECT agent FROM users WHERE username = ?2) AS owner, l.agent, l.ended_at"
        " FROM (SELECT 1) LEFT JOIN (SELECT agent, ended_at FROM contact_records"
        " WHERE customer = ?1 AND agent IS NOT NULL ORDER BY arrived_at DESC LIMIT 1) l",
        (int(person["id"]), person["owner"]),
    ).fetchone()
    if person["owner"]:
        found["owner"] = row["owner"] or person["owner"]
    if row["agent"]:
        found["last_agent"] = row["agent"]
        found["last_agent_at"] = repr(row["ended_at"])
    return found, row["tasks"]


def match_fact(data: PopData) -> tuple[str, str, bool, dict[str, str]] | None:
    """``(customer id, name, known, attributes)`` for ``CustomerMatched``; None without candidates.

    With several candidates and no choice the best one is named with ``known`` false and without
    attributes, so that nothing is decided on a guess.
    """
    if data.customer is not None:
        return data.customer["id"], data.customer["name"][:200], True, data.attributes
    if data.candidates:
        best = data.candidates[0]["customer"]
        return best["id"], best["name"][:200], False, {}
    return None

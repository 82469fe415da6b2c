"""The audit: who changed what, from where, with the values before and after. Append-only.

The table's triggers refuse DELETE and every UPDATE but the one that takes an erased customer's
values out (see ``0001_base.sql``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmcore.access import Actor

Row = dict[str, Any]
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


def text(value: object) -> str:
    """JSON as it stands in the store: compact, readable Chinese."""
    return _ENCODER.encode(value)


def note(
    conn: sqlite3.Connection,
    actor: Actor,
    action: str,
    entity: str,
    entity_id: object,
    now: float,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    customer: int | None = None,
) -> None:
    """Write one entry. With both sides given, only the fields that differ are kept."""
    if before is not None and after is not None:
        changed = [k for k in {**before, **after} if before.get(k) != after.get(k)]
        before = {k: before.get(k) for k in changed}
        after = {k: after.get(k) for k in changed}
    conn.execute(
        "INSERT INTO audit(at, actor, source, action, entity, entity_id, customer, before, after)"
        " VALUES (?,?,?,?,?,?,?,?,?)",
        (
            now,
            actor.username,
            actor.source,
            action,
            entity,
            str(entity_id),
            customer,
            None if before is None else text(before),
            None if after is None else text(after),
        ),
    )


def entries(
    conn: sqlite3.Connection,
    actor: Actor,
    *,
    entity: str | None = None,
    entity_id: str | None = None,
    username: str | None = None,
    action: str | None = None,
    refused: bool = False,
    before_id: int | None = None,
    limit: int = 50,
) -> list[Row]:
    """Newest first: ``{id, at, actor, source, action, entity, entity_id, before, after}``.

    ``refused``: only what was not allowed, or not possible. Page on with ``before_id``. Raises
    Forbidden without the right to read the audit.
    """
    actor.require("audit", "read")
    where, values = ["1"], []
    for column, value in (
        ("entity", entity),
        ("entity_id", entity_id),
        ("actor", username),
        ("action", action),
    ):
        if value is not None:
            where.append(f"{column} = ?")
            values.append(value)
    if refused:
        where.append("(action = 'refused' OR after ->> '$.why_not' IS NOT NULL)")
    if before_id is not None:
        where.append("id < ?")
        values.append(str(int(before_id)))
    rows = conn.execute(
        f"SELECT * FROM audit WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?",
        (*values, max(1, min(limit, 200))),
    )
    found: list[Row] = []
    for row in rows:
        one = dict(row)
        one.pop("customer")
        for side in ("before", "after"):
            value = json.loads(one[side]) if one[side] else None
            one[side] = actor.masked_values(value)
        found.append(one)
    return found

"""Dictionaries: the codes people choose from, in both languages; and saved views.

An entry: ``{kind, code, label_zh, label_en, position, active, extra: {}}``. Kinds: pause_reason,
disposition, customer_role, relation, tag, custom_field (``extra``: ``{type: "text"|"number"|"date"|
"choice", choices: [..], personal: bool}``). Codes are never deleted, only switched off, because
records keep them.

Pause reasons and dispositions take effect by the routing configuration, which knows their codes;
the entry here of the same code gives it its names, its place in the list, and retires it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from crmcore import audit, text
from crmcore.access import Actor
from crmcore.errors import Conflict, Invalid, NotFound, Wrong, one_of

Row = dict[str, Any]
KINDS = ("pause_reason", "disposition", "customer_role", "relation", "tag", "custom_field")
_CODE = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")
FIELD_TYPES = ("text", "number", "date", "choice")


def _shape(row: sqlite3.Row) -> Row:
    return {**dict(row), "active": bool(row["active"]), "extra": json.loads(row["extra"])}


def entries(
    conn: sqlite3.Connection, actor: Actor, kind: str | None = None, *, inactive: bool = False
) -> list[Row]:
    """All entries of a kind (or of all kinds) in their order."""
    actor.require("dictionary", "read")
    rows = conn.execute(
        "SELECT * FROM dictionaries WHERE (?1 IS NULL OR kind = ?1) AND (active OR ?2)"
        " ORDER BY kind, position, code",
        (kind, int(inactive)),
    )
    return [_shape(row) for row in rows]


def put(
    conn: sqlite3.Connection,
    actor: Actor,
    kind: str,
    code: str,
    given: Mapping[str, Any],
    now: float,
) -> Row:
    """Make or change an entry. Raises Forbidden, Invalid."""
    actor.require("dictionary", "update")
    errors: dict[str, str] = {}
    if kind not in KINDS:
        errors["kind"] = one_of(KINDS)
    if not _CODE.match(code):
        rule = "small letters, digits, - and _, beginning with a letter"
        errors["code"] = Wrong(rule, "code")
    extra = given.get("extra") or {}
    if not isinstance(extra, Mapping) or len(audit.text(extra)) > 5000:
        errors["extra"] = "must be an object of at most 5,000 characters"
    elif kind == "custom_field" and "extra" in given:
        if extra.get("type", "text") not in FIELD_TYPES:
            errors["extra.type"] = one_of(FIELD_TYPES)
        elif extra.get("type") == "choice" and not extra.get("choices"):
            errors["extra.choices"] = Wrong("give at least one choice", "required")
    if errors:
        raise Invalid(errors)
    old = conn.execute(
        "SELECT * FROM dictionaries WHERE kind = ? AND code = ?", (kind, code)
    ).fetchone()
    before = _shape(old) if old else None
    values: Row = {
        "kind": kind,
        "code": code,
        "label_zh": text.clean(
            str(given.get("label_zh") or (old and old["label_zh"]) or code), 100
        ),
        "label_en": text.clean(
            str(given.get("label_en") or (old and old["label_en"]) or code), 100
        ),
        "position": int(given.get("position", old["position"] if old else 0)),
        "active": int(bool(given.get("active", old["active"] if old else True))),
        "extra": audit.text(extra if "extra" in given else (before or {}).get("extra", {})),
    }
    conn.execute(
        "INSERT INTO dictionaries(kind, code, label_zh, label_en, position, active, extra)"
        " VALUES (?,?,?,?,?,?,?) ON CONFLICT (kind, code) DO UPDATE SET"
        " label_zh = excluded.label_zh, label_en = excluded.label_en,"
        " position = excluded.position, active = excluded.active, extra = excluded.extra",
        tuple(values.values()),
    )
    audit.note(conn, actor, "put", "dictionary", f"{kind}/{code}", now, before=before, after=values)
    return next(one for one in entries(conn, actor, kind, inactive=True) if one["code"] == code)


# ---- saved views ------------------------------------------------------------------------------


def views(conn: sqlite3.Connection, actor: Actor, entity: str | None = None) -> list[Row]:
    """The actor's own views and those that are shared: ``{id, owner, name, entity, filter: {},
    shared, version}``."""
    actor.require("view", "read")
    rows = conn.execute(
        "SELECT * FROM saved_views WHERE (owner = ? OR shared) AND (?2 IS NULL OR entity = ?2)"
        " ORDER BY entity, name",
        (actor.username, entity),
    )
    return [_view(actor, row) for row in rows]


def _view(actor: Actor, row: sqlite3.Row) -> Row:
    given = json.loads(row["filter"])
    shown = actor.masked_values(given)
    words = given.get("q")
    if row["owner"] == actor.username and isinstance(words, str) and actor.may_search(words):
        shown["q"] = words  # one's own words, by which one may search
    return {
        **dict(row),
        "id": str(row["id"]),
        "shared": bool(row["shared"]),
        "name": actor.text(row["name"]),
        "filter": shown,
    }


def save_view(
    conn: sqlite3.Connection,
    actor: Actor,
    entity: str,
    name: str,
    filters: Mapping[str, Any],
    *,
    shared: bool = False,
) -> Row:
    """Keep a filter under a name; the actor's view of that name is replaced."""
    actor.require("view", "create")
    label = text.clean(name, 100)
    kept = audit.text(dict(filters))
    if not label or len(kept) > 5000:
        raise Invalid({"name": "give a name, and a filter of at most 5,000 characters"})
    conn.execute(
        "INSERT INTO saved_views(owner, name, entity, filter, shared) VALUES (?,?,?,?,?)"
        " ON CONFLICT (owner, entity, name) DO UPDATE SET filter = excluded.filter,"
        " shared = excluded.shared, version = version + 1",
        (actor.username, label, text.clean(entity, 64), kept, int(shared)),
    )
    row = conn.execute(
        "SELECT * FROM saved_views WHERE owner = ? AND entity = ? AND name = ?",
        (actor.username, text.clean(entity, 64), label),
    ).fetchone()
    return _view(actor, row)


def delete_view(conn: sqlite3.Connection, actor: Actor, view: object) -> None:
    """Take a view away. Raises NotFound, Conflict for somebody else's."""
    key = int(str(view)) if str(view).isdigit() and len(str(view)) < 19 else 0
    row = conn.execute("SELECT owner, shared FROM saved_views WHERE id = ?", (key,)).fetchone()
    if row is None or (row["owner"] != actor.username and not row["shared"]):
        raise NotFound("there is no such view")
    if row["owner"] != actor.username and actor.role != "admin":
        raise Conflict(f"this view is {row['owner']}'s")
    conn.execute("DELETE FROM saved_views WHERE id = ?", (key,))

"""Reading and changing the matrix of permissions and the masks. The effect: ``access.load_policy``.

After a change the holder of the policy must take it up (``Store.reload_policy``).
"""

from __future__ import annotations

import sqlite3
from typing import Any

from crmcore import audit
from crmcore.access import ACTIONS, ENTITIES, MASKABLE, ROLES, Actor, load_policy
from crmcore.errors import Conflict, Invalid

Row = dict[str, Any]
SCOPES = ("none", "own", "team", "all")


def matrix(conn: sqlite3.Connection, actor: Actor) -> Row:
    """``{roles, entities, actions, scopes, maskable, rights: {role: {entity: {action: scope}}},
    masks: {role: [field]}}``."""
    actor.require("permission", "read")
    policy = load_policy(conn)
    return {
        "roles": list(ROLES),
        "entities": list(ENTITIES),
        "actions": list(ACTIONS),
        "scopes": list(SCOPES),
        "maskable": list(MASKABLE),
        "rights": {
            role: {
                entity: {action: SCOPES[policy.scope(role, entity, action)] for action in ACTIONS}
                for entity in ENTITIES
            }
            for role in ROLES
        },
        "masks": {role: sorted(policy.masks.get(role, ())) for role in ROLES},
    }


def set_right(
    conn: sqlite3.Connection,
    actor: Actor,
    role: str,
    entity: str,
    action: str,
    scope: str,
    now: float,
) -> None:
    """Give or take one right. An administrator's rights over permissions and users stay."""
    actor.require("permission", "update")
    for name, value, known in (
        ("role", role, ROLES),
        ("entity", entity, ENTITIES),
        ("action", action, ACTIONS),
        ("scope", scope, SCOPES),
    ):
        if value not in known:
            raise Invalid({name: f"must be one of {', '.join(known)}"})
    if role == "admin" and entity in ("permission", "user") and scope != "all":
        raise Conflict("an administrator must be able to give rights back")
    before = SCOPES[load_policy(conn).scope(role, entity, action)]
    conn.execute(
        "INSERT INTO permissions(role, entity, action, scope) VALUES (?,?,?,?)"
        " ON CONFLICT (role, entity, action) DO UPDATE SET scope = excluded.scope",
        (role, entity, action, scope),
    )
    audit.note(
        conn,
        actor,
        "set_right",
        "permission",
        f"{role}/{entity}/{action}",
        now,
        before={"scope": before},
        after={"scope": scope},
    )


def set_mask(
    conn: sqlite3.Connection, actor: Actor, role: str, field: str, masked: bool, now: float
) -> None:
    """Show a group of fields masked to a role, or in full."""
    actor.require("permission", "update")
    if role not in ROLES or field not in MASKABLE:
        raise Invalid({"field": f"must be one of {', '.join(MASKABLE)}, for a known role"})
    before = field in load_policy(conn).masks.get(role, ())
    conn.execute(
        "INSERT INTO field_masks(role, field, masked) VALUES (?,?,?)"
        " ON CONFLICT (role, field) DO UPDATE SET masked = excluded.masked",
        (role, field, int(masked)),
    )
    audit.note(
        conn,
        actor,
        "set_mask",
        "permission",
        f"{role}/{field}",
        now,
        before={"masked": before},
        after={"masked": masked},
    )

"""A customer as somebody may see it, and what somebody means who sends it back as it was shown."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from crmcore import audit, numbers
from crmcore.access import Actor, mask_birthday
from crmcore.customer_input import ADDRESS, TEXTS

Row = dict[str, Any]


def shown(actor: Actor, one: Row) -> Row:
    """A customer as it was read, in the shape in which ``customers`` answers it."""
    one["vip"], one["blocked"] = bool(one["vip"]), bool(one["blocked"])
    for point in one["contact_points"]:
        _shown_point(actor, point)
    for place in one["addresses"]:
        place["opt_out"], place["invalid"] = bool(place["opt_out"]), bool(place["invalid"])
    return _masked(actor, one) if actor.masks else one


def _shown_point(actor: Actor, one: Row) -> None:
    key = one.pop("key")
    for name in ("preferred", "opt_out", "invalid"):
        one[name] = bool(one[name])
    one["value"] = actor.contact_value(one["kind"], one["value"])
    if one["kind"] != "phone":
        one["display"] = one["value"]
    else:
        one["display"] = numbers.display(key) if actor.sees("phone") else actor.phone(key)


def _masked(actor: Actor, one: Row) -> Row:
    """A customer for one who sees fields masked: each text may hold a number or a mail address."""
    for name in TEXTS:
        one[name] = actor.text(one[name])
    for name in ("roles", "tags"):
        one[name] = [actor.text(value) for value in one[name]]
    one["custom"] = actor.masked_values(one["custom"])
    if one["birthday"] and not actor.sees("birthday"):
        one["birthday"] = mask_birthday(one["birthday"])
    for point in one["contact_points"]:
        point["label"], point["source"] = actor.text(point["label"]), actor.text(point["source"])
    for place in one["addresses"]:
        for name in (*ADDRESS, "source"):
            place[name] = actor.text(place[name])
        if not actor.sees("address"):
            for name in ("district", "street", "postcode"):
                place[name] = "****" if place[name] else ""
    return one


def sent_back(conn: sqlite3.Connection, actor: Actor, row: sqlite3.Row, values: Row) -> Row:
    """The values with what they leave masked, as it was shown, replaced by what is stored."""
    if not actor.masks:
        return values
    who, out = row["id"], dict(values)
    for name in TEXTS:
        if name in values:
            out[name] = actor.sent_back(values[name], row[name])
    for name in ("roles", "tags"):
        if name in values:
            rows = conn.execute(
                f"SELECT {name[:-1]} FROM customer_{name} WHERE customer = ?", (who,)
            )
            shown = {actor.text(one[0]): one[0] for one in rows}
            out[name] = [shown.get(one, one) for one in values[name]]
    if "custom" in values:
        there = json.loads(row["custom"])
        shown = actor.masked_values(there)
        out["custom"] = audit.text(
            {
                name: there[name] if name in there and value == shown[name] else value
                for name, value in json.loads(values["custom"]).items()
            }
        )
    points = {
        str(one["id"]): one
        for one in conn.execute("SELECT id, label FROM contact_points WHERE customer = ?", (who,))
    }
    for point in out.get("contact_points", ()):
        if "label" in point and str(point.get("id")) in points:
            point["label"] = actor.sent_back(point["label"], points[str(point["id"])]["label"])
    places = {
        str(one["id"]): one
        for one in conn.execute("SELECT * FROM addresses WHERE customer = ?", (who,))
    }
    for place in out.get("addresses", ()):
        old = places.get(str(place.get("id")))
        if old is None:
            continue
        for name in ADDRESS:
            hidden = place[name] == "****" and not actor.sees("address")
            place[name] = old[name] if hidden else actor.sent_back(place[name], old[name])
    return out

"""Lists to take away: CSV, XLSX and vCard. What a role sees masked stays masked.

Blocking functions: ``write`` produces into a file, page by page; run it in a reader
(``db.read(..., timeout_s=600)``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from crmcore import contact_records, customers, search, tabular
from crmcore.access import Actor
from crmcore.errors import Invalid, Wrong

Row = dict[str, Any]
T = TypeVar("T")
TOLD_EVERY = 1000
CUSTOMER_COLUMNS = (
    "id", "kind", "name", "title", "sex", "birthday", "language", "vip", "owner", "team", "roles",
    "tags", "phone", "email", "province", "city", "district", "street", "postcode", "source",
)  # fmt: skip
RECORD_COLUMNS = (
    "id", "interaction", "channel", "direction", "caller_number", "caller_name", "customer",
    "customer_name", "did", "queue", "agent", "outcome", "disposition", "arrived_at",
    "answered_at", "ended_at", "wait_s", "talk_s", "wrap_up_s", "notes",
)  # fmt: skip


def write(
    conn: sqlite3.Connection,
    actor: Actor,
    entity: str,
    kind: str,
    path: Path,
    filters: Mapping[str, str] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write all customers or contact records that the filters leave to a new file.

    ``entity``: customer or contact_record; ``kind``: csv, xlsx or (customers only) vcf. Answers how
    many; ``progress`` is told so every :data:`TOLD_EVERY` of them. Needs the right to export.
    Raises Forbidden, Invalid.
    """
    actor.require(entity, "export")
    actor.require(entity, "read")  # before a file is begun
    if entity == "customer" and kind == "vcf":
        return _write_vcards(path, _counted(_customers(conn, actor, filters or {}), progress))
    if kind not in tabular.WRITERS or entity not in ("customer", "contact_record"):
        raise Invalid({"kind": "must be csv, xlsx or, for customers, vcf"})
    if entity == "customer":
        lines = (_line(one) for one in _customers(conn, actor, filters or {}))
        return tabular.WRITERS[kind](path, CUSTOMER_COLUMNS, _counted(lines, progress))
    records = _records(conn, actor, filters or {})
    return tabular.WRITERS[kind](path, RECORD_COLUMNS, _counted(records, progress))


def _counted(lines: Iterator[T], progress: Callable[[int], None]) -> Iterator[T]:
    for count, line in enumerate(lines, 1):
        yield line
        if count % TOLD_EVERY == 0:
            progress(count)


def _customers(conn: sqlite3.Connection, actor: Actor, filters: Mapping[str, str]) -> Iterator[Row]:
    after: int | None = 0
    while after is not None:
        ids, after = search.page(conn, actor, filters, after=after, limit=500)
        yield from customers.load(conn, actor, ids)


def _line(one: Row) -> list[object]:
    place = one["addresses"][0] if one["addresses"] else {}
    points: dict[str, list[str]] = {}
    for point in one["contact_points"]:
        points.setdefault(point["kind"], []).append(point["value"])
    values: Row = {
        **one,
        "vip": "1" if one["vip"] else "",
        "roles": "、".join(one["roles"]),
        "tags": "、".join(one["tags"]),
        "phone": "、".join(points.get("phone", ())),
        "email": "、".join(points.get("email", ())),
        **{k: place.get(k, "") for k in ("province", "city", "district", "street", "postcode")},
    }
    return [values[name] for name in CUSTOMER_COLUMNS]


def _records(
    conn: sqlite3.Connection, actor: Actor, filters: Mapping[str, str]
) -> Iterator[list[object]]:
    cursor: str | None = None
    while True:
        records, cursor = contact_records.page(conn, actor, filters, cursor=cursor, limit=200)
        for one in records:
            yield [one[name] for name in RECORD_COLUMNS]
        if cursor is None:
            return


# ---- vCard ---------------------------------------------------------------------------------------


def _write_vcards(path: Path, found: Iterator[Row]) -> int:
    count = 0
    with open(path, "x", encoding="utf-8", newline="") as file:
        for one in found:
            file.write(vcard(one))
            count += 1
    return count


def _escaped(value: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ("\n", "\\n"), (",", "\\,"), (";", "\\;")):
        value = value.replace(plain, escaped)
    return value


def _folded(line: str) -> str:
    """Lines of at most 75 octets (RFC 6350, 3.2), cut between characters."""
    out, size = [], 0
    for char in line:
        width = len(char.encode())
        if size + width > 75:
            out.append("\r\n ")
            size = 1
        out.append(char)
        size += width
    return "".join(out) + "\r\n"


def vcard(one: Row) -> str:
    """A customer as vCard 4.0 (RFC 6350)."""
    lines = ["BEGIN:VCARD", "VERSION:4.0", f"UID:urn:ctid:customer:{one['id']}"]
    lines.append(f"KIND:{'org' if one['kind'] == 'organisation' else 'individual'}")
    lines.append(f"FN:{_escaped(one['name'] or '?')}")
    if one["title"]:
        lines.append(f"TITLE:{_escaped(one['title'])}")
    if one["birthday"] and "*" not in one["birthday"]:
        lines.append(f"BDAY:{one['birthday'].replace('-', '')}")
    for point in one["contact_points"]:
        value = _escaped(point["value"])
        if point["kind"] == "phone":
            lines.append(f"TEL;VALUE=text:{value}")
        elif point["kind"] == "email":
            lines.append(f"EMAIL:{value}")
        elif point["kind"] == "website":
            lines.append(f"URL:{value}")
    for place in one["addresses"]:
        street = place["district"] + place["street"]
        parts = ["", "", street, *(place[k] for k in ("city", "province", "postcode", "country"))]
        lines.append("ADR:" + ";".join(_escaped(part) for part in parts))
    if one["tags"]:
        lines.append("CATEGORIES:" + ",".join(_escaped(tag) for tag in one["tags"]))
    lines.append("END:VCARD")
    return "".join(_folded(line) for line in lines)


def read_vcards(content: str) -> list[Row]:
    """Customers as input for ``customers.create`` from vCard 2.1, 3.0 or 4.0 text.

    Unknown properties are passed over. Raises Invalid when there is no card in it.
    """
    unfolded = content.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
    found: list[Row] = []
    card: Row | None = None
    for line in unfolded.split("\n"):
        name, _, value = line.partition(":")
        name, *_params = name.split(";")
        prop = name.rpartition(".")[2].upper()
        if prop == "BEGIN" and value.strip().upper() == "VCARD":
            card = {"contact_points": [], "addresses": []}
        elif card is None:
            continue
        elif prop == "END":
            if card.get("name") or card["contact_points"]:
                found.append(card)
            card = None
        else:
            _read_property(card, prop, value.strip())
    if not found:
        nobody = "holds no vCard with a name or a contact point"
        raise Invalid({"file": Wrong(nobody, "no_vcard")})
    return found


def _parts(value: str, separator: str = ";") -> list[str]:
    out, current, escaped = [], "", False
    for char in value:
        if escaped:
            current += "\n" if char in "nN" else char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == separator:
            out.append(current)
            current = ""
        else:
            current += char
    return [*out, current]


def _read_property(card: Row, prop: str, value: str) -> None:
    whole = _parts(value, "\0")[0]
    if prop == "FN":
        card["name"] = whole
    elif prop == "N" and not card.get("name"):
        family, given, *_ = [*_parts(value), "", ""]
        latin = f"{family}{given}".isascii()
        card["name"] = f"{given} {family}".strip() if latin else f"{family}{given}"
    elif prop == "TEL" and whole:
        card["contact_points"].append({"kind": "phone", "value": whole.removeprefix("tel:")})
    elif prop == "EMAIL" and whole:
        card["contact_points"].append({"kind": "email", "value": whole})
    elif prop == "URL" and whole:
        card["contact_points"].append({"kind": "website", "value": whole})
    elif prop == "TITLE":
        card["title"] = whole
    elif prop == "KIND":
        card["kind"] = "organisation" if whole.lower() == "org" else "person"
    elif prop == "BDAY" and len(digits := whole.replace("-", "")[:8]) == 8 and digits.isdigit():
        card["birthday"] = f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    elif prop == "CATEGORIES":
        card["tags"] = [tag for tag in _parts(value, ",") if tag]
    elif prop == "ADR":
        _, _, street, city, province, postcode, country, *_ = [*_parts(value), *[""] * 7]
        card["addresses"].append(
            {
                "street": street,
                "city": city,
                "province": province,
                "postcode": postcode,
                "country": country,
            }
        )

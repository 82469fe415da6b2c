"""Where else a person stands: what others wrote about the person's numbers and addresses.

Only numbers and addresses (mail, accounts) identify a person exactly; a name may be anybody's.
:func:`find` looks through every text of the store for them, in any spelling, beside everything
else (it reads, in short steps); :func:`blank` takes what was found out, in the caller's
transaction. The journal has a way of its own, because its hash chain must stay valid.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from crmcore import audit, contact_records, customers, journal, numbers, search, text
from crmcore.db import Database

Row = dict[str, Any]
BLANK = "[erased]"

TEXTS: dict[str, tuple[str, ...]] = {
    "addresses": (
        "label", "country", "province", "city", "district", "street", "postcode", "source",
    ),
    "attachments": ("name", "media_type"),
    "audit": ("before", "after"),
    "callbacks": ("note",),
    "consents": ("source", "proof"),
    "contact_points": ("label", "source"),
    "contact_records": (
        "caller_number", "caller_name", "disposition", "notes", "survey", "causes", "legs",
        "recording_failures",
    ),
    "customer_roles": ("role", "source"),
    "customer_tags": ("tag",),
    "customers": (
        "name", "title", "sex", "language", "owner", "team", "custom", "source",
    ),
    "early_amendments": ("disposition", "notes"),
    "erasures": ("reason",),
    "import_changes": ("change", "undo"),
    "import_refusals": ("problem", "content"),
    "imports": ("file_name", "mapping"),
    "merges": ("undo",),
    "notes": ("text",),
    "profile_facts": ("name", "value", "source"),
    "relations": ("note",),
    "saved_views": ("name", "filter"),
    "tasks": ("title", "text"),
}  # fmt: skip
"""Table -> columns in which somebody may have written a number or an address of somebody else."""

_EMPTY = {
    ("audit", "before"): None,
    ("audit", "after"): None,
    ("contact_records", "caller_number"): "",
    ("contact_records", "caller_name"): "",
    ("import_changes", "change"): "{}",
    ("import_refusals", "content"): "[]",
}
"""Columns whose whole value goes, and what stands there instead."""
_PAGE = 5000
_FOUND_AT_ONCE = 200
_BETWEEN = f"[{re.escape(numbers.BETWEEN_DIGITS)}]*"
_SQUEEZED = str.maketrans(
    {
        **dict.fromkeys(numbers.BETWEEN_DIGITS),
        **{one: digit for digit, written in numbers.WRITTEN_DIGITS.items() for one in written},
    }
)
_FEWEST_DIGITS = 7

# ---- spellings -----------------------------------------------------------------------------------


class Person:
    """What identifies a person exactly.

    ``values``: the key of each number and address, with the spellings that are known of it.
    ``names``: only for texts that are about this person anyhow.
    """

    def __init__(
        self, values: Mapping[str, Collection[str]], names: Collection[str] = frozenset()
    ) -> None:
        self._values = values
        self.names = frozenset(one for one in names if len(one) > 1)
        known = {one for spellings in values.values() for one in spellings if len(one) >= 5}
        self.known = sorted(known, key=len, reverse=True)
        self._expressions = [_spellings(one) for one in self.known]
        self._marks = {_mark(one) for one in self.known}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Person) and (self.known, self.names) == (other.known, other.names)

    __hash__ = None  # type: ignore[assignment]

    def without(self, keys: Collection[str]) -> Person:
        """Without the numbers and addresses that are somebody else's as well."""
        if not self._values.keys() & set(keys):
            return self
        left = {key: known for key, known in self._values.items() if key not in keys}
        return Person(left, self.names)

    def quoted(self, value: str | None) -> bool:
        """Whether a text holds one of the numbers and addresses, in any spelling."""
        if not value or len(value) < 5:
            return False
        squeezed = _squeezed(value)
        if not any(mark in squeezed for mark in self._marks):
            return False
        return any(one.search(value) for one in self._expressions)

    def blanked(self, value: str) -> str:
        """The text without the numbers and addresses."""
        for one in self._expressions:
            value = one.sub(BLANK, value)
        return value

    def unnamed(self, value: str) -> str:
        """The text without the numbers, addresses and names."""
        value = self.blanked(value)
        for one in sorted(self.names, key=len, reverse=True):
            value = value.replace(one, BLANK)
        return value


def _squeezed(value: str) -> str:
    if not value.isascii() and not unicodedata.is_normalized("NFKC", value):
        value = unicodedata.normalize("NFKC", value)
    return value.translate(_SQUEEZED).casefold()


def _mark(one: str) -> str:
    """What every spelling of a value has in it, once it is squeezed."""
    digits = numbers.parse(one).digits
    if _is_number(one, digits):
        return digits
    return _squeezed(one)


def _is_number(one: str, digits: str) -> bool:
    return len(digits) >= _FEWEST_DIGITS and not any(c.isalpha() for c in one)


def _spellings(one: str) -> re.Pattern[str]:
    """What finds a value in text: a number with whatever people write between its digits, or
    any other value in capitals and small letters."""
    digits = numbers.parse(one).digits
    if not _is_number(one, digits):
        before, behind = (r"(?<!\d)" if one[0].isdigit() else ""), r"(?!\d)"
        widths = "".join(_either_width(c) for c in one)
        return re.compile(f"{before}{widths}{behind if one[-1].isdigit() else ''}", re.IGNORECASE)
    whole, country, trunk = (
        _BETWEEN.join(f"[{numbers.WRITTEN_DIGITS[c]}]" for c in some)
        for some in (digits, "86", "0")
    )
    before = rf"(?:(?:\+|＋|{trunk}{_BETWEEN}{trunk})?{_BETWEEN}{country}{_BETWEEN})?"
    before += f"(?:{trunk}{_BETWEEN})?"
    return re.compile(rf"(?<!\d){before}{whole}(?!\d)|{re.escape(one)}")


def _either_width(char: str) -> str:
    """A character, or its full-width form."""
    wide = chr(ord(char) + 0xFEE0)
    if "!" <= char <= "~" and unicodedata.normalize("NFKC", wide) == char:
        return f"[{re.escape(char)}{wide}]"
    return re.escape(char)


# ---- other customers' texts ----------------------------------------------------------------------

Place = tuple[str, tuple[Any, ...]]
"""A table, and the primary key of a row in it."""


def _key(conn: sqlite3.Connection, table: str) -> list[str]:
    rows = conn.execute(f"PRAGMA table_info({table})").fetchall()
    return [row["name"] for row in sorted(rows, key=lambda row: row["pk"]) if row["pk"]]


def _look(
    conn: sqlite3.Connection, person: Person, table: str, after: tuple[Any, ...]
) -> tuple[list[Place], tuple[Any, ...]]:
    """One page of a table: rows that quote the person, and the last row's key (none at the end)."""
    key, columns = _key(conn, table), TEXTS[table]
    names, marks = ", ".join(key), ", ".join("?" * len(key))
    where = f"WHERE ({names}) > ({marks})" if after else ""
    found: list[Place] = []
    last: tuple[Any, ...] = ()
    count = 0
    for row in conn.execute(
        f"SELECT {names}, {', '.join(columns)} FROM {table} {where} ORDER BY {names} LIMIT {_PAGE}",
        after,
    ):
        count += 1
        last = tuple(row)[: len(key)]
        if any(person.quoted(value) for value in tuple(row)[len(key) :]):
            found.append((table, last))
    return found, last if count == _PAGE else ()


async def find(db: Database, person: Person) -> list[Place]:
    """Every row that quotes the person."""
    found: list[Place] = []
    for table in TEXTS if person.known else ():
        after: tuple[Any, ...] = ()
        while True:
            here, after = await db.read(
                lambda conn, table=table, after=after: _look(conn, person, table, after),  # type: ignore[misc]
                timeout_s=60,
            )
            found += here
            if not after:
                break
    return found


def blank(conn: sqlite3.Connection, person: Person, places: Iterable[Place]) -> None:
    """Take the person's numbers and addresses out of these rows, and out of the search index.

    Where a number is the other customer's as well, it stays with that customer.
    """
    again: set[int] = set()
    for table, key in places:
        where = " AND ".join(f"{name} = ?" for name in _key(conn, table))
        row = conn.execute(f"SELECT * FROM {table} WHERE {where}", key).fetchone()
        whose = _whose(table, row) if row else ()
        alone = person.without([one for who in whose for one in _keys_of(conn, who)])
        new = {
            name: _EMPTY.get((table, name), alone.blanked(row[name]))
            for name in TEXTS[table]
            if row and alone.quoted(row[name])
        }
        if not new:
            continue
        if table in ("customer_tags", "customer_roles") and new.keys() & {"tag", "role"}:
            conn.execute(f"DELETE FROM {table} WHERE {where}", key)
        else:
            new |= _followed(table, row, new)
            sets = ", ".join(f"{name} = ?" for name in new)
            conn.execute(f"UPDATE {table} SET {sets} WHERE {where}", (*new.values(), *key))
        if table == "contact_records":
            contact_records.index_notes(conn, row["id"])
        elif table in ("customers", "notes", "customer_tags", "addresses"):
            again.update(whose)
    for one in again:
        if customers.survivor(conn, one) == one:
            search.index(conn, one)


def _whose(table: str, row: sqlite3.Row) -> tuple[int, ...]:
    """The customers to whom a row belongs."""
    columns = {"customers": ("id",), "merges": ("survivor", "gone")}.get(table, ("customer",))
    return tuple(row[name] for name in columns if name in row.keys() and row[name])  # noqa: SIM118


def _keys_of(conn: sqlite3.Connection, customer: int) -> list[str]:
    rows = conn.execute(
        "SELECT p.key FROM contact_points p JOIN customers c ON c.id = p.customer"
        " WHERE c.id = ? AND c.state = 'active'",
        (customer,),
    )
    return [row[0] for row in rows]


def _followed(table: str, row: sqlite3.Row, new: Row) -> Row:
    """What must change with the columns that are blanked."""
    if table == "audit":
        return {"before": None, "after": None}  # the one change that its trigger allows
    if table == "customers" and "name" in new:
        return {"name_key": text.name_key(new["name"]), "sound": text.sound(new["name"])}
    if table == "contact_records" and "caller_number" in new:
        return {"caller_name": "", "number_key": None}
    if table == "saved_views" and "name" in new:
        return {"name": f"{new['name']} {row['id']}"}  # names of views must differ
    return {}


# ---- the journal ---------------------------------------------------------------------------------

_PERSONAL = frozenset(
    (
        "number", "name", "caller_number", "caller_name", "customer_name", "notes", "note",
        "digits", "survey", "reason",
    )
)  # fmt: skip
"""What says something about the caller in the facts and commands of the caller's own matters."""
_ATTRIBUTES = "attributes"  # what routing was told about the customer
_TYPED = ('"notes"', '"note"', '"reason"', '"to"', '"name"')
"""Names of fields that people fill, in whatever spelling."""


async def blank_journal(
    db: Database, person: Person, interactions: Iterable[str], after: int = 0
) -> int:
    """Take the person out of the journal's entries behind ``after``; answers the last one's number.

    Entries of the person's own ``interactions`` lose all that is said about the caller.
    """
    named = set(interactions)
    while True:

        def look(conn: sqlite3.Connection, after: int = after) -> tuple[list[tuple[int, str]], int]:
            found = []
            last = after
            for seq, interaction, payload in conn.execute(
                "SELECT seq, interaction, payload FROM journal WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, _PAGE),
            ):
                last = seq
                own = interaction in named
                if own or _told(person, payload):
                    cleaned = _cleaned(person, payload, own)
                    if cleaned != payload:
                        found.append((seq, cleaned))
            return found, last

        found, last = await db.read(look, timeout_s=60)
        for some in (found[i : i + _FOUND_AT_ONCE] for i in range(0, len(found), _FOUND_AT_ONCE)):
            seqs, payloads = [seq for seq, _ in some], [payload for _, payload in some]
            await db.write(
                lambda conn, seqs=seqs, payloads=payloads: journal.redact(conn, seqs, payloads)  # type: ignore[misc]
            )
        if last == after:
            return last
        after = last


def _told(person: Person, payload: str) -> bool:
    if any(one in payload for one in person.known):
        return True
    return any(name in payload for name in _TYPED) and person.quoted(payload)


def _cleaned(person: Person, payload: str, own: bool) -> str:
    try:
        value = json.loads(payload)
    except ValueError:
        return json.dumps(BLANK)

    def walk(value: Any, told: Callable[[str], str]) -> Any:
        if isinstance(value, dict):
            return {
                k: walk(v, _gone if own and k in _PERSONAL else told)
                for k, v in value.items()
                if not (own and k == _ATTRIBUTES)
            }
        if isinstance(value, list):
            return [walk(one, told) for one in value]
        return told(value) if isinstance(value, str) else value

    return audit.text(walk(value, person.blanked))


def _gone(value: str) -> str:
    return BLANK if value else value

"""A new customer as the rows of its tables: cut once, anywhere; written many at a time.

:func:`cut` needs no database, so an import does it in another process; :func:`write` needs no
further thought, so the writer's lane is held only for SQLite's own work.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from crmcore import search, text
from crmcore.customer_input import ADDRESS

Row = dict[str, Any]
Values = tuple[Any, ...]
Rows = tuple[Values, list[Values], tuple[list[Values], list[Values], list[str]], tuple[str, str]]
"""The customer; contact points; addresses, roles and tags; the two texts of the search index."""

ADD_POINT = (
    "INSERT INTO contact_points(customer, kind, value, key, tail, label, preferred, opt_out,"
    " invalid, source, source_at, created_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT (customer, kind, key) DO UPDATE SET value = excluded.value,"
    " label = CASE excluded.label WHEN '' THEN label ELSE excluded.label END"
)
"""One with the same key only takes the newer spelling."""
ADD_ADDRESS = (
    "INSERT INTO addresses(customer, label, country, province, city, district, street,"
    " postcode, opt_out, invalid, source, source_at, created_at)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_ADD_CUSTOMER = (
    "INSERT INTO customers(id, state, import_id, kind, name, name_key, sound, title, sex,"
    " birthday, language, vip, blocked, owner, team, custom, source, created_at, created_by,"
    " updated_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


def point_row(point: Row, now: float) -> Values:
    """A checked contact point for ``ADD_POINT``, without its customer."""
    return (
        point["kind"],
        point["value"],
        point["key"],
        point["tail"],
        point["label"],
        point["preferred"],
        point["opt_out"],
        point["invalid"],
        point["source"],
        now if point["source"] else None,
        now,
    )


def address_row(one: Row, now: float) -> Values:
    """A checked address for ``ADD_ADDRESS``, without its customer."""
    return (
        *[one[f] for f in ADDRESS],
        one["opt_out"],
        one["invalid"],
        one["source"],
        now if one["source"] else None,
        now,
    )


def cut(values: Row, now: float, by: str) -> Rows:
    """Checked values of a new customer as rows. ``now``: Unix seconds; ``by``: a user name."""
    if len(values.get("contact_points", ())) > 1:
        values = {**values, "contact_points": _different(values["contact_points"])}
    get = values.get
    name = get("name", "")
    return (
        (
            get("kind", "person"),
            name,
            text.name_key(name),
            text.sound(name),
            get("title", ""),
            get("sex", ""),
            get("birthday"),
            get("language", ""),
            get("vip", 0),
            get("blocked", 0),
            get("owner"),
            get("team"),
            get("custom", "{}"),
            get("source", ""),
            now,
            by,
            now,
        ),
        [point_row(one, now) for one in get("contact_points", ())],
        (
            [address_row(one, now) for one in get("addresses", ())],
            [(role, now) for role in get("roles", ())],
            list(get("tags", ())),
        ),
        search.documents(values),
    )


def _different(points: Sequence[Row]) -> list[Row]:
    """What :data:`ADD_POINT` will leave of them, so that the index holds nothing twice."""
    kept: dict[tuple[str, str], Row] = {}
    for one in points:
        first = kept.setdefault((one["kind"], one["key"]), one)
        if first is not one:
            newer = {"value": one["value"], "label": one["label"] or first["label"]}
            kept[one["kind"], one["key"]] = {**first, **newer}
    return list(kept.values())


def next_id(conn: sqlite3.Connection) -> int:
    """The id that the next new customer gets: ids are never given twice (AUTOINCREMENT)."""
    row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'customers'").fetchone()
    return int(row[0]) + 1 if row else 1


def write(conn: sqlite3.Connection, customer: int, rows: Rows) -> None:
    """Write one new customer under an id from :func:`next_id`."""
    write_customers(conn, [(customer, rows[0])])
    for write_part, part in zip(PARTS, rows[1:], strict=True):
        write_part(conn, [(customer, part)])


def write_customers(
    conn: sqlite3.Connection,
    new: Iterable[tuple[int, Values]],
    *,
    state: str = "active",
    import_id: int | None = None,
) -> None:
    """The customers' own rows alone, under the ids they get; the :data:`PARTS` must follow."""
    conn.executemany(_ADD_CUSTOMER, [(one, state, import_id, *row) for one, row in new])


def _write_points(conn: sqlite3.Connection, new: Part) -> None:
    conn.executemany(ADD_POINT, [(one, *point) for one, points in new for point in points])


def _write_lists(conn: sqlite3.Connection, new: Part) -> None:
    conn.executemany(ADD_ADDRESS, [(one, *place) for one, lists in new for place in lists[0]])
    conn.executemany(
        "INSERT INTO customer_roles(customer, role, since_at) VALUES (?,?,?)",
        [(one, *role) for one, lists in new for role in lists[1]],
    )
    conn.executemany(
        "INSERT INTO customer_tags(customer, tag) VALUES (?,?)",
        [(one, tag) for one, lists in new for tag in lists[2]],
    )


def _write_index(conn: sqlite3.Connection, new: Part) -> None:
    search.index_new(conn, [(one, *texts) for one, texts in new])


Part = Sequence[tuple[int, Any]]
"""Of several customers the id and the same part of their :data:`Rows`."""
PARTS: tuple[Callable[[sqlite3.Connection, Part], None], ...] = (
    _write_points,
    _write_lists,
    _write_index,
)
"""What writes the parts of :data:`Rows` after the first; each may be a transaction of its own."""

"""How handlers ask the CRM: on behalf of the asker, in one transaction, under the asker's lock.

The rights are the CRM's own (``crmcore.access``); nothing is decided here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from pydantic import BaseModel

from crmcore.access import Actor
from ctid.http.audit import actor_of
from ctid.http.endpoint import Call
from ctid.http.errors import Problem, invalid
from ctid.http.locking import check_version
from ctid.view_json import iso, row_json

T = TypeVar("T")
P = ParamSpec("P")
Row = dict[str, Any]
Reading = Callable[[sqlite3.Connection, Actor], Row]


async def read(
    call: Call,
    fn: Callable[Concatenate[sqlite3.Connection, Actor, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run a reading function of ``crmcore`` as the asker."""
    actor = actor_of(call)
    return await call.services.store.db.read(lambda conn: fn(conn, actor, *args, **kwargs))


async def write(
    call: Call,
    fn: Callable[Concatenate[sqlite3.Connection, Actor, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run a changing function of ``crmcore`` as the asker, as one transaction."""
    actor = actor_of(call)
    result = await call.services.store.db.write(lambda conn: fn(conn, actor, *args, **kwargs))
    call.services.crm_changed()
    return result


async def write_locked(
    call: Call,
    current: Reading,
    fn: Callable[Concatenate[sqlite3.Connection, Actor, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """As :func:`write`, if what ``current`` reads still has the version of ``If-Match``."""
    expected = call.expected

    def work(conn: sqlite3.Connection, actor: Actor, /, *a: P.args, **k: P.kwargs) -> T:
        if expected is not None:
            check_version(current(conn, actor), expected)
        return fn(conn, actor, *a, **k)

    return await write(call, work, *args, **kwargs)


def invalid_field(name: str, detail: str) -> Problem:
    """A 422 about one field of the body."""
    return invalid(f"body.{name}", "invalid", detail)


def given(body: BaseModel) -> Row:
    """What the body holds, without what it leaves out; times as Unix seconds."""
    out = body.model_dump(exclude_unset=True)
    for name, value in out.items():
        if name.endswith("_at") and value is not None:
            out[name] = value.timestamp()
    return out


def timed(row: Mapping[str, Any]) -> Row:
    """A row as JSON; its ``at`` is a time, too."""
    out = row_json(row)
    if "at" in out:
        out["at"] = iso(out["at"])
    return out


def items(rows: Sequence[Mapping[str, Any]], following: object = None) -> Row:
    """A page as JSON."""
    return {
        "items": [timed(row) for row in rows],
        "next": None if following is None else str(following),
    }

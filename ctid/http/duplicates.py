"""Customers that may be one: the review queue, merging, and taking a merge back."""

from __future__ import annotations

import sqlite3

from crmcore import customers, duplicates, merge
from crmcore.access import Actor
from ctid.access import Action
from ctid.http import crm
from ctid.http.audit import actor_of
from ctid.http.crm_models import Customer, CustomerPage, RowId, RowPage
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem
from ctid.http.models import In, Out, Time
from ctid.view_json import row_json


class Duplicate(Out):
    """Two customers that may be one. `score`: 0 to 100; `reasons` are stable codes."""

    id: str
    score: float
    reasons: list[str]
    one: Customer
    other: Customer


class DuplicatePage(Out):
    """The queue, best first."""

    items: list[Duplicate]
    next: str | None


class Scanned(Out):
    """How many pairs are new or were scored anew."""

    found: int


class MergeBody(In):
    """Who is merged into the customer of the path."""

    gone: RowId


class Merged(Out):
    """The merge's id, to take it back by, and the survivor."""

    merge: str
    customer: Customer


class Merge(Out):
    """A merge that was made. `undoable`: neither of the two was merged again or erased since."""

    id: str
    survivor: str
    survivor_name: str
    gone: str
    gone_name: str
    actor: str
    at: Time
    undone_at: Time | None
    undoable: bool


class MergePage(Out):
    """Merges, newest first."""

    items: list[Merge]
    next: str | None


async def list_duplicates(call: Call) -> Result:
    """Open pairs, best first."""
    query = call.query(RowPage)
    rows, following = await crm.read(call, duplicates.page, cursor=query.after, limit=query.limit)
    return crm.items(rows, following)


async def scan_duplicates(call: Call) -> Result:
    """Look through all customers; one look at a time."""
    actor_of(call).require("customer", "merge")
    scanning = call.context.scanning
    if scanning.locked():
        raise Problem("refused", "A search for duplicates is running; look at the list in a while")
    async with scanning:
        return {"found": await duplicates.scan(call.services.store.db, call.now)}


async def dismiss_duplicate(call: Call) -> Result:
    """They are two. The pair does not come back."""
    await crm.write(call, duplicates.dismiss, call.path_id(), call.now)
    return None


async def merge_customers(call: Call) -> Result:
    """The customer of the path survives and takes everything over; it can be taken back."""
    key = call.path_id()
    done = await crm.write_locked(
        call,
        lambda conn, actor: customers.get(conn, actor, key),
        merge.merge,
        key,
        call.body(MergeBody).gone,
        call.now,
    )
    return {"merge": done["merge"], "customer": row_json(done["customer"])}


async def all_merges(call: Call) -> Result:
    """Newest first."""
    query = call.query(RowPage)
    rows, following = await crm.read(call, merge.page, cursor=query.after, limit=query.limit)
    return crm.items(rows, following)


async def list_merges(call: Call) -> Result:
    """What was merged into this customer."""
    key = call.path_id()

    def look(conn: sqlite3.Connection, actor: Actor) -> list[crm.Row]:
        customers.get(conn, actor, key)
        return merge.merges_of(conn, actor, key)

    return crm.items(await crm.read(call, look))


async def undo_merge(call: Call) -> Result:
    """Both customers as they were; what came since stays with the survivor."""
    return crm.items(await crm.write(call, merge.undo, call.path_id(), call.now))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/duplicates",
        summary="Customers that may be one",
        handler=list_duplicates,
        action=Action.CRM,
        query=RowPage,
        answer=DuplicatePage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/duplicates/scan",
        summary="Look for duplicates among all customers",
        handler=scan_duplicates,
        action=Action.CRM,
        answer=Scanned,
        problems=("forbidden", "refused", "busy"),
    ),
    Endpoint(
        method="POST",
        path="/duplicates/{id}/dismiss",
        summary="Say that two customers are two",
        handler=dismiss_duplicate,
        action=Action.CRM,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/merge",
        summary="Merge another customer into this one",
        handler=merge_customers,
        action=Action.CRM,
        body=MergeBody,
        answer=Merged,
        problems=("forbidden", "conflict"),
        lock="optional",
        audited=True,
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/merges",
        summary="What was merged into a customer",
        handler=list_merges,
        action=Action.CRM,
        answer=MergePage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/merges",
        summary="What was merged",
        handler=all_merges,
        action=Action.CRM,
        query=RowPage,
        answer=MergePage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/merges/{id}/undo",
        summary="Take a merge back",
        handler=undo_merge,
        action=Action.CRM,
        answer=CustomerPage,
        problems=("forbidden", "conflict"),
        audited=True,
    ),
)

"""Notes about customers, who watches whom, and what concerns oneself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from crmcore import notes
from crmcore.access import Actor
from ctid.access import Action, Viewer
from ctid.http import crm
from ctid.http.crm_models import Limit, Prose, RowId
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import In, Out, Time

Row = dict[str, Any]


class NoteBody(In):
    """A note. `@username` tells a colleague."""

    text: Prose
    pinned: bool = False
    contact_record: RowId | None = None


class NotePatch(In):
    """What changes of a note."""

    text: Prose | None = None
    pinned: bool | None = None


class Note(Out):
    """A note. `mentions`: who was told; `may`: what the asker may do to it."""

    id: str
    customer: str
    contact_record: str | None
    author: str
    text: str
    pinned: bool
    at: Time
    version: int
    mentions: list[str]
    may: list[Literal["update", "delete"]]


class NotePage(Out):
    """Notes, pinned ones first, then newest."""

    items: list[Note]
    next: None


class LimitQuery(In):
    """How many at most."""

    limit: Limit = 50


class WatchBody(In):
    """Whether one wants to be told."""

    watching: bool


class Watchers(Out):
    """User names of those who are told of every note."""

    items: list[str]
    next: None


class Colleague(Out):
    """Whom a note can tell."""

    username: str
    name: str


class ColleaguePage(Out):
    """All whom a note can tell."""

    items: list[Colleague]
    next: None


class MentionQuery(In):
    """Which mentions."""

    all: Annotated[bool, Field(description="also those that were read")] = False
    limit: Limit = 50


class Mention(Out):
    """A note that concerns the asker."""

    id: str
    at: Time
    read_at: Time | None
    customer_name: str
    note: Note


class MentionPage(Out):
    """Mentions, newest first."""

    items: list[Mention]
    next: None


async def list_notes(call: Call) -> Result:
    """Pinned ones first, then newest."""
    limit = call.query(LimitQuery).limit
    rows = await crm.read(call, notes.of_customer, call.path_id(), limit=limit)
    return {"items": [crm.timed(row) for row in rows], "next": None}


async def add_note(call: Call) -> Result:
    """Write a note; those whom it mentions and those who watch the customer are told."""
    body = call.body(NoteBody)
    row = await crm.write(
        call,
        notes.add,
        call.path_id(),
        body.text,
        call.now,
        contact_record=body.contact_record,
        pinned=body.pinned,
    )
    _tell(call, row, row["mentions"])
    return crm.timed(row)


def _tell(call: Call, note: Row, names: Iterable[str]) -> None:
    told = frozenset(names)

    def concerned(viewer: Viewer) -> bool:
        return viewer.username in told

    if told:
        data = {"note": note["id"], "customer": note["customer"]}
        call.services.hub.publish("mention", data, audience=concerned)


async def update_note(call: Call) -> Result:
    """Change a note's text or pin."""
    body, key = call.body(NotePatch), call.path_id()
    before, row = await crm.write_locked(
        call,
        lambda conn, actor: notes.get(conn, actor, key),
        _update,
        key,
        body,
        call.now,
    )
    _tell(call, row, set(row["mentions"]) - set(before["mentions"]))
    return crm.timed(row)


def _update(
    conn: sqlite3.Connection, actor: Actor, key: str, body: NotePatch, now: float
) -> tuple[Row, Row]:
    before = notes.get(conn, actor, key)
    return before, notes.update(conn, actor, key, now, content=body.text, pinned=body.pinned)


async def delete_note(call: Call) -> Result:
    """Take a note away; the audit trail keeps it."""
    await crm.write(call, notes.delete, call.path_id(), call.now)
    return None


async def watch(call: Call) -> Result:
    """Be told of every note about a customer, or no longer."""
    watching = call.body(WatchBody).watching
    names = await crm.write(call, notes.watch, call.path_id(), watching=watching)
    return {"items": names, "next": None}


async def list_watchers(call: Call) -> Result:
    """Who is told of every note about a customer."""
    return {"items": await crm.read(call, notes.watchers, call.path_id()), "next": None}


async def list_colleagues(call: Call) -> Result:
    """All who may log in and read notes: whom `@username` can tell."""
    return {"items": await crm.read(call, notes.colleagues), "next": None}


async def list_mentions(call: Call) -> Result:
    """Notes in which one was mentioned, or about a customer whom one watches."""
    query = call.query(MentionQuery)
    rows = await crm.read(call, notes.mentions, unread=not query.all, limit=query.limit)
    shown = [{**crm.timed(row), "note": crm.timed(row["note"])} for row in rows]
    return {"items": shown, "next": None}


async def read_mention(call: Call) -> Result:
    """It was read."""
    await crm.write(call, notes.read_mention, call.path_id(), call.now)
    return None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/customers/{id}/notes",
        summary="A customer's notes",
        handler=list_notes,
        action=Action.CRM,
        query=LimitQuery,
        answer=NotePage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/notes",
        summary="Write a note",
        handler=add_note,
        action=Action.CRM,
        body=NoteBody,
        answer=Note,
        problems=("forbidden",),
        replay=True,
        versioned=True,
    ),
    Endpoint(
        method="PATCH",
        path="/notes/{id}",
        summary="Change a note",
        handler=update_note,
        action=Action.CRM,
        body=NotePatch,
        answer=Note,
        problems=("forbidden", "conflict"),
        versioned=True,
        lock="required",
    ),
    Endpoint(
        method="DELETE",
        path="/notes/{id}",
        summary="Delete a note",
        handler=delete_note,
        action=Action.CRM,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/watching",
        summary="Who is told of notes about a customer",
        handler=list_watchers,
        action=Action.CRM,
        answer=Watchers,
        problems=("forbidden",),
    ),
    Endpoint(
        method="PUT",
        path="/customers/{id}/watching",
        summary="Be told of notes about a customer, or no longer",
        handler=watch,
        action=Action.CRM,
        body=WatchBody,
        answer=Watchers,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/colleagues",
        summary="Whom a note can tell",
        handler=list_colleagues,
        action=Action.CRM,
        answer=ColleaguePage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/mentions",
        summary="Notes that concern the asker",
        handler=list_mentions,
        action=Action.CRM,
        query=MentionQuery,
        answer=MentionPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/mentions/{id}/read",
        summary="Mark a mention as read",
        handler=read_mention,
        action=Action.CRM,
    ),
)

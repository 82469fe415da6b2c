"""The call-back work list: who did not reach anybody, who takes it, and what came of it."""

from __future__ import annotations

import sqlite3
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from crmcore import callbacks
from crmcore.access import Actor, Scope
from ctid.access import Action, Viewer
from ctid.http import crm
from ctid.http.crm_models import Code, Prose, RowPage
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import Id, In, Out, Time

ResultCode = Literal[
    "reached", "no_answer", "busy", "wrong_number", "rang_again", "not_needed", "other"
]


class CallbackQuery(RowPage):
    """Which entries. `open`: also those that are taken."""

    state: Literal["open", "done", "all"] = "open"
    queue: Id | None = None
    owner: Annotated[Code | None, Field(description="user name; `me`: one's own")] = None


class Callback(Out):
    """One caller to be called back, however often they rang."""

    id: str
    number: str
    display: str | None
    customer: str | None
    customer_name: str
    queue: str | None
    team: str | None
    did: str
    first_interaction: str
    last_interaction: str
    missed: int
    first_at: Time
    last_at: Time
    state: Literal["open", "taken", "done"]
    owner: str | None
    attempts: int
    result: str
    note: str
    due_at: Time | None
    closed_at: Time | None
    version: int


class CallbackPage(Out):
    """The list, oldest first."""

    items: list[Callback]
    next: str | None


class TakeBody(In):
    """Who shall do it; left out: the asker."""

    owner: Code | None = None


class ResultBody(In):
    """What came of an attempt."""

    result: ResultCode
    note: Annotated[Prose, StringConstraints(max_length=2000)] = ""
    due_at: Annotated[AwareDatetime | None, Field(description="when to try again")] = None


async def list_callbacks(call: Call) -> Result:
    """Oldest first."""
    query = call.query(CallbackQuery)
    owner = call.viewer.username if query.owner == "me" else query.owner
    rows, following = await crm.read(
        call,
        callbacks.page,
        state=query.state,
        queue=query.queue,
        owner=owner,
        cursor=query.after,
        limit=query.limit,
    )
    return crm.items(rows, following)


async def take_callback(call: Call) -> Result:
    """Take an entry or give it to somebody; 409 when another has it or it is done."""
    body, key = call.body(TakeBody), call.path_id()
    row = await crm.write_locked(
        call, _reading(key), callbacks.take, key, call.now, owner=body.owner
    )
    return _told(call, row)


async def callback_result(call: Call) -> Result:
    """Note an attempt; `no_answer` and `busy` leave it with its owner, all else closes it."""
    body, key = call.body(ResultBody), call.path_id()
    row = await crm.write_locked(
        call,
        _reading(key),
        callbacks.result,
        key,
        body.result,
        call.now,
        note=body.note,
        due_at=body.due_at.timestamp() if body.due_at else None,
    )
    return _told(call, row)


def _reading(key: str) -> crm.Reading:
    def look(conn: sqlite3.Connection, actor: Actor) -> crm.Row:
        row = conn.execute("SELECT version FROM callbacks WHERE id = ?", (key,)).fetchone()
        return dict(row) if row else {"version": -1}

    return look


def _told(call: Call, row: crm.Row) -> Result:
    policy = call.services.store.policy

    def reads(viewer: Viewer) -> bool:
        return policy.scope(viewer.role.value, "callback", "read") is not Scope.NONE

    told = {"id": row["id"], "state": row["state"], "owner": row["owner"]}
    call.services.hub.publish("callback", told, audience=reads)
    return crm.timed(row)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/callbacks",
        summary="The call-back work list",
        handler=list_callbacks,
        action=Action.CRM,
        query=CallbackQuery,
        answer=CallbackPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/callbacks/{id}/take",
        summary="Take a call-back, or give it to somebody",
        handler=take_callback,
        action=Action.CRM,
        body=TakeBody,
        answer=Callback,
        problems=("forbidden", "conflict"),
        versioned=True,
        lock="optional",
    ),
    Endpoint(
        method="POST",
        path="/callbacks/{id}/result",
        summary="Note what came of a call-back",
        handler=callback_result,
        action=Action.CRM,
        body=ResultBody,
        answer=Callback,
        problems=("forbidden", "conflict"),
        versioned=True,
        lock="optional",
    ),
)

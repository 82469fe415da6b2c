"""Tasks and reminders."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from crmcore import tasks
from ctid.access import Action
from ctid.http import crm
from ctid.http.crm_models import Code, Prose, RowId, RowPage, Short
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import Id, In, Line, Out, Time

State = Literal["open", "done", "cancelled"]
Title = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
Body = Annotated[Prose, StringConstraints(max_length=10_000)]


class TaskQuery(RowPage):
    """Which tasks."""

    state: Literal["open", "done", "cancelled", "all"] = "open"
    owner: Annotated[Code | None, Field(description="user name; `me`: one's own")] = None
    customer: RowId | None = None
    due_before: Annotated[AwareDatetime | None, Field(description="with zone")] = None


class TaskBody(In):
    """A new task; its owner is the asker unless given."""

    title: Title
    text: Body = ""
    customer: RowId | None = None
    interaction: Id | None = None
    owner: Short | None = None
    team: Short | None = None
    due_at: AwareDatetime | None = None
    remind_at: AwareDatetime | None = None


class TaskPatch(In):
    """What changes of a task."""

    title: Title = "-"
    text: Body = ""
    customer: RowId | None = None
    owner: Short | None = None
    team: Short | None = None
    due_at: AwareDatetime | None = None
    remind_at: AwareDatetime | None = None
    state: State = "open"


class Task(Out):
    """Something to do."""

    id: str
    title: str
    text: str
    customer: str | None
    interaction: str | None
    owner: str | None
    team: str | None
    due_at: Time | None
    remind_at: Time | None
    reminded_at: Time | None
    state: State
    created_by: str
    created_at: Time
    closed_at: Time | None
    version: int


class TaskPage(Out):
    """Tasks, earliest due first."""

    items: list[Task]
    next: str | None


async def list_tasks(call: Call) -> Result:
    """Earliest due first."""
    query = call.query(TaskQuery)
    rows, following = await crm.read(
        call,
        tasks.page,
        state=query.state,
        owner=call.viewer.username if query.owner == "me" else query.owner,
        customer=query.customer,
        due_before=query.due_before.timestamp() if query.due_before else None,
        cursor=query.after,
        limit=query.limit,
    )
    return crm.items(rows, following)


async def create_task(call: Call) -> Result:
    """A reminder comes as the event `reminder` at `remind_at`."""
    given = crm.given(call.body(TaskBody))
    return crm.timed(await crm.write(call, tasks.create, given, call.now))


async def one_task(call: Call) -> Result:
    """One task."""
    return crm.timed(await crm.read(call, tasks.get, call.path_id()))


async def update_task(call: Call) -> Result:
    """Change fields or the state."""
    key = call.path_id()
    row = await crm.write_locked(
        call,
        lambda conn, actor: tasks.get(conn, actor, key),
        tasks.update,
        key,
        crm.given(call.body(TaskPatch)),
        call.now,
    )
    return crm.timed(row)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/tasks",
        summary="Tasks",
        handler=list_tasks,
        action=Action.CRM,
        query=TaskQuery,
        answer=TaskPage,
        problems=("forbidden", "not_found"),
    ),
    Endpoint(
        method="POST",
        path="/tasks",
        summary="Make a task",
        handler=create_task,
        action=Action.CRM,
        body=TaskBody,
        answer=Task,
        problems=("forbidden", "not_found"),
        replay=True,
        versioned=True,
    ),
    Endpoint(
        method="GET",
        path="/tasks/{id}",
        summary="One task",
        handler=one_task,
        action=Action.CRM,
        answer=Task,
        problems=("forbidden",),
        versioned=True,
    ),
    Endpoint(
        method="PATCH",
        path="/tasks/{id}",
        summary="Change a task",
        handler=update_task,
        action=Action.CRM,
        body=TaskPatch,
        answer=Task,
        problems=("forbidden", "conflict"),
        versioned=True,
        lock="required",
    ),
)

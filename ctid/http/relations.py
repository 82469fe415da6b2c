"""What belongs to a customer: relations to others, dated facts, files."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import AwareDatetime, Field, StringConstraints

from crmcore import relations
from ctid.access import Action
from ctid.http import crm
from ctid.http.crm_models import Code, Prose, RowId
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem
from ctid.http.models import In, Line, Out, Time
from ctid.http.uploads import read_small

Required = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class RelationBody(In):
    """The customer of the path <kind> `other`."""

    kind: Annotated[Code, Field(description="a code of the dictionary `relation`")]
    other: RowId
    note: Annotated[str, StringConstraints(max_length=1000)] = ""
    since_at: AwareDatetime | None = None


class Relation(Out):
    """A relation as seen from one side."""

    id: str
    kind: str
    direction: Literal["to", "from"]
    customer: str
    name: str
    note: str
    since_at: Time | None


class RelationPage(Out):
    """All relations of a customer."""

    items: list[Relation]
    next: None


class FactBody(In):
    """Something that became known."""

    name: Code
    value: Annotated[Prose, StringConstraints(min_length=1, max_length=2000)]
    source: Required


class Fact(Out):
    """Something known, with where it comes from."""

    id: str
    name: str
    value: str
    source: str
    at: Time


class FactPage(Out):
    """The latest value of each fact."""

    items: list[Fact]
    next: None


class AttachmentQuery(In):
    """What the file is called."""

    name: Annotated[Line, StringConstraints(min_length=1, max_length=200)]


class Attachment(Out):
    """A file kept with a customer."""

    id: str
    name: str
    media_type: str
    bytes: int
    sha256: str
    author: str
    at: Time


class AttachmentPage(Out):
    """The files of a customer."""

    items: list[Attachment]
    next: None


async def list_relations(call: Call) -> Result:
    """From both sides, as far as the other may be read."""
    return crm.items(await crm.read(call, relations.of_customer, call.path_id()))


async def add_relation(call: Call) -> Result:
    """Say how two customers belong together; answers all relations."""
    body = call.body(RelationBody)
    rows = await crm.write(
        call,
        relations.relate,
        call.path_id(),
        body.kind,
        body.other,
        call.now,
        note=body.note,
        since_at=body.since_at.timestamp() if body.since_at else None,
    )
    return crm.items(rows)


async def delete_relation(call: Call) -> Result:
    """Take a relation away, from either side."""
    await crm.write(call, relations.unrelate, call.path_id(), call.path_id("relation"), call.now)
    return None


async def list_facts(call: Call) -> Result:
    """The latest value of each; the timeline has the earlier ones."""
    return crm.items(await crm.read(call, relations.facts, call.path_id()))


async def add_fact(call: Call) -> Result:
    """State a fact with its source; earlier values stay."""
    body = call.body(FactBody)
    row = await crm.write(
        call, relations.state_fact, call.path_id(), body.name, body.value, body.source, call.now
    )
    return crm.timed(row)


async def delete_fact(call: Call) -> Result:
    """Take a fact back, with its earlier values."""
    await crm.write(call, relations.retract_fact, call.path_id(), call.path_id("fact"), call.now)
    return None


async def list_attachments(call: Call) -> Result:
    """Without the content."""
    return crm.items(await crm.read(call, relations.attachments, call.path_id()))


async def add_attachment(call: Call) -> Result:
    """The body is the file, at most 10 MiB."""
    name = call.query(AttachmentQuery).name
    customer = call.path_id()
    await crm.read(call, relations.attachments, customer)  # not after 10 MiB were sent
    content = await read_small(call, relations.MAX_ATTACHMENT)
    row = await crm.write(
        call,
        relations.attach,
        customer,
        name,
        call.request.content_type,
        content,
        call.now,
    )
    return crm.timed(row)


async def attachment(call: Call) -> Result:
    """The file, always to be saved and never shown; not for a role that sees fields masked."""
    key = call.path_id("attachment")
    name, _, content = await crm.read(call, relations.attachment, call.path_id(), key)
    if not content:
        raise Problem("not_found")
    return web.Response(
        body=content,
        content_type="application/octet-stream",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"},
    )


async def delete_attachment(call: Call) -> Result:
    """Delete a file."""
    await crm.write(call, relations.detach, call.path_id(), call.path_id("attachment"), call.now)
    return None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/customers/{id}/relations",
        summary="A customer's relations",
        handler=list_relations,
        action=Action.CRM,
        answer=RelationPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/relations",
        summary="Relate two customers",
        handler=add_relation,
        action=Action.CRM,
        body=RelationBody,
        answer=RelationPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="DELETE",
        path="/customers/{id}/relations/{relation}",
        summary="Take a relation away",
        handler=delete_relation,
        action=Action.CRM,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/facts",
        summary="What is known, with source and date",
        handler=list_facts,
        action=Action.CRM,
        answer=FactPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/facts",
        summary="State a fact",
        handler=add_fact,
        action=Action.CRM,
        body=FactBody,
        answer=Fact,
        problems=("forbidden",),
    ),
    Endpoint(
        method="DELETE",
        path="/customers/{id}/facts/{fact}",
        summary="Take a fact back, with its earlier values",
        handler=delete_fact,
        action=Action.CRM,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/attachments",
        summary="A customer's files",
        handler=list_attachments,
        action=Action.CRM,
        answer=AttachmentPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/attachments",
        summary="Keep a file with a customer",
        handler=add_attachment,
        action=Action.CRM,
        query=AttachmentQuery,
        upload=("application/octet-stream", "*/*"),
        answer=Attachment,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/attachments/{attachment}",
        summary="A file's content",
        handler=attachment,
        action=Action.CRM,
        media="application/octet-stream",
        problems=("forbidden",),
    ),
    Endpoint(
        method="DELETE",
        path="/customers/{id}/attachments/{attachment}",
        summary="Delete a file",
        handler=delete_attachment,
        action=Action.CRM,
        problems=("forbidden",),
    ),
)

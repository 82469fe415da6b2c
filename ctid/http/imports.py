"""Import of customers: upload a file, look at it, map its columns, run it, undo it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, StringConstraints

from crmcore import import_map, import_undo, importing, tabular
from ctid.access import Action
from ctid.http import crm, error_file, uploads
from ctid.http.audit import actor_of
from ctid.http.crm_models import RowPage
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import FieldProblem, In, Line, Out, Time

MEDIA = (
    "text/csv",
    "text/plain",
    "text/vcard",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/octet-stream",
)
Mode = Literal["create", "update", "both"]


class UploadQuery(In):
    """What the file is called."""

    name: Annotated[Line, StringConstraints(max_length=200)] = ""


class ErrorsQuery(In):
    """In whose words."""

    language: error_file.Language = "en"


class PreviewProblem(Out):
    """A row that would not be taken."""

    line: int
    problem: str
    errors: list[FieldProblem]


class Preview(Out):
    """The file as it was understood. `mapping`: for each column the field it looks like."""

    kind: str
    encoding: str
    delimiter: str
    columns: list[str]
    mapping: list[str]
    rows: list[list[str]]
    total: int
    problems: list[PreviewProblem]


class ImportProgress(Out):
    """How far it is."""

    stage: Literal["reading", "applying", "done"]
    done: int
    total: int
    created: int
    updated: int
    skipped: int
    refused: int


class UploadOut(Out):
    """A file that waits, is being imported, or was. `import`: the id to undo it by."""

    id: str
    file_name: str
    state: Literal["ready", "running", "done", "failed"]
    problem: str
    preview: Preview | None
    import_: Annotated[str | None, Field(alias="import")]
    progress: ImportProgress | None


class UploadPage(Out):
    """One's own files."""

    items: list[UploadOut]
    next: None


class RunBody(In):
    """For each column its field, or an empty text; and what to do with customers who are there."""

    mapping: Annotated[
        list[Annotated[str, StringConstraints(max_length=80)]],
        Field(min_length=1, max_length=tabular.MAX_COLUMNS),
    ]
    mode: Mode = "create"


class ImportFields(Out):
    """What a column can be mapped to, besides `custom.<code>`."""

    items: list[str]
    next: None


class Import(Out):
    """An import that was run. `state`: staging, done, failed, undoing, undone."""

    id: str
    file_name: str
    mode: Mode
    mapping: list[str]
    state: str
    total: int
    created: int
    updated: int
    skipped: int
    refused: int
    actor: str
    at: Time
    finished_at: Time | None


class ImportPage(Out):
    """Imports, newest first."""

    items: list[Import]
    next: str | None


class Undone(Out):
    """What became of it: `kept` are customers that were used or changed since."""

    removed: int
    restored: int
    kept: int


async def upload_file(call: Call) -> Result:
    """CSV in UTF-8 or GB18030, XLSX, or vCard, up to 256 MiB; answers what it looks like."""
    desk, actor = call.context.imports, actor_of(call)
    name = call.query(UploadQuery).name
    with desk.receiving(actor) as path:
        await uploads.save(call, path, call.services.settings.upload_limit)
        return (await desk.accept(actor, path, name)).shape(actor)


async def list_uploads(call: Call) -> Result:
    """One's own files; they are kept for an hour."""
    actor = actor_of(call)
    found = call.context.imports.of(actor)
    return {"items": [one.shape(actor) for one in found], "next": None}


async def one_upload(call: Call) -> Result:
    """Also told by the event `import` while it runs."""
    actor = actor_of(call)
    return call.context.imports.get(actor, call.path_id()).shape(actor)


async def delete_upload(call: Call) -> Result:
    """Forget a file."""
    call.context.imports.remove(actor_of(call), call.path_id())
    return None


async def run_import(call: Call) -> Result:
    """All or nothing; one import at a time. The event `import` tells how far it is."""
    body = call.body(RunBody)
    mapping, mode = body.mapping, body.mode
    wrong = [name for name in mapping if name and not import_map.is_field(name)]
    if wrong or not any(mapping):
        raise crm.invalid_field("mapping", f"unknown fields {wrong}; map at least one column")
    actor = actor_of(call)
    return call.context.imports.run(actor, call.path_id(), mapping, mode).shape(actor)


async def import_fields(call: Call) -> Result:
    """What a column can be mapped to."""
    return {"items": list(import_map.FIELDS), "next": None}


async def list_imports(call: Call) -> Result:
    """Newest first."""
    query = call.query(RowPage)
    rows, following = await crm.read(call, importing.page, cursor=query.after, limit=query.limit)
    return crm.items(rows, following)


async def undo_import(call: Call) -> Result:
    """Take back what the import made and changed; what was used since stays."""
    done = await import_undo.undo(call.services.store.db, actor_of(call), call.path_id(), call.now)
    call.services.crm_changed()
    return {name: done[name] for name in Undone.model_fields}


async def import_errors(call: Call) -> Result:
    """The rows that were not taken, with the reason, as CSV to be mended and imported again."""
    language = call.query(ErrorsQuery).language
    mapping, rows = await crm.read(call, importing.refusals, call.path_id())
    text = await asyncio.to_thread(error_file.table, mapping, rows, language)
    return web.Response(
        body=text.encode("utf-8-sig", "replace"),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="import-errors.csv"'},
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/imports/uploads",
        summary="Upload a table or vCards to import",
        handler=upload_file,
        action=Action.CRM,
        query=UploadQuery,
        upload=MEDIA,
        answer=UploadOut,
        problems=("forbidden", "conflict"),
        audited=True,
    ),
    Endpoint(
        method="GET",
        path="/imports/uploads",
        summary="One's own uploaded files",
        handler=list_uploads,
        action=Action.CRM,
        answer=UploadPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/imports/uploads/{id}",
        summary="One uploaded file, or how far its import is",
        handler=one_upload,
        action=Action.CRM,
        answer=UploadOut,
        problems=("forbidden",),
    ),
    Endpoint(
        method="DELETE",
        path="/imports/uploads/{id}",
        summary="Forget an uploaded file",
        handler=delete_upload,
        action=Action.CRM,
        problems=("forbidden", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/imports/uploads/{id}/run",
        summary="Import an uploaded file",
        handler=run_import,
        action=Action.CRM,
        body=RunBody,
        answer=UploadOut,
        problems=("forbidden", "conflict"),
        audited=True,
    ),
    Endpoint(
        method="GET",
        path="/imports/fields",
        summary="What a column can be mapped to",
        handler=import_fields,
        action=Action.CRM,
        answer=ImportFields,
    ),
    Endpoint(
        method="GET",
        path="/imports",
        summary="Imports that were run",
        handler=list_imports,
        action=Action.CRM,
        query=RowPage,
        answer=ImportPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/imports/{id}/errors",
        summary="The rows that an import refused, as CSV",
        handler=import_errors,
        action=Action.CRM,
        query=ErrorsQuery,
        media="text/csv",
        problems=("forbidden", "not_found"),
    ),
    Endpoint(
        method="POST",
        path="/imports/{id}/undo",
        summary="Take a whole import back",
        handler=undo_import,
        action=Action.CRM,
        answer=Undone,
        problems=("forbidden", "conflict", "busy"),
        audited=True,
    ),
)

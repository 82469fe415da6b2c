"""Lists to take away: CSV, XLSX and vCard, guarded against cells that spreadsheets would run."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

from aiohttp import web

from crmcore import exporting
from ctid.access import Action, Viewer
from ctid.http.audit import actor_of, audit
from ctid.http.contact_records import filters_of as record_filters
from ctid.http.crm_models import ContactRecordFilter, CustomerFilter
from ctid.http.customers import filters_of as customer_filters
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem

WRITE_S = 600.0
PIECE = 1 << 18
MEDIA = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "vcf": "text/vcard",
}


class CustomerExportQuery(CustomerFilter):
    """Which customers, as what."""

    format: Literal["csv", "xlsx", "vcf"] = "csv"


class RecordExportQuery(ContactRecordFilter):
    """Which contact records, as what."""

    format: Literal["csv", "xlsx"] = "csv"


async def export_customers(call: Call) -> Result:
    """All that the filters leave. What a role sees masked stays masked."""
    query = call.query(CustomerExportQuery)
    return await _send(call, "customer", query.format, customer_filters(query))


async def export_contact_records(call: Call) -> Result:
    """All that the filters leave. What a role sees masked stays masked."""
    query = call.query(RecordExportQuery)
    return await _send(call, "contact_record", query.format, record_filters(query))


async def _send(call: Call, entity: str, kind: str, filters: dict[str, str]) -> Result:
    actor = actor_of(call)
    actor.require(entity, "export")
    exporting_now = call.context.exporting
    if exporting_now.locked():  # each takes one of the few readers for as long as it writes
        raise Problem("busy", "Another export is running", headers={"Retry-After": "10"})
    async with exporting_now:
        passage = await asyncio.to_thread(call.context.passage.folder)
        with tempfile.TemporaryDirectory(prefix="export-", dir=passage) as folder:
            path = Path(folder) / f"out.{kind}"
            tell = _teller(call, entity)
            count = await call.services.store.db.read(
                lambda conn: exporting.write(conn, actor, entity, kind, path, filters, tell),
                timeout_s=WRITE_S,
            )
            await audit(call, "export", entity, "list", {"count": count, "filters": filters})
            file = await asyncio.to_thread(open, path, "rb")
    with file:  # its name is gone before the first byte goes out: no crash can leave it behind
        return await _stream(call, file, f"{entity}s.{kind}", MEDIA[kind])


def _teller(call: Call, entity: str) -> Callable[[int], None]:
    """Tells the asker's pages how far it is; called in the reader's thread."""
    loop = asyncio.get_running_loop()
    username, hub = call.viewer.username, call.services.hub

    def is_asker(viewer: Viewer) -> bool:
        return viewer.username == username

    def tell(done: int) -> None:
        told = {"entity": entity, "done": done}
        loop.call_soon_threadsafe(lambda: hub.publish("export", told, audience=is_asker))

    return tell


async def _stream(call: Call, file: BinaryIO, name: str, media: str) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": media if media.startswith("application") else f"{media}; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
    )
    response.content_length = os.fstat(file.fileno()).st_size
    await response.prepare(call.request)
    while piece := await asyncio.to_thread(file.read, PIECE):
        async with asyncio.timeout(call.services.settings.stream_write_timeout_s):
            await response.write(piece)
    await response.write_eof()
    return response


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/exports/customers",
        summary="Customers as CSV, XLSX or vCard",
        handler=export_customers,
        action=Action.CRM,
        query=CustomerExportQuery,
        media="text/csv",
        problems=("forbidden", "busy"),
        audited=True,
    ),
    Endpoint(
        method="GET",
        path="/exports/contact-records",
        summary="Contact records as CSV or XLSX",
        handler=export_contact_records,
        action=Action.CRM,
        query=RecordExportQuery,
        media="text/csv",
        problems=("forbidden", "busy"),
        audited=True,
    ),
)

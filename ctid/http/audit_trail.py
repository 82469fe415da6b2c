"""The audit trail for those who may read it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from crmcore import audit
from ctid.access import Action
from ctid.http import crm
from ctid.http.crm_models import Code, RowPage
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import Id, Out, Time
from ctid.view_json import iso


class AuditQuery(RowPage):
    """Which entries."""

    entity: Code | None = None
    entity_id: Id | None = None
    username: Code | None = None
    action: Code | None = None
    refused: Annotated[bool, Field(description="only what was not allowed or possible")] = False


class AuditEntry(Out):
    """Who changed what, from where. With both sides given, only what differs."""

    id: str
    at: Time
    actor: str
    source: str
    action: str
    entity: str
    entity_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditPage(Out):
    """Entries, newest first."""

    items: list[AuditEntry]
    next: str | None


async def list_audit(call: Call) -> Result:
    """Newest first."""
    query = call.query(AuditQuery)
    rows = await crm.read(
        call,
        audit.entries,
        entity=query.entity,
        entity_id=query.entity_id,
        username=query.username,
        action=query.action,
        refused=query.refused,
        before_id=int(query.cursor) if query.cursor else None,
        limit=query.limit,
    )
    following = rows[-1]["id"] if len(rows) == query.limit else None
    # before and after are shown as they stand in the trail
    shown = [{**row, "id": str(row["id"]), "at": iso(row["at"])} for row in rows]
    return {"items": shown, "next": None if following is None else str(following)}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/audit",
        summary="Who changed what",
        handler=list_audit,
        action=Action.CRM,
        query=AuditQuery,
        answer=AuditPage,
        problems=("forbidden",),
    ),
)

"""Contact records: what became of every interaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmcore import contact_records as records
from crmcore.errors import NotFound
from ctid import hindsight
from ctid.access import Action, Scope, Viewer
from ctid.crm_json import contact_record_json
from ctid.http import crm
from ctid.http.audit import actor_of
from ctid.http.crm_models import (
    ContactRecord,
    ContactRecordFilter,
    ContactRecordPage,
    ContactRecordQuery,
    RecordPatch,
)
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem
from ctid.http.interactions import timed_explanation
from ctid.http.models import MomentPage
from routing.ids import InteractionId

EQUAL = ("queue", "agent", "outcome", "disposition", "customer")


def filters_of(query: ContactRecordFilter) -> dict[str, str]:
    """The filters as ``crmcore.contact_records`` takes them."""
    filters: dict[str, str] = {n: v for n in EQUAL if (v := getattr(query, n)) is not None}
    if query.phone is not None:
        filters["number"] = query.phone
    if query.from_ is not None:
        filters["from"] = repr(query.from_.timestamp())
    if query.to is not None:
        filters["to"] = repr(query.to.timestamp())
    if query.q is not None:
        filters["q"] = query.q
    if query.has_recording:
        filters["has_recording"] = "true"
    return filters


async def list_contact_records(call: Call) -> Result:
    """Newest arrival first.

    Agents get their own; with `customer`, `phone` or `interaction` also a customer's history.
    """
    query = call.query(ContactRecordQuery)
    actor = actor_of(call)
    if query.interaction is not None:
        try:
            row = await call.services.store.contact_record(actor, query.interaction)
        except NotFound:
            return {"items": [], "next": None}
        items = [contact_record_json(row, call.house.agent_name)] if _reaches(call, row) else []
        return {"items": items, "next": None}
    filters = filters_of(query)
    if call.scope is Scope.OWN and query.customer is None and query.phone is None:
        own = call.viewer.agent
        if own is None or filters.setdefault("agent", own) != own:
            raise Problem("forbidden", "Agents list their own contact records, or a customer's")
    rows, following = await call.services.store.contact_records(
        actor, filters, cursor=query.cursor or None, limit=query.limit
    )
    return {
        "items": [contact_record_json(row, call.house.agent_name) for row in rows],
        "next": following,
    }


async def one_contact_record(call: Call) -> Result:
    """One, by its own id or by the interaction's."""
    row = await call.services.store.contact_record(actor_of(call), call.path_id())
    if not _reaches(call, row):
        raise Problem("not_found")
    return contact_record_json(row, call.house.agent_name)


async def update_contact_record(call: Call) -> Result:
    """Disposition, notes, customer or survey, afterwards; what happened itself stays."""
    key = call.path_id()
    row = await crm.write_locked(
        call,
        lambda conn, actor: records.get(conn, actor, key),
        records.update,
        key,
        crm.given(call.body(RecordPatch)),
        call.now,
    )
    told = {"interaction": row["interaction"], "change": "amended"}
    call.services.hub.publish("contact_record", told, audience=_reads_records)
    return contact_record_json(row, call.house.agent_name)


async def explain_record(call: Call) -> Result:
    """Every decision about it, rebuilt from the journal; empty when that is too old. It may take
    some seconds, and one is rebuilt at a time."""
    row = await call.services.store.contact_record(actor_of(call), call.path_id())
    if not _reaches(call, row):
        raise Problem("not_found")
    explaining = call.context.explaining
    if explaining.locked():
        raise Problem("busy", "Another one is being explained", headers={"Retry-After": "10"})
    async with explaining:
        try:
            moments = await hindsight.explained(
                call.services.store.db.path, InteractionId(row["interaction"])
            )
        except TimeoutError:
            raise Problem("timeout", "The journal is too long to be read meanwhile") from None
        except hindsight.NotExplained:
            raise Problem("internal") from None
    return {
        "items": [
            {**one, "explanation": one["explanation"] and timed_explanation(one["explanation"])}
            for one in moments
        ],
        "next": None,
    }


def _reads_records(viewer: Viewer) -> bool:
    return viewer.scope(Action.CONTACT_RECORDS_VIEW) is not Scope.NONE


def _reaches(call: Call, row: Mapping[str, Any]) -> bool:
    """An agent reads what the agent took part in, and what belongs to some customer's history."""
    mine = call.viewer.agent in (row["agent"], *row["agents"])
    return call.scope is not Scope.OWN or row["customer"] is not None or mine


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/contact-records",
        summary="Contact records, newest first",
        handler=list_contact_records,
        action=Action.CONTACT_RECORDS_VIEW,
        query=ContactRecordQuery,
        answer=ContactRecordPage,
        problems=("forbidden", "not_found"),
    ),
    Endpoint(
        method="GET",
        path="/contact-records/{id}",
        summary="One contact record",
        handler=one_contact_record,
        action=Action.CONTACT_RECORDS_VIEW,
        answer=ContactRecord,
        problems=("forbidden", "not_found"),
        versioned=True,
    ),
    Endpoint(
        method="GET",
        path="/contact-records/{id}/explain",
        summary="Why each agent was or was not chosen, at each decision",
        handler=explain_record,
        action=Action.INTERACTIONS_EXPLAIN,
        answer=MomentPage,
        problems=("forbidden", "not_found", "busy", "timeout"),
    ),
    Endpoint(
        method="PATCH",
        path="/contact-records/{id}",
        summary="Change disposition, notes, customer or survey",
        handler=update_contact_record,
        action=Action.CRM,
        body=RecordPatch,
        answer=ContactRecord,
        problems=("forbidden", "conflict"),
        versioned=True,
        lock="required",
    ),
)

"""Customers: who is this number, who is that name, and what was before."""

from __future__ import annotations

from ctid.access import Action
from ctid.crm_json import candidate_json, entry_json
from ctid.http.audit import actor_of
from ctid.http.crm_models import (
    Customer,
    CustomerPage,
    CustomerQuery,
    TimelinePage,
    TimelineQuery,
)
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import invalid
from ctid.view_json import row_json


async def list_customers(call: Call) -> Result:
    """By number (every candidate, ranked, each `known` or not), by words, or all by pages."""
    query = call.query(CustomerQuery)
    store, actor = call.services.store, actor_of(call)
    if query.phone is not None and query.q is not None:
        raise invalid("query.q", "exclusive", "ask by `phone` or by `q`, not by both")
    if query.phone is not None:
        found = await store.match(query.phone, actor)
        return {"items": [candidate_json(one) for one in found.candidates], "next": None}
    rows, following = await store.customers(
        actor, query=query.q or "", cursor=query.cursor or None, limit=query.limit
    )
    return {"items": [row_json(row) for row in rows], "next": following}


async def one_customer(call: Call) -> Result:
    """One customer; a merged id answers its survivor."""
    return row_json(await call.services.store.customer(actor_of(call), call.path_id()))


async def timeline(call: Call) -> Result:
    """Everything that happened with a customer, newest first."""
    query = call.query(TimelineQuery)
    entries, following = await call.services.store.timeline(
        actor_of(call),
        call.path_id(),
        types=() if query.type is None else (query.type,),
        cursor=query.cursor or None,
        limit=query.limit,
    )
    name_of = call.house.agent_name
    return {"items": [entry_json(one, name_of) for one in entries], "next": following}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/customers",
        summary="Customers by number or words",
        handler=list_customers,
        action=Action.CUSTOMERS_VIEW,
        query=CustomerQuery,
        answer=CustomerPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}",
        summary="One customer",
        handler=one_customer,
        action=Action.CUSTOMERS_VIEW,
        answer=Customer,
        problems=("forbidden", "not_found"),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/timeline",
        summary="A customer's history",
        handler=timeline,
        action=Action.CUSTOMERS_VIEW,
        query=TimelineQuery,
        answer=TimelinePage,
        problems=("forbidden", "not_found"),
    ),
)

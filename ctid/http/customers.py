"""Customers: who is this number, who is that name, what was before; and keeping them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from crmcore import contact_records, customers, duplicates, matching
from crmcore.access import Actor
from crmcore.numbers import NumberPlan
from ctid.access import Action
from ctid.crm_json import candidate_json, entry_json
from ctid.http import crm
from ctid.http.audit import actor_of
from ctid.http.crm_models import (
    Customer,
    CustomerBody,
    CustomerFilter,
    CustomerPage,
    CustomerQuery,
    Number,
    TimelinePage,
    TimelineQuery,
)
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem, invalid
from ctid.http.models import Id, In, Out
from ctid.view_json import row_json
from routing.facts import CustomerMatched
from routing.ids import CustomerId, InteractionId

Row = dict[str, Any]


class NumberBody(In):
    """The number, in any spelling, or the interaction or contact record that came from it."""

    number: Number | None = None
    interaction: Annotated[Id | None, Field(description="live or ended")] = None


class Linked(Out):
    """The customer with the number, and how many contact records it was given."""

    customer: Customer
    relinked: int


def filters_of(query: CustomerFilter) -> dict[str, str]:
    """The filters as ``crmcore.search`` takes them."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name in CustomerFilter.model_fields
        if (value := getattr(query, name)) is not None
    }


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
        actor,
        query=query.q or "",
        filters=filters_of(query),
        cursor=query.cursor or None,
        limit=query.limit,
    )
    return crm.items(rows, following)


async def one_customer(call: Call) -> Result:
    """One customer; a merged id answers its survivor."""
    return row_json(await call.services.store.customer(actor_of(call), call.path_id()))


async def create_customer(call: Call) -> Result:
    """Make a customer from a name or at least one contact point."""
    given = crm.given(call.body(CustomerBody))
    return row_json(await crm.write(call, _create, given, call.now, call.services.store.plan))


def _create(
    conn: sqlite3.Connection, actor: Actor, given: Row, now: float, plan: NumberPlan
) -> Row:
    row = customers.create(conn, actor, given, now, plan=plan)
    duplicates.note(conn, duplicates.of_customer(conn, int(row["id"])), now)
    return row


async def update_customer(call: Call) -> Result:
    """Change the fields that are given. A contact point shown masked may be sent back as it is."""
    number = call.path_id()
    row = await crm.write_locked(
        call,
        lambda conn, actor: customers.get(conn, actor, number),
        _update,
        number,
        crm.given(call.body(CustomerBody)),
        call.now,
        call.services.store.plan,
    )
    return row_json(row)


def _update(
    conn: sqlite3.Connection, actor: Actor, number: str, given: Row, now: float, plan: NumberPlan
) -> Row:
    row = customers.update(conn, actor, number, given, now, plan=plan)
    duplicates.note(conn, duplicates.of_customer(conn, int(row["id"])), now)
    return row


async def link_number(call: Call) -> Result:
    """Say whose number this is: it is added, its unclaimed contact records follow.

    Where several share the number, the choice is remembered. By `interaction` the number need
    not be known, and a live interaction takes the customer at once.
    """
    body = call.body(NumberBody)
    if (body.number is None) == (body.interaction is None):
        raise invalid("body.number", "exclusive", "give a `number` or an `interaction`")
    number = body.number
    if body.interaction is not None:
        number = await _number_of(call, body.interaction)
    linked = await crm.write(
        call, matching.link, number or "", call.path_id(), call.now, plan=call.services.store.plan
    )
    if body.interaction is not None:
        await _tell_engine(call, InteractionId(body.interaction), linked["customer"])
    return {"customer": row_json(linked["customer"]), "relinked": linked["relinked"]}


async def _number_of(call: Call, interaction: str) -> str:
    """The caller's number, also for one who sees numbers masked."""
    try:
        view = call.services.engine.interaction_view(InteractionId(interaction))
    except KeyError:
        pass
    else:
        scope = call.viewer.scope(Action.INTERACTIONS_VIEW)
        if not call.house.may_see_interaction(call.viewer, scope, view):
            raise Problem("not_found")
        return view.caller.number

    def look(conn: sqlite3.Connection, actor: Actor) -> str:
        key = contact_records.get(conn, actor, interaction)["id"]
        sql = "SELECT caller_number FROM contact_records WHERE id = ?"
        return str(conn.execute(sql, (key,)).fetchone()[0])

    return await crm.read(call, look)


async def _tell_engine(call: Call, interaction: InteractionId, row: Mapping[str, Any]) -> None:
    """The contact record of a call that still runs shall name this customer."""
    try:
        call.services.engine.interaction_view(interaction)
    except KeyError:
        return
    fact = CustomerMatched(
        interaction=interaction,
        customer=CustomerId(row["id"]),
        name=row["name"][:200],
        known=True,
        attributes={},
    )
    try:
        await call.submit(fact)
    except Problem as problem:
        if problem.code != "refused":  # it has just ended: its record was relinked instead
            raise


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
        summary="Customers by number, words or filters",
        handler=list_customers,
        action=Action.CUSTOMERS_VIEW,
        query=CustomerQuery,
        answer=CustomerPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/customers",
        summary="Make a customer",
        handler=create_customer,
        action=Action.CRM,
        body=CustomerBody,
        answer=Customer,
        problems=("forbidden",),
        replay=True,
        versioned=True,
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}",
        summary="One customer",
        handler=one_customer,
        action=Action.CUSTOMERS_VIEW,
        answer=Customer,
        problems=("forbidden", "not_found"),
        versioned=True,
    ),
    Endpoint(
        method="PATCH",
        path="/customers/{id}",
        summary="Change a customer's fields",
        handler=update_customer,
        action=Action.CRM,
        body=CustomerBody,
        answer=Customer,
        problems=("forbidden", "conflict"),
        versioned=True,
        lock="required",
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/numbers",
        summary="Say that a number is this customer's, and relink its history",
        handler=link_number,
        action=Action.CRM,
        body=NumberBody,
        answer=Linked,
        problems=("forbidden", "conflict", "timeout"),
        replay=True,
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

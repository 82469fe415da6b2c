"""A person's rights: consent, everything stored about one person, and being forgotten."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import StringConstraints

from crmcore import consent, privacy
from ctid.access import Action
from ctid.http import crm
from ctid.http.audit import actor_of
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import invalid
from ctid.http.models import In, Line, Out, Time
from ctid.view_json import dumps

Ground = Annotated[Line, StringConstraints(min_length=1, max_length=200)]


class ConsentBody(In):
    """One entry of the ledger. `source`: how it was given or withdrawn."""

    channel: Literal["phone", "sms", "email", "postal", "wechat", "any"]
    purpose: Literal["service", "marketing", "recording", "research", "any"]
    granted: bool
    source: Ground
    proof: Annotated[Line, StringConstraints(max_length=200)] = ""


class Consent(Out):
    """One entry of the ledger."""

    id: str
    channel: str
    purpose: str
    state: Literal["granted", "withdrawn"]
    source: str
    proof: str
    actor: str
    at: Time


class ConsentPage(Out):
    """The ledger, newest first; the latest entry counts."""

    items: list[Consent]
    next: None


class PersonalData(Out):
    """All that is stored about one person."""

    customer: dict[str, Any]
    facts: list[dict[str, Any]]
    relations: list[dict[str, Any]]
    attachments: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    contact_records: list[dict[str, Any]]
    exported_at: Time


class EraseBody(In):
    """On what ground, and the customer's name again, against a slip of the hand."""

    reason: Ground
    name: Line


class Erased(Out):
    """What was forgotten. `finished` false: recordings are still to be removed, tried again."""

    erasure: str
    pseudonym: str
    contact_records: int
    recordings: int
    finished: bool


async def list_consents(call: Call) -> Result:
    """Nothing in the ledger is ever changed."""
    return crm.items(await crm.read(call, consent.ledger, call.path_id()))


async def add_consent(call: Call) -> Result:
    """The customer agreed or objected."""
    body = call.body(ConsentBody)
    row = await crm.write(
        call,
        consent.record_consent,
        call.path_id(),
        body.channel,
        body.purpose,
        body.granted,
        body.source,
        call.now,
        proof=body.proof,
    )
    return crm.timed(row)


async def personal_data(call: Call) -> Result:
    """For the person who asks what is stored; as a file. Written to the audit trail."""
    data = await crm.write(call, privacy.export, call.path_id(), call.now)
    data = {k: [crm.timed(r) for r in v] if isinstance(v, list) else v for k, v in data.items()}
    return web.Response(
        body=dumps(crm.timed(data)),
        content_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="personal-data.json"'},
    )


async def erase(call: Call) -> Result:
    """Forget a person everywhere but in what the law demands; cannot be taken back."""
    body, store = call.body(EraseBody), call.services.store
    actor = actor_of(call)
    customer = await store.customer(actor, call.path_id())
    if body.name.strip() != customer["name"].strip():
        raise invalid("body.name", "mismatch", "is not this customer's name; nothing was erased")
    await store.journal.flush()  # what waits there is looked through as well
    done = await privacy.erase(
        store.db,
        actor,
        customer["id"],
        body.reason,
        call.now,
        ports=call.services.erase_ports,
    )
    # what is kept in memory to be told again may name the person, too
    call.context.idempotency.forget()
    call.services.hub.forget_past(customer["id"])
    call.services.crm_changed()
    return {name: done[name] for name in Erased.model_fields}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/customers/{id}/consents",
        summary="A customer's consents",
        handler=list_consents,
        action=Action.CRM,
        answer=ConsentPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/consents",
        summary="Record a consent or its withdrawal",
        handler=add_consent,
        action=Action.CRM,
        body=ConsentBody,
        answer=Consent,
        problems=("forbidden",),
        replay=True,
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}/personal-data",
        summary="All that is stored about one person",
        handler=personal_data,
        action=Action.CRM,
        answer=PersonalData,
        problems=("forbidden",),
        audited=True,
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/erase",
        summary="Forget a person",
        handler=erase,
        action=Action.CRM,
        body=EraseBody,
        answer=Erased,
        problems=("forbidden", "conflict", "busy"),
        audited=True,
    ),
)

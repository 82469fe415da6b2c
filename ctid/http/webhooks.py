"""Webhooks: who is told of what over HTTP, and the log of every delivery."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from crmcore import webhooks
from ctid.access import Action
from ctid.http import crm
from ctid.http.crm_models import Code, Limit
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import In, Out, Time

Url = Annotated[str, StringConstraints(min_length=8, max_length=1000, pattern=r"^https?://[!-~]+$")]


class WebhookBody(In):
    """Where to send what. `*`: all events."""

    url: Url
    events: Annotated[list[Code], Field(min_length=1, max_length=50)]


class WebhookPatch(In):
    """Switch it on or off."""

    active: bool


class Webhook(Out):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    active: bool
    created_by: str
    created_at: Time
    version: int


class NewWebhook(Webhook):
    """A new webhook; `secret` signs the deliveries and is not shown again."""

    secret: str


class WebhookPage(Out):
    """All webhooks."""

    items: list[Webhook]
    next: None


class DeliveryQuery(In):
    """How many at most."""

    limit: Limit = 50


class Delivery(Out):
    """One event on its way."""

    id: str
    event: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    next_at: Time
    last_status: int | None
    last_error: str
    created_at: Time
    delivered_at: Time | None


class DeliveryPage(Out):
    """The log, newest first."""

    items: list[Delivery]
    next: None


async def list_webhooks(call: Call) -> Result:
    """All of them."""
    return crm.items(await crm.read(call, webhooks.page))


async def create_webhook(call: Call) -> Result:
    """The header `X-Ctid-Signature` of a delivery is `t=<Unix seconds>,v1=<HMAC>`: HMAC-SHA256 of
    "<t>.<body>" with the secret, in hex."""
    body = call.body(WebhookBody)
    return crm.timed(await crm.write(call, webhooks.create, body.url, body.events, call.now))


async def update_webhook(call: Call) -> Result:
    """What waits is sent when it is switched on again."""
    active = call.body(WebhookPatch).active
    return crm.timed(await crm.write(call, webhooks.set_active, call.path_id(), active, call.now))


async def delete_webhook(call: Call) -> Result:
    """With its delivery log."""
    await crm.write(call, webhooks.delete, call.path_id(), call.now)
    return None


async def list_deliveries(call: Call) -> Result:
    """Newest first."""
    limit = call.query(DeliveryQuery).limit
    return crm.items(await crm.read(call, webhooks.deliveries, call.path_id(), limit=limit))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/webhooks",
        summary="Who is told of what",
        handler=list_webhooks,
        action=Action.CRM,
        answer=WebhookPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/webhooks",
        summary="Make a webhook",
        handler=create_webhook,
        action=Action.CRM,
        body=WebhookBody,
        answer=NewWebhook,
        problems=("forbidden",),
        audited=True,
    ),
    Endpoint(
        method="PATCH",
        path="/webhooks/{id}",
        summary="Switch a webhook on or off",
        handler=update_webhook,
        action=Action.CRM,
        body=WebhookPatch,
        answer=Webhook,
        problems=("forbidden",),
    ),
    Endpoint(
        method="DELETE",
        path="/webhooks/{id}",
        summary="Delete a webhook",
        handler=delete_webhook,
        action=Action.CRM,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/webhooks/{id}/deliveries",
        summary="The log of a webhook's deliveries",
        handler=list_deliveries,
        action=Action.CRM,
        query=DeliveryQuery,
        answer=DeliveryPage,
        problems=("forbidden",),
    ),
)

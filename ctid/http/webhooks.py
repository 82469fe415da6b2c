"""Webhooks: who is told of what over HTTP, and the log of every delivery."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from crmcore import webhooks
from ctid.access import Action
from ctid.http import crm
from ctid.http.crm_models import Code, RowPage
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import In, Out, Time

State = Literal["pending", "delivered", "failed"]
Url = Annotated[str, StringConstraints(min_length=8, max_length=1000, pattern=r"^https?://[!-~]+$")]


class WebhookBody(In):
    """Where to send what. `*`: all events."""

    url: Url
    events: Annotated[list[Code], Field(min_length=1, max_length=50)]


class WebhookPatch(In):
    """What changes; `active`: switched on."""

    url: Url = "https://-"
    events: list[Code] = Field(default_factory=lambda: ["*"], min_length=1, max_length=50)
    active: bool = True


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
    """All webhooks, and the events that there are."""

    items: list[Webhook]
    next: None
    events: list[str]


class DeliveryQuery(RowPage):
    """Which deliveries."""

    state: State | None = None


class Delivery(Out):
    """One event on its way."""

    id: str
    event: str
    state: State
    attempts: int
    next_at: Time
    last_status: int | None
    last_error: str
    created_at: Time
    delivered_at: Time | None


class DeliveryPage(Out):
    """The log, newest first."""

    items: list[Delivery]
    next: str | None


async def list_webhooks(call: Call) -> Result:
    """All of them."""
    page = crm.items(await crm.read(call, webhooks.page))
    return {**page, "events": list(webhooks.EVENTS)}


async def create_webhook(call: Call) -> Result:
    """The header `X-Ctid-Signature` of a delivery is `t=<Unix seconds>,v1=<HMAC>`: HMAC-SHA256 of
    "<t>.<body>" with the secret, in hex."""
    body = call.body(WebhookBody)
    return crm.timed(await crm.write(call, webhooks.create, body.url, body.events, call.now))


async def update_webhook(call: Call) -> Result:
    """What waits is sent when it is switched on again, and to the new address."""
    row = await crm.write_locked(
        call, _present(call), webhooks.update, call.path_id(), crm.given(call.body(WebhookPatch)),
        call.now,
    )  # fmt: skip
    return crm.timed(row)


async def renew_secret(call: Call) -> Result:
    """The old secret signs nothing from now on, so the receiver needs the new one at once."""
    row = await crm.write_locked(
        call, _present(call), webhooks.renew_secret, call.path_id(), call.now
    )
    return crm.timed(row)


async def send_test(call: Call) -> Result:
    """Sends `webhook.test` to this webhook alone; the answer is the delivery on its way."""
    return crm.timed(await crm.write(call, webhooks.send_test, call.path_id(), call.now))


async def retry_delivery(call: Call) -> Result:
    """Sends a delivery again now that has not arrived, also one that was given up."""
    row = await crm.write(call, webhooks.retry, call.path_id(), call.path_id("delivery"), call.now)
    return crm.timed(row)


def _present(call: Call) -> crm.Reading:
    key = call.path_id()
    return lambda conn, actor: webhooks.get(conn, actor, key)


async def delete_webhook(call: Call) -> Result:
    """With its delivery log."""
    await crm.write(call, webhooks.delete, call.path_id(), call.now)
    return None


async def list_deliveries(call: Call) -> Result:
    """Newest first."""
    query = call.query(DeliveryQuery)
    rows, following = await crm.read(
        call,
        webhooks.deliveries,
        call.path_id(),
        state=query.state,
        cursor=query.after,
        limit=query.limit,
    )
    return crm.items(rows, following)


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
        summary="Change a webhook, or switch it on or off",
        handler=update_webhook,
        action=Action.CRM,
        body=WebhookPatch,
        answer=Webhook,
        problems=("forbidden", "conflict"),
        versioned=True,
        lock="optional",
        audited=True,
    ),
    Endpoint(
        method="POST",
        path="/webhooks/{id}/secret",
        summary="Give a webhook a new secret",
        handler=renew_secret,
        action=Action.CRM,
        answer=NewWebhook,
        problems=("forbidden", "conflict"),
        lock="optional",
        audited=True,
    ),
    Endpoint(
        method="POST",
        path="/webhooks/{id}/test",
        summary="Send a webhook a test",
        handler=send_test,
        action=Action.CRM,
        answer=Delivery,
        problems=("forbidden", "conflict"),
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
    Endpoint(
        method="POST",
        path="/webhooks/{id}/deliveries/{delivery}/retry",
        summary="Send a delivery again",
        handler=retry_delivery,
        action=Action.CRM,
        answer=Delivery,
        problems=("forbidden", "conflict"),
    ),
)

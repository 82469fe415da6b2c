"""Promised callbacks: somebody is put in line to be called back, without having called."""

from __future__ import annotations

import secrets

from ctid.access import Action
from ctid.http.acting import known_queue
from ctid.http.audit import audit
from ctid.http.calls import outside_number
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem
from ctid.http.models import PromiseBody, Promised
from routing.facts import CallbackRequested
from routing.ids import InteractionId, QueueId


async def promise_callback(call: Call) -> Result:
    """A place in line from now on; at its turn agent and customer are called as the queue says.

    Its interaction (channel `callback`) is live at once: GET /interactions shows it.
    """
    body = call.body(PromiseBody)
    queue = QueueId(body.queue)
    known_queue(call, queue, "body.queue")
    if not call.house.may_see_queue(call.viewer, call.scope, queue):
        raise Problem("forbidden", f"You do not belong to the queue {queue!r}")
    number = outside_number(body.number, "body.number")
    interaction = InteractionId(f"cb-{int(call.now)}-{secrets.token_hex(4)}")
    await call.submit(
        CallbackRequested(
            callback=interaction,
            queue=queue,
            number=number,
            name=body.name,
            not_before=body.not_before.timestamp() if body.not_before is not None else 0.0,
            by=call.viewer.username,
        )
    )
    details = {"queue": queue, "number": number}
    await audit(call, "promise", "callback", interaction, details)
    return {"interaction": interaction}


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/callbacks",
        summary="Put somebody in line to be called back",
        handler=promise_callback,
        action=Action.CALLBACKS_PROMISE,
        body=PromiseBody,
        answer=Promised,
        problems=("refused", "timeout"),
        replay=True,
        audited=True,
    ),
)

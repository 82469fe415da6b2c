"""Acting on a live interaction of others: found, authorised by team, and audited either way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import BaseModel

from ctid.access import Action
from ctid.http.audit import audit
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem, invalid
from routing.facts import Fact
from routing.ids import InteractionId, PhoneId, QueueId
from routing.views import InteractionView


def on_live(
    *,
    ask: str,
    summary: str,
    handler: Callable[[Call], Awaitable[Result]],
    method: str = "POST",
    action: Action = Action.INTERACTIONS_CONTROL,
    body: type[BaseModel] | None = None,
    answer: type[BaseModel] | None = None,
) -> Endpoint:
    """The endpoint of one act: all are audited, and may be refused in the same ways.

    Those with a body take ``Idempotency-Key``.
    """
    return Endpoint(
        method=method,
        path=f"/interactions/{{id}}/{ask}",
        summary=summary,
        handler=handler,
        action=action,
        body=body,
        answer=answer,
        problems=("not_found", "refused", "timeout"),
        replay=body is not None,
        audited=True,
    )


def target(call: Call) -> InteractionView:
    """The interaction of the path, if the asker may act on it. Problems: not_found, forbidden."""
    try:
        view = call.services.engine.interaction_view(InteractionId(call.path_id()))
    except KeyError:
        raise Problem("not_found", "It is not live (any more)") from None
    if not call.house.may_see_interaction(call.viewer, call.scope, view):
        raise Problem("forbidden", "It is not one of yours, nor of your teams'")
    return view


async def act(
    call: Call, action: str, view: InteractionView, fact: Fact, details: Mapping[str, Any]
) -> None:
    """Submit ``fact``; who, whom, when, why and outcome go into the audit trail, refused or not."""
    told = {"agent": view.agent, **details}
    try:
        await call.submit(fact)
    except Problem as problem:
        told |= {"outcome": problem.code, "why_not": problem.detail}
        await audit(call, action, "interaction", view.id, told)
        raise
    await audit(call, action, "interaction", view.id, {**told, "outcome": "done"})


def refresh(call: Call, view: InteractionView) -> InteractionView:
    """The interaction now. Problem not_found when it ended meanwhile."""
    try:
        return call.services.engine.interaction_view(view.id)
    except KeyError:
        raise Problem("not_found", "It has ended meanwhile") from None


def own_phone(call: Call, given: str) -> PhoneId:
    """The phone that the asker named, else the one at which the asker sits as an agent."""
    if given:
        return PhoneId(given)
    agent = call.viewer.agent
    if agent is not None:
        try:
            phone = call.services.engine.agent_view(agent).phone
        except KeyError:
            phone = PhoneId("")
        if phone:
            return phone
    raise invalid("body.phone", "missing", "say which phone is to ring")


def known_queue(call: Call, name: str | None, field: str) -> QueueId | None:
    """A queue of the configuration, or ``None`` for none."""
    if name is None:
        return None
    queues = tuple(q.id for q in call.services.engine.config.queues)
    if name not in queues:
        raise invalid(field, "unknown", f"there is no queue {name!r}", queues)
    return QueueId(name)

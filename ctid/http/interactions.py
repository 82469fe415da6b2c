"""Live interactions: the list, one, why it went where it went, and what people do with them."""

from __future__ import annotations

from math import isfinite
from typing import Any

from ctid.access import Action
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem, invalid
from ctid.http.models import (
    DispositionBody,
    Explanation,
    Interaction,
    InteractionPage,
    InteractionQuery,
)
from ctid.http.paging import page
from ctid.view_json import iso
from routing.explain import Explanation as Told
from routing.facts import DispositionSet
from routing.ids import InteractionId
from routing.plain import to_plain
from routing.views import InteractionView


async def list_interactions(call: Call) -> Result:
    """The live interactions that the asker may see, oldest first."""
    query = call.query(InteractionQuery)
    seen = [
        view
        for view in call.services.engine.live_interactions()
        if (query.queue is None or view.queue == query.queue)
        and call.house.may_see_interaction(call.viewer, call.scope, view)
    ]
    items, following = page(
        seen,
        key=lambda v: (v.arrived_at, v.id),
        like=(0.0, ""),
        limit=query.limit,
        cursor=query.cursor,
    )
    return {"items": [call.shown(v) for v in items], "next": following}


async def one_interaction(call: Call) -> Result:
    """One live interaction."""
    return call.shown(_visible(call))


async def explain(call: Call) -> Result:
    """Every agent with score or the exact reason for exclusion."""
    view = _visible(call)
    try:
        told = call.services.engine.explain(view.id, call.services.clock.now_s())
    except KeyError:
        raise _gone() from None
    return explanation_json(told)


async def set_disposition(call: Call) -> Result:
    """The agent says how it ended, also shortly after the end."""
    interaction = InteractionId(call.path_id())
    body = call.body(DispositionBody)
    agent = call.viewer.agent
    if agent is None:
        raise Problem("forbidden", "Only the agent who handled it can say how it ended")
    codes = tuple(d.id for d in call.services.engine.config.dispositions)
    if body.code not in codes:
        raise invalid("body.code", "unknown", f"{body.code!r} is no disposition", codes)
    await call.submit(
        DispositionSet(interaction=interaction, agent=agent, code=body.code, notes=body.notes)
    )
    return None


def explanation_json(told: Told) -> dict[str, Any]:
    """What the engine told, as JSON data: times as ISO 8601, what JSON cannot say as null."""
    return timed_explanation(to_plain(told, full=True))


def timed_explanation(plain: dict[str, Any]) -> dict[str, Any]:
    """The same from plain data, whose times are Unix seconds."""
    data: dict[str, Any] = _jsonable(plain)
    for name in ("at", "waiting_since", "relaxes_at"):
        data[name] = iso(data[name])
    for candidate in data["candidates"]:
        for reason in candidate["reasons"]:
            reason["at"] = iso(reason["at"])
    return data


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _jsonable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _visible(call: Call) -> InteractionView:
    try:
        view = call.services.engine.interaction_view(InteractionId(call.path_id()))
    except KeyError:
        raise _gone() from None
    if not call.house.may_see_interaction(call.viewer, call.scope, view):
        raise _gone()
    return view


def _gone() -> Problem:
    return Problem(
        "not_found", "Not live any more? GET /contact-records?interaction=... has what ended"
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/interactions",
        summary="Live interactions, oldest first",
        handler=list_interactions,
        action=Action.INTERACTIONS_VIEW,
        query=InteractionQuery,
        answer=InteractionPage,
    ),
    Endpoint(
        method="GET",
        path="/interactions/{id}",
        summary="One live interaction",
        handler=one_interaction,
        action=Action.INTERACTIONS_VIEW,
        answer=Interaction,
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path="/interactions/{id}/explain",
        summary="Why each agent was or was not chosen",
        handler=explain,
        action=Action.INTERACTIONS_EXPLAIN,
        answer=Explanation,
        problems=("not_found",),
    ),
    Endpoint(
        method="PUT",
        path="/interactions/{id}/disposition",
        summary="Say how it ended",
        handler=set_disposition,
        action=Action.INTERACTIONS_DISPOSITION,
        body=DispositionBody,
        problems=("refused", "timeout"),
        replay=True,
    ),
)

"""What supervisors do with live interactions: listen, whisper, barge in, take over, release."""

from __future__ import annotations

import secrets

from ctid.access import Action
from ctid.http.acting import act, known_queue, on_live, own_phone, refresh, target
from ctid.http.endpoint import Call, Result
from ctid.http.errors import Problem
from ctid.http.models import (
    Interaction,
    InterceptBody,
    ReleaseBody,
    SuperviseBody,
    SuperviseModeBody,
)
from routing.control_facts import (
    AgentReleaseRequested,
    InterceptRequested,
    SuperviseModeRequested,
    SuperviseRequested,
    SuperviseStopRequested,
)
from routing.facts import Fact, ReleaseRequested
from routing.ids import SupervisionId
from routing.views import InteractionView, SupervisorView


async def supervise(call: Call) -> Result:
    """Ring the supervisor's phone and let it hear the conversation."""
    view = target(call)
    body = call.body(SuperviseBody)
    _not_oneself(call, view)
    supervision = SupervisionId(f"{view.id}.v{secrets.token_hex(4)}")
    phone = own_phone(call, body.phone)
    fact = SuperviseRequested(
        interaction=view.id,
        supervision=supervision,
        mode=body.mode,
        phone=phone,
        by=call.viewer.username,
    )
    details = {"mode": body.mode, "phone": phone, "reason": body.reason}
    await act(call, "supervise", view, fact, details)
    return call.shown(refresh(call, view))


async def change_mode(call: Call) -> Result:
    """Another mode, on the same leg."""
    view = target(call)
    body = call.body(SuperviseModeBody)
    own = _own(call, view)
    fact = SuperviseModeRequested(interaction=view.id, supervision=own.id, mode=body.mode)
    await act(call, "supervise_mode", view, fact, {"mode": body.mode, "before": own.mode})
    return call.shown(refresh(call, view))


async def stop(call: Call) -> Result:
    """Leave the conversation."""
    view = target(call)
    own = _own(call, view)
    fact = SuperviseStopRequested(interaction=view.id, supervision=own.id, by=call.viewer.username)
    await act(call, "supervise_stop", view, fact, {})
    return None


async def intercept(call: Call) -> Result:
    """The caller talks with the supervisor, the agent wraps up."""
    view = target(call)
    body = call.body(InterceptBody)
    _not_oneself(call, view)
    own = next((s for s in view.supervisors if s.by == call.viewer.username and s.active), None)
    phone = own.phone if own is not None else own_phone(call, body.phone)
    fact = InterceptRequested(
        interaction=view.id,
        by=call.viewer.username,
        phone=phone,
        reason=body.reason,
        supervision=own.id if own is not None else None,
    )
    await act(call, "intercept", view, fact, {"phone": phone, "reason": body.reason})
    return call.shown(refresh(call, view))


async def release(call: Call) -> Result:
    """End the call by force, or take the agent out of it."""
    view = target(call)
    body = call.body(ReleaseBody)
    to_queue = known_queue(call, body.to_queue, "body.to_queue")
    by = call.viewer.username
    fact: Fact = (
        AgentReleaseRequested(interaction=view.id, by=by, reason=body.reason, to_queue=to_queue)
        if body.what == "agent"
        else ReleaseRequested(interaction=view.id, by=by, reason=body.reason, to_queue=to_queue)
    )
    details = {"what": body.what, "reason": body.reason, "to_queue": to_queue}
    await act(call, "release", view, fact, details)
    return None


def _not_oneself(call: Call, view: InteractionView) -> None:
    if view.agent is not None and view.agent == call.viewer.agent:
        raise Problem("refused", "It is your own conversation")


def _own(call: Call, view: InteractionView) -> SupervisorView:
    for one in view.supervisors:
        if one.by == call.viewer.username:
            return one
    raise Problem("refused", "You do not supervise this: POST .../supervise first")


ENDPOINTS = (
    on_live(
        ask="supervise",
        summary="Listen, whisper or barge in at a phone",
        handler=supervise,
        action=Action.INTERACTIONS_SUPERVISE,
        body=SuperviseBody,
        answer=Interaction,
    ),
    on_live(
        method="PATCH",
        ask="supervise",
        summary="Switch the mode of one's own supervision",
        handler=change_mode,
        action=Action.INTERACTIONS_SUPERVISE,
        body=SuperviseModeBody,
        answer=Interaction,
    ),
    on_live(
        method="DELETE",
        ask="supervise",
        summary="End one's own supervision",
        handler=stop,
        action=Action.INTERACTIONS_SUPERVISE,
    ),
    on_live(
        ask="intercept",
        summary="Take the caller over; the agent wraps up",
        handler=intercept,
        action=Action.INTERACTIONS_INTERCEPT,
        body=InterceptBody,
        answer=Interaction,
    ),
    on_live(
        ask="release",
        summary="Release by force: the call (hang up, or to a queue), or the agent",
        handler=release,
        action=Action.INTERACTIONS_RELEASE,
        body=ReleaseBody,
    ),
)

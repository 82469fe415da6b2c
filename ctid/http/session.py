"""Log in, log out, who am I."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from crmcore.access import ACTIONS, ENTITIES
from ctid.access import Action, Viewer
from ctid.http.auth import COOKIE
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import LoginBody, Me
from ctid.view_json import dumps


async def log_in(call: Call) -> Result:
    """A new session; the one the browser had before ends."""
    body = call.body(LoginBody)
    request = call.request
    auth = call.context.auth
    token, viewer = await auth.log_in(body.username, body.password, request.remote or "")
    before = request.cookies.get(COOKIE)
    if before:
        call.services.hub.close_session(await auth.log_out(before))
    call.services.users_changed()  # perhaps made or changed at the command line since
    response = web.Response(body=dumps(_me(call, viewer)), content_type="application/json")
    auth.set_cookie(response, token)
    return response


async def log_out(call: Call) -> Result:
    """End the session and its event streams."""
    response = web.Response(status=204)
    auth = call.context.auth
    if call.login.by_cookie:
        key = await auth.log_out(call.request.cookies[COOKIE])
        call.services.hub.close_session(key)
        auth.clear_cookie(response)
    return response


async def me(call: Call) -> Result:
    """Who asks."""
    return _me(call, call.viewer)


def _me(call: Call, viewer: Viewer) -> dict[str, Any]:
    policy = call.services.store.policy
    return {
        "username": viewer.username,
        "display_name": viewer.display_name,
        "role": viewer.role,
        "agent": viewer.agent,
        "teams": sorted(viewer.teams),
        "language": viewer.language,
        "rights": {
            entity: [one for one in ACTIONS if policy.scope(viewer.role.value, entity, one)]
            for entity in ENTITIES
        },
        "masks": sorted(policy.masks.get(viewer.role.value, ())),
    }


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/login",
        summary="Log in; sets the session cookie",
        handler=log_in,
        action=None,
        body=LoginBody,
        answer=Me,
        problems=("wrong_credentials", "too_many_attempts", "busy"),
    ),
    Endpoint(
        method="POST",
        path="/logout",
        summary="Log out; an API token stays valid",
        handler=log_out,
        action=Action.SELF,
    ),
    Endpoint(
        method="GET",
        path="/me",
        summary="The user who asks",
        handler=me,
        action=Action.SELF,
        answer=Me,
    ),
)

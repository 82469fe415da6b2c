"""The event stream: ``GET /events`` (server-sent events, WHATWG HTML section 9.2)."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ctid.access import Action
from ctid.events import Subscription, TooManyStreams
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem

RETRY_MS = 1000
MAX_EVENT_ID = 64


async def events(call: Call) -> Result:
    """Everything that the asker may see, as it happens, until the client or the session goes."""
    last = call.request.headers.get("Last-Event-ID", "")[:MAX_EVENT_ID]
    settings = call.services.settings
    try:
        subscription = call.services.hub.subscribe(
            call.viewer, session=call.login.key, last_event_id=last
        )
    except TooManyStreams:
        raise Problem("too_many_streams") from None
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "X-Accel-Buffering": "no",  # nginx would hold events back
        }
    )
    try:
        async with asyncio.timeout(settings.stream_write_timeout_s):
            await response.prepare(call.request)
            await response.write(b"retry: %d\n\n" % RETRY_MS)
        await _pass_on(call, subscription, response)
    except (TimeoutError, ConnectionError):
        # the client is gone or takes nothing: it comes back with Last-Event-ID
        if call.request.transport is not None:
            call.request.transport.abort()
    finally:
        subscription.close()
    return response


async def _pass_on(call: Call, subscription: Subscription, response: web.StreamResponse) -> None:
    settings = call.services.settings
    loop = asyncio.get_running_loop()
    check_at = loop.time() + settings.stream_ping_s
    while True:
        piece = await subscription.take(settings.stream_ping_s)
        if piece is None:
            return
        if loop.time() >= check_at:
            check_at = loop.time() + settings.stream_ping_s
            if not await call.context.auth.still_valid(call.login):
                return
        async with asyncio.timeout(settings.stream_write_timeout_s):
            # a comment finds dead connections and keeps proxies from closing
            await response.write(piece or b":\n\n")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/events",
        summary="Server-sent events; resumes by Last-Event-ID without a gap, or says `reset`",
        handler=events,
        action=Action.EVENTS,
        media="text/event-stream",
        problems=("too_many_streams",),
    ),
)

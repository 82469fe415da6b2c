"""The audio of recordings, with ranges (RFC 9110 section 14); every listening is audited."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from ctid.access import Action
from ctid.http.audit import actor_of, audit
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem
from routing.ids import AgentId, QueueId, RecordingId


async def audio(call: Call) -> Result:
    """The file of a finished recording, whole or a range of it."""
    recording = RecordingId(call.path_id())
    row = await call.services.store.recording(actor_of(call), recording)
    agents = (AgentId(row["agent"]),) if row["agent"] else ()
    queue = QueueId(row["queue"]) if row["queue"] else None
    if not call.house.may_see_matter(call.viewer, call.scope, agents, queue):
        raise Problem("forbidden")
    if row["state"] != "ready":
        raise Problem("no_audio", f"The recording is {row['state']}. {row['reason']}".strip())
    file = await call.services.recordings(recording)
    if file is None:
        raise Problem("no_audio", "The file is not in the library any more")
    await _check_range(call.request, file.path)
    # A player fetches many ranges: they are one listening. Any range may be the first.
    now = call.services.clock.now_s()
    if call.context.listenings.is_new((call.viewer.username, recording), now):
        await audit(call, "listen", "recording", recording, {"interaction": row["interaction"]})
    return web.FileResponse(
        file.path,
        headers={"Content-Type": file.content_type, "Content-Disposition": "inline"},
    )


async def _check_range(request: web.Request, path: Path) -> None:
    """Refuse a range that the file does not have, with its size (RFC 9110 section 15.5.17)."""
    try:
        size = (await asyncio.to_thread(path.stat)).st_size
    except OSError:
        raise Problem("no_audio", "The file is not in the library any more") from None
    try:
        start = request.http_range.start
    except ValueError:
        start = size
    if start is not None and start >= size:
        raise Problem("range_not_satisfiable", headers={"Content-Range": f"bytes */{size}"})


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/recordings/{id}/audio",
        summary="The audio of a recording; takes Range",
        handler=audio,
        action=Action.RECORDINGS_LISTEN,
        media="audio/wav",
        problems=("forbidden", "not_found", "no_audio", "range_not_satisfiable"),
        audited=True,
    ),
)

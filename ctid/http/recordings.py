"""The audio of recordings, with ranges (RFC 9110 section 14); every listening is audited."""

from __future__ import annotations

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
    # A player fetches many ranges: they are one listening. Any range may be the first.
    now = call.services.clock.now_s()
    if call.context.listenings.is_new((call.viewer.username, recording), now):
        await audit(call, "listen", "recording", recording, {"interaction": row["interaction"]})
    return web.FileResponse(
        file.path,
        headers={"Content-Type": file.content_type, "Content-Disposition": "inline"},
    )


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

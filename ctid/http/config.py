"""The routing configuration, as far as clients need it."""

from __future__ import annotations

from ctid.access import Action
from ctid.http.agents import known_phones
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import QueuesConfig, UiConfig


async def ui(call: Call) -> Result:
    """The choices that a client offers. A name is the same in every language today."""
    config = call.services.engine.config
    return {
        "pause_reasons": [
            {"code": r.id, "name": r.name or r.id, "name_zh": r.name or r.id}
            for r in config.pause_reasons
        ],
        "dispositions": [
            {
                "code": d.id,
                "name": d.name or d.id,
                "name_zh": d.name or d.id,
                "queues": [q.id for q in config.queues if d.id in q.dispositions],
                "needs_notes": d.needs_notes,
            }
            for d in config.dispositions
        ],
        "phones": list(known_phones(config)),
    }


async def queues(call: Call) -> Result:
    """What the engine works by now."""
    return {"config": call.services.engine.config.to_data()}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/config/ui",
        summary="Pause reasons, dispositions and phones",
        handler=ui,
        action=Action.CONFIG_UI,
        answer=UiConfig,
    ),
    Endpoint(
        method="GET",
        path="/config/queues",
        summary="The routing configuration in force",
        handler=queues,
        action=Action.CONFIG_QUEUES_VIEW,
        answer=QueuesConfig,
    ),
)

"""The audit trail of what people do over HTTP: who, from where, what; refused or done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crmcore import audit as trail
from crmcore.access import Actor

if TYPE_CHECKING:
    from ctid.http.endpoint import Call


def actor_of(call: Call) -> Actor:
    """The asker as the CRM knows people; its own table decides what the CRM shows."""
    viewer = call.viewer
    return Actor(
        username=viewer.username,
        role=viewer.role.value,
        agent=viewer.agent,
        teams=tuple(sorted(viewer.teams)),
        source=call.request.remote or "",
        policy=call.services.store.policy,
    )


async def audit(
    call: Call, action: str, entity: str, entity_id: str, after: Mapping[str, Any]
) -> None:
    """Write one entry; returns when it is on disk."""
    await call.services.store.write(
        trail.note,
        actor_of(call),
        action,
        entity,
        entity_id,
        call.services.clock.now_s(),
        after=after,
    )

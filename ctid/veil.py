"""Live views for those who see numbers masked: the same view, with the caller veiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crmcore.access import Actor
from crmcore.store import Store
from ctid.access import Viewer
from ctid.events import Veil
from ctid.view_json import View, view_json
from routing.views import InteractionView


def veiled_json(view: View, actor: Actor) -> dict[str, Any]:
    """``view_json`` as this actor may see it."""
    data = view_json(view)
    if actor.masks and isinstance(view, InteractionView):
        caller = data["caller"]
        data["caller"] = {
            "number": actor.phone(caller["number"]) or "",
            "name": actor.text(caller["name"]),
        }
        data["customer_name"] = actor.text(data["customer_name"])
    return data


def veil_of(store: Store) -> Callable[[Viewer], Veil | None]:
    """For the event stream: how a viewer sees views; ``None``: as they are."""

    def veil(viewer: Viewer) -> Veil | None:
        if not store.policy.masks.get(viewer.role.value):
            return None
        actor = Actor(username=viewer.username, role=viewer.role.value, policy=store.policy)
        return lambda view: veiled_json(view, actor)

    return veil

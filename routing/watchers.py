"""Supervisors' legs go where their interaction goes, and end with it."""

from __future__ import annotations

from routing.commands import EndSupervision, FollowSupervision
from routing.floor import Floor
from routing.records import Interaction


def follow(floor: Floor, live: Interaction, *, listen_only: bool) -> None:
    """The conversation has moved: the supervisors' legs go with it."""
    for one in live.supervisions.values():
        floor.emit(
            FollowSupervision(
                interaction=live.id,
                supervision=one.id,
                mode=one.mode,
                listen_only=listen_only,
            )
        )


def end_all(floor: Floor, live: Interaction) -> None:
    """The interaction has ended: so has its supervision."""
    for one in live.supervisions.values():
        floor.emit(EndSupervision(interaction=live.id, supervision=one.id))
    live.supervisions.clear()
    count_takeover(floor, live)


def count_takeover(floor: Floor, live: Interaction) -> None:
    """What caller and supervisor have talked is talk, too."""
    if live.taken_since is not None:
        live.talk_s += floor.now - live.taken_since
        live.taken_since = None

"""The whole table from AMI events to facts."""

from __future__ import annotations

from ctid.telephony.asterisk import transfers, translate
from ctid.telephony.asterisk.legs import Board
from ctid.telephony.asterisk.translate import Event, Result

TABLE = {**translate.TABLE, **transfers.TABLE}


def read(board: Board, event: Event) -> Result:
    """What ``event`` means. An event that is not in the table means nothing."""
    handler = TABLE.get(event.get("Event", ""))
    return handler(board, event) if handler is not None else []

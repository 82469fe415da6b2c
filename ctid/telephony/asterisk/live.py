"""Reads the PBX's channel list (AMI Status) into calls: the truth after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ctid.telephony.asterisk import encode
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call, phone_of
from routing.ids import AgentId, InteractionId

VAR_DID = "CTID_DID"
VAR_RECORDING = "MIXMONITOR_FILENAME"  # set by MixMonitor
STATUS = {
    "Variables": ",".join([encode.VAR_INTERACTION, encode.VAR_PATH, VAR_DID, VAR_RECORDING]),
    "AllVariables": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One channel of the list. ``bridge`` is empty when it is connected to nobody.

    ``seated``: brought into a seat, where it ends unless somebody takes it from there.
    """

    channel: str
    uniqueid: str
    up: bool
    bridge: str
    seated: bool
    number: str
    name: str
    did: str
    seconds: float
    variables: Mapping[str, str]


def read_rows(messages: Iterable[Any]) -> list[Row]:
    """The rows of a Status answer (panoramisk Messages); anything else in it is skipped."""
    rows = []
    for message in messages:
        if message.event != "Status" or not message.uniqueid:
            continue
        listed = message.get("Variable", [])
        variables: dict[str, str] = {}
        for item in [listed] if isinstance(listed, str) else listed:
            key, _, value = item.partition("=")
            if value != "(null)":
                variables[key] = value
        seconds = message.seconds
        rows.append(
            Row(
                channel=message.channel,
                uniqueid=message.uniqueid,
                up=message.channelstate == "6",
                bridge=message.bridgeid,
                seated={"Context": message.context, "Exten": message.exten} == encode.SEAT,
                number=message.calleridnum,
                name=message.calleridname,
                did=variables.get(VAR_DID) or message.dnid,
                seconds=float(seconds) if seconds.isascii() and seconds.isdigit() else 0.0,
                variables=variables,
            )
        )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One caller in the list, the leg that is connected to it, and the file it is recorded in."""

    row: Row
    interaction: InteractionId
    agent_row: Row | None
    recording: str


def pair_up(rows: list[Row], board: Board) -> tuple[list[Seen], list[Row]]:
    """Callers in order of arrival, with whom they talk to; and legs that ring for a caller.

    The legs may be of a former run.
    """
    by_bridge: dict[str, list[Row]] = {}
    answered: dict[str, list[Row]] = {}  # up, but the bridge is still being made (a millisecond)
    for row in rows:
        mark = row.variables.get(encode.VAR_INTERACTION, "")
        if row.bridge:
            by_bridge.setdefault(row.bridge, []).append(row)
        elif row.up and mark and not row.seated and not row.variables.get(encode.VAR_PATH):
            answered.setdefault(mark, []).append(row)
    seen, ringing = [], []
    for row in rows:
        mark = row.variables.get(encode.VAR_INTERACTION, "")
        if row.uniqueid in board.calls or row.variables.get(encode.VAR_PATH):
            partners = by_bridge.get(row.bridge, []) if row.bridge else answered.get(mark, [])
            seen.append(
                Seen(
                    row=row,
                    interaction=InteractionId(encode.unmark(mark) or row.uniqueid),
                    agent_row=_other(row, partners),
                    recording=row.variables.get(VAR_RECORDING, ""),
                )
            )
        elif mark and not row.bridge and not row.up:
            ringing.append(row)
    seen.sort(key=lambda one: _arrival(one.row.uniqueid))
    return seen, ringing


def _arrival(uniqueid: str) -> tuple[int, int]:
    """Order of arrival: a unique id is ``[systemname-]seconds.counter``."""
    seconds, _, counter = uniqueid.rpartition("-")[2].partition(".")
    if all(part.isascii() and part.isdigit() for part in (seconds, counter)):
        return int(seconds), int(counter)
    return 0, 0


def _other(row: Row, bridged: list[Row]) -> Row | None:
    others = [r for r in bridged if r.uniqueid != row.uniqueid and phone_of(r.channel)]
    return others[0] if len(others) == 1 else None


def adopt(board: Board, seen: Seen, now_s: float) -> Call:
    """Put a caller of the list on the board, with the leg that it talks to.

    Which agent sits at that leg's phone is not the PBX's business: ``Switch.known`` tells.
    """
    row = seen.row
    call = board.calls.get(row.uniqueid)
    if call is None:
        call = Call(
            interaction=seen.interaction,
            uniqueid=row.uniqueid,
            channel=row.channel,
            caller=encode.party(row.number, row.name),
            did=encode.clean(row.did, 64),
            arrived_at=now_s - row.seconds,
        )
        board.add_call(call)
    else:  # it may have been there for long, and has only knocked anew
        call.arrived_at = min(call.arrived_at, now_s - row.seconds)
    other = seen.agent_row
    phone = phone_of(other.channel) if other is not None else None
    if other is None or phone is None or call.offer is not None or call.talking is not None:
        return call
    if board.has_ended(other.uniqueid):
        return call
    call.talking = AgentLeg(
        uniqueid=other.uniqueid,
        channel=other.channel,
        phone=phone,
        agent=AgentId(""),
        call=call,
        ringing=True,
        answered=True,
        settled=True,
    )
    board.add_leg(call.talking)
    return call

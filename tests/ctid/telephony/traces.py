"""Golden traces: what a real Asterisk sent, what ctid did meanwhile, and the facts it must mean.

A trace is text. Blocks are parted by empty lines: an AMI event as it came, or one line that begins
with ``>``. That was done by ctid (``offer``, ``cancel``, ``apart``, ``joined``, ``conference``,
``name``) or told by AGI (``knock``, ``knock-again`` after a transfer, ``returned`` and ``free`` at
the end of Dial, ``hangup`` when the session is over, and then ``moved`` or ``gone``). The last
block lists the facts, one per line, each beginning with ``=``.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ctid.telephony.asterisk import table, transfers, translate
from ctid.telephony.asterisk.ami_protocol import parse_event
from ctid.telephony.asterisk.legs import Board, Call, OfferState
from routing.facts import Fact, Party
from routing.ids import AgentId, InteractionId, OfferId, PhoneId

FOLDER = Path(__file__).parents[2] / "golden" / "ami"


def show(fact: Fact) -> str:
    """One line for one fact, without what differs from run to run."""
    parts = [type(fact).__name__]
    for name in ("agent", "cause", "phone", "number", "held", "at_phone", "answered"):
        if hasattr(fact, name):
            parts.append(f"{name}={getattr(fact, name)}")
    return " ".join(parts)


def replay(text: str) -> tuple[list[str], list[str], Board]:
    """Facts that the table makes of a trace, facts the trace demands, and the board left over."""
    board = Board()
    got: list[str] = []
    wanted: list[str] = []
    for block in text.strip().split("\n\n"):
        if block.startswith("="):
            wanted = [line[2:] for line in block.splitlines()]
        elif block == "> joined" and "join anew" not in got:
            continue  # ctid does so when it was asked to
        elif block.startswith(">"):
            got += _act(board, shlex.split(block[2:]))
        else:
            result = table.read(board, parse_event(block.replace("\n", "\r\n")))
            got += _shown(result)
    return got, wanted, board


def _shown(result: translate.Result) -> list[str]:
    return [_show_item(item) for item in result]


def _show_item(item: Any) -> str:
    if isinstance(item, translate.HangUpLeg):
        return f"hang up {item.channel}"
    if isinstance(item, translate.JoinAnew):
        return "join anew" if item.apart else "renew the recording"
    if isinstance(item, translate.FetchCaller):
        fetch, item.call.fetch = item.call.fetch, None
        return f"fetch the caller for {fetch.number}{' outside' if fetch.outside else ''}"
    return show(item)


def _act(board: Board, words: list[str]) -> list[str]:
    what, rest = words[0], words[1:]
    if what == "knock":
        uniqueid, channel = rest
        board.add_call(
            Call(
                interaction=InteractionId(uniqueid),
                uniqueid=uniqueid,
                channel=channel,
                caller=Party(),
                did="",
                arrived_at=0.0,
            )
        )
        return []
    (call,) = board.calls.values()
    if what == "offer":
        pairs = [pair.split("=") for pair in rest[1:]]
        call.offer = OfferState(
            offer=OfferId(rest[0]), targets={PhoneId(p): AgentId(a) for p, a in pairs}
        )
    elif what == "cancel" and call.offer is not None:
        call.offer.cancelled = True
        for leg in call.offer.legs:
            leg.hang_up_sent = True
    elif what == "apart":  # ctid moves the agent's leg out of Dial
        call.offer = None
        if call.talking is not None:
            call.talking.seated = call.talking.apart = True
    elif what in ("conference", "joined"):  # ctid connects the caller again
        call.outside = call.talking is None
        if call.talking is not None:
            call.talking.seated = False
    elif what == "name" and call.handed is not None:
        leg, call.handed = call.handed, None
        return _shown(translate.named(board, leg, AgentId(rest[0])))
    elif what == "returned" and call.offer is not None:
        status, cause, peer = rest
        return _shown(translate.dial_returned(call, call.offer, status, int(cause), peer))
    else:
        return _session(call, what, rest)
    return []


def _session(call: Call, what: str, rest: list[str]) -> list[str]:
    """What the caller's session tells: of its own end, too."""
    if what == "free":
        return _shown(translate.free_again(call))
    if what == "hangup" and not call.gone and not call.moving:
        call.gone = call.untold = True
    elif what == "gone":
        return _shown(translate.caller_gone(call, 0))
    elif what == "moved":
        call.swapped = "swapped" in rest
        return _shown([*transfers.sent_on(call), *transfers.fetched(call)])
    elif what == "knock-again":
        told = _shown(transfers.sent_on(call))
        call.moving = call.swapped = False
        return told
    return []

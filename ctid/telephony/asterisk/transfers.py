"""What AMI tells of phones' own doings: blind and attended transfer, hold. Tables without I/O.

Measured on Asterisk 22 (docs/supervision.md): in a blind transfer the caller's channel leaves its
AGI session for the context ``ctid-transfer``; in an attended one it changes its bridge and stays
in the session; one that is completed while the other phone rings swaps the caller's channel into
the place of the phone's second leg, so that the session is left with a dead channel.
"""

from __future__ import annotations

from collections.abc import Callable

from ctid.telephony.asterisk.legs import AgentLeg, Board, Call, Fetch, phone_of
from ctid.telephony.asterisk.translate import (
    Event,
    FetchCaller,
    HangUpLeg,
    JoinAnew,
    Result,
    caller_gone,
    part,
)
from routing.control_facts import CallerSentOn, HandedOver, HoldChanged
from routing.ids import NO_PHONE, AgentId

CONTEXT = "ctid-transfer"
"""Where phones' blind transfers are dialled (TRANSFER_CONTEXT in the dialplan)."""
OURS = frozenset({"ctid-agi", "ctid-conf", "ctid-park", "ctid-spy"})
"""Where ctid puts legs of its own: seats, conferences, music, supervisors."""
OUTSIDE = "ctid-dialled"
"""Where phones' calls to the outside are dialled."""


def blind_transfer(board: Board, event: Event) -> Result:
    """A phone has sent the caller on, to a number."""
    call = board.calls.get(event.get("TransfereeUniqueid", ""))
    if call is None or event.get("Result") != "Success" or event.get("Context") != CONTEXT:
        return []
    return _told_by_ami(call)


def sent_on(call: Call) -> Result:
    """The caller's session sees that the caller will knock again, with what was dialled for it.

    AMI tells it, too, on another connection: before, or even after the caller has knocked. Whoever
    is second says nothing.
    """
    told = _sent_on(call)
    if told:
        call.ahead += 1
    return told


def _told_by_ami(call: Call) -> Result:
    if call.ahead:
        call.ahead -= 1
        return []
    return _sent_on(call)


def _sent_on(call: Call) -> Result:
    if call.moving or call.over:
        return []
    call.moving = call.stale = True
    call.gone = call.untold = False
    part(call)
    return [CallerSentOn(interaction=call.interaction)]


def fetched(call: Call) -> Result:
    """Take the caller back, as soon as both are known: that it is elsewhere, and where.

    The event comes before Asterisk swaps the channels; that it has done so, the session sees.
    """
    if call.fetch is None or not call.swapped:
        return []
    return [FetchCaller(call)]


def attended_transfer(board: Board, event: Event) -> Result:
    """A phone has joined its two calls, and left both."""
    if event.get("Result") != "Success":
        return []
    transferee = board.calls.get(event.get("TransfereeUniqueid", ""))
    target = board.calls.get(event.get("TransferTargetUniqueid", ""))
    if transferee is None and target is None and event.get("DestType") == "App":
        return _in_place_of_ours(board, event)
    if event.get("DestType") == "Link":
        # the far end of a conference would stay there for ever
        return [HangUpLeg(event.get("LocalOneChannel", ""))]
    # most phones refer the caller to the other call, some the other one to the caller
    call, other, leg = (
        (transferee, "TransferTarget", "SecondTransferer")
        if transferee is not None
        else (target, "Transferee", "OrigTransferer")
    )
    if call is None or call.over or (transferee is not None and target is not None):
        return []
    number = event.get(f"{leg}Exten", "")
    outside = event.get(f"{leg}Context") == OUTSIDE
    own = board.calls.get(event.get(f"{leg}Uniqueid", ""))
    # a phone that had called one of our queues was a caller itself
    result = caller_gone(own, 16) if own is not None else []
    if event.get("DestType") == "App":
        if own is not None:
            own.moving = True  # its session holds the other's channel now: not to be touched
        call.fetch = Fetch(number=number, outside=outside)
        return [*result, *_told_by_ami(call), *fetched(call)]
    uniqueid, channel = event.get(f"{other}Uniqueid", ""), event.get(f"{other}Channel", "")
    return result + _handed_over(board, call, uniqueid, channel, "" if not outside else number)


def _in_place_of_ours(board: Board, event: Event) -> Result:
    """Whoever takes the place of a leg that ctid has put somewhere is not known there, and would
    stay (or listen) for ever. One who was called out of a seat has the caller, though the two are
    apart: the agent had it on hold by ctid, or was about to be joined anew. Anybody else is let go,
    as out of a conference: who was asked before keeps the caller, as when the agent hangs up.

    A hang-up is lost on a channel that is only on its way in, even if it has joined (measured).
    """
    for leg, second, other in _PLACES:
        channel = event.get(f"{other}Channel", "")
        if event.get(f"{leg}Context") not in OURS or not channel:
            continue
        uniqueid = event.get(f"{leg}Uniqueid", "")
        agent = board.legs.get(uniqueid)
        if agent is None or not agent.seated or agent.call.talking is not agent or agent.call.gone:
            return _once_swapped(board, uniqueid, [HangUpLeg(channel)])
        outside = event.get(f"{second}Context") == OUTSIDE
        number = event.get(f"{second}Exten", "") if outside else ""
        one = event.get(f"{other}Uniqueid", "")
        told, *anew = _handed_over(board, agent.call, one, channel, number, apart=True)
        return [told, *_once_swapped(board, uniqueid, anew)]
    return []


_PLACES = (
    ("OrigTransferer", "SecondTransferer", "TransferTarget"),
    ("SecondTransferer", "OrigTransferer", "Transferee"),
)
"""In the event: the leg whose place is taken, the phone's other one, and who takes the place."""


def _once_swapped(board: Board, uniqueid: str, result: Result) -> Result:
    """When a channel is in another's place: that one (``uniqueid``) has gone then."""
    if board.has_ended(uniqueid):
        return result
    board.after[uniqueid] = result
    return []


def _handed_over(
    board: Board, call: Call, uniqueid: str, channel: str, number: str, *, apart: bool = False
) -> Result:
    """``number``: an outside one, else empty. ``apart``: the two are not connected yet."""
    part(call)
    phone = phone_of(channel)
    if number or phone is None:
        call.outside = not apart
        told = HandedOver(interaction=call.interaction, phone=NO_PHONE, number=number)
        return [told, JoinAnew(call, uniqueid, channel, None, apart)]
    known = board.legs.get(uniqueid)
    if known is not None:  # it talked with the phone that had called one of our queues
        board.drop_leg(known)
    leg = AgentLeg(
        uniqueid=uniqueid,
        channel=channel,
        phone=phone,
        agent=AgentId(""),
        call=call,
        ringing=True,
        answered=True,
        settled=True,
        handed=True,
        unnamed=True,
        seated=apart,
        apart=apart,
    )
    board.add_leg(leg)
    call.talking = call.handed = leg
    told = HandedOver(interaction=call.interaction, phone=phone, number="")
    return [told, JoinAnew(call, uniqueid, channel, leg, apart)]


def hold(board: Board, event: Event) -> Result:
    """The phone has put its call on hold (re-INVITE): Asterisk plays the other side music."""
    return _held(board, event, True)


def unhold(board: Board, event: Event) -> Result:
    """The phone has taken its call up again. Every transfer begins with this, too."""
    return _held(board, event, False)


def _held(board: Board, event: Event, held: bool) -> Result:
    leg = board.legs.get(event.get("Uniqueid", ""))
    if leg is None or leg.on_hold is held:
        return []
    leg.on_hold = held
    call = leg.call
    if call.talking is not leg or leg.seated or call.gone:
        return []
    return [HoldChanged(interaction=call.interaction, held=held, at_phone=True)]


TABLE: dict[str, Callable[[Board, Event], Result]] = {
    "BlindTransfer": blind_transfer,
    "AttendedTransfer": attended_transfer,
    "Hold": hold,
    "Unhold": unhold,
}

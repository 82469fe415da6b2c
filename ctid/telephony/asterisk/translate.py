"""What AMI events and the end of Dial mean: a table from event to facts.

No I/O and no time: the same events on the same board give the same facts, which golden traces
captured from a real Asterisk test. Sources: Asterisk documentation, "AMI Events"; the order of
events as measured, see docs/telephony.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ctid.telephony.asterisk.legs import AgentLeg, Board, Call, OfferState, phone_of
from routing.facts import (
    AgentHungUp,
    CallerHungUp,
    CustomerAnswered,
    ExternalEnded,
    Fact,
    OfferAnswered,
    OfferDeclined,
    OfferEnded,
    OfferFailed,
    OfferRinging,
)
from routing.ids import AgentId

Event = Mapping[str, str]

# ITU-T Q.850 as Asterisk maps SIP answers (``res_pjsip``, hangup_sip2cause): 486 -> 17, 480 -> 19
# (phones say so for "do not disturb"), 603 and 403 -> 21.
BUSY = 17
DECLINED = frozenset({BUSY, 19, 21})
NO_ROUTE = frozenset({3, 20})  # the phone is not registered: nothing was ever sent
NORMAL = frozenset({0, 16, 19, 26})


@dataclass(frozen=True, slots=True)
class HangUpLeg:
    """To be done at once: this leg began to ring for an offer that is already cancelled."""

    channel: str


@dataclass(frozen=True, slots=True)
class JoinLeg:
    """To be done next on the caller's session: connect it to this leg, which has answered."""

    leg: AgentLeg


@dataclass(frozen=True, slots=True)
class CustomerLost:
    """To be told when the agent's phone is free: the customer of a callback was not reached."""

    call: Call
    cause: int


@dataclass(frozen=True, slots=True)
class FetchCaller:
    """To be done at once: take the caller back from where a phone has put it; see ``Fetch``."""

    call: Call


@dataclass(frozen=True, slots=True)
class JoinAnew:
    """To be done at once: a phone has handed the caller to somebody else, without our doing.

    ``uniqueid`` and ``channel`` are the other's, ``leg`` too if it is a phone of the house. The two
    are connected already, and it is for the recording's sake, unless they are ``apart``.
    """

    call: Call
    uniqueid: str
    channel: str
    leg: AgentLeg | None
    apart: bool = False


Result = list[Fact | HangUpLeg | JoinLeg | CustomerLost | FetchCaller | JoinAnew]


def _cause(event: Event) -> int:
    value = event.get("Cause", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 3 else 0


# --- events --------------------------------------------------------------------------------------


def dial_begin(board: Board, event: Event) -> Result:
    """A leg to an agent was made. Its phone tells which agent; its caller which offer."""
    uniqueid = event.get("DestUniqueid", "")
    if uniqueid in board.unwanted:
        board.unwanted.discard(uniqueid)
        return [HangUpLeg(event.get("DestChannel", ""))]
    extra = board.legs.get(uniqueid)
    if extra is not None and not extra.channel:
        extra.channel = event.get("DestChannel", "")
        return [HangUpLeg(extra.channel)] if extra.hang_up_sent else []
    customer = board.calls.get(uniqueid)
    if customer is not None and customer.absent:
        customer.channel = event.get("DestChannel", "")
        unwanted = customer.given_up or customer.releasing
        return [HangUpLeg(customer.channel)] if unwanted else []
    call = board.calls.get(event.get("Uniqueid", ""))
    if call is None or call.offer is None or not uniqueid or uniqueid in board.legs:
        return []
    channel = event.get("DestChannel", "")
    phone = phone_of(channel)
    agent = call.offer.targets.get(phone) if phone is not None else None
    if phone is None or agent is None or board.has_ended(uniqueid):
        return []
    leg = AgentLeg(uniqueid=uniqueid, channel=channel, phone=phone, agent=agent, call=call)
    call.offer.legs.append(leg)
    board.add_leg(leg)
    if call.offer.cancelled:
        leg.hang_up_sent = True
        return [HangUpLeg(channel)]
    return []


def dial_state(board: Board, event: Event) -> Result:
    """The phone rings."""
    leg = board.legs.get(event.get("DestUniqueid", ""))
    if leg is None or leg.ringing or event.get("DialStatus") != "RINGING":
        return []
    leg.ringing = True
    call, offer = leg.call, leg.call.offer
    if offer is None or offer.cancelled or call.gone or leg not in offer.legs:
        return []
    return [OfferRinging(interaction=call.interaction, offer=offer.offer, agent=leg.agent)]


def dial_end(board: Board, event: Event) -> Result:
    """Answered; any other end is told with its cause when the leg hangs up."""
    leg = board.legs.get(event.get("DestUniqueid", ""))
    if leg is None or event.get("DialStatus") != "ANSWER":
        return []
    return answered(leg)


def answered(leg: AgentLeg) -> Result:
    """The leg took the call, unless we had already sent it away (then it is about to end)."""
    call, offer = leg.call, leg.call.offer
    if offer is None or leg not in offer.legs or offer.answered_by is not None:
        return []
    leg.answered = leg.settled = True
    if leg.hang_up_sent or call.gone:
        return []
    offer.answered_by = leg
    if leg.extra and not call.absent:
        # Dial still holds the caller's session; when its legs are gone it returns
        return [*stop_legs(offer, leg), JoinLeg(leg)]
    call.talking = leg
    fact = OfferAnswered(interaction=call.interaction, offer=offer.offer, agent=leg.agent)
    return [fact, *stop_legs(offer, leg, extra=True)]


def joined(leg: AgentLeg) -> Result:
    """The caller is about to be connected to an extra leg."""
    call, offer = leg.call, leg.call.offer
    if call.absent and call.talking is leg and not call.gone:
        call.absent = False  # the agent was there first
        return [CustomerAnswered(interaction=call.interaction)]
    if offer is None or offer.answered_by is not leg or call.gone:
        return []
    if leg.gone:  # hung up in the milliseconds between
        offer.answered_by, offer.returned = None, True
        return offer_over(call)
    call.talking = leg
    return [OfferAnswered(interaction=call.interaction, offer=offer.offer, agent=leg.agent)]


def parted(leg: AgentLeg) -> Result:
    """The connection to an extra leg is over."""
    call = leg.call
    if call.offer is not None and call.offer.answered_by is leg:
        call.offer = None
    if call.talking is not leg or call.gone or call.releasing:
        return []
    return agent_left(leg, 16)


def agent_left(leg: AgentLeg, cause: int) -> Result:
    """The agent has left the conversation; told when it is known which agent that was."""
    leg.call.talking = None
    if leg.unnamed:
        return []
    return [AgentHungUp(interaction=leg.call.interaction, agent=leg.agent, cause=cause)]


def named(board: Board, leg: AgentLeg, agent: AgentId | None) -> Result:
    """Whose phone it is that a caller was handed over to; tells its end, if it has come already."""
    call, leg.unnamed = leg.call, False
    left = call.talking is not leg
    if agent is None:
        board.drop_leg(leg)
        call.talking, call.outside = None, not left
    else:
        leg.agent = agent
    if not left or call.gone:
        return []
    if agent is None:
        return [ExternalEnded(interaction=call.interaction, answered=True, cause=16)]
    return [AgentHungUp(interaction=call.interaction, agent=agent, cause=16)]


def part(call: Call) -> None:
    """Whoever talks with the caller does so no more, and nothing is told of the leg's end."""
    leg, call.talking = call.talking, None
    call.offer = None
    call.outside = False
    call.handed = None
    if leg is not None:
        leg.settled = True


def free_again(call: Call) -> Result:
    """The caller's session is free again: whoever a phone had handed the caller to has left."""
    if call.gone or call.moving or call.releasing:
        return []
    if call.outside:
        call.outside = False
        return [ExternalEnded(interaction=call.interaction, answered=True, cause=16)]
    leg = call.talking
    return agent_left(leg, 16) if leg is not None and leg.handed and not leg.seated else []


def stop_legs(
    offer: OfferState, keep: AgentLeg | None = None, *, extra: bool = False
) -> list[HangUpLeg]:
    """Have the offer's legs stop ringing, all but ``keep``; ``extra``: only those beside Dial."""
    stopped = []
    for leg in offer.legs:
        if leg is keep or leg.gone or leg.hang_up_sent or (extra and not leg.extra):
            continue
        leg.hang_up_sent = True
        if leg.channel:  # else when its channel is known
            stopped.append(HangUpLeg(leg.channel))
    return stopped


def originate_response(board: Board, event: Event) -> Result:
    """An extra leg that could not even be made has no other event."""
    action = event.get("ActionID", "")
    if event.get("Response") == "Failure":
        board.unwanted -= {one for one in board.unwanted if action.endswith(f".{one}")}
    leg = board.legs.get(action.rpartition(".extend.")[2])
    if leg is None or leg.channel or event.get("Response") != "Failure":
        return []
    leg.gone = True
    board.drop_leg(leg)
    return _leg_over(leg, min(NO_ROUTE), asked=True) + _last_leg(board, leg.call)


def hangup_request(board: Board, event: Event) -> Result:
    """The far end hung up: it tells who did, a millisecond before the channel is gone."""
    uniqueid = event.get("Uniqueid", "")
    call = board.calls.get(uniqueid)
    if call is not None:
        # of a customer who was not reached the end of the channel is enough
        return [] if call.absent else caller_gone(call, _cause(event))
    leg = board.legs.get(uniqueid)
    if leg is None:
        # a phone that declines at once may be faster than the DialBegin of its leg (measured)
        board.note_early_request(uniqueid)
        return []
    return _leg_over(leg, _cause(event), asked=True)


def hangup(board: Board, event: Event) -> Result:
    """A channel is gone."""
    uniqueid = event.get("Uniqueid", "")
    board.note_end(uniqueid)
    board.unwanted.discard(uniqueid)
    return [*_gone(board, uniqueid, _cause(event)), *board.after.pop(uniqueid, ())]


def _gone(board: Board, uniqueid: str, cause: int) -> Result:
    asked = board.early_request(uniqueid)
    call = board.calls.get(uniqueid)
    if call is not None:
        result = caller_gone(call, cause)
        board.drop_call(call)
        return result
    leg = board.legs.get(uniqueid)
    if leg is None:
        return []
    leg.gone = True
    board.drop_leg(leg)
    return _leg_over(leg, cause, asked=asked) + _last_leg(board, leg.call)


def _last_leg(board: Board, call: Call) -> Result:
    result = offer_over(call)
    if call.absent and call.offer is None and call.uniqueid not in board.calls:
        board.drop_call(call)  # nobody is on the line any more, until the next turn
    return result


TABLE: dict[str, Callable[[Board, Event], Result]] = {
    "DialBegin": dial_begin,
    "DialState": dial_state,
    "DialEnd": dial_end,
    "HangupRequest": hangup_request,
    "Hangup": hangup,
    "OriginateResponse": originate_response,
}


# --- the ends of things --------------------------------------------------------------------------


def caller_gone(call: Call, cause: int) -> Result:
    """The caller left; told once, however many sources say so."""
    if call.over:
        return []
    if call.absent:
        return [CustomerLost(call, cause)]
    call.gone = True
    call.untold = False
    told = CallerHungUp(interaction=call.interaction, cause=cause)
    return [told, *(stop_legs(call.offer, extra=True) if call.offer is not None else ())]


def _leg_over(leg: AgentLeg, cause: int, *, asked: bool) -> Result:
    """``asked``: the phone itself ended it (otherwise Asterisk did, which may be the caller's or
    our doing)."""
    call = leg.call
    if call.talking is leg:
        if call.gone or (call.releasing and not asked):
            return []
        return agent_left(leg, cause)
    offer = call.offer
    if leg.settled or offer is None or leg not in offer.legs:
        return []
    leg.settled = True
    offer.settled.add(leg.agent)
    if offer.cancelled or call.gone or offer.answered_by is not None:
        return []
    if not asked and cause in NORMAL:
        return []  # Dial's own time-out
    if busy_early(offer, cause, ringing=leg.ringing):
        # rung alone, it is rung again (``Caller``)
        return [_failed(call, offer, leg, cause)] if len(offer.targets) > 1 else []
    if cause in DECLINED:
        return [
            OfferDeclined(
                interaction=call.interaction, offer=offer.offer, agent=leg.agent, cause=cause
            )
        ]
    return [_failed(call, offer, leg, cause)]


def busy_early(offer: OfferState, cause: int, *, ringing: bool) -> bool:
    """Whether a phone with one line was still busy with its last call. Nobody declined: it did not
    even ring."""
    return offer.early and cause == BUSY and not ringing


def _failed(call: Call, offer: OfferState, leg: AgentLeg, cause: int) -> OfferFailed:
    return OfferFailed(
        interaction=call.interaction,
        offer=offer.offer,
        agent=leg.agent,
        cause=cause,
        reason=f"the phone {leg.phone} ended the call (cause {cause})",
    )


def dial_returned(call: Call, offer: OfferState, status: str, cause: int, peer: str) -> Result:
    """Dial on the caller's own session is over: the word of the PBX, even if AMI is silent.

    ``status`` is DIALSTATUS, ``peer`` the channel that answered. OfferEnded may have to wait for
    the legs' own ends, see :func:`offer_over` and :func:`offer_forced`.
    """
    offer.returned = True
    if call.offer is not offer:
        return []
    if call.gone:
        call.offer = None
        # the session may know of it before AMI tells it: they would ring on
        return [*stop_legs(offer, extra=True)]
    if offer.answered_by is not None and offer.answered_by.extra:
        return []  # JoinLeg is next
    result: Result = []
    if status == "ANSWER":
        if offer.answered_by is None and not any(leg.hang_up_sent for leg in offer.legs):
            result += _answered_unseen(call, offer, peer)
        leg = offer.answered_by
        if leg is not None:
            if call.talking is leg and not call.releasing:
                result += agent_left(leg, cause)
            call.offer = None
            return result
    if not offer.legs and len(offer.targets) == 1 and cause in NO_ROUTE:
        return result + offer_forced(call, offer, status, cause)
    return result + offer_over(call)


def _answered_unseen(call: Call, offer: OfferState, peer: str) -> Result:
    phone = phone_of(peer)
    agent = offer.targets.get(phone) if phone is not None else None
    if phone is None or agent is None:
        return []
    leg = next((leg for leg in offer.legs if leg.phone == phone), None)
    if leg is None:
        leg = AgentLeg(uniqueid="", channel=peer, phone=phone, agent=agent, call=call)
        offer.legs.append(leg)
    return answered(leg)


def offer_over(call: Call) -> Result:
    """OfferEnded, as soon as Dial has returned and every leg's own end was seen."""
    offer = call.offer
    if offer is None or not offer.returned or offer.answered_by is not None:
        return []
    if len(offer.legs) < len(offer.targets) or not all(leg.gone for leg in offer.legs):
        return []
    call.offer = None
    if call.gone:
        return []
    return [OfferEnded(interaction=call.interaction, offer=offer.offer)]


def offer_forced(call: Call, offer: OfferState, status: str, cause: int) -> Result:
    """The legs' ends did not come in time (AMI down, or phones that were never reached).

    Extra legs may ring on: their own ends end the offer.
    """
    if call.offer is not offer or offer.answered_by is not None:
        return []
    if any(leg.extra and not leg.gone for leg in offer.legs):
        return []
    call.offer = None
    if call.gone:
        return []
    result: Result = []
    reached = {leg.agent for leg in offer.legs}
    for phone, agent in offer.targets.items():
        if agent in offer.settled or offer.cancelled or agent in reached:
            continue
        result.append(
            OfferFailed(
                interaction=call.interaction,
                offer=offer.offer,
                agent=agent,
                cause=cause,
                reason=f"the phone {phone} cannot be reached ({status})",
            )
        )
    result.append(OfferEnded(interaction=call.interaction, offer=offer.offer))
    return result

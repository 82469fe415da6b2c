"""Who is on which channel: the adapter's picture of callers, agents' legs and running offers.

Plain records; what changes them is :mod:`translate`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from routing.facts import Party
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, RecordingId

_CHANNEL = re.compile(r"PJSIP/(.+)-[0-9a-f]{8}(?:;[12])?")
MAX_ENDED = 4096


def phone_of(channel: str) -> PhoneId | None:
    """The endpoint in a channel's name (``PJSIP/1002-0000001f`` -> ``1002``)."""
    match = _CHANNEL.fullmatch(channel)
    return PhoneId(match.group(1)) if match else None


@dataclass(slots=True, kw_only=True, eq=False)
class AgentLeg:
    """The leg to one agent's phone."""

    uniqueid: str
    channel: str
    phone: PhoneId
    agent: AgentId
    call: Call
    extra: bool = False  # made by Originate beside a running Dial; ``channel`` is known later
    ringing: bool = False
    answered: bool = False
    settled: bool = False  # its end was told, or needs no telling
    hang_up_sent: bool = False
    seated: bool = False  # apart from the caller, in an AGI session of its own
    apart: bool = False  # was seated once: no Dial holds it any more
    partings: int = 0  # how often it was; what was to follow on an earlier one is off
    on_hold: bool = False  # at the phone itself
    handed: bool = False  # a phone has handed the caller over to it: no offer of ours
    unnamed: bool = False  # handed, and not said yet whose phone it is (NameLeg)
    gone: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class OfferState:
    """A running offer: from the command until OfferEnded or the end of the conversation."""

    offer: OfferId
    targets: dict[PhoneId, AgentId]
    legs: list[AgentLeg] = field(default_factory=list)
    settled: set[AgentId] = field(default_factory=set)
    answered_by: AgentLeg | None = None
    cancelled: bool = False
    returned: bool = False  # Dial is over
    ring_again: bool = False  # Dial ends, to ring a phone that is to answer by itself
    early: bool = False  # its phones may not have put down their last call yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """What a phone was ringing when it put a caller there; ``outside`` the house or not."""

    number: str
    outside: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A caller's leg."""

    interaction: InteractionId
    uniqueid: str
    channel: str
    caller: Party
    did: str
    arrived_at: float
    offer: OfferState | None = None
    talking: AgentLeg | None = None
    releasing: bool = False  # we hang up ourselves
    absent: bool = False  # a callback's customer who is not (told to be) on the line
    given_up: bool = False  # absent, and not wanted any more
    recording: RecordingId | None = None  # to be readied when the customer comes
    handed: AgentLeg | None = None  # who has it since a phone handed it over, until NameLeg
    outside: bool = False  # handed over to somebody who is no agent
    moving: bool = False  # a phone has sent it on; it knocks again
    stale: bool = False  # sent on, and its session has not taken its recording up anew yet
    ahead: int = 0  # such transfers that its session has told before AMI
    swapped: bool = False  # its session was left with a dead channel: it is elsewhere on the PBX
    fetch: Fetch | None = None  # to be taken back from there, once it has been swapped in
    dialled: tuple[str, bool] | None = None  # what was dialled for it, and whether outside
    gone: bool = False  # CallerHungUp was told
    untold: bool = False  # gone from its session, and not known yet whether by hanging up

    @property
    def over(self) -> bool:
        """Whether the caller has hung up, and that was told."""
        return self.gone and not self.untold


class Board:
    """All calls and legs. Bounded by what the PBX carries; ends are remembered for a while, so
    that a channel list which is older than an event cannot bring a dead leg back."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.by_interaction: dict[InteractionId, Call] = {}
        self.legs: dict[str, AgentLeg] = {}
        #: legs that were given up before the PBX had made their channels: hung up once it has
        self.unwanted: set[str] = set()
        #: what is to be done as soon as a channel (its unique id) is gone whose place another takes
        self.after: dict[str, list[Any]] = {}
        self._phones: dict[PhoneId, int] = {}
        self._leaving: dict[PhoneId, int] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._early: OrderedDict[str, None] = OrderedDict()

    def add_call(self, call: Call) -> None:
        self.calls[call.uniqueid] = call
        self.by_interaction[call.interaction] = call

    def drop_call(self, call: Call) -> None:
        self.calls.pop(call.uniqueid, None)
        if self.by_interaction.get(call.interaction) is call:
            del self.by_interaction[call.interaction]

    def add_leg(self, leg: AgentLeg) -> None:
        self.legs[leg.uniqueid] = leg
        self._phones[leg.phone] = self._phones.get(leg.phone, 0) + 1

    def drop_leg(self, leg: AgentLeg) -> None:
        if self.legs.pop(leg.uniqueid, None) is None:
            return
        _count_down(self._phones, leg.phone)

    def note_end(self, uniqueid: str) -> None:
        _remember(self._ended, uniqueid)

    def note_early_request(self, uniqueid: str) -> None:
        """The far end of a channel that nobody knows (yet) has hung up."""
        _remember(self._early, uniqueid)

    def early_request(self, uniqueid: str) -> bool:
        """Whether the far end had hung up before the channel was known; told once."""
        known = uniqueid in self._early
        self._early.pop(uniqueid, None)
        return known

    def has_ended(self, uniqueid: str) -> bool:
        return uniqueid in self._ended

    def uses(self, phone: PhoneId) -> bool:
        """Whether one of our own legs is at ``phone``."""
        return phone in self._phones

    def leaves(self, phone: PhoneId) -> None:
        """A conversation at ``phone`` is over on the PBX; the phone itself may still end it."""
        self._leaving[phone] = self._leaving.get(phone, 0) + 1

    def left(self, phone: PhoneId) -> None:
        """The phone has had its time."""
        _count_down(self._leaving, phone)

    def may_be_leaving(self, phone: PhoneId) -> bool:
        """Whether ``phone`` may not have put down its last call yet."""
        return phone in self._leaving or phone in self._phones


def _remember(ends: OrderedDict[str, None], uniqueid: str) -> None:
    ends[uniqueid] = None
    if len(ends) > MAX_ENDED:
        ends.popitem(last=False)


def _count_down(counts: dict[PhoneId, int], phone: PhoneId) -> None:
    if counts.get(phone, 0) > 1:
        counts[phone] -= 1
    else:
        counts.pop(phone, None)

"""Supervisors' legs: ChanSpy on the agent's leg, or on the caller's where there is no agent.

``d`` lets digits switch the mode without calling again (4 monitor, 5 whisper, 6 barge); ctid sends
the same digits by AMI PlayDTMF, and learns of either by ``DTMFEnd``. ``E`` and ``S`` end it with
the leg that is listened to; the dialplan then waits a moment for ctid to move the leg on.
Source: Asterisk documentation, application ChanSpy; measured in docs/supervision.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ctid.telephony.asterisk import encode
from ctid.telephony.asterisk.ami_protocol import AmiError, Event
from ctid.telephony.asterisk.census import Facts
from ctid.telephony.asterisk.legs import Board, Call
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.control_facts import SuperviseMode, SupervisionEnded, SupervisionModeChanged
from routing.control_facts import SupervisionStarted as Started
from routing.ids import InteractionId, SupervisionId
from routing.supervision import DIGITS, mode_of

log = structlog.get_logger(__name__)

EVENTS = frozenset({"DialBegin", "ChanSpyStart", "DTMFEnd", "Hangup", "OriginateResponse"})
DIGIT_OF = {mode: digit for digit, mode in DIGITS.items()}

OPTIONS = {
    SuperviseMode.MONITOR: "qESd",
    SuperviseMode.WHISPER: "qESdw",
    SuperviseMode.BARGE: "qESdB",
}
LISTEN_ONLY = "qES"


@dataclass(slots=True, kw_only=True)
class _Spy:
    supervision: SupervisionId
    interaction: InteractionId
    call: Call
    uniqueid: str
    mode: SuperviseMode
    channel: str = ""  # known when it rings
    started: bool = False
    listen_only: bool = False
    waits: bool = False  # to listen to the caller, as soon as that does no harm


class Spies:
    """The supervisors' legs of one Asterisk."""

    def __init__(self, *, board: Board, ami: Callable[..., Awaitable[Any]], facts: Facts) -> None:
        self._board = board
        self._ami = ami
        self._facts = facts
        self._by_id: dict[SupervisionId, _Spy] = {}
        self._by_leg: dict[str, _Spy] = {}
        self._numbers = itertools.count(1)
        self.handlers: Mapping[type[c.Command], Callable[[Any], Coroutine[Any, Any, None]]] = {
            c.Supervise: self._supervise,
            c.SwitchSupervision: self._switch,
            c.FollowSupervision: self._follow,
            c.EndSupervision: self._end,
        }

    # --- commands ---

    async def _supervise(self, command: c.Supervise) -> None:
        call = self._board.by_interaction.get(command.interaction)
        if call is None or call.gone:
            self._ended(command.interaction, command.supervision, "the caller is gone")
            return
        spy = _Spy(
            supervision=command.supervision,
            interaction=command.interaction,
            call=call,
            uniqueid=f"{call.uniqueid}-s{next(self._numbers):06d}",
            mode=command.mode,
        )
        channel, options = self._target(spy, command.mode, listen_only=False)
        self._by_id[spy.supervision] = self._by_leg[spy.uniqueid] = spy
        fields = encode.originate_spy(spy.uniqueid, command.phone, call.caller, channel, options)
        try:
            await self._ami("Originate", fields, intent=f"spy.{spy.uniqueid}")
        except AmiError as error:
            if self._forget(spy):
                self._ended(spy.interaction, spy.supervision, str(error))

    async def _switch(self, command: c.SwitchSupervision) -> None:
        spy = self._by_id.get(command.supervision)
        if spy is None or not spy.started or spy.listen_only:
            raise SwitchError("the supervisor's leg is not there")
        fields = {
            "Channel": encode.channel_name(spy.channel),
            "Digit": DIGIT_OF[command.mode],
            "Receive": "true",
        }
        try:
            await self._ami("PlayDTMF", fields, intent="mode")
        except AmiError as error:
            raise SwitchError(str(error)) from error

    async def _follow(self, command: c.FollowSupervision) -> None:
        spy = self._by_id.get(command.supervision)
        if spy is None or spy.call.gone:
            return
        spy.waits = command.listen_only and spy.call.stale
        if spy.waits:
            spy.mode, spy.listen_only = command.mode, True
            return
        await self._listen_to(spy, command.mode, listen_only=command.listen_only)

    async def renewed(self, call: Call) -> None:
        """The caller who was sent on can be listened to. Before, a listener would keep alive what
        MixMonitor has of the last agent: the next one's side would be missing in the recording and
        what a supervisor says to the caller would not be heard (``Recordings.renew``)."""
        for spy in list(self._by_id.values()):
            if spy.call is call and spy.waits:
                spy.waits = False
                await self._listen_to(spy, spy.mode, listen_only=True)

    async def _listen_to(self, spy: _Spy, mode: SuperviseMode, *, listen_only: bool) -> None:
        channel, options = self._target(spy, mode, listen_only=listen_only)
        spy.mode = mode
        leg = encode.channel_name(spy.channel) if spy.channel else spy.uniqueid
        for name, value in (("CTID_SPY_CHANNEL", channel), ("CTID_SPY_OPTIONS", options)):
            fields = {"Channel": leg, "Variable": name, "Value": value}
            await self._try("Setvar", fields, "follow")
        if spy.started:
            fields = {"Channel": leg, "Context": "ctid-spy", "Exten": "s", "Priority": "1"}
            await self._try("Redirect", fields, "follow")

    async def _end(self, command: c.EndSupervision) -> None:
        spy = self._by_id.get(command.supervision)
        if spy is not None:
            if not spy.channel:
                self._board.unwanted.add(spy.uniqueid)
            leg = encode.channel_name(spy.channel) if spy.channel else spy.uniqueid
            await self._try("Hangup", {"Channel": leg}, "spy")

    def take_leg(self, supervision: SupervisionId) -> tuple[str, str]:
        """Unique id and channel of a leg that is no supervisor's any more. Raises SwitchError."""
        spy = self._by_id.get(supervision)
        if spy is None or not spy.started:
            raise SwitchError("the supervisor's leg is not there")
        self._forget(spy)
        return spy.uniqueid, spy.channel

    def _target(self, spy: _Spy, mode: SuperviseMode, *, listen_only: bool) -> tuple[str, str]:
        leg = spy.call.talking
        spy.listen_only = listen_only or leg is None or leg.gone
        if spy.listen_only or leg is None:
            return encode.channel_name(spy.call.channel), LISTEN_ONLY
        return encode.channel_name(leg.channel), OPTIONS[mode]

    async def _try(self, name: str, fields: Mapping[str, str], intent: str) -> None:
        try:
            await self._ami(name, fields, intent=intent)
        except AmiError as error:
            # most often the leg was gone before
            log.info("ami_action_failed", action=name, intent=intent, why=str(error))

    # --- events ---

    def event(self, event: Event) -> None:
        """Take one AMI event; most are about other channels."""
        if not self._by_leg:
            return
        name = event.get("Event")
        if name == "DialBegin":
            spy = self._by_leg.get(event.get("DestUniqueid", ""))
            if spy is not None:
                spy.channel = event.get("DestChannel", "")
        elif name == "ChanSpyStart":
            spy = self._by_leg.get(event.get("SpyerUniqueid", ""))
            if spy is not None and spy.started:
                self._told(spy)
            elif spy is not None:
                spy.started = True
                spy.channel = event.get("SpyerChannel", spy.channel)
                self._facts.tell(
                    [Started(interaction=spy.interaction, supervision=spy.supervision)]
                )
        elif name == "DTMFEnd":
            self._digit(event)
        elif name == "Hangup":
            spy = self._by_leg.get(event.get("Uniqueid", ""))
            if spy is not None and self._forget(spy):
                reason = "" if spy.started else f"not answered: {event.get('Cause-txt', '')}"
                self._ended(spy.interaction, spy.supervision, encode.clean(reason))
        elif name == "OriginateResponse" and event.get("Response") == "Failure":
            spy = self._by_leg.get(event.get("ActionID", "").rpartition(".spy.")[2])
            if spy is not None and not spy.channel and self._forget(spy):
                self._ended(spy.interaction, spy.supervision, "the phone cannot be reached")

    def _digit(self, event: Event) -> None:
        spy = self._by_leg.get(event.get("Uniqueid", ""))
        mode = mode_of(event.get("Digit", ""))
        if spy is None or mode is None or not spy.started or spy.listen_only:
            return
        if event.get("Direction") == "Received":
            spy.mode = mode
            self._told(spy)

    def _told(self, spy: _Spy) -> None:
        changed = SupervisionModeChanged(
            interaction=spy.interaction, supervision=spy.supervision, mode=spy.mode
        )
        self._facts.tell([changed])

    def _forget(self, spy: _Spy) -> bool:
        self._by_leg.pop(spy.uniqueid, None)
        return self._by_id.pop(spy.supervision, None) is not None

    def _ended(self, interaction: InteractionId, supervision: SupervisionId, why: str) -> None:
        self._facts.tell(
            [SupervisionEnded(interaction=interaction, supervision=supervision, reason=why)]
        )

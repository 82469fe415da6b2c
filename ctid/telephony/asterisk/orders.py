"""Carries out the commands that are not simply queued on the caller's own session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from ctid import tasks
from ctid.telephony.asterisk import encode, translate
from ctid.telephony.asterisk.ami_protocol import AmiError
from ctid.telephony.asterisk.callbacks import Callbacks
from ctid.telephony.asterisk.caller import Caller
from ctid.telephony.asterisk.census import Facts
from ctid.telephony.asterisk.extra import ExtraLegs
from ctid.telephony.asterisk.fastagi import AgiError
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call
from ctid.telephony.asterisk.recordings import Recordings
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.facts import Channel
from routing.ids import InteractionId

log = structlog.get_logger(__name__)

NORMAL_CLEARING = 16  # Q.850; what the dialplan's Hangup() says of a call that was answered


class Orders:
    """``callers``: sessions by the unique id of the caller's channel (the switch keeps them)."""

    def __init__(
        self,
        *,
        board: Board,
        callers: Mapping[str, Caller],
        ami: Callable[..., Awaitable[Any]],
        recordings: Recordings,
        facts: Facts,
        extras: ExtraLegs,
        callbacks: Callbacks,
        aside: Callable[[InteractionId, c.Command], Awaitable[None]],
        more: Mapping[type[c.Command], Callable[[Any], Coroutine[Any, Any, None]]],
    ) -> None:
        self._board = board
        self._callers = callers
        self._ami = ami
        self._recordings = recordings
        self._facts = facts
        self._extras = extras
        self._callbacks = callbacks
        self._aside = aside
        self._handlers: dict[type[c.Command], Callable[[Any], Coroutine[Any, Any, None]]] = {
            c.ExtendOffer: self._extend_offer,
            c.CancelOffer: self._cancel_offer,
            c.StartRecording: self._start_recording,
            c.StopRecording: self._stop_recording,
            c.SuspendRecording: self._suspend_recording,
            c.Release: self._release,
            c.NameLeg: self._name_leg,
            **callbacks.handlers,
            **more,
        }

    def take(self, command: c.Command) -> bool:
        """Queue it on the caller's session; False: it goes another way. Raises SwitchError."""
        if self._at_once(command):
            return True
        if self._handler(command) is not None:
            return False
        self._caller(command).put(command)
        return True

    async def execute(self, command: c.Command) -> None:
        """Start to carry it out. Raises SwitchError."""
        if self._at_once(command):
            return
        handler = self._handler(command)
        if handler is not None:
            await handler(command)
        else:
            self._caller(command).put(command)

    def _at_once(self, command: c.Command) -> bool:
        """Whether nothing had to be asked of Asterisk, and it is done: so with most calls."""
        if not isinstance(command, c.Release | c.StartRecording | c.StopRecording):
            return False
        call = self._board.by_interaction.get(command.interaction)
        if call is None or call.gone:
            return not isinstance(command, c.StartRecording)
        if isinstance(command, c.StartRecording):
            return self._recordings.begun(call, command)
        return isinstance(command, c.Release) and self._let_go(call, command)

    def _handler(self, command: c.Command) -> Callable[[Any], Coroutine[Any, Any, None]] | None:
        if isinstance(command, c.Offer):
            return self._callbacks.offer if command.channel is Channel.CALLBACK else None
        return self._handlers.get(type(command))

    def join(self, leg: AgentLeg) -> None:
        """Connect the caller to an extra leg that has answered."""
        caller = self._callers.get(leg.call.uniqueid)
        if caller is not None:
            caller.join(leg)
        else:
            self._facts.withdraw(leg.channel)

    def try_action(self, name: str, fields: Mapping[str, str], intent: str) -> None:
        """Send an AMI action whose failure changes nothing, and do not wait for it."""
        tasks.spawn(self._try(name, fields, intent), name=f"ami {intent}")

    async def _try(self, name: str, fields: Mapping[str, str], intent: str) -> None:
        try:
            encode.channel_name(fields["Channel"])
            await self._ami(name, fields, intent=intent)
        except (AmiError, SwitchError) as error:
            # most often the channel was gone before: that is what was wanted
            log.info("ami_action_failed", action=name, intent=intent, why=str(error))

    def _call(self, interaction: InteractionId) -> Call:
        call = self._board.by_interaction.get(interaction)
        if call is None or call.gone:
            raise SwitchError("the caller's leg is gone")
        return call

    def _caller(self, command: Any) -> Caller:
        caller = self._callers.get(self._call(command.interaction).uniqueid)
        if caller is None:
            raise SwitchError("no control session holds this caller now")
        return caller

    async def _extend_offer(self, command: c.ExtendOffer) -> None:
        call = self._call(command.interaction)
        offer = call.offer
        if offer is None or offer.offer != command.offer or offer.cancelled:
            return
        for target in command.targets:
            await self._extras.ring(call, offer, target)

    async def _cancel_offer(self, command: c.CancelOffer) -> None:
        call = self._board.by_interaction.get(command.interaction)
        if call is None:
            return  # the caller's own end ends the offer
        offer = call.offer
        if offer is None or offer.offer != command.offer:
            caller = self._callers.get(call.uniqueid)
            if caller is not None:
                caller.withdraw(command.offer)
            return
        offer.cancelled = True
        if offer.answered_by is None:
            self._facts.tell([*translate.stop_legs(offer)])

    async def _start_recording(self, command: c.StartRecording) -> None:
        call = self._call(command.interaction)
        caller = self._callers.get(call.uniqueid)
        if caller is not None and caller.session.idle:
            caller.put(command)
        elif call.talking is not None and not call.talking.seated:
            # AMI MixMonitor needs the right "system"; AGI needs the session that Dial holds
            await self._aside(call.interaction, command)
        else:
            await self._recordings.start(call, command, None)

    async def _stop_recording(self, command: c.StopRecording) -> None:
        await self._recordings.stop(self._board.by_interaction.get(command.interaction), command)

    async def _suspend_recording(self, command: c.SuspendRecording) -> None:
        await self._recordings.suspend(self._call(command.interaction), command)

    async def _name_leg(self, command: c.NameLeg) -> None:
        call = self._board.by_interaction.get(command.interaction)
        if call is not None and call.handed is not None:
            leg, call.handed = call.handed, None
            self._facts.tell(translate.named(self._board, leg, command.agent))

    def fetch(self, call: Call) -> None:
        """Take a caller back from where a phone has put it; it knocks again then."""
        to, call.fetch = call.fetch, None
        assert to is not None
        try:
            context, number = encode.sent_on(to.number, outside=to.outside)
        except SwitchError:  # nothing that could be dialled: back to its queue
            context, number = "ctid-caller", "in"
        fields = {"Channel": call.channel, "Context": context, "Exten": number, "Priority": "1"}
        self.try_action("Redirect", fields, "fetch")

    async def _release(self, command: c.Release) -> None:
        call = self._board.by_interaction.get(command.interaction)
        if call is None or call.gone:
            return
        if call.absent:
            await self._callbacks.release(call)
            return
        call.releasing = True
        try:
            await self._ami("Hangup", self._hangup(call, command), intent="release")
        except AmiError as error:
            if call.gone:
                return
            caller = self._callers.get(call.uniqueid)
            if caller is None or not caller.session.idle:
                raise SwitchError(str(error)) from error
            try:
                await caller.session.command("HANGUP")
            except AgiError as gone:
                raise SwitchError(str(gone)) from gone

    def _let_go(self, call: Call, command: c.Release) -> bool:
        """Whether the dialplan hangs the caller up, see :meth:`Caller.let_go`."""
        caller = self._callers.get(call.uniqueid)
        if caller is None or call.absent or command.cause != NORMAL_CLEARING:
            return False
        if not caller.let_go(lambda: self._insist(call, command)):
            return False
        call.releasing = True
        return True

    def _insist(self, call: Call, command: c.Release) -> None:
        self.try_action("Hangup", self._hangup(call, command), "insist")

    def _hangup(self, call: Call, command: c.Release) -> dict[str, str]:
        return {"Channel": encode.channel_name(call.channel), "Cause": str(command.cause)}

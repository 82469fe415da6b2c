"""One caller's AGI session: carries out commands one after the other, as the PBX takes them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from ctid.telephony.asterisk import encode, transfers, translate
from ctid.telephony.asterisk.fastagi import AgiError, AgiSession
from ctid.telephony.asterisk.legs import AgentLeg, Call, OfferState
from ctid.telephony.asterisk.prompts import Speaker
from ctid.telephony.asterisk.recordings import Recordings
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.facts import (
    CommandFailed,
    ExternalEnded,
    Fact,
    OfferEnded,
    Party,
    RecordingEnded,
    RecordingFailed,
    StepFinished,
    StepOutcome,
)
from routing.ids import InteractionId, OfferId, PhoneId, RecordingId

log = structlog.get_logger(__name__)

MAX_INBOX = 64
SLOW_S = 10.0
LEGS_S = 0.1
"""How long OfferEnded may wait for AMI to tell the legs' own ends after Dial has returned."""
BACKSTOP_S = 2.0
"""Dial's own time-out comes this much after the engine's."""
RETURNS_S = 0.5
"""So soon Dial returns once the one who had answered has left."""
BUSY_S = 0.2
"""Until a phone that is still busy with its last call is rung again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Join(c.Command):
    """Our own: connect the caller to an extra leg."""

    interaction: InteractionId
    leg: AgentLeg


@dataclass(frozen=True, slots=True, kw_only=True)
class _Connect(c.Command):
    """Our own: connect the caller to a leg that is up; see :meth:`Caller.connect`."""

    interaction: InteractionId
    line: str
    channel: str  # the leg that waits for the caller; empty: a conference
    joined: Callable[[], bool]
    parted: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _WhenFree(c.Command):
    """Our own: see :meth:`Caller.when_free`."""

    interaction: InteractionId
    then: Callable[[], None]


class Desk(Protocol):
    """What a caller's session needs of the switch."""

    @property
    def recordings(self) -> Recordings: ...

    def may_be_leaving(self, phone: PhoneId) -> bool: ...

    def tell(self, result: translate.Result) -> None: ...

    def renewed(self, call: Call) -> None: ...

    def inject_digit(self, call: Call, digit: str) -> None: ...

    def withdraw(self, channel: str) -> None: ...

    def message_path(self, recording: RecordingId) -> Path: ...

    @property
    def trunk(self) -> str: ...


class Caller:
    """Takes commands with :meth:`put`; :meth:`run` is its task."""

    def __init__(
        self, call: Call, session: AgiSession, language: str, desk: Desk, *, sent_on: bool = False
    ) -> None:
        self.call = call
        self._sent_on = sent_on
        self.session = session
        self._desk = desk
        self._inbox: deque[c.Command] = deque()
        self._wake = asyncio.Event()
        self._withdrawn: set[OfferId] = set()
        self._speaker = Speaker(
            session,
            call.interaction,
            language,
            self._hush,
            lambda digit: desk.inject_digit(call, digit),
        )
        self._shown = call.caller
        self._music = ""
        self._talked = False
        self._let_go = False
        self._insist: asyncio.TimerHandle | None = None
        self._doing: dict[type[c.Command], Callable[[Any], Awaitable[None]]] = {
            c.Answer: self._answer,
            c.Play: self._play,
            c.CollectDigits: self._collect,
            c.StartMusic: self._start_music,
            c.StopMusic: self._stop_music,
            c.Offer: self._offer,
            c.SendTo: self._send_to,
            c.RecordMessage: self._record_message,
            c.StartRecording: self._start_recording,
            _Join: self._join,
            _Connect: self._connect,
            _WhenFree: self._when_free,
        }

    def put(self, command: c.Command) -> None:
        """Queue a command. Raises SwitchError when the session has ended or is flooded."""
        if self.session.closed or self.session.hung_up:
            raise SwitchError("the caller's session has ended")
        if isinstance(command, c.Offer | c.SendTo | c.RecordMessage):
            self._speaker.cut_short(self._inbox)
        if len(self._inbox) >= MAX_INBOX:
            raise SwitchError("too many commands wait for this caller")
        self._inbox.append(command)
        self._wake.set()

    def session_ended(self) -> None:
        """The caller hung up or the session is over: let the task end."""
        self._wake.set()

    def join(self, leg: AgentLeg) -> None:
        """Connect the caller to a leg that has answered, before anything else that waits."""
        self._inbox.appendleft(_Join(interaction=self.call.interaction, leg=leg))
        self._wake.set()

    def connect(self, channel: str, joined: Callable[[], bool], parted: Callable[[], None]) -> None:
        """Connect the caller to a leg that is up, as soon as nothing else holds the session.

        ``joined`` is called right before and says whether it is still wanted, ``parted`` when the
        two are no longer connected. Should the caller have gone, the leg is hung up.
        """
        if self.session.closed or self.session.hung_up:
            self._desk.withdraw(channel)
            return
        self._put_connect(encode.bridge(channel), channel, joined, parted)

    def confer(self, room: str, joined: Callable[[], bool], parted: Callable[[], None]) -> None:
        """Put the caller into a conference, otherwise like :meth:`connect`."""
        self._put_connect(encode.confer(room), "", joined, parted)

    def _put_connect(
        self, line: str, channel: str, joined: Callable[[], bool], parted: Callable[[], None]
    ) -> None:
        self._inbox.append(
            _Connect(
                interaction=self.call.interaction,
                line=line,
                channel=channel,
                joined=joined,
                parted=parted,
            )
        )
        self._wake.set()

    def when_free(self, then: Callable[[], None]) -> None:
        """Call ``then`` as soon as nothing holds the session."""
        self._inbox.appendleft(_WhenFree(interaction=self.call.interaction, then=then))
        self._wake.set()

    def let_go(self, insist: Callable[[], None]) -> bool:
        """Have the dialplan hang up a caller whom the agent has just left; False: it cannot now.

        Spares the question how Dial ended, and AMI's Hangup with its answer: the session has to be
        ended anyway. ``insist`` is called should Dial not return.
        """
        session = self.session
        if session.closed or session.hung_up or self._inbox:
            return False
        if not (self._left() or (self._talked and session.idle)):
            return False
        self._let_go = True
        self._wake.set()
        self._insist = asyncio.get_running_loop().call_later(RETURNS_S, insist)
        return True

    def _left(self) -> bool:
        """Whether the one who had answered has left, and Dial is about to return."""
        call, offer = self.call, self.call.offer
        if offer is None or offer.returned or call.talking is not None or call.outside:
            return False
        leg = offer.answered_by
        return leg is not None and not (leg.extra or leg.apart or call.moving)

    def withdraw(self, offer: OfferId) -> None:
        """Cancel an offer that still waits to be dialled."""
        if any(isinstance(w, c.Offer) and w.offer == offer for w in self._inbox):
            self._withdrawn.add(offer)

    # --- the task ---

    async def run(self) -> None:
        """Carry out commands until the session ends."""
        session = self.session
        try:
            if not encode.is_marked(session.headers, self.call.interaction):
                await session.command(encode.mark(self.call.interaction))
            if self._sent_on:
                # taken note of: should ctid die from now on, it is a caller like any other
                await session.command(encode.set_variable(encode.VAR_PATH, "in"))
                await session.command(encode.set_variable("BLINDTRANSFER", ""))
                self._desk.recordings.heard(self.call)  # the session before this one is over
                await self._desk.recordings.renew(self.call, session)
            if self.call.stale:
                self.call.stale = False
                self._desk.renewed(self.call)
            while not (session.closed or session.hung_up or self.call.over or self._let_go):
                if not self._inbox:
                    session.acknowledge()
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                command = self._inbox.popleft()
                try:
                    await self._doing[type(command)](command)
                except SwitchError as error:
                    self._failed(command, str(error))
            if not session.closed and not await self._moves():
                self._desk.tell(translate.caller_gone(self.call, 0))
                # an orderly end: without this the dialplan writes a note about a call ctid missed
                await session.command(encode.set_variable(encode.VAR_DONE, "1"))
        except AgiError as error:
            log.debug("agi_session_over", interaction=self.call.interaction, why=str(error))
        finally:
            if self._insist is not None:
                self._insist.cancel()
            session.close()
            for left in self._inbox:
                if isinstance(left, _Connect) and left.channel:
                    self._desk.withdraw(left.channel)
            if self.call.untold:
                self._desk.tell(translate.caller_gone(self.call, 0))

    async def _moves(self) -> bool:
        """Whether only the session is over: a phone has sent the caller on, who knocks again.

        AMI tells that, too, but on another connection: before or after the line HANGUP. A caller
        whom we release ourselves goes nowhere else.
        """
        if not (self.call.over or self.call.releasing):
            reply = await self.session.command(encode.whereabouts())
            uniqueid, _, rest = reply.data.partition(",")
            context, _, transferer = rest.partition(",")
            self.call.swapped = uniqueid != self.call.uniqueid
            if self.call.swapped or (transferer and context == transfers.CONTEXT):
                self._desk.tell([*transfers.sent_on(self.call), *transfers.fetched(self.call)])
        return self.call.moving

    def _failed(self, command: c.Command, reason: str) -> None:
        log.warning(
            "command_failed",
            command=type(command).__name__,
            interaction=self.call.interaction,
            why=reason,
        )
        self._tell(
            CommandFailed(
                command=type(command).__name__,
                reason=reason[:200],
                interaction=self.call.interaction,
                offer=getattr(command, "offer", None),
                step=getattr(command, "step", None),
                recording=getattr(command, "recording", None),
            )
        )

    def _tell(self, fact: Fact | None) -> None:
        if fact is not None and not self.call.gone:
            self._desk.tell([fact])

    async def _back_from_talk(self) -> None:
        # the dialplan hangs up a caller whose last Dial was answered: not one we keep
        if self._talked:
            self._talked = False
            await self.session.command(encode.set_variable("DIALSTATUS", ""))

    async def _hush(self) -> None:
        await self._back_from_talk()
        self._music = ""

    # --- simple ones ---

    async def _answer(self, command: c.Answer) -> None:
        await self.session.command(encode.answer(), SLOW_S)

    async def _start_music(self, command: c.StartMusic) -> None:
        await self._back_from_talk()
        if self._music != command.music:
            await self.session.command(encode.music_on(command.music))
            self._music = command.music

    async def _stop_music(self, command: c.StopMusic) -> None:
        if self._music:
            await self.session.command(encode.music_off())
            self._music = ""

    async def _start_recording(self, command: c.StartRecording) -> None:
        await self._desk.recordings.start(self.call, command, self.session)

    # --- prompts and digits ---

    async def _play(self, command: c.Play) -> None:
        self._tell(await self._speaker.play(command))

    async def _collect(self, command: c.CollectDigits) -> None:
        self._tell(await self._speaker.collect(command))

    # --- offers ---

    async def _offer(self, command: c.Offer) -> None:
        call = self.call
        offer = OfferState(offer=command.offer, targets={t.phone: t.agent for t in command.targets})
        timeout_s = math.ceil(command.ring_timeout_s + BACKSTOP_S)
        dial = encode.dial_targets(
            command.targets, timeout_s, command.music, auto_answer=command.auto_answer
        )
        if command.offer not in self._withdrawn:
            call.offer = offer
            try:
                await self._prepare(command)
            except BaseException:
                call.offer = None
                raise
        if offer.cancelled or command.offer in self._withdrawn:
            self._withdrawn.discard(command.offer)
            call.offer = None
            self._tell(OfferEnded(interaction=call.interaction, offer=command.offer))
            return
        self._music = ""
        status, cause, peer = await self._ring(offer, dial)
        while await self._rings_again(offer, cause):
            if offer.ring_again:
                offer.ring_again = False
                await self._back_from_talk()
                dial = encode.dial_targets(
                    command.targets, timeout_s, command.music, auto_answer=True
                )
            offer.legs.clear()
            status, cause, peer = await self._ring(offer, dial)
        self._desk.tell(translate.dial_returned(call, offer, status, cause, peer))
        self._desk.tell(translate.free_again(call))
        if call.offer is offer and not call.gone:
            if any(leg.extra and not leg.gone for leg in offer.legs):
                await self._start_music(
                    c.StartMusic(interaction=call.interaction, music=command.music)
                )
            asyncio.get_running_loop().call_later(
                LEGS_S,
                lambda: self._desk.tell(translate.offer_forced(call, offer, status, cause)),
            )

    async def _ring(self, offer: OfferState, dial: str) -> tuple[str, int, str]:
        offer.early = any(map(self._desk.may_be_leaving, offer.targets))
        return await self._dial(dial)

    async def _rings_again(self, offer: OfferState, cause: int) -> bool:
        if not offer.ring_again:
            rang = any(leg.ringing for leg in offer.legs)
            if len(offer.targets) > 1 or not translate.busy_early(offer, cause, ringing=rang):
                return False
            await asyncio.sleep(BUSY_S)
        return not (offer.cancelled or self.call.gone or self.session.hung_up)

    async def _join(self, command: _Join) -> None:
        leg, recording = command.leg, self.call.recording
        if self.call.absent and recording is not None:
            await self._desk.recordings.ready(self.call, self.session, recording)
        self._desk.tell(translate.joined(leg))
        if self.call.talking is not leg:
            return
        await self._make_way()
        await self.session.command(encode.bridge(leg.channel), None)
        self._talked = True
        # Bridge says 0 whoever ended it; if it was the caller, HANGUP comes before this answer
        await self.session.command(encode.dial_outcome())
        self._desk.tell(translate.parted(leg))
        self._desk.tell(translate.free_again(self.call))

    async def _connect(self, command: _Connect) -> None:
        try:
            await self._make_way()
        except AgiError:
            if command.channel:  # else it would sit there with nobody
                self._desk.withdraw(command.channel)
            raise
        self._talked = True
        # asked last: what has happened while way was made counts
        if not command.joined():
            return
        try:
            await self.session.command(command.line, None)
        finally:
            command.parted()
            self._desk.tell(translate.free_again(self.call))

    async def _make_way(self) -> None:
        """For somebody who is connected to the caller otherwise than by Dial."""
        # Bridge leaves the music on, and then drops what the other side says (measured)
        await self.session.command(encode.music_off())
        self._music = ""
        await self._desk.recordings.renew(self.call, self.session)
        self._desk.recordings.heard(self.call)
        # what Dial would leave behind: should ctid die meanwhile, the dialplan knows how it ended
        await self.session.command(encode.set_variable("DIALSTATUS", "ANSWER"))

    async def _when_free(self, command: _WhenFree) -> None:
        # before a supervisor who waits with the caller listens to its channel
        await self._desk.recordings.renew(self.call, self.session)
        command.then()

    async def _prepare(self, command: c.Offer) -> None:
        await self._back_from_talk()
        if command.caller != self._shown:
            await self._show(command.caller)
        await self._desk.recordings.renew(self.call, self.session)
        if command.recording is not None:
            await self._desk.recordings.ready(self.call, self.session, command.recording)

    async def _show(self, caller: Party) -> None:
        await self.session.command(encode.set_variable("CALLERID(num)", caller.number))
        await self.session.command(encode.set_variable("CALLERID(name)", caller.name))
        self._shown = caller

    async def _dial(self, line: str) -> tuple[str, int, str]:
        """DIALSTATUS, cause and channel of the one who answered, when Dial is over."""
        await self.session.command(line, None)
        if self.session.hung_up or self.call.gone:
            return "", 0, ""
        if self._let_go:
            return "ANSWER", 0, ""
        reply = await self.session.command(encode.dial_outcome())
        status, _, rest = reply.data.partition(",")
        cause, _, peer = rest.partition(",")
        self._talked = status == "ANSWER"
        if self._talked:
            self._desk.recordings.heard(self.call)
        return status, int(cause) if cause.isdigit() else 0, peer

    async def _send_to(self, command: c.SendTo) -> None:
        line = encode.dial_number(command.number, self._desk.trunk, command.ring_timeout_s)
        await self._back_from_talk()
        await self._desk.recordings.renew(self.call, self.session)
        self._music = ""
        status, cause, _ = await self._dial(line)
        if not self.session.hung_up:
            self._tell(
                ExternalEnded(
                    interaction=self.call.interaction, answered=status == "ANSWER", cause=cause
                )
            )

    async def _record_message(self, command: c.RecordMessage) -> None:
        path = self._desk.message_path(command.recording)
        line = encode.record_message(path, command.max_s)
        await self._hush()
        reply = await self.session.command(line, command.max_s + 30.0)
        interaction, recording = self.call.interaction, command.recording
        # told also when the caller has hung up: that is how most messages end
        if await asyncio.to_thread(path.exists):
            self._desk.tell([RecordingEnded(interaction=interaction, recording=recording)])
            outcome = StepOutcome.DONE
        else:
            reason = f"Asterisk wrote no message (RECORD FILE: {reply.code} {reply.result})"
            self._desk.tell(
                [RecordingFailed(interaction=interaction, recording=recording, reason=reason)]
            )
            outcome = StepOutcome.FAILED
        if not self.session.hung_up:
            self._tell(StepFinished(interaction=interaction, step=command.step, outcome=outcome))


async def end_known(session: AgiSession) -> None:
    """The dialplan asks about a call that has ended without our word, and that we know."""
    with contextlib.suppress(AgiError):
        await session.command(encode.set_variable(encode.VAR_DONE, "1"))
    session.close()

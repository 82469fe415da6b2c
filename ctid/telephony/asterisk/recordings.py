"""Recordings: MixMonitor on the caller's channel.

The AMI action MixMonitor needs the right ``system`` (measured, Asterisk 22.10), which ctid must not
have; so it is started over AGI before Dial, with option ``b``: it writes only while the caller is
connected. When its file is whole, :mod:`closing` says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ctid.telephony.asterisk import encode
from ctid.telephony.asterisk.ami_protocol import AmiError
from ctid.telephony.asterisk.closing import Closing
from ctid.telephony.asterisk.fastagi import AgiSession
from ctid.telephony.asterisk.legs import Call
from ctid.telephony.port import SwitchError
from routing.commands import StartRecording, StopRecording, SuspendRecording
from routing.control_facts import RecordingSuspended
from routing.facts import Fact, RecordingEnded, RecordingFailed, RecordingStarted
from routing.ids import InteractionId, RecordingId

log = structlog.get_logger(__name__)

EMPTY_MS = 60
"""Three packets: the first of them has Asterisk forget the recording that was stopped."""

AmiAction = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class _Recording:
    recording: RecordingId
    path: Path
    started: bool = False
    suspended: bool = False
    fresh: bool = True  # nobody has talked with the caller since it was begun, or renewed


class Recordings:
    """One recording for each caller's channel at a time."""

    def __init__(
        self, raw_path: Callable[[RecordingId], Path], ami: AmiAction, tell: Callable[[Fact], None]
    ) -> None:
        self._raw_path = raw_path
        self._ami = ami
        self._tell = tell
        self._by_channel: dict[str, _Recording] = {}
        self._closing = Closing()

    def adopt(self, call: Call, file: str, *, started: bool) -> None:
        """A recording that an earlier process of ours began, known by its ``file``."""
        path = Path(file)
        recording = RecordingId(path.stem)
        if call.uniqueid in self._by_channel or not recording or self._raw_path(recording) != path:
            return
        if not path.exists():  # it ended before, and was taken away: the variable stays behind
            return
        self._by_channel[call.uniqueid] = _Recording(recording, path, started, fresh=not started)

    async def ready(self, call: Call, session: AgiSession, recording: RecordingId) -> None:
        """Begin a recording that writes once the caller is connected. Raises AgiError."""
        held = self._by_channel.get(call.uniqueid)
        if held is not None and held.recording == recording:
            return
        if held is not None:
            await session.command(encode.agi("EXEC StopMixMonitor"))
            self._finish(call, held)
        path = self._raw_path(recording)
        self._closing.keep(path)
        reply = await session.command(encode.mix_monitor(path))
        if reply.ok:
            self._by_channel[call.uniqueid] = _Recording(recording, path)
        else:
            log.error("recording_not_ready", interaction=call.interaction, recording=recording)

    async def renew(self, call: Call, session: AgiSession) -> None:
        """Have a recording go on before somebody else talks with the caller. Raises AgiError.

        Debian's Asterisk keeps the RTP sequence number of the last voice that was written to the
        caller, for as long as anything is hooked to its channel, and drops the next party's
        packets from the recording while theirs are lower (docs/telephony.md).
        """
        held = self._by_channel.get(call.uniqueid)
        if held is None or held.fresh:
            return
        held.fresh = True
        await session.command(encode.agi("EXEC StopMixMonitor"))
        for line in encode.silence(EMPTY_MS):
            await session.command(line)
        await session.command(encode.mix_monitor_again(held.path))
        if held.suspended:
            await self._mute(call, suspend=True)

    def heard(self, call: Call) -> None:
        """Somebody talks with the caller, or has."""
        held = self._by_channel.get(call.uniqueid)
        if held is not None:
            held.fresh = False

    def runs(self, call: Call) -> bool:
        """Whether the caller's channel is being recorded."""
        return call.uniqueid in self._by_channel

    async def start(self, call: Call, command: StartRecording, idle: AgiSession | None) -> None:
        """``idle``: the caller's session if no Dial runs in it. Raises SwitchError."""
        if self.begun(call, command):
            return
        if idle is not None:
            await self.ready(call, idle, command.recording)
        else:
            await self._start_by_ami(call, command.recording)
        if not self.begun(call, command):
            raise SwitchError("Asterisk did not start the recording")

    def begun(self, call: Call, command: StartRecording) -> bool:
        """Call it started, if it was begun."""
        held = self._by_channel.get(call.uniqueid)
        if held is None or held.recording != command.recording:
            return False
        if not held.started:
            held.started = True
            self._tell(
                RecordingStarted(interaction=command.interaction, recording=command.recording)
            )
        return True

    async def _start_by_ami(self, call: Call, recording: RecordingId) -> None:
        path = self._raw_path(recording)
        self._closing.keep(path)
        try:
            await self._ami(
                "MixMonitor",
                {
                    "Channel": encode.channel_name(call.channel),
                    "File": encode.file_path(path),
                    "Options": "Db",
                },
                intent="record",
            )
        except AmiError as error:
            raise SwitchError(
                f"a recording that was not readied with the offer needs the AMI right 'system': "
                f"{error}"
            ) from error
        self._by_channel[call.uniqueid] = _Recording(recording, path)

    async def stop(self, call: Call | None, command: StopRecording) -> None:
        """End it now; when the caller has gone, its own end reports it. Raises SwitchError."""
        if call is None or call.gone:
            return
        held = self._by_channel.get(call.uniqueid)
        if held is None or held.recording != command.recording:
            raise SwitchError("this recording does not run")
        try:
            await self._ami(
                "StopMixMonitor", {"Channel": encode.channel_name(call.channel)}, intent="record"
            )
        except AmiError as error:
            if call.gone:
                return
            raise SwitchError(str(error)) from error
        self._finish(call, held)

    async def suspend(self, call: Call, command: SuspendRecording) -> None:
        """Have silence written for both sides, or the voices again. Raises SwitchError."""
        held = self._by_channel.get(call.uniqueid)
        if held is None or held.recording != command.recording:
            raise SwitchError("this recording does not run")
        await self._mute(call, suspend=command.suspend)
        held.suspended = command.suspend
        self._tell(
            RecordingSuspended(
                interaction=command.interaction,
                recording=command.recording,
                suspended=command.suspend,
            )
        )

    async def _mute(self, call: Call, *, suspend: bool) -> None:
        fields = {
            "Channel": encode.channel_name(call.channel),
            "Direction": "both",
            "State": "1" if suspend else "0",
        }
        try:
            await self._ami("MixMonitorMute", fields, intent="record")
        except AmiError as error:
            raise SwitchError(str(error)) from error

    def channel_ended(self, call: Call) -> None:
        """The caller's channel is gone: report the recording once its file is whole."""
        held = self._by_channel.get(call.uniqueid)
        if held is not None:
            self._finish(call, held)

    async def drained(self) -> None:
        """Wait until the ends of all recordings have been told."""
        await self._closing.drained()

    def _finish(self, call: Call, held: _Recording) -> None:
        self._by_channel.pop(call.uniqueid, None)
        self._closing.put(
            held.path,
            empty=not held.started,  # nobody answered
            then=lambda whole: self._report_end(call.interaction, held, whole=whole),
        )

    def _report_end(self, interaction: InteractionId, held: _Recording, *, whole: bool) -> None:
        if not held.started:
            return
        if whole:
            self._tell(RecordingEnded(interaction=interaction, recording=held.recording))
            return
        reason = (
            "Asterisk has not closed the recording"
            if held.path.exists()
            else "Asterisk wrote no recording: may it write into the recordings folder?"
        )
        log.error("recording_lost", recording=held.recording, path=str(held.path), why=reason)
        self._tell(
            RecordingFailed(interaction=interaction, recording=held.recording, reason=reason)
        )

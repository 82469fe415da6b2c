"""One pjsua2 call of :mod:`sim.phones.worker`: its audio, and its state told as events."""

from __future__ import annotations

import json
import os
import time
import traceback
import wave
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pjsua2 as pj

Json = dict[str, Any]
INVITE_STATES = {
    pj.PJSIP_INV_STATE_CALLING: "calling",
    pj.PJSIP_INV_STATE_EARLY: "ringing",
    pj.PJSIP_INV_STATE_CONFIRMED: "connected",
    pj.PJSIP_INV_STATE_DISCONNECTED: "disconnected",
}


#: where our lines go: pjlib prints to descriptor 1 before it can be told not to
_out = 1


def take_stdout() -> None:
    """Keep standard output for our lines alone."""
    global _out
    _out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def emit(message: Json) -> None:
    """Write one line; a reader that went away ends us."""
    try:
        os.write(_out, (json.dumps(message, ensure_ascii=True) + "\n").encode())
    except OSError:
        os._exit(0)


def event(name: str, **fields: Any) -> None:
    emit({"event": name, "t": time.monotonic(), **fields})


def caught(method: Callable[..., None]) -> Callable[..., None]:
    """An exception in a pjsua2 callback vanishes silently: report it instead."""

    def run(*args: Any) -> None:
        try:
            method(*args)
        except Exception:
            event("error", text=traceback.format_exc(limit=4))

    return run


class Phone(Protocol):
    """What a call needs of the process it lives in."""

    numbers: Iterator[int]
    calls: dict[int, ScriptedCall]
    dead: list[ScriptedCall]
    policy: Json

    def after(self, delay_s: float, what: Callable[[], None]) -> None: ...

    def tell_when_whole(self, number: int, path: str, tries: int = 500) -> None: ...


class ScriptedCall(pj.Call):  # type: ignore[misc]
    """One call: its audio in and out, and its state as events."""

    def __init__(self, phone: Phone, account: pj.Account, call_id: int | None = None) -> None:
        pj.Call.__init__(self, account, pj.PJSUA_INVALID_ID if call_id is None else call_id)
        self.phone = phone
        self.number = next(phone.numbers)
        self.audio: Json = {}
        self.record = ""
        self.hangup_after_s: float | None = None
        self.source: Any = None
        self.source_spec: Json | None = None
        self.recorder: Any = None
        self.media: Any = None
        self.held = False
        self.over = False
        self.own_account: pj.Account | None = None  # made for this call alone

    @caught
    def onCallState(self, _prm: Any) -> None:
        info = self.getInfo()
        name = INVITE_STATES.get(info.state)
        if name is None:
            return
        if name == "connected" and self.hangup_after_s is not None:
            self.phone.after(self.hangup_after_s, self.end)
        if name == "disconnected":
            self.over = True
            self.release_media()
            self.phone.calls.pop(self.number, None)
            self.phone.dead.append(self)
        event(
            name, call=self.number, code=info.lastStatusCode, reason=info.lastReason,
            remote=info.remoteUri, sip_call_id=info.callIdString,
        )  # fmt: skip

    @caught
    def onCallMediaState(self, _prm: Any) -> None:
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            active = media.status == pj.PJSUA_CALL_MEDIA_ACTIVE
            held = media.status in (
                pj.PJSUA_CALL_MEDIA_LOCAL_HOLD, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD
            )  # fmt: skip
            if held != self.held:
                self.held = held
                event("held" if held else "resumed", call=self.number)
            if active:
                self.media = self.getAudioMedia(index)
                self.connect_media()
            elif not held:
                self.media = None
            return

    @caught
    def onDtmfDigit(self, prm: Any) -> None:
        event("dtmf", call=self.number, digit=prm.digit)

    @caught
    def onCallTransferStatus(self, prm: Any) -> None:
        event(
            "transfer", call=self.number, code=prm.statusCode, reason=prm.reason,
            final=bool(prm.finalNotify),
        )  # fmt: skip
        if prm.finalNotify and prm.statusCode // 100 == 2:
            # as phones do: RFC 5589 section 6
            self.phone.after(self.phone.policy.get("leaves_after_s", 0.0), self.end)

    def connect_media(self) -> None:
        if self.media is None:
            return
        if self.record and self.recorder is None:
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(self.record)
        if self.recorder is not None:
            self.media.startTransmit(self.recorder)
        if self.source is None or self.source_spec != self.audio:
            self.drop_source()
            self.source = make_source(self.audio)
            self.source_spec = dict(self.audio)
        if self.source is not None:
            self.source.startTransmit(self.media)

    def drop_source(self) -> None:
        if self.source is not None and self.media is not None and not self.over:
            self.source.stopTransmit(self.media)
        self.source = None

    def release_media(self) -> None:
        """Destroy the audio objects; a recording is a whole file only after that."""
        self.media = None
        self.source = None
        if self.recorder is not None:
            self.recorder = None
            self.phone.tell_when_whole(self.number, self.record)

    def end(self, code: int = 0) -> None:
        if self.over:
            return
        prm = pj.CallOpParam()
        prm.statusCode = code
        self.hangup(prm)


def is_whole(path: str) -> bool:
    """Whether the WAV's header says how long it is, and that much is there."""
    try:
        with wave.open(path, "rb") as handle:
            size = handle.getnframes() * handle.getsampwidth() * handle.getnchannels()
        return 0 < size <= os.path.getsize(path) - 44
    except (OSError, EOFError, wave.Error):
        return False


def make_source(audio: Json) -> Any:
    """What a call sends: ``{"tone": hz}``, ``{"wav": path, "loop": bool}`` or nothing (silence)."""
    if "tone" in audio:
        generator = pj.ToneGenerator()
        generator.createToneGenerator(8000, 1)
        desc = pj.ToneDesc()
        desc.freq1 = int(audio["tone"])
        desc.freq2 = 0
        desc.on_msec, desc.off_msec = 1000, 0
        desc.volume = int(audio.get("volume", 8000))
        vector = pj.ToneDescVector()
        vector.append(desc)
        generator.play(vector, True)
        return generator
    if "wav" in audio:
        player = pj.AudioMediaPlayer()
        options = 0 if audio.get("loop", True) else pj.PJMEDIA_FILE_NO_LOOP
        player.createPlayer(str(audio["wav"]), options)
        return player
    return None

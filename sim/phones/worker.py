"""The process behind a :class:`sim.phones.softphone.PhoneProcess`: pjsua2, driven by JSON lines.

A command is one line on standard input, ``{"id": 7, "do": "call", ...}``; each gets one line with
the same ``re`` back, ``{"re": 7, "ok": true, ...}``. Whatever happens is a line too,
``{"event": "incoming", "t": <time.monotonic()>, ...}``. Closing standard input ends the process.

pjsua2 here is measured to want: ``threadCnt=0`` and ``mainThreadOnly`` (all callbacks come while
``libHandleEvents`` runs), the null audio device, every object held and destroyed explicitly, and
``getInfo()`` kept in a variable while its fields are read. The wheel allows 4 calls per process.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import select
import time
import traceback
import wave
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

Json = dict[str, Any]
POLL_MS = 20
MAX_CALLS = 4
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


class ScriptedCall(pj.Call):  # type: ignore[misc]
    """One call: its audio in and out, and its state as events."""

    def __init__(self, phone: Worker, account: pj.Account, call_id: int | None = None) -> None:
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
        self.own_account: ScriptedAccount | None = None  # made for this call alone

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


class ScriptedAccount(pj.Account):  # type: ignore[misc]
    """A registration, or a caller's identity without one."""

    def __init__(self, phone: Worker, name: str) -> None:
        pj.Account.__init__(self)
        self.phone = phone
        self.name = name

    @caught
    def onRegState(self, prm: Any) -> None:
        info = self.getInfo()
        good = prm.code // 100 == 2
        name = ("registered" if info.regIsActive else "unregistered") if good else "register_failed"
        event(name, account=self.name, code=prm.code, reason=prm.reason)

    @caught
    def onIncomingCall(self, prm: Any) -> None:
        call = ScriptedCall(self.phone, self, prm.callId)
        self.phone.calls[call.number] = call
        info = call.getInfo()
        event(
            "incoming", call=call.number, account=self.name, remote=info.remoteUri,
            local=info.localUri, sip_call_id=info.callIdString, message=prm.rdata.wholeMsg,
        )  # fmt: skip
        self.phone.apply_policy(call)


class Worker:
    """The endpoint, its accounts and calls, and the command loop."""

    def __init__(self) -> None:
        self.endpoint = pj.Endpoint()
        self.accounts: dict[str, ScriptedAccount] = {}
        self.calls: dict[int, ScriptedCall] = {}
        self.dead: list[ScriptedCall] = []
        self.policy: Json = {"mode": "manual"}
        self.numbers = itertools.count(1)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._ties = itertools.count()
        self._address = ""
        self._stop = False

    # ------------------------------------------------------------------ loop

    def run(self) -> None:
        buffer = b""
        os.set_blocking(0, False)
        while not self._stop:
            if self._address:
                self.endpoint.libHandleEvents(POLL_MS)
                ready = select.select([0], [], [], 0)[0]
            else:
                ready = select.select([0], [], [], 1.0)[0]
            if ready:
                data = os.read(0, 65536)
                if not data:
                    break
                buffer += data
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._command(json.loads(line))
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()
            self._bury()
        self._close()

    def after(self, delay_s: float, what: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                what()
            except pj.Error as error:
                event("error", text=error.info())

        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._ties), guarded))

    def tell_when_whole(self, number: int, path: str, tries: int = 100) -> None:
        """Say ``recorded`` once the file is whole.

        Since pjproject 2.15 the conference bridge destroys a port at its next tick, in another
        thread: the header is written some 20 ms after the recorder is gone from here.
        """
        if is_whole(path) or tries == 0:
            event("recorded", call=number, path=path, whole=tries > 0)
        else:
            self.after(0.02, lambda: self.tell_when_whole(number, path, tries - 1))

    def _bury(self) -> None:
        """Let go of calls that have ended; not inside their own callbacks."""
        while self.dead:
            account = self.dead.pop().own_account
            if account is not None:
                account.shutdown()

    def _command(self, message: Json) -> None:
        answer: Json = {"re": message.get("id"), "ok": True}
        try:
            handler = getattr(self, "do_" + str(message["do"]))
            answer.update(handler(message) or {})
        except pj.Error as error:
            answer.update(ok=False, error=error.info())
        except Exception as error:
            answer.update(ok=False, error=f"{type(error).__name__}: {error}")
        emit(answer)

    def _close(self) -> None:
        """Explicit destruction in order; the interpreter must not collect these on its own."""
        if self._address:
            self.endpoint.hangupAllCalls()
            deadline = time.monotonic() + 1.0
            while self.calls and time.monotonic() < deadline:
                self.endpoint.libHandleEvents(POLL_MS)
            for account in self.accounts.values():
                if account.getInfo().regIsActive:
                    account.setRegistration(False)
            deadline = time.monotonic() + 1.0
            while time.monotonic() < deadline and any(
                account.getInfo().regIsActive for account in self.accounts.values()
            ):
                self.endpoint.libHandleEvents(POLL_MS)
            for call in self.calls.values():
                call.release_media()
            self.dead += self.calls.values()
            self.calls.clear()
            self._bury()
            for account in self.accounts.values():
                account.shutdown()
            self.accounts.clear()
            self.endpoint.libDestroy()
        event("closed")
        os._exit(0)

    # ------------------------------------------------------------------ set-up

    def do_start(self, m: Json) -> Json:
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = MAX_CALLS
        config.uaConfig.userAgent = "ctid-phone"
        config.logConfig.level = int(m.get("log_level", 0))
        config.logConfig.consoleLevel = 0
        if m.get("log_file"):
            config.logConfig.filename = m["log_file"]
            config.logConfig.msgLogging = 1
        config.medConfig.noVad = True  # silence is sent too: a quiet phone is not a dead one
        config.medConfig.clockRate = 8000
        config.medConfig.ecTailLen = 0
        self.endpoint.libCreate()
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = m["address"]
        transport.publicAddress = m["address"]
        transport.port = int(m.get("port", 0))
        kind = pj.PJSIP_TRANSPORT_TCP if m.get("tcp") else pj.PJSIP_TRANSPORT_UDP
        number = self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            keep = codec.codecId.startswith(("PCMA/8000", "PCMU/8000"))
            self.endpoint.codecSetPriority(codec.codecId, 200 if keep else 0)
        self._address = m["address"]
        info = self.endpoint.transportGetInfo(number)
        return {"local": info.localName}

    def do_account(self, m: Json) -> None:
        """A registering account (``registrar`` set) or a bare identity."""
        config = self._account_config(m["uri"])
        if m.get("registrar"):
            config.regConfig.registrarUri = m["registrar"]
            config.regConfig.timeoutSec = int(m.get("expires_s", 120))
            config.regConfig.retryIntervalSec = 2
            config.sipConfig.authCreds.append(
                pj.AuthCredInfo("digest", "*", m["user"], 0, m["password"])
            )
        old = self.accounts.pop(m["name"], None)
        if old is not None:
            old.shutdown()
        account = ScriptedAccount(self, m["name"])
        account.create(config, not self.accounts)
        self.accounts[m["name"]] = account

    def _account_config(self, uri: str) -> Any:
        config = pj.AccountConfig()
        config.idUri = uri
        config.mediaConfig.transportConfig.boundAddress = self._address
        config.mediaConfig.transportConfig.publicAddress = self._address
        config.mediaConfig.transportConfig.port = 0
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        return config

    def do_register(self, m: Json) -> None:
        self.accounts[m["name"]].setRegistration(bool(m["on"]))

    def do_policy(self, m: Json) -> None:
        self.policy = dict(m["policy"])

    def apply_policy(self, call: ScriptedCall) -> None:
        """What happens to an incoming call without further commands."""
        policy = self.policy
        mode = policy.get("mode", "manual")
        call.audio = dict(policy.get("audio") or {})
        call.hangup_after_s = policy.get("hangup_after_s")
        if policy.get("record"):
            call.record = str(policy["record"]).replace("{call}", str(call.number))
        after_s = float(policy.get("after_s", 0.0))
        if mode == "ignore":
            return
        if mode in ("busy", "decline"):
            self.after(after_s, lambda: call.end(486 if mode == "busy" else 603))
            return
        self._answer(call, 180)
        if mode == "answer":
            self.after(after_s, lambda: self._answer(call, 200))

    @staticmethod
    def _answer(call: ScriptedCall, code: int) -> None:
        if call.over:
            return
        prm = pj.CallOpParam()
        prm.statusCode = code
        call.answer(prm)

    # ------------------------------------------------------------------ calls

    def do_call(self, m: Json) -> Json:
        own: ScriptedAccount | None = None
        if m.get("identity"):  # pjsua has room for 8 accounts, callers have more numbers than that
            own = ScriptedAccount(self, m["identity"])
            own.create(self._account_config(m["identity"]), False)
        call = ScriptedCall(self, own or self.accounts["main"])
        call.own_account = own
        call.audio = dict(m.get("audio") or {})
        call.record = str(m.get("record") or "").replace("{call}", str(call.number))
        call.hangup_after_s = m.get("hangup_after_s")
        prm = pj.CallOpParam(True)
        for name, value in (m.get("headers") or {}).items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            prm.txOption.headers.append(header)
        self.calls[call.number] = call
        try:
            call.makeCall(m["to"], prm)
        except pj.Error:
            self.calls.pop(call.number, None)
            self.dead.append(call)
            raise
        info = call.getInfo()
        return {"call": call.number, "sip_call_id": info.callIdString}

    def do_answer(self, m: Json) -> None:
        self._answer(self.calls[m["call"]], int(m.get("code", 200)))

    def do_hangup(self, m: Json) -> None:
        call = self.calls.get(m["call"])
        if call is not None:
            call.end(int(m.get("code", 0)))

    def do_hold(self, m: Json) -> None:
        self.calls[m["call"]].setHold(pj.CallOpParam(True))

    def do_unhold(self, m: Json) -> None:
        prm = pj.CallOpParam(True)
        prm.opt.flag = pj.PJSUA_CALL_UNHOLD
        self.calls[m["call"]].reinvite(prm)

    def do_dtmf(self, m: Json) -> None:
        self.calls[m["call"]].dialDtmf(m["digits"])

    def do_transfer(self, m: Json) -> None:
        """REFER to a URI, or with Replaces to another call of this phone."""
        call = self.calls[m["call"]]
        if "to_call" in m:
            call.xferReplaces(self.calls[m["to_call"]], pj.CallOpParam(True))
        else:
            call.xfer(m["to"], pj.CallOpParam(True))

    def do_play(self, m: Json) -> None:
        call = self.calls[m["call"]]
        call.audio = dict(m.get("audio") or {})
        call.connect_media()

    def do_record(self, m: Json) -> None:
        """Start a recording, or with an empty path end it."""
        call = self.calls[m["call"]]
        if call.recorder is not None:
            call.media.stopTransmit(call.recorder)
            call.recorder = None
            self.tell_when_whole(call.number, call.record)
        call.record = str(m.get("path") or "")
        if call.record:
            call.connect_media()

    def do_stop(self, _m: Json) -> None:
        self._stop = True


if __name__ == "__main__":
    take_stdout()
    Worker().run()

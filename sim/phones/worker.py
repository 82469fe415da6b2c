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
from collections.abc import Callable, Iterator
from typing import Any

import pjsua2 as pj

from sim.phones.worker_call import (
    Json,
    ScriptedCall,
    caught,
    emit,
    event,
    is_whole,
    take_stdout,
)

POLL_MS = 20
MAX_CALLS = 4
JITTER_MS = (20, 60, 160)
"""Of the jitter buffer: least and most that is held back, and what it can hold."""


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
        self.numbers: Iterator[int] = itertools.count(1)
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

    def tell_when_whole(self, number: int, path: str, tries: int = 500) -> None:
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
        # on a busy machine the jitter buffer would grow to most of a second, and what is heard
        # would be what was said then
        config.medConfig.jbInit = config.medConfig.jbMinPre = JITTER_MS[0]
        config.medConfig.jbMaxPre = JITTER_MS[1]
        config.medConfig.jbMax = JITTER_MS[2]
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
        # pjsua follows each re-INVITE by an UPDATE that leaves one codec only; Asterisk answers
        # with a re-INVITE of its own, which the phone's next one meets (RFC 3261 section 14.1)
        config.mediaConfig.lockCodecEnabled = False
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
        if len(self.calls) > int(policy.get("lines") or MAX_CALLS):
            mode = "busy"
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

"""Bare SIP phones on asyncio: hundreds in one process, times exact to the datagram.

For measurements and load, where what is said does not matter. Two kinds share one socket each:
:class:`AgentPool` answers for many numbers at one address (phones with a fixed contact, or
registered), :class:`CallerPool` calls. Audio is a few packets of silence after the answer (Asterisk
waits up to 500 ms for a caller's first packet), nothing more.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from ctid.tasks import spawn
from sim.phones.sipmsg import Message, addr, digest, media_address, respond, sdp

T1_S = 0.5  # RFC 3261 section 17: first retransmission
RTP_SILENCE = bytes([0xD5]) * 160  # 20 ms of A-law silence
RTP_PACKETS = 3


@dataclass(slots=True)
class UdpCall:
    """One call of a pool. Times are ``time.monotonic()`` in seconds, 0 when it did not happen."""

    number: str  # the pool's own party: agent's number, or caller's
    call_id: str
    remote: str = ""  # From value of an incoming call, number that was called of an outgoing one
    invite_at: float = 0.0
    answered_at: float = 0.0
    bye_at: float = 0.0  # when either side's BYE was sent or came
    ended_by: str = ""  # us, them, cancelled, refused, timeout
    status: int = 0  # final status of the INVITE
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    # dialog
    local: str = ""
    peer: str = ""
    target: str = ""
    cseq: int = 1
    media: tuple[str, int] | None = None
    invite: Message | None = None
    last_response: Message | None = None
    acked: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def finish(self, how: str) -> None:
        if not self.ended.is_set():
            self.ended_by = how
            for timer in self.timers:
                timer.cancel()
            self.timers.clear()
            self.ended.set()


class UdpEndpoint(asyncio.DatagramProtocol):
    """A socket, its transactions, and what both kinds of pools share."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.calls: dict[str, UdpCall] = {}
        self.finished: list[UdpCall] = []
        self.counts: Counter[str] = Counter()
        self._transport: asyncio.DatagramTransport | None = None
        self._rtp: socket.socket | None = None
        self._branches = itertools.count(1)
        self._waiting: dict[tuple[str, str], asyncio.Future[Message]] = {}  # branch, method
        self._seed = f"{host.replace('.', '')}{time.monotonic_ns():x}"

    async def start(self) -> Self:
        loop = asyncio.get_running_loop()
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.setblocking(False)
        self._rtp.bind((self.host, 0))
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self.host, self.port)
        )
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def close(self) -> None:
        """End every call, then the socket."""
        for call in list(self.calls.values()):
            self.hangup(call)
        pending = [call for call in self.calls.values() if not call.ended.is_set()]
        if pending:
            waits = [spawn(call.ended.wait(), name="udp-call-end") for call in pending]
            _, late = await asyncio.wait(waits, timeout=2.0)
            for task in late:
                task.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._rtp is not None:
            self._rtp.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # ------------------------------------------------------------------ datagrams

    def datagram_received(self, data: bytes, source: tuple[str | Any, int]) -> None:
        message = Message.parse(data)
        if message is None:
            return
        if message.status:
            waiter = self._waiting.get((message.branch, message.cseq[1]))
            if waiter is not None and not waiter.done() and message.status >= 200:
                waiter.set_result(message)
            self.on_response(message, source)
        else:
            self.on_request(message, source)

    def send(self, message: Message, to: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(message.build(), to)

    def on_request(self, request: Message, source: tuple[str, int]) -> None:
        """In-dialog requests and everything but INVITE; pools add what is theirs."""
        call = self.calls.get(request.call_id)
        method = request.method
        if method == "ACK":
            if call is not None:
                call.acked = True
        elif method == "BYE":
            self.send(respond(request, 200, "OK"), source)
            if call is not None:
                call.bye_at = time.monotonic()
                self._over(call, "them")
        elif method in ("OPTIONS", "NOTIFY", "UPDATE", "INFO"):
            self.send(respond(request, 200, "OK", tag="o"), source)
        elif method == "INVITE" and call is not None and call.answered.is_set():  # hold, T.38, ...
            answer = respond(
                request, 200, "OK", extra=self._contact(call.number), body=self._sdp()
            )
            self.send(answer, source)
        else:
            self.send(respond(request, 405, "Method Not Allowed", tag="n"), source)

    def on_response(self, response: Message, source: tuple[str, int]) -> None:
        """For pools that call."""

    # ------------------------------------------------------------------ parts

    def hangup(self, call: UdpCall) -> None:
        """BYE for an answered call; pools add what fits before that."""
        if call.answered.is_set() and not call.ended.is_set() and not call.bye_at:
            call.bye_at = time.monotonic()
            spawn(self._bye(call), name="udp-bye")

    async def _bye(self, call: UdpCall) -> None:
        call.cseq += 1
        headers = [("From", call.local), ("To", call.peer), ("Call-ID", call.call_id),
                   ("CSeq", f"{call.cseq} BYE")]  # fmt: skip
        answer = await self.transact(Message(method="BYE", uri=call.target, headers=headers))
        self._over(call, "us" if answer is not None else "timeout")

    async def transact(self, request: Message, *, to: tuple[str, int] | None = None) -> Message | None:
        """Send a non-INVITE request until it is answered; None after 32 T1."""
        target = to or _host_port(request.uri)
        branch = self.new_branch()
        request.headers[:0] = [
            ("Via", f"SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport"),
            ("Max-Forwards", "70"),
        ]
        waiter: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        key = (branch, request.method)
        self._waiting[key] = waiter
        try:
            pause_s = T1_S
            for _ in range(7):
                self.send(request, target)
                done, _ = await asyncio.wait([waiter], timeout=pause_s)
                if done:
                    return waiter.result()
                self.counts["retransmitted"] += 1
                pause_s = min(4.0, pause_s * 2)
            return None
        finally:
            self._waiting.pop(key, None)

    def new_branch(self) -> str:
        return f"z9hG4bK{self._seed}{next(self._branches)}"

    def _contact(self, user: str) -> list[tuple[str, str]]:
        return [
            ("Contact", f"<sip:{user}@{self.host}:{self.port}>"),
            ("Content-Type", "application/sdp"), ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS"),
        ]  # fmt: skip

    def _sdp(self) -> str:
        assert self._rtp is not None
        return sdp(self.host, self._rtp.getsockname()[1])

    def _touch_media(self, call: UdpCall) -> None:
        """Some packets of silence, so that the far end knows that audio flows."""
        if call.media is None or self._rtp is None:
            return
        ssrc = (hash(call.call_id) & 0xFFFFFFFF).to_bytes(4, "big")
        for index in range(RTP_PACKETS):
            header = bytes([0x80, 8]) + index.to_bytes(2, "big") + (index * 160).to_bytes(4, "big")
            try:
                self._rtp.sendto(header + ssrc + RTP_SILENCE, call.media)
            except OSError:
                return

    def _over(self, call: UdpCall, how: str) -> None:
        if call.ended.is_set():
            return
        self.counts[how] += 1
        call.finish(how)
        self.finished.append(call)
        self.calls.pop(call.call_id, None)


def _host_port(uri: str) -> tuple[str, int]:
    host, _, port = addr(uri).split("@")[-1].split(";")[0].removeprefix("sip:").partition(":")
    return host, int(port or 5060)


class AgentPool(UdpEndpoint):
    """Phones of many agents at one address. Each takes one call at a time, others get 486.

    ``answer_after_s`` and ``talk_s`` may be functions of the agent's number (a schedule, a seeded
    draw). ``talk_s`` None: the other side ends the call, or :meth:`hangup`. Every INVITE is
    remembered in ``invites`` as (agent, time), every BYE we send in ``byes``: their distance is
    the idle gap.
    """

    def __init__(
        self,
        host: str = "127.0.0.3",
        port: int = 0,
        *,
        answer_after_s: float | Callable[[str], float] = 0.0,
        talk_s: float | None | Callable[[str], float | None] = None,
        ring: bool = True,
        refuse: int = 0,
    ) -> None:
        super().__init__(host, port)
        self.answer_after_s = answer_after_s
        self.talk_s = talk_s
        self.ring = ring
        self.refuse = refuse  # status to refuse with (486, 603), 0: answer
        self.invites: list[tuple[str, float]] = []
        self.byes: list[tuple[str, float]] = []
        self.busy: dict[str, UdpCall] = {}
        self.on_call: Callable[[UdpCall], None] | None = None
        self.on_end: Callable[[UdpCall], None] | None = None

    def contacts(self, users: Iterable[str]) -> dict[str, str]:
        """``static_phones`` for a :class:`~sim.lab.Lab` whose phones live here."""
        return {user: f"sip:{user}@{self.host}:{self.port}" for user in users}

    async def register(
        self, server: tuple[str, int], credentials: Mapping[str, str], *, expires_s: int = 3600
    ) -> None:
        """Register every user of ``credentials`` (user -> password). Raises RuntimeError."""
        waits = [self._register(server, u, p, expires_s) for u, p in credentials.items()]
        await asyncio.gather(*waits)

    async def _register(
        self, server: tuple[str, int], user: str, password: str, expires_s: int
    ) -> None:
        uri = f"sip:{server[0]}:{server[1]}"
        identity = f"<sip:{user}@{server[0]}:{server[1]}>"
        authorization = ""
        for cseq in (1, 2):
            headers = [
                ("From", f"{identity};tag=r{user}"), ("To", identity),
                ("Call-ID", f"reg-{self._seed}-{user}"), ("CSeq", f"{cseq} REGISTER"),
                ("Contact", f"<sip:{user}@{self.host}:{self.port}>"),
                ("Expires", str(expires_s)),
            ]  # fmt: skip
            if authorization:
                headers.append(("Authorization", authorization))
            answer = await self.transact(
                Message(method="REGISTER", uri=uri, headers=headers), to=server
            )
            if answer is None:
                raise RuntimeError(f"{user}: no answer to REGISTER")
            if answer.status == 200:
                return
            challenge = answer.get("www-authenticate")
            if answer.status != 401 or not challenge or authorization:
                raise RuntimeError(f"{user}: REGISTER refused, {answer.status} {answer.reason}")
            authorization = digest(challenge, user, password, "REGISTER", uri)

    # ------------------------------------------------------------------ requests

    def on_request(self, request: Message, source: tuple[str, int]) -> None:
        call = self.calls.get(request.call_id)
        if request.method == "INVITE" and call is None:
            self._invited(request, source)
        elif request.method == "INVITE" and call is not None and not call.answered.is_set():
            if call.last_response is not None:  # a retransmission
                self.send(call.last_response, source)
        elif request.method == "CANCEL":
            self._cancelled(request, source, call)
        else:
            super().on_request(request, source)

    def _invited(self, request: Message, source: tuple[str, int]) -> None:
        now = time.monotonic()
        user = request.user
        self.invites.append((user, now))
        self.counts["invites"] += 1
        if self.refuse or user in self.busy:
            status = self.refuse or 486
            self.send(respond(request, status, "Busy Here", tag="b"), source)
            self.counts["refused"] += 1
            return
        call = UdpCall(number=user, call_id=request.call_id, remote=request.get("from"))
        call.invite_at, call.invite = now, request
        call.media = media_address(request.body)
        call.local = f"{request.get('to')};tag=a{next(self._branches)}"
        call.peer, call.target = request.get("from"), addr(request.get("contact"))
        self.calls[call.call_id] = call
        self.busy[user] = call
        if self.ring:
            self._reply(call, 180, "Ringing", source)
        delay = self.answer_after_s(user) if callable(self.answer_after_s) else self.answer_after_s
        self._later(call, delay, lambda: self._answer(call, source))
        if self.on_call is not None:
            self.on_call(call)

    def _reply(
        self, call: UdpCall, status: int, reason: str, source: tuple[str, int], body: str = ""
    ) -> None:
        assert call.invite is not None
        tag = call.local.rpartition("tag=")[2]
        extra = self._contact(call.number) if body else self._contact(call.number)[:1]
        call.last_response = respond(call.invite, status, reason, tag=tag, extra=extra, body=body)
        self.send(call.last_response, source)

    def _answer(self, call: UdpCall, source: tuple[str, int]) -> None:
        if call.ended.is_set():
            return
        self._reply(call, 200, "OK", source, self._sdp())
        call.answered_at, call.status = time.monotonic(), 200
        call.answered.set()
        self.counts["answered"] += 1
        self._touch_media(call)
        self._repeat_until_acked(call, source, T1_S)
        talk_s = self.talk_s(call.number) if callable(self.talk_s) else self.talk_s
        if talk_s is not None:
            self._later(call, talk_s, lambda: self.hangup(call))

    def _repeat_until_acked(self, call: UdpCall, source: tuple[str, int], pause_s: float) -> None:
        def again() -> None:
            if not call.acked and call.last_response is not None and pause_s < 8:
                self.counts["retransmitted"] += 1
                self.send(call.last_response, source)
                self._repeat_until_acked(call, source, pause_s * 2)

        self._later(call, pause_s, again)

    def _cancelled(self, request: Message, source: tuple[str, int], call: UdpCall | None) -> None:
        self.send(respond(request, 200, "OK", tag="c"), source)
        if call is not None and not call.answered.is_set():
            self._reply(call, 487, "Request Terminated", source)
            call.status = 487
            self._over(call, "cancelled")

    def hangup(self, call: UdpCall) -> None:
        if call.answered.is_set() and not call.ended.is_set() and not call.bye_at:
            self.byes.append((call.number, time.monotonic()))
        super().hangup(call)

    def _over(self, call: UdpCall, how: str) -> None:
        super()._over(call, how)
        if self.busy.get(call.number) is call:
            del self.busy[call.number]
        if self.on_end is not None:
            self.on_end(call)

    @staticmethod
    def _later(call: UdpCall, delay_s: float, what: Callable[[], None]) -> None:
        call.timers.append(asyncio.get_running_loop().call_later(delay_s, what))

    def idle_gaps_s(self) -> list[float]:
        """From each BYE we sent to the next INVITE for the same agent."""
        gaps: list[float] = []
        for user, bye_at in self.byes:
            later = [at for who, at in self.invites if who == user and at > bye_at]
            if later:
                gaps.append(later[0] - bye_at)
        return gaps


class CallerPool(UdpEndpoint):
    """Callers at one address; Asterisk knows them by it (``trunk_source`` of the lab)."""

    def __init__(self, server: tuple[str, int], host: str = "127.0.0.2", port: int = 0) -> None:
        super().__init__(host, port)
        self.server = server

    def call(
        self,
        number: str,
        *,
        caller: str = "anonymous",
        name: str = "",
        talk_s: float | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> UdpCall:
        """Call ``number`` and give the call at once; ``talk_s`` after the answer we hang up."""
        call_id = f"c{self._seed}-{next(self._branches)}"
        shown = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '" ' if name else ""
        call = UdpCall(number=caller, call_id=call_id, remote=number)
        call.local = f"{shown}<sip:{caller}@{self.host}:{self.port}>;tag=t{next(self._branches)}"
        call.target = f"sip:{number}@{self.server[0]}:{self.server[1]}"
        call.peer = f"<{call.target}>"
        self.calls[call_id] = call
        call.invite = Message(
            method="INVITE", uri=call.target, body=self._sdp(),
            headers=[
                ("Via", f"SIP/2.0/UDP {self.host}:{self.port};branch={self.new_branch()};rport"),
                ("Max-Forwards", "70"), ("From", call.local), ("To", call.peer),
                ("Call-ID", call_id), ("CSeq", "1 INVITE"), *self._contact(caller), *headers,
            ],
        )  # fmt: skip
        call.invite_at = time.monotonic()
        self.counts["invites"] += 1
        spawn(self._run(call, talk_s), name="udp-caller")
        return call

    async def _run(self, call: UdpCall, talk_s: float | None) -> None:
        assert call.invite is not None
        pause_s = T1_S
        for _ in range(7):  # until anything is heard, RFC 3261 17.1.1
            self.send(call.invite, self.server)
            await asyncio.sleep(pause_s)
            if call.status or call.ended.is_set():
                break
            self.counts["retransmitted"] += 1
            pause_s *= 2
        else:
            self._over(call, "timeout")
            return
        await call.answered.wait()
        if talk_s is not None and not call.ended.is_set():
            rest_s = call.answered_at + talk_s - time.monotonic()
            if rest_s > 0:
                await asyncio.wait([spawn(call.ended.wait(), name="udp-talk")], timeout=rest_s)
            self.hangup(call)

    def on_response(self, response: Message, source: tuple[str, int]) -> None:
        call = self.calls.get(response.call_id)
        if call is None or call.invite is None or response.cseq[1] != "INVITE":
            return
        call.status = response.status
        if response.status < 200:
            return
        if response.status < 300:
            call.target, call.peer = addr(response.get("contact")), response.get("to")
            call.media = media_address(response.body)
            self._ack(call, call.target, self.new_branch(), source)
            if not call.answered.is_set():
                call.answered_at = time.monotonic()
                self.counts["answered"] += 1
                self._touch_media(call)
                call.answered.set()
            return
        self._ack(call, call.invite.uri, call.invite.branch, source, to=response.get("to"))
        how = "cancelled" if response.status == 487 else "refused"
        self._over(call, how)
        call.answered.set()  # frees _run

    def _ack(
        self, call: UdpCall, uri: str, branch: str, source: tuple[str, int], *, to: str = ""
    ) -> None:
        via = f"SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport"
        headers = [("Via", via), ("Max-Forwards", "70"), ("From", call.local),
                   ("To", to or call.peer), ("Call-ID", call.call_id), ("CSeq", "1 ACK")]  # fmt: skip
        self.send(Message(method="ACK", uri=uri, headers=headers), source)

    def hangup(self, call: UdpCall) -> None:
        """BYE, or CANCEL before the answer."""
        if call.answered.is_set() or call.invite is None or call.ended.is_set():
            super().hangup(call)
            return
        call.bye_at = time.monotonic()
        kept = [(n, v) for n, v in call.invite.headers if n in ("Via", "From", "To", "Call-ID")]
        headers = [*kept, ("Max-Forwards", "70"), ("CSeq", "1 CANCEL")]
        cancel = Message(method="CANCEL", uri=call.invite.uri, headers=headers)
        self.send(cancel, self.server)

"""A bare SIP user agent on asyncio: socket, dialogs and transactions (RFC 3261) of many calls.

:mod:`sim.phones.udp` makes agents and callers from it. Audio is a few packets of silence after the
answer (Asterisk waits up to 500 ms for a caller's first packet), nothing more.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from ctid.tasks import spawn
from sim.phones.sipmsg import Message, addr, respond, sdp

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
            answer = respond(request, 200, "OK", extra=self._contact(call.number), body=self._sdp())
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

    async def transact(
        self, request: Message, *, to: tuple[str, int] | None = None
    ) -> Message | None:
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

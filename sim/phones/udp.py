"""Bare SIP phones: hundreds in one process, times exact to the datagram.

For measurements and load, where what is said does not matter. :class:`AgentPool` answers for many
numbers at one address (phones with a fixed contact, or registered), :class:`CallerPool` calls. Each
has one socket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from ctid.tasks import spawn
from sim.phones.sipmsg import Message, addr, digest, media_address, respond
from sim.phones.useragent import T1_S, UdpCall, UdpEndpoint

__all__ = ["AgentPool", "CallerPool", "UdpCall"]


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
        talk_s: float | Callable[[str], float | None] | None = None,
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
        if "answer-after=0" in request.get("call-info"):  # as desk phones do
            delay = 0.0
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
        headers = [
            ("Via", via), ("Max-Forwards", "70"), ("From", call.local), ("To", to or call.peer),
            ("Call-ID", call.call_id), ("CSeq", "1 ACK"),
        ]  # fmt: skip
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

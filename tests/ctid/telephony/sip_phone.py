"""A tiny SIP phone (RFC 3261 over UDP) whose every step a test can await and time.

It sends no media: what is heard is checked with pjsua2 phones elsewhere.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from dataclasses import dataclass, field
from typing import cast

_ids = itertools.count(1)


def _headers(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.split("\r\n\r\n", 1)[0].split("\r\n")[1:]:
        name, _, value = line.partition(":")
        found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


@dataclass
class Dialog:
    """One call of the phone, incoming or outgoing."""

    phone: SipPhone
    call_id: str
    incoming: bool
    remote: tuple[str, int]
    local_uri: str = ""
    remote_uri: str = ""
    target: str = ""
    invite: dict[str, list[str]] = field(default_factory=dict)
    cseq: int = 1
    at: dict[str, float] = field(default_factory=dict)
    status: list[int] = field(default_factory=list)
    events: dict[str, asyncio.Event] = field(default_factory=dict)
    branch: str = ""
    raw_invite: str = ""

    def mark(self, what: str) -> None:
        self.at.setdefault(what, time.monotonic())
        self.events.setdefault(what, asyncio.Event()).set()

    async def until(self, what: str, timeout_s: float = 5.0) -> float:
        """Wait for ``invite``, ``ringing``, ``answered``, ``acked``, ``bye``, ``cancel``, ``final``."""
        await asyncio.wait_for(self.events.setdefault(what, asyncio.Event()).wait(), timeout_s)
        return self.at[what]

    def has(self, what: str) -> bool:
        return what in self.at

    # incoming
    def respond(self, code: int, reason: str, *, sdp: bool = False) -> None:
        h = self.invite
        lines = [f"SIP/2.0 {code} {reason}"]
        lines += [f"Via: {v}" for v in h["via"]]
        lines += [
            f"From: {h['from'][0]}",
            f"To: {h['to'][0]};tag={self.phone.tag}" if code > 100 else f"To: {h['to'][0]}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {h['cseq'][0]}",
            f"Contact: <sip:{self.phone.user}@{self.phone.host}:{self.phone.port}>",
        ]
        self.phone.send(lines, self.remote, self.phone.sdp() if sdp else "")

    def ring(self) -> None:
        self.respond(180, "Ringing")

    def answer(self) -> None:
        self.respond(200, "OK", sdp=True)

    def decline(self, code: int = 486, reason: str = "Busy Here") -> None:
        self.respond(code, reason)

    def hang_up(self) -> None:
        self.cseq += 1
        self.phone.send(
            [
                f"BYE {self.target or self.remote_uri} SIP/2.0",
                f"Via: SIP/2.0/UDP {self.phone.host}:{self.phone.port};branch=z9hG4bK{next(_ids)}b",
                "Max-Forwards: 70",
                f"From: {self.local_uri}",
                f"To: {self.remote_uri}",
                f"Call-ID: {self.call_id}",
                f"CSeq: {self.cseq} BYE",
            ],
            self.remote,
        )
        self.at["bye_sent"] = time.monotonic()

    def cancel(self) -> None:
        self.phone.send(
            [
                f"CANCEL {self.target} SIP/2.0",
                f"Via: {self.branch}",
                "Max-Forwards: 70",
                f"From: {self.local_uri}",
                f"To: {self.remote_uri}",
                f"Call-ID: {self.call_id}",
                "CSeq: 1 CANCEL",
            ],
            self.remote,
        )


class SipPhone(asyncio.DatagramProtocol):
    """``auto``: what to do with an incoming call (``answer``, ``ring``, ``busy``, ``none``)."""

    def __init__(self, user: str, host: str, port: int, auto: str = "answer") -> None:
        self.user, self.host, self.port, self.auto = user, host, port, auto
        self.tag = f"t{next(_ids)}"
        self.dialogs: dict[str, Dialog] = {}
        self.incoming: asyncio.Queue[Dialog] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None

    async def start(self) -> SipPhone:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, self.port))
        return self

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def sdp(self) -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=audio {self.port + 20000} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
        )

    def send(self, lines: list[str], to: tuple[str, int], body: str = "") -> None:
        if body:
            lines = [*lines, "Content-Type: application/sdp"]
        text = "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body])
        assert self.transport is not None
        self.transport.sendto(text.encode(), to)

    def call(self, pbx: tuple[str, int], number: str, caller: str = "13800000001",
             name: str = "") -> Dialog:
        """Dial ``number`` at the PBX."""
        call_id = f"c{next(_ids)}@{self.host}"
        branch = f"SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{next(_ids)}i"
        shown = f'"{name}" ' if name else ""
        d = Dialog(
            phone=self, call_id=call_id, incoming=False, remote=pbx,
            local_uri=f"{shown}<sip:{caller}@{self.host}>;tag={self.tag}{next(_ids)}",
            remote_uri=f"<sip:{number}@{pbx[0]}>", target=f"sip:{number}@{pbx[0]}:{pbx[1]}",
            branch=branch,
        )
        self.dialogs[call_id] = d
        self.send(
            [
                f"INVITE {d.target} SIP/2.0",
                f"Via: {branch}",
                "Max-Forwards: 70",
                f"From: {d.local_uri}",
                f"To: {d.remote_uri}",
                f"Call-ID: {call_id}",
                "CSeq: 1 INVITE",
                f"Contact: <sip:{self.user}@{self.host}:{self.port}>",
            ],
            pbx,
            self.sdp(),
        )
        d.at["invite_sent"] = time.monotonic()
        return d

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode()
        h = _headers(text)
        call_id = h["call-id"][0]
        first = text.split("\r\n", 1)[0]
        if first.startswith("SIP/2.0"):
            self._reply(self.dialogs.get(call_id), int(first.split()[1]), h, addr)
            return
        method = first.split()[0]
        if method == "INVITE":
            self._invited(text, h, call_id, addr)
            return
        d = self.dialogs.get(call_id)
        if d is None or method != "ACK":
            lines = ["SIP/2.0 200 OK"] if d or method == "OPTIONS" else ["SIP/2.0 481 No"]
            lines += [f"Via: {v}" for v in h["via"]]
            lines += [f"From: {h['from'][0]}", f"To: {h['to'][0]}", f"Call-ID: {call_id}",
                      f"CSeq: {h['cseq'][0]}"]
            self.send(lines, addr)
        if d is None:
            return
        d.mark({"BYE": "bye", "ACK": "acked", "CANCEL": "cancel"}.get(method, method.lower()))
        if method == "CANCEL":
            d.respond(487, "Request Terminated")

    def _invited(self, text: str, h: dict[str, list[str]], call_id: str,
                 addr: tuple[str, int]) -> None:
        known = self.dialogs.get(call_id)
        if known is not None:  # re-INVITE or retransmission
            if re.search(r"tag=", h["to"][0]):
                known.invite = h
                lines = ["SIP/2.0 200 OK", *[f"Via: {v}" for v in h["via"]],
                         f"From: {h['from'][0]}", f"To: {h['to'][0]}", f"Call-ID: {call_id}",
                         f"CSeq: {h['cseq'][0]}",
                         f"Contact: <sip:{self.user}@{self.host}:{self.port}>"]
                self.send(lines, addr, self.sdp())
            return
        contact = re.search(r"<([^>]+)>", h["contact"][0])
        d = Dialog(
            phone=self, call_id=call_id, incoming=True, remote=addr, invite=h,
            local_uri=f"{h['to'][0]};tag={self.tag}", remote_uri=h["from"][0],
            target=contact.group(1) if contact else "", raw_invite=text,
        )
        self.dialogs[call_id] = d
        d.mark("invite")
        self.incoming.put_nowait(d)
        if self.auto == "busy":
            d.decline()
        elif self.auto in ("ring", "answer"):
            d.ring()
            if self.auto == "answer":
                d.answer()

    def _reply(self, d: Dialog | None, code: int, h: dict[str, list[str]],
               addr: tuple[str, int]) -> None:
        if d is None or "INVITE" not in h["cseq"][0]:
            return
        d.status.append(code)
        if code == 180:
            d.mark("ringing")
        if code >= 200:
            d.remote_uri = h["to"][0]
            contact = re.search(r"<([^>]+)>", h.get("contact", [""])[0])
            if contact:
                d.target = contact.group(1)
            via = d.branch if code >= 300 else (
                f"SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{next(_ids)}a")
            self.send(
                [f"ACK {d.target} SIP/2.0", f"Via: {via}", "Max-Forwards: 70",
                 f"From: {d.local_uri}", f"To: {d.remote_uri}", f"Call-ID: {d.call_id}",
                 "CSeq: 1 ACK"],
                addr,
            )
            d.mark("answered" if code < 300 else "final")

"""FastAGI server: reads sessions and carries their commands, one at a time.

A peer that sends too much, too slowly or nonsense loses its session; no other one notices.
Source: Asterisk documentation, "AGI"; ``res_agi.c`` for replies and the line ``HANGUP``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple, cast

import structlog

from ctid.telephony.asterisk.encode import decode_text

log = structlog.get_logger(__name__)

MAX_LINE = 4096
MAX_HEADERS = 100
QUICK_S = 5.0
"""A command that does not wait for people is answered in well under a millisecond."""


DEAD = 511


@dataclass(frozen=True, slots=True, kw_only=True)
class AgiSettings:
    """Where the FastAGI server listens and whom it lets in. Port 0: any free one."""

    host: str = "127.0.0.1"
    port: int = 4573
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    max_sessions: int = 4000
    header_timeout_s: float = 5.0

    def networks(self) -> list[IPv4Network | IPv6Network]:
        """The allow-list. Raises ValueError for what is no network."""
        return [ip_network(a, strict=False) for a in self.allow]


class AgiError(Exception):
    """The session can carry nothing any more (peer gone, nonsense, no answer in time)."""


class AgiReply(NamedTuple):
    """``code`` 200: done; 510: unknown command; 511: the channel is gone; 520: wrong usage.

    ``result`` is -1 when the application failed or the caller hung up; ``data`` is what stands in
    brackets.
    """

    code: int
    result: str
    data: str

    @property
    def ok(self) -> bool:
        return self.code == 200 and self.result != "-1"


def parse_reply(line: str) -> AgiReply:
    """One reply line. Raises AgiError if it is none."""
    code, _, rest = line.partition(" ")
    if not code[:3].isdigit() or len(code) < 3:
        raise AgiError(f"not an AGI reply: {line[:80]!r}")
    if code[:3] != "200":
        return AgiReply(int(code[:3]), "", line[4:])
    if not rest.startswith("result="):
        raise AgiError(f"not an AGI reply: {line[:80]!r}")
    result, _, data = rest[len("result=") :].partition(" ")
    start, end = data.find("("), data.rfind(")")
    return AgiReply(200, result, data[start + 1 : end] if 0 <= start < end else data)


def _decoded(lines: list[bytes]) -> list[str]:
    """``decode_text`` of each line, in one go where all of it is UTF-8."""
    if not lines:
        return []
    try:
        text = b"\n".join(lines).decode("utf-8")
    except UnicodeDecodeError:
        return [decode_text(line.rstrip(b"\r")) for line in lines]
    return [line.rstrip("\r") for line in text.split("\n")]


class AgiSession(asyncio.Protocol):
    """One caller's session. Callbacks are set by whoever takes it: ``on_hangup``, ``on_close``."""

    def __init__(self, server: AgiServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._in_header = True
        self._usage = False
        self._deadline: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Future[AgiReply] | None = None
        self.headers: dict[str, str] = {}
        self.peer = ""
        self.hung_up = False
        self.closed = False
        self.on_hangup: Callable[[], None] | None = None
        self.on_close: Callable[[], None] | None = None

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._socket = transport.get_extra_info("socket")
        peername = transport.get_extra_info("peername")
        self.peer = str(peername[0]) if peername else ""
        if not self._server.admit(self):
            self.closed = True
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        timeout_s = self._server.settings.header_timeout_s
        self._deadline = loop.call_later(timeout_s, self._break, "no header in time")

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        buffer = self._buffer + data
        *lines, rest = buffer.split(b"\n")
        if len(buffer) > MAX_LINE and any(len(line) > MAX_LINE for line in (*lines, rest)):
            self._break("line too long")
            return
        self._buffer = rest
        try:
            if self._in_header:
                lines = self._headers_of(lines)
            for line in lines:
                self._line(decode_text(line.rstrip(b"\r")))
                if self.closed:
                    return
        except AgiError as error:
            self._break(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    # --- lines ---

    def _line(self, line: str) -> None:
        if line == "HANGUP":
            self.hung_up = True
            self.acknowledge()  # the running command's reply comes next
            if self.on_hangup is not None:
                self.on_hangup()
        elif self._usage:
            if line.startswith("520 "):
                self._usage = False
                self._reply(AgiReply(520, "", "wrong usage"))
        elif line.startswith("520-"):
            self._usage = True
        elif line.startswith("100 "):
            pass  # "Trying": the reply proper follows
        else:
            self._reply(parse_reply(line))

    def _headers_of(self, lines: list[bytes]) -> list[bytes]:
        """Take headers up to the empty line; returns what stands behind it."""
        headers = self.headers
        for n, line in enumerate(_decoded(lines)):
            if not line:
                self._begin()
                return [] if self.closed else lines[n + 1 :]
            name, sep, value = line.partition(":")
            if not sep or not name.startswith("agi_"):
                raise AgiError("not an AGI header")
            if len(headers) >= MAX_HEADERS:
                raise AgiError("too many headers")
            # the first wins: Asterisk sends unique id and channel before anything the caller chose
            headers.setdefault(name, value.strip())
        return []

    def _begin(self) -> None:
        if "agi_uniqueid" not in self.headers or "agi_channel" not in self.headers:
            raise AgiError("header without unique id or channel")
        self._in_header = False
        if self._deadline is not None:
            self._deadline.cancel()
        self.acknowledge()
        self._server.on_session(self)

    def _reply(self, reply: AgiReply) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            raise AgiError("a reply that nobody asked for")
        if not waiting.done():
            waiting.set_result(reply)

    # --- use ---

    async def command(self, line: str, timeout_s: float | None = QUICK_S) -> AgiReply:
        """Send one command and wait for its reply (``None``: for as long as the channel lives).

        Raises AgiError when the session is or gets closed. A command that is not answered in time
        closes the session: what the channel does is not known any more.
        """
        if self.closed or self._transport is None:
            raise AgiError("the session is closed")
        if self._waiting is not None:
            raise AgiError("another command is running")
        waiting: asyncio.Future[AgiReply] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._transport.write(line.encode() + b"\n")
        if timeout_s is None:
            return await waiting
        late = asyncio.get_running_loop().call_later(
            timeout_s, self._break, f"no answer in time ({timeout_s:g} s) to {line[:60]!r}"
        )
        try:
            return await waiting
        finally:
            late.cancel()

    async def close_if_dead(self) -> None:
        """Close it if its channel was hung up before it began: Asterisk then runs it as a DeadAGI,
        without ever a line HANGUP, and keeps the channel for as long as it is open (measured)."""
        with contextlib.suppress(AgiError):
            if (await self.command("CHANNEL STATUS")).code == DEAD:
                self.close()
            else:
                self.acknowledge()

    def acknowledge(self) -> None:
        """Tell Asterisk at once that its last line has arrived; for when no command follows.

        Asterisk writes a reply and ``HANGUP`` separately, with Nagle's algorithm on: the second
        waits for the acknowledgement of the first, which the next command carries or which comes
        40 ms late (measured; tcp(7), TCP_QUICKACK).
        """
        if self._socket is not None and not self.closed:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    @property
    def idle(self) -> bool:
        """Whether no command is running."""
        return self._waiting is None

    def close(self) -> None:
        """End the session: the dialplan goes on after its AGI line."""
        if self._transport is not None and not self.closed:
            self._transport.close()
        self._end()

    def _break(self, why: str) -> None:
        log.warning("agi_session_broken", peer=self.peer, why=why)
        if self._transport is not None:
            self._transport.abort()
        self._end(why)

    def _end(self, why: str = "the session is closed") -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self.closed:
            return
        self.closed = True
        self._server.forget(self)
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(AgiError(why))
            waiting.exception()  # the one who waited may be gone
        if self.on_close is not None:
            self.on_close()


@dataclass(slots=True)
class _Counts:
    refused: int = 0
    admitted_peer: str = ""
    sessions: set[AgiSession] = field(default_factory=set)
    refused_peers: deque[str] = field(default_factory=lambda: deque(maxlen=32))


class AgiServer:
    """Listens, admits, and hands each session over once its header is whole."""

    def __init__(self, settings: AgiSettings, on_session: Callable[[AgiSession], None]) -> None:
        self.settings = settings
        self.on_session = on_session
        self._networks = settings.networks()
        self._counts = _Counts()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen. Raises OSError (address in use, no such address)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: AgiSession(self), self.settings.host, self.settings.port, backlog=1024
        )

    @property
    def port(self) -> int:
        """The port in use. Raises RuntimeError before ``start``."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the FastAGI server does not listen")
        return int(self._server.sockets[0].getsockname()[1])

    def admit(self, session: AgiSession) -> bool:
        """Whether a new connection may stay."""
        if not self._allows(session.peer):
            self._counts.refused += 1
            # said once for each peer, not for each knock
            if session.peer not in self._counts.refused_peers:
                self._counts.refused_peers.append(session.peer)
                log.warning(
                    "agi_peer_refused", peer=session.peer, hint="see agi.allow in ctid.toml"
                )
            return False
        if len(self._counts.sessions) >= self.settings.max_sessions:
            self._counts.refused += 1
            log.warning("agi_full", sessions=len(self._counts.sessions))
            return False
        self._counts.sessions.add(session)
        return True

    def _allows(self, peer: str) -> bool:
        if peer == self._counts.admitted_peer:  # nearly always the one Asterisk
            return True
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if not any(address in network for network in self._networks):
            return False
        self._counts.admitted_peer = peer
        return True

    def forget(self, session: AgiSession) -> None:
        self._counts.sessions.discard(session)

    @property
    def sessions(self) -> int:
        return len(self._counts.sessions)

    def stop_accepting(self) -> None:
        """Close the listener; sessions go on."""
        if self._server is not None:
            self._server.close()

    def close(self) -> None:
        """Close the listener and every session."""
        self.stop_accepting()
        for session in list(self._counts.sessions):
            session.close()


def caller_headers(headers: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    """Unique id, channel, number, name and dialled number of a session's header."""
    did = headers.get("agi_arg_1") or headers.get("agi_dnid", "")
    return (
        headers["agi_uniqueid"],
        headers["agi_channel"],
        headers.get("agi_callerid", ""),
        headers.get("agi_calleridname", ""),
        "" if did == "unknown" else did,
    )

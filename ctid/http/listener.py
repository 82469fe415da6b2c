"""Guards each connection before aiohttp sees it: a cap on their number, and a time for headers.

aiohttp has no time-out for a client that never finishes its first request's header; a few such
clients could hold every descriptor (slow loris).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

HEADER_END = b"\r\n\r\n"


class Guard(asyncio.Protocol):
    """Passes everything on to ``inner``; ends the connection when no header comes in time."""

    __slots__ = ("_gate", "_inner", "_tail", "_timer", "_transport")

    def __init__(self, inner: asyncio.Protocol, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate
        self._tail = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner.connection_made(transport)
        if not self._gate.enter(self):
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._gate.header_timeout_s, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            # empty lines before a request are no request (RFC 9112, section 2.2)
            seen = self._tail + data if self._tail else data.lstrip(b"\r\n")
            if HEADER_END in seen:
                self._timer.cancel()
                self._timer = None
                self._tail = b""
            else:
                self._tail = seen[1 - len(HEADER_END) :]
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._gate.leave(self)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class Gate:
    """Makes guards, and counts the connections that are open."""

    def __init__(
        self,
        make_inner: Callable[[], asyncio.Protocol],
        *,
        max_connections: int,
        header_timeout_s: float,
    ) -> None:
        self._make_inner = make_inner
        self._max_connections = max_connections
        self.header_timeout_s = header_timeout_s
        self._open: set[Guard] = set()

    def __call__(self) -> asyncio.Protocol:
        return Guard(self._make_inner(), self)

    def enter(self, guard: Guard) -> bool:
        """Count a new connection; false when there are too many."""
        if len(self._open) >= self._max_connections:
            return False
        self._open.add(guard)
        return True

    def leave(self, guard: Guard) -> None:
        """A connection is gone."""
        self._open.discard(guard)

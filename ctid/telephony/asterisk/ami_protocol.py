"""One AMI connection: panoramisk's protocol with its known hazards closed.

- UTF-8 split across reads: a message is decoded once it is whole.
- A message without end, or a peer that is no Asterisk: the connection is dropped.
- Actions are never sent again after a reconnect; each has a deadline.
- Events nobody wants are dropped before they are parsed.
- A callback that raises costs that event only.
Source: Asterisk documentation, "AMI v2 Specification".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

log = structlog.get_logger(__name__)

MAX_MESSAGE = 512 * 1024
"""Bytes. ListCommands is the longest message and has about 10,000."""
BANNER = b"Asterisk Call Manager/"
END = b"\r\n\r\n"

UNASKED = frozenset({b"OriginateResponse"})
"""Events that carry the ActionID of an action which was answered long before."""

Event = Mapping[str, str]


class AmiError(Exception):
    """An action was not carried out, or it is not known whether it was (``unknown``)."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def parse_event(block: str) -> dict[str, str]:
    """Headers of one message; of a repeated one the first counts."""
    fields: dict[str, str] = {}
    for line in block.split("\r\n"):
        key, sep, value = line.partition(":")
        if sep and key not in fields:
            fields[key] = value.strip()
    return fields


def _too_late(answer: asyncio.Future[Any], what: str, timeout_s: float) -> None:
    if not answer.done():
        answer.set_exception(
            AmiError(f"{what} was not answered within {timeout_s:g} s", unknown=True)
        )


class _Action(Action):  # type: ignore[misc]  # panoramisk has no types
    """A list action says so itself; panoramisk guesses from the message's words, and fails."""

    @property
    def multi(self) -> bool:
        return str(self.responses[0].eventlist).lower() == "start"


class AmiConnection(AMIProtocol):  # type: ignore[misc]  # panoramisk has no types
    """``wanted``: names of events to hand to ``on_event``; the rest is dropped unparsed."""

    def __init__(self, wanted: frozenset[str], on_event: Callable[[Event], None]) -> None:
        self._wanted = frozenset(name.encode() for name in wanted)
        self._on_event = on_event
        self._rest = b""
        self.encoding = "utf-8"
        self.closed = True
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.booted = asyncio.Event()
        self.version: str | None = None
        self.responses: dict[str, Any] = {}

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        buffer = self._rest + data
        if self.version is None:
            line, sep, after = buffer.partition(b"\r\n")
            if not buffer.startswith(BANNER[: len(buffer)]) or (not sep and len(buffer) > 200):
                self.drop("the peer is no Asterisk Call Manager")
                return
            if not sep:
                self._rest = buffer
                return
            self.version = _text(line[len(BANNER) :])
            buffer = after
        *blocks, self._rest = buffer.split(END)
        if len(self._rest) > MAX_MESSAGE:
            self.drop("a message without end")
            return
        for block in blocks:
            self._message(block.lstrip(b"\r\n"))
            if self.closed:
                return

    def _message(self, raw: bytes) -> None:
        if raw.startswith(b"Event: "):
            name = raw[7:].partition(b"\r\n")[0]
            if b"\r\nActionID: " not in raw or name in UNASKED:
                if name == b"FullyBooted":
                    self.booted.set()
                elif name in self._wanted:
                    self._event(parse_event(_text(raw)))
                return
        block = _text(raw)
        try:
            message = Message.from_line(block)
            if message is not None:
                self.handle_message(message)
            elif block:
                self.drop("a message that is neither event nor response")
        except Exception:
            log.exception("ami_message_failed")

    def _event(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:
            log.exception("ami_event_failed", event_name=event.get("Event"))

    def handle_message(self, message: Message) -> None:
        """Completes the action that waits; anything else with an ActionID comes too late."""
        action = self.responses.get(message.id)
        if action is not None and action.add_message(message):
            self.responses.pop(message.id, None)

    async def action(self, headers: Mapping[str, str], timeout_s: float) -> Any:
        """Send one action; returns panoramisk's Message (or a list of them for a list action).

        Raises AmiError when it was refused, not answered in time, or the connection broke
        (``unknown`` is true for the last two: Asterisk may have done it).
        """
        if self.closed:
            raise AmiError("not connected to Asterisk (AMI)")
        action = _Action(dict(headers))
        # registered, encoded and written by panoramisk; nothing here is ever sent twice
        future = self.send(action)
        late = asyncio.get_running_loop().call_later(
            timeout_s, _too_late, future, f"AMI {headers['Action']}", timeout_s
        )
        try:
            answer = await future
        finally:
            late.cancel()
            self.responses.pop(action.id, None)
        first = answer[0] if isinstance(answer, list) else answer
        if not first.success:
            raise AmiError(f"AMI {headers['Action']}: {first.message or 'refused'}")
        return answer

    def drop(self, why: str) -> None:
        """Give the connection up because of what came over it."""
        log.warning("ami_dropped", why=why)
        self._finish(why)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(str(exc) if exc else "closed by Asterisk")

    def close(self) -> None:
        """Close from our side."""
        if not self.closed:
            self.transport.close()
        self._finish("closed")

    def _finish(self, why: str) -> None:
        self.closed = True
        waiting, self.responses = list(self.responses.values()), {}
        for action in waiting:
            if not action.future.done():
                action.future.set_exception(
                    AmiError("the connection to Asterisk broke (AMI)", unknown=True)
                )
                action.future.exception()
        if not self.lost.done():
            self.lost.set_result(why)

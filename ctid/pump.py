"""The pump: the one consumer of facts.

Facts go in from everywhere, one after the other through the engine, and commands go out to the
executor. Nothing here waits: the journal takes entries in memory and commits them in the
background, the executor starts work and reports back with further facts.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ctid.clock import Clock
from routing.codec import fact_to_json
from routing.commands import Command
from routing.errors import RoutingError
from routing.facts import Fact, InteractionArrived
from routing.ids import InteractionId
from routing.views import Changes

log = structlog.get_logger(__name__)

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

SLICE = 64
"""Facts handled before other work of the loop gets its turn."""

SCREENS_S = 0.06
"""Longest time after a fact until its changes are told to the screens: normally with the journal's
commit, which has them told. What one moment changes several times is told once, and a busy floor
costs fewer turns of the loop; nobody on the telephone waits for it, and screen-pops do not either.
"""


class Decider(Protocol):
    """What the pump needs of the engine."""

    def handle(self, fact: Fact, now: float) -> list[Command]: ...

    def take_changes(self) -> Changes: ...


class JournalInlet(Protocol):
    """What the pump needs of the journal: takes an entry at once, commits it soon."""

    def append(
        self,
        *,
        seq: int,
        at: float,
        cause: int | None,
        kind: str,
        interaction: str | None,
        payload: str,
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FactReceipt:
    """What became of a submitted fact. ``reason`` is set when it was refused."""

    seq: int
    accepted: bool
    reason: str = ""


class PumpOverloaded(Exception):
    """More facts wait than the pump takes; only new arrivals are refused."""


@dataclass(slots=True)
class _Item:
    fact: Fact
    cause: int | None
    receipt: asyncio.Future[FactReceipt] | None


Execute = Callable[[Sequence[Command], int], None]
Publish = Callable[[Changes], None]
Listener = Callable[[Fact, float], None]


class Pump:
    """Feeds facts to the engine in order. Never dies, never waits."""

    def __init__(
        self,
        *,
        engine: Decider,
        journal: JournalInlet,
        clock: Clock,
        execute: Execute,
        publish: Publish,
        first_seq: int = 1,
        limit: int = 50_000,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._execute = execute
        self._publish = publish
        self._listeners: list[Listener] = []
        self._next_seq = first_seq
        self._limit = limit
        self._waiting: deque[_Item] = deque()
        self._scheduled = False
        self._telling: asyncio.TimerHandle | None = None
        self._closed = False
        self.handled = 0
        self.refused = 0
        self.failed = 0

    def listen(self, listener: Listener) -> None:
        """Call ``listener(fact, now)`` for each fact that the engine took, before its commands."""
        self._listeners.append(listener)

    def put(self, fact: Fact, cause: int | None = None) -> None:
        """Take a fact. Returns at once; the engine sees it in the loop's next turn.

        Raises PumpOverloaded for an arrival when the limit is reached: an honest refusal at the
        door is better than a caller nobody will ever serve. Everything else is always taken.
        """
        if len(self._waiting) >= self._limit and isinstance(fact, InteractionArrived):
            raise PumpOverloaded(f"{len(self._waiting)} facts wait")
        self._enqueue(_Item(fact, cause, None))

    async def submit(self, fact: Fact) -> FactReceipt:
        """Take a fact and wait until the engine has handled or refused it."""
        receipt: asyncio.Future[FactReceipt] = asyncio.get_running_loop().create_future()
        self._enqueue(_Item(fact, None, receipt))
        return await receipt

    async def settled(self) -> None:
        """Wait until every fact taken so far has been handled (also proves the pump alive)."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Item(_Barrier(), None, done))
        self._schedule()
        await done

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    def __len__(self) -> int:
        return len(self._waiting)

    def _enqueue(self, item: _Item) -> None:
        if self._closed:
            log.warning("fact_after_close", fact=type(item.fact).__name__)
            if item.receipt is not None:
                item.receipt.set_result(
                    FactReceipt(seq=0, accepted=False, reason="ctid is shutting down")
                )
            return
        self._waiting.append(item)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        for _ in range(min(SLICE, len(self._waiting))):
            item = self._waiting.popleft()
            receipt = self._handle(item)
            if item.receipt is not None and not item.receipt.done():
                item.receipt.set_result(receipt)
        if self._waiting:
            self._schedule()

    def _handle(self, item: _Item) -> FactReceipt:
        fact = item.fact
        if isinstance(fact, _Barrier):
            return FactReceipt(seq=0, accepted=True)
        seq = self._next_seq
        self._next_seq += 1
        now = self._clock.now_s()
        name = type(fact).__name__
        interaction: InteractionId | None = getattr(fact, "interaction", None)
        try:
            self._journal.append(
                seq=seq,
                at=now,
                cause=item.cause,
                kind=name,
                interaction=interaction,
                payload=_encode(fact_to_json(fact)),
            )
            commands = self._engine.handle(fact, now)
        except RoutingError as error:
            self.refused += 1
            log.info("fact_refused", fact=name, interaction=interaction, why=str(error))
            return FactReceipt(seq=seq, accepted=False, reason=str(error))
        except Exception:
            # a bug in the engine must not stop the phones: this fact is lost, the next is served
            self.failed += 1
            log.exception("engine_failed", fact=name, interaction=interaction, seq=seq)
            return FactReceipt(seq=seq, accepted=False, reason="internal error, see the log")
        self.handled += 1
        self._after(fact, now, commands, seq)
        return FactReceipt(seq=seq, accepted=True)

    def _after(self, fact: Fact, now: float, commands: Sequence[Command], seq: int) -> None:
        # First who arrived, then what is done about it: a screen-pop needs the arrival's details.
        for listener in self._listeners:
            try:
                listener(fact, now)
            except Exception:
                self._after_failed(fact, seq)
        try:
            if commands:
                self._execute(commands, seq)
        except Exception:
            self._after_failed(fact, seq)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(SCREENS_S, self.tell)

    def tell(self) -> None:
        """Publish what has changed since the last time; by itself ``SCREENS_S`` after a fact."""
        if self._telling is None:
            return
        self._telling.cancel()
        self._telling = None
        try:
            self._publish(self._engine.take_changes())
        except Exception:
            self.failed += 1
            log.exception("publish_failed")

    def _after_failed(self, fact: Fact, seq: int) -> None:
        self.failed += 1
        log.exception("after_fact_failed", fact=type(fact).__name__, seq=seq)


class _Barrier(Fact):
    """Never reaches the engine: marks a place in the queue."""

    __slots__ = ()

"""Recordings on their way into the library: one lane per recording, work done in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from ctid.clock import Clock
from ctid.lanes import Lanes
from recorder.errors import RecordingError
from recorder.library import Finished, finalise
from recorder.plan import RecordingPlan
from routing.facts import Fact, RecordingEnded, RecordingFailed
from routing.ids import InteractionId, RecordingId

log = structlog.get_logger(__name__)

THREADS = 2
LIMIT = 20_000


class RecordingIndex(Protocol):
    """Where the CRM keeps what recordings there are. All are idempotent."""

    async def recording_ready(
        self,
        recording: RecordingId,
        interaction: InteractionId,
        *,
        path: str,
        sha256: str,
        size_bytes: int,
        duration_s: float,
        now: float,
    ) -> None: ...

    async def recording_failed(
        self, recording: RecordingId, interaction: InteractionId, reason: str, now: float
    ) -> None: ...


class RecordingKeeper:
    """Brings each recording from its end to a whole file, or to an entry that says why not.

    That a recording is due at all stands in the contact record's account: filing it makes the
    entry, should the recording not have come to its end by then.
    """

    def __init__(
        self,
        plan: RecordingPlan,
        index: RecordingIndex,
        clock: Clock,
        on_settled: Callable[[InteractionId], None],
    ) -> None:
        self._plan = plan
        self._index = index
        self._clock = clock
        self._on_settled = on_settled
        self._lanes: Lanes[RecordingId, Callable[[], Awaitable[None]]] = Lanes(
            "recording", self._do, limit=LIMIT
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="recording")

    def on_fact(self, fact: Fact, now: float) -> None:
        """Pump listener: a recording has ended or failed."""
        if isinstance(fact, RecordingEnded):
            self.finish(fact.recording, fact.interaction, now)
        elif isinstance(fact, RecordingFailed):
            recording, interaction, reason = fact.recording, fact.interaction, fact.reason
            self._lanes.put(recording, lambda: self._failed(recording, interaction, reason))

    def finish(self, recording: RecordingId, interaction: InteractionId, at: float) -> None:
        """Bring the recording's file into the library (again, after a crash: no harm)."""
        self._lanes.put(recording, lambda: self._finish(recording, interaction, at))

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            # the raw file stays; recovery takes it up at the next start
            log.exception("recording_not_kept")

    async def _finish(self, recording: RecordingId, interaction: InteractionId, at: float) -> None:
        try:
            loop = asyncio.get_running_loop()
            done: Finished = await loop.run_in_executor(
                self._threads, finalise, self._plan, recording, at
            )
        except RecordingError as error:
            log.warning("recording_failed", recording=recording, why=str(error))
            await self._failed(recording, interaction, str(error))
            return
        await self._index.recording_ready(
            recording,
            interaction,
            path=done.path,
            sha256=done.sha256,
            size_bytes=done.size_bytes,
            duration_s=done.duration_s,
            now=self._clock.now_s(),
        )
        self._on_settled(interaction)

    async def _failed(
        self, recording: RecordingId, interaction: InteractionId, reason: str
    ) -> None:
        await self._index.recording_failed(recording, interaction, reason, self._clock.now_s())
        self._on_settled(interaction)

    def __len__(self) -> int:
        return len(self._lanes)

    async def drained(self) -> None:
        """Wait until every recording that has ended is in the library."""
        await self._lanes.drained()

    async def close(self) -> None:
        """Stop; what is not finished is taken up at the next start."""
        await self._lanes.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

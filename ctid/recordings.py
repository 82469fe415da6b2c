"""Recordings on their way into the library: what has gathered is brought there in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from ctid.clock import Clock
from ctid.tasks import cancel_and_wait, spawn
from recorder.errors import RecordingError
from recorder.library import Finished, finalise_all
from recorder.plan import RecordingPlan
from routing.facts import Fact, RecordingEnded, RecordingFailed
from routing.ids import InteractionId, RecordingId

log = structlog.get_logger(__name__)

LIMIT = 20_000
TOGETHER = 16
"""Recordings that one turn of the thread brings in: what is done in it is told afterwards."""


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


class RecordingsFull(Exception):
    """More recordings wait than are taken; what stays behind is taken up at the next start."""


@dataclass(frozen=True, slots=True)
class _Due:
    recording: RecordingId
    interaction: InteractionId
    at: float
    failed: str | None = None  # there is no file to come, and why


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
        self._due: list[_Due] = []
        self._busy: list[_Due] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")

    def on_fact(self, fact: Fact, now: float) -> None:
        """Pump listener: a recording has ended or failed."""
        if isinstance(fact, RecordingEnded):
            self.finish(fact.recording, fact.interaction, now)
        elif isinstance(fact, RecordingFailed):
            self._put(_Due(fact.recording, fact.interaction, now, fact.reason))

    def finish(self, recording: RecordingId, interaction: InteractionId, at: float) -> None:
        """Bring the recording's file into the library (again, after a crash: no harm)."""
        self._put(_Due(recording, interaction, at))

    def _put(self, due: _Due) -> None:
        if len(self) >= LIMIT:
            raise RecordingsFull(f"{LIMIT} recordings wait")
        self._due.append(due)
        if self._task is None:
            self._task = spawn(self._run(), name="recordings")

    async def _run(self) -> None:
        try:
            while self._due:
                self._busy, self._due = self._due[:TOGETHER], self._due[TOGETHER:]
                try:
                    await self._settle(self._busy)
                except Exception:
                    # the raw files stay; recovery takes them up at the next start
                    log.exception("recordings_not_kept", first=self._busy[0].recording)
                self._busy = []
        finally:
            self._task = None

    async def _settle(self, batch: Sequence[_Due]) -> None:
        ended = [(due.recording, due.at) for due in batch if due.failed is None]
        loop = asyncio.get_running_loop()
        done = iter(
            await loop.run_in_executor(self._thread, finalise_all, self._plan, ended)
            if ended
            else []
        )
        await asyncio.gather(
            *(
                self._enter(due, next(done) if due.failed is None else RecordingError(due.failed))
                for due in batch
            )
        )

    async def _enter(self, due: _Due, done: Finished | RecordingError) -> None:
        now = self._clock.now_s()
        try:
            if isinstance(done, RecordingError):
                if due.failed is None:
                    log.warning("recording_failed", recording=due.recording, why=str(done))
                await self._index.recording_failed(due.recording, due.interaction, str(done), now)
            else:
                await self._index.recording_ready(
                    due.recording,
                    due.interaction,
                    path=done.path,
                    sha256=done.sha256,
                    size_bytes=done.size_bytes,
                    duration_s=done.duration_s,
                    now=now,
                )
        except Exception:
            # recovery takes it up at the next start
            log.exception("recording_not_entered", recording=due.recording)
            return
        self._on_settled(due.interaction)

    def __len__(self) -> int:
        return len(self._due) + len(self._busy)

    async def drained(self) -> None:
        """Wait until every recording that has ended is in the library."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Stop; what is not finished is taken up at the next start."""
        await cancel_and_wait(self._task)
        self._thread.shutdown(wait=False, cancel_futures=True)

"""A connection to the SQLite file and the lane of functions that its thread works off.

aiosqlite gives every connection a thread of its own and offers single statements. A transaction
made of awaited statements could be interleaved with another one and would cross the threads once
per statement. Here a transaction is one synchronous function that runs as a whole in the
connection's thread. The door into that thread is aiosqlite's public ``Connection.commit()``: it
calls ``commit`` of the connection object, and that object is ours (the documented ``factory`` of
``sqlite3.connect``), so its ``commit`` works off the functions that wait.

Writes that wait at the same moment share one ``BEGIN IMMEDIATE .. COMMIT`` and thereby one fsync;
each runs under its own SAVEPOINT, so one that fails takes nobody along. A write that no person
waits for (``soon``) waits up to ``SOON_S`` for such company, mostly the journal's, which commits
what came about at the same time, or until ``SOON_MAX`` wait: a long group would hold the
interpreter while others want to read. Before each function a lane lets an urgent read go first, for
at most ``GIVE_WAY_S``.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import aiosqlite

from crmcore.errors import StoreClosed, TransactionLost

T = TypeVar("T")

BUSY_TIMEOUT_S = 10.0
LOG_BYTES = 16 * 1024 * 1024
"""What the write-ahead log is cut back to (PRAGMA journal_size_limit)."""
_MMAP_BYTES = 2 * 1024 * 1024 * 1024
GROUP_MAX = 128
GROUP_TIME_S = 0.025
SOON_S = 0.25
SOON_MAX = 8
GIVE_WAY_S = 0.005
_UNSET: Any = object()


class Job(Generic[T]):
    """One transaction function on its way through the lane."""

    __slots__ = ("abandoned", "after", "error", "fn", "future", "loop", "value")

    def __init__(self, fn: Callable[[sqlite3.Connection], T]) -> None:
        self.fn = fn
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.value: T = _UNSET
        self.error: BaseException | None = None
        self.abandoned = False
        self.after: Callable[[], None] | None = None

    def give_up(self, why: Exception) -> None:
        """In the loop's thread: nobody waits any longer."""
        self.abandoned = True
        if not self.future.done():
            self.future.set_exception(why)

    def deliver(self) -> None:
        """In the loop's thread: answer the caller, if it still waits."""
        if self.after is not None:
            self.after()
        if self.future.done():
            return
        if self.abandoned:
            self.future.cancel()
        elif self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class Lane(sqlite3.Connection):
    """A connection whose ``commit`` works off the functions in ``inbox``."""

    inbox: deque[Job[Any]]
    bulk: deque[Job[Any]]  # long ones, each alone, only while nothing else waits
    guard: threading.Lock
    mode: str  # write: grouped transactions; read: one snapshot each; bare: no transaction
    kicked: bool
    calm: threading.Event | None  # no urgent read is waited for; None: gives way to nobody
    after_commit: Callable[[], None] | None

    def commit(self) -> None:
        """Run everything that waits. Called by aiosqlite in the connection's own thread."""
        while True:
            group = self._take()
            if not group:
                return
            loop = group[0].loop
            if self.mode == "write":
                self._transaction(group)
            elif self.mode == "read":
                self._snapshot(group[0])
            else:
                self._bare(group[0])
            loop.call_soon_threadsafe(_deliver, group)
            if self.after_commit is not None:
                loop.call_soon_threadsafe(self.after_commit)

    def _take(self) -> list[Job[Any]]:
        with self.guard:
            if not self.inbox and self.bulk:
                return [self.bulk.popleft()]
            if not self.inbox:
                self.kicked = False
                return []
            room = GROUP_MAX if self.mode == "write" else 1
            return [self.inbox.popleft() for _ in range(min(room, len(self.inbox)))]

    def _give_way(self) -> None:
        if self.calm is not None:
            self.calm.wait(GIVE_WAY_S)

    def _bare(self, job: Job[Any]) -> None:
        try:
            job.value = job.fn(self)
        except BaseException as error:  # handed to the caller, whatever it is
            job.error = error

    def _snapshot(self, job: Job[Any]) -> None:
        if job.abandoned:
            return
        self._give_way()
        try:
            self.execute("BEGIN")
            job.value = job.fn(self)
        except BaseException as error:  # handed to the caller, whatever it is
            job.error = error
        if self.in_transaction:
            self.execute("ROLLBACK")

    def _transaction(self, group: list[Job[Any]]) -> None:
        done: list[Job[Any]] = []
        began = time.perf_counter()
        try:
            self.execute("BEGIN IMMEDIATE")
            for n, job in enumerate(group):
                if job.abandoned:
                    continue
                self._give_way()
                self._one(job)
                done.append(job)
                if not self.in_transaction:
                    raise job.error or TransactionLost("a function ended the transaction itself")
                if time.perf_counter() - began > GROUP_TIME_S and n + 1 < len(group):
                    # long ones do not make the others wait for their answer
                    self._put_back(group[n + 1 :])
                    del group[n + 1 :]
                    break
            self.execute("COMMIT")
        except BaseException as error:
            if self.in_transaction:
                self.execute("ROLLBACK")
            lost = TransactionLost(f"nothing was written: {error}")
            lost.__cause__ = error
            for job in group:
                if job.error is None:
                    job.error = lost

    def _one(self, job: Job[Any]) -> None:
        self.execute("SAVEPOINT job")
        try:
            job.value = job.fn(self)
            self.execute("RELEASE job")
        except BaseException as error:
            job.error = error
            if self.in_transaction:
                self.execute("ROLLBACK TO job")
                self.execute("RELEASE job")

    def _put_back(self, jobs: list[Job[Any]]) -> None:
        with self.guard:
            self.inbox.extendleft(reversed(jobs))


def _deliver(group: list[Job[Any]]) -> None:
    for job in group:
        job.deliver()


_PRAGMAS = {
    # checkpoints are made by a connection of their own, so that no write waits for one
    # analysis_limit: "PRAGMA optimize" looks at so many rows of an index, not at millions
    "write": (
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        "analysis_limit=400",
    ),
    "read": ("query_only=ON", f"mmap_size={_MMAP_BYTES}"),
    "bare": ("synchronous=FULL", f"journal_size_limit={LOG_BYTES}"),
}


class Connection:
    """One aiosqlite connection and its lane."""

    def __init__(self, raw: aiosqlite.Connection, lane: Lane) -> None:
        self.raw = raw
        self.lane = lane
        self._soon: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls, path: Path, mode: str, *, cache_kib: int, calm: threading.Event | None = None
    ) -> Connection:
        made: list[Lane] = []

        def factory(*args: Any, **kwargs: Any) -> Lane:
            lane = Lane(*args, **kwargs)
            lane.inbox = deque()
            lane.bulk = deque()
            lane.guard = threading.Lock()
            lane.mode = mode
            lane.kicked = False
            lane.calm = calm
            lane.after_commit = None
            made.append(lane)
            return lane

        uri = f"file:{quote(str(path))}?mode={'ro' if mode == 'read' else 'rw'}"
        connecting = aiosqlite.connect(
            uri,
            uri=True,
            factory=factory,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_S,
            cached_statements=400,
        )
        # a program that fails before it closes the store must still be able to end
        thread = getattr(connecting, "_thread", connecting)
        if isinstance(thread, threading.Thread):
            thread.daemon = True
        raw = await connecting
        lane = made[0]
        raw.row_factory = sqlite3.Row
        for pragma in (
            "foreign_keys=ON",
            "secure_delete=ON",
            "temp_store=MEMORY",
            f"cache_size=-{cache_kib}",
            *_PRAGMAS[mode],
        ):
            await raw.execute_fetchall(f"PRAGMA {pragma}")  # an open row would hold a snapshot
        return cls(raw, lane)

    def submit(self, job: Job[Any], *, bulk: bool = False, soon: bool = False) -> None:
        """Queue the job and start the lane if it sleeps; ``soon``: within ``SOON_S``."""
        lane = self.lane
        with lane.guard:
            (lane.bulk if bulk else lane.inbox).append(job)
            if lane.kicked:
                return
            if soon and len(lane.inbox) < SOON_MAX:
                if self._soon is None:
                    self._soon = job.loop.call_later(SOON_S, self._kick)
                return
        self._kick()

    def _kick(self) -> None:
        """Let the lane work off what waits."""
        lane = self.lane
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        with lane.guard:
            if lane.kicked or not (lane.inbox or lane.bulk):
                return
            lane.kicked = True
        # Run up to its first suspension, aiosqlite's coroutine has put ``commit`` into the
        # thread's queue. Nobody waits for its end: under load one commit serves many groups, and
        # each job is answered through its own future. So no caller has to outlive the others.
        step = self.raw.commit()
        try:
            step.send(None)
        except StopIteration:
            pass
        except ValueError as error:  # aiosqlite: "Connection closed"
            with lane.guard:
                left = [*lane.inbox, *lane.bulk]
                lane.inbox.clear()
                lane.bulk.clear()
                lane.kicked = False
            for one in left:
                one.error = StoreClosed(str(error))
            _deliver(left)
        finally:
            step.close()

    async def run(self, job: Job[T], *, bulk: bool = False, soon: bool = False) -> T:
        """Queue the job and wait for its answer."""
        self.submit(job, bulk=bulk, soon=soon)
        return await job.future

"""The SQLite file: one writer lane, a few read-only connections, whole transactions as functions.

aiosqlite gives every connection a thread of its own and offers single statements. A transaction
made of awaited statements could be interleaved with another one and would cross the threads once
per statement. Here a transaction is one synchronous function that runs as a whole in the writer's
thread. The door into that thread is aiosqlite's public ``Connection.commit()``: it calls
``commit`` of the connection object, and that object is ours (the documented ``factory`` of
``sqlite3.connect``), so its ``commit`` works off the functions that wait.

Writes that wait at the same moment share one ``BEGIN IMMEDIATE .. COMMIT`` and thereby one fsync;
each runs under its own SAVEPOINT, so one that fails takes nobody along. A write that no person
waits for (``soon``) waits up to ``SOON_S`` for such company (the journal's, on a busy floor), or
until ``SOON_MAX`` wait: a long group would hold the interpreter while others want to read. Before
each function a lane lets an urgent read go first, for at most ``GIVE_WAY_S``.
Callers are answered after the COMMIT (WAL with ``synchronous=FULL``: it survives a loss of power,
see https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import aiosqlite

from crmcore.errors import StoreBusy, StoreClosed, TransactionLost

T = TypeVar("T")

BUSY_TIMEOUT_S = 10.0
CHECKPOINT_COMMITS = 256
CHECKPOINT_BYTES = 32 * 1024 * 1024
_MMAP_BYTES = 2 * 1024 * 1024 * 1024
BULK_STEPS = 40
GROUP_MAX = 128
GROUP_TIME_S = 0.025
SOON_S = 0.06
SOON_MAX = 8
GIVE_WAY_S = 0.005
_TRUNCATE_WAIT_MS = 20
_TRUNCATE_AGAIN_S = 0.1
_UNSET: Any = object()


class _Job(Generic[T]):
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


class _Lane(sqlite3.Connection):
    """A connection whose ``commit`` works off the functions in ``inbox``."""

    inbox: deque[_Job[Any]]
    bulk: deque[_Job[Any]]  # long ones, each alone, only while nothing else waits
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

    def _take(self) -> list[_Job[Any]]:
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

    def _bare(self, job: _Job[Any]) -> None:
        try:
            job.value = job.fn(self)
        except BaseException as error:  # handed to the caller, whatever it is
            job.error = error

    def _snapshot(self, job: _Job[Any]) -> None:
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

    def _transaction(self, group: list[_Job[Any]]) -> None:
        done: list[_Job[Any]] = []
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

    def _one(self, job: _Job[Any]) -> None:
        self.execute("SAVEPOINT job")
        try:
            job.value = job.fn(self)
            self.execute("RELEASE job")
        except BaseException as error:
            job.error = error
            if self.in_transaction:
                self.execute("ROLLBACK TO job")
                self.execute("RELEASE job")

    def _put_back(self, jobs: list[_Job[Any]]) -> None:
        with self.guard:
            self.inbox.extendleft(reversed(jobs))


def _empty_log(conn: sqlite3.Connection) -> None:
    """Copy the log into the file, without keeping anybody waiting; what came meanwhile, too."""
    for _ in range(3):
        _, frames, copied = conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if frames == copied:
            return


def _truncate_log(conn: sqlite3.Connection) -> bool:
    """Empty the log, if it can be done at once: those who write wait while it is tried."""
    _, frames, copied = conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if frames != copied:
        return False
    conn.execute(f"PRAGMA busy_timeout={_TRUNCATE_WAIT_MS}")
    try:
        busy: int = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return busy == 0
    finally:
        conn.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000)}")


def _deliver(group: list[_Job[Any]]) -> None:
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
    "bare": ("synchronous=FULL", f"journal_size_limit={CHECKPOINT_BYTES // 2}"),
}


class _Connection:
    """One aiosqlite connection and its lane."""

    def __init__(self, raw: aiosqlite.Connection, lane: _Lane) -> None:
        self.raw = raw
        self.lane = lane
        self._soon: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls, path: Path, mode: str, *, cache_kib: int, calm: threading.Event | None = None
    ) -> _Connection:
        made: list[_Lane] = []

        def factory(*args: Any, **kwargs: Any) -> _Lane:
            lane = _Lane(*args, **kwargs)
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

    def submit(self, job: _Job[Any], *, bulk: bool = False, soon: bool = False) -> None:
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

    async def run(self, job: _Job[T], *, bulk: bool = False, soon: bool = False) -> T:
        """Queue the job and wait for its answer."""
        self.submit(job, bulk=bulk, soon=soon)
        return await job.future


class Database:
    """One SQLite file. Open with :meth:`open`, close with :meth:`close`."""

    def __init__(
        self,
        path: Path,
        writer: _Connection,
        checkpointer: _Connection,
        readers: list[_Connection],
        calm: threading.Event,
    ) -> None:
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._writer = writer
        self._checkpointer = checkpointer
        self._readers = readers
        self._commits = self._bulk_steps = 0
        self._checkpoint: asyncio.Future[Any] | None = None
        writer.lane.after_commit = self._committed
        self._free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        self._urgent: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        self._urgent.put_nowait(readers[0])
        for reader in readers[1:]:
            self._free.put_nowait(reader)
        self._urgent_reads = 0
        self._calm = calm
        self._closed = False
        self._waiting = 0
        self.max_waiting = 10_000

    @classmethod
    async def open(cls, path: Path | str, *, readers: int = 3, cache_kib: int = 65536) -> Database:
        """Open or create the file (mode 0600). ``sqlite3.DatabaseError`` if it is no store."""
        path = _private_file(path)
        opened: list[_Connection] = []
        calm = threading.Event()
        calm.set()
        lanes = [("write", calm), ("bare", None), ("read", None), *[("read", calm)] * readers]
        try:
            for mode, gives_way in lanes:
                opened.append(
                    await _Connection.open(path, mode, cache_kib=cache_kib, calm=gives_way)
                )
        except BaseException:
            for connection in reversed(opened):
                await connection.raw.close()
            raise
        return cls(path, opened[0], opened[1], opened[2:], calm)

    def _committed(self) -> None:
        """After each group: let the checkpointer run when enough has gathered in the log."""
        self._commits += 1
        if self._checkpoint is not None and not self._checkpoint.done():
            return
        due = self._commits >= CHECKPOINT_COMMITS
        if not due and self._commits % 16 == 0:
            due = self._wal.exists() and self._wal.stat().st_size > CHECKPOINT_BYTES
        if due and not self._closed:
            self._begin_checkpoint()

    def _begin_checkpoint(self) -> asyncio.Future[Any]:
        self._commits = 0
        job = _Job(_empty_log)
        job.future.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._checkpoint = job.future
        self._checkpointer.submit(job)
        return job.future

    async def _let_log_be_emptied(self) -> None:
        """Before a bulk step: SQLite begins the log anew only when all of it stands in the file.

        Steps that follow each other without a pause would never let that happen, and the log of a
        large import would grow to many times the store.
        """
        self._bulk_steps += 1
        if self._bulk_steps >= BULK_STEPS:
            self._bulk_steps = 0
            if self._checkpoint is None or self._checkpoint.done():
                self._begin_checkpoint()
            assert self._checkpoint is not None
            await asyncio.wait([self._checkpoint])

    async def write(
        self,
        fn: Callable[[sqlite3.Connection], T],
        *,
        timeout_s: float = 60.0,
        bulk: bool = False,
        soon: bool = False,
    ) -> T:
        """Run ``fn(connection)`` as one transaction and answer after its COMMIT.

        ``soon``: no person waits for it, so it may wait ``SOON_S`` to share another's commit.
        ``bulk`` is for the steps of an import and the like: each has a transaction of its own and
        lets every other write go first.
        ``fn`` runs in the writer's thread: plain synchronous ``sqlite3`` calls, no BEGIN or COMMIT
        of its own. If it raises, nothing of it is kept and the exception comes back here.
        A cancelled or timed-out caller gives up its turn if ``fn`` has not begun; if it has, it is
        finished. Raises :class:`StoreBusy` when the lane is full or the time is over,
        :class:`StoreClosed`, :class:`TransactionLost`.
        """
        if self._closed:
            raise StoreClosed("the store is closed")
        if self._waiting >= self.max_waiting:
            raise StoreBusy(f"{self._waiting} writes wait already; try again later")
        if bulk:
            await self._let_log_be_emptied()
        return await self._wait(self._writer, _Job(fn), timeout_s, bulk=bulk, soon=soon)

    async def read(
        self,
        fn: Callable[[sqlite3.Connection], T],
        *,
        timeout_s: float = 10.0,
        urgent: bool = False,
    ) -> T:
        """Run ``fn(connection)`` on a read-only connection, on one consistent snapshot.

        ``urgent`` reads (a call is ringing) have a connection of their own, so that no search and
        no export stands before them, and whatever else begins gives way to them.
        On time-out the statement is interrupted and :class:`StoreBusy` raised.
        """
        if self._closed:
            raise StoreClosed("the store is closed")
        try:
            async with asyncio.timeout(timeout_s):
                pool = self._urgent if urgent else self._free
                reader = await pool.get()
        except TimeoutError as error:
            raise StoreBusy("all readers are busy; try again later") from error
        job = _Job(fn)
        job.after = lambda: pool.put_nowait(reader)  # when it has really ended
        if urgent:
            self._urgent_reads += 1
            self._calm.clear()
        try:
            return await self._wait(reader, job, timeout_s)
        except (StoreBusy, asyncio.CancelledError):
            await reader.raw.interrupt()
            raise
        finally:
            if urgent:
                self._urgent_reads -= 1
                if not self._urgent_reads:
                    self._calm.set()

    async def _wait(
        self,
        connection: _Connection,
        job: _Job[T],
        timeout_s: float,
        *,
        bulk: bool = False,
        soon: bool = False,
    ) -> T:
        self._waiting += 1
        late = job.loop.call_later(
            timeout_s,
            job.give_up,
            StoreBusy(f"the store did not answer within {timeout_s:g} s"),
        )
        try:
            return await connection.run(job, bulk=bulk, soon=soon)
        except asyncio.CancelledError:
            job.abandoned = True
            raise
        finally:
            late.cancel()
            self._waiting -= 1

    async def backup_to(self, target: Path | str) -> None:
        """Copy the whole store, while it is in use, to ``target`` (mode 0600, must not exist).

        The copy is written beside and renamed when it is whole and on the disk. Uses SQLite's
        online backup on a connection of its own (https://www.sqlite.org/backup.html).
        """
        part, target = _part_of(target)
        source = await _Connection.open(self.path, "read", cache_kib=8192)
        try:
            await source.run(_Job(lambda conn: _copy(conn, part)))
        finally:
            await source.raw.close()
        await asyncio.to_thread(_settle, part, target)

    async def close(self) -> None:
        """Finish the lane (everything accepted is written), checkpoint, close. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for reader in self._readers:
            await reader.run(_Job(lambda conn: None))
            await reader.raw.close()
        await self._writer.run(_Job(lambda conn: None), bulk=True)  # after everything else
        await self._checkpointer.run(_Job(lambda conn: None))
        await self._checkpointer.raw.close()
        await self._writer.raw.execute_fetchall("PRAGMA optimize")
        await self._writer.raw.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        await self._writer.raw.close()

    async def truncate_wal(self, *, patience_s: float = 10.0) -> bool:
        """Move everything from the write-ahead log into the file and empty the log.

        Whoever still reads an older state keeps it from being emptied: that is waited for up to
        ``patience_s``, without keeping those who write waiting. Answers whether it is empty.
        """
        await self.write(lambda conn: None)
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while not await self._checkpointer.run(_Job(_truncate_log)):
            if loop.time() >= until:
                return False
            await asyncio.sleep(_TRUNCATE_AGAIN_S)
        return True


def _part_of(path: Path | str) -> tuple[Path, Path]:
    target = Path(path).resolve()
    if target.exists():
        raise FileExistsError(f"{target} exists; name a new file")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    return _private_file(part), target


def _private_file(path: Path | str) -> Path:
    path = Path(path).resolve()
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.fchmod(fd, 0o600)
    finally:
        os.close(fd)
    return path


def _copy(conn: sqlite3.Connection, target: Path) -> None:
    if conn.in_transaction:
        conn.execute("ROLLBACK")  # the backup takes its own locks, page group by page group
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        conn.backup(copy, pages=4096, sleep=0.001)
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()


def _settle(part: Path, target: Path) -> None:
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, target)
    fd = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

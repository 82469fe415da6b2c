"""The SQLite file: one writer, a few read-only connections, a checkpointer; see :mod:`lane`.

Callers are answered after the COMMIT (WAL with ``synchronous=FULL``: it survives a loss of power,
see https://www.sqlite.org/pragma.html#pragma_synchronous). Checkpoints are made by a connection of
their own, so that no write waits for one.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from crmcore.errors import StoreBusy, StoreClosed
from crmcore.lane import BUSY_TIMEOUT_S, LOG_BYTES, Connection, Job

T = TypeVar("T")

CHECKPOINT_COMMITS = 256
CHECKPOINT_BYTES = 2 * LOG_BYTES
BULK_STEPS = 40
_TRUNCATE_WAIT_MS = 20
_TRUNCATE_AGAIN_S = 0.1


class Database:
    """One SQLite file. Open with :meth:`open`, close with :meth:`close`."""

    def __init__(
        self,
        path: Path,
        writer: Connection,
        checkpointer: Connection,
        readers: list[Connection],
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
        self._free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._urgent: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
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
        opened: list[Connection] = []
        calm = threading.Event()
        calm.set()
        lanes = [("write", calm), ("bare", None), ("read", None), *[("read", calm)] * readers]
        try:
            for mode, gives_way in lanes:
                opened.append(
                    await Connection.open(path, mode, cache_kib=cache_kib, calm=gives_way)
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
        job = Job(_empty_log)
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
        return await self._wait(self._writer, Job(fn), timeout_s, bulk=bulk, soon=soon)

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
        pool = self._urgent if urgent else self._free
        try:
            if pool.empty():
                async with asyncio.timeout(timeout_s):
                    reader = await pool.get()
            else:
                reader = pool.get_nowait()
        except TimeoutError as error:
            raise StoreBusy("all readers are busy; try again later") from error
        job = Job(fn)
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
        connection: Connection,
        job: Job[T],
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
        source = await Connection.open(self.path, "read", cache_kib=8192)
        try:
            await source.run(Job(lambda conn: _copy(conn, part)))
        finally:
            await source.raw.close()
        await asyncio.to_thread(_settle, part, target)

    async def close(self) -> None:
        """Finish the lane (everything accepted is written), checkpoint, close. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for reader in self._readers:
            await reader.run(Job(lambda conn: None))
            await reader.raw.close()
        await self._writer.run(Job(lambda conn: None), bulk=True)  # after everything else
        await self._checkpointer.run(Job(lambda conn: None))
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
        while not await self._checkpointer.run(Job(_truncate_log)):
            if loop.time() >= until:
                return False
            await asyncio.sleep(_TRUNCATE_AGAIN_S)
        return True


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

"""The writer lane: whole transactions, grouped, each alone in its failure."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from crmcore.db import Database
from crmcore.errors import StoreBusy, StoreClosed, TransactionLost
from crmcore.lane import GROUP_MAX, SOON_MAX

pytestmark = pytest.mark.store


async def opened(path: Path) -> Database:
    db = await Database.open(path / "lane.db")
    await db.write(
        lambda conn: conn.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, n INT)") and None
    )
    return db


def put(n: int):  # type: ignore[no-untyped-def]
    def write(conn: sqlite3.Connection) -> int:
        conn.execute("INSERT INTO t(n) VALUES (?)", (n,))
        if n < 0:
            raise ValueError("a bad one")
        return n

    return write


async def numbers(db: Database) -> list[int]:
    return await db.read(lambda conn: [r[0] for r in conn.execute("SELECT n FROM t ORDER BY id")])


async def test_one_failing_write_of_a_group_takes_nobody_along(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    answers = await asyncio.gather(
        *(db.write(put(n if n % 7 else -n - 1)) for n in range(100)), return_exceptions=True
    )
    good = [n for n in range(100) if n % 7]
    assert [a for a in answers if not isinstance(a, Exception)] == good
    assert all(isinstance(answers[n], ValueError) for n in range(0, 100, 7))
    assert await numbers(db) == good
    await db.close()


async def test_writes_that_wait_share_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crmcore.lane.GROUP_TIME_S", 60.0)  # a slow machine's groups are as large
    db = await opened(tmp_path)
    commits = 0
    gate = threading.Event()

    def hold(conn: sqlite3.Connection) -> None:
        conn.set_trace_callback(count)
        gate.wait(30)

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    first = asyncio.gather(db.write(hold))
    await asyncio.sleep(0)
    rest = [db.write(put(n)) for n in range(GROUP_MAX)]
    waiting = asyncio.gather(*rest)
    await asyncio.sleep(0)
    gate.set()
    await first
    await waiting
    assert commits <= 4  # the holder's, and the rest in a few groups
    assert await numbers(db) == list(range(GROUP_MAX))
    await db.close()


async def test_a_function_that_ends_the_transaction_is_an_error(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    with pytest.raises((TransactionLost, sqlite3.OperationalError)):
        await db.write(lambda conn: conn.execute("COMMIT"))
    assert await db.write(put(1)) == 1
    await db.close()


async def test_readers_cannot_write_and_see_one_snapshot(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await db.read(put(1))
    inside, outside = threading.Event(), threading.Event()

    def twice(conn: sqlite3.Connection) -> tuple[int, int]:
        before = conn.execute("SELECT count(*) FROM t").fetchone()[0]
        inside.set()
        outside.wait(30)
        return before, conn.execute("SELECT count(*) FROM t").fetchone()[0]

    reading = asyncio.gather(db.read(twice))
    await asyncio.to_thread(inside.wait, 30)
    await db.write(put(1))
    outside.set()
    assert (await reading)[0] == (0, 0)
    await db.close()


async def test_the_lane_is_bounded(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    db.max_waiting = 3
    gate = threading.Event()
    held = asyncio.gather(*(db.write(lambda conn: gate.wait(30)) for _ in range(3)))
    await asyncio.sleep(0)
    with pytest.raises(StoreBusy):
        await db.write(put(1))
    gate.set()
    await held
    assert await db.write(put(2)) == 2
    await db.close()


async def test_who_waits_too_long_gives_up_the_turn(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    gate = threading.Event()
    held = asyncio.gather(db.write(lambda conn: gate.wait(30)))
    await asyncio.sleep(0)
    with pytest.raises(StoreBusy):
        await db.write(put(1), timeout_s=0.05)
    gate.set()
    await held
    assert await db.write(put(2)) == 2
    assert await numbers(db) == [2]
    await db.close()


async def test_a_cancelled_writer_strands_nobody(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    gate = threading.Event()
    leader = asyncio.gather(db.write(lambda conn: gate.wait(30)))
    await asyncio.sleep(0)
    others = asyncio.gather(*(db.write(put(n)) for n in range(20)))
    await asyncio.sleep(0)
    leader.cancel()
    gate.set()
    assert await others == list(range(20))
    await db.close()


async def test_a_read_that_takes_too_long_is_interrupted(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT sum(n) FROM c"
    with pytest.raises(StoreBusy):
        await db.read(lambda conn: conn.execute(endless).fetchone(), timeout_s=0.1)
    assert await numbers(db) == []
    await db.close()


async def test_bulk_writes_let_the_others_go_first(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    gate = threading.Event()
    held = asyncio.gather(db.write(lambda conn: gate.wait(30)))
    await asyncio.sleep(0)
    bulk = asyncio.gather(*(db.write(put(100 + n), bulk=True) for n in range(3)))
    await asyncio.sleep(0)
    small = asyncio.gather(*(db.write(put(n)) for n in range(3)))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(held, bulk, small)
    assert await numbers(db) == [0, 1, 2, 100, 101, 102]
    await db.close()


async def test_close_finishes_what_was_accepted(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    writes = asyncio.gather(*(db.write(put(n)) for n in range(300)))
    await asyncio.sleep(0)
    await db.close()
    assert await writes == list(range(300))
    with pytest.raises(StoreClosed):
        await db.write(put(1))
    with sqlite3.connect(tmp_path / "lane.db") as conn:
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (300,)


async def test_files_are_private(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    for name in ("lane.db", "lane.db-wal", "lane.db-shm"):
        assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600, name
    await db.backup_to(tmp_path / "copy.db")
    assert stat.S_IMODE(os.stat(tmp_path / "copy.db").st_mode) == 0o600
    with pytest.raises(FileExistsError):
        await db.backup_to(tmp_path / "copy.db")
    await db.close()


async def test_a_backup_is_taken_while_others_write(tmp_path: Path) -> None:
    db = await opened(tmp_path)
    await asyncio.gather(*(db.write(put(n)) for n in range(500)))
    await asyncio.gather(
        db.backup_to(tmp_path / "copy.db"), *(db.write(put(n)) for n in range(500, 700))
    )
    with sqlite3.connect(tmp_path / "copy.db") as conn:
        found = [row[0] for row in conn.execute("SELECT n FROM t ORDER BY id")]
    assert found[:500] == list(range(500))
    assert found == list(range(len(found)))
    await db.close()


KILLED = """
import asyncio, os, sys
from crmcore.db import Database
async def main():
    db = await Database.open(sys.argv[1])
    await db.write(lambda c: c.execute("CREATE TABLE t(n INTEGER)") and None)
    for n in range(10_000):
        await db.write(lambda c: c.execute("INSERT INTO t VALUES (?)", (n,)) and None)
        os.write(1, b"%d\\n" % n)
asyncio.run(main())
"""


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    told = -1
    for line in child.stdout:
        told = int(line)
        if told == 50:
            child.kill()
            break
    rest = child.stdout.read().split()
    told = int(rest[-1]) if rest else told
    child.wait()
    child.stdout.close()
    with sqlite3.connect(path) as conn:
        found = [row[0] for row in conn.execute("SELECT n FROM t")]
    assert found[: told + 1] == list(range(told + 1))
    assert len(found) <= told + 2  # at most the one whose answer did not get out


async def test_many_that_could_wait_are_not_left_to_gather(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long group would delay who reads meanwhile."""
    monkeypatch.setattr("crmcore.lane.SOON_S", 3600.0)
    db = await opened(tmp_path)
    async with asyncio.timeout(30):
        await asyncio.gather(*(db.write(put(n), soon=True) for n in range(SOON_MAX)))
        assert await numbers(db) == list(range(SOON_MAX))
    await db.close()


class Calm(threading.Event):
    """Tells when somebody sees that it should give way."""

    def __init__(self, looked: asyncio.Event) -> None:
        super().__init__()
        self._looked = looked
        self._loop = asyncio.get_running_loop()
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self._loop.call_soon_threadsafe(self._looked.set)
        return super().wait(timeout)


def watched(db: Database, looked: asyncio.Event) -> Calm:
    """All lanes of ``db`` but the urgent one share what is given back."""
    db._calm = calm = Calm(looked)
    for connection in (db._writer, *db._readers[1:]):
        connection.lane.calm = calm
    return calm


async def test_a_group_gives_way_to_an_urgent_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crmcore.lane.GIVE_WAY_S", 30.0)
    db = await opened(tmp_path)
    tell = asyncio.get_running_loop().call_soon_threadsafe
    order: list[str] = []
    begun, reads, looked = asyncio.Event(), asyncio.Event(), asyncio.Event()
    calm = watched(db, looked)
    go, release = threading.Event(), threading.Event()

    def first(conn: sqlite3.Connection) -> None:
        tell(begun.set)
        go.wait(30)
        order.append("first")

    def reading(conn: sqlite3.Connection) -> None:
        tell(reads.set)
        release.wait(30)
        order.append("read")

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(db.write(first))
        group.create_task(db.write(lambda conn: order.append("second")))
        await begun.wait()
        group.create_task(db.read(reading, urgent=True))
        await reads.wait()
        go.set()
        await looked.wait()
        assert order == ["first"]
        release.set()
    assert order == ["first", "read", "second"]
    assert calm.is_set()
    await db.close()


async def test_other_reads_give_way_to_an_urgent_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crmcore.lane.GIVE_WAY_S", 30.0)
    db = await opened(tmp_path)
    order: list[str] = []
    looked = asyncio.Event()
    watched(db, looked)
    release = threading.Event()

    def ringing(conn: sqlite3.Connection) -> None:
        release.wait(30)
        order.append("urgent")

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(db.read(ringing, urgent=True))
        group.create_task(db.read(lambda conn: order.append("other")))
        await looked.wait()
        assert order == []
        release.set()
    assert order == ["urgent", "other"]
    await db.close()

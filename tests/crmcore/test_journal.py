"""The journal: in order, chained, grouped, and what is live with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crmcore.journal import Journal
from crmcore.store import Store
from routing.commands import InteractionAccount, Outcome
from routing.facts import Channel, Party
from routing.ids import InteractionId

pytestmark = pytest.mark.store


def add(journal: Journal, count: int, **data: Any) -> None:
    for _ in range(count):
        seq = journal.next_seq
        payload = json.dumps({"n": seq, **data})
        journal.append(seq, 10.0 + seq, seq - 1 or None, "Fact", f"i{seq % 3}", payload)


async def written(journal: Journal, seq: int) -> None:
    async with asyncio.timeout(30):
        while journal.written_seq < seq:  # noqa: ASYNC110 - the journal's own task must do it
            await asyncio.sleep(0.001)


async def seqs(journal: Journal, **arguments: Any) -> list[int]:
    return [entry.seq async for entry in journal.read(**arguments)]


@contextlib.asynccontextmanager
async def running(journal: Journal) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(journal.run())
        yield
        task.cancel()


async def test_order_chain_and_pages_survive_a_restart(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "s.db", 1.0)
    add(store.journal, 25)
    await store.journal.flush()
    chain = store.journal.hash
    await store.close()
    store = await Store.open(tmp_path / "s.db", 2.0)
    assert store.journal.next_seq == 26
    assert store.journal.hash == chain
    add(store.journal, 5)
    await store.journal.flush()
    assert await seqs(store.journal, page=7) == list(range(1, 31))
    assert await seqs(store.journal, from_seq=28) == [28, 29, 30]
    assert await seqs(store.journal, interaction="i0") == list(range(3, 31, 3))
    assert await store.journal.verify() == 30
    with pytest.raises(ValueError, match="out of order"):
        store.journal.append(99, 1.0, None, "Fact", None, "{}")
    await store.close()


async def test_the_same_entries_give_the_same_hash(tmp_path: Path) -> None:
    hashes = []
    for name, step in (("a", 1), ("b", 7)):
        store = await Store.open(tmp_path / f"{name}.db", 1.0)
        for _ in range(0, 21, step):
            add(store.journal, step)
            await store.journal.flush()
        hashes.append(store.journal.hash)
        await store.close()
    assert hashes[0] == hashes[1]


async def test_a_changed_entry_is_found(store: Store) -> None:
    add(store.journal, 10)
    await store.journal.flush()
    await store.db.write(
        lambda conn: conn.execute("UPDATE journal SET payload = '{}' WHERE seq = 4") and None
    )
    assert await store.journal.verify() is None


async def test_the_first_append_wakes_the_flusher_and_a_burst_is_one_commit(store: Store) -> None:
    commits: list[str] = []
    await store.db.write(
        lambda conn: conn.set_trace_callback(lambda s: commits.append(s) if s == "COMMIT" else None)
    )
    async with running(store.journal):
        add(store.journal, 200)
        await written(store.journal, 200)
    assert len(commits) == 2  # the one that set the trace, and the burst


async def test_live_goes_with_the_contact_record_and_does_not_come_back(store: Store) -> None:
    journal = store.journal
    journal.put_live("interaction", "i1", {"state": "queued"})
    journal.put_live("agent", "a1", {"state": "idle"})
    journal.put_live("interaction", "i2", {"state": "talking"})
    journal.put_live("interaction", "i1", {"state": "talking"})
    await journal.flush()
    rows = await journal.read_live()
    assert [(r.kind, r.id, r.snapshot["state"]) for r in rows] == [
        ("interaction", "i1", "talking"),
        ("interaction", "i2", "talking"),
        ("agent", "a1", "idle"),
    ]
    journal.put_live("interaction", "i1", {"state": "ended"})
    await store.file_contact_record(account("i1"), 5.0)
    await journal.flush()
    journal.put_live("interaction", "i1", {"state": "late"})
    journal.drop_live("agent", "a1")
    await journal.flush()
    assert [r.id for r in await journal.read_live()] == ["i2"]


def account(interaction: str) -> InteractionAccount:
    return InteractionAccount(
        interaction=InteractionId(interaction),
        channel=Channel.VOICE,
        caller=Party(number="13800138000"),
        did="96060",
        outcome=Outcome.ANSWERED,
        arrived_at=1.0,
        ended_at=2.0,
    )


async def test_pressure_is_told_and_what_is_lost_is_counted(store: Store) -> None:
    told: list[int] = []
    journal = await Journal.open(store.db, soft_limit=5, hard_limit=10, on_overflow=told.append)
    add(journal, 4)
    assert not journal.pressed
    add(journal, 8)
    assert journal.pressed
    assert told == [5, 11, 12]
    await journal.flush()
    assert not journal.pressed
    add(journal, 1)
    await journal.flush()
    entries = [entry async for entry in journal.read()]
    assert [entry.seq for entry in entries] == [*range(1, 11), 12, 13]
    assert (entries[-2].kind, json.loads(entries[-2].payload)) == ("gap", {"lost": 2})
    assert await journal.verify() == 13


async def test_a_failing_disk_is_reported_and_nothing_is_lost(store: Store) -> None:
    errors: list[BaseException] = []
    failed = asyncio.Event()

    def on_error(error: BaseException) -> None:
        errors.append(error)
        failed.set()

    journal = await Journal.open(store.db, on_error=on_error)
    await store.db.write(
        lambda conn: (
            conn.execute(
                "CREATE TRIGGER full BEFORE INSERT ON journal"
                " BEGIN SELECT RAISE(ABORT, 'disk'); END"
            )
            and None
        )
    )
    async with running(journal):
        add(journal, 3)
        journal.put_live("agent", "a", {"n": 1})
        await asyncio.wait_for(failed.wait(), 30)
        journal.put_live("agent", "a", {"n": 2})
        await store.db.write(lambda conn: conn.execute("DROP TRIGGER full") and None)
        await written(journal, 3)
        await journal.flush()
    assert isinstance(errors[0], sqlite3.Error)
    assert await seqs(journal) == [1, 2, 3]
    assert (await journal.read_live())[0].snapshot == {"n": 2}


async def test_compaction_keeps_the_chain_and_stops_at_what_is_live(store: Store) -> None:
    journal = store.journal
    add(journal, 30)
    journal.put_live("interaction", "i0", {})
    await journal.flush()
    assert await journal.compact(1000.0, chunk=4) == 2  # entry 3 belongs to i0
    journal.drop_live("interaction", "i0")
    await journal.flush()
    assert await journal.compact(30.0, chunk=4) == 17
    assert await seqs(journal) == list(range(20, 31))
    assert await journal.verify() == 30


async def test_what_a_commit_itself_has_told_is_in_it_and_no_empty_one_follows(
    store: Store,
) -> None:
    journal = Journal(store.db, 0, store.journal._chain, gather_s=0.001)
    commits = 0

    def tell() -> None:  # as the daemon does: the changes are told with the commit
        nonlocal commits
        commits += 1
        journal.wake()
        journal.put_live("agent", "a", {"commit": commits})

    journal.before_commit = tell
    async with running(journal):
        add(journal, 1)
        await written(journal, 1)
        assert [row.snapshot for row in await journal.read_live()] == [{"commit": 1}]
        add(journal, 1)
        await written(journal, 2)
        assert commits == 2
        assert [row.snapshot for row in await journal.read_live()] == [{"commit": 2}]


async def test_a_commit_that_fails_is_tried_again_by_itself(store: Store) -> None:
    journal = Journal(store.db, 0, store.journal._chain, gather_s=0.001)
    good, broken = journal._db.write, 1

    async def write(fn: Any, **options: Any) -> Any:
        nonlocal broken
        if broken:
            broken -= 1
            raise sqlite3.OperationalError("disk I/O error")
        return await good(fn, **options)

    journal._db.write = write  # type: ignore[method-assign]
    errors: list[BaseException] = []
    journal.on_error = errors.append
    try:
        async with running(journal):
            add(journal, 1)
            await written(journal, 1)
    finally:
        journal._db.write = good  # type: ignore[method-assign]
    assert len(errors) == 1
    assert await seqs(journal) == [1]

"""The journal as tools read it: the store beside a running daemon, and exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crmcore.store import Store
from ctid.journal_source import JournalError, JournalSource
from routing.codec import fact_to_json
from routing.facts import CallerHungUp, InteractionArrived, Party
from routing.ids import InteractionId

pytestmark = pytest.mark.store

FACTS = [
    InteractionArrived(interaction=InteractionId("i"), caller=Party(number="138", name="王")),
    CallerHungUp(interaction=InteractionId("i"), cause=16),
]


async def test_the_store_while_the_daemon_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "ctid.db"
    store = await Store.open(path, 1000.0)
    try:
        for n, fact in enumerate(FACTS):
            payload = json.dumps(fact_to_json(fact))
            store.journal.append(n + 1, 1000.0 + n, None, type(fact).__name__, "i", payload)
        store.journal.append(3, 1002.0, None, "gap", None, '{"lost": 4}')
        await store.journal.flush()
        source = JournalSource(path)
        read = list(source)
    finally:
        await store.close()
    assert [(e.seq, e.at, e.fact) for e in read] == [(1, 1000.0, FACTS[0]), (2, 1001.0, FACTS[1])]
    assert source.skipped == 1


def test_an_export(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    rows = [{"seq": n, "at": 5.0 + n, "fact": fact_to_json(f)} for n, f in enumerate(FACTS)]
    rows.append({"seq": 9, "at": 9.0, "fact": {"t": "SomethingNewer"}})
    path.write_text("\n".join(json.dumps(r) for r in rows) + "\n\n", encoding="utf-8")
    source = JournalSource(path)
    assert [e.fact for e in source] == FACTS
    assert source.skipped == 1


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"\xff\xfe\x00", "neither a store nor UTF-8"),
        (b'{"at": "x", "fact": {}}\n', ":1: no journal entry"),
        (b"[1]\n", ":1: no journal entry"),
        (b"SQLite format 3\x00 but no store", "is this the daemon's store"),
    ],
)
def test_other_files(tmp_path: Path, raw: bytes, part: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(raw)
    with pytest.raises(JournalError, match=part):
        list(JournalSource(path))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="check the path"):
        list(JournalSource(tmp_path / "none"))

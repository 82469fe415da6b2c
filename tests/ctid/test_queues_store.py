"""Changing queues.toml: checked first, comments kept, versions kept, whole or not at all."""

from __future__ import annotations

import os
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ctid import queues_store
from ctid.queues_file import version_of
from ctid.queues_store import QueuesStore, UnknownVersion, VersionConflict
from ctid.toml_file import ConfigFileError

pytestmark = pytest.mark.store

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
FIRST = """\
# the house
[queues.q] # our only one
ring_timeout_s = 15 # not longer
strategy = "longest_idle"

# people
[agents.a]
queues = ["q"] # for now

[[entries]]
did = "1"
queue = "q"
"""


@pytest.fixture
def store(tmp_path: Path) -> QueuesStore:
    path = tmp_path / "queues.toml"
    path.write_text(FIRST, encoding="utf-8")
    written_at = (NOW - timedelta(hours=1)).timestamp()  # the file's own time counts as a version's
    os.utime(path, (written_at, written_at))
    return QueuesStore(path)


def test_merging_data_keeps_comments_and_order(store: QueuesStore) -> None:
    data = tomllib.loads(FIRST)
    data["queues"]["q"]["ring_timeout_s"] = 20
    del data["queues"]["q"]["strategy"]
    data["agents"]["b"] = {"name": "李", "queues": ["q"]}
    text = store.merged(data)
    assert tomllib.loads(text) == data
    for comment in ("# the house", "# our only one", "# not longer", "# people", "# for now"):
        assert comment in text
    assert "[agents.b]" in text
    assert store.merged(tomllib.loads(FIRST)) == FIRST


def test_new_tables_in_an_empty_file(tmp_path: Path) -> None:
    data = tomllib.loads(FIRST)
    assert tomllib.loads(QueuesStore(tmp_path / "new.toml").merged(data)) == data


def test_what_toml_can_not_say(store: QueuesStore) -> None:
    with pytest.raises(ConfigFileError, match="cannot be written as TOML"):
        store.merged({"queues": {"q": {"name": None}}})


def test_replace_keeps_versions_and_rolls_back(store: QueuesStore) -> None:
    second = FIRST.replace("15", "25")
    loaded = store.replace(second, by="王 admin/../x", now=NOW, expected=version_of(FIRST))
    assert store.text() == second
    assert loaded.config.queues[0].ring_timeout_s == 25
    newest, oldest = store.versions()
    assert (newest.version, newest.saved_at) == (version_of(second), "2026-11-22T08:00:00Z")
    assert "/" not in newest.by
    assert oldest.version == version_of(FIRST)
    back = store.roll_back(oldest.version, by="admin", now=NOW + timedelta(seconds=1))
    assert store.text() == FIRST
    assert back.version == version_of(FIRST)
    assert len(store.versions()) == 3
    with pytest.raises(UnknownVersion):
        store.roll_back("0" * 16, by="admin", now=NOW)


def test_a_wrong_text_changes_nothing(store: QueuesStore) -> None:
    with pytest.raises(ConfigFileError, match="unknown key"):
        store.replace("[queues.q]\nx = 1\n", by="a", now=NOW)
    with pytest.raises(ConfigFileError, match="served by no one"):
        store.replace(FIRST.replace('queues = ["q"]', "queues = []"), by="a", now=NOW)
    assert store.text() == FIRST
    assert store.versions() == []


def test_somebody_was_faster(store: QueuesStore) -> None:
    with pytest.raises(VersionConflict, match="read it again"):
        store.replace(FIRST + "#", by="a", now=NOW, expected="0" * 16)
    assert store.text() == FIRST


def test_a_crash_while_writing_leaves_the_old_text(
    store: QueuesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(queues_store.os, "replace", cut)
    with pytest.raises(OSError, match="no space"):
        store.replace(FIRST + "#", by="a", now=NOW)
    assert store.text() == FIRST
    assert list(store.path.parent.glob("*.part")) == []


def test_old_versions_go(store: QueuesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues_store, "KEPT_VERSIONS", 3)
    for n in range(6):
        store.replace(FIRST + f"# {n}\n", by="a", now=NOW + timedelta(seconds=n))
    assert [v.saved_at[-3:-1] for v in store.versions()] == ["05", "04", "03"]


def test_check_is_a_dry_run(store: QueuesStore) -> None:
    loaded, found = store.check(FIRST + "[queues.p]\n", NOW)
    assert loaded is not None
    assert all(p.warning for p in found)
    assert found
    assert store.check("[", NOW)[0] is None
    assert store.text() == FIRST

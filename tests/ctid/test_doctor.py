"""``ctid doctor`` on a whole store, a broken index and no store at all."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from crmcore.access import SYSTEM
from crmcore.store import Store
from ctid.cli import main

pytestmark = pytest.mark.store


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ctid.toml"
    (tmp_path / "queues.toml").write_text("", "utf-8")
    path.write_text(
        f'queues_file = "queues.toml"\n[store]\npath = "{tmp_path}/ctid.db"\n'
        f'[recordings]\nintake_dir = "{tmp_path}/in"\nlibrary_dir = "{tmp_path}/lib"\n'
        '[asterisk.ami]\nhost = "127.0.0.1"\nusername = "u"\nsecret = "s"\n',
        "utf-8",
    )
    return path


def make_store(path: Path) -> None:
    async def make() -> None:
        store = await Store.open(path, 1.7e9)
        point = {"kind": "phone", "value": "13800138000"}
        await store.create_customer(SYSTEM, {"name": "王小明", "contact_points": [point]}, 1.7e9)
        await store.close()

    asyncio.run(make())


def test_a_whole_store_is_well(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "-c", str(config)]) == 2  # nothing to look at, and nothing made
    assert not (tmp_path / "ctid.db").exists()
    make_store(tmp_path / "ctid.db")
    assert main(["doctor", "-c", str(config)]) == 0
    out = capsys.readouterr().out
    assert out.count("ok ") == 7
    assert "\x1b" not in out


def test_what_is_wrong_is_told_and_mended(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_store(tmp_path / "ctid.db")
    conn = sqlite3.connect(tmp_path / "ctid.db")
    conn.execute("DELETE FROM customer_fts")
    conn.commit()
    conn.close()
    assert main(["doctor", "-c", str(config)]) == 1
    assert "WRONG search index" in capsys.readouterr().out
    assert main(["doctor", "-c", str(config), "--repair"]) == 0
    assert main(["doctor", "-c", str(config)]) == 0


def test_a_file_that_is_no_store_is_said_to_be_none(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ctid.db").write_bytes(b"no database at all" * 100)
    assert main(["doctor", "-c", str(config)]) == 1
    assert "cannot be read" in capsys.readouterr().err

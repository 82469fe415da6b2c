"""The command line as a user types it: help, users, backup and restore."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from pathlib import Path

import pytest

from crmcore import privacy
from crmcore.access import SYSTEM
from crmcore.store import Store
from ctid.cli import COMMANDS, build_parser, main

pytestmark = pytest.mark.store


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "ctid.toml"
    path.write_text('[store]\npath = "data/ctid.db"\n', encoding="utf-8")
    return str(path)


GOOD = "geheim-42"


def add(config: str, monkeypatch: pytest.MonkeyPatch, name: str, password: str = GOOD) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    return main(["user", "add", "-c", config, name, "--role", "admin", "--password-stdin"])


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(name.replace("_", "-") in out for name in COMMANDS)


def test_users_are_added_listed_and_disabled(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(config, monkeypatch, "anna") == 0
    assert add(config, monkeypatch, "bert") == 0
    assert main(["user", "disable", "-c", config, "bert"]) == 0
    capsys.readouterr()
    assert main(["user", "list", "-c", config]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["anna", "bert"]
    assert lines[1].endswith("disabled")


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [("anna", GOOD, "exists"), ("b c", GOOD, "letters"), ("dora", "x", "characters")],
)
def test_a_refused_user_says_why(
    config: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    password: str,
    why: str,
) -> None:
    add(config, monkeypatch, "anna")
    assert add(config, monkeypatch, name, password) == 1
    assert why in capsys.readouterr().err


def test_what_was_backed_up_is_restored(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add(config, monkeypatch, "anna")
    copy = tmp_path / "copy.db"
    assert main(["backup", "-c", config, str(copy)]) == 0
    add(config, monkeypatch, "bert")
    assert main(["restore", "-c", config, str(copy)]) == 0
    capsys.readouterr()
    main(["user", "list", "-c", config])
    out = capsys.readouterr().out
    assert "anna" in out
    assert "bert" not in out
    assert (tmp_path / "data" / "ctid.db.replaced").exists()


def test_who_was_erased_does_not_come_back_with_a_backup(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, copy = tmp_path / "data" / "ctid.db", tmp_path / "copy.db"
    add(config, monkeypatch, "anna")

    async def forget() -> None:
        store = await Store.open(path, 1.0)
        who = (await store.create_customer(SYSTEM, {"name": "诸葛慕容"}, 1.0))["id"]
        await store.db.backup_to(copy)
        await privacy.erase(store.db, SYSTEM, who, "asked", 2.0)
        await store.close()

    asyncio.run(forget())
    assert main(["restore", "-c", config, str(copy)]) == 0
    assert "1 persons" in capsys.readouterr().out
    assert "诸葛慕容".encode() in copy.read_bytes()
    assert "诸葛慕容".encode() not in path.read_bytes()


def test_a_damaged_backup_is_refused_and_nothing_changes(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add(config, monkeypatch, "anna")
    before = (tmp_path / "data" / "ctid.db").read_bytes()
    bad = tmp_path / "bad.db"
    bad.write_bytes(before[:5000] + b"\x00" * 3000)
    for source in (bad, tmp_path / "nowhere.db"):
        assert main(["restore", "-c", config, str(source)]) == 1
        assert "not restored" in capsys.readouterr().err
    assert (tmp_path / "data" / "ctid.db").read_bytes() == before


def test_a_store_in_use_is_not_replaced(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add(config, monkeypatch, "anna")
    copy = tmp_path / "copy.db"
    main(["backup", "-c", config, str(copy)])
    with sqlite3.connect(tmp_path / "data" / "ctid.db") as user:
        user.execute("SELECT count(*) FROM users").fetchone()
        assert main(["restore", "-c", config, str(copy)]) == 1
    user.close()
    assert "not restored" in capsys.readouterr().err

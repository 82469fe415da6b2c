"""``ctid restore``: put a copy made by ``ctid backup`` in the store's place."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

from ctid.cli._common import add_config_option, load_settings


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "restore", help="replace the store by a backup; stop ctid before"
    )
    add_config_option(parser)
    parser.add_argument("source", type=Path, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Replace. The store that was there stays beside it as ``.before-restore``.

    1: ctid runs, or the file is no whole backup; nothing was changed then.
    """
    loaded = load_settings(args.config)
    if loaded is None:
        return 2
    path = loaded.store.path
    try:
        _check(args.source)
        if path.exists():
            _lock(path)
        part = path.with_name(path.name + ".part")
        shutil.copyfile(args.source, part)
        part.chmod(0o600)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            path.rename(path.with_name(path.name + ".before-restore"))
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        part.rename(path)
    except (OSError, sqlite3.Error, ValueError) as error:
        print(f"ctid: not restored: {error}", file=sys.stderr)
        return 1
    print(f"restored {path} from {args.source}")
    return 0


def _check(source: Path) -> None:
    """Raise unless ``source`` is a whole SQLite file with a journal in it."""
    if not source.is_file():
        raise ValueError(f"{source} is not a file")
    with contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as conn:
        result = conn.execute("PRAGMA integrity_check").fetchone()[0]
        if result != "ok":
            raise ValueError(f"{source} is damaged: {result}")
        if not conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'journal'").fetchone():
            raise ValueError(f"{source} is not a ctid store")


def _lock(path: Path) -> None:
    """Raise when another process has the store open; bring its write-ahead log into the file."""
    with contextlib.closing(sqlite3.connect(path, timeout=0.5)) as conn:
        # leaving WAL mode needs the only connection there is
        mode = conn.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        if mode != "delete":
            raise ValueError("the store is in use; stop ctid first")

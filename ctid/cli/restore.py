"""``ctid restore``: put a copy made by ``ctid backup`` in the store's place."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any

from crmcore import doctor
from crmcore.errors import StoreError
from ctid.cli._common import add_config_option, load_settings
from ctid.clock import SystemClock


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "restore", help="replace the store by a backup; stop ctid before"
    )
    add_config_option(parser)
    parser.add_argument("source", type=Path, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Replace. The store that was there stays beside it as ``.replaced``.

    1: ctid runs, or the file is no whole backup; nothing was changed then.
    """
    loaded = load_settings(args.config)
    if loaded is None:
        return 2
    path = loaded.store.path
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    try:
        done = asyncio.run(doctor.restore(args.source, path, SystemClock().now_s()))
    except (StoreError, OSError, sqlite3.Error) as error:
        print(f"ctid: not restored: {error}", file=sys.stderr)
        return 1
    print(f"restored {path} from {args.source}")
    if done["erased_again"]:
        print(f"{done['erased_again']} persons who were erased since were erased again")
    if done["kept"]:
        print(f"what was there before is {done['kept']}")
    return 0

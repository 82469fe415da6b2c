"""``ctid backup``: a whole copy of the store, also while ctid runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from crmcore.store import Store
from ctid.cli._common import add_config_option, load_settings, with_store


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("backup", help="copy the store to a file, also while ctid runs")
    add_config_option(parser)
    parser.add_argument("target", type=Path, metavar="FILE", help="must not exist yet")


def run(args: argparse.Namespace) -> int:
    """Copy. 1: it could not be written; 2: the settings cannot be used."""
    loaded = load_settings(args.config)
    if loaded is None:
        return 2

    async def work(store: Store, now: float) -> int:
        await store.db.backup_to(args.target)
        print(f"{args.target}: {args.target.stat().st_size / 1e6:.1f} MB")
        return 0

    return with_store(loaded, work)

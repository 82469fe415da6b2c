"""What several commands share: the settings they are given and the store behind them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from crmcore.errors import StoreError
from crmcore.store import Store
from ctid import settings, toml_file
from ctid.clock import SystemClock
from ctid.settings import Settings
from ctid.toml_file import ConfigFileError


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """``-c FILE``, needed."""
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="FILE", help="ctid.toml"
    )


def load_settings(path: Path) -> Settings | None:
    """The settings, or ``None`` after the mistakes were printed."""
    try:
        return settings.load(path)
    except ConfigFileError as error:
        print_problems(error)
        return None


def print_problems(error: ConfigFileError) -> None:
    """Every mistake, coloured at a terminal, on standard error."""
    colour = toml_file.wants_colour(sys.stderr)
    print(toml_file.format_problems(error.problems, colour=colour), file=sys.stderr)


def with_store(loaded: Settings, work: Callable[[Store, float], Awaitable[int]]) -> int:
    """Run ``work(store, now)`` on the store of these settings; its errors become exit status 1."""

    async def run() -> int:
        path = loaded.store.path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        now = SystemClock().now_s()
        store = await Store.open(path, now, tidy=False)  # the daemon may be importing
        try:
            return await work(store, now)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (StoreError, OSError) as error:
        print(f"ctid: {error}", file=sys.stderr)
        return 1

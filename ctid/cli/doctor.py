"""``ctid doctor``: is the store whole? Also while ctid runs."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any

from crmcore import doctor
from crmcore.db import Database
from crmcore.errors import StoreError
from crmcore.numbers import NumberPlan
from ctid import toml_file
from ctid.cli._common import add_config_option, load_settings
from ctid.clock import SystemClock

CHECKS = {
    "integrity": "the file",
    "foreign_keys": "rows that point at others",
    "migrations": "migrations",
    "journal": "the journal's hash chain",
    "search_index": "search index against rows",
    "number_keys": "numbers against their keys",
    "live": "live calls against contact records",
}


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("doctor", help="check the store, also while ctid runs")
    add_config_option(parser)
    parser.add_argument(
        "--repair",
        action="store_true",
        help="make the search index and the numbers' keys what the rows say",
    )


def run(args: argparse.Namespace) -> int:
    """Look. 0: all is well; 1: something is wrong; 2: there is nothing to look at."""
    loaded = load_settings(args.config)
    if loaded is None:
        return 2
    path = loaded.store.path
    if not path.is_file():
        print(f"ctid: there is no store at {path}; ctid serve makes it", file=sys.stderr)
        return 2
    plan = NumberPlan(region=loaded.region, area=loaded.area)
    try:
        return asyncio.run(_examine(path, plan, repair=args.repair))
    except (StoreError, OSError) as error:
        print(f"ctid: {error}", file=sys.stderr)
        return 1
    except sqlite3.DatabaseError as error:
        print(f"ctid: {path} cannot be read: {error}. Restore a back-up.", file=sys.stderr)
        return 1


async def _examine(path: Path, plan: NumberPlan, *, repair: bool) -> int:
    # not as a Store: that would bring it up to date and tidy it, and this only looks
    db = await Database.open(path, readers=1)
    try:
        findings = await doctor.examine(db, plan=plan)
        if repair:
            changed = await doctor.repair(db, SystemClock().now_s(), plan=plan)
            print(f"repaired: {changed}")
            findings = await doctor.examine(db, plan=plan)
    finally:
        await db.close()
    colour = toml_file.wants_colour(sys.stdout)
    for one in findings:
        print(_line(one, colour=colour))
    return 0 if all(one["ok"] for one in findings) else 1


def _line(finding: dict[str, Any], *, colour: bool) -> str:
    word = "ok   " if finding["ok"] else "WRONG"
    if colour:
        word = f"\x1b[{'32' if finding['ok'] else '1;31'}m{word}\x1b[0m"
    name = CHECKS.get(finding["check"], finding["check"])
    detail = f"\n      {finding['detail']}" if finding["detail"] else ""
    return f"{word} {name}{detail}"

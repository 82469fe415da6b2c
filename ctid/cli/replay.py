"""``ctid replay``: what a journal's day would have been with another configuration."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "replay",
        help="what would have gone differently with another queues.toml",
        description="Takes the callers, their patience and the agents' working times from a "
        "journal and lets them meet a new configuration.",
    )
    parser.add_argument(
        "journal", type=Path, metavar="JOURNAL", help="ctid.db, or a journal exported as JSON lines"
    )
    parser.add_argument(
        "--config", type=Path, required=True, metavar="NEW", help="the other queues.toml"
    )
    parser.add_argument("--since", metavar="TIME", help="ISO 8601; only arrivals from then on")
    parser.add_argument("--until", metavar="TIME", help="ISO 8601; only arrivals before")
    parser.add_argument(
        "--limit", type=int, default=50, metavar="N", help="calls listed one by one"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="every call, one line each")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Replay and compare."""
    # the simulator stands above the daemon; only this door may open downwards into it
    return int(importlib.import_module("sim.command").replay(args))

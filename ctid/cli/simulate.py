"""``ctid simulate``: a day in virtual time with the production engine."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "simulate",
        help="what a day would be like: the production engine in virtual time",
        description="Simulates callers and agents on the engine that runs the house. Without "
        "--scenario, calls come at --calls-per-hour to each queue and everybody is at work.",
    )
    parser.add_argument("--queues", type=Path, required=True, metavar="FILE", help="queues.toml")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="another queues.toml: the same callers meet both, and the difference is shown",
    )
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="arrivals, talk, shifts")
    parser.add_argument("--hours", type=float, metavar="N", help="length (default 8)")
    parser.add_argument("--calls-per-hour", type=float, metavar="N", help="into each queue")
    parser.add_argument("--talk-s", type=float, metavar="S", help="mean talk time (default 180)")
    parser.add_argument("--patience-s", type=float, metavar="S", help="mean (default 120)")
    parser.add_argument("--replications", type=int, metavar="N", help="independent runs")
    parser.add_argument("--seed", type=int, metavar="N", help="same seed, same day (default 1)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="figures by queue and interval")
    parser.add_argument("--html", type=Path, metavar="FILE", help="a report with charts")
    parser.add_argument("--lang", choices=("zh", "en"), default="en", help="of the report")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Simulate and report."""
    # the simulator stands above the daemon; only this door may open downwards into it
    return int(importlib.import_module("sim.command").simulate(args))

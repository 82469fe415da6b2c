"""``ctid check-config``: every mistake of both files at once, and what is doubtful."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctid import queues_check, queues_file, settings, toml_file
from ctid.clock import SystemClock
from ctid.queues_check import QueueLoad
from ctid.toml_file import ConfigFileError, Problem


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check-config",
        help="check ctid.toml and queues.toml",
        description="Exit status 0: usable; 1: usable, --strict was given and there are warnings; "
        "2: not usable.",
    )
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="ctid.toml")
    parser.add_argument(
        "--queues", type=Path, metavar="FILE", help="queues.toml instead of the one it names"
    )
    parser.add_argument("--strict", action="store_true", help="warnings fail too")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument(
        "--talk-s", type=float, default=queues_check.ASSUMED_TALK_S, help="assumed talk time"
    )
    parser.add_argument(
        "--patience-s",
        type=float,
        default=queues_check.ASSUMED_PATIENCE_S,
        help="assumed mean patience of callers",
    )


def run(args: argparse.Namespace) -> int:
    """Check the files that are named."""
    if args.config is None and args.queues is None:
        print("name a file: -c ctid.toml or --queues queues.toml", file=sys.stderr)
        return 2
    if args.talk_s <= 0 or args.patience_s <= 0:
        print("--talk-s and --patience-s must be above 0", file=sys.stderr)
        return 2
    problems: list[Problem] = []
    queues_path: Path | None = args.queues
    if args.config is not None:
        try:
            loaded_settings = settings.load(args.config)
            queues_path = queues_path or loaded_settings.queues_file
        except ConfigFileError as error:
            problems += error.problems
    loads: list[QueueLoad] = []
    if queues_path is not None:
        clock = SystemClock()
        try:
            loaded = queues_file.load(queues_path, clock.wall().date())
            problems += queues_check.findings(loaded, clock.now_s())
            loads = queues_check.loads(
                loaded.config, talk_s=args.talk_s, patience_s=args.patience_s
            )
        except ConfigFileError as error:
            problems += error.problems
    errors = sum(not p.warning for p in problems)
    warnings = len(problems) - errors
    if args.json:
        print(json.dumps(_as_data(problems, loads), ensure_ascii=False, indent=2))
    else:
        _show(problems, loads, errors, warnings, args)
    if errors:
        return 2
    return 1 if warnings and args.strict else 0


def _as_data(problems: Sequence[Problem], loads: Sequence[QueueLoad]) -> dict[str, Any]:
    return {
        "problems": [
            {
                "file": p.file,
                "line": p.line,
                "key": p.key,
                "message": p.message,
                "hint": p.hint,
                "severity": "warning" if p.warning else "error",
            }
            for p in problems
        ],
        "loads": [
            {
                "queue": load.queue,
                "agents": round(load.agents, 2),
                "listed_agents": load.listed,
                "handle_s": load.handle_s,
                "calls_per_hour": round(load.calls_per_hour, 1),
                "abandonment": round(load.abandonment, 4),
            }
            for load in loads
        ],
    }


def _show(
    problems: Sequence[Problem],
    loads: Sequence[QueueLoad],
    errors: int,
    warnings: int,
    args: argparse.Namespace,
) -> None:
    if problems:
        colour = toml_file.wants_colour(sys.stderr)
        print(toml_file.format_problems(problems, colour=colour), file=sys.stderr)
    if loads and not errors:
        share = queues_check.TARGET_SHARE
        print(
            f"What each queue can carry with {share:.0%} answered in time (Erlang A; talk "
            f"{args.talk_s:g} s and patience {args.patience_s:g} s are assumed):"
        )
        width = max(len(load.queue) for load in loads)
        for load in loads:
            agents = f"{load.agents:.1f} agents"
            if abs(load.agents - load.listed) > 1e-9:
                agents += f" ({load.listed} listed, shared)"
            print(f"  {load.queue:<{width}}  {load.calls_per_hour:7.0f} calls/h  {agents}")
    state = "not usable" if errors else "usable"
    print(f"{state}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

"""The command line. Each command is one module with ``add_parser`` and ``run``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

import ctid

COMMANDS = (
    "serve",
    "check_config",
    "print_config",
    "user",
    "simulate",
    "replay",
    "explain",
    "import_queues",
    "backup",
    "restore",
    "doctor",
    "lab",
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="ctid", description="Call-center server for media houses."
    )
    parser.add_argument("--version", action="version", version=f"ctid {ctid.__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"ctid.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit status."""
    args = build_parser().parse_args(argv)
    name = str(args.command).replace("-", "_")
    try:
        return int(importlib.import_module(f"ctid.cli.{name}").run(args))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of a pipe (head, less) has seen enough
        sys.stderr.close()
        return 0

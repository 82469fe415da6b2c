"""``ctid serve``: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ctid import log, settings, toml_file
from ctid.toml_file import ConfigFileError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("serve", help="run the daemon")
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="FILE", help="ctid.toml"
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. 0: clean stop; 2: the configuration cannot be used; 1: other."""
    from ctid import app

    try:
        loaded = settings.load(args.config)
        log.configure(loaded.log.level, loaded.log.style)
        daemon = app.prepare(loaded)
    except ConfigFileError as error:
        colour = toml_file.wants_colour(sys.stderr)
        print(toml_file.format_problems(error.problems, colour=colour), file=sys.stderr)
        print("ctid was not started: mend the file above and start it again.", file=sys.stderr)
        return 2
    factory = None
    if importlib.util.find_spec("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(daemon.run())

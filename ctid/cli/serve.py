"""``ctid serve``: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys
from typing import Any

from ctid import log
from ctid.cli._common import add_config_option, load_settings, print_problems
from ctid.toml_file import ConfigFileError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("serve", help="run the daemon")
    add_config_option(parser)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. 0: clean stop; 2: the configuration cannot be used; 1: other."""
    from ctid import app

    loaded = load_settings(args.config)
    if loaded is None:
        return _not_started()
    log.configure(loaded.log.level, loaded.log.style)
    try:
        daemon = app.prepare(loaded)
    except ConfigFileError as error:
        print_problems(error)
        return _not_started()
    factory = None
    if importlib.util.find_spec("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(daemon.run())


def _not_started() -> int:
    print("ctid was not started: mend the file above and start it again.", file=sys.stderr)
    return 2

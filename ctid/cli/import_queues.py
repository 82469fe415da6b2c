"""``ctid import-queues``: an Asterisk ``queues.conf`` becomes a ``queues.toml``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ctid.toml_file import ConfigFileError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "import-queues",
        help="turn an Asterisk queues.conf into queues.toml",
        description="Writes queues.toml to --output (or standard output) and says on standard "
        "error what could not be carried over.",
    )
    parser.add_argument("file", type=Path, metavar="QUEUES_CONF")
    parser.add_argument(
        "--agents", type=Path, metavar="FILE", help="agents.conf, for Agent/... in queues.conf"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="refuses to overwrite")


def run(args: argparse.Namespace) -> int:
    """Import. 0: everything was carried over; 1: something was not; 2: nothing could be read."""
    from ctid.telephony.asterisk import import_queues

    try:
        result = import_queues.convert(args.file, args.agents)
    except ConfigFileError as error:
        print(error, file=sys.stderr)
        return 2
    if args.output is None:
        print(result.text, end="")
    else:
        try:
            with open(args.output, "x", encoding="utf-8") as stream:
                stream.write(result.text)
        except OSError as error:
            print(f"{args.output}: {error.strerror}; name another file", file=sys.stderr)
            return 2
    for note in result.notes:
        print(note, file=sys.stderr)
    return 1 if result.notes else 0

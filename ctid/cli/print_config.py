"""``ctid print-config``: the settings in force, defaults included, secrets hidden."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ctid import settings, toml_file
from ctid.toml_file import ConfigFileError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("print-config", help="show the settings in force as JSON")
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="FILE", help="ctid.toml"
    )


def run(args: argparse.Namespace) -> int:
    """Print the settings. 2: the file cannot be used."""
    try:
        loaded = settings.load(args.config)
    except ConfigFileError as error:
        colour = toml_file.wants_colour(sys.stderr)
        print(toml_file.format_problems(error.problems, colour=colour), file=sys.stderr)
        return 2
    data = loaded.model_dump(mode="json")
    if data["asterisk"]["ami"]["secret"]:
        data["asterisk"]["ami"]["secret"] = "***"  # noqa: S105 - the mask itself
    print(json.dumps(data, indent=2, ensure_ascii=False))
    return 0

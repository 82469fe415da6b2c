"""``ctid print-config``: the settings in force, defaults included, secrets hidden."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ctid.cli._common import add_config_option, load_settings


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("print-config", help="show the settings in force as JSON")
    add_config_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the settings. 2: the file cannot be used."""
    loaded = load_settings(args.config)
    if loaded is None:
        return 2
    data = loaded.model_dump(mode="json")
    if data["asterisk"]["ami"]["secret"]:
        data["asterisk"]["ami"]["secret"] = "***"  # noqa: S105 - the mask itself
    print(json.dumps(data, indent=2, ensure_ascii=False))
    return 0

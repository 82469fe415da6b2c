"""``ctid lab``: the private Asterisk."""

from __future__ import annotations

import argparse
from typing import Any

from sim.lab import cli


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    cli.add_parser(subparsers)


def run(args: argparse.Namespace) -> int:
    """Bring it up or down, or tell about it."""
    return cli.run(args)

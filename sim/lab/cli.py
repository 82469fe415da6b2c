"""``ctid lab up|down|status|cli|info|remove``: the private Asterisk from the command line."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.lab.lab import Lab
from sim.lab.options import Ports
from sim.lab.program import LabError
from sim.lab.tools import default_base_dir

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = Any


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add ``lab`` with its own subcommands to a program's parser."""
    parser = subparsers.add_parser("lab", help="a private Asterisk for trying out and testing")
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands, for any parser."""
    commands = parser.add_subparsers(dest="lab_command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="default", help="which instance (default: %(default)s)")
    common.add_argument(
        "--dir", type=Path, default=None, metavar="FOLDER",
        help="where instances live (default: $CTID_LAB_DIR or .asterisk in the repository)",
    )  # fmt: skip
    up = commands.add_parser("up", parents=[common], help="start it; fetch Asterisk if need be")
    up.add_argument("--agents", type=int, default=20, help="phones from 1001 on (%(default)s)")
    up.add_argument("--rounds", type=int, default=60, help="tries before the fallback queue")
    up.add_argument(
        "--agi-port", type=int, default=4573, help="where ctid's FastAGI listens (%(default)s)"
    )
    up.add_argument("--sip-port", type=int, default=0, help="0: any free port")
    up.add_argument("--ami-port", type=int, default=0, help="0: any free port")
    up.add_argument("--http-port", type=int, default=0, help="WebSocket; 0: any free port")
    commands.add_parser("down", parents=[common], help="stop it")
    commands.add_parser("remove", parents=[common], help="stop it and delete its folder")
    status = commands.add_parser("status", parents=[common], help="is it running?")
    status.add_argument("--all", action="store_true", help="every instance in the folder")
    info = commands.add_parser("info", parents=[common], help="addresses and credentials")
    info.add_argument("--json", action="store_true", help="for programs")
    console = commands.add_parser("cli", parents=[common], help="run console commands")
    console.add_argument("words", nargs="*", help="the command; none: an interactive console")


def run(args: argparse.Namespace) -> int:
    """Carry out a parsed ``lab`` command; gives the exit code."""
    try:
        return _run(args)
    except LabError as error:
        print(f"ctid lab: {error}", file=sys.stderr)
        return 1


def _run(args: argparse.Namespace) -> int:
    if args.lab_command == "up":
        Lab(
            args.name, base_dir=args.dir, agents=args.agents, rounds=args.rounds,
            ports=Ports(sip=args.sip_port, ami=args.ami_port, http=args.http_port,
                        agi=args.agi_port),
        ).up()  # fmt: skip
        return 0
    lab = Lab(args.name, base_dir=args.dir)
    if args.lab_command == "down":
        print(f"lab {args.name}: {'stopped' if lab.down() else 'was not running'}")
        return 0
    if args.lab_command == "remove":
        lab.remove()
        return 0
    if args.lab_command == "status":
        return _status(args, lab)
    if args.lab_command == "info":
        info = lab.info()
        print(info.to_json() if args.json else _plain(lab))
        return 0
    if args.words:
        print(lab.cli(" ".join(args.words)), end="")
        return 0
    return _console(lab)


def _status(args: argparse.Namespace, lab: Lab) -> int:
    names = [lab.name]
    if args.all:
        folder = args.dir or default_base_dir()
        names = sorted(path.parent.name for path in Path(folder).glob("*/options.json"))
    states = {name: Lab(name, base_dir=args.dir).status() for name in names}
    for name, state in states.items():
        print(f"{name}: {state}")
    return 0 if all(state == "running" for state in states.values()) else 3


def _plain(lab: Lab) -> str:
    info = lab.info()
    lines = [
        f"Asterisk    {info.version}, process {info.pid}",
        f"SIP         {info.sip_host}:{info.sip_port} (UDP and TCP)",
        f"WebSocket   {info.ws_url}",
        f"AMI         {info.ami.host}:{info.ami.port}, user {info.ami.username}, "
        f"password {info.ami.secret}",
        f"FastAGI     expected at {info.agi_host}:{info.agi_port}",
        f"Trunk       callers from {info.trunk_source}; calls out arrive at "
        f"{info.trunk_host}:{info.trunk_port}",
        f"Recordings  {info.recordings_dir}",
        f"Logs        {info.log_dir}",
        "Phones      " + ", ".join(f"{p.user} ({p.kind})" for p in info.phones),
        "Numbers     " + ", ".join(f"{name} {number}" for name, number in info.numbers.items()),
    ]
    return "\n".join(lines)


def _console(lab: Lab) -> int:
    from sim.lab.program import find_program
    from sim.lab.progress import Progress

    lab.info()
    program = find_program(lab.store, Progress())
    config = str(lab.folders.etc / "asterisk.conf")
    return subprocess.call([*program.command, "-C", config, "-r"])


def main(argv: list[str] | None = None) -> int:
    """``python -m sim.lab``."""
    parser = argparse.ArgumentParser(prog="python -m sim.lab")
    add_arguments(parser)
    return run(parser.parse_args(argv))

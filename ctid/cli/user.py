"""``ctid user``: who may log in."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from crmcore.access import ROLES, SYSTEM
from crmcore.store import Store
from ctid.cli._common import add_config_option, load_settings, with_store


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("user", help="add, list, disable users, set passwords")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="add a user; asks for the password")
    add_config_option(add)
    add.add_argument("username")
    add.add_argument("--role", choices=sorted(ROLES), default="agent")
    add.add_argument("--agent", default="", help="the agent of queues.toml that this user is")
    add.add_argument("--display-name", default="")
    add.add_argument("--team", action="append", default=[], help="may be given several times")
    add.add_argument("--language", default="", help="zh-CN or en")
    _password_option(add)
    listing = actions.add_parser("list", help="show all users")
    add_config_option(listing)
    passwd = actions.add_parser("passwd", help="set a password; ends the user's sessions")
    add_config_option(passwd)
    passwd.add_argument("username")
    _password_option(passwd)
    disable = actions.add_parser("disable", help="the user can no longer log in")
    add_config_option(disable)
    disable.add_argument("username")


def _password_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )


def run(args: argparse.Namespace) -> int:
    """Do it. 1: refused, with the reason; 2: the settings cannot be used."""
    loaded = load_settings(args.config)
    if loaded is None:
        return 2
    password = ""
    if args.action in ("add", "passwd"):
        try:
            password = _password(args.password_stdin)
        except ValueError as error:
            print(f"ctid: {error}", file=sys.stderr)
            return 1

    async def work(store: Store, now: float) -> int:
        if args.action == "add":
            given = {
                "username": args.username,
                "name": args.display_name or args.username,
                "role": args.role,
                "agent": args.agent or None,
                "teams": args.team,
                "language": args.language,
            }
            await store.users.create(SYSTEM, given, password, now)
            print(f"added {args.username} as {args.role}")
        elif args.action == "passwd":
            await store.users.set_password(SYSTEM, args.username, password, now)
            print(f"the password of {args.username} is changed")
        elif args.action == "disable":
            await store.users.update(SYSTEM, args.username, {"disabled": True}, now)
            print(f"{args.username} is disabled")
        else:
            for user in await store.users.all(SYSTEM):
                state = "disabled" if user.disabled else ""
                teams = ",".join(user.teams)
                print(
                    f"{user.username:<20} {user.role:<11} {user.agent or '-':<16} "
                    f"{teams or '-':<20} {user.name} {state}".rstrip()
                )
        return 0

    return with_store(loaded, work)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("password: ")
    if getpass.getpass("again: ") != first:
        raise ValueError("the two passwords differ")
    return first

"""Brings the demo up, says where to look, and takes everything down on Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from crmcore.access import SYSTEM
from crmcore.store import Store
from ctid.clock import SystemClock
from ctid.tasks import cancel_and_wait, spawn
from sim.demo.people import AGENTS, CUSTOMERS, GUEST
from sim.house import House, HouseError, User, new_password
from sim.lab import Lab, LabError
from sim.lab.progress import Progress
from sim.traffic import Traffic

FOLDER = Path(".demo")
QUEUES = Path(__file__).parent / "queues.toml"
DIDS = ("88880001", "88880002", "88880003", "88880000")
CALLS_PER_MINUTE = 9.0


def main() -> int:
    """Run until Ctrl-C. Returns the process's exit status."""
    running = _running_already()
    if running:
        print(f"the demo runs already: {running} (end it there with Ctrl-C)", file=sys.stderr)
        return 1
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700)
    try:
        return asyncio.run(_demo(FOLDER.absolute(), QUEUES.read_text(encoding="utf-8")))
    except (HouseError, LabError) as error:
        print(f"\nthe demo could not start: {error}", file=sys.stderr)
        return 1


def _running_already() -> str:
    """Address of a demo that runs from this folder, or nothing."""
    try:
        info = json.loads((FOLDER / "info.json").read_text(encoding="utf-8"))
        os.kill(info["pids"]["demo"], 0)
        command = Path(f"/proc/{info['pids']['demo']}/cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return ""
    return str(info["url"]) if b"sim.demo" in command else ""


async def _demo(folder: Path, queues: str) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    progress = Progress()
    users = (
        User(username="agent", role="agent", password=new_password(), agent=GUEST.agent,
             display_name=GUEST.name, teams=("newsroom",)),
        User(username="supervisor", role="supervisor", password=new_password(),
             display_name="班长", teams=("newsroom", "service")),
        User(username="admin", role="admin", password=new_password(), display_name="管理员"),
    )  # fmt: skip
    house = House(folder, Lab("demo"), queues=queues, users=users)
    traffic: Traffic | None = None
    try:
        progress.step("private Asterisk")
        await house.start_pbx()
        progress.step("configuration and users")
        house.write_config()
        await house.add_users()
        progress.step("customers")
        await _add_customers(house, progress)
        progress.step("ctid")
        await house.start_daemon()
        admin = await house.login("admin")
        progress.step("agents' phones and callers")
        traffic = Traffic(
            house.info,
            agents=[person.phone for person in (*AGENTS, GUEST)],
            dids=DIDS,
            callers=[(person.number, person.name) for person in CUSTOMERS],
            rate_per_min=CALLS_PER_MINUTE,
            menus={"88880000": "123"},
        )
        await traffic.start()
        for person in AGENTS:
            await admin.available(person.agent, person.phone)
        progress.close()
        _write_info(house)
        _welcome(house)
        assert house.daemon is not None
        ended = spawn(house.daemon.wait(), name="daemon's end")
        stopped = spawn(stop.wait(), name="ctrl-c")
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await cancel_and_wait(stopped)
        if ended.done():
            print(f"\nctid ended with {ended.result()}:\n{house.log_tail()}", file=sys.stderr)
            return 1
        return 0
    finally:
        print("\nstopping ...", flush=True)
        if traffic is not None:
            await traffic.stop()
        await house.down()
        (FOLDER / "info.json").unlink(missing_ok=True)
        print("everything is stopped", flush=True)


async def _add_customers(house: House, progress: Progress) -> None:
    """Put the known callers into the customer base before ctid opens it."""
    now = SystemClock().now_s()
    store = await Store.open(house.store_path, now)
    try:
        for done, person in enumerate(CUSTOMERS):
            if person.known:
                await store.create_customer(SYSTEM, person.as_customer(), now)
            progress.update(done / len(CUSTOMERS))
    finally:
        await store.close()


def _write_info(house: House) -> None:
    info = house.info
    assert house.daemon is not None
    data: dict[str, Any] = {
        "url": house.url,
        "logins": [
            {"role": u.role, "username": u.username, "password": u.password} for u in house.users
        ],
        "sip": {"host": info.sip_host, "port": info.sip_port, "ws": info.ws_url, "dids": DIDS},
        "ami": {
            "host": info.ami.host,
            "port": info.ami.port,
            "username": info.ami.username,
            "secret": info.ami.secret,
        },
        "agi": {"host": info.agi_host, "port": info.agi_port},
        "store": str(house.store_path),
        "recordings": str(house.library_dir),
        "pids": {"demo": os.getpid(), "ctid": house.daemon.pid, "asterisk": info.pid},
    }
    path = FOLDER / "info.json"
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False, indent=1)
    part.rename(path)


def _welcome(house: House) -> None:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    bold, plain = ("\x1b[1m", "\x1b[0m") if colour else ("", "")
    print(f"\n{bold}ctid is ready:  {house.url}/{plain}\n")
    for user in house.users:
        print(f"  {user.role:<12} {user.username:<12} {user.password}")
    print(
        f"\nLog in as agent, choose phone {GUEST.phone} and become available: you are offered "
        f"calls,\nand a scripted phone answers for you after some seconds. "
        f"The daemon's log: {FOLDER / house.log_path.name}\nCtrl-C stops everything.",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

"""A staged stop, the service manager's protocol, and timers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from ctid.lifecycle import Stage, run_stages
from ctid.systemd import Notifier, Watchdog
from ctid.timers import Timers
from routing.commands import CancelTimer, StartTimer
from routing.facts import Fact, TimerFired
from routing.ids import TimerId

pytestmark = pytest.mark.unit


async def test_a_stage_that_hangs_or_fails_does_not_keep_the_next_from_running() -> None:
    ran: list[str] = []

    async def hang() -> None:
        ran.append("hang")
        await asyncio.Event().wait()

    async def fail() -> None:
        ran.append("fail")
        raise OSError("disk")

    async def last() -> None:
        ran.append("last")

    clean = await run_stages(
        [
            Stage(name="drain", timeout_s=0.01, run=hang, blocking=lambda: ["lane a"]),
            Stage(name="finalise", timeout_s=1, run=fail),
            Stage(name="close", timeout_s=1, run=last),
        ]
    )
    assert ran == ["hang", "fail", "last"]
    assert not clean


async def test_a_clean_stop_says_so() -> None:
    async def fine() -> None:
        return None

    assert await run_stages([Stage(name="x", timeout_s=1, run=fine)])


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    sock.setblocking(False)
    return sock


async def test_ready_reaches_the_service_manager(tmp_path: Path) -> None:
    with listening(tmp_path / "n") as sock:
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "n")}).send("READY=1")
        assert sock.recv(100) == b"READY=1"


def test_without_a_service_manager_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.send("READY=1")
    assert notifier.watchdog_s == 0.0


async def test_the_watchdog_is_silent_while_the_pump_stands_still(tmp_path: Path) -> None:
    gate = asyncio.Event()
    asked = asyncio.Event()

    async def pulse() -> None:
        asked.set()
        await gate.wait()

    loop = asyncio.get_running_loop()
    with listening(tmp_path / "n") as sock:
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "20000"})
        watchdog = Watchdog(notifier, pulse)
        watchdog.start()
        await asked.wait()
        with pytest.raises(BlockingIOError):
            sock.recv(100)
        gate.set()
        assert await loop.sock_recv(sock, 100) == b"WATCHDOG=1"
        await watchdog.stop()


async def test_timers_fire_once_are_replaced_and_cancelled() -> None:
    fired: asyncio.Queue[Fact] = asyncio.Queue()
    timers = Timers(fired.put_nowait)
    timers.start(StartTimer(timer=TimerId("replaced"), after_s=0.0))
    timers.start(StartTimer(timer=TimerId("replaced"), after_s=3600))
    timers.start(StartTimer(timer=TimerId("cancelled"), after_s=0.0))
    timers.cancel(CancelTimer(timer=TimerId("cancelled")))
    timers.start(StartTimer(timer=TimerId("now"), after_s=-5))
    assert await fired.get() == TimerFired(timer=TimerId("now"))
    assert len(timers) == 1
    timers.close()
    assert len(timers) == 0
    assert fired.empty()

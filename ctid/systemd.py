"""The service manager's notification protocol (sd_notify(3)): ready, watchdog, status, stopping."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import structlog

from ctid.tasks import cancel_and_wait, spawn

log = structlog.get_logger(__name__)


class Notifier:
    """Sends states to ``NOTIFY_SOCKET``; does nothing where there is none."""

    def __init__(self, environment: os._Environ[str] | dict[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # an abstract socket's name is written with a leading @
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environment.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1e6 if usec.isdigit() else 0.0

    def send(self, state: str) -> None:
        """Send one state, for example ``READY=1``. A failure is logged, never raised."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("sd_notify_failed", why=str(error))


class Watchdog:
    """Pings the service manager, each ping having gone through the pump.

    A loop that turns while the pump stands still is therefore not certified healthy.
    """

    def __init__(self, notifier: Notifier, pulse: Callable[[], Awaitable[None]]) -> None:
        self._notifier = notifier
        self._pulse = pulse
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, if the service manager asked for it."""
        if self._notifier.watchdog_s > 0:
            self._task = spawn(self._run(), name="watchdog")

    async def stop(self) -> None:
        """End."""
        await cancel_and_wait(self._task)

    async def _run(self) -> None:
        # half the limit is what sd_watchdog_enabled(3) recommends
        period_s = self._notifier.watchdog_s / 2
        while True:
            await self._pulse()
            self._notifier.send("WATCHDOG=1")
            await asyncio.sleep(period_s)

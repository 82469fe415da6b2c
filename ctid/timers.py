"""The engine's timers on the event loop's monotonic clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from routing.commands import CancelTimer, StartTimer
from routing.facts import Fact, TimerFired
from routing.ids import TimerId

MAX_AFTER_S = 10 * 366 * 86400.0


class Timers:
    """Starts and cancels timers; one that runs out is reported as TimerFired."""

    def __init__(self, report: Callable[[Fact], None]) -> None:
        self._report = report
        self._running: dict[TimerId, asyncio.TimerHandle] = {}

    def start(self, command: StartTimer) -> None:
        """Start or replace a timer. A negative time counts as zero."""
        running = self._running.pop(command.timer, None)
        if running is not None:
            running.cancel()
        after_s = min(max(0.0, command.after_s), MAX_AFTER_S)
        loop = asyncio.get_running_loop()
        self._running[command.timer] = loop.call_later(after_s, self._fire, command.timer)

    def cancel(self, command: CancelTimer) -> None:
        """Forget a timer; one that is not running is fine."""
        running = self._running.pop(command.timer, None)
        if running is not None:
            running.cancel()

    def _fire(self, timer: TimerId) -> None:
        del self._running[timer]
        self._report(TimerFired(timer=timer))

    def close(self) -> None:
        """Forget all."""
        for handle in self._running.values():
            handle.cancel()
        self._running.clear()

    def __len__(self) -> int:
        return len(self._running)

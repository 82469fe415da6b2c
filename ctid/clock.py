"""The only place that asks the machine what time it is.

Everything else is handed a :class:`Clock`, so that tests and the simulator can pass
virtual time and a replay gives the same result as the day it replays.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Source of time. ``now_s`` is what the engine sees as ``now``."""

    def now_s(self) -> float:
        """Unix time in seconds (UTC) that never runs backwards within one process."""
        ...

    def wall(self) -> datetime:
        """The same instant as an aware UTC ``datetime``."""
        ...


class SystemClock:
    """Monotonic clock anchored to the wall clock at construction.

    A step of the host's clock (NTP, an administrator) therefore never fires or delays a
    timer, while the figures can still be read as UTC and survive a restart.
    """

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()  # noqa: TID251 - the one allowed use

    def now_s(self) -> float:
        return time.monotonic() + self._offset_s

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.now_s(), tz=UTC)

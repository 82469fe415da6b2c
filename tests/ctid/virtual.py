"""A clock for tests that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime


class StillClock:
    """Starts at ``at`` (Unix seconds) and moves only by ``advance``."""

    def __init__(self, at: float = 1_750_000_000.0) -> None:
        self.at = at

    def now_s(self) -> float:
        return self.at

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.at, tz=UTC)

    def advance(self, seconds: float) -> None:
        self.at += seconds

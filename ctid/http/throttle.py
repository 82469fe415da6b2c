"""How often somebody may fail before they have to wait."""

from __future__ import annotations

from collections import OrderedDict, deque

from ctid.clock import Clock


class Throttle:
    """At most ``limit`` failures within ``window_s`` for each key; memory is bounded.

    An attempt is charged before it is tried and refunded when it succeeds, so that attempts made
    at the same moment cannot slip through together.
    """

    def __init__(
        self, clock: Clock, *, limit: int, window_s: float, max_keys: int = 20_000
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._max_keys = max_keys
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until ``key`` may try again; 0: now."""
        times = self._failures.get(key)
        if times is None or len(times) < self._limit:
            return 0.0
        return max(0.0, times[0] + self._window_s - self._clock.now_s())

    def charge(self, key: str) -> None:
        """Count an attempt."""
        times = self._failures.setdefault(key, deque(maxlen=self._limit))
        times.append(self._clock.now_s())
        self._failures.move_to_end(key)
        while len(self._failures) > self._max_keys:
            self._failures.popitem(last=False)

    def refund(self, key: str) -> None:
        """The last attempt of ``key`` was none: take its charge back."""
        times = self._failures.get(key)
        if times:
            times.pop()
            if not times:
                del self._failures[key]

"""Tells a new listening to a recording from the further ranges of one that runs."""

from __future__ import annotations

from collections import OrderedDict

SAME_LISTENING_S = 600.0
MAX_KNOWN = 10_000


class Listenings:
    """Who began to listen to what, and when; bounded."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()

    def is_new(self, listening: tuple[str, str], now: float) -> bool:
        """Whether this user did not ask for this recording within the last ten minutes."""
        began = self._known.get(listening)
        if began is not None and now - began < SAME_LISTENING_S:
            return False
        self._known[listening] = now
        self._known.move_to_end(listening)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return True

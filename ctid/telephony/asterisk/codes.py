"""Feature codes: digits that agents key in at their phones, read from AMI.

Asterisk has feature codes of its own (features.conf, ``Dial`` with ``t``); they would keep the
agent's digits back until it is clear that they are no code, and do things that ctid has not asked
for. Here the digits go on to the caller as ever, and ctid is told what was asked for.
Source: Asterisk documentation, AMI event ``DTMFEnd``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from ctid.telephony.asterisk.legs import Board
from routing.control_facts import WITH_NUMBER, FeatureCodeDialled, PhoneAct
from routing.facts import Fact

PAUSE_S = 5.0
"""Digits that are further apart belong to different codes."""
MAX_DIGITS = 32
OUTSIDE = "0"
"""What a phone dials before an outside number, as in the dialplan (``from-phones``)."""

Event = Mapping[str, str]


def read_code(codes: Mapping[str, PhoneAct], keyed: str) -> tuple[PhoneAct, str, bool] | None:
    """The act, its number and whether that is outside; ``None`` while ``keyed`` is no whole code.

    ``codes``: ``*`` and digits to act. A number ends with ``#``.
    """
    act = codes.get(keyed)
    if act is not None and act not in WITH_NUMBER:
        return act, "", False
    if not keyed.endswith("#"):
        return None
    for code, act in codes.items():
        number = keyed[len(code) : -1]
        if act in WITH_NUMBER and keyed.startswith(code) and number:
            outside = number.startswith(OUTSIDE) and number != OUTSIDE
            return act, number[1:] if outside else number, outside
    return None


class FeatureCodes:
    """Collects what is keyed in at each agent's leg. Without ``codes`` no digit is looked at."""

    def __init__(
        self,
        codes: Mapping[PhoneAct, str],
        *,
        board: Board,
        tell: Callable[[Fact], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._codes = {code: act for act, code in codes.items()}
        self._board = board
        self._tell = tell
        self._now_s = now_s
        self._keyed: dict[str, tuple[str, float]] = {}
        self._sent: dict[str, deque[tuple[str, float]]] = {}

    def sends(self, uniqueid: str, digit: str) -> None:
        """ctid sends this digit through the agent's leg: the phone has not keyed it in."""
        if self._codes:
            self._sent.setdefault(uniqueid, deque()).append((digit, self._now_s()))

    def event(self, event: Event) -> None:
        """Take one AMI event."""
        uniqueid = event.get("Uniqueid", "")
        name = event.get("Event")
        if name == "Hangup":
            self._keyed.pop(uniqueid, None)
            self._sent.pop(uniqueid, None)
        elif name == "DTMFEnd" and event.get("Direction") == "Received" and self._codes:
            self._digit(uniqueid, event.get("Digit", ""))

    def _digit(self, uniqueid: str, digit: str) -> None:
        leg = self._board.legs.get(uniqueid)
        if leg is None or leg.call.talking is not leg or leg.unnamed or leg.call.gone:
            return
        now = self._now_s()
        if self._is_ours(uniqueid, digit, now):
            return
        keyed, at = self._keyed.pop(uniqueid, ("", 0.0))
        if digit == "*":
            keyed = "*"
        elif keyed and now - at <= PAUSE_S and len(keyed) < MAX_DIGITS:
            keyed += digit
        else:
            return
        found = read_code(self._codes, keyed)
        if found is not None:
            act, to, outside = found
            self._tell(
                FeatureCodeDialled(
                    interaction=leg.call.interaction,
                    agent=leg.agent,
                    act=act,
                    to=to,
                    outside=outside,
                )
            )
        elif not keyed.endswith("#"):
            self._keyed[uniqueid] = (keyed, now)

    def _is_ours(self, uniqueid: str, digit: str, now: float) -> bool:
        sent = self._sent.get(uniqueid)
        while sent:
            ours, at = sent[0]
            if now - at <= PAUSE_S and ours != digit:
                return False
            sent.popleft()  # this one, or one that Asterisk has never told of
            if now - at <= PAUSE_S:
                return True
        return False

"""What the PBX says about phones, without the echo of ctid's own calls.

A phone that rings or talks because of an offer changes its device state, too; the engine knows
that from the offer. Only what the offer does not explain is a fact: unreachable, and own calls.
"""

from __future__ import annotations

from collections.abc import Callable

from routing.facts import PhoneState, PhoneStateChanged
from routing.ids import PhoneId

# Asterisk's device states (``devicestate.c``).
STATES = {
    "NOT_INUSE": PhoneState.IDLE,
    "INUSE": PhoneState.IN_USE,
    "BUSY": PhoneState.IN_USE,
    "ONHOLD": PhoneState.IN_USE,
    "RINGINUSE": PhoneState.IN_USE,
    "RINGING": PhoneState.RINGING,
    "UNAVAILABLE": PhoneState.UNREACHABLE,
    "INVALID": PhoneState.UNREACHABLE,
}


class Phones:
    """``ours(phone)``: whether a leg of ctid is at the phone; ``trunk`` is no phone."""

    def __init__(self, ours: Callable[[PhoneId], bool], trunk: str) -> None:
        self._ours = ours
        self._trunk = trunk
        self._seen: dict[PhoneId, PhoneState] = {}
        self._told: dict[PhoneId, PhoneState] = {}

    def device(self, device: str, state: str) -> PhoneStateChanged | None:
        """A device state event; ``device`` as Asterisk names it (``PJSIP/1002``)."""
        if not device.startswith("PJSIP/"):
            return None
        phone, known = PhoneId(device[6:]), STATES.get(state)
        if known is None or not phone or phone == self._trunk:
            return None
        self._seen[phone] = known
        if known is not PhoneState.UNREACHABLE and self._ours(phone):
            return None
        return self.settle(phone)

    def settle(self, phone: PhoneId) -> PhoneStateChanged | None:
        """Tell what was seen, if it was not told yet (called a moment after our leg has ended)."""
        seen = self._seen.get(phone)
        if seen is None or self._told.get(phone) is seen:
            return None
        if seen is not PhoneState.UNREACHABLE and self._ours(phone):
            return None
        self._told[phone] = seen
        return PhoneStateChanged(phone=phone, state=seen)

    def unsettled(self, phone: PhoneId) -> bool:
        return self._seen.get(phone) is not self._told.get(phone)

"""Phone states without the echo of our own calls."""

from __future__ import annotations

import pytest

from ctid.telephony.asterisk.phones import Phones
from routing.facts import PhoneState, PhoneStateChanged
from routing.ids import PhoneId

pytestmark = pytest.mark.unit


class Desk:
    def __init__(self) -> None:
        self.ours: set[str] = set()
        self.phones = Phones(lambda phone: phone in self.ours, "trunk")

    def see(self, state: str, device: str = "PJSIP/1001") -> PhoneState | None:
        fact = self.phones.device(device, state)
        return fact.state if fact is not None else None


def test_each_change_is_told_once() -> None:
    desk = Desk()
    assert desk.see("NOT_INUSE") is PhoneState.IDLE
    assert desk.see("NOT_INUSE") is None
    assert desk.see("INUSE") is PhoneState.IN_USE
    assert desk.see("ONHOLD") is None
    assert desk.see("UNAVAILABLE") is PhoneState.UNREACHABLE


def test_our_own_call_makes_no_facts() -> None:
    desk = Desk()
    desk.see("NOT_INUSE")
    desk.ours.add("1001")
    assert desk.see("RINGING") is None
    assert desk.see("BUSY") is None
    desk.ours.clear()
    assert desk.see("NOT_INUSE") is None
    assert desk.phones.settle(PhoneId("1001")) is None


def test_an_own_call_that_outlasts_ours_is_told_afterwards() -> None:
    desk = Desk()
    desk.see("NOT_INUSE")
    desk.ours.add("1001")
    desk.see("INUSE")
    desk.ours.clear()
    told = desk.phones.settle(PhoneId("1001"))
    assert told == PhoneStateChanged(phone=PhoneId("1001"), state=PhoneState.IN_USE)


def test_a_phone_that_is_lost_in_a_call_is_told_at_once() -> None:
    desk = Desk()
    desk.see("NOT_INUSE")
    desk.ours.add("1001")
    assert desk.see("UNAVAILABLE") is PhoneState.UNREACHABLE


@pytest.mark.parametrize(
    ("device", "state"),
    [
        ("Queue:x", "INUSE"),
        ("PJSIP/trunk", "INUSE"),
        ("PJSIP/1001", "UNKNOWN"),
        ("PJSIP/", "INUSE"),
    ],
)
def test_what_is_no_phone_is_nothing(device: str, state: str) -> None:
    assert Desk().see(state, device) is None

"""Digits at an agent's phone, event by event, with a clock that the test moves."""

from __future__ import annotations

import pytest

from ctid.telephony.asterisk.codes import PAUSE_S, FeatureCodes
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call
from routing.control_facts import FeatureCodeDialled, PhoneAct
from routing.facts import Fact, Party
from routing.ids import AgentId, InteractionId, PhoneId

pytestmark = pytest.mark.unit

CODES = {
    PhoneAct.TRANSFER: "*1",
    PhoneAct.CONSULT: "*21",
    PhoneAct.HOLD: "*7",
    PhoneAct.CANCEL: "*0",
}


class Phone:
    """An agent's phone in a conversation."""

    def __init__(self, codes: dict[PhoneAct, str] = CODES) -> None:
        board = Board()
        self.call = Call(
            interaction=InteractionId("i"),
            uniqueid="c",
            channel="PJSIP/trunk-00000001",
            caller=Party(number="138"),
            did="100",
            arrived_at=0,
        )
        self.leg = AgentLeg(
            uniqueid="a",
            channel="PJSIP/1001-00000002",
            phone=PhoneId("1001"),
            agent=AgentId("li"),
            call=self.call,
        )
        self.call.talking = self.leg
        board.add_call(self.call)
        board.add_leg(self.leg)
        self.now = 100.0
        self.told: list[Fact] = []
        self.codes = FeatureCodes(codes, board=board, tell=self.told.append, now_s=lambda: self.now)

    def key(self, digits: str, *, at: str = "a", direction: str = "Received") -> None:
        for digit in digits:
            self.codes.event(
                {"Event": "DTMFEnd", "Uniqueid": at, "Digit": digit, "Direction": direction}
            )

    def asked(self) -> list[tuple[PhoneAct, str, bool]]:
        facts, self.told[:] = list(self.told), []
        assert all(isinstance(f, FeatureCodeDialled) and f.agent == "li" for f in facts)
        return [(f.act, f.to, f.outside) for f in facts if isinstance(f, FeatureCodeDialled)]


@pytest.mark.parametrize(
    ("keyed", "asked"),
    [
        ("*7", [(PhoneAct.HOLD, "", False)]),
        ("*7*7", [(PhoneAct.HOLD, "", False)] * 2),
        ("*11002#", [(PhoneAct.TRANSFER, "1002", False)]),
        ("*1013911112222#", [(PhoneAct.TRANSFER, "13911112222", True)]),
        ("*10#", [(PhoneAct.TRANSFER, "0", False)]),
        ("*217001#", [(PhoneAct.CONSULT, "7001", False)]),
        ("*1100*7", [(PhoneAct.HOLD, "", False)]),  # changed one's mind
        ("*1#", []),
        ("*1#1002#", []),
        ("11002#", []),
        ("*9", []),
        ("*1" + "9" * 40 + "#", []),
        ("", []),
    ],
)
def test_what_is_keyed_in_and_what_it_means(
    keyed: str, asked: list[tuple[PhoneAct, str, bool]]
) -> None:
    phone = Phone()
    phone.key(keyed)
    assert phone.asked() == asked


def test_digits_far_apart_are_no_code() -> None:
    phone = Phone()
    phone.key("*")
    phone.now += PAUSE_S + 0.1
    phone.key("7")
    assert phone.asked() == []
    phone.key("*")
    phone.now += PAUSE_S - 0.1
    phone.key("7")
    assert phone.asked() == [(PhoneAct.HOLD, "", False)]


def test_only_the_phone_that_has_the_caller_is_listened_to() -> None:
    phone = Phone()
    phone.key("*7", at="c")
    phone.key("*7", at="?")
    phone.key("*7", direction="Sent")
    phone.leg.unnamed = True
    phone.key("*7")
    phone.leg.unnamed, phone.call.talking = False, None
    phone.key("*7")
    assert phone.asked() == []


def test_nothing_is_kept_of_a_leg_that_has_ended() -> None:
    phone = Phone()
    phone.key("*")
    phone.codes.event({"Event": "Hangup", "Uniqueid": "a"})
    phone.key("7")
    assert phone.asked() == []


def test_what_ctid_sends_itself_is_no_code() -> None:
    phone = Phone()
    for digit in "*7*":
        phone.codes.sends("a", digit)
    phone.key("*7*")
    assert phone.asked() == []
    phone.key("7")  # the star before it was not the phone's
    assert phone.asked() == []
    phone.key("*7")
    assert phone.asked() == [(PhoneAct.HOLD, "", False)]


def test_keys_between_digits_of_ctids_own_count() -> None:
    phone = Phone()
    phone.codes.sends("a", "5")
    phone.key("*")
    phone.key("5")
    phone.key("7")
    assert phone.asked() == [(PhoneAct.HOLD, "", False)]


def test_a_digit_that_asterisk_never_told_of_hides_none_for_long() -> None:
    phone = Phone()
    phone.codes.sends("a", "*")
    phone.now += PAUSE_S + 0.1
    phone.key("*7")
    assert phone.asked() == [(PhoneAct.HOLD, "", False)]
    phone.codes.sends("a", "*")
    phone.codes.event({"Event": "Hangup", "Uniqueid": "a"})
    phone.key("*7")
    assert phone.asked() == [(PhoneAct.HOLD, "", False)]


def test_without_codes_nothing_is_asked() -> None:
    phone = Phone({})
    phone.key("*7*11002#")
    assert phone.asked() == []

"""The channel list, read after a restart."""

from __future__ import annotations

from typing import Any

import pytest
from panoramisk.message import Message

from ctid.telephony.asterisk import live
from ctid.telephony.asterisk.legs import Board

pytestmark = pytest.mark.unit


def status(channel: str, uniqueid: str, *, state: str = "6", bridge: str = "", **v: str) -> Any:
    headers: dict[str, Any] = {
        "Event": "Status",
        "Channel": channel,
        "ChannelState": state,
        "CallerIDNum": "13800138000",
        "CallerIDName": "张三",
        "DNID": "4000",
        "Uniqueid": uniqueid,
        "BridgeID": bridge,
        "Seconds": "12",
        "Variable": [f"{k}={x}" for k, x in {"CTID_PATH": "(null)", **v}.items()],
    }
    return Message(headers)


CALLER = "PJSIP/trunk-00000001"
LEG = "PJSIP/1001-00000002"


def test_a_caller_and_the_phone_in_its_bridge() -> None:
    rows = live.read_rows(
        [
            Message({"Response": "Success", "EventList": "start"}),
            status(CALLER, "1.1", bridge="b", CTID_PATH="in", CTID_I="1.1", CTID_DID="4001"),
            status(LEG, "1.2", bridge="b", CTID_I="1.1"),
            status("PJSIP/9-00000009", "9.9", bridge="other"),
            Message({"Event": "StatusComplete"}),
        ]
    )
    board = Board()
    ((seen,), ringing) = live.pair_up(rows, board)
    assert ringing == []
    call = live.adopt(board, seen, 100.0)
    assert (call.interaction, call.did, call.arrived_at) == ("1.1", "4001", 88.0)
    assert call.talking is not None
    assert call.talking.phone == "1001"
    assert board.legs["1.2"] is call.talking


@pytest.mark.parametrize(("knocked_at", "since"), [(99.5, 88.0), (87.6, 87.6)])
def test_a_caller_who_has_knocked_anew_came_when_the_channel_did(
    knocked_at: float, since: float
) -> None:
    [row] = live.read_rows([status(CALLER, "1.1", CTID_PATH="in", CTID_I="1.1")])
    board = Board()
    ((seen,), _) = live.pair_up([row], board)
    known = live.adopt(board, seen, knocked_at + 12)
    assert known.arrived_at == knocked_at
    assert live.adopt(board, seen, 100.0) is known
    assert known.arrived_at == since


def test_an_answer_whose_bridge_is_still_being_made() -> None:
    rows = live.read_rows(
        [status(CALLER, "1.1", CTID_PATH="in", CTID_I="1.1"), status(LEG, "1.2", CTID_I="1.1")]
    )
    ((seen,), _) = live.pair_up(rows, Board())
    assert seen.agent_row is not None
    assert seen.agent_row.channel == LEG


def test_a_leg_in_its_seat_is_not_about_to_be_connected() -> None:
    seat = status(LEG, "1.2", CTID_I="1.1")
    seat["Context"], seat["Exten"] = "ctid-agi", "seat"
    rows = live.read_rows([status(CALLER, "1.1", CTID_PATH="in", CTID_I="1.1"), seat])
    ((seen,), ringing) = live.pair_up(rows, Board())
    assert (seen.agent_row, ringing) == (None, [])


def test_a_phone_that_rings_is_not_a_partner() -> None:
    rows = live.read_rows(
        [
            status(CALLER, "1.1", CTID_PATH="in", CTID_I="1.1"),
            status(LEG, "1.2", state="5", CTID_I="1.1"),
        ]
    )
    ((seen,), (ringing,)) = live.pair_up(rows, Board())
    assert seen.agent_row is None
    assert ringing.channel == LEG


def test_a_leg_that_ended_after_the_list_was_made_stays_dead() -> None:
    rows = live.read_rows(
        [
            status(CALLER, "1.1", bridge="b", CTID_PATH="in", CTID_I="1.1"),
            status(LEG, "1.2", bridge="b", CTID_I="1.1"),
        ]
    )
    board = Board()
    board.note_end("1.2")
    ((seen,), _) = live.pair_up(rows, board)
    assert live.adopt(board, seen, 100.0).talking is None


def test_one_variable_alone_is_no_list_and_still_read() -> None:
    message = status(CALLER, "1.1")
    message["Variable"] = "CTID_PATH=in"
    ((seen,), _) = live.pair_up(live.read_rows([message]), Board())
    assert seen.interaction == "1.1"


def test_two_others_in_the_bridge_are_nobodys_conversation() -> None:
    rows = live.read_rows(
        [
            status(CALLER, "1.1", bridge="b", CTID_PATH="in"),
            status(LEG, "1.2", bridge="b"),
            status("PJSIP/1002-00000003", "1.3", bridge="b"),
        ]
    )
    ((seen,), _) = live.pair_up(rows, Board())
    assert seen.agent_row is None

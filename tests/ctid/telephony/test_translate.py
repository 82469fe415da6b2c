"""The table, on traces of a real Asterisk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctid.telephony.asterisk import table, translate
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call, OfferState
from routing.facts import CallerHungUp, Fact, OfferDeclined, OfferFailed, Party
from routing.ids import AgentId, InteractionId, OfferId, PhoneId
from tests.ctid.telephony.traces import FOLDER, replay

pytestmark = pytest.mark.unit

TRACES = sorted(FOLDER.glob("*.txt"))
BLIND = sorted(FOLDER.glob("phone-blind-*.txt"))
OUT_OF_OURS = sorted(FOLDER.glob("phone-attended-out-of-*.txt"))
CONVERSATION = {
    "OfferRinging",
    "OfferAnswered",
    "OfferEnded",
    "AgentHungUp",
    "CallerSentOn",
    "HandedOver",
    "HoldChanged",
    "ExternalEnded",
}
"""What is told of a caller who has not hung up."""


@pytest.mark.parametrize("path", TRACES, ids=lambda p: p.stem)
def test_a_trace_means_its_facts(path: Path) -> None:
    got, wanted, board = replay(path.read_text())
    assert wanted
    assert got == wanted
    assert not board.calls
    assert not board.legs
    assert not board.by_interaction
    assert not board.unwanted
    assert not board.after


def test_there_are_traces() -> None:
    assert len(TRACES) >= 16


def blocks_of(path: Path) -> list[str]:
    return [b for b in path.read_text().strip().split("\n\n") if not b.startswith("=")]


@settings(max_examples=150)
@given(st.sampled_from(TRACES), st.data())
def test_lost_doubled_and_late_events_never_contradict(path: Path, data: st.DataObject) -> None:
    """AMI may be late, filtered or away: facts stay in a sensible order and come once."""
    blocks = blocks_of(path)
    knock, rest = blocks[0], blocks[1:]
    order = data.draw(
        st.lists(st.sampled_from(range(len(rest))), min_size=1, max_size=2 * len(rest))
    )
    keep_order = data.draw(st.booleans())
    chosen = [rest[i] for i in (sorted(order) if keep_order else order)]
    try:
        got, _, _ = replay("\n\n".join([knock, *chosen]))
    except ValueError:  # ctid acts on a caller who is gone: the switch refuses that before
        return
    kinds = [fact.split()[0] for fact in got]
    assert kinds.count("CallerHungUp") <= 1
    if "CallerHungUp" in kinds:
        after = kinds[kinds.index("CallerHungUp") + 1 :]
        assert not CONVERSATION & set(after)
    offers = sum(block.startswith("> offer") for block in chosen)
    assert kinds.count("OfferAnswered") + kinds.count("OfferEnded") <= offers
    had = kinds.count("OfferAnswered") + kinds.count("HandedOver")
    assert kinds.count("AgentHungUp") + kinds.count("ExternalEnded") <= had


@pytest.mark.parametrize("path", BLIND, ids=lambda p: p.stem)
def test_a_blind_transfer_is_told_once_also_when_ami_is_behind_the_caller(path: Path) -> None:
    """The caller knocks again on a connection of its own: AMI's word on it may come afterwards."""
    blocks = path.read_text().strip().split("\n\n")
    told = next(n for n, block in enumerate(blocks) if block.startswith("Event: BlindTransfer"))
    knocked = blocks.index("> knock-again")
    answered = next(n for n in range(knocked, len(blocks)) if "Event: DialEnd" in blocks[n])
    for until in range(knocked + 1, answered + 2):
        within = blocks[told:until]
        behind = sorted(within, key=lambda block: block.startswith("Event:"))
        got, wanted, board = replay("\n\n".join([*blocks[:told], *behind, *blocks[until:]]))
        assert got == wanted, behind
        assert not board.calls


@pytest.mark.parametrize("place", ["ctid-spy", "ctid-park"])
def test_nobody_takes_the_place_of_a_leg_that_listens_or_waits(place: str) -> None:
    """A supervisor's phone that completes a transfer would have somebody else listen."""
    blocks = (FOLDER / "phone-attended-out-of-seat.txt").read_text().strip().split("\n\n")
    told = next(n for n, b in enumerate(blocks) if "Event: AttendedTransfer" in b)
    supervisor = blocks[told].replace("Context: ctid-agi", f"Context: {place}")
    channel = next(
        line.removeprefix("TransferTargetChannel: ")
        for line in supervisor.splitlines()
        if line.startswith("TransferTargetChannel: ")
    )
    events = [supervisor, *(b for b in blocks[told + 1 :] if b.startswith("Event: Hangup\n"))]
    got, _, _ = replay("\n\n".join(["> knock other PJSIP/trunk-ffffffff", *events]))
    assert got == [f"hang up {channel}"]


@pytest.mark.parametrize("cause", [17, 19, 21])
def test_a_phone_that_declines_before_its_leg_is_told_has_declined(cause: int) -> None:
    """Asterisk calls the phone first and tells AMI of the leg afterwards, in the caller's thread:
    the refusal is told by another one."""
    blocks = (FOLDER / "declined.txt").read_text().replace("Cause: 21", f"Cause: {cause}")
    knock, offer, begin, ringing, request, *rest = blocks.strip().split("\n\n")
    assert "Event: DialBegin" in begin
    assert "Event: HangupRequest" in request
    early = [knock, offer, request, begin, ringing, *rest]
    got, _, board = replay("\n\n".join(early))
    assert got[:3] == [
        "OfferRinging agent=agent-1001",
        f"OfferDeclined agent=agent-1001 cause={cause}",
        "OfferEnded",
    ]
    assert not board.legs


@pytest.mark.parametrize("path", TRACES, ids=lambda p: p.stem)
def test_strange_channels_mean_nothing(path: Path) -> None:
    text = path.read_text().replace("> knock", "> knock x y\n\n> forget")
    blocks = [b for b in text.split("\n\n") if not b.startswith((">", "="))]
    got, _, _ = replay("\n\n".join(["> knock other PJSIP/trunk-ffffffff", *blocks]))
    if path in OUT_OF_OURS:  # whose agent's leg may have left the board by then
        [line] = got
        assert line.startswith("hang up ")
    else:
        assert got == []


@pytest.mark.parametrize("ami_first", [False, True])
def test_a_phone_that_rings_beside_dial_stops_when_the_caller_has_gone(ami_first: bool) -> None:
    """Dial takes down its own legs; that the caller has gone, its session or AMI tells first."""
    call = a_call()
    offer = OfferState(offer=OfferId("o"), targets={PhoneId("0"): AgentId("a0")})
    call.offer = offer
    leg = AgentLeg(
        uniqueid="2.0",
        channel="PJSIP/0-1",
        phone=PhoneId("0"),
        agent=AgentId("a0"),
        call=call,
        extra=True,
    )
    offer.legs.append(leg)
    got: list[object] = []
    if ami_first:
        got += translate.caller_gone(call, 16)
        got += translate.dial_returned(call, offer, "", 0, "")
    else:
        call.gone = call.untold = True  # the line HANGUP
        got += translate.dial_returned(call, offer, "", 0, "")
        got += translate.caller_gone(call, 16)
    assert got.count(translate.HangUpLeg("PJSIP/0-1")) == 1
    assert got.count(CallerHungUp(interaction=call.interaction, cause=16)) == 1


def a_call() -> Call:
    return Call(
        interaction=InteractionId("1.0"),
        uniqueid="1.0",
        channel="PJSIP/trunk-00000000",
        caller=Party(number="139"),
        did="8",
        arrived_at=0.0,
    )


def refused(phones: int, *, early: bool, rang: bool) -> list[type]:
    """What it means that the first of some phones is busy (486)."""
    call = a_call()
    targets = {PhoneId(str(n)): AgentId(f"a{n}") for n in range(phones)}
    call.offer = OfferState(offer=OfferId("o"), targets=targets, early=early)
    leg = AgentLeg(
        uniqueid="2.0", channel="PJSIP/0-1", phone=PhoneId("0"), agent=AgentId("a0"), call=call
    )
    leg.ringing = rang
    call.offer.legs.append(leg)
    board = Board()
    board.add_call(call)
    board.add_leg(leg)
    event = {"Event": "HangupRequest", "Uniqueid": "2.0", "Cause": "17"}
    return [type(fact) for fact in translate.hangup_request(board, event) if isinstance(fact, Fact)]


def test_a_phone_that_is_still_in_its_last_call_declines_nothing() -> None:
    assert refused(1, early=False, rang=False) == [OfferDeclined]
    assert refused(1, early=True, rang=True) == [OfferDeclined]
    assert refused(1, early=True, rang=False) == []  # it is rung again
    assert refused(2, early=True, rang=False) == [OfferFailed]  # the others ring on


def test_a_phone_may_be_in_its_last_call_for_a_while() -> None:
    board, phone = Board(), PhoneId("1001")
    assert not board.may_be_leaving(phone)
    board.leaves(phone)
    board.leaves(phone)
    board.left(phone)
    assert board.may_be_leaving(phone)
    board.left(phone)
    assert not board.may_be_leaving(phone)


def test_a_leg_that_was_given_up_before_it_was_made_is_hung_up_once_it_is() -> None:
    board = Board()
    made = {"Event": "DialBegin", "DestUniqueid": "1.0-c000001", "DestChannel": "PJSIP/1002-1"}
    assert translate.dial_begin(board, made) == []
    board.unwanted |= {"1.0-c000001", "1.0-c000002", "1.0-c000003"}
    assert translate.dial_begin(board, made) == [translate.HangUpLeg("PJSIP/1002-1")]
    # what was never made, or is gone, is not waited for
    failed = {"Event": "OriginateResponse", "Response": "Failure"}
    translate.originate_response(board, {**failed, "ActionID": "7.consult.1.0-c000002"})
    translate.hangup(board, {"Event": "Hangup", "Uniqueid": "1.0-c000003"})
    assert not board.unwanted


@pytest.mark.parametrize("late", [False, True])
def test_who_takes_an_agents_place_in_a_conference_goes_when_the_agents_leg_has_gone(
    late: bool,
) -> None:
    """Hung up before, it stays: Asterisk is still moving it in (measured)."""
    board = Board()
    sent = {
        "Event": "AttendedTransfer",
        "Result": "Success",
        "OrigTransfererContext": "ctid-conf",
        "OrigTransfererUniqueid": "9.1",
        "SecondTransfererContext": "ctid-dialled",
        "SecondTransfererUniqueid": "9.7",
        "TransferTargetChannel": "PJSIP/trunk-00000004",
        "TransferTargetUniqueid": "9.8",
        "DestType": "App",
        "DestApp": "ConfBridge",
    }
    gone = {"Event": "Hangup", "Uniqueid": "9.1"}
    other = {"Event": "Hangup", "Uniqueid": "9.7"}
    leaves = [translate.HangUpLeg("PJSIP/trunk-00000004")]
    order = [gone, other, sent] if late else [sent, other, gone]
    assert [table.read(board, event) for event in order] == [[], [], leaves]
    assert table.read(board, gone) == []

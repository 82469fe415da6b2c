"""What becomes of supervisors' legs when their caller is sent on by a phone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest

from ctid.telephony.asterisk import transfers
from ctid.telephony.asterisk.census import Facts
from ctid.telephony.asterisk.legs import Board, Call
from ctid.telephony.asterisk.supervise import Spies
from routing.commands import FollowSupervision, Supervise
from routing.control_facts import SuperviseMode
from routing.facts import Party
from routing.ids import InteractionId, PhoneId, SupervisionId

pytestmark = pytest.mark.unit

CALL, SPY = InteractionId("1.0"), SupervisionId("v")


class Pbx:
    """Takes what is done to the supervisor's leg, and what is told of it."""

    def __init__(self) -> None:
        self.call = Call(
            interaction=CALL,
            uniqueid="1.0",
            channel="PJSIP/trunk-00000001",
            caller=Party(number="138"),
            did="100",
            arrived_at=0,
        )
        self.board = Board()
        self.board.add_call(self.call)
        self.done: list[tuple[str, Mapping[str, str]]] = []
        self.spies = Spies(board=self.board, ami=self.ami, facts=cast(Facts, self))

    async def ami(self, name: str, fields: Mapping[str, str], *, intent: str = "") -> None:
        self.done.append((name, fields))

    def tell(self, facts: object) -> None:
        pass

    async def listening(self) -> None:
        await self.spies.handlers[Supervise](
            Supervise(
                interaction=CALL,
                supervision=SPY,
                phone=PhoneId("1003"),
                mode=SuperviseMode.MONITOR,
            )
        )
        uniqueid = next(iter(self.spies._by_leg))
        self.spies.event(
            {
                "Event": "ChanSpyStart",
                "SpyerUniqueid": uniqueid,
                "SpyerChannel": "PJSIP/1003-00000002",
            }
        )
        self.done.clear()

    async def follow(self, *, listen_only: bool) -> None:
        await self.spies.handlers[FollowSupervision](
            FollowSupervision(
                interaction=CALL,
                supervision=SPY,
                mode=SuperviseMode.MONITOR,
                listen_only=listen_only,
            )
        )


def sent_on(pbx: Pbx) -> None:
    assert transfers.sent_on(pbx.call)


async def test_a_caller_who_was_sent_on_is_listened_to_when_its_recording_is_taken_up() -> None:
    """The listener would keep alive what drops the next agent's voice (``Recordings.renew``)."""
    pbx = Pbx()
    await pbx.listening()
    sent_on(pbx)
    await pbx.follow(listen_only=True)
    assert pbx.done == []
    pbx.call.stale = False
    await pbx.spies.renewed(pbx.call)
    assert [name for name, _ in pbx.done] == ["Setvar", "Setvar", "Redirect"]
    assert pbx.done[0][1]["Value"] == pbx.call.channel
    await pbx.spies.renewed(pbx.call)
    assert len(pbx.done) == 3, "once"


async def test_who_follows_elsewhere_meanwhile_is_not_brought_back() -> None:
    pbx = Pbx()
    await pbx.listening()
    sent_on(pbx)
    await pbx.follow(listen_only=True)
    await pbx.follow(listen_only=False)
    pbx.call.stale = False
    done = len(pbx.done)
    await pbx.spies.renewed(pbx.call)
    assert done == len(pbx.done) == 3


async def test_without_a_transfer_nothing_is_waited_for() -> None:
    pbx = Pbx()
    await pbx.listening()
    await pbx.follow(listen_only=True)
    assert [name for name, _ in pbx.done] == ["Setvar", "Setvar", "Redirect"]

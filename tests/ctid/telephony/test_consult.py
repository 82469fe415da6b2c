"""The legs of a consultation when somebody hangs up in its midst: none may be left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from ctid.telephony.asterisk import translate
from ctid.telephony.asterisk.ami_protocol import AmiError
from ctid.telephony.asterisk.caller import Caller
from ctid.telephony.asterisk.consult import Consults
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call
from ctid.telephony.asterisk.midcall import Midcall
from ctid.telephony.port import SwitchError
from routing.commands import ChangeConsult, Consult
from routing.control_facts import ConsultAsk
from routing.facts import Party
from routing.ids import AgentId, InteractionId, PhoneId

pytestmark = pytest.mark.unit

CALL, AGENT, ASKED = "1.0", "PJSIP/1001-00000002", "PJSIP/1002-00000003"


class Desk:
    """A conversation, and what is done to its channels; stands for Midcall, Caller and Facts."""

    def __init__(self) -> None:
        self.call = Call(
            interaction=InteractionId(CALL),
            uniqueid=CALL,
            channel="PJSIP/trunk-00000001",
            caller=Party(number="138"),
            did="100",
            arrived_at=0,
        )
        self.call.talking = AgentLeg(
            uniqueid="1.1",
            channel=AGENT,
            phone=PhoneId("1001"),
            agent=AgentId("a1001"),
            call=self.call,
            apart=True,
        )
        board = Board()
        board.add_call(self.call)
        self.hung_up: list[str] = []
        self.made: list[str] = []
        self.joined: Callable[[], bool] | None = None
        self.seat: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.fetched: SwitchError | None = None
        self.kicks = 0
        self.empty = False  # nobody is in the conference yet
        self.consults = Consults(
            board=board,
            midcall=cast(Midcall, self),
            ami=self.ami,
            facts=self,
            trunk="trunk",
        )

    # --- Midcall ---

    async def hold(self, command: object) -> None:
        pass

    async def unhold(self, command: object) -> None:
        pass

    def expect(self, uniqueid: str) -> asyncio.Future[str]:
        self.made.append(uniqueid)
        return self.seat

    async def fetch(self, uniqueid: str, channel: str) -> str:
        if self.fetched is not None:
            raise self.fetched
        return channel

    def there(self, interaction: InteractionId) -> tuple[Call, Caller]:
        return self.call, cast(Caller, self)

    # --- Caller ---

    def connect(self, channel: str, joined: Callable[[], bool], parted: object) -> None:
        self.joined = joined

    def confer(self, room: str, joined: Callable[[], bool], parted: object) -> None:
        joined()

    def held(self, call: Call, held: bool) -> None:
        pass

    # --- Facts ---

    def tell(self, result: translate.Result) -> None:
        pass

    def withdraw(self, channel: str) -> None:
        self.hung_up.append(channel)

    def event(self, event: Mapping[str, str]) -> None:
        self.consults.event(event)

    # --- the PBX ---

    async def ami(self, action: str, fields: Mapping[str, str], *, intent: str) -> Any:
        if action == "Hangup":
            if fields["Channel"] == self.made[-1]:
                raise AmiError("No such channel")
            self.hung_up.append(fields["Channel"])
        elif action == "ConfbridgeKick":
            self.kicks += 1
            if self.empty:
                raise AmiError("No active conferences.")

    async def asks(self) -> None:
        command = Consult(
            interaction=self.call.interaction, phone=PhoneId("1002"), agent=AgentId("a1002")
        )
        await self.consults.handlers[Consult](command)

    def rings(self) -> None:
        self.event({"Event": "DialBegin", "DestUniqueid": self.made[-1], "DestChannel": ASKED})

    async def answers(self) -> None:
        self.seat.set_result(ASKED)
        await settle()

    async def completes(self) -> None:
        command = ChangeConsult(interaction=self.call.interaction, ask=ConsultAsk.COMPLETE)
        await self.consults.handlers[ChangeConsult](command)

    async def confers(self) -> None:
        command = ChangeConsult(interaction=self.call.interaction, ask=ConsultAsk.CONFERENCE)
        await self.consults.handlers[ChangeConsult](command)

    async def caller_hangs_up(self) -> None:
        self.call.gone = True
        self.event({"Event": "Hangup", "Uniqueid": CALL})
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_caller_hangs_up_before_the_other_leg_exists() -> None:
    desk = Desk()
    await desk.asks()
    await desk.caller_hangs_up()
    assert desk.hung_up == []  # Asterisk knows no such channel yet
    desk.rings()
    assert desk.hung_up == [ASKED]


async def test_the_caller_hangs_up_just_before_it_is_connected_to_the_other() -> None:
    desk = Desk()
    await desk.asks()
    desk.rings()
    await desk.answers()
    await desk.completes()
    assert desk.hung_up == [AGENT]
    await desk.caller_hangs_up()
    assert desk.hung_up == [AGENT, ASKED]
    assert desk.joined is not None
    assert not desk.joined()


async def test_the_other_hangs_up_just_before_it_is_connected_to_the_caller() -> None:
    desk = Desk()
    await desk.asks()
    desk.rings()
    await desk.answers()
    await desk.completes()
    desk.event({"Event": "Hangup", "Uniqueid": desk.made[-1]})
    assert desk.joined is not None
    assert not desk.joined()


async def test_the_agent_is_let_go_even_if_the_other_has_hung_up_meanwhile() -> None:
    desk = Desk()
    await desk.asks()
    desk.rings()
    await desk.answers()
    desk.fetched = SwitchError("the leg is gone")
    with pytest.raises(SwitchError):
        await desk.completes()
    assert desk.hung_up == [AGENT]


async def test_a_caller_who_is_late_in_a_conference_that_is_over_is_sent_out_again() -> None:
    desk = Desk()
    await desk.asks()
    desk.rings()
    await desk.answers()
    await desk.confers()
    joins = {"Event": "ConfbridgeJoin", "Uniqueid": CALL}
    desk.event(joins)
    await settle()
    assert desk.kicks == 0
    desk.empty = True
    desk.event({"Event": "Hangup", "Uniqueid": desk.made[-1]})
    await settle()
    assert desk.kicks == 1
    desk.empty = False
    desk.event(joins)
    desk.event(joins)
    await settle()
    assert desk.kicks == 2


async def test_nobody_is_left_to_a_conference_whose_agent_and_third_leave_together() -> None:
    desk = Desk()
    await desk.asks()
    desk.rings()
    await desk.answers()
    await desk.confers()
    desk.fetched = SwitchError("the leg is gone")
    with pytest.raises(SwitchError):
        await desk.completes()
    desk.event({"Event": "Hangup", "Uniqueid": desk.made[-1]})
    await settle()
    assert desk.hung_up[0] == AGENT
    assert desk.kicks == 1  # the session is free for what follows

"""Consultations: a third leg beside caller and agent; swap, transfer, conference.

Agent and consulted leg are joined by AMI Bridge, whoever talks with the caller by ``EXEC Bridge``
(all three by ``EXEC ConfBridge``) on the caller's own session, which therefore is never lost. A leg
is fetched into a seat (an AGI session) before it is joined to somebody else.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ctid import tasks
from ctid.telephony.asterisk import encode
from ctid.telephony.asterisk.ami_protocol import AmiError, Event
from ctid.telephony.asterisk.census import Facts
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call
from ctid.telephony.asterisk.midcall import Midcall
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.control_facts import ConsultAsk, ConsultChanged, ConsultPhase
from routing.facts import AgentHungUp, ExternalEnded
from routing.ids import AgentId, InteractionId, PhoneId

log = structlog.get_logger(__name__)

RING_S = 50.0
APART = (ConsultPhase.PRIVATE, ConsultPhase.CONFERENCE)
"""When the agent's leg has to be fetched to be joined to the caller alone."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Consulted:
    call: Call
    uniqueid: str
    phone: PhoneId
    agent: AgentId | None
    channel: str = ""
    phase: ConsultPhase = ConsultPhase.RINGING
    over: bool = False


class Consults:
    """The consultations of one Asterisk; at most one for each caller."""

    def __init__(
        self,
        *,
        board: Board,
        midcall: Midcall,
        ami: Callable[..., Awaitable[Any]],
        facts: Facts,
        trunk: str,
    ) -> None:
        self._board = board
        self._midcall = midcall
        self._ami = ami
        self._facts = facts
        self._trunk = trunk
        self._numbers = itertools.count(1)
        self._by_call: dict[InteractionId, _Consulted] = {}
        self._by_leg: dict[str, _Consulted] = {}
        self._kicked: set[str] = set()
        self.handlers: Mapping[type[c.Command], Callable[[Any], Coroutine[Any, Any, None]]] = {
            c.Consult: self._consult,
            c.ChangeConsult: self._change,
        }

    # --- commands ---

    async def _consult(self, command: c.Consult) -> None:
        call, _ = self._midcall.there(command.interaction)
        await self._midcall.hold(c.Hold(interaction=command.interaction, music=command.music))
        if call.gone:
            raise SwitchError("the caller's leg is gone")
        one = _Consulted(
            call=call,
            uniqueid=f"{call.uniqueid}-c{next(self._numbers):06d}",
            phone=command.phone,
            agent=command.agent,
        )
        self._by_call[command.interaction] = self._by_leg[one.uniqueid] = one
        fields = (
            encode.originate_outside(one.uniqueid, command.number, self._trunk)
            if command.number
            else encode.originate_seat(one.uniqueid, command.phone, call.caller)
        )
        seated = self._midcall.expect(one.uniqueid)
        try:
            await self._ami("Originate", fields, intent=f"consult.{one.uniqueid}")
        except AmiError as error:
            self._by_leg.pop(one.uniqueid, None)
            await self._over(one, str(error))
            return
        tasks.spawn(self._answered(one, seated), name=f"consult {one.uniqueid}")

    async def _answered(self, one: _Consulted, seated: asyncio.Future[str]) -> None:
        try:
            async with asyncio.timeout(RING_S):
                one.channel = await seated
            await self._private(one)
        except (TimeoutError, AmiError, SwitchError) as error:
            await self._over(one, str(error) or "not answered")

    async def _private(self, one: _Consulted) -> None:
        leg = one.call.talking
        if one.over or leg is None or leg.gone:
            return
        fields = {
            "Channel1": encode.channel_name(leg.channel),
            "Channel2": encode.channel_name(one.channel),
            "Tone": "no",
        }
        await self._ami("Bridge", fields, intent="consult")
        self._tell(one, ConsultPhase.PRIVATE)

    async def _change(self, command: c.ChangeConsult) -> None:
        one = self._by_call.get(command.interaction)
        if one is None:
            raise SwitchError("the consulted leg is gone")
        try:
            await {
                ConsultAsk.SWAP: self._swap,
                ConsultAsk.CANCEL: self._cancel,
                ConsultAsk.COMPLETE: self._complete,
                ConsultAsk.CONFERENCE: self._conference,
            }[command.ask](one)
        except AmiError as error:
            raise SwitchError(str(error)) from error

    async def _swap(self, one: _Consulted) -> None:
        interaction = one.call.interaction
        if one.phase is ConsultPhase.SWAPPED:
            await self._midcall.hold(c.Hold(interaction=interaction))
            await self._private(one)
            return
        agent = self._agent(one.call)
        seated = self._midcall.expect(agent.uniqueid)
        fields = {
            "Channel": encode.channel_name(one.channel),
            "Context": "ctid-park",
            "Exten": "s",
            "Priority": "1",
            "ExtraChannel": encode.channel_name(agent.channel),
            **{f"Extra{name}": value for name, value in encode.SEAT.items()},
            "ExtraPriority": "1",
        }
        await self._ami("Redirect", fields, intent="swap")
        await self._midcall.arrived(seated)
        self._tell(one, ConsultPhase.SWAPPED)
        await self._midcall.unhold(c.Unhold(interaction=interaction))

    async def _cancel(self, one: _Consulted) -> None:
        await self._over(one, "")

    async def _over(self, one: _Consulted, why: str) -> None:
        """The consultation is over: the agent goes back to the caller."""
        if one.over:
            return
        before, call = one.phase, one.call
        self._forget(one)
        agent = call.talking
        try:
            if agent is not None and not agent.gone and before in APART:
                agent.seated = agent.apart = True
                await self._midcall.fetch(agent.uniqueid, agent.channel)
            if before is ConsultPhase.CONFERENCE:  # nobody else ends it for the caller
                await self._kick(call)
            await self._hang_up(one)
            self._facts.tell(
                [
                    ConsultChanged(
                        interaction=call.interaction,
                        phase=ConsultPhase.ENDED,
                        reason=encode.clean(why),
                    )
                ]
            )
            if agent is not None and not agent.gone and agent.seated:
                await self._midcall.unhold(c.Unhold(interaction=call.interaction))
        except (AmiError, SwitchError) as error:
            log.info("consult_end", interaction=call.interaction, why=str(error))

    async def _complete(self, one: _Consulted) -> None:
        call = one.call
        _, caller = self._midcall.there(call.interaction)
        conference = one.phase is ConsultPhase.CONFERENCE
        agent = call.talking
        if agent is not None:
            call.talking = None
            call.offer = None
            agent.settled = True
        try:
            # fetched first: it would end with the agent's leg
            one.channel = await self._midcall.fetch(one.uniqueid, one.channel)
        finally:
            if agent is not None and not agent.gone:
                self._facts.withdraw(agent.channel)
        leg: AgentLeg | None = None
        if one.agent is not None:
            leg = AgentLeg(
                uniqueid=one.uniqueid,
                channel=one.channel,
                phone=one.phone,
                agent=one.agent,
                call=call,
                ringing=True,
                answered=True,
                settled=True,
            )

        def joined() -> bool:
            # not forgotten before: until now nobody else takes it down with the caller
            if one.over or self._by_leg.pop(one.uniqueid, None) is None:
                return False
            self._forget(one)
            if leg is not None:
                call.talking = leg
                self._board.add_leg(leg)
            self._tell(one, ConsultPhase.TRANSFERRED)
            return True

        def parted() -> None:
            if call.gone or call.releasing:
                return
            if leg is None:
                ended = ExternalEnded(interaction=call.interaction, answered=True, cause=16)
                self._facts.tell([ended])
            elif call.talking is leg and not leg.seated:
                call.talking = None
                self._facts.tell(
                    [AgentHungUp(interaction=call.interaction, agent=leg.agent, cause=16)]
                )

        caller.connect(one.channel, joined, parted)
        if conference:
            await self._kick(call)

    async def _conference(self, one: _Consulted) -> None:
        call = one.call
        _, caller = self._midcall.there(call.interaction)
        if one.phase is ConsultPhase.SWAPPED:
            await self._midcall.hold(c.Hold(interaction=call.interaction))
        agent = self._agent(call)
        self._kicked.discard(call.uniqueid)
        room = _room(call)
        fields = {
            "Channel": encode.channel_name(one.channel),
            "Context": "ctid-conf",
            "Exten": room,
            "Priority": "1",
            "ExtraChannel": encode.channel_name(agent.channel),
            "ExtraContext": "ctid-conf",
            "ExtraExten": room,
            "ExtraPriority": "1",
        }
        await self._ami("Redirect", fields, intent="conference")

        def joined() -> bool:
            agent.seated = False
            self._midcall.held(call, False)
            self._tell(one, ConsultPhase.CONFERENCE)
            return True

        caller.confer(room, joined, lambda: None)

    def conference(self, interaction: InteractionId) -> bool:
        """Whether caller, agent and the consulted one are in a conference."""
        one = self._by_call.get(interaction)
        return one is not None and one.phase is ConsultPhase.CONFERENCE

    async def _kick(self, call: Call) -> None:
        """Have the caller leave the conference; one who is not in it yet, at once on entering."""
        if call.gone:
            return
        fields = {"Conference": _room(call), "Channel": encode.channel_name(call.channel)}
        self._kicked.add(call.uniqueid)
        try:
            await self._ami("ConfbridgeKick", fields, intent="conference")
            self._kicked.discard(call.uniqueid)
        except AmiError as error:
            log.info("ami_action_failed", action="ConfbridgeKick", why=str(error))

    # --- parts ---

    def _agent(self, call: Call) -> AgentLeg:
        if call.talking is None or call.talking.gone:
            raise SwitchError("the agent's leg is gone")
        return call.talking

    def _tell(self, one: _Consulted, phase: ConsultPhase) -> None:
        one.phase = phase
        self._facts.tell([ConsultChanged(interaction=one.call.interaction, phase=phase)])

    def _forget(self, one: _Consulted) -> None:
        """The consultation is over; its leg is known until it is gone."""
        one.over = True
        if self._by_call.get(one.call.interaction) is one:
            del self._by_call[one.call.interaction]

    async def _hang_up(self, one: _Consulted) -> None:
        try:
            await self._ami("Hangup", {"Channel": one.channel or one.uniqueid}, intent="consult")
        except AmiError as error:
            log.info("ami_action_failed", action="Hangup", intent="consult", why=str(error))

    # --- events ---

    def event(self, event: Event) -> None:
        """Take one AMI event; most are about other channels."""
        name = event.get("Event")
        if self._kicked:
            self._late(event)
        if not self._by_leg:
            return
        if name == "DialBegin":
            one = self._by_leg.get(event.get("DestUniqueid", ""))
            if one is not None:
                one.channel = event.get("DestChannel", "")
                if one.over:  # when it was to be hung up it did not exist yet
                    self._facts.withdraw(one.channel)
        elif name == "OriginateResponse" and event.get("Response") == "Failure":
            one = self._by_leg.get(event.get("ActionID", "").rpartition(".consult.")[2])
            if one is not None and not one.channel:
                del self._by_leg[one.uniqueid]
                tasks.spawn(self._over(one, "it cannot be reached"), name="consult failed")
        elif name == "Hangup":
            self._gone(event.get("Uniqueid", ""))

    def _late(self, event: Event) -> None:
        uniqueid = event.get("Uniqueid", "")
        if uniqueid not in self._kicked or event.get("Event") not in ("ConfbridgeJoin", "Hangup"):
            return
        self._kicked.discard(uniqueid)
        call = self._board.calls.get(uniqueid)
        if event.get("Event") == "ConfbridgeJoin" and call is not None:
            tasks.spawn(self._kick(call), name="late in a conference")

    def _gone(self, uniqueid: str) -> None:
        one = self._by_leg.pop(uniqueid, None)
        if one is not None:
            why = "" if one.phase is not ConsultPhase.RINGING else "not answered"
            tasks.spawn(self._over(one, why), name="consulted leg gone")
            return
        for other in [o for o in self._by_leg.values() if o.call.uniqueid == uniqueid]:
            self._forget(other)
            tasks.spawn(self._hang_up(other), name="consult without a caller")


def _room(call: Call) -> str:
    return "c" + "".join(ch for ch in call.uniqueid if ch.isascii() and ch.isdigit())

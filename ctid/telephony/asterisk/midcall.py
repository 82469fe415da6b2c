"""What is done with a conversation that runs: hold, bring back, take over.

The caller's own session is never given up: Dial ends when the agent's leg leaves it (hung up, or
redirected to a *seat*, an AGI session of its own), and the session is free for what follows. Legs
in a seat are joined to the caller by ``EXEC Bridge``, as further phones of an offer are.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from ctid import tasks
from ctid.telephony.asterisk import encode, live, translate
from ctid.telephony.asterisk.ami_protocol import AmiError, Event
from ctid.telephony.asterisk.caller import Caller
from ctid.telephony.asterisk.census import Facts
from ctid.telephony.asterisk.fastagi import AgiSession
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call
from ctid.telephony.asterisk.supervise import Spies
from ctid.telephony.asterisk.translate import JoinAnew
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.control_facts import HoldChanged, TakenOver, TakeoverEnded
from routing.facts import AgentHungUp, CallerReturned
from routing.ids import InteractionId

log = structlog.get_logger(__name__)

SEAT_S = 3.0
"""A redirect takes milliseconds; after this the leg is taken for lost."""
BRIDGED_S = 0.01
"""Until Asterisk is asked again whether Dial has joined the two."""
EVENTS = frozenset({"Hangup", "OriginateResponse", "DialBegin", "ConfbridgeJoin"})


@dataclass(slots=True, kw_only=True, eq=False)
class _Guest:
    """A leg on its way to the caller: the phone of somebody who takes the conversation over."""

    call: Call
    uniqueid: str
    channel: str = ""
    joined: bool = False


class Midcall:
    """``callers``: sessions by the unique id of the caller's channel (the switch keeps them)."""

    def __init__(
        self,
        *,
        board: Board,
        callers: Mapping[str, Caller],
        ami: Callable[..., Awaitable[Any]],
        facts: Facts,
        spies: Spies,
    ) -> None:
        self._board = board
        self._callers = callers
        self._ami = ami
        self._facts = facts
        self._spies = spies
        self._guests: dict[str, _Guest] = {}
        self._expected: dict[str, asyncio.Future[str]] = {}
        self._numbers = itertools.count(1)
        self.handlers: Mapping[type[c.Command], Callable[[Any], Coroutine[Any, Any, None]]] = {
            c.BringBack: self._bring_back,
            c.Hold: self.hold,
            c.Unhold: self.unhold,
            c.Intercept: self._intercept,
        }

    def there(self, interaction: InteractionId) -> tuple[Call, Caller]:
        call = self._board.by_interaction.get(interaction)
        if call is None or call.gone:
            raise SwitchError("the caller's leg is gone")
        caller = self._callers.get(call.uniqueid)
        if caller is None:
            raise SwitchError("no control session holds this caller now")
        return call, caller

    # --- out of the conversation ---

    async def _bring_back(self, command: c.BringBack) -> None:
        call = self._board.by_interaction.get(command.interaction)
        if call is not None and (call.moving or call.untold):
            return  # a phone has done it already: the caller knocks, or has hung up
        call, caller = self.there(command.interaction)
        self._drop_agent(call)
        interaction = call.interaction
        caller.when_free(lambda: self._facts.tell([CallerReturned(interaction=interaction)]))

    def _drop_agent(self, call: Call) -> None:
        """Hang up the agent's leg; nothing is told of its end."""
        leg, call.talking = call.talking, None
        call.offer = None
        if leg is not None and not leg.gone:
            leg.settled = True
            self._facts.withdraw(leg.channel)

    # --- hold ---

    async def _part(self, call: Call) -> AgentLeg:
        """Bring the agent's leg into a seat: the caller's session is free soon after."""
        leg, offer = call.talking, call.offer
        if leg is None or leg.gone:
            raise SwitchError("the agent's leg is gone")
        call.offer = None
        dialled = not leg.apart
        leg.seated = leg.apart = True
        leg.partings += 1
        try:
            if dialled:
                await self._bridged(leg)
            await self.fetch(leg.uniqueid, leg.channel)
        except (AmiError, SwitchError) as error:
            call.offer = offer
            leg.seated = False
            raise SwitchError(str(error)) from error
        if call.over:  # on the way it may have been out of reach for what ends it with the caller
            self._facts.withdraw(leg.channel)
        return leg

    async def _bridged(self, leg: AgentLeg) -> None:
        """Wait until Dial has joined a leg that may have answered just now. Raises AmiError and
        SwitchError.

        Redirected before, it would leave Dial with nobody, for ever (``ast_async_goto`` makes
        another channel of it; measured: 3 of 8 right after the answer). BridgeEnter would tell, but
        comes for every call and is dropped at the source; this is asked only when two are parted.
        """
        fields = {"Channel": encode.channel_name(leg.channel), **live.STATUS}
        try:
            async with asyncio.timeout(SEAT_S):
                while not leg.gone:
                    answer = await self._ami("Status", fields)
                    if any(row.bridge for row in live.read_rows(answer)):
                        return
                    await asyncio.sleep(BRIDGED_S)
        except TimeoutError:
            raise SwitchError("the two are not connected yet") from None
        raise SwitchError("the agent's leg is gone")

    async def aside(self, interaction: InteractionId, command: c.Command) -> None:
        """Have the caller's session carry out what Dial keeps waiting, in the middle of a
        conversation: the two are apart for some 20 ms. Raises SwitchError."""
        call, caller = self.there(interaction)
        leg = await self._part(call)
        parted = _parted_last(call, leg)

        def free() -> None:
            if call.talking is leg and not call.gone:
                caller.put(command)
                if parted():
                    self._join_again(call, caller, leg)

        caller.when_free(free)

    async def join_anew(self, handed: JoinAnew) -> None:
        """Connect the caller to whom a phone has handed it to. If they are connected already they
        are parted before, for some 0.1 s: the recording would lack the other's side
        (``Recordings.renew``)."""
        call, leg = handed.call, handed.leg
        caller = self._callers.get(call.uniqueid)
        if call.gone or caller is None:
            if handed.apart:
                self._facts.withdraw(handed.channel)
            return
        try:
            if leg is not None:
                await self._part(call)
            else:
                call.outside = False
                await self.fetch(handed.uniqueid, handed.channel)
        except (AmiError, SwitchError) as error:
            log.info("not_joined_anew", interaction=call.interaction, why=str(error))
            call.outside = leg is None
            if handed.apart:
                self._facts.withdraw(handed.channel)
            # the other may have left meanwhile: then the session is free, and that is to be told
            caller.when_free(lambda: self._facts.tell(translate.free_again(call)))
            return
        if leg is not None:
            parted = _parted_last(call, leg)

            def free() -> None:
                if parted():
                    self._join_again(call, caller, leg)

            caller.when_free(free)
        else:
            self._join_outside(call, caller, handed.channel)

    def _join_outside(self, call: Call, caller: Caller, channel: str) -> None:
        def joined() -> bool:
            call.outside = not call.gone  # its end is told when the session is free
            if call.gone:
                self._facts.withdraw(channel)  # no Dial takes it down with the caller
            return call.outside

        caller.connect(channel, joined, lambda: None)

    async def hold(self, command: c.Hold) -> None:
        call, caller = self.there(command.interaction)
        leg = await self._part(call)
        parted = _parted_last(call, leg)
        music = c.StartMusic(interaction=call.interaction, music=command.music)

        def held() -> None:
            if parted() and not call.gone:
                caller.put(music)
                self._facts.tell([HoldChanged(interaction=call.interaction, held=True)])

        caller.when_free(held)

    def held(self, call: Call, held: bool) -> None:
        """Tell that caller and agent are apart, or together again."""
        self._facts.tell([HoldChanged(interaction=call.interaction, held=held)])

    def expect(self, uniqueid: str) -> asyncio.Future[str]:
        """The channel of a leg, once it has arrived in a seat."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._expected[uniqueid] = future
        return future

    async def arrived(self, seated: asyncio.Future[str]) -> str:
        """Wait for a leg that was sent to a seat. Raises SwitchError."""
        try:
            async with asyncio.timeout(SEAT_S):
                return await seated
        except TimeoutError:
            raise SwitchError("the leg did not arrive in its seat") from None

    async def fetch(self, uniqueid: str, channel: str) -> str:
        """Bring a leg into a seat from wherever it is. Raises AmiError and SwitchError."""
        seated = self.expect(uniqueid)
        await self._seat(channel)
        return await self.arrived(seated)

    async def _seat(self, channel: str) -> None:
        fields = {
            "Channel": encode.channel_name(channel),
            **encode.SEAT,
            "Priority": "1",
        }
        await self._ami("Redirect", fields, intent="seat")

    async def unhold(self, command: c.Unhold) -> None:
        call, caller = self.there(command.interaction)
        leg = call.talking
        if leg is None or leg.gone:
            raise SwitchError("the agent's leg is gone")
        self._join_again(call, caller, leg)

    def _join_again(self, call: Call, caller: Caller, leg: AgentLeg) -> None:
        parted = _parted_last(call, leg)

        def joined() -> bool:
            if leg.gone or not parted():
                return False
            leg.seated = False
            self._facts.tell([HoldChanged(interaction=call.interaction, held=False)])
            if leg.on_hold:
                told = HoldChanged(interaction=call.interaction, held=True, at_phone=True)
                self._facts.tell([told])
            return True

        caller.connect(leg.channel, joined, lambda: self._parted(call, leg))

    def _parted(self, call: Call, leg: AgentLeg) -> None:
        if call.talking is leg and not (leg.seated or call.gone or call.releasing):
            call.talking = None
            self._facts.tell([AgentHungUp(interaction=call.interaction, agent=leg.agent, cause=16)])

    # --- taking over ---

    async def _intercept(self, command: c.Intercept) -> None:
        call, _ = self.there(command.interaction)
        if command.supervision is not None:
            uniqueid, channel = self._spies.take_leg(command.supervision)
            self._guests[uniqueid] = _Guest(call=call, uniqueid=uniqueid, channel=channel)
            try:
                await self._seat(channel)
            except (AmiError, SwitchError) as error:
                self._lost(uniqueid, str(error))
            return
        uniqueid = f"{call.uniqueid}-g{next(self._numbers):06d}"
        self._guests[uniqueid] = _Guest(call=call, uniqueid=uniqueid)
        fields = encode.originate_seat(uniqueid, command.phone, call.caller)
        try:
            await self._ami("Originate", fields, intent=f"guest.{uniqueid}")
        except AmiError as error:
            self._lost(uniqueid, str(error))

    def seated(self, session: AgiSession) -> None:
        """A leg has arrived in a seat. It stays for as long as its session is open."""
        session.on_hangup = session.close
        tasks.spawn(session.close_if_dead(), name="seat")
        uniqueid = session.headers["agi_uniqueid"]
        expected = self._expected.pop(uniqueid, None)
        if expected is not None and not expected.done():
            expected.set_result(session.headers["agi_channel"])
            return
        guest = self._guests.get(uniqueid)
        if guest is None:
            leg = self._board.legs.get(uniqueid)
            if leg is None or leg.call.over:
                session.close()  # nobody waits for it (any more)
            return
        guest.channel = session.headers["agi_channel"]
        self._join(guest, session)

    def _join(self, guest: _Guest, session: AgiSession) -> None:
        call = guest.call
        caller = self._callers.get(call.uniqueid)
        if call.gone or caller is None:
            session.close()
            self._lost(guest.uniqueid, "the caller is gone")
            return

        def joined() -> bool:
            guest.joined = True
            self._facts.tell([TakenOver(interaction=call.interaction)])
            return True

        def parted() -> None:
            self._guests.pop(guest.uniqueid, None)
            if not call.gone and not call.releasing:
                self._facts.tell([TakeoverEnded(interaction=call.interaction, connected=True)])

        self._drop_agent(call)
        caller.connect(guest.channel, joined, parted)

    def _lost(self, uniqueid: str, why: str) -> None:
        guest = self._guests.pop(uniqueid, None)
        if guest is not None and not guest.call.gone:
            self._facts.tell(
                [
                    TakeoverEnded(
                        interaction=guest.call.interaction,
                        connected=guest.joined,
                        reason=encode.clean(why),
                    )
                ]
            )

    # --- events ---

    def event(self, event: Event) -> None:
        """Take one AMI event; most are about other channels."""
        name = event.get("Event")
        if name == "Hangup":
            self._leg_gone(event.get("Uniqueid", ""))
        if not self._guests:
            return
        if name == "DialBegin":
            guest = self._guests.get(event.get("DestUniqueid", ""))
            if guest is not None:
                guest.channel = event.get("DestChannel", "")
        elif name == "Hangup":
            self._gone(event.get("Uniqueid", ""), event.get("Cause-txt", ""))
        elif name == "OriginateResponse" and event.get("Response") == "Failure":
            uniqueid = event.get("ActionID", "").rpartition(".guest.")[2]
            if uniqueid in self._guests and not self._guests[uniqueid].channel:
                self._lost(uniqueid, "the phone cannot be reached")

    def _leg_gone(self, uniqueid: str) -> None:
        expected = self._expected.pop(uniqueid, None)
        if expected is not None and not expected.done():
            expected.set_exception(SwitchError("the leg is gone"))
            expected.exception()  # the one who waited may be gone
        call = self._board.calls.get(uniqueid)
        leg = call.talking if call is not None else None
        if leg is not None and leg.apart and not leg.gone:
            # no Dial takes it down with the caller
            self._facts.withdraw(leg.channel)

    def _gone(self, uniqueid: str, why: str) -> None:
        guest = self._guests.get(uniqueid)
        if guest is not None:
            if not guest.joined:
                self._lost(uniqueid, f"not answered: {why}")
            return
        for waiting in [g for g in self._guests.values() if g.call.uniqueid == uniqueid]:
            self._guests.pop(waiting.uniqueid, None)
            if not waiting.joined:
                tasks.spawn(self._hang_up(waiting), name="guest without a caller")

    async def _hang_up(self, guest: _Guest) -> None:
        if not guest.channel:
            self._board.unwanted.add(guest.uniqueid)
        try:
            await self._ami("Hangup", {"Channel": guest.channel or guest.uniqueid}, intent="guest")
        except AmiError as error:
            log.info("ami_action_failed", action="Hangup", intent="guest", why=str(error))


def _parted_last(call: Call, leg: AgentLeg) -> Callable[[], bool]:
    """Whether, later on, the agent's leg is still the caller's, and was not parted from it anew."""
    parting = leg.partings
    return lambda: call.talking is leg and leg.partings == parting

"""Calls customers back: the agent first, or the customer first.

The customer's leg is made by Originate into the callers' own loop of the dialplan (``ctid-caller``,
path ``callback``). From its answer on it is a caller like any other: held, offered, recorded and
found again after a crash. Until CustomerAnswered is told, its :class:`Call` is ``absent``.

Agent first: the agents' legs are made by Originate and wait in an AGI session of their own; when
the customer answers, ``EXEC Bridge`` on the customer's session connects the two.

Each CallCustomer makes one Originate. Its answer may be lost with the AMI link; it is never sent
again: the customer's own session, the channel list after the reconnect, or the end of the ring time
tells what became of it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from ctid import tasks
from ctid.clock import Clock
from ctid.telephony.asterisk import encode, translate
from ctid.telephony.asterisk.ami_protocol import AmiError, Event
from ctid.telephony.asterisk.caller import Caller
from ctid.telephony.asterisk.census import Facts
from ctid.telephony.asterisk.extra import ExtraLegs
from ctid.telephony.asterisk.fastagi import AgiError, AgiSession
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call, OfferState
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.facts import CallerHungUp, CustomerAnswered, CustomerCallFailed, Fact, Party
from routing.ids import InteractionId

log = structlog.get_logger(__name__)

INTENT = "customer"
NO_ROUTE = 3  # Q.850: the trunk is not there
OVERDUE_S = 3.0
"""So long after the ring time-out an attempt of which nothing was heard is given up."""
LEG_S = 0.3
"""How long a failure may wait until the agent's phone is free again."""


class Callbacks:
    """``trunk``: the PJSIP endpoint through which customers are called."""

    def __init__(
        self,
        *,
        board: Board,
        ami: Callable[..., Awaitable[Any]],
        extras: ExtraLegs,
        facts: Facts,
        clock: Clock,
        trunk: str,
    ) -> None:
        self._board = board
        self._ami = ami
        self._extras = extras
        self._facts = facts
        self._clock = clock
        self._trunk = trunk
        self._numbers = itertools.count(1)
        self._when_free: dict[str, Fact] = {}  # told when the agent's leg of this id has ended
        self.handlers: Mapping[type[c.Command], Callable[[Any], Coroutine[Any, Any, None]]] = {
            c.CallCustomer: self._call_customer,
        }

    # --- commands ---

    async def offer(self, command: c.Offer) -> None:
        """Agent first: ring the agents, though there is no caller's leg yet."""
        call = self._board.by_interaction.get(command.interaction)
        if call is None or call.gone:
            call = self._expect(command.interaction, command.caller)
        elif not call.absent:
            raise SwitchError("the customer is on the line: this is no offer to the agent first")
        if call.offer is not None:  # its end was never told
            self._facts.tell([*translate.stop_legs(call.offer)])
        # no Dial runs for it: it is over when its legs are
        offer = OfferState(offer=command.offer, targets={}, returned=True)
        call.offer = offer
        call.recording = command.recording
        for target in command.targets:
            offer.targets[target.phone] = target.agent
        for target in command.targets:
            await self._extras.ring(call, offer, target, auto_answer=command.auto_answer)

    async def _call_customer(self, command: c.CallCustomer) -> None:
        call = self._board.by_interaction.get(command.interaction)
        if command.agent is not None:
            leg = call.talking if call is not None else None
            if call is None or leg is None or leg.agent != command.agent or not call.absent:
                raise SwitchError("the agent's leg is gone")
        else:
            if call is not None and not call.gone:
                raise SwitchError("the customer is being called already")
            call = self._expect(command.interaction, Party(number=command.number))
        try:
            show = await self._shown(command)
            fields = encode.originate_customer(
                call.uniqueid,
                command.number,
                self._trunk,
                command.ring_timeout_s,
                command.interaction,
                show,
            )
        except (AmiError, SwitchError) as error:
            self._drop_agent(call)
            self._board.drop_call(call)
            raise SwitchError(str(error)) from error
        if call.talking is None and command.agent is not None:
            self._board.drop_call(call)
            return  # hung up meanwhile, and that was told
        self._board.add_call(call)
        asyncio.get_running_loop().call_later(
            command.ring_timeout_s + OVERDUE_S, self._overdue, call
        )
        try:
            await self._ami("Originate", fields, intent=f"{INTENT}.{call.uniqueid}")
        except AmiError as error:
            if not error.unknown:
                self.lost(call, NO_ROUTE, str(error))
                return
            # Asterisk may be ringing the customer: what becomes of it will be seen, or is overdue
            log.warning("callback_unanswered", interaction=call.interaction, why=str(error))

    async def _shown(self, command: c.CallCustomer) -> str:
        """The queue's number, the site's own for calls to the outside, or the one once dialled."""
        if command.caller_id:
            return command.caller_id
        answer = await self._ami("Getvar", {"Variable": "CTID_CLI"})
        return encode.clean(str(answer.value or "")) or command.show

    def _expect(self, interaction: InteractionId, customer: Party) -> Call:
        now_s = self._clock.now_s()
        call = Call(
            interaction=interaction,
            # chosen here: its events are known from the first, and it cannot be made twice;
            # of one length: Asterisk refuses an id that an id in use begins with (measured)
            uniqueid=f"ctid-{int(now_s)}.{next(self._numbers):06d}",
            channel="",
            caller=customer,
            did="",
            arrived_at=now_s,
            absent=True,
        )
        self._board.by_interaction[interaction] = call
        return call

    async def release(self, call: Call) -> None:
        """End a callback whose customer is not on the line yet. CallerHungUp follows."""
        call.releasing = True
        if call.uniqueid in self._board.calls:
            await self._hang_up(call)
        else:
            self.lost(call, 0)

    # --- the customer's leg ---

    def arrived(self, call: Call, caller: Caller) -> None:
        """The customer has answered and is held by ``caller``."""
        call.channel = caller.session.headers["agi_channel"]
        leg = call.talking
        if call.given_up or call.releasing or (call.offer is not None and leg is None):
            tasks.spawn(self._hang_up(call), name="callback given up")
        elif leg is not None:
            caller.join(leg)
        else:
            call.absent = False
            self._facts.tell([CustomerAnswered(interaction=call.interaction)])

    def lost(self, call: Call, cause: int, reason: str = "") -> None:
        """The customer was not reached, or hung up before anybody could be told."""
        if call.gone:
            return
        call.gone = True
        self._board.drop_call(call)
        leg = call.talking
        self._drop_agent(call)
        if call.given_up:
            return  # the agent left first, and that was told
        fact: Fact = CustomerCallFailed(
            interaction=call.interaction, cause=cause, reason=encode.clean(reason, 200)
        )
        if call.releasing:
            fact = CallerHungUp(interaction=call.interaction, cause=cause)
        if leg is None or leg.gone:
            self._facts.tell([fact])
            return
        # else the agent would be offered the next one while the phone is still busy with this one
        self._when_free[leg.uniqueid] = fact
        asyncio.get_running_loop().call_later(LEG_S, self._free, leg.uniqueid)

    def leg_ended(self, leg: AgentLeg) -> None:
        """An agent's leg is gone (and its facts were told)."""
        self._free(leg.uniqueid)
        call = leg.call
        if not call.absent or call.gone or call.talking is not None:
            return
        offer = call.offer
        if offer is not None and offer.answered_by is not leg:
            return  # others may still ring
        call.offer = None
        if call.uniqueid in self._board.calls:
            call.given_up = True
            tasks.spawn(self._hang_up(call), name="callback given up")
        else:
            self._board.drop_call(call)

    def event(self, event: Event) -> None:
        """Take one AMI event: a customer's leg that could not even be made has no other."""
        if event.get("Event") != "OriginateResponse" or event.get("Response") != "Failure":
            return
        call = self._board.calls.get(event.get("ActionID", "").rpartition(f".{INTENT}.")[2])
        if call is not None and call.absent and not call.channel:
            self.lost(call, NO_ROUTE, "the trunk took no call")

    # --- inside ---

    def _overdue(self, call: Call) -> None:
        if call.absent and not call.gone:
            log.warning("callback_overdue", interaction=call.interaction)
            tasks.spawn(self._hang_up(call), name="callback overdue")
            self.lost(call, 0, "nothing was heard of the call")

    def _drop_agent(self, call: Call) -> None:
        leg, call.talking = call.talking, None
        call.offer = None
        if leg is not None and not leg.gone:
            leg.settled = True
            self._facts.withdraw(leg.channel)

    def _free(self, uniqueid: str) -> None:
        fact = self._when_free.pop(uniqueid, None)
        if fact is not None:
            self._facts.tell([fact])

    async def _hang_up(self, call: Call) -> None:
        fields = {"Channel": call.channel or call.uniqueid}  # AMI takes either
        try:
            await self._ami("Hangup", fields, intent=INTENT)
        except AmiError as error:
            # not there yet: dial_begin hangs it up; or gone: its Hangup comes
            log.info("ami_action_failed", action="Hangup", intent=INTENT, why=str(error))


def wait_for_customer(session: AgiSession) -> None:
    """Let an agent who has answered hear music until the customer does."""
    tasks.spawn(_music(session), name="agent waits for a customer")


async def _music(session: AgiSession) -> None:
    try:
        await session.command(encode.music_on("default"))
    except AgiError:
        return  # joined or hung up already

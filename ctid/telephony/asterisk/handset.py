"""The agent's own phone: answered and muted from outside, digits keyed in, a tone in its ear.

Each way was chosen because AMI allows it without the right ``system``; see docs/supervision.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from ctid.telephony.asterisk import encode
from ctid.telephony.asterisk.ami_protocol import AmiError
from ctid.telephony.asterisk.census import Facts
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.control_facts import MuteChanged
from routing.ids import InteractionId


class Handset:
    """What is done to agents' legs without moving them.

    ``sends`` is told of each digit that goes through an agent's leg, by the leg's unique id.
    """

    def __init__(
        self,
        *,
        board: Board,
        ami: Callable[..., Awaitable[Any]],
        facts: Facts,
        conference: Callable[[InteractionId], bool],
        sends: Callable[[str, str], None],
    ) -> None:
        self._board = board
        self._ami = ami
        self._facts = facts
        self._in_conference = conference
        self._sends = sends
        self.handlers: Mapping[type[c.Command], Callable[[Any], Coroutine[Any, Any, None]]] = {
            c.AnswerOffer: self._answer,
            c.SetMute: self._mute,
            c.SendDigits: self._digits,
            c.SignalAgent: self._signal,
        }

    async def _answer(self, command: c.AnswerOffer) -> None:
        """Ring it anew, asking it to answer by itself: there is no asking a phone that rings."""
        call = self._call(command.interaction)
        offer = call.offer
        if offer is None or offer.offer != command.offer or offer.cancelled:
            raise SwitchError("the offer is over")
        ringing = [leg for leg in offer.legs if not (leg.gone or leg.extra or leg.hang_up_sent)]
        if offer.answered_by is not None or len(ringing) != 1:
            raise SwitchError("there is no phone that rings alone")
        [leg] = ringing
        # an answer that comes now is not taken: the leg is on its way out
        leg.settled = leg.hang_up_sent = offer.ring_again = True
        self._facts.withdraw(leg.channel)

    async def _mute(self, command: c.SetMute) -> None:
        await self._do("Setvar", encode.mute(self._agent(command).channel, command.mute), "mute")
        self._facts.tell([MuteChanged(interaction=command.interaction, muted=command.mute)])

    async def _digits(self, command: c.SendDigits) -> None:
        """The bridge carries them to the other side, whoever that is; a conference does not."""
        leg = self._agent(command)
        for digit in command.digits:
            if self._in_conference(command.interaction):
                fields = encode.digit(self._call(command.interaction).channel, digit)
                fields["Receive"] = "false"
            else:
                fields = encode.digit(leg.channel, digit)
                self._sends(leg.uniqueid, digit)
            await self._do("PlayDTMF", fields, "digits")

    async def _signal(self, command: c.SignalAgent) -> None:
        await self._do("Originate", encode.originate_signal(self._agent(command).channel), "signal")

    async def _do(self, action: str, fields: Mapping[str, str], intent: str) -> None:
        try:
            await self._ami(action, fields, intent=intent)
        except AmiError as error:
            raise SwitchError(str(error)) from error

    def _call(self, interaction: InteractionId) -> Call:
        call = self._board.by_interaction.get(interaction)
        if call is None or call.gone:
            raise SwitchError("the caller's leg is gone")
        return call

    def _agent(self, command: c.SetMute | c.SendDigits | c.SignalAgent) -> AgentLeg:
        leg = self._call(command.interaction).talking
        if leg is None or leg.gone:
            raise SwitchError("the agent's leg is gone")
        return leg

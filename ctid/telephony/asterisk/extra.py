"""Rings a phone by Originate: beside a Dial that runs, or where there is no caller to dial for."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from ctid.telephony.asterisk import encode
from ctid.telephony.asterisk.ami_protocol import AmiError
from ctid.telephony.asterisk.census import Facts
from ctid.telephony.asterisk.legs import AgentLeg, Board, Call, OfferState
from routing.commands import Target

log = structlog.get_logger(__name__)


class ExtraLegs:
    """Makes legs whose unique id is chosen here, so that their events are known from the first."""

    def __init__(self, *, board: Board, ami: Callable[..., Awaitable[Any]], facts: Facts) -> None:
        self._board = board
        self._ami = ami
        self._facts = facts
        self._numbers = itertools.count(1)

    async def ring(
        self, call: Call, offer: OfferState, target: Target, *, auto_answer: bool = False
    ) -> None:
        """Ring one agent's phone within ``offer``. What becomes of it is told as facts."""
        leg = AgentLeg(
            # Asterisk refuses an id that an id in use begins with (measured): so the number first
            uniqueid=f"x{next(self._numbers):06d}-{call.uniqueid}",
            channel="",
            phone=target.phone,
            agent=target.agent,
            call=call,
            extra=True,
        )
        fields = encode.originate(
            leg.uniqueid, target, call.caller, call.interaction, auto_answer=auto_answer
        )
        offer.targets[target.phone] = target.agent
        offer.legs.append(leg)
        self._board.add_leg(leg)
        try:
            await self._ami("Originate", fields, intent=f"extend.{leg.uniqueid}")
        except AmiError as error:
            self._facts.event(
                {
                    "Event": "OriginateResponse",
                    "Response": "Failure",
                    "ActionID": f".extend.{leg.uniqueid}",
                }
            )
            log.warning("extend_failed", interaction=call.interaction, why=str(error))

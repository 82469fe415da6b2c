"""Counts who is on the PBX: after a restart, and after AMI was away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from ctid.clock import Clock
from ctid.telephony.asterisk import encode, live, translate
from ctid.telephony.asterisk.ami_protocol import AmiError, Event
from ctid.telephony.asterisk.legs import Board, Call
from ctid.telephony.asterisk.recordings import Recordings
from ctid.telephony.port import LiveCall, SwitchError

log = structlog.get_logger(__name__)

DEVICE_STATE = "DeviceStateChange"
LIST_S = 15.0


class Facts(Protocol):
    """Where what the census finds is told."""

    def event(self, event: Event) -> None: ...

    def tell(self, result: translate.Result) -> None: ...

    def withdraw(self, channel: str) -> None: ...


class Census:
    """Asks for AMI's lists and puts what they say on the board."""

    def __init__(
        self,
        *,
        board: Board,
        ami: Callable[..., Awaitable[Any]],
        recordings: Recordings,
        facts: Facts,
        controlled: Callable[[Call], bool],
        clock: Clock,
    ) -> None:
        self._board = board
        self._ami = ami
        self._recordings = recordings
        self._facts = facts
        self._controlled = controlled
        self._clock = clock

    async def live_calls(self) -> list[LiveCall]:
        """Every caller's leg, put on the board if it was not there. Raises SwitchError."""
        seen, ringing = live.pair_up(await self._channels(), self._board)
        now_s = self._clock.now_s()
        calls = []
        for caller in seen:
            row = caller.row
            if self._board.has_ended(row.uniqueid):
                continue
            known = self._board.calls.get(row.uniqueid)
            if known is not None and known.absent:
                continue  # a customer whom we are calling just now
            if known is None and not row.up and row.variables[encode.VAR_PATH] == encode.CALLBACK:
                # called by a former run, whose attempt is over: it counts, it is not repeated
                log.info("orphan_customer", interaction=caller.interaction, channel=row.channel)
                self._facts.withdraw(row.channel)
                continue
            call = live.adopt(self._board, caller, now_s)
            talking = call.talking
            if caller.recording:
                self._recordings.adopt(call, caller.recording, started=talking is not None)
            if call.offer is None:
                self._stop_orphans(call, ringing)
            calls.append(
                LiveCall(
                    interaction=call.interaction,
                    caller=call.caller,
                    did=call.did,
                    arrived_at=call.arrived_at,
                    controlled=self._controlled(call),
                    agent=(talking.agent or None) if talking is not None else None,
                    agent_phone=talking.phone if talking is not None else None,
                )
            )
        return calls

    async def phones(self) -> None:
        """Every phone's state, as events. Raises AmiError."""
        states = await self._ami("DeviceStateList", timeout_s=LIST_S)
        for message in states if isinstance(states, list) else ():
            self._facts.event(
                {
                    "Event": DEVICE_STATE,
                    "Device": str(message.device),
                    "State": str(message.state),
                }
            )

    async def compare(self) -> None:
        """What became of the calls on the board while AMI was away. Raises SwitchError."""
        # only what was there before the question: the answer knows nothing of what came later
        legs, calls = list(self._board.legs.values()), list(self._board.calls.values())
        rows = {row.uniqueid: row for row in await self._channels()}
        for leg in legs:
            row = rows.get(leg.uniqueid)
            if row is None:
                self._facts.event({"Event": "Hangup", "Uniqueid": leg.uniqueid})
            elif row.bridge and leg.call.talking is None:
                self._facts.tell(translate.answered(leg))
        for call in calls:
            if call.uniqueid not in rows:
                self._facts.event({"Event": "Hangup", "Uniqueid": call.uniqueid})

    async def _channels(self) -> list[live.Row]:
        try:
            answer = await self._ami("Status", live.STATUS, timeout_s=LIST_S)
        except AmiError as error:
            raise SwitchError(str(error)) from error
        return live.read_rows(answer if isinstance(answer, list) else [answer])

    def _stop_orphans(self, call: Call, ringing: list[live.Row]) -> None:
        """Legs that ring for an offer nobody remembers: the caller then comes back to us."""
        for row in ringing:
            marked = encode.unmark(row.variables.get(encode.VAR_INTERACTION, ""))
            if marked == call.interaction:
                log.info("orphan_leg", interaction=call.interaction, channel=row.channel)
                self._facts.withdraw(row.channel)

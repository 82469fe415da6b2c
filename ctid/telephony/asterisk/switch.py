"""The telephony port on Asterisk: facts out of AMI and AGI, commands into them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import structlog

from ctid import tasks
from ctid.clock import Clock
from ctid.telephony.asterisk import encode, midcall, supervise, table, transfers, translate
from ctid.telephony.asterisk.ami import AmiLink, AmiSettings
from ctid.telephony.asterisk.ami_protocol import AmiError, Event
from ctid.telephony.asterisk.callbacks import Callbacks, wait_for_customer
from ctid.telephony.asterisk.caller import Caller, end_known
from ctid.telephony.asterisk.census import DEVICE_STATE, Census
from ctid.telephony.asterisk.codes import FeatureCodes
from ctid.telephony.asterisk.consult import Consults
from ctid.telephony.asterisk.extra import ExtraLegs
from ctid.telephony.asterisk.fastagi import (
    AgiServer,
    AgiSession,
    AgiSettings,
    caller_headers,
)
from ctid.telephony.asterisk.handset import Handset
from ctid.telephony.asterisk.legs import Board, Call
from ctid.telephony.asterisk.midcall import Midcall
from ctid.telephony.asterisk.orders import Orders
from ctid.telephony.asterisk.phones import Phones
from ctid.telephony.asterisk.recordings import Recordings
from ctid.telephony.asterisk.supervise import Spies
from ctid.telephony.asterisk.translate import (
    CustomerLost,
    FetchCaller,
    HangUpLeg,
    JoinAnew,
    JoinLeg,
    Result,
)
from ctid.telephony.port import FactSink, LiveCall, SwitchError
from routing import commands as c
from routing.control_facts import DialledOn, PhoneAct
from routing.facts import (
    AgentHungUp,
    CallerReturned,
    Channel,
    ControlLost,
    Fact,
    InteractionArrived,
    PhoneStateChanged,
)
from routing.ids import AgentId, InteractionId, PhoneId, RecordingId

log = structlog.get_logger(__name__)

WANTED = frozenset(table.TABLE) | {DEVICE_STATE} | supervise.EVENTS | midcall.EVENTS
PHONE_SETTLES_S = 1.0
LEAVES_S = 3.0
"""So long after its leg has gone from the PBX a phone may still be busy with it: after a REFER the
phone hangs up (RFC 5589), Asterisk's channel has ended before."""
LOST_BYE_S = 0.25
MAX_HELD = 100_000
ANSWERED_ELSEWHERE = "26"  # Q.850: phones show no missed call


class AsteriskSwitch:
    """One Asterisk. ``raw_path`` and ``message_path`` say where a recording's file stands.

    ``raw_path``: MixMonitor's raw stereo (16 bit, 8 kHz, caller left); ``message_path``: WAV, mono.
    ``trunk`` is the PJSIP endpoint of the outside line; ``feature_codes`` is what agents may key in
    at their phones.
    """

    def __init__(
        self,
        *,
        ami: AmiSettings,
        agi: AgiSettings,
        raw_path: Callable[[RecordingId], Path],
        message_path: Callable[[RecordingId], Path],
        clock: Clock,
        rng: Random,
        trunk: str = "trunk",
        feature_codes: Mapping[PhoneAct, str] | None = None,
    ) -> None:
        self._clock = clock
        self._trunk = trunk
        self._message_path = message_path
        self._board = Board()
        self._callers: dict[str, Caller] = {}
        self._phones = Phones(self._board.uses, trunk)
        self._ami = AmiLink(
            ami, wanted=WANTED, on_event=self.event, on_down=self._ami_down, rng=rng
        )
        self._agi = AgiServer(agi, self._knock)
        self._recordings = Recordings(raw_path, self._ami.action, self._fact)
        self._census = Census(
            board=self._board,
            ami=self._ami.action,
            recordings=self._recordings,
            facts=self,
            controlled=lambda call: call.uniqueid in self._callers,
            clock=clock,
        )
        self._sink: FactSink | None = None
        self._open = False
        self._held: list[Fact] = []
        self._told: set[InteractionId] = set()
        self._reconnected: list[Callable[[], None]] = []
        self._lost: list[Callable[[], None]] = []
        self._spies = Spies(board=self._board, ami=self._ami.action, facts=self)
        self._midcall = Midcall(
            board=self._board,
            callers=self._callers,
            ami=self._ami.action,
            facts=self,
            spies=self._spies,
        )
        self._codes = FeatureCodes(feature_codes or {}, board=self._board, tell=self._fact)
        extras = ExtraLegs(board=self._board, ami=self._ami.action, facts=self)
        self._callbacks = Callbacks(
            board=self._board,
            ami=self._ami.action,
            extras=extras,
            facts=self,
            clock=clock,
            trunk=trunk,
        )
        self._consults = Consults(
            board=self._board,
            midcall=self._midcall,
            ami=self._ami.action,
            facts=self,
            trunk=trunk,
        )
        handset = Handset(
            board=self._board,
            ami=self._ami.action,
            facts=self,
            conference=self._consults.conference,
            sends=self._codes.sends,
        )
        self._orders = Orders(
            board=self._board,
            callers=self._callers,
            ami=self._ami.action,
            recordings=self._recordings,
            facts=self,
            extras=extras,
            callbacks=self._callbacks,
            aside=self._midcall.aside,
            more={
                **self._spies.handlers,
                **self._midcall.handlers,
                **self._consults.handlers,
                **handset.handlers,
            },
        )

    # --- port ---

    async def start(self, sink: FactSink) -> None:
        """See the port. Raises OSError when the AGI address cannot be listened on."""
        self._sink = sink
        self._ami.on_up(self._ami_up)
        await self._agi.start()
        log.info("agi_listens", port=self._agi.port)
        await self._ami.start()

    async def live_calls(self) -> list[LiveCall]:
        """See the port. Raises SwitchError when Asterisk does not answer."""
        return await self._census.live_calls()

    def known(self, interactions: Mapping[InteractionId, AgentId | None]) -> None:
        """See the port."""
        for interaction, agent in interactions.items():
            self._told.add(interaction)
            call = self._board.by_interaction.get(interaction)
            if call is not None and call.talking is not None and agent is not None:
                call.talking.agent = agent

    def open_doors(self) -> None:
        """See the port. What happened meanwhile is told now, in order, but phones' states first: a
        caller may knock before the list of them is here, and would be offered to a busy phone."""
        self._open = True
        held, self._held = self._held, []
        for fact in sorted(held, key=lambda fact: not isinstance(fact, PhoneStateChanged)):
            self._fact(fact)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """See the port."""
        self._reconnected.append(callback)

    def on_lost(self, callback: Callable[[], None]) -> None:
        """See the port."""
        self._lost.append(callback)

    def take(self, command: c.Command) -> bool:
        """See the port."""
        return self._orders.take(command)

    async def execute(self, command: c.Command) -> None:
        """See the port."""
        await self._orders.execute(command)

    async def stop_accepting(self) -> None:
        """See the port. New callers wait in the dialplan's loop and at last in its fallback."""
        self._agi.stop_accepting()
        await self._recordings.drained()

    async def close(self) -> None:
        """See the port."""
        self._sink = None
        self._agi.close()
        await self._ami.close()

    @property
    def connected(self) -> bool:
        """See the port."""
        return self._ami.connected

    @property
    def agi_port(self) -> int:
        """The port that FastAGI listens on."""
        return self._agi.port

    # --- Desk: what callers' sessions need ---

    @property
    def recordings(self) -> Recordings:
        return self._recordings

    @property
    def trunk(self) -> str:
        return self._trunk

    def may_be_leaving(self, phone: PhoneId) -> bool:
        return self._board.may_be_leaving(phone)

    def message_path(self, recording: RecordingId) -> Path:
        return self._message_path(recording)

    def tell(self, result: Result) -> None:
        """Report facts and do at once what the table asks for."""
        for item in result:
            if isinstance(item, HangUpLeg):
                self.withdraw(item.channel)
            elif isinstance(item, JoinLeg):
                self._orders.join(item.leg)
            elif isinstance(item, CustomerLost):
                self._callbacks.lost(item.call, item.cause)
            elif isinstance(item, FetchCaller):
                self._orders.fetch(item.call)
            elif isinstance(item, JoinAnew):
                if item.apart or self._recordings.runs(item.call):
                    tasks.spawn(self._midcall.join_anew(item), name="join anew")
            else:
                self._fact(item)

    def withdraw(self, channel: str) -> None:
        """Stop a leg from ringing."""
        self._orders.try_action(
            "Hangup", {"Channel": channel, "Cause": ANSWERED_ELSEWHERE}, "withdraw"
        )

    def renewed(self, call: Call) -> None:
        """A caller who was sent on is in its new session, and its recording goes on there."""
        tasks.spawn(self._spies.renewed(call), name="supervisors of a caller sent on")

    def inject_digit(self, call: Call, digit: str) -> None:
        """End the prompt that runs, as if the caller had pressed a key."""
        fields = {"Channel": call.channel, "Digit": digit, "Receive": "true"}
        self._orders.try_action("PlayDTMF", fields, "cut")

    # --- facts ---

    def _fact(self, fact: Fact) -> None:
        if not self._open:
            if len(self._held) < MAX_HELD:
                self._held.append(fact)
            return
        if self._sink is None:
            return
        if isinstance(fact, InteractionArrived):
            if fact.interaction in self._told:
                fact = self._back(fact.interaction)
            else:
                self._told.add(fact.interaction)
        elif isinstance(fact, AgentHungUp) and not fact.agent:
            log.warning("unknown_agent_hung_up", interaction=fact.interaction)
            return
        self._sink(fact)

    def _back(self, interaction: InteractionId) -> Fact:
        """A caller whom we know is held again, be it because a phone has sent it on."""
        call = self._board.by_interaction.get(interaction)
        if call is None or call.dialled is None:
            return CallerReturned(interaction=interaction)
        (to, outside), call.dialled = call.dialled, None
        return DialledOn(interaction=interaction, to=to, outside=outside)

    def event(self, event: Event) -> None:
        """Take one AMI event."""
        name = event.get("Event")
        if name == DEVICE_STATE:
            changed = self._phones.device(event.get("Device", ""), event.get("State", ""))
            if changed is not None:
                self._fact(changed)
            return
        self._spies.event(event)
        self._consults.event(event)
        self._midcall.event(event)
        self._callbacks.event(event)
        self._codes.event(event)
        ended = event.get("Uniqueid", "") if name == "Hangup" else ""
        call = self._board.calls.get(ended)
        leg = self._board.legs.get(ended)
        self.tell(table.read(self._board, event))
        if name == "HangupRequest":
            self._wake(event.get("Uniqueid", ""))
            asyncio.get_running_loop().call_later(LOST_BYE_S, self._make_sure, event)
        if call is not None:
            self._ended(call)
        elif leg is not None:
            self._callbacks.leg_ended(leg)
            loop = asyncio.get_running_loop()
            if leg.answered:
                self._board.leaves(leg.phone)
                loop.call_later(LEAVES_S, self._board.left, leg.phone)
            loop.call_later(PHONE_SETTLES_S, self._settle_phone, leg.phone)

    def _wake(self, uniqueid: str) -> None:
        # a session that began on a channel which was hung up already never sees HANGUP
        caller = self._callers.get(uniqueid)
        if caller is not None and caller.call.over:
            caller.session_ended()

    def _make_sure(self, event: Event) -> None:
        # a BYE that comes while Bridge takes the channel over, or a Redirect, is lost to Asterisk
        # (measured: 2 of 40 at 0 to 10 ms after the answer); somebody would sit there with nobody
        if not self._board.has_ended(event.get("Uniqueid", "")):
            self.withdraw(event.get("Channel", ""))

    def _settle_phone(self, phone: PhoneId) -> None:
        changed = self._phones.settle(phone)
        if changed is not None:
            self._fact(changed)

    def _ended(self, call: Call) -> None:
        self._recordings.channel_ended(call)
        self._told.discard(call.interaction)

    # --- sessions ---

    def _knock(self, session: AgiSession) -> None:
        script = session.headers.get("agi_network_script")
        uniqueid, channel, number, name, did = caller_headers(session.headers)
        call = self._board.calls.get(uniqueid)
        if script == encode.CALLBACK and call is None:
            session.close()  # of a former run: the dialplan knocks again when it has been counted
            return
        if script not in ("in", encode.CALLBACK, encode.TRANSFER):
            leg = self._board.legs.get(session.headers["agi_uniqueid"])
            if script == "extend" and leg is not None and leg.extra:
                session.on_hangup = session.close
                self.tell(translate.answered(leg))
                if leg.call.absent:
                    wait_for_customer(session)
                else:
                    tasks.spawn(session.close_if_dead(), name="extra leg")
            elif script == "seat":
                self._midcall.seated(session)
            elif script == encode.ENDED and call is not None:
                tasks.spawn(end_known(session), name="an end that is known")
            else:
                session.close()  # the dialplan goes on without us
            return
        returned = call is not None and call.interaction in self._told
        if call is None:
            call = Call(
                interaction=InteractionId(encode.clean(uniqueid, 128)),
                uniqueid=uniqueid,
                channel=channel,
                caller=encode.party(number, name),
                did=encode.clean(did, 64),
                arrived_at=self._clock.now_s(),
            )
            self._board.add_call(call)
        elif call.over:
            session.close()
            return
        elif not call.absent:
            self._end_what_broke(call, sent_on=script == encode.TRANSFER)
        if script == encode.TRANSFER:
            call.dialled = encode.dialled_on(session.headers)
        call.moving = call.swapped = False
        caller = Caller(
            call,
            session,
            session.headers.get("agi_language", ""),
            self,
            sent_on=script == encode.TRANSFER,
        )
        old = self._callers.get(uniqueid)
        self._callers[uniqueid] = caller
        if old is not None:
            old.session.close()
        session.on_hangup = lambda: self._caller_hung_up(caller)
        session.on_close = lambda: self._session_closed(caller)
        tasks.spawn(caller.run(), name=f"caller {uniqueid}")
        if not self._open:
            caller.put(c.StartMusic(interaction=call.interaction))
        if call.absent:
            self._told.add(call.interaction)
            self._callbacks.arrived(call, caller)
        elif returned:
            self._fact(self._back(call.interaction))
        else:
            self._fact(
                InteractionArrived(
                    interaction=call.interaction,
                    caller=call.caller,
                    did=call.did,
                    channel=Channel.VOICE,
                )
            )

    def _end_what_broke(self, call: Call, *, sent_on: bool) -> None:
        """The caller is back in the dialplan: what the broken session was doing is over."""
        if sent_on:
            self.tell(transfers.sent_on(call))  # should AMI not have told it
        elif call.talking is not None:
            leg, call.talking = call.talking, None
            call.offer = None
            self._fact(AgentHungUp(interaction=call.interaction, agent=leg.agent))
        elif call.offer is not None:
            self.tell(translate.offer_forced(call, call.offer, "control lost", 0))

    def _caller_hung_up(self, caller: Caller) -> None:
        # the caller has gone, or only the session: a phone has sent the caller on (``Caller.run``)
        if not caller.call.gone and not caller.call.moving:
            caller.call.gone = caller.call.untold = True
        caller.session_ended()

    def _session_closed(self, caller: Caller) -> None:
        call = caller.call
        caller.session_ended()
        if self._callers.get(call.uniqueid) is caller:
            del self._callers[call.uniqueid]
            if not caller.session.hung_up and not call.gone:
                self._fact(ControlLost(interaction=call.interaction))

    # --- AMI up and down ---

    def _ami_down(self) -> None:
        log.warning("asterisk_unseen", calls=len(self._board.calls))
        for callback in self._lost:
            callback()

    def _ami_up(self, first: bool) -> None:
        tasks.spawn(self._look_around(first), name="look around")

    async def _look_around(self, first: bool) -> None:
        """What AMI did not tell while it was away: phones' states, and what became of calls."""
        try:
            await self._census.phones()
            if not first:
                await self._census.compare()
        except (AmiError, SwitchError) as error:
            log.error("look_around_failed", why=str(error))
            return
        for callback in () if first else self._reconnected:
            callback()

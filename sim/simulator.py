"""The production engine in virtual time: a day's callers and agents meet its decisions.

A heap of events stands for PBX, phones and people (:class:`Simulation` is a switch that answers
commands out of thin air). Nothing here decides anything that the engine decides. The same day, seed
and configuration give the same facts in the same order; ``journal_hash`` proves it.
"""

from __future__ import annotations

import gc
import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from routing import commands as c
from routing import facts as f
from routing.engine import Engine
from routing.errors import RoutingError
from routing.ids import AgentId, InteractionId, OfferId, QueueId, TimerId
from routing.model import RoutingConfig
from sim.day import Day
from sim.persons import Caller, Duty
from sim.scenario import Scenario

AVAILABLE, LOGGED_OUT = f.AgentStatus.AVAILABLE, f.AgentStatus.LOGGED_OUT
DRAIN_S = 4 * 3600.0
"""After the end nobody new comes; whoever is still there after so long is let go."""
_LATE_S = 1e-6
_GOLDEN = 0.6180339887498949
_ANSWERED, _NO_ANSWER, _DECLINED = 0, 1, 2


@dataclass(slots=True)
class Outcomes:
    """What one run brought about. ``wrap_up_s`` by interaction, ``duty`` as it really was."""

    start: float
    end: float
    accounts: list[c.InteractionAccount] = field(default_factory=list)
    wrap_up_s: dict[InteractionId, float] = field(default_factory=dict)
    duty: list[Duty] = field(default_factory=list)
    facts: int = 0
    refused: list[str] = field(default_factory=list)  # facts that the engine did not know, first 20
    journal_hash: str = ""
    announced: dict[QueueId, dict[str, float | int | None]] = field(default_factory=dict)


@dataclass(slots=True)
class _Call:
    """A caller who is here."""

    caller: Caller
    waits: bool = False  # patience runs
    talks: bool = False
    menus: int = 0
    ringing: OfferId | None = None


@dataclass(slots=True)
class _Ring:
    """An offer that rings."""

    interaction: InteractionId
    targets: int
    callback: bool


class Simulation:
    """One run. ``on_progress`` is told the share 0..1 of the day that has passed."""

    def __init__(
        self,
        config: RoutingConfig,
        day: Day,
        scenario: Scenario,
        *,
        on_progress: Callable[[float], None] | None = None,
        on_fact: Callable[[float, f.Fact], None] | None = None,
    ) -> None:
        self.engine = Engine(config, seed=scenario.seed)
        self._day = day
        self._people = scenario.people
        self._scenario = scenario
        self._on_progress = on_progress
        self._on_fact = on_fact
        self._phones = {a.id: a.phone for a in config.agents}
        self._now = day.start
        self._heap: list[tuple[float, int, Callable[..., None], Any]] = []
        self._number = 0
        self._calls: dict[InteractionId, _Call] = {}
        self._by_id = {caller.id: caller for caller in day.callers}
        self._rings: dict[OfferId, _Ring] = {}
        self._turns: dict[InteractionId, int] = {}  # agents asked so far: luck differs each time
        self._timers: dict[TimerId, int] = {}
        self._wanted: dict[AgentId, f.AgentStatus] = {}
        self._hash = hashlib.sha256()
        self._lines: list[str] = []
        self.outcomes = Outcomes(day.start, day.end)
        self._commands: dict[type, Callable[[Any], None]] = {
            c.Offer: self._offer,
            c.ExtendOffer: self._extend,
            c.CancelOffer: self._cancel_offer,
            c.StartTimer: self._start_timer,
            c.CancelTimer: self._cancel_timer,
            c.StartMusic: self._music,
            c.Play: self._play,
            c.CollectDigits: self._collect,
            c.Release: self._release,
            c.LookUpCustomer: self._look_up,
            c.SendTo: self._send_to,
            c.RecordMessage: self._record_message,
            c.CallCustomer: self._call_customer,
            c.NotifyAgent: self._notify,
            c.FileContactRecord: self._file,
            c.AmendContactRecord: self._amend,
        }

    # --- the loop ---------------------------------------------------------------------------------

    def run(self) -> Outcomes:
        """Let the day pass."""
        # a day builds up tens of thousands of objects that stay; looking through all of them for
        # circles every few hundred allocations would cost a third of the time
        before = gc.get_threshold()
        gc.set_threshold(100_000, 50, 100)
        try:
            return self._run()
        finally:
            gc.set_threshold(*before)

    def _run(self) -> Outcomes:
        for duty in self._day.duties:
            self._at(duty.at, self._on_duty, duty)
        for at, fact in self._day.phones:
            self._at(at, self._phone, fact)
        arrivals = iter(self._day.callers)
        following = next(arrivals, None)
        heap = self._heap
        limit = self._day.end + DRAIN_S
        told = 0
        while heap or following is not None:
            if following is not None and (not heap or following.at <= heap[0][0]):
                self._now = following.at
                self._arrive(following)
                following = next(arrivals, None)
            else:
                at, _, action, argument = heapq.heappop(heap)
                if at > limit:
                    break
                self._now = at
                action(argument)
            told += 1
            if told % 4096 == 0:
                self.engine.take_changes()
                self._progress()
        self._let_go(limit)
        self._flush()
        self.outcomes.journal_hash = self._hash.hexdigest()
        self.outcomes.announced = self.engine.announced_waits()
        if self._on_progress is not None:
            self._on_progress(1.0)
        return self.outcomes

    def _progress(self) -> None:
        if self._on_progress is not None:
            span = self._day.end - self._day.start
            self._on_progress(min(1.0, (self._now - self._day.start) / span))

    def _let_go(self, limit: float) -> None:
        """Whoever would wait for ever hangs up, so that every interaction has its account."""
        self._heap.clear()
        self._now = max(self._now, limit)
        for interaction in list(self._calls):
            self._hang_up(interaction)
        for view in self.engine.live_interactions():
            self._hang_up(view.id)

    def _at(self, at: float, action: Callable[..., None], argument: Any) -> None:
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, action, argument))

    def _after(self, seconds: float, action: Callable[..., None], argument: Any) -> None:
        self._number += 1
        heapq.heappush(self._heap, (self._now + seconds, self._number, action, argument))

    def _tell(self, fact: f.Fact, about: str) -> bool:
        """Give the engine a fact and carry out what it says; false if it did not know it."""
        outcomes = self.outcomes
        outcomes.facts += 1
        kind = type(fact).__name__
        self._lines.append(f"{self._now!r} {kind} {about}\n")
        if self._on_fact is not None:
            self._on_fact(self._now, fact)
        try:
            commands = self.engine.handle(fact, self._now)
        except RoutingError as error:
            if len(outcomes.refused) < 20:
                outcomes.refused.append(f"{kind} {about}: {error}")
            return False
        known = self._commands
        for command in commands:
            action = known.get(type(command))
            if action is not None:
                action(command)
        if len(self._lines) > 2000:
            self._flush()
        return True

    def _flush(self) -> None:
        self._hash.update("".join(self._lines).encode())
        self._lines.clear()

    # --- callers ----------------------------------------------------------------------------------

    def _arrive(self, caller: Caller) -> None:
        interaction = InteractionId(caller.id)
        self._calls[interaction] = _Call(caller)
        self._tell(
            f.InteractionArrived(
                interaction=interaction,
                caller=f.Party(number=caller.number),
                did=caller.did,
                attributes=caller.attributes,
            ),
            caller.id,
        )

    def _wait(self, interaction: InteractionId) -> None:
        """Patience begins to run with the first music or ringing, once."""
        call = self._calls.get(interaction)
        if call is not None and not call.waits:
            call.waits = True
            if call.caller.patience_s < DRAIN_S * 1000:
                self._after(call.caller.patience_s, self._give_up, interaction)

    def _give_up(self, interaction: InteractionId) -> None:
        call = self._calls.get(interaction)
        if call is not None and not call.talks:
            self._hang_up(interaction)

    def _hang_up(self, interaction: InteractionId) -> None:
        call = self._calls.pop(interaction, None)
        if call is not None and call.ringing is not None:
            self._rings.pop(call.ringing, None)  # the phones fall silent with the caller
        self._tell(f.CallerHungUp(interaction=interaction, cause=16), interaction)

    def _talk_over(self, interaction: InteractionId) -> None:
        self._hang_up(interaction)

    # --- phones -----------------------------------------------------------------------------------

    def _offer(self, command: c.Offer) -> None:
        callback = command.channel is f.Channel.CALLBACK
        self._rings[command.offer] = _Ring(command.interaction, 0, callback)
        self._wait(command.interaction)
        call = self._calls.get(command.interaction)
        if call is not None:
            call.ringing = command.offer
        self._ring(command.interaction, command.offer, command.targets)

    def _extend(self, command: c.ExtendOffer) -> None:
        self._ring(command.interaction, command.offer, command.targets)

    def _ring(
        self, interaction: InteractionId, offer: OfferId, targets: tuple[c.Target, ...]
    ) -> None:
        ring = self._rings.get(offer)
        if ring is None:
            return
        people = self._people
        caller = self._caller_of(interaction)
        for target in targets:
            ring.targets += 1
            turn = self._turns.get(interaction, 0)
            self._turns[interaction] = turn + 1
            self._after(people.ring_delay_s, self._rings_now, (offer, target.agent))
            luck = (caller.luck + turn * _GOLDEN) % 1.0
            if luck < people.no_answer_share:
                continue
            declines = luck < people.no_answer_share + people.decline_share
            action = self._declined if declines else self._picked_up
            # everybody who rings is a little different, or ring_all would always be a tie
            haste = 1.0 if turn == 0 else 0.5 + (caller.luck * 7 + turn * _GOLDEN) % 1.0
            wait_s = people.ring_delay_s + caller.pickup_s * haste
            self._after(wait_s, action, (offer, target.agent))

    def _rings_now(self, what: tuple[OfferId, AgentId]) -> None:
        ring = self._rings.get(what[0])
        if ring is not None:
            self._tell(
                f.OfferRinging(interaction=ring.interaction, offer=what[0], agent=what[1]),
                f"{what[0]} {what[1]}",
            )

    def _picked_up(self, what: tuple[OfferId, AgentId]) -> None:
        offer, agent = what
        ring = self._rings.pop(offer, None)
        if ring is None:
            return
        call = self._calls.get(ring.interaction)
        if call is not None and not ring.callback:
            call.talks = True
        self._tell(
            f.OfferAnswered(interaction=ring.interaction, offer=offer, agent=agent),
            f"{offer} {agent}",
        )
        if not ring.callback:
            self._talk(ring.interaction)

    def _talk(self, interaction: InteractionId) -> None:
        self._after(self._caller_of(interaction).talk_s, self._talk_over, interaction)

    def _declined(self, what: tuple[OfferId, AgentId]) -> None:
        offer, agent = what
        ring = self._rings.get(offer)
        if ring is None:
            return
        ring.targets -= 1
        self._tell(
            f.OfferDeclined(interaction=ring.interaction, offer=offer, agent=agent, cause=21),
            f"{offer} {agent}",
        )
        if ring.targets <= 0 and self._rings.pop(offer, None) is not None:
            self._tell(f.OfferEnded(interaction=ring.interaction, offer=offer), offer)

    def _cancel_offer(self, command: c.CancelOffer) -> None:
        if self._rings.pop(command.offer, None) is not None:
            self._after(0.0, self._offer_ended, (command.interaction, command.offer))

    def _offer_ended(self, what: tuple[InteractionId, OfferId]) -> None:
        if what[0] in self._calls or what[0].endswith(".cb"):
            self._tell(f.OfferEnded(interaction=what[0], offer=what[1]), what[1])

    def _call_customer(self, command: c.CallCustomer) -> None:
        self._after(self._caller_of(command.interaction).pickup_s, self._customer_up, command)

    def _customer_up(self, command: c.CallCustomer) -> None:
        interaction = command.interaction
        if not self._tell(f.CustomerAnswered(interaction=interaction), interaction):
            return
        call = _Call(self._caller_of(interaction), waits=True, talks=command.agent is not None)
        self._calls[interaction] = call
        if command.agent is not None:
            self._talk(interaction)

    def _caller_of(self, interaction: InteractionId) -> Caller:
        call = self._calls.get(interaction)
        # a callback (".cb") is for the caller who left
        return call.caller if call is not None else self._by_id[interaction.removesuffix(".cb")]

    # --- what callers hear and press --------------------------------------------------------------

    def _music(self, command: c.StartMusic) -> None:
        self._wait(command.interaction)

    def _play(self, command: c.Play) -> None:
        self._after(
            self._scenario.prompt_s * len(command.prompts),
            self._step_done,
            (command.interaction, command.step, f.StepOutcome.DONE, ""),
        )

    def _collect(self, command: c.CollectDigits) -> None:
        call = self._calls.get(command.interaction)
        if call is None:
            return
        seconds = self._scenario.prompt_s * len(command.prompts)
        if call.menus < len(call.caller.digits):
            digits = call.caller.digits[call.menus]
            call.menus += 1
            told = (command.interaction, command.step, f.StepOutcome.DIGITS, digits)
            self._after(seconds * 0.7, self._step_done, told)
        else:
            told = (command.interaction, command.step, f.StepOutcome.TIMED_OUT, "")
            self._after(seconds + command.timeout_s, self._step_done, told)

    def _step_done(self, what: tuple[InteractionId, Any, f.StepOutcome, str]) -> None:
        interaction, step, outcome, digits = what
        if interaction in self._calls:
            self._tell(
                f.StepFinished(interaction=interaction, step=step, outcome=outcome, digits=digits),
                f"{step} {digits}",
            )

    def _record_message(self, command: c.RecordMessage) -> None:
        seconds = min(command.max_s, 25.0)
        told = (command.interaction, command.step, f.StepOutcome.DONE, "")
        self._after(seconds, self._step_done, told)

    def _send_to(self, command: c.SendTo) -> None:
        self._after(self._caller_of(command.interaction).talk_s, self._external_over, command)

    def _external_over(self, command: c.SendTo) -> None:
        if command.interaction in self._calls:
            self._tell(
                f.ExternalEnded(interaction=command.interaction, answered=True),
                command.interaction,
            )

    def _release(self, command: c.Release) -> None:
        self._after(0.0, self._released, command.interaction)

    def _released(self, interaction: InteractionId) -> None:
        if interaction in self._calls:
            self._hang_up(interaction)

    def _look_up(self, command: c.LookUpCustomer) -> None:
        self._after(self._scenario.lookup_s, self._looked_up, command.interaction)

    def _looked_up(self, interaction: InteractionId) -> None:
        call = self._calls.get(interaction)
        if call is None:
            return
        known = call.caller.attributes.get("customer")
        if known is None:
            self._tell(f.CustomerNotFound(interaction=interaction), interaction)
            return
        fact = f.CustomerMatched(
            interaction=interaction,
            customer=known,  # type: ignore[arg-type]
            attributes=call.caller.attributes,
        )
        self._tell(fact, interaction)

    # --- timers -----------------------------------------------------------------------------------

    def _start_timer(self, command: c.StartTimer) -> None:
        self._number += 1
        number = self._number
        timer = command.timer
        self._timers[timer] = number
        # real timers fire late, never early; rounding must not make these do so
        entry = (self._now + command.after_s + _LATE_S, number, self._fire, (timer, number))
        heapq.heappush(self._heap, entry)

    def _cancel_timer(self, command: c.CancelTimer) -> None:
        self._timers.pop(command.timer, None)

    def _fire(self, what: tuple[TimerId, int]) -> None:
        timer, number = what
        if self._timers.get(timer) == number:
            del self._timers[timer]
            self._tell(f.TimerFired(timer=timer), timer)

    # --- agents -----------------------------------------------------------------------------------

    def _on_duty(self, duty: Duty) -> None:
        self._wanted[duty.agent] = duty.status
        self.outcomes.duty.append(duty)
        self._tell(
            f.AgentStatusSet(
                agent=duty.agent,
                status=duty.status,
                reason=duty.reason,
                phone=self._phones[duty.agent],
            ),
            f"{duty.agent} {duty.status}",
        )

    def _phone(self, fact: f.PhoneStateChanged) -> None:
        self._tell(fact, f"{fact.phone} {fact.state}")

    def _notify(self, command: c.NotifyAgent) -> None:
        if command.code == "paused_after_no_answer":
            self.outcomes.duty.append(Duty(self._now, command.agent, f.AgentStatus.PAUSED))
            self._after(self._people.back_after_s, self._back, command.agent)

    def _back(self, agent: AgentId) -> None:
        if self._wanted.get(agent) is AVAILABLE:
            self._on_duty(Duty(self._now, agent, AVAILABLE))

    # --- results ----------------------------------------------------------------------------------

    def _file(self, command: c.FileContactRecord) -> None:
        account = command.account
        self.outcomes.accounts.append(account)
        self._turns.pop(account.interaction, None)
        if account.agent is not None and account.talk_s > 0:
            wrap_up_s = self._caller_of(account.interaction).wrap_up_s
            if wrap_up_s is not None:
                self._after(wrap_up_s, self._wrapped_up, (account.agent, account.interaction))
        self._calls.pop(account.interaction, None)

    def _wrapped_up(self, what: tuple[AgentId, InteractionId]) -> None:
        """Done before the queue's wrap-up time was over (else the fact is late and not sent)."""
        agent, interaction = what
        if f"agent:{agent}:wrap_up:{interaction}" in self._timers:
            self._tell(f.WrapUpFinished(agent=agent), agent)

    def _amend(self, command: c.AmendContactRecord) -> None:
        if command.wrap_up_s is not None:
            self.outcomes.wrap_up_s[command.interaction] = command.wrap_up_s

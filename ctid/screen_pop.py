"""Screen-pops: the customer on the agent's screen before the phone rings.

The CRM is asked when the interaction arrives; the answer waits here. An offer sends what is known
at that moment at once, and what comes later follows as an update: the call never waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from crmcore.errors import StoreError
from ctid.announce import Announcer
from ctid.clock import Clock
from ctid.crm_json import PopJson
from ctid.tasks import spawn
from ctid.view_json import iso
from routing.commands import CancelOffer, ExtendOffer, LookUpCustomer, Offer
from routing.facts import (
    AgentHungUp,
    CallerHungUp,
    Channel,
    CustomerMatched,
    CustomerNotFound,
    Fact,
    InteractionArrived,
    OfferAnswered,
    OfferDeclined,
    OfferEnded,
    OfferFailed,
    Party,
)
from routing.ids import AgentId, CustomerId, InteractionId, OfferId

log = structlog.get_logger(__name__)

LOOK_UP_S = 2.0


class PopSource(Protocol):
    """What is asked of the CRM."""

    async def pop(self, number: str) -> PopJson:
        """Who this may be, and their last contacts."""
        ...

    def sees_all(self, agent: AgentId) -> bool:
        """Whether this agent may see all of it as it is."""
        ...

    async def pop_as(self, caller: Party, agent: AgentId) -> tuple[PopJson, Party]:
        """The same, and the caller, with what this agent may not see left out or masked."""
        ...


@dataclass(slots=True)
class _Matter:
    """What is known of one interaction."""

    caller: Party
    did: str
    arrived_at: float
    answer: PopJson | None = None
    offer: OfferId | None = None
    queue: str = ""
    open: set[AgentId] = field(default_factory=set)
    talking: AgentId | None = None


class ScreenPops:
    """Sends, completes and closes screen-pops."""

    def __init__(
        self,
        *,
        source: PopSource,
        announcer: Announcer,
        clock: Clock,
        report: Callable[[Fact], None],
    ) -> None:
        self._source = source
        self._announcer = announcer
        self._clock = clock
        self._report = report
        self._matters: dict[InteractionId, _Matter] = {}
        self.sent = 0

    # --- commands ---------------------------------------------------------------------------------

    def look_up(self, command: LookUpCustomer) -> None:
        """Ask the CRM, within the deadline; no answer is an answer."""
        spawn(self._look_up(command), name=f"look-up {command.interaction}")

    def offer(self, command: Offer) -> None:
        """An offer goes out: its agents see whom it is about."""
        matter = self._matter(command.interaction, command.caller)
        matter.offer = command.offer
        matter.queue = command.queue
        matter.open = {target.agent for target in command.targets}
        self._show(command.interaction, matter, matter.open)

    def extend(self, command: ExtendOffer) -> None:
        """Further agents join an offer."""
        matter = self._matters.get(command.interaction)
        if matter is not None and matter.offer == command.offer:
            more = {target.agent for target in command.targets}
            matter.open |= more
            self._show(command.interaction, matter, more)

    def cancel(self, command: CancelOffer) -> None:
        """An offer is withdrawn."""
        self._close_all(command.interaction, command.reason or "withdrawn")

    def forget(self, interaction: InteractionId) -> None:
        """The interaction is over and filed."""
        self._matters.pop(interaction, None)

    # --- facts ------------------------------------------------------------------------------------

    def on_fact(self, fact: Fact, now: float) -> None:
        """Pump listener: who answered, who did not, who is gone."""
        match fact:
            case InteractionArrived():
                self._matters[fact.interaction] = _Matter(fact.caller, fact.did, now)
            case OfferAnswered():
                matter = self._matters.get(fact.interaction)
                if matter is not None:
                    matter.talking = fact.agent
                    self._close(fact.interaction, {fact.agent}, "answered")
                    self._close_all(fact.interaction, "answered_elsewhere")
            case OfferDeclined():
                self._close(fact.interaction, {fact.agent}, "declined")
            case OfferFailed():
                self._close(fact.interaction, {fact.agent}, "failed")
            case OfferEnded():
                self._close_all(fact.interaction, "ring_timeout")
            case CallerHungUp():
                self._close_all(fact.interaction, "abandoned")
            case AgentHungUp():
                matter = self._matters.get(fact.interaction)
                if matter is not None and matter.talking == fact.agent:
                    matter.talking = None
            case _:
                pass

    # --- inside -----------------------------------------------------------------------------------

    def _show(self, interaction: InteractionId, matter: _Matter, agents: set[AgentId]) -> None:
        """To most at once; to those who see things masked after a read in their name."""
        self.sent += len(agents)
        free = {agent for agent in agents if self._source.sees_all(agent)}
        if free:
            self._announcer.pop(free, self._data(interaction, matter, matter.caller, matter.answer))
        for agent in agents - free:
            spawn(self._show_masked(interaction, matter, agent), name=f"masked pop {interaction}")

    async def _show_masked(
        self, interaction: InteractionId, matter: _Matter, agent: AgentId
    ) -> None:
        offer = matter.offer
        answer, caller = None, Party()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                answer, caller = await self._source.pop_as(matter.caller, agent)
        except (TimeoutError, StoreError):
            log.warning("customer_lookup_late", interaction=interaction)
        if matter.offer == offer and (agent in matter.open or matter.talking == agent):
            self._announcer.pop({agent}, self._data(interaction, matter, caller, answer))

    async def _look_up(self, command: LookUpCustomer) -> None:
        try:
            async with asyncio.timeout(command.deadline_s):
                answer = await self._source.pop(command.caller.number)
        except TimeoutError:
            log.warning("customer_lookup_late", interaction=command.interaction)
            return
        matter = self._matters.get(command.interaction)
        if matter is None:
            return  # gone in the meantime
        matter.answer = answer
        watching = set(matter.open)
        if matter.talking is not None:
            watching.add(matter.talking)
        watching = {agent for agent in watching if self._source.sees_all(agent)}
        if watching:
            data = self._data(command.interaction, matter, matter.caller, answer)
            self._announcer.pop_update(watching, data)
        found = answer.best()
        if found is None:
            self._report(CustomerNotFound(interaction=command.interaction))
            return
        customer, name, known, attributes = found
        self._report(
            CustomerMatched(
                interaction=command.interaction,
                customer=CustomerId(customer),
                name=name,
                known=known,
                attributes=attributes,
            )
        )

    def _matter(self, interaction: InteractionId, caller: Party) -> _Matter:
        matter = self._matters.get(interaction)
        if matter is None:
            # restored after a restart: the arrival was seen by an earlier process
            matter = self._matters[interaction] = _Matter(caller, "", self._clock.now_s())
            self.look_up(
                LookUpCustomer(
                    interaction=interaction,
                    caller=caller,
                    channel=Channel.VOICE,
                    deadline_s=LOOK_UP_S,
                )
            )
        return matter

    def _data(
        self, interaction: InteractionId, matter: _Matter, caller: Party, answer: PopJson | None
    ) -> dict[str, Any]:
        return {
            "interaction": interaction,
            "offer": matter.offer,
            "queue": matter.queue,
            "caller": {"number": caller.number, "name": caller.name},
            "did": matter.did,
            "arrived_at": iso(matter.arrived_at),
            "customer": answer.customer if answer else None,
            "candidates": answer.candidates if answer else [],
            "history": answer.history if answer else [],
            "at": iso(self._clock.now_s()),
        }

    def _close_all(self, interaction: InteractionId, outcome: str) -> None:
        matter = self._matters.get(interaction)
        if matter is not None:
            self._close(interaction, set(matter.open), outcome)

    def _close(self, interaction: InteractionId, agents: set[AgentId], outcome: str) -> None:
        matter = self._matters.get(interaction)
        if matter is None or matter.offer is None:
            return
        agents = agents & matter.open
        if agents:
            matter.open -= agents
            self._announcer.pop_closed(
                agents, interaction=interaction, offer=matter.offer, outcome=outcome
            )

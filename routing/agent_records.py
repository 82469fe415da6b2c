"""What the engine remembers of an agent: seats in queues, and holds on interactions."""

from __future__ import annotations

from collections import deque
from math import exp, inf, log
from typing import TYPE_CHECKING

from routing.agent_state import FOREMOST, AgentState
from routing.agent_state import TABLE as AGENT_TABLE
from routing.errors import UnknownTransition
from routing.facts import AgentStatus, Channel, PhoneState
from routing.ids import (
    AgentId,
    InteractionId,
    OfferId,
    PhoneId,
    QueueId,
)
from routing.line import Entry
from routing.model import Agent, Membership
from routing.sharing import Crew

if TYPE_CHECKING:
    from routing.pool import Bucket, Pool

NEVER_BUSY = -1e9
LOAD_MEMORY_S = 3600.0
"""Time constant of the recent busy share: what was an hour ago counts 1/e."""


class Engagement:
    """An agent's hold on one interaction, in one of the agent states."""

    __slots__ = ("channel", "interaction", "offer", "pool", "since", "state", "talk_since", "until")

    def __init__(
        self, interaction: InteractionId, channel: Channel, pool: Pool, now: float
    ) -> None:
        self.interaction = interaction
        self.channel = channel
        self.pool = pool
        self.state = AgentState.IDLE
        self.since = now
        self.offer: OfferId | None = None
        self.talk_since = now
        self.until = inf  # of a wrap-up

    def move(self, event: str, now: float) -> None:
        """Follow the table. UnknownTransition if it does not know the event in this state."""
        after = AGENT_TABLE[self.state].get(event)
        if after is None:
            raise UnknownTransition(f"{event} while the agent is {self.state}")
        if after is not self.state:
            self.state = after
            self.since = now


class AgentRecord:
    """One agent."""

    __slots__ = (
        "busy",
        "busy_share",
        "busy_share_at",
        "calls",
        "config",
        "crews",
        "day",
        "due",
        "engagements",
        "handled",
        "id",
        "idle_since",
        "missed",
        "open",
        "order",
        "owed",
        "phone",
        "phone_state",
        "reason",
        "resting_until",
        "seats",
        "seats_by_channel",
        "since",
        "status",
        "talk_s",
        "wanted",
    )

    def __init__(self, config: Agent, order: int) -> None:
        self.config = config
        self.id: AgentId = config.id
        self.order = order
        self.seats: dict[QueueId, Seat] = {}
        self.seats_by_channel: list[tuple[Channel, list[Seat]]] = []
        self.crews: list[Crew] = []  # one for each channel
        self.status = AgentStatus.LOGGED_OUT
        self.reason = ""
        self.phone: PhoneId = config.phone
        self.phone_state = PhoneState.IDLE
        self.since = 0.0
        self.idle_since = 0.0
        self.engagements: dict[InteractionId, Engagement] = {}
        self.open: set[Channel] = set()  # channels in whose queues the agent stands idle
        self.resting_until = 0.0  # after a decline; 0: not resting
        self.missed = 0  # ring time-outs in a row
        self.day = -1
        self.calls = 0
        self.talk_s = 0.0
        self.busy = False
        self.busy_share = 0.0
        self.busy_share_at = 0.0
        self.handled: deque[InteractionId] = deque(maxlen=20)
        self.due: InteractionId | None = None  # whose disposition is awaited
        self.owed: InteractionId | None = None  # without it the agent stays paused
        self.wanted: dict[InteractionId, Entry] = {}  # who waits for this agent only

    @property
    def state(self) -> AgentState:
        """The foremost engagement's state."""
        engagements = self.engagements
        if not engagements:
            return AgentState.IDLE
        if len(engagements) == 1:
            return next(iter(engagements.values())).state
        states = {e.state for e in engagements.values()}
        return next(s for s in FOREMOST if s in states)

    @property
    def on_the_phone(self) -> bool:
        """Whether an interaction of ours is at the agent's phone, or about to be."""
        return any(
            e.channel in PHONE_CHANNELS and e.state not in (AgentState.IDLE, AgentState.WRAP_UP)
            for e in self.engagements.values()
        )

    def accepts(self, channel: Channel) -> bool:
        """Whether the agent could be offered an interaction of this channel now."""
        if self.status is not AgentStatus.AVAILABLE or self.resting_until:
            return False
        if channel in PHONE_CHANNELS and (
            not self.phone or self.phone_state is not PhoneState.IDLE
        ):
            return False
        capacity = self.config.capacity
        limit = capacity.limits.get(channel, 0)
        if not self.engagements:
            return limit > 0
        if channel in capacity.exclusive:
            return False
        load = 0
        for engagement in self.engagements.values():
            if engagement.channel in capacity.exclusive:
                return False
            if engagement.channel is channel:
                load += 1
        return load < limit

    def note_load(self, now: float) -> None:
        """Bring the recent busy share up to ``now``, and follow whether the agent is busy."""
        passed_s = now - self.busy_share_at
        if passed_s > 0:
            fade = exp(-passed_s / LOAD_MEMORY_S)
            share = self.busy_share
            self.busy_share = 1 - (1 - share) * fade if self.busy else share * fade
            self.busy_share_at = now
        self.busy = bool(self.engagements)

    @property
    def load(self) -> float:
        """Logarithm of the busy share plus a clock: while idle all shares fade alike."""
        share = self.busy_share
        return log(share) + self.busy_share_at / LOAD_MEMORY_S if share > 0 else NEVER_BUSY


PHONE_CHANNELS = (Channel.VOICE, Channel.CALLBACK)


class Seat:
    """An agent in a queue, as the rankings see it (``strategies.Standing``)."""

    __slots__ = (
        "agent",
        "bucket",
        "draw",
        "entry",
        "last_turn",
        "level",
        "membership",
        "order",
        "penalty",
        "pool",
        "position",
        "queue_calls",
        "version",
        "weight",
    )

    def __init__(self, agent: AgentRecord, pool: Pool, membership: Membership) -> None:
        self.agent = agent
        self.pool = pool
        self.membership = membership
        self.order = agent.order
        self.level = membership.level
        self.penalty = membership.penalty
        self.position = membership.position
        self.weight = max(1, membership.weight)
        self.last_turn = 0
        self.queue_calls = 0
        self.draw = 0.0
        self.entry: Entry | None = None
        self.bucket: Bucket | None = None
        self.version = -1

    @property
    def idle_since(self) -> float:
        return self.agent.idle_since

    @property
    def talk_s(self) -> float:
        return self.agent.talk_s

    @property
    def load(self) -> float:
        return self.agent.load

"""What the engine remembers: interactions, offers, agents, engagements."""

from __future__ import annotations

from collections import deque
from math import exp, inf, log
from typing import TYPE_CHECKING, Any, NamedTuple

from routing.agent_state import FOREMOST, AgentState
from routing.agent_state import TABLE as AGENT_TABLE
from routing.commands import AmendContactRecord, OfferAccount, Outcome
from routing.control_facts import ConsultPhase, SuperviseMode
from routing.errors import UnknownTransition
from routing.estimate import ExpectedWait
from routing.facts import AgentStatus, Channel, Party, PhoneState
from routing.ids import (
    AgentId,
    CustomerId,
    FlowId,
    InteractionId,
    OfferId,
    PhoneId,
    QueueId,
    RecordingId,
    StepId,
    SupervisionId,
    TimerId,
)
from routing.interaction_state import TABLE as INTERACTION_TABLE
from routing.interaction_state import State
from routing.line import Entry, Line
from routing.model import Agent, Membership, Requirement
from routing.sharing import Crew
from routing.skills import ANY_LEVEL, Ask, Need

if TYPE_CHECKING:
    from routing.pool import Bucket, Pool

NO_NEED = Need()
NEVER_BUSY = -1e9
LOAD_MEMORY_S = 3600.0
"""Time constant of the recent busy share: what was an hour ago counts 1/e."""


class Announced(NamedTuple):
    """An expected wait that the caller was told, to see later how true it was."""

    at: float
    wait: ExpectedWait


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


class OfferRecord:
    """A running offer."""

    __slots__ = ("asked", "id", "number", "pool", "reason", "started_at")

    def __init__(self, offer: OfferId, number: int, pool: Pool, now: float) -> None:
        self.id = offer
        self.number = number
        self.pool = pool
        self.started_at = now
        self.asked: dict[AgentId, float] = {}  # still asked, and since when
        self.reason = ""  # why it was cancelled


class Supervision:
    """A supervisor's leg on one interaction."""

    __slots__ = ("active", "by", "id", "mode", "phone")

    def __init__(
        self, supervision: SupervisionId, by: str, phone: PhoneId, mode: SuperviseMode
    ) -> None:
        self.id = supervision
        self.by = by
        self.phone = phone
        self.mode = mode
        self.active = False  # answered


class Consultation:
    """Whom the agent asks beside the caller."""

    __slots__ = ("agent", "number", "phase")

    def __init__(self, agent: AgentRecord | None, number: str) -> None:
        self.agent = agent
        self.number = number
        self.phase = ConsultPhase.RINGING


class Onward(NamedTuple):
    """Where a caller goes who was taken out of a conversation."""

    pool: Pool
    agent: AgentRecord | None = None
    number: str = ""  # an outside one; ``pool`` is where the caller waits if it is not reached


class Interaction:
    """One interaction, from arrival to end."""

    __slots__ = (
        "adrift_from",
        "after",
        "agent",
        "agents",
        "amendments",
        "announced",
        "answer_sent",
        "answered_at",
        "arrived_at",
        "ask",
        "attempts",
        "attributes",
        "backdated_to",
        "callback_attempts",
        "caller",
        "causes",
        "channel",
        "consult",
        "customer",
        "customer_attributes",
        "customer_here",
        "customer_name",
        "did",
        "direct",
        "disposed",
        "ended_at",
        "entry",
        "first",
        "flow",
        "handed_over",
        "held",
        "id",
        "identified",
        "kept_s",
        "language",
        "leaving",
        "line",
        "line_key",
        "music",
        "need",
        "not_before",
        "offer",
        "offer_no",
        "offers",
        "onward",
        "pool",
        "preferred",
        "priority",
        "queue_offers",
        "queued_at",
        "queues",
        "recording_failures",
        "recording_no",
        "recordings",
        "rejoined",
        "requirements",
        "rounds",
        "running_recordings",
        "seq",
        "state",
        "step",
        "step_index",
        "step_no",
        "supervisions",
        "taken_since",
        "taker",
        "talk_s",
        "talk_since",
        "timers",
        "waiting_since",
        "welcomed",
    )

    def __init__(
        self,
        interaction: InteractionId,
        channel: Channel,
        caller: Party,
        did: str,
        now: float,
        seq: int,
    ) -> None:
        self.id = interaction
        self.channel = channel
        self.caller = caller
        self.did = did
        self.seq = seq
        self.state = State.ENTERING
        self.arrived_at = now
        self.attributes: dict[str, str] = {}
        self.language = ""
        self.priority = 0
        self.requirements: tuple[Requirement, ...] = ()  # its own
        # customer
        self.identified = False
        self.customer: CustomerId | None = None
        self.customer_name = ""
        self.customer_attributes: dict[str, str] = {}
        # flow
        self.flow: FlowId | None = None
        self.step_index = 0
        self.attempts = 0
        self.step: StepId | None = None
        self.step_no = 0
        self.after = ""  # what follows when the step has finished
        self.leaving: Outcome | None = None  # the outcome, should nobody answer any more
        # queue
        self.pool: Pool | None = None
        self.queues: list[QueueId] = []
        self.waiting_since: float | None = None
        self.kept_s = 0.0  # of the place of an earlier call that was given up
        self.queued_at = 0.0
        self.backdated_to: float | None = None  # joins its first queue as of this time
        self.ask: Ask | None = None  # in this queue
        self.entry: Entry | None = None
        self.line: Line | None = None
        self.line_key: tuple[int, int] = (0, 0)
        self.need = NO_NEED
        self.rounds = ANY_LEVEL
        self.preferred: AgentRecord | None = None
        self.announced: Announced | None = None
        self.queue_offers = 0
        self.music = False
        self.welcomed = False
        # offers
        self.offer: OfferRecord | None = None
        self.offer_no = 0
        self.offers: list[OfferAccount] = []
        # conversation
        self.agent: AgentRecord | None = None
        self.agents: list[AgentId] = []
        self.answer_sent = False
        self.answered_at: float | None = None
        self.talk_since: float | None = None
        self.talk_s = 0.0
        self.recordings: list[RecordingId] = []
        self.recording_no = 0
        self.running_recordings: set[RecordingId] = set()
        self.recording_failures: list[str] = []
        self.disposed = False
        # supervision and control
        self.supervisions: dict[SupervisionId, Supervision] = {}
        self.taker = ""  # who takes it over, or has
        self.taken_since: float | None = None
        self.held = False
        self.consult: Consultation | None = None
        self.onward: Onward | None = None
        self.first = False  # at the head of its queue
        self.rejoined = False  # was in a conversation before: the queue's door rules are behind it
        # callback
        self.customer_here = channel is not Channel.CALLBACK
        self.callback_attempts = 0
        self.direct = False  # an agent's own call: tried once, with that agent
        self.not_before = 0.0
        self.handed_over = False  # to a callback, which keeps the place
        # end
        self.adrift_from: State | None = None
        self.ended_at: float | None = None
        self.causes: list[str] = []
        self.amendments: list[AmendContactRecord] = []
        self.timers: set[TimerId] = set()

    def move(self, event: str, to: State) -> None:
        """Follow the table. Raises AssertionError if the engine tries what the table forbids."""
        if to not in INTERACTION_TABLE[self.state].get(event, ()):
            raise AssertionError(f"{event} must not lead from {self.state} to {to}")
        self.state = to

    def attribute(self, name: str) -> str:
        """What the CRM, else the arrival, said of ``name``."""
        return self.customer_attributes.get(name) or self.attributes.get(name, "")

    def note_cause(self, cause: str) -> None:
        """Keep a cause for the contact record; the list is bounded."""
        if len(self.causes) < 20:
            self.causes.append(cause)


Plain = dict[str, Any]

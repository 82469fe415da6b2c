"""What the engine remembers of an interaction: its offers, its place, its conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from routing.agent_records import AgentRecord
from routing.commands import AmendContactRecord, OfferAccount, Outcome, RecordingGap
from routing.control_facts import ConsultPhase, SuperviseMode
from routing.estimate import ExpectedWait
from routing.facts import Channel, Party
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
from routing.model import Requirement
from routing.skills import ANY_LEVEL, Ask, Need

if TYPE_CHECKING:
    from routing.pool import Pool

NO_NEED = Need()


class Announced(NamedTuple):
    """An expected wait that the caller was told, to see later how true it was."""

    at: float
    wait: ExpectedWait


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

    __slots__ = ("agent", "conference", "number", "phase")

    def __init__(self, agent: AgentRecord | None, number: str) -> None:
        self.agent = agent
        self.number = number
        self.phase = ConsultPhase.RINGING
        self.conference = False  # as soon as the phone is answered


class Onward(NamedTuple):
    """Where a caller goes who was taken out of a conversation."""

    pool: Pool
    agent: AgentRecord | None = None
    number: str = ""  # an outside one; ``pool`` is where the caller waits if it is not reached
    survey: FlowId | None = None  # the conversation is over: only to be asked about it
    sender: AgentRecord | None = None  # whose phone sent the caller on, to an unknown place yet


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
        "held_at_phone",
        "id",
        "identified",
        "kept_s",
        "language",
        "leaving",
        "line",
        "line_key",
        "music",
        "muted",
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
        "recording_gaps",
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
        "survey",
        "suspender",
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
        self.recording_gaps: list[RecordingGap] = []
        self.suspender = ""  # who asked last to suspend it
        self.disposed = False
        # supervision and control
        self.supervisions: dict[SupervisionId, Supervision] = {}
        self.taker = ""  # who takes it over, or has
        self.taken_since: float | None = None
        self.held = False
        self.muted = False
        self.survey: dict[str, str | None] = {}  # questions that were asked, and the keys
        self.held_at_phone = False
        self.consult: Consultation | None = None
        self.onward: Onward | None = None
        self.first = False  # at the head of its queue
        self.rejoined = False  # was in a conversation before: the queue's door rules are behind it
        # callback
        self.customer_here = channel is not Channel.CALLBACK
        self.callback_attempts = 0
        self.direct = False  # an agent's own call to a customer: tried once, with that agent
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

    @property
    def outbound(self) -> bool:
        """Whether we called the customer."""
        return self.direct or self.channel is Channel.CALLBACK

    @property
    def suspended(self) -> bool:
        """Whether the running recording is being kept silent."""
        return bool(
            self.running_recordings
            and self.recording_gaps
            and self.recording_gaps[-1].until_at is None
        )

    def attribute(self, name: str) -> str:
        """What the CRM, else the arrival, said of ``name``."""
        return self.customer_attributes.get(name) or self.attributes.get(name, "")

    def note_cause(self, cause: str) -> None:
        """Keep a cause for the contact record; the list is bounded."""
        if len(self.causes) < 20:
            self.causes.append(cause)

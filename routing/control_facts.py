"""Facts about a running conversation: supervision, taking over, hold, transfer, consultation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from routing.facts import Fact, check_text
from routing.ids import InteractionId, PhoneId, QueueId, SupervisionId


class SuperviseMode(StrEnum):
    """What a supervisor does on a live conversation, all of them hearing both sides."""

    MONITOR = "monitor"  # nobody hears the supervisor
    WHISPER = "whisper"  # the agent alone does
    BARGE = "barge"  # agent and caller do


class TransferKind(StrEnum):
    """What ``TransferRequested.to`` names."""

    AGENT = "agent"
    QUEUE = "queue"
    NUMBER = "number"


class ConsultAsk(StrEnum):
    """What the agent wants of a consultation that runs."""

    SWAP = "swap"  # to the other one: caller or consulted
    CANCEL = "cancel"  # hang up the consulted one, back to the caller
    COMPLETE = "complete"  # the caller goes to the consulted one, the agent leaves
    CONFERENCE = "conference"  # all three together


class ConsultPhase(StrEnum):
    """How a consultation stands."""

    RINGING = "ringing"  # the consulted one's phone; the caller hears music
    PRIVATE = "private"  # agent and consulted talk; the caller hears music
    SWAPPED = "swapped"  # agent and caller talk; the consulted one hears music
    CONFERENCE = "conference"
    TRANSFERRED = "transferred"  # caller and consulted talk; the agent has left
    ENDED = "ended"  # the consulted one has left, or never came


# --- supervision ---


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperviseRequested(Fact):
    """``by`` (user name, with the right to do so) wants to hear a conversation at ``phone``."""

    interaction: InteractionId
    supervision: SupervisionId
    mode: SuperviseMode
    phone: PhoneId
    by: str

    def __post_init__(self) -> None:
        check_text("supervision", self.supervision)
        check_text("phone", self.phone)
        check_text("by", self.by)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperviseModeRequested(Fact):
    """The supervisor wants another mode, without being called again."""

    interaction: InteractionId
    supervision: SupervisionId
    mode: SuperviseMode


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperviseStopRequested(Fact):
    """The supervisor wants to leave the conversation (``by``: who says so)."""

    interaction: InteractionId
    supervision: SupervisionId
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionStarted(Fact):
    """The supervisor's phone was answered, and hears the conversation from now on."""

    interaction: InteractionId
    supervision: SupervisionId


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionModeChanged(Fact):
    """The PBX has switched the mode: on our request, or by a digit at the supervisor's phone."""

    interaction: InteractionId
    supervision: SupervisionId
    mode: SuperviseMode


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionEnded(Fact):
    """The supervisor's leg is gone, or never came about."""

    interaction: InteractionId
    supervision: SupervisionId
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterceptRequested(Fact):
    """``by`` takes the conversation over at ``phone``: the agent is to leave it.

    ``supervision``: the leg at which ``by`` listens already, if so; it is used then.
    """

    interaction: InteractionId
    by: str
    phone: PhoneId
    reason: str = ""
    supervision: SupervisionId | None = None

    def __post_init__(self) -> None:
        check_text("by", self.by)
        check_text("phone", self.phone)
        check_text("reason", self.reason, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver(Fact):
    """The caller talks with the one who took over; the agent's leg is gone."""

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverEnded(Fact):
    """The one who took over has left, or could not be reached (``connected`` false)."""

    interaction: InteractionId
    connected: bool
    reason: str = ""


# --- control of a conversation ---


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReleaseRequested(Fact):
    """``by`` takes the agent out of the conversation by force.

    The caller goes to the head of ``to_queue`` (of the queue it came from, when ``None``).
    """

    interaction: InteractionId
    by: str
    reason: str = ""
    to_queue: QueueId | None = None

    def __post_init__(self) -> None:
        check_text("by", self.by)
        check_text("reason", self.reason, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequested(Fact):
    """Blind transfer: the caller leaves the agent for an agent, a queue or an outside number."""

    interaction: InteractionId
    by: str
    kind: TransferKind
    to: str

    def __post_init__(self) -> None:
        check_text("by", self.by)
        check_text("to", self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultRequested(Fact):
    """The agent wants to ask an agent or an outside number, while the caller hears music."""

    interaction: InteractionId
    by: str
    kind: TransferKind
    to: str

    def __post_init__(self) -> None:
        check_text("by", self.by)
        check_text("to", self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultAsked(Fact):
    """The agent goes on in the consultation."""

    interaction: InteractionId
    by: str
    ask: ConsultAsk


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsultChanged(Fact):
    """The PBX has brought the consultation to ``phase``."""

    interaction: InteractionId
    phase: ConsultPhase
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUpRequested(Fact):
    """The agent (or ``by`` for the agent) ends the conversation in the ordinary way."""

    interaction: InteractionId
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequested(Fact):
    """The caller is to hear music, and the agent nothing (``hold`` false: together again)."""

    interaction: InteractionId
    by: str
    hold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged(Fact):
    """The PBX has parted caller and agent (``held``), or joined them again."""

    interaction: InteractionId
    held: bool

"""Facts about a running conversation: supervision, taking over, hold, transfer, consultation,
and what the agent does with the own phone and the recording."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from routing.errors import FactError
from routing.facts import Fact, check_text
from routing.ids import AgentId, InteractionId, PhoneId, QueueId, RecordingId, SupervisionId

MAX_DIGITS = 64


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


class RecordingAction(StrEnum):
    """What is to be done with the recording of a conversation."""

    START = "start"
    STOP = "stop"
    SUSPEND = "suspend"  # silence is written, for example while a card's number is said
    RESUME = "resume"


class PhoneAct(StrEnum):
    """What an agent asks for by a feature code at the phone."""

    TRANSFER = "transfer"  # with a number
    CONSULT = "consult"  # with a number
    SWAP = "swap"
    COMPLETE = "complete"
    CONFERENCE = "conference"
    CANCEL = "cancel"
    HOLD = "hold"  # and, keyed in again, resume


WITH_NUMBER = frozenset({PhoneAct.TRANSFER, PhoneAct.CONSULT})


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
    """The agent wants to ask an agent or an outside number, while the caller hears music.

    ``conference``: all three are brought together as soon as the third one has answered.
    """

    interaction: InteractionId
    by: str
    kind: TransferKind
    to: str
    conference: bool = False

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
    """The PBX has parted caller and agent (``held``), or joined them again.

    ``at_phone``: the agent's phone has done it by itself (re-INVITE), and only it can undo it.
    """

    interaction: InteractionId
    held: bool
    at_phone: bool = False


# --- the agent's phone, and the recording ---


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequested(Fact):
    """The phone of ``agent``, which rings, is to answer by itself (``by`` says so)."""

    interaction: InteractionId
    agent: AgentId
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteRequested(Fact):
    """Nobody is to hear the agent (``mute`` false: heard again)."""

    interaction: InteractionId
    by: str
    mute: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteChanged(Fact):
    """The PBX keeps the agent's voice back (``muted``), or lets it through again."""

    interaction: InteractionId
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsRequested(Fact):
    """``digits`` (0 to 9, A to D, * and #) are to go to whom the agent talks with."""

    interaction: InteractionId
    by: str
    digits: str

    def __post_init__(self) -> None:
        if not 0 < len(self.digits) <= MAX_DIGITS or set(self.digits) - set("0123456789ABCD*#"):
            raise FactError(f"digits must be 1 to {MAX_DIGITS} of 0 to 9, A to D, * and #")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRequested(Fact):
    """``by`` starts, stops, suspends or resumes the recording."""

    interaction: InteractionId
    by: str
    action: RecordingAction


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSuspended(Fact):
    """The PBX writes silence instead of the voices (``suspended``), or the voices again."""

    interaction: InteractionId
    recording: RecordingId
    suspended: bool


# --- what phones do by themselves (SIP REFER, feature codes) ---


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSentOn(Fact):
    """A phone has sent the caller on; the one who talked with the caller has left.

    The caller is on its way back under control: DialledOn tells the number, CallerReturned that
    there is none.
    """

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class DialledOn(Fact):
    """A caller whom a phone has sent on is under control again; ``to`` is what was dialled for it.

    ``outside``: the dialplan takes it for a number outside the house (the prefix is taken off).
    """

    interaction: InteractionId
    to: str
    outside: bool = False

    def __post_init__(self) -> None:
        check_text("to", self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver(Fact):
    """A phone has connected the caller with somebody it had called (attended transfer), and left.

    ``phone`` is the phone in the house that has the caller now, or empty: an outside ``number``.
    """

    interaction: InteractionId
    phone: PhoneId
    number: str

    def __post_init__(self) -> None:
        check_text("phone", self.phone, empty=True)
        check_text("number", self.number, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureCodeDialled(Fact):
    """``agent``, who has the conversation, has keyed in a feature code at the phone.

    ``to``: the number that came with it, as dialled at a phone; ``outside`` the house or not (the
    prefix is taken off).
    """

    interaction: InteractionId
    agent: AgentId
    act: PhoneAct
    to: str = ""
    outside: bool = False

    def __post_init__(self) -> None:
        check_text("to", self.to, empty=self.act not in WITH_NUMBER)

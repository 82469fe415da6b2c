"""Facts: what has happened, in the past tense. The engine's only input besides time.

A fact is a frozen, slotted, keyword-only dataclass that is checked when it is built, so that the
journal never holds one that the engine could not take. Times are not in the facts: the pump stamps
each one (see DESIGN section 4) and passes ``now`` beside it. What is done with a conversation
that runs has its facts in ``control_facts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from routing.errors import FactError
from routing.ids import (
    NO_PHONE,
    AgentId,
    CustomerId,
    InteractionId,
    OfferId,
    PhoneId,
    QueueId,
    RecordingId,
    StepId,
    TimerId,
)

MAX_TEXT = 256


class Channel(StrEnum):
    """Ways in which a customer's matter arrives."""

    VOICE = "voice"
    CHAT = "chat"
    EMAIL = "email"
    CALLBACK = "callback"
    TASK = "task"

    __hash__ = str.__hash__  # enum's own is written in Python, and this is looked up all the time


class AgentStatus(StrEnum):
    """What the agent wants (the state is what the system sees, see ``agent_state``)."""

    AVAILABLE = "available"
    PAUSED = "paused"
    LOGGED_OUT = "logged_out"


class PhoneState(StrEnum):
    """What the PBX says about a phone."""

    IDLE = "idle"
    IN_USE = "in_use"
    RINGING = "ringing"
    UNREACHABLE = "unreachable"


class StepOutcome(StrEnum):
    """How a prompt or a digit collection ended."""

    DONE = "done"
    DIGITS = "digits"
    TIMED_OUT = "timed_out"
    FAILED = "failed"


def check_text(name: str, value: str, *, empty: bool = False) -> None:
    """FactError unless ``value`` is short printable text."""
    if not isinstance(value, str):
        raise FactError(f"{name} must be text, not {type(value).__name__}")
    if not value and not empty:
        raise FactError(f"{name} must not be empty")
    if len(value) > MAX_TEXT:
        raise FactError(f"{name} is longer than {MAX_TEXT} characters")
    if not value.isprintable():
        raise FactError(f"{name} holds a control character")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An outside party as the network announced it. Both may be empty (withheld number)."""

    number: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        check_text("number", self.number, empty=True)
        check_text("name", self.name, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Base of all facts."""


# --- the interaction --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionArrived(Fact):
    """A new interaction stands at the door and waits to be told where to go."""

    interaction: InteractionId
    caller: Party
    did: str = ""
    channel: Channel = Channel.VOICE
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_text("interaction", self.interaction)
        check_text("did", self.did, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionRestored(Fact):
    """After a restart: an interaction that the journal knew as live, and what the PBX says of it.

    ``snapshot`` is what ``Engine.snapshot(interaction)`` gave before the restart (plain JSON data).
    ``agent`` is the agent whose phone is now connected to the caller according to the PBX, or
    ``None``. ``present`` is false when the caller's leg no longer exists.
    """

    interaction: InteractionId
    snapshot: Mapping[str, Any]
    present: bool
    agent: AgentId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerReturned(Fact):
    """After a restart or a lost control session: the caller is under ctid's control again."""

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLost(Fact):
    """The control session of a caller broke; the caller is still there (see CallerReturned)."""

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerMatched(Fact):
    """The CRM knows who this is, or may know (``known`` false: several candidates or a guess).

    ``attributes`` may carry ``vip``, ``blocked``, ``owner`` (agent id), ``last_agent`` (agent id),
    ``last_agent_at`` (Unix seconds), ``language`` and ``skill.<id>`` (level), all as text.
    """

    interaction: InteractionId
    customer: CustomerId
    name: str = ""
    known: bool = True
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Fact):
    """A prompt was played to its end, or digits were collected."""

    interaction: InteractionId
    step: StepId
    outcome: StepOutcome
    digits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerHungUp(Fact):
    """The caller's leg is gone. ``cause`` is the ISDN cause (ITU-T Q.850), 0 when not known."""

    interaction: InteractionId
    cause: int = 0


# --- offers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRinging(Fact):
    """The phone of ``agent`` rings."""

    interaction: InteractionId
    offer: OfferId
    agent: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAnswered(Fact):
    """``agent`` answered and is connected to the caller."""

    interaction: InteractionId
    offer: OfferId
    agent: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDeclined(Fact):
    """``agent`` rejected the call (busy, declined). ``cause``: Q.850, 0 when not known."""

    interaction: InteractionId
    offer: OfferId
    agent: AgentId
    cause: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFailed(Fact):
    """The phone of ``agent`` could not be reached. Not the agent's doing."""

    interaction: InteractionId
    offer: OfferId
    agent: AgentId
    cause: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferEnded(Fact):
    """Nothing of this offer rings any more and nobody answered.

    Comes after a cancel and after the last decline or failure; the caller is free for the next
    offer from here on.
    """

    interaction: InteractionId
    offer: OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHungUp(Fact):
    """The agent's leg of a conversation is gone; the caller may still be there."""

    interaction: InteractionId
    agent: AgentId
    cause: int = 0


# --- agents ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatusSet(Fact):
    """An agent (or ``by`` for the agent: a supervisor's user name, ``engine``) chose a status.

    ``phone`` is the phone the agent sits at; empty keeps the one known.
    """

    agent: AgentId
    status: AgentStatus
    reason: str = ""
    phone: PhoneId = NO_PHONE
    by: str = ""

    def __post_init__(self) -> None:
        check_text("agent", self.agent)
        check_text("reason", self.reason, empty=True)
        check_text("phone", self.phone, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRestored(Fact):
    """After a restart: what ``Engine.snapshot_agent`` gave before it (plain JSON data)."""

    agent: AgentId
    snapshot: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneStateChanged(Fact):
    """The PBX reports a phone's state (its own calls included)."""

    phone: PhoneId
    state: PhoneState


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUpExtended(Fact):
    """The agent asked for ``extra_s`` more seconds of wrap-up."""

    agent: AgentId
    extra_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUpFinished(Fact):
    """The agent said that the wrap-up is done."""

    agent: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class DispositionSet(Fact):
    """The agent picked a disposition code for an interaction."""

    interaction: InteractionId
    agent: AgentId
    code: str
    notes: str = ""


# --- recordings, timers, failures, configuration -------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(Fact):
    """The PBX writes the recording."""

    interaction: InteractionId
    recording: RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEnded(Fact):
    """The PBX closed the file of the recording."""

    interaction: InteractionId
    recording: RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFailed(Fact):
    """There is no usable file; ``reason`` is kept with the contact record."""

    interaction: InteractionId
    recording: RecordingId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired(Fact):
    """A timer that the engine started has run out."""

    timer: TimerId


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFailed(Fact):
    """A command could not be carried out. ``command`` is its class name."""

    command: str
    reason: str
    interaction: InteractionId | None = None
    offer: OfferId | None = None
    step: StepId | None = None
    recording: RecordingId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChanged(Fact):
    """A new routing configuration is in force.

    ``config`` is the canonical plain data of ``routing.model.RoutingConfig`` (``to_data`` there),
    so that a journal replays with the configuration of its day.
    """

    config: Mapping[str, Any]
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequested(Fact):
    """Somebody with the right to do so ends the interaction (``by``: user name)."""

    interaction: InteractionId
    by: str
    reason: str = ""
    to_queue: QueueId | None = None


# --- customers, outside calls and callbacks ------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerNotFound(Fact):
    """The CRM answered that it does not know this caller: nothing is gained by waiting for it."""

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalEnded(Fact):
    """The connection made by ``SendTo`` is over, or never came about; the caller is still there."""

    interaction: InteractionId
    answered: bool
    cause: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRequested(Fact):
    """Somebody is to be called back at ``number``.

    With the ``interaction`` of a caller who is here, the new one (id ``callback``) takes over place
    and priority, and the caller is released; otherwise it starts to wait now. ``not_before`` is a
    Unix time; 0: as soon as it is its turn.
    """

    callback: InteractionId
    queue: QueueId
    number: str
    name: str = ""
    interaction: InteractionId | None = None
    not_before: float = 0.0
    by: str = ""

    def __post_init__(self) -> None:
        check_text("callback", self.callback)
        check_text("number", self.number)
        check_text("name", self.name, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequested(Fact):
    """An agent wants to call ``number`` for ``queue`` now; the agent's phone rings first.

    ``callback`` is the id of the new interaction. It is tried once.
    """

    callback: InteractionId
    agent: AgentId
    queue: QueueId
    number: str
    name: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        check_text("callback", self.callback)
        check_text("number", self.number)
        check_text("name", self.name, empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAnswered(Fact):
    """The customer took the call that ``CallCustomer`` made, and is under ctid's control."""

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCallFailed(Fact):
    """The customer did not take the call that ``CallCustomer`` made. ``cause``: Q.850."""

    interaction: InteractionId
    cause: int = 0
    reason: str = ""

"""Commands: what is to be done, in the imperative. The engine's only output.

Frozen, slotted, keyword-only. The executor (``ctid/executor.py``) sends each to the part that can
carry it out; one that fails comes back as a :class:`routing.facts.CommandFailed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from routing.control_facts import ConsultAsk, SuperviseMode
from routing.facts import Channel, Party
from routing.ids import (
    AgentId,
    CustomerId,
    InteractionId,
    OfferId,
    PhoneId,
    QueueId,
    RecordingId,
    StepId,
    SupervisionId,
    TimerId,
)


class PromptKind(StrEnum):
    """What a prompt's ``value`` is."""

    SOUND = "sound"  # a sound's name without extension
    NUMBER = "number"  # an integer to be spoken
    DIGITS = "digits"  # digits spoken one by one


class Outcome(StrEnum):
    """How an interaction ended."""

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    TIMED_OUT = "timed_out"
    OVERFLOWED = "overflowed"
    RELEASED = "released"
    CALLBACK = "callback"
    VOICE_MESSAGE = "voice_message"
    CLOSED = "closed"
    BLOCKED = "blocked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One piece of an announcement."""

    value: str
    kind: PromptKind = PromptKind.SOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One agent of an offer and the phone at which to reach the agent."""

    agent: AgentId
    phone: PhoneId


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Base of all commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpCustomer(Command):
    """Ask the CRM who this is; the answer comes as CustomerMatched, or not at all."""

    interaction: InteractionId
    caller: Party
    channel: Channel
    deadline_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Command):
    """Answer the caller's leg."""

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Play(Command):
    """Play prompts to the caller in order, then report StepFinished. Music stops meanwhile."""

    interaction: InteractionId
    step: StepId
    prompts: tuple[Prompt, ...]
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectDigits(Command):
    """Play prompts (interruptible) and collect up to ``max_digits``, then report StepFinished."""

    interaction: InteractionId
    step: StepId
    prompts: tuple[Prompt, ...]
    max_digits: int
    timeout_s: float
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMusic(Command):
    """Music on hold until the next Play, Offer or StopMusic."""

    interaction: InteractionId
    music: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMusic(Command):
    """Stop the music."""

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(Command):
    """Ring the targets at once and connect the first that answers.

    ``ring_timeout_s`` is the engine's; the adapter sets its own a little later as a backstop.
    A running Play or CollectDigits of the interaction is cut short (its StepFinished still comes).
    ``caller`` is what the agent's phone shows.
    """

    interaction: InteractionId
    offer: OfferId
    queue: QueueId
    targets: tuple[Target, ...]
    ring_timeout_s: float
    caller: Party
    music: str = "default"
    channel: Channel = Channel.VOICE  # CALLBACK, agent first: there is no caller's leg yet
    auto_answer: bool = False  # the phone is asked to answer by itself
    recording: RecordingId | None = None
    """What StartRecording will name if an agent answers, when a recording is due.

    Asterisk cannot begin a recording within Dial without the AMI right ``system``, so the adapter
    readies it here; nothing is written before the two are connected. One id for all offers of an
    interaction until a recording under it has started.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendOffer(Command):
    """Ring further targets within a running offer, without disturbing those that ring."""

    interaction: InteractionId
    offer: OfferId
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOffer(Command):
    """Stop ringing. OfferEnded follows. An answer that was faster wins and is reported instead."""

    interaction: InteractionId
    offer: OfferId
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTimer(Command):
    """Report TimerFired after ``after_s`` seconds. A timer of the same id is replaced."""

    timer: TimerId
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer(Command):
    """Forget the timer, if it still runs."""

    timer: TimerId


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRecording(Command):
    """Record the caller's leg (both sides), so that it follows the interaction."""

    interaction: InteractionId
    recording: RecordingId
    queue: QueueId
    agent: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRecording(Command):
    """End the recording; RecordingEnded follows."""

    interaction: InteractionId
    recording: RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendRecording(Command):
    """Write silence, or (``suspend`` false) the voices again. RecordingSuspended follows."""

    interaction: InteractionId
    recording: RecordingId
    suspend: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Command):
    """Hang up the caller's leg and whatever is connected to it. ``cause``: ITU-T Q.850."""

    interaction: InteractionId
    cause: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTo(Command):
    """Connect the caller to an outside number (overflow to an external number)."""

    interaction: InteractionId
    number: str
    ring_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMessage(Command):
    """Take a voice message; RecordingEnded and StepFinished follow."""

    interaction: InteractionId
    step: StepId
    recording: RecordingId
    max_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCustomer(Command):
    """Call the customer of a callback.

    ``agent`` is connected already (agent first: join the two and report CustomerAnswered) or
    ``None`` (customer first: report CustomerAnswered and hold the customer; an Offer follows).
    CustomerCallFailed when nobody answers. Sent exactly once for each attempt. For the phone's
    display: ``caller_id``, the queue's own number, else the site's, else ``show``, the number that
    the customer once dialled; empty: none is known.
    """

    interaction: InteractionId
    number: str
    ring_timeout_s: float
    agent: AgentId | None = None
    caller_id: str = ""
    show: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyAgent(Command):
    """Tell the agent something through the browser, by a stable code."""

    agent: AgentId
    code: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccount:
    """One agent's part in one offer, for the contact record."""

    offer: OfferId
    agent: AgentId
    offered_at: float
    ended_at: float
    outcome: str  # answered, declined, ring_timeout, withdrawn, failed


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingGap:
    """A stretch that was kept out of a recording. ``until_at`` ``None``: up to its end."""

    recording: RecordingId
    by: str  # user name
    since_at: float
    until_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionAccount:
    """Everything the contact record says about an interaction. Times: Unix seconds, UTC."""

    interaction: InteractionId
    channel: Channel
    caller: Party
    did: str
    outcome: Outcome
    arrived_at: float
    ended_at: float
    queue: QueueId | None = None
    queued_at: float | None = None
    answered_at: float | None = None
    wait_s: float = 0.0
    talk_s: float = 0.0
    agent: AgentId | None = None
    customer: CustomerId | None = None
    priority: int = 0
    queues: tuple[QueueId, ...] = ()
    agents: tuple[AgentId, ...] = ()
    offers: tuple[OfferAccount, ...] = ()
    recordings: tuple[RecordingId, ...] = ()
    recording_failures: tuple[str, ...] = ()
    recording_gaps: tuple[RecordingGap, ...] = ()
    causes: tuple[str, ...] = ()
    outbound: bool = False  # we called the customer
    survey: Mapping[str, str | None] = field(default_factory=dict)
    """What the caller keyed in by question, ``None`` for a question that got no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContactRecord(Command):
    """Write the contact record. Comes exactly once for each interaction, when it has ended."""

    account: InteractionAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendContactRecord(Command):
    """Add what became known after the end: disposition, notes, wrap-up time."""

    interaction: InteractionId
    agent: AgentId
    disposition: str | None = None
    notes: str | None = None
    wrap_up_s: float | None = None


# --- supervision and control of a conversation ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervise(Command):
    """Ring ``phone`` and let it hear the conversation. SupervisionStarted or -Ended follows."""

    interaction: InteractionId
    supervision: SupervisionId
    mode: SuperviseMode
    phone: PhoneId


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSupervision(Command):
    """Another mode on the same leg; SupervisionModeChanged follows."""

    interaction: InteractionId
    supervision: SupervisionId
    mode: SuperviseMode


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowSupervision(Command):
    """The conversation has moved to another agent, or (``listen_only``) to none: so does the
    supervisor's leg. Without an agent the caller's side is heard, and nobody hears the supervisor.
    """

    interaction: InteractionId
    supervision: SupervisionId
    mode: SuperviseMode
    listen_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSupervision(Command):
    """Hang up the supervisor's leg; SupervisionEnded follows unless the interaction has ended."""

    interaction: InteractionId
    supervision: SupervisionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Intercept(Command):
    """Connect the caller with ``phone`` (with the leg of ``supervision``, if it is there) and
    hang up the agent's leg: TakenOver, later TakeoverEnded. TakeoverEnded alone: nobody answered,
    and the conversation goes on as it was.
    """

    interaction: InteractionId
    phone: PhoneId
    supervision: SupervisionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BringBack(Command):
    """Take the caller out of the conversation, back under control: CallerReturned follows.

    The agent's leg is hung up; no AgentHungUp is told of it.
    """

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Command):
    """Part caller and agent; the caller hears ``music``. HoldChanged follows."""

    interaction: InteractionId
    music: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhold(Command):
    """Join caller and agent again. HoldChanged follows."""

    interaction: InteractionId


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLeg(Command):
    """The phone that has the caller since HandedOver is ``agent``'s; its end is AgentHungUp.

    ``None``: it is nobody's whom we know; its end is ExternalEnded.
    """

    interaction: InteractionId
    agent: AgentId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consult(Command):
    """Put the caller on hold and connect the agent with ``agent`` at ``phone``, or with a number.

    ConsultChanged tells how it goes: private once answered, ended if not.
    """

    interaction: InteractionId
    phone: PhoneId
    agent: AgentId | None = None
    number: str = ""
    music: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeConsult(Command):
    """Swap, cancel, complete, or make a conference of it; ConsultChanged follows."""

    interaction: InteractionId
    ask: ConsultAsk


# --- the agent's phone ---


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOffer(Command):
    """Have the phone that rings answer by itself; OfferAnswered follows, or it rings on."""

    interaction: InteractionId
    offer: OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMute(Command):
    """Keep the agent's voice back from everybody, or let it through. MuteChanged follows."""

    interaction: InteractionId
    mute: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigits(Command):
    """Send digits to whom the agent talks with, as if they were keyed in at the agent's phone."""

    interaction: InteractionId
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalAgent(Command):
    """A short tone that the agent alone hears: somebody listens."""

    interaction: InteractionId

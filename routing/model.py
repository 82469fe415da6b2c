"""The routing configuration: who is there, who serves what, and what happens to those who arrive.

Plain frozen values. ``config/queues.toml`` is the human form, read and checked as a whole by
``ctid/queues_file.py``; the engine itself refuses only what it could not run. Times are seconds
unless a name says otherwise; every list keeps the order of the file, which is the last tie-break
everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from routing.commands import Prompt
from routing.facts import Channel
from routing.ids import NO_PHONE, AgentId, FlowId, PhoneId, QueueId, SkillId
from routing.plain import from_plain, to_plain

# --- skills ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """Something an agent can be able to do. ``language``: calls in this language ask for it."""

    id: SkillId
    name: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A skill that an interaction asks for. Not to have it differs from having it at level 0.

    ``required``: agents below ``level`` (or without the skill) are excluded. Otherwise the skill is
    preferred: those who have it at ``level`` or above rank first, by ``weight``.
    """

    skill: SkillId
    level: int = 1
    required: bool = True
    weight: int = 1

    def __hash__(self) -> int:
        return hash(self.skill) ^ self.level


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxStep:
    """From ``after_s`` of waiting in the queue on: forget or lower required skills (bullseye)."""

    after_s: float
    drop: tuple[SkillId, ...] = ()
    levels: Mapping[SkillId, int] = field(default_factory=dict)
    drop_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyStep:
    """From ``after_s`` of waiting on: only memberships with a penalty in this range are asked."""

    after_s: float
    max_penalty: int | None = None
    min_penalty: int = 0


# --- agents ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """An agent in a queue. Level 1 is asked first; position orders ``top_down`` within a level."""

    queue: QueueId
    level: int = 1
    position: int = 0
    penalty: int = 0
    weight: int = 1  # for weighted_random
    wrap_up_s: float | None = None  # instead of the queue's


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many interactions of each channel an agent may hold at once.

    A channel in ``exclusive`` neither starts beside others nor lets others start beside it.
    """

    limits: Mapping[Channel, int] = field(
        default_factory=lambda: {
            Channel.VOICE: 1,
            Channel.CALLBACK: 1,
            Channel.CHAT: 3,
            Channel.EMAIL: 5,
            Channel.TASK: 5,
        }
    )
    exclusive: tuple[Channel, ...] = (Channel.VOICE, Channel.CALLBACK)


class AutoAnswer(StrEnum):
    """Whether an agent's phone answers by itself when it is asked to in the INVITE."""

    NEVER = "never"
    ON_REQUEST = "on_request"  # when the agent says so in the client
    ALWAYS = "always"  # every call that is offered to this agent alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A person who takes interactions."""

    id: AgentId
    name: str = ""
    phone: PhoneId = NO_PHONE
    teams: tuple[str, ...] = ()
    skills: Mapping[SkillId, int] = field(default_factory=dict)
    memberships: tuple[Membership, ...] = ()
    capacity: Capacity = field(default_factory=Capacity)
    auto_answer: AutoAnswer = AutoAnswer.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People who are supervised together."""

    id: str
    name: str = ""


# --- hours -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Open on ``days`` (1 Monday to 7 Sunday) from ``opens`` to ``closes``, local ``HH:MM``.

    ``closes`` may be ``24:00``; a ``closes`` not after ``opens`` means the next day.
    """

    days: tuple[int, ...]
    opens: str
    closes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialDay:
    """One date (``YYYY-MM-DD``) that differs: closed, or open at other times."""

    date: str
    name: str = ""
    opens: str = ""
    closes: str = ""  # both empty: closed all day


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Opening hours in a time zone (IANA name).

    ``holidays`` names a calendar (``cn``: Chinese public holidays and the working weekends that
    make up for them) or is empty. Own ``days`` win over the calendar, the calendar over the week.
    """

    id: str
    timezone: str = "Asia/Shanghai"
    week: tuple[Opening, ...] = ()
    holidays: str = ""
    days: tuple[SpecialDay, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Public holidays, and working weekends that make up for them (``YYYY-MM-DD``).

    Data, not a rule, so that a journal replays with what was known that day. The loader of the file
    fills it in for every name that an ``Hours.holidays`` mentions.
    """

    id: str
    holidays: tuple[SpecialDay, ...] = ()
    workdays: tuple[str, ...] = ()


# --- queues ----------------------------------------------------------------------------------


class LevelAdvance(StrEnum):
    """When agents of the next level are asked."""

    WHEN_NONE_IDLE = "when_none_idle"  # as soon as nobody of the lower levels is idle
    AFTER_WAIT = "after_wait"  # only after level_wait_s more of waiting for each level


class Joining(StrEnum):
    """Which agents must be there for a caller to be let in, or kept in, a queue."""

    ALWAYS = "always"
    LOGGED_IN = "logged_in"  # somebody available or paused
    AVAILABLE = "available"  # somebody available (busy counts)


class LanguageMatch(StrEnum):
    """How the interaction's language is turned into a skill requirement."""

    OFF = "off"
    PREFERRED = "preferred"
    REQUIRED = "required"


class RecordingPolicy(StrEnum):
    """Which conversations of a queue are recorded."""

    ALWAYS = "always"
    NEVER = "never"
    SAMPLE = "sample"  # record_share of them, chosen by the interaction's id
    ON_DEMAND = "on_demand"


class SupervisionNotice(StrEnum):
    """How agents are told that somebody listens, whispers or barges in."""

    OFF = "off"
    SCREEN = "screen"
    TONE = "tone"  # on the screen, and by a short tone that the agent alone hears


class Overdue(StrEnum):
    """What follows when a wrap-up ends without the disposition that its queue requires."""

    PAUSE = "pause"  # the agent is paused until it is given
    GO_ON = "go_on"


class OverflowReason(StrEnum):
    """Why a caller leaves a queue for somewhere else."""

    WAIT = "wait"  # waited limit seconds
    EWT = "ewt"  # expected wait above limit seconds, on entry
    LENGTH = "length"  # limit or more already waiting, on entry
    RATIO = "ratio"  # limit or more already waiting for each agent available, on entry
    NO_AGENT = "no_agent"  # nobody there (Queue.join_empty / leave_empty)
    CLOSED = "closed"  # the queue's hours
    DIGIT = "digit"  # the caller pressed ``digit`` while waiting
    UNROUTABLE = "unroutable"  # no agent has the skills, even fully relaxed
    OFFERS = "offers"  # Queue.max_offers without success


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """Go to ``flow`` when ``reason`` holds. The first rule that matches wins."""

    reason: OverflowReason
    flow: FlowId
    limit: float = 0.0
    digit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """What a waiting caller hears besides music. ``every_s`` 0: nothing is repeated."""

    welcome: tuple[Prompt, ...] = ()  # once, when the caller enters the queue
    first_after_s: float = 15.0
    every_s: float = 0.0
    position: bool = False
    position_up_to: int = 20  # further back only "more than" is said
    expected_wait: bool = False
    comfort: tuple[Prompt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """What follows when an agent does not take an offer."""

    pause_after: int = 1  # ring time-outs in a row; 0: never
    pause_reason: str = "no_answer"
    no_answer_delay_s: float = 0.0  # not offered anything for so long
    decline_delay_s: float = 5.0
    failure_delay_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredAgent:
    """Who is tried first for a known customer, and for how long before it widens."""

    last_agent_days: float = 0.0  # 0: off
    owner: bool = False
    patience_s: float = 20.0


class CallbackMode(StrEnum):
    """Who is called first."""

    AGENT_FIRST = "agent_first"
    CUSTOMER_FIRST = "customer_first"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackPolicy:
    """How promised callbacks are made."""

    enabled: bool = False
    mode: CallbackMode = CallbackMode.AGENT_FIRST
    attempts: int = 3
    retry_after_s: float = 900.0
    ring_timeout_s: float = 30.0
    hours: str = ""  # calls only in these hours; empty: the queue's
    expires_after_s: float = 172800.0
    after_abandon: bool = False  # abandoned callers with a number go on the work list
    after_closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A line in which interactions wait for agents."""

    id: QueueId
    name: str = ""
    channel: Channel = Channel.VOICE
    strategy: str = "longest_idle"
    # ringing
    ring_timeout_s: float = 20.0
    ring_step_s: float = 5.0  # ring_progressively: one agent more after each
    max_offers: int = 0  # per interaction in this queue; 0: no limit. Then overflow/release
    # levels and penalties
    level_advance: LevelAdvance = LevelAdvance.WHEN_NONE_IDLE
    level_wait_s: float = 0.0
    level_skip_unstaffed: bool = True  # levels where nobody is logged in cost no wait
    penalty_steps: tuple[PenaltyStep, ...] = ()
    # skills
    requires: tuple[Requirement, ...] = ()
    relax: tuple[RelaxStep, ...] = ()
    language_match: LanguageMatch = LanguageMatch.OFF
    # who is served next (see docs/routing.md): head starts in seconds of waiting
    priority: int = 0
    priority_step_s: float = 300.0
    head_start_s: float = 0.0  # the queue's weight
    sl_boost_s: float = 0.0  # extra while the wait is within sl_window_s before the threshold
    sl_window_s: float = 5.0
    # entry and exit
    hours: str = ""
    max_waiting: int = 0  # 0: no limit
    max_wait_s: float = 0.0  # 0: no limit
    join_empty: Joining = Joining.ALWAYS
    leave_empty: Joining = Joining.ALWAYS
    leave_empty_after_s: float = 0.0  # so long may it last: somebody may have logged out by mistake
    keep_place_s: float = 0.0  # who gave up and calls again within this has the old place
    overflow: tuple[Overflow, ...] = ()
    # what is heard
    music: str = "default"
    announcements: Announcements = field(default_factory=Announcements)
    survey: FlowId | None = None  # after the agent has hung up
    # after the conversation
    wrap_up_s: float = 0.0
    wrap_up_max_s: float = 300.0  # with extensions
    disposition_ends_wrap_up: bool = True
    disposition_required: bool = False  # the wrap-up lasts wrap_up_max_s, or until there is one
    disposition_overdue: Overdue = Overdue.PAUSE
    dispositions: tuple[str, ...] = ()  # empty: all
    # policies
    no_answer: NoAnswer = field(default_factory=NoAnswer)
    preferred: PreferredAgent = field(default_factory=PreferredAgent)
    callback: CallbackPolicy = field(default_factory=CallbackPolicy)
    recording: RecordingPolicy = RecordingPolicy.ALWAYS
    record_share: float = 0.1
    service_level_s: float = 20.0
    short_abandon_s: float = 5.0
    teams: tuple[str, ...] = ()  # who may supervise it; empty: every supervisor
    supervision_notice: SupervisionNotice = SupervisionNotice.OFF
    caller_id: str = ""  # number shown to those who are called for this queue; empty: the site's


# --- flows -----------------------------------------------------------------------------------


class StepKind(StrEnum):
    """What a step of a flow does."""

    HOURS = "hours"  # open: go on; else to `closed` (or `holiday` on a holiday, when set)
    MENU = "menu"
    SURVEY = "survey"  # one question whose answer, a key, is kept with the contact record
    ANNOUNCEMENT = "announcement"
    QUEUE = "queue"
    EXTERNAL = "external"
    VOICE_MESSAGE = "voice_message"
    CALLBACK = "callback"  # promise a callback in `queue`, say `prompts`, release
    SET = "set"  # language, priority, skills, attributes
    GO = "go"  # on with flow `flow`
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuChoice:
    """What pressing ``digits`` does: set things on the interaction, then go to ``flow``."""

    digits: str
    flow: FlowId
    skills: tuple[Requirement, ...] = ()
    priority: int | None = None
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a flow. Only the fields of its kind count; others must keep their defaults.

    ``otherwise`` is where it goes when the step could not do its part (menu without a valid choice,
    survey without an answer, external number not reached, message not recorded); empty: the next
    step.
    """

    kind: StepKind
    prompts: tuple[Prompt, ...] = ()
    otherwise: FlowId | None = None
    # hours
    hours: str = ""
    closed: FlowId | None = None
    holiday: FlowId | None = None
    # menu
    choices: tuple[MenuChoice, ...] = ()
    max_digits: int = 1
    timeout_s: float = 5.0
    attempts: int = 3
    invalid: tuple[Prompt, ...] = ()
    silence: tuple[Prompt, ...] = ()
    # survey (also timeout_s, attempts, invalid and silence)
    question: str = ""
    keys: str = "12345"
    # queue, callback, voice message
    queue: QueueId | None = None
    # external
    number: str = ""
    ring_timeout_s: float = 30.0
    # voice message
    max_s: float = 180.0
    # set (also before queue)
    language: str = ""
    priority: int | None = None
    skills: tuple[Requirement, ...] = ()
    # go
    flow: FlowId | None = None
    # release
    cause: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What happens to an interaction, step by step. At its end without a queue: released."""

    id: FlowId
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A dialled number (DID) and where it leads. ``did`` ending in ``*`` matches the beginning."""

    did: str
    flow: FlowId | None = None
    queue: QueueId | None = None  # short for a flow with one queue step
    channel: Channel = Channel.VOICE
    language: str = ""
    priority: int = 0
    skills: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseReason:
    """Why an agent may pause. ``productive``: counts as work in occupancy."""

    id: str
    name: str = ""
    productive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """How an agent may say that it ended."""

    id: str
    name: str = ""
    needs_notes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRules:
    """What CRM attributes do."""

    lookup_deadline_s: float = 1.0
    vip_priority: int = 1
    blocked_prompts: tuple[Prompt, ...] = ()
    blocked_cause: int = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """Everything the engine needs to know beforehand."""

    queues: tuple[Queue, ...] = ()
    agents: tuple[Agent, ...] = ()
    skills: tuple[Skill, ...] = ()
    teams: tuple[Team, ...] = ()
    hours: tuple[Hours, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    flows: tuple[Flow, ...] = ()
    entries: tuple[Entry, ...] = ()
    pause_reasons: tuple[PauseReason, ...] = ()
    dispositions: tuple[Disposition, ...] = ()
    phones: tuple[PhoneId, ...] = ()  # hot desks: at these anybody may sit, besides the agents' own
    customers: CustomerRules = field(default_factory=CustomerRules)
    default_queue: QueueId | None = None  # for a dialled number that no entry knows
    apology: tuple[Prompt, ...] = (Prompt(value="ctid/apology"),)
    sorry: tuple[Prompt, ...] = (
        Prompt(value="ctid/unavailable"),
    )  # when a queue ends without a rule
    language: str = "zh-CN"
    timezone: str = "Asia/Shanghai"
    reserve_lease_s: float = 10.0  # an offer nobody confirmed is taken back after ring time + this
    max_head_start_s: float = 3600.0  # bounds every head start, and so starvation
    max_live: int = 5000  # more interactions at once are refused with an apology

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data; defaults are left out."""
        data: dict[str, Any] = to_plain(self)
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> RoutingConfig:
        """The configuration that ``to_data`` wrote. Raises PlainError with the path."""
        return from_plain(cls, data)

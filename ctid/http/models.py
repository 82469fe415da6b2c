"""The JSON of the API: bodies and queries are checked by these, answers are described by them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from routing.control_facts import ConsultAsk, RecordingAction, SuperviseMode, TransferKind
from routing.facts import AgentStatus, Channel
from routing.model import AutoAnswer


def one_line(value: str) -> str:
    """Refuse what could break a header, a log line or a screen."""
    if not value.isprintable():
        raise ValueError("must not hold control characters or line breaks")
    return value


def lines(value: str) -> str:
    """Refuse control characters other than line breaks and tabs."""
    if not value.replace("\n", "").replace("\t", "").replace("\r", "").isprintable():
        raise ValueError("must not hold control characters other than line breaks and tabs")
    return value


Line = Annotated[str, StringConstraints(max_length=256), AfterValidator(one_line)]
Notes = Annotated[str, StringConstraints(max_length=4000), AfterValidator(lines)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(one_line)]
Cursor = Annotated[str, StringConstraints(max_length=500)]
Time = Annotated[datetime, Field(description="ISO 8601, UTC")]
Text = str


class In(BaseModel):
    """What comes in: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """What goes out: exactly these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- session ---------------------------------------------------------------------------------


class LoginBody(In):
    """Who logs in."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Me(Out):
    """The user who asks."""

    username: str
    display_name: str
    role: Literal["agent", "supervisor", "admin", "viewer"]
    agent: Annotated[str | None, Field(description="the agent of queues.toml whom the user is")]
    teams: list[str]
    language: Annotated[str, Field(description="BCP 47, zh-CN or en; empty: the browser's")]
    rights: Annotated[
        dict[str, list[str]],
        Field(description="what the CRM lets this role do at all: actions by kind of thing"),
    ]
    masks: Annotated[list[str], Field(description="groups of fields that this role sees masked")]


# --- views -----------------------------------------------------------------------------------


class PageQuery(In):
    """A page of a list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 500
    cursor: Annotated[Cursor, Field(description="`next` of the page before")] = ""


class Caller(Out):
    """The outside party; both are empty when withheld."""

    number: str
    name: str


class Agent(Out):
    """One agent now."""

    id: str
    name: str
    status: AgentStatus
    reason: str
    state: Annotated[str, Field(description="idle, reserved, ringing, talking, wrap_up or empty")]
    phone: str
    phone_reachable: bool
    since: Time
    interaction: str | None
    queues: list[str]
    teams: list[str]
    wrap_up_until: Time | None
    calls_handled: int
    disposition_due: str | None
    held: Annotated[list[str], Field(description="interactions, also ringing or in wrap-up")]
    disposition_owed: Annotated[
        bool, Field(description="paused until `disposition_due` is given")
    ] = False
    private_call: Annotated[bool, Field(description="on the phone with a call not of ctid")] = False
    auto_answer: AutoAnswer = AutoAnswer.NEVER


class Queue(Out):
    """One queue now and today."""

    id: str
    name: str
    strategy: str
    waiting: int
    talking: int
    longest_wait_since: Time | None
    agents_available: int
    agents_logged_in: int
    entered: int
    answered: int
    abandoned: int
    service_level: Annotated[float | None, Field(ge=0, le=1)]
    service_level_s: float
    average_speed_of_answer_s: float | None
    ewt_s: float | None


class Supervisor(Out):
    """Somebody who supervises an interaction. `active` false: the phone rings."""

    id: str
    by: Annotated[str, Field(description="user name")]
    mode: SuperviseMode
    phone: str
    active: bool


class Interaction(Out):
    """One live interaction."""

    id: str
    channel: Channel
    state: str
    caller: Caller
    did: str
    queue: str | None
    position: Annotated[int | None, Field(description="1 is next")]
    priority: int
    arrived_at: Time
    queued_at: Time | None
    answered_at: Time | None
    ended_at: Time | None
    agent: str | None
    ringing_agents: list[str]
    offer: str | None
    customer: str | None
    customer_name: str
    recording: bool
    outcome: str | None
    supervisors: list[Supervisor] = []
    taken_over_by: Annotated[str, Field(description="user name; empty: nobody")] = ""
    on_hold: bool = False
    consult: Annotated[str, Field(description="phase of a consultation; empty: none")] = ""
    muted: Annotated[bool, Field(description="nobody hears the agent")] = False
    recording_suspended: bool = False
    outbound: Annotated[bool, Field(description="we called the customer")] = False


class AgentPage(Out):
    """Agents, by id."""

    items: list[Agent]
    next: str | None


class QueuePage(Out):
    """Queues, by id."""

    items: list[Queue]
    next: str | None


class InteractionPage(Out):
    """Live interactions, oldest first."""

    items: list[Interaction]
    next: str | None


class InteractionQuery(PageQuery):
    """Which interactions. Ended ones are contact records."""

    state: Literal["live"] = "live"
    queue: Id | None = None


class ReasonOut(Out):
    """Why an agent is not asked, and what would have to change; `at`: when time alone does it."""

    code: str
    change: str
    at: Time | None
    details: dict[str, Any]


class CandidateOut(Out):
    """One agent of the queue. `place`: 1 would be asked first; null: excluded."""

    agent: str
    name: str
    place: int | None
    level: int
    penalty: int
    preferred_skills: int
    proficiency: int
    rank: Annotated[list[float | None], Field(description="the strategy's, least first")]
    reasons: list[ReasonOut]


class RequirementOut(Out):
    """A skill that is asked for, as it stands now."""

    skill: str
    level: int
    required: bool
    weight: int


class Explanation(Out):
    """Why each agent is or is not asked for one interaction, at one moment (docs/routing.md)."""

    interaction: str
    at: Time
    state: str
    queue: str | None
    strategy: str
    position: int | None
    waiting_since: Time | None
    head_start_s: float
    requirements: list[RequirementOut]
    relaxes_at: Time | None
    levels_reached: Annotated[int | None, Field(description="null: all")]
    preferred_agent: str | None
    asked_now: list[str]
    candidates: list[CandidateOut]


class MomentOut(Out):
    """A decision about one interaction: whom it `asked`, and the picture that led there."""

    at: Time
    fact: str
    asked: list[str]
    explanation: Explanation | None


class MomentPage(Out):
    """Decisions, oldest first."""

    items: list[MomentOut]
    next: None


# --- actions ---------------------------------------------------------------------------------


class StatusBody(In):
    """What the agent wants. `reason` belongs to `paused`; `phone` stays as it is when left out.

    `why`: what a supervisor who does it for the agent says of it, for the audit trail.
    """

    status: AgentStatus
    reason: Line = ""
    phone: Line = ""
    why: Line = ""


class WrapUpBody(In):
    """Finish the wrap-up, or ask for more time."""

    action: Literal["finish", "extend"]
    extra_s: Annotated[float, Field(gt=0, le=3600, description="with extend")] = 60.0


class DispositionBody(In):
    """How it ended, in the agent's words."""

    code: Id
    notes: Notes = ""


class ReleaseBody(In):
    """What is ended by force, and why.

    `what` `call`: the whole call is hung up (a waiting caller with `to_queue` goes there instead).
    `agent`: the agent is taken out; the caller goes to the head of its queue, or to `to_queue`.
    """

    what: Literal["call", "agent"] = "call"
    reason: Line = ""
    to_queue: Id | None = None


class SuperviseBody(In):
    """Listen (`monitor`), speak to the agent alone (`whisper`) or to both (`barge`).

    `phone` is rung for it; left out: one's own as an agent.
    """

    mode: SuperviseMode
    phone: Line = ""
    reason: Line = ""


class SuperviseModeBody(In):
    """Another mode, without being called again."""

    mode: SuperviseMode


class InterceptBody(In):
    """Take the caller over. `phone` as in supervise; not needed by who supervises already."""

    phone: Line = ""
    reason: Line = ""


class CallBody(In):
    """Whom to call, for which queue (left out: the first of one's own)."""

    to: Id
    name: Line = ""
    queue: Id | None = None


class ConsultBody(In):
    """Whom to ask: an agent's id (`agent`) or an outside number (`number`)."""

    kind: Literal["agent", "number"]
    to: Id


class ConferenceBody(In):
    """Whom to bring in: an agent's id (`agent`) or an outside number (`number`)."""

    kind: Literal["agent", "number"]
    to: Id


class DigitsBody(In):
    """Digits for whom the agent talks with."""

    digits: Annotated[str, StringConstraints(pattern=r"^[0-9A-D*#]{1,64}$")]


class RecordingBody(In):
    """`suspend` writes silence until `resume`, `stop` ends the file. `reason`: for the audit."""

    action: RecordingAction
    reason: Line = ""


class ConsultAskBody(In):
    """How the consultation goes on."""

    ask: ConsultAsk


class TransferBody(In):
    """Where the caller goes: an agent's id, a queue's id, or an outside number."""

    kind: TransferKind
    to: Id


class PromiseBody(In):
    """Who is to be called back, by which queue. `not_before`: not earlier than then."""

    queue: Id
    number: Line
    name: Line = ""
    not_before: Annotated[AwareDatetime | None, Field(description="ISO 8601 with its zone")] = None


class Promised(Out):
    """The interaction (channel `callback`) that now stands in line."""

    interaction: str


# --- configuration -----------------------------------------------------------------------------


class PauseReasonOut(Out):
    """A reason to pause. `offered`: can be chosen now; else it is here for its names."""

    code: str
    name: str
    name_zh: str
    offered: bool


class DispositionOut(PauseReasonOut):
    """A way in which it may have ended. `queues`: where it is offered; empty: everywhere."""

    queues: list[str]
    needs_notes: bool


class UiConfig(Out):
    """What the client needs to draw its choices."""

    pause_reasons: list[PauseReasonOut]
    dispositions: list[DispositionOut]
    phones: list[str]


class QueuesConfig(Out):
    """The routing configuration: as the engine has it, and the text of `queues.toml`."""

    config: Annotated[dict[str, Any], Field(description="plain data, defaults left out")]
    text: str | None
    version: str | None


class QueuesCheckBody(In):
    """A whole `queues.toml`."""

    text: str


class QueuesChangeBody(In):
    """A whole `queues.toml` as `text`, or as `data` (then comments of the old text stay).

    `expected`: the version that was read before; another one in force now is a conflict.
    """

    text: str | None = None
    data: dict[str, Any] | None = None
    expected: Line | None = None


class Finding(Out):
    """Something wrong, or (`warning`) doubtful. `line` 0: the text as a whole."""

    line: int
    key: str
    message: str
    hint: str
    warning: bool


class QueuesFindings(Out):
    """What a check found. `version`: what the text would be; null: it cannot be used."""

    version: str | None
    findings: list[Finding]


class QueuesVersion(Out):
    """An earlier text."""

    version: str
    saved_at: Time
    by: str


class QueuesVersions(Out):
    """Kept versions, newest first."""

    items: list[QueuesVersion]
    next: None


class QueuesText(Out):
    """The text of one kept version."""

    version: str
    text: str


# --- problems ----------------------------------------------------------------------------------


class FieldProblem(Out):
    """What is wrong with one field."""

    field: str
    code: str
    detail: str
    choices: list[str] = []
    line: int | None = None
    params: Annotated[
        dict[str, int | float | str], Field(description="what the code turns on, as `min`")
    ] = {}


class ProblemOut(Out):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] = []

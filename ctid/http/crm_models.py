"""The JSON of the CRM's resources."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from ctid.http.models import Caller, Id, In, Line, Out, Time, one_line

RecordCursor = Annotated[str, StringConstraints(pattern=r"^[0-9]{0,18}$")]
TimelineCursor = Annotated[
    str, StringConstraints(max_length=6000, pattern=r"^([0-9][0-9.e+]{0,30}(~[a-z_]+[0-9]+)*)?$")
]
CustomerCursor = Annotated[str, StringConstraints(pattern=r"^[0-9]{0,18}$")]
Number = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(one_line)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(one_line)]
RowId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]
EntryType = Literal["contact_record", "note", "task", "callback", "consent", "change", "fact"]
Limit = Annotated[int, Field(ge=1, le=200)]


class CustomerQuery(In):
    """Which customers. `q` finds names (also by pinyin), numbers and any text."""

    phone: Annotated[Number | None, Field(description="any spelling")] = None
    q: Words | None = None
    limit: Limit = 50
    cursor: CustomerCursor = ""


class ContactPoint(Out):
    """A way to reach a customer. `display`: a number as people write it."""

    id: str
    kind: str
    value: str
    display: str | None
    label: str
    preferred: bool
    opt_out: bool
    invalid: bool
    source: str
    source_at: Time | None


class Customer(Out):
    """A person or organisation. `known`, `reason` and `chosen` come with a match by number."""

    id: str
    kind: Literal["person", "organisation"]
    name: str
    title: str
    sex: str
    birthday: str | None
    language: str
    vip: bool
    blocked: bool
    owner: str | None
    team: str | None
    custom: dict[str, Any]
    source: str
    state: str
    merged_into: str | None
    version: int
    created_at: Time
    created_by: str
    updated_at: Time
    roles: list[str]
    tags: list[str]
    contact_points: list[ContactPoint]
    addresses: list[dict[str, Any]]
    known: bool | None = None
    reason: str | None = None
    chosen: bool | None = None


class CustomerPage(Out):
    """Customers, best first."""

    items: list[Customer]
    next: str | None


class ContactRecordQuery(In):
    """Which contact records."""

    from_: Annotated[
        AwareDatetime | None, Field(alias="from", description="arrived at or after; with zone")
    ] = None
    to: Annotated[AwareDatetime | None, Field(description="arrived before; with zone")] = None
    queue: Id | None = None
    agent: Id | None = None
    outcome: Line | None = None
    disposition: Line | None = None
    customer: RowId | None = None
    phone: Annotated[Number | None, Field(description="any spelling")] = None
    interaction: Id | None = None
    q: Annotated[Words | None, Field(description="words of the notes")] = None
    has_recording: bool = False
    limit: Limit = 50
    cursor: RecordCursor = ""


class TimelineQuery(In):
    """A page of a timeline. `type` narrows it to one kind of entry."""

    type: EntryType | None = None
    limit: Limit = 50
    cursor: TimelineCursor = ""


class OfferOut(Out):
    """One agent's part in one offer."""

    id: str
    agent: str
    agent_name: str
    outcome: str
    at: Time
    ring_s: float


class RecordingOut(Out):
    """A recording of a contact record."""

    id: str
    state: Literal["pending", "ready", "failed", "erased"]
    duration_s: float
    bytes: int
    reason: str


class ContactRecord(Out):
    """What became of one interaction. `recording`: the id to fetch audio by, if there is any."""

    id: str
    interaction: str
    channel: str
    direction: str
    caller: Caller
    did: str
    queue: str | None
    queues: list[str]
    agent: str | None
    agent_name: str
    agents: list[str]
    customer: str | None
    customer_name: str
    outcome: str
    disposition: str | None
    notes: str
    arrived_at: Time
    queued_at: Time | None
    answered_at: Time | None
    ended_at: Time
    wait_s: float
    talk_s: float
    wrap_up_s: float | None
    priority: int
    offers: list[OfferOut]
    causes: list[str]
    survey: dict[str, Any] | None
    recording: str | None
    recording_note: str
    recordings: list[RecordingOut]
    version: int
    updated_at: Time


class ContactRecordPage(Out):
    """Contact records, newest arrival first."""

    items: list[ContactRecord]
    next: str | None


class Entry(Out):
    """One thing that happened with a customer."""

    id: str
    at: Time


class RecordEntry(Entry):
    """A contact."""

    type: Literal["contact_record"]
    record: ContactRecord


class NoteEntry(Entry):
    """Somebody wrote something down."""

    type: Literal["note"]
    author: str
    text: str
    pinned: bool
    contact_record: str | None


class TaskEntry(Entry):
    """Something was to be done."""

    type: Literal["task"]
    title: str
    state: str
    owner: str | None
    due_at: Time | None


class CallbackEntry(Entry):
    """The customer was not reached, or did not reach anybody."""

    type: Literal["callback"]
    state: str
    missed: int
    result: str
    owner: str | None


class ConsentEntry(Entry):
    """The customer agreed or objected."""

    type: Literal["consent"]
    channel: str
    purpose: str
    state: str
    source: str


class ChangeEntry(Entry):
    """Somebody changed the customer's data."""

    type: Literal["change"]
    action: str
    actor: str
    fields: list[str]


class FactEntry(Entry):
    """Something became known."""

    type: Literal["fact"]
    name: str
    value: str
    source: str


TimelineEntry = Annotated[
    RecordEntry | NoteEntry | TaskEntry | CallbackEntry | ConsentEntry | ChangeEntry | FactEntry,
    Field(discriminator="type"),
]


class TimelinePage(Out):
    """What happened, newest first."""

    items: list[TimelineEntry]
    next: str | None

"""The JSON of the CRM's resources."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from ctid.http.models import Caller, Id, In, Line, Out, Time, lines, one_line

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


class RowPage(In):
    """A page of rows in the order of their ids; `cursor` as the page before it gave it."""

    limit: Limit = 50
    cursor: CustomerCursor = ""

    @property
    def after(self) -> int:
        """The id that the page goes on from; 0: from the beginning."""
        return int(self.cursor or 0)


Code = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(one_line)]
Short = Annotated[str, StringConstraints(max_length=64), AfterValidator(one_line)]
Prose = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(lines)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = bool | int | Finite | Prose | None
Fields = Annotated[dict[Code, Scalar], Field(max_length=200)]
ContactKind = Literal[
    "phone", "email", "postal", "wechat", "weibo", "qq", "douyin", "website", "other"
]


class CustomerFilter(In):
    """Equality filters of a list of customers."""

    role: Code | None = None
    tag: Code | None = None
    owner: Code | None = None
    team: Code | None = None
    kind: Literal["person", "organisation"] | None = None
    vip: bool | None = None
    blocked: bool | None = None


class CustomerQuery(CustomerFilter):
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


class PointIn(In):
    """A way to reach a customer; `id` where it is there already."""

    id: RowId | None = None
    kind: ContactKind = "phone"
    value: Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(one_line)]
    label: Short = ""
    preferred: bool = False
    opt_out: bool = False
    invalid: bool = False
    source: Short = ""


class AddressIn(In):
    """A postal address; `id` where it is there already."""

    id: RowId | None = None
    label: Line = ""
    country: Line = ""
    province: Line = ""
    city: Line = ""
    district: Line = ""
    street: Line = ""
    postcode: Line = ""
    opt_out: bool = False
    invalid: bool = False
    source: Short = ""


class CustomerBody(In):
    """A customer's fields. What is left out stays; lists replace what is there."""

    kind: Literal["person", "organisation"] = "person"
    name: Line = ""
    title: Line = ""
    sex: Line = ""
    birthday: Annotated[str | None, StringConstraints(max_length=10)] = None
    language: Line = ""
    vip: bool = False
    blocked: bool = False
    owner: Short | None = None
    team: Short | None = None
    custom: Fields = Field(default_factory=dict)
    source: Line = ""
    roles: list[Code] = Field(default_factory=list, max_length=50)
    tags: list[Code] = Field(default_factory=list, max_length=50)
    contact_points: list[PointIn] = Field(default_factory=list, max_length=50)
    addresses: list[AddressIn] = Field(default_factory=list, max_length=50)


class CustomerPage(Out):
    """Customers, best first."""

    items: list[Customer]
    next: str | None


class ContactRecordFilter(In):
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
    q: Annotated[Words | None, Field(description="words of the notes")] = None
    has_recording: bool = False


class ContactRecordQuery(ContactRecordFilter):
    """A page of contact records, or the one of an interaction."""

    interaction: Id | None = None
    limit: Limit = 50
    cursor: RecordCursor = ""


class RecordPatch(In):
    """What a person may change of a contact record."""

    disposition: Short = ""
    notes: Prose = ""
    customer: RowId | None = None
    survey: Fields | None = None


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


class GapOut(Out):
    """A stretch of silence that somebody asked for. `until_at` null: up to the end."""

    by: str
    since_at: Time
    until_at: Time | None


class RecordingOut(Out):
    """A recording of a contact record."""

    id: str
    state: Literal["pending", "ready", "failed", "erased"]
    duration_s: float
    bytes: int
    reason: str
    gaps: list[GapOut]


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

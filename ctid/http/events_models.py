"""The data of the event stream's events; ``agent``, ``queue`` and ``interaction`` carry views."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ctid.http.imports import UploadOut
from ctid.http.models import Caller, Out, Time


class HelloEvent(Out):
    """`hello`: the first event. `resumed`: nothing was missed since `Last-Event-ID`."""

    server_time: Time
    resumed: bool


class PopEvent(Out):
    """`pop`, `pop_update`: who is calling, while the phone still rings."""

    interaction: str
    offer: str | None
    queue: str
    caller: Caller
    did: str
    arrived_at: Time
    customer: dict[str, Any] | None
    candidates: list[dict[str, Any]]
    history: Annotated[list[dict[str, Any]], Field(description="the last contact records")]
    at: Time


class PopClosedEvent(Out):
    """`pop_closed`: the offer is over for this agent. `answered`: keep showing the customer."""

    interaction: str
    offer: str
    outcome: str


class NoticeEvent(Out):
    """`notice`: something to tell, by its stable code."""

    code: str
    details: dict[str, Any]


class ContactRecordEvent(Out):
    """`contact_record`: one was `filed` or `amended`, or its `recording` is there; read it anew."""

    interaction: str
    change: str


class ResetEvent(Out):
    """`reset`: events were missed, or everything has changed: load it all again."""


class CallbackEvent(Out):
    """`callback`: an entry of the call-back list was taken, given away or closed; read it anew."""

    id: str
    state: str
    owner: str | None


class ReminderEvent(Out):
    """`reminder`: the time to be reminded of a task has come, for its owner."""

    task: str
    due_at: Time | None


class MentionEvent(Out):
    """`mention`: a note concerns the one who is told: mentioned, or watching the customer."""

    note: str
    customer: str


class DictionaryEvent(Out):
    """`dictionary`: a code was made, renamed, moved or retired; read the choices anew."""

    kind: str
    code: str


class ExportEvent(Out):
    """`export`: how many rows of one's own export are written, each thousand."""

    entity: str
    done: int


class WebhookEvent(Out):
    """`webhook`: an attempt to deliver ended, for those who may read the log."""

    id: str
    webhook: str
    state: str


EVENTS = (
    HelloEvent,
    PopEvent,
    PopClosedEvent,
    NoticeEvent,
    ContactRecordEvent,
    CallbackEvent,
    ReminderEvent,
    MentionEvent,
    UploadOut,  # `import`
    DictionaryEvent,
    ExportEvent,
    WebhookEvent,
    ResetEvent,
)

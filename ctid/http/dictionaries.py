"""Dictionaries (the codes that people choose from) and saved views."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from crmcore import dictionaries
from ctid.access import Action
from ctid.events import everyone
from ctid.http import crm
from ctid.http.crm_models import Code, Fields, Short
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import In, Line, Out

Kind = Literal["pause_reason", "disposition", "customer_role", "relation", "tag", "custom_field"]
Entity = Literal["customer", "contact_record", "callback", "task"]


class DictionaryQuery(In):
    """Which entries."""

    kind: Kind | None = None
    inactive: Annotated[bool, Field(description="also those that are switched off")] = False


class EntryBody(In):
    """An entry. A code is never deleted, only switched off."""

    label_zh: Line = ""
    label_en: Line = ""
    position: Annotated[int, Field(ge=0, le=100_000)] = 0
    active: bool = True
    extra: dict[Code, Annotated[str, Field(max_length=200)] | bool | list[Short]] = Field(
        default_factory=dict,
        max_length=20,
        description="of a custom field: `type`, `choices`, `personal`",
    )


class DictionaryEntry(Out):
    """One code with its names."""

    kind: str
    code: str
    label_zh: str
    label_en: str
    position: int
    active: bool
    extra: dict[str, Any]


class DictionaryPage(Out):
    """Entries in their order."""

    items: list[DictionaryEntry]
    next: None


class ViewQuery(In):
    """Of which list."""

    entity: Entity | None = None


class ViewBody(In):
    """A filter under a name; one's own view of that name is replaced."""

    entity: Entity
    name: Annotated[Line, Field(min_length=1, max_length=100)]
    filter: Fields
    shared: bool = False


class SavedView(Out):
    """A kept filter."""

    id: str
    owner: str
    name: str
    entity: str
    filter: dict[str, Any]
    shared: bool
    version: int


class SavedViewPage(Out):
    """One's own views and the shared ones."""

    items: list[SavedView]
    next: None


async def list_dictionaries(call: Call) -> Result:
    """All entries of a kind, or of all kinds."""
    query = call.query(DictionaryQuery)
    rows = await crm.read(call, dictionaries.entries, query.kind, inactive=query.inactive)
    return crm.items(rows)


async def put_entry(call: Call) -> Result:
    """Make an entry or change the fields that are given."""
    row = await crm.write(
        call,
        dictionaries.put,
        call.path_id("kind"),
        call.path_id("code"),
        crm.given(call.body(EntryBody)),
        call.now,
    )
    told = {"kind": row["kind"], "code": row["code"]}
    call.services.hub.publish("dictionary", told, audience=everyone)
    return crm.timed(row)


async def list_views(call: Call) -> Result:
    """One's own and the shared ones."""
    return crm.items(await crm.read(call, dictionaries.views, call.query(ViewQuery).entity))


async def save_view(call: Call) -> Result:
    """Keep a filter under a name."""
    body = call.body(ViewBody)
    row = await crm.write(
        call, dictionaries.save_view, body.entity, body.name, body.filter, shared=body.shared
    )
    return crm.timed(row)


async def delete_view(call: Call) -> Result:
    """Take a view away."""
    await crm.write(call, dictionaries.delete_view, call.path_id())
    return None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/dictionaries",
        summary="The codes that people choose from",
        handler=list_dictionaries,
        action=Action.CRM,
        query=DictionaryQuery,
        answer=DictionaryPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="PUT",
        path="/dictionaries/{kind}/{code}",
        summary="Make or change a code",
        handler=put_entry,
        action=Action.CRM,
        body=EntryBody,
        answer=DictionaryEntry,
        problems=("forbidden",),
    ),
    Endpoint(
        method="GET",
        path="/views",
        summary="Saved views",
        handler=list_views,
        action=Action.CRM,
        query=ViewQuery,
        answer=SavedViewPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/views",
        summary="Save a view",
        handler=save_view,
        action=Action.CRM,
        body=ViewBody,
        answer=SavedView,
        problems=("forbidden",),
    ),
    Endpoint(
        method="DELETE",
        path="/views/{id}",
        summary="Delete a view",
        handler=delete_view,
        action=Action.CRM,
        problems=("forbidden", "conflict"),
    ),
)

"""The CRM's table of rights and the masks, as an administrator reads and changes them."""

from __future__ import annotations

from typing import Literal

from crmcore import rights
from ctid.access import Action
from ctid.http import crm
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.models import In, Out


class Matrix(Out):
    """Everything: `rights` by role, entity and action; `masks` by role."""

    roles: list[str]
    entities: list[str]
    actions: list[str]
    scopes: list[str]
    maskable: list[str]
    rights: dict[str, dict[str, dict[str, str]]]
    masks: dict[str, list[str]]


class RightBody(In):
    """How far the right reaches."""

    scope: Literal["none", "own", "team", "all"]


class MaskBody(In):
    """Whether the role sees the fields masked."""

    masked: bool


async def permissions(call: Call) -> Result:
    """The table in force."""
    return await crm.read(call, rights.matrix)


async def set_right(call: Call) -> Result:
    """Give or take one right; in force at once."""
    names = (call.path_id("role"), call.path_id("entity"), call.path_id("operation"))
    await crm.write(call, rights.set_right, *names, call.body(RightBody).scope, call.now)
    return await _in_force(call)


async def set_mask(call: Call) -> Result:
    """Mask a group of fields for a role, or show it in full; in force at once."""
    names = (call.path_id("role"), call.path_id("field"))
    await crm.write(call, rights.set_mask, *names, call.body(MaskBody).masked, call.now)
    return await _in_force(call)


async def _in_force(call: Call) -> Result:
    """Take up the change; nothing that was told by the old rules is told again."""
    await call.services.store.reload_policy()
    call.context.idempotency.forget()
    call.services.hub.forget_past()
    return await crm.read(call, rights.matrix)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/permissions",
        summary="The CRM's rights and masks",
        handler=permissions,
        action=Action.CRM,
        answer=Matrix,
        problems=("forbidden",),
    ),
    Endpoint(
        method="PUT",
        path="/permissions/{role}/{entity}/{operation}",
        summary="Give or take a right",
        handler=set_right,
        action=Action.CRM,
        body=RightBody,
        answer=Matrix,
        problems=("forbidden", "conflict"),
        audited=True,
    ),
    Endpoint(
        method="PUT",
        path="/masks/{role}/{field}",
        summary="Mask fields for a role",
        handler=set_mask,
        action=Action.CRM,
        body=MaskBody,
        answer=Matrix,
        problems=("forbidden",),
        audited=True,
    ),
)

"""The roster, and what agents (or their supervisors) want."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ctid.access import Action
from ctid.http.audit import audit
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem, invalid
from ctid.http.models import Agent, AgentPage, PageQuery, StatusBody, WrapUpBody
from ctid.http.paging import page
from ctid.view_json import view_json
from routing.facts import AgentStatus, AgentStatusSet, Fact, WrapUpExtended, WrapUpFinished
from routing.ids import AgentId, PhoneId
from routing.model import RoutingConfig


async def list_agents(call: Call) -> Result:
    """The agents whom the asker may see."""
    query = call.query(PageQuery)
    seen = [
        view
        for view in call.services.engine.agents()
        if call.house.may_see_agent(call.viewer, call.scope, view.id)
    ]
    items, following = page(
        seen, key=lambda v: (v.id,), like=("",), limit=query.limit, cursor=query.cursor
    )
    return {"items": [view_json(v) for v in items], "next": following}


async def set_status(call: Call) -> Result:
    """Available, paused or logged out; at which phone."""
    agent = _agent(call)
    body = call.body(StatusBody)
    config = call.services.engine.config
    _check_reason(config, body)
    phones = known_phones(config)
    if body.phone and body.phone not in phones:
        raise invalid("body.phone", "unknown", f"no phone {body.phone!r} is configured", phones)
    fact = AgentStatusSet(
        agent=agent,
        status=body.status,
        reason=body.reason,
        phone=PhoneId(body.phone),
        by="" if call.viewer.agent == agent else call.viewer.username,
    )
    await _command(call, agent, "set_status", body, fact)
    return _view(call, agent)


async def wrap_up(call: Call) -> Result:
    """Done, or more time."""
    agent = _agent(call)
    body = call.body(WrapUpBody)
    fact: Fact = (
        WrapUpFinished(agent=agent)
        if body.action == "finish"
        else WrapUpExtended(agent=agent, extra_s=body.extra_s)
    )
    await _command(call, agent, "wrap_up", body, fact)
    return _view(call, agent)


def known_phones(config: RoutingConfig) -> tuple[str, ...]:
    """The phones at which agents may sit: everybody's usual one, and the hot desks."""
    return tuple(dict.fromkeys([*(a.phone for a in config.agents if a.phone), *config.phones]))


def _check_reason(config: RoutingConfig, body: StatusBody) -> None:
    if body.status is not AgentStatus.PAUSED:
        if body.reason:
            raise invalid("body.reason", "unexpected", "a reason belongs to status paused")
        return
    reasons = tuple(r.id for r in config.pause_reasons)
    if reasons and body.reason not in reasons:
        detail = f"{body.reason!r} is no pause reason" if body.reason else "say why: a reason"
        raise invalid("body.reason", "unknown", detail, reasons)


def _agent(call: Call) -> AgentId:
    """The agent of the path (``me``: the asker's own), if the asker may command it."""
    name = call.path_id()
    if name == "me":
        if call.viewer.agent is None:
            raise Problem("forbidden", "You are not an agent: no agent is linked to your user")
        name = call.viewer.agent
    agent = AgentId(name)
    if not call.house.may_command_agent(call.viewer, call.scope, agent):
        raise Problem("forbidden")
    try:
        call.services.engine.agent_view(agent)
    except KeyError:
        raise Problem("not_found", f"There is no agent {name!r}") from None
    return agent


async def _command(call: Call, agent: AgentId, action: str, body: BaseModel, fact: Fact) -> None:
    """What agents do for themselves is in the journal; what others do to them, or were refused,
    is audited too."""
    others = call.viewer.agent != agent
    told = body.model_dump(mode="json")
    try:
        await call.submit(fact)
    except Problem as problem:
        if others:
            refused = {"outcome": problem.code, "why_not": problem.detail}
            await audit(call, action, "agent", agent, {**told, **refused})
        raise
    if others:
        await audit(call, action, "agent", agent, {**told, "outcome": "done"})


def _view(call: Call, agent: AgentId) -> dict[str, Any]:
    try:
        return view_json(call.services.engine.agent_view(agent))
    except KeyError:
        raise Problem("not_found", f"Agent {agent!r} was removed meanwhile") from None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/agents",
        summary="The roster, as far as one may see it",
        handler=list_agents,
        action=Action.AGENTS_VIEW,
        query=PageQuery,
        answer=AgentPage,
    ),
    Endpoint(
        method="PUT",
        path="/agents/{id}/status",
        summary="Set an agent's status (`me`: one's own)",
        handler=set_status,
        action=Action.AGENT_STATUS,
        body=StatusBody,
        answer=Agent,
        problems=("not_found", "refused", "timeout"),
        replay=True,
        audited=True,
    ),
    Endpoint(
        method="POST",
        path="/agents/{id}/wrap-up",
        summary="Finish or extend the wrap-up (`me`: one's own)",
        handler=wrap_up,
        action=Action.AGENT_WRAP_UP,
        body=WrapUpBody,
        answer=Agent,
        problems=("not_found", "refused", "timeout"),
        replay=True,
        audited=True,
    ),
)

"""Call control: what an agent (or a supervisor for the agent) does with the conversation."""

from __future__ import annotations

import secrets

from ctid.access import Action
from ctid.http.acting import act, known_queue, on_live, refresh, target
from ctid.http.audit import audit
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem, invalid
from ctid.http.models import (
    CallBody,
    ConferenceBody,
    ConsultAskBody,
    ConsultBody,
    Interaction,
    TransferBody,
)
from ctid.view_json import view_json
from routing.control_facts import (
    ConsultAsked,
    ConsultRequested,
    HangUpRequested,
    HoldRequested,
    TransferKind,
    TransferRequested,
)
from routing.facts import CallRequested
from routing.ids import InteractionId

MAX_NUMBER = 32


async def hold(call: Call) -> Result:
    """Music for the caller."""
    return await _hold(call, True)


async def unhold(call: Call) -> Result:
    """Together again."""
    return await _hold(call, False)


async def _hold(call: Call, held: bool) -> Result:
    view = target(call)
    fact = HoldRequested(interaction=view.id, by=call.viewer.username, hold=held)
    await act(call, "hold" if held else "unhold", view, fact, {})
    return call.shown(refresh(call, view))


async def transfer(call: Call) -> Result:
    """The caller leaves the agent."""
    view = target(call)
    body = call.body(TransferBody)
    if body.kind is TransferKind.QUEUE:
        known_queue(call, body.to, "body.to")
    elif body.kind is TransferKind.NUMBER:
        outside_number(body.to, "body.to")
    fact = TransferRequested(
        interaction=view.id, by=call.viewer.username, kind=body.kind, to=body.to
    )
    await act(call, "transfer", view, fact, {"kind": body.kind, "to": body.to})
    return None


async def make_call(call: Call) -> Result:
    """Click to call: one's own phone rings first, then the customer's."""
    body = call.body(CallBody)
    agent = call.viewer.agent
    if agent is None:
        raise Problem("forbidden", "Only agents call customers: no agent is linked to your user")
    number = outside_number(body.to, "body.to")
    queue = known_queue(call, body.queue, "body.queue")
    if queue is None:
        queue = next(iter(call.services.engine.agent_view(agent).queues), None)
    if queue is None:
        raise invalid("body.queue", "missing", "you are in no queue: say for which one you call")
    interaction = InteractionId(f"call-{secrets.token_hex(8)}")
    await call.submit(
        CallRequested(
            callback=interaction,
            agent=agent,
            queue=queue,
            number=number,
            name=body.name,
            by=call.viewer.username,
        )
    )
    details = {"queue": queue, "number": number, "outcome": "done"}
    await audit(call, "call", "interaction", interaction, details)
    try:
        return view_json(call.services.engine.interaction_view(interaction))
    except KeyError:
        raise Problem("refused", "The call ended at once: see the contact record") from None


async def consult(call: Call) -> Result:
    """Ask somebody while the caller hears music."""
    body = call.body(ConsultBody)
    return await _ask(call, "consult", TransferKind(body.kind), body.to, conference=False)


async def conference(call: Call) -> Result:
    """Bring somebody in: all three talk as soon as that phone is answered."""
    body = call.body(ConferenceBody)
    return await _ask(call, "conference", TransferKind(body.kind), body.to, conference=True)


async def _ask(call: Call, action: str, kind: TransferKind, to: str, *, conference: bool) -> Result:
    view = target(call)
    if kind is TransferKind.NUMBER:
        outside_number(to, "body.to")
    by = call.viewer.username
    fact = ConsultRequested(interaction=view.id, by=by, kind=kind, to=to, conference=conference)
    await act(call, action, view, fact, {"kind": kind, "to": to})
    return call.shown(refresh(call, view))


async def consult_on(call: Call) -> Result:
    """Swap, cancel, complete the transfer, or make a conference of it."""
    view = target(call)
    body = call.body(ConsultAskBody)
    fact = ConsultAsked(interaction=view.id, by=call.viewer.username, ask=body.ask)
    await act(call, f"consult_{body.ask}", view, fact, {})
    return call.shown(refresh(call, view))


async def hang_up(call: Call) -> Result:
    """End the conversation for both."""
    view = target(call)
    fact = HangUpRequested(interaction=view.id, by=call.viewer.username)
    await act(call, "hang_up", view, fact, {})
    return None


def outside_number(number: str, field: str) -> str:
    """A number that a trunk takes: digits, with ``+`` in front or not."""
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 2 <= len(digits) <= MAX_NUMBER):
        detail = f"a number has 2 to {MAX_NUMBER} digits, with + in front or not"
        raise invalid(field, "digits", detail, min=2, max=MAX_NUMBER)
    return number


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/calls",
        summary="Call a customer; one's own phone rings first",
        handler=make_call,
        action=Action.CALLS_MAKE,
        body=CallBody,
        answer=Interaction,
        problems=("refused", "timeout"),
        replay=True,
        audited=True,
    ),
    on_live(
        ask="hold",
        summary="Hold: the caller hears music",
        handler=hold,
        answer=Interaction,
    ),
    on_live(
        ask="unhold",
        summary="End the hold",
        handler=unhold,
        answer=Interaction,
    ),
    on_live(
        ask="transfer",
        summary="Blind transfer to an agent, a queue or an outside number",
        handler=transfer,
        body=TransferBody,
    ),
    on_live(
        ask="consult",
        summary="Consult an agent or an outside number, the caller on hold",
        handler=consult,
        body=ConsultBody,
        answer=Interaction,
    ),
    on_live(
        method="PATCH",
        ask="consult",
        summary="Swap, cancel, complete the transfer, or make a conference",
        handler=consult_on,
        body=ConsultAskBody,
        answer=Interaction,
    ),
    on_live(
        ask="conference",
        summary="Bring a third party in at once: an agent or an outside number",
        handler=conference,
        body=ConferenceBody,
        answer=Interaction,
    ),
    on_live(
        ask="hang-up",
        summary="Hang up",
        handler=hang_up,
    ),
)

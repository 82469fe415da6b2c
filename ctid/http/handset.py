"""The agent's own phone from the client, and the recording of what is said at it."""

from __future__ import annotations

from ctid.access import Action, Scope
from ctid.http.acting import act, on_live, refresh, target
from ctid.http.endpoint import Call, Result
from ctid.http.errors import Problem
from ctid.http.models import DigitsBody, Interaction, RecordingBody
from routing.control_facts import (
    AnswerRequested,
    DigitsRequested,
    MuteRequested,
    RecordingAction,
    RecordingRequested,
)
from routing.ids import AgentId
from routing.model import RecordingPolicy
from routing.views import InteractionView


async def answer(call: Call) -> Result:
    """Have the phone that rings answer by itself, where it can."""
    view = target(call)
    agent = _ringing(call, view)
    fact = AnswerRequested(interaction=view.id, agent=agent, by=call.viewer.username)
    await act(call, "answer", view, fact, {"phone_of": agent})
    return call.shown(refresh(call, view))


def _ringing(call: Call, view: InteractionView) -> AgentId:
    """One's own phone; for supervisors the one that rings."""
    own = call.viewer.agent
    if own is not None and own in view.ringing_agents:
        return own
    if call.scope is Scope.OWN or len(view.ringing_agents) != 1:
        raise Problem("refused", "There is no phone of yours that rings for it")
    return view.ringing_agents[0]


async def mute(call: Call) -> Result:
    """Nobody hears the agent."""
    return await _mute(call, True)


async def unmute(call: Call) -> Result:
    """Heard again."""
    return await _mute(call, False)


async def _mute(call: Call, muted: bool) -> Result:
    view = target(call)
    fact = MuteRequested(interaction=view.id, by=call.viewer.username, mute=muted)
    await act(call, "mute" if muted else "unmute", view, fact, {})
    return call.shown(refresh(call, view))


async def digits(call: Call) -> Result:
    """What is keyed in may be secret: the audit trail says how many."""
    view = target(call)
    body = call.body(DigitsBody)
    fact = DigitsRequested(interaction=view.id, by=call.viewer.username, digits=body.digits)
    await act(call, "dtmf", view, fact, {"digits": len(body.digits)})
    return None


async def recording(call: Call) -> Result:
    """Start, stop, suspend, resume. Agents do not stop what their queue wants recorded."""
    view = target(call)
    body = call.body(RecordingBody)
    if body.action is RecordingAction.STOP and call.scope is Scope.OWN:
        policies = {q.id: q.recording for q in call.services.engine.config.queues}
        if view.queue is None or policies.get(view.queue) is not RecordingPolicy.ON_DEMAND:
            raise Problem("forbidden", "The queue records its calls; suspend it instead")
    fact = RecordingRequested(interaction=view.id, by=call.viewer.username, action=body.action)
    await act(call, f"recording_{body.action}", view, fact, {"reason": body.reason})
    return call.shown(refresh(call, view))


ENDPOINTS = (
    on_live(
        ask="answer",
        summary="Have the phone that rings answer by itself, where it can",
        handler=answer,
        answer=Interaction,
    ),
    on_live(
        ask="mute",
        summary="Mute the agent: nobody hears it, nor does the recording",
        handler=mute,
        answer=Interaction,
    ),
    on_live(
        ask="unmute",
        summary="End the mute",
        handler=unmute,
        answer=Interaction,
    ),
    on_live(
        ask="dtmf",
        summary="Send digits to whom the agent talks with",
        handler=digits,
        body=DigitsBody,
    ),
    on_live(
        ask="recording",
        summary="Start, stop, suspend or resume the recording",
        handler=recording,
        action=Action.INTERACTIONS_RECORDING,
        body=RecordingBody,
        answer=Interaction,
    ),
)

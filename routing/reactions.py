"""What each fact sets in motion. The tables have already said that it may come now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from routing import (
    agents,
    callbacks,
    codes,
    consult,
    control,
    customers,
    desk,
    ending,
    flows,
    handover,
    handset,
    offers,
    outbound,
    place,
    recording,
    recovery,
    reload,
    supervision,
    waiting,
)
from routing import control_facts as cf
from routing import facts as f
from routing.agent_records import AgentRecord
from routing.agent_state import AgentState
from routing.commands import LookUpCustomer, Outcome, Release
from routing.errors import UnknownTransition
from routing.floor import Floor, Promise
from routing.ids import AgentId, InteractionId
from routing.interaction_state import TABLE, State
from routing.records import Interaction


def _agent(floor: Floor, agent: AgentId) -> AgentRecord:
    record = floor.agents.get(agent)
    if record is None:
        raise UnknownTransition(f"agent {agent} is not in the configuration")
    return record


# --- arrival -----------------------------------------------------------------------------------


def arrived(floor: Floor, fact: f.InteractionArrived) -> None:
    """Somebody stands at the door."""
    if fact.interaction in floor.live:
        raise UnknownTransition(f"{fact.interaction} is live already")
    floor.seq += 1
    live = Interaction(fact.interaction, fact.channel, fact.caller, fact.did, floor.now, floor.seq)
    live.customer_here = True
    live.attributes = dict(fact.attributes)
    live.language = live.attributes.get("language", "")
    floor.live[live.id] = live
    floor.touch(live)
    if len(floor.live) > floor.config.max_live:
        live.note_cause("too many live interactions")
        ending.say_then_release(floor, live, floor.config.sorry, Outcome.FAILED, 42)
        return
    floor.emit(
        LookUpCustomer(
            interaction=live.id,
            caller=live.caller,
            channel=live.channel,
            deadline_s=floor.config.customers.lookup_deadline_s,
        )
    )
    flows.start(floor, live)


# --- the caller's leg ----------------------------------------------------------------------------


def step_finished(floor: Floor, live: Interaction, fact: f.StepFinished) -> None:
    """A prompt or menu has ended."""
    if live.state in (State.ENTERING, State.WAITING, State.AFTER_CALL):
        flows.step_finished(floor, live, fact)


def caller_hung_up(floor: Floor, live: Interaction, fact: f.CallerHungUp) -> None:
    """The caller has gone."""
    if live.state is State.CALLING:
        offers.call_over(floor, live, "CallerHungUp", f"cause {fact.cause}")
        return
    if fact.cause:
        live.note_cause(f"Q.850 {fact.cause}")
    ending.finish(floor, live, "CallerHungUp")


def control_lost(floor: Floor, live: Interaction, fact: f.ControlLost) -> None:
    """The control session broke. Conversations and ends go on without it."""
    if live.state in (State.ENTERING, State.WAITING, State.OFFERING, State.WITHDRAWING):
        recovery.control_lost(floor, live)


def caller_returned(floor: Floor, live: Interaction, fact: f.CallerReturned) -> None:
    """Under control (again)."""
    if live.state is State.ADRIFT:
        recovery.returned(floor, live)
    elif live.state is State.MOVING:
        control.returned(floor, live)
    elif live.state is State.TALKING:
        _after_call(floor, live, "CallerReturned")
    elif live.state is State.EXTERNAL:
        if not control.external_over(floor, live, "CallerReturned", True):
            flows.external_over(floor, live, "CallerReturned", True)
    elif live.state in (State.RELEASING, State.AFTER_CALL):
        floor.emit(Release(interaction=live.id))
    elif live.state in (State.OFFERING, State.WITHDRAWING):
        # the adapter can only have the caller back if nothing rings any more
        offers.over(floor, live, "CallerReturned")


def external_ended(floor: Floor, live: Interaction, fact: f.ExternalEnded) -> None:
    """Back from an outside number."""
    if live.state is State.EXTERNAL and not control.external_over(
        floor, live, "ExternalEnded", fact.answered
    ):
        flows.external_over(floor, live, "ExternalEnded", fact.answered)


# --- offers --------------------------------------------------------------------------------------


def offer_ringing(floor: Floor, live: Interaction, fact: f.OfferRinging) -> None:
    """A phone rings."""
    if live.state in (State.OFFERING, State.WITHDRAWING):
        offers.ringing(floor, live, fact.offer, fact.agent)


def offer_answered(floor: Floor, live: Interaction, fact: f.OfferAnswered) -> None:
    """An agent took it."""
    if live.state is State.ADRIFT:
        if fact.offer != f"{live.id}.o{live.offer_no}":
            raise UnknownTransition(f"{fact.offer} is not the last offer of {live.id}")
        recovery.adopt(floor, live, _agent(floor, fact.agent), "OfferAnswered")
    elif live.state is not State.RELEASING:
        offers.answered(floor, live, fact.offer, fact.agent)


def offer_declined(floor: Floor, live: Interaction, fact: f.OfferDeclined) -> None:
    """An agent said no."""
    if live.state in (State.OFFERING, State.WITHDRAWING):
        offers.declined(floor, live, fact.offer, fact.agent)


def offer_failed(floor: Floor, live: Interaction, fact: f.OfferFailed) -> None:
    """A phone could not be reached."""
    if live.state in (State.OFFERING, State.WITHDRAWING):
        offers.failed(floor, live, fact.offer, fact.agent, fact.reason or f"Q.850 {fact.cause}")


def offer_ended(floor: Floor, live: Interaction, fact: f.OfferEnded) -> None:
    """Nothing rings any more."""
    if live.state in (State.OFFERING, State.WITHDRAWING):
        offers.ended(floor, live, fact.offer)


def agent_hung_up(floor: Floor, live: Interaction, fact: f.AgentHungUp) -> None:
    """The agent's leg is gone."""
    if live.agent is None or live.agent.id != fact.agent:
        raise UnknownTransition(f"{live.id} is not connected to agent {fact.agent}")
    if live.state is State.CALLING:
        offers.call_over(floor, live, "AgentHungUp", "agent hung up")
    elif live.state is State.TALKING and not consult.agent_left(floor, live):
        _after_call(floor, live, "AgentHungUp")


def _after_call(floor: Floor, live: Interaction, event: str) -> None:
    live.move(event, State.AFTER_CALL)
    ending.agent_left(floor, live)
    survey = control.survey_of(live)
    if survey is not None:
        control.ask(floor, live, survey)
    else:
        floor.emit(Release(interaction=live.id, cause=ending.NORMAL_CLEARING))
        ending.guard_end(floor, live)


# --- agents --------------------------------------------------------------------------------------


def status_set(floor: Floor, fact: f.AgentStatusSet) -> None:
    """What the agent wants."""
    agent = _agent(floor, fact.agent)
    before = agent.status
    desk.check(floor, agent, fact)
    agents.set_status(floor, agent, fact.status, fact.reason, fact.phone)
    if fact.status is not f.AgentStatus.AVAILABLE:
        offers.agent_withdraws(floor, agent)
        for seat in agent.seats.values():
            waiting.left(floor, seat.pool, before, fact.status)


def agent_restored(floor: Floor, fact: f.AgentRestored) -> None:
    """After a restart."""
    recovery.restore_agent(floor, _agent(floor, fact.agent), fact.snapshot)


def phone_state_changed(floor: Floor, fact: f.PhoneStateChanged) -> None:
    """The PBX's word on a phone."""
    agents.phone_changed(floor, fact.phone, fact.state)


def wrap_up_extended(floor: Floor, fact: f.WrapUpExtended) -> None:
    """More time, please."""
    agent = _agent(floor, fact.agent)
    engagement = _wrap_up(agent)
    agents.extend_wrap_up(floor, agent, engagement, max(0.0, fact.extra_s))


def wrap_up_finished(floor: Floor, fact: f.WrapUpFinished) -> None:
    """Done."""
    agent = _agent(floor, fact.agent)
    engagement = _wrap_up(agent)
    if agents.owes(agent, engagement):
        raise UnknownTransition(f"say first how {engagement.interaction} ended: its queue asks")
    agents.end_wrap_up(floor, agent, engagement)


def _wrap_up(agent: AgentRecord) -> Any:
    for engagement in agent.engagements.values():
        if engagement.state is AgentState.WRAP_UP:
            return engagement
    raise UnknownTransition(f"agent {agent.id} is not in wrap-up")


def disposition_set(floor: Floor, fact: f.DispositionSet) -> None:
    """How it ended, says the agent."""
    agent = _agent(floor, fact.agent)
    if fact.interaction not in agent.engagements and fact.interaction not in agent.handled:
        raise UnknownTransition(f"agent {agent.id} did not lately handle {fact.interaction}")
    known = floor.config.dispositions
    if known and all(d.id != fact.code for d in known):
        raise UnknownTransition(f"disposition {fact.code!r} is not in the configuration")
    agents.dispose(floor, agent, fact.interaction, fact.code, fact.notes)


# --- timers, failures ----------------------------------------------------------------


def timer_fired(floor: Floor, fact: f.TimerFired) -> None:
    """A timer ran out. One that was cancelled meanwhile is nobody's any more."""
    due = floor.timers.pop(fact.timer, None)
    if due is None:
        return
    owner, _, _ = fact.timer.rpartition(":")
    live = floor.live.get(InteractionId(owner))
    if live is not None:
        live.timers.discard(fact.timer)
    due(floor)


def command_failed(floor: Floor, live: Interaction, fact: f.CommandFailed) -> None:
    """A command could not be carried out."""
    live.note_cause(f"{fact.command} failed: {fact.reason}"[: f.MAX_TEXT])
    command = fact.command
    control.command_failed(floor, live, command)
    supervision.command_failed(floor, live, command)
    consult.command_failed(floor, live, command)
    if command == "Offer" and live.offer is not None and fact.offer == live.offer.id:
        for agent in list(live.offer.asked):
            offers.failed(floor, live, live.offer.id, agent, fact.reason)
        offers.over(floor, live, "CommandFailed")
    elif command == "Release" and live.state in (State.RELEASING, State.AFTER_CALL):
        ending.finish(floor, live, "CommandFailed")
    elif command == "SendTo" and live.state is State.EXTERNAL:
        if not control.external_over(floor, live, "CommandFailed", False):
            flows.external_over(floor, live, "CommandFailed", False)
    elif command == "CallCustomer" and live.state is State.CALLING:
        offers.call_over(floor, live, "CommandFailed", fact.reason)
    elif command in ("Play", "CollectDigits", "RecordMessage") and fact.step is not None:
        outcome = f.StepOutcome.FAILED
        ended = f.StepFinished(interaction=live.id, step=fact.step, outcome=outcome)
        step_finished(floor, live, ended)
    elif command == "StartRecording" and fact.recording is not None:
        live.running_recordings.discard(fact.recording)
        live.recording_failures.append(f"{fact.recording}: {fact.reason}"[: f.MAX_TEXT])
    floor.touch(live)


def release_requested(floor: Floor, live: Interaction, fact: f.ReleaseRequested) -> None:
    """Somebody ends it, or sends it to another queue."""
    live.note_cause(f"released by {fact.by}" + (f": {fact.reason}" if fact.reason else ""))
    pool = floor.pools.get(fact.to_queue) if fact.to_queue is not None else None
    if pool is not None and live.state is State.WAITING:
        place.leave(floor, live)
        waiting.enter(floor, live, pool)
        return
    ending.release(floor, live, "ReleaseRequested", Outcome.RELEASED)


# --- callbacks -----------------------------------------------------------------------------------


def callback_requested(floor: Floor, fact: f.CallbackRequested) -> None:
    """Somebody is to be called back."""
    if fact.callback in floor.live:
        raise UnknownTransition(f"{fact.callback} is live already")
    if fact.queue not in floor.pools:
        raise UnknownTransition(f"queue {fact.queue} is not in the configuration")
    live = floor.live.get(fact.interaction) if fact.interaction is not None else None
    since = floor.now
    if live is not None:
        if "CallbackRequested" not in TABLE[live.state]:
            raise UnknownTransition(f"CallbackRequested while {live.id} is {live.state}")
        if not live.customer_here:
            raise UnknownTransition(f"{live.id} has nobody on the line who could be called back")
        since = live.waiting_since if live.waiting_since is not None else since
    due = Promise(
        id=fact.callback,
        queue=fact.queue,
        number=fact.number,
        name=fact.name,
        waiting_since=since,
        not_before=fact.not_before,
        like=live,
    )
    if live is not None:
        callbacks.take_over(floor, live, due)
    else:
        floor.promises.append(due)


def customer_answered(floor: Floor, live: Interaction, fact: f.CustomerAnswered) -> None:
    """The customer is on the line."""
    if live.state is State.CALLING:
        callbacks.customer_answered(floor, live)


def customer_call_failed(floor: Floor, live: Interaction, fact: f.CustomerCallFailed) -> None:
    """The customer was not reached."""
    if live.state is State.CALLING:
        offers.call_over(floor, live, "CustomerCallFailed", fact.reason or f"Q.850 {fact.cause}")
    else:
        ending.finish(floor, live, "CustomerCallFailed")


# --- work lists ----------------------------------------------------------------------------------


def move_on(floor: Floor, live: Interaction) -> None:
    """Look again at an interaction, waiting or entering, whose situation has changed."""
    if live.state is State.WAITING:
        if live.customer_here:
            waiting.resume(floor, live)
        else:
            callbacks.resume(floor, live)
    elif live.flow is None and live.leaving is None:
        flows.start(floor, live)
    else:
        flows.run(floor, live)


def keep_promise(floor: Floor, due: Promise) -> None:
    """Put a promised callback in line."""
    callbacks.promise(floor, due)


def unknown_interaction(floor: Floor, fact: f.Fact) -> None:
    """A fact about an interaction that is not live. Some may well come after the end."""
    if isinstance(fact, f.RecordingStarted | f.RecordingEnded | f.RecordingFailed | f.StepFinished):
        return
    if isinstance(fact, f.CommandFailed | cf.SupervisionEnded | cf.TakeoverEnded | cf.HoldChanged):
        return
    if isinstance(fact, cf.SupervisionStarted | cf.SupervisionModeChanged | cf.ConsultChanged):
        return
    if isinstance(fact, cf.MuteChanged | cf.RecordingSuspended):
        return
    if isinstance(fact, cf.CallerSentOn | cf.DialledOn | cf.HandedOver):
        return
    raise UnknownTransition(f"{type(fact).__name__}: {fact} is about nothing that is live")


OF_INTERACTION: Final[dict[type, Callable[[Floor, Interaction, Any], None]]] = {
    f.CustomerMatched: customers.matched,
    f.CustomerNotFound: customers.not_found,
    f.StepFinished: step_finished,
    f.CallerHungUp: caller_hung_up,
    f.ControlLost: control_lost,
    f.CallerReturned: caller_returned,
    f.ExternalEnded: external_ended,
    f.OfferRinging: offer_ringing,
    f.OfferAnswered: offer_answered,
    f.OfferDeclined: offer_declined,
    f.OfferFailed: offer_failed,
    f.OfferEnded: offer_ended,
    f.AgentHungUp: agent_hung_up,
    f.RecordingStarted: recording.started,
    f.RecordingEnded: recording.ended,
    f.RecordingFailed: recording.failed,
    f.CommandFailed: command_failed,
    f.ReleaseRequested: release_requested,
    f.CustomerAnswered: customer_answered,
    f.CustomerCallFailed: customer_call_failed,
    cf.SuperviseRequested: supervision.requested,
    cf.SuperviseModeRequested: supervision.mode_requested,
    cf.SuperviseStopRequested: supervision.stop_requested,
    cf.SupervisionStarted: supervision.started,
    cf.SupervisionModeChanged: supervision.mode_changed,
    cf.SupervisionEnded: supervision.ended,
    cf.InterceptRequested: supervision.intercept_requested,
    cf.TakenOver: supervision.taken_over,
    cf.TakeoverEnded: supervision.takeover_ended,
    cf.AgentReleaseRequested: control.agent_release_requested,
    cf.TransferRequested: control.transfer_requested,
    cf.HangUpRequested: control.hang_up_requested,
    cf.HoldRequested: control.hold_requested,
    cf.HoldChanged: control.hold_changed,
    cf.ConsultRequested: consult.requested,
    cf.ConsultAsked: consult.asked,
    cf.ConsultChanged: consult.changed,
    cf.AnswerRequested: handset.answer_requested,
    cf.MuteRequested: handset.mute_requested,
    cf.MuteChanged: handset.mute_changed,
    cf.DigitsRequested: handset.digits_requested,
    cf.RecordingRequested: recording.requested,
    cf.RecordingSuspended: recording.suspended,
    cf.CallerSentOn: handover.sent_on,
    cf.DialledOn: handover.dialled,
    cf.HandedOver: handover.handed_over,
    cf.FeatureCodeDialled: codes.dialled,
}

OF_FLOOR: Final[dict[type, Callable[[Floor, Any], None]]] = {
    f.InteractionArrived: arrived,
    f.InteractionRestored: recovery.restore,
    f.AgentStatusSet: status_set,
    f.AgentRestored: agent_restored,
    f.PhoneStateChanged: phone_state_changed,
    f.WrapUpExtended: wrap_up_extended,
    f.WrapUpFinished: wrap_up_finished,
    f.DispositionSet: disposition_set,
    f.TimerFired: timer_fired,
    f.ConfigChanged: reload.config_changed,
    f.CallbackRequested: callback_requested,
    f.CallRequested: outbound.requested,
}

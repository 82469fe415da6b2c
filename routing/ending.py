"""How interactions end: release, the account for the contact record, and nothing left behind."""

from __future__ import annotations

from routing import agents, audio, place, watchers, withdrawal
from routing.agent_state import AgentState
from routing.commands import (
    CancelOffer,
    FileContactRecord,
    InteractionAccount,
    Outcome,
    Prompt,
    Release,
)
from routing.facts import Channel
from routing.floor import Floor, Promise
from routing.ids import InteractionId
from routing.interaction_state import State
from routing.pool import Pool
from routing.records import Interaction

NORMAL_CLEARING = 16
MAX_ENDED = 10_000
"""So many ended interactions are kept for their last view, until somebody takes the changes."""


def say_then_release(
    floor: Floor, live: Interaction, prompts: tuple[Prompt, ...], outcome: Outcome, cause: int = 16
) -> None:
    """A few words to whoever can hear them, then hang up."""
    if live.leaving is None:
        live.leaving = outcome
    if prompts and audio.hears(live):
        audio.play(floor, live, prompts, f"release:{cause}")
    else:
        release(floor, live, "released", live.leaving, cause)


def release(
    floor: Floor, live: Interaction, event: str, outcome: Outcome, cause: int = NORMAL_CLEARING
) -> None:
    """Hang up. The end is CallerHungUp; should it never be reported, a timer stands in."""
    if live.leaving is None or event == "ReleaseRequested":
        live.leaving = outcome
    _withdraw(floor, live)
    place.leave(floor, live)
    _leave_agent(floor, live)
    if not live.customer_here and live.state is not State.CALLING:
        finish(floor, live, event)
        return
    cancel_timers(floor, live)
    live.after = ""
    live.move(event, State.RELEASING)
    floor.emit(Release(interaction=live.id, cause=cause))
    guard_end(floor, live)
    floor.touch(live)


def guard_end(floor: Floor, live: Interaction) -> None:
    """End by ourselves if the adapter does not report the end."""
    floor.start_own_timer(
        live, "end", floor.config.reserve_lease_s, lambda floor: finish(floor, live, "TimerFired")
    )


def agent_left(floor: Floor, live: Interaction) -> None:
    """The conversation is over for the agent; what was talked counts."""
    agent = live.agent
    assert agent is not None
    assert live.talk_since is not None
    live.talk_s += floor.now - live.talk_since
    live.talk_since = None
    engagement = agent.engagements[live.id]
    engagement.pool.talking -= 1
    live.muted = False  # with the agent's leg
    agents.begin_wrap_up(floor, agent, live)
    floor.touch(live)


def _leave_agent(floor: Floor, live: Interaction) -> None:
    agent = live.agent
    if agent is None:
        return
    engagement = agent.engagements.get(live.id)
    if engagement is None or engagement.state is AgentState.WRAP_UP:
        return
    if live.talk_since is not None:
        agent_left(floor, live)
    else:
        # of a callback whose customer is still being called
        engagement.move("call_over", floor.now)
        agents.disengage(floor, agent, live, turn_used=True)


def _withdraw(floor: Floor, live: Interaction) -> None:
    offer = live.offer
    if offer is None:
        return
    if not live.customer_here and offer.asked and live.state is not State.CALLING:
        # no caller's leg takes the ringing phones down with it
        floor.emit(CancelOffer(interaction=live.id, offer=offer.id, reason="released"))
    withdrawal.all_asked(floor, live, "withdrawn")


def cancel_timers(floor: Floor, live: Interaction) -> None:
    """Forget every timer of the interaction."""
    for timer in sorted(live.timers):
        floor.cancel_timer(timer)
    live.timers.clear()


def finish(floor: Floor, live: Interaction, event: str, outcome: Outcome | None = None) -> None:
    """The interaction is over: free everybody, cancel everything, file the contact record."""
    _withdraw(floor, live)
    _leave_agent(floor, live)
    if outcome is None:
        outcome = live.leaving or Outcome.ABANDONED
    if live.answered_at is not None and outcome is not Outcome.RELEASED:
        outcome = Outcome.ANSWERED
    pool = live.pool
    if pool is not None and live.entry is not None:
        place.unanswered(floor, live, pool, gave_up=outcome is Outcome.ABANDONED)
        if outcome is Outcome.ABANDONED and not live.outbound:
            floor.figures(pool).abandoned += 1
            assert live.waiting_since is not None
            pool.keep_place(live.caller.number, live.waiting_since - live.kept_s, floor.now)
            note_missed(floor, live, pool)
    place.leave(floor, live)
    watchers.end_all(floor, live)
    live.move(event, State.ENDED)
    cancel_timers(floor, live)
    del floor.live[live.id]
    floor.emit(FileContactRecord(account=account(floor, live, outcome)))
    floor.out.extend(live.amendments)
    floor.touch(live)
    live.leaving = outcome
    live.ended_at = floor.now
    if len(floor.ended) < MAX_ENDED:
        floor.ended[live.id] = live


def account(floor: Floor, live: Interaction, outcome: Outcome) -> InteractionAccount:
    """What the contact record says."""
    waited_until = live.answered_at if live.answered_at is not None else floor.now
    since = live.waiting_since
    return InteractionAccount(
        interaction=live.id,
        channel=live.channel,
        caller=live.caller,
        did=live.did,
        outcome=outcome,
        arrived_at=live.arrived_at,
        ended_at=floor.now,
        queue=live.queues[-1] if live.queues else None,
        queued_at=since,
        answered_at=live.answered_at,
        wait_s=waited_until - since if since is not None else 0.0,
        talk_s=live.talk_s,
        agent=live.agents[-1] if live.agents else None,
        customer=live.customer,
        priority=live.priority,
        queues=tuple(live.queues),
        agents=tuple(live.agents),
        offers=tuple(live.offers),
        recordings=tuple(live.recordings),
        recording_failures=tuple(live.recording_failures),
        recording_gaps=tuple(live.recording_gaps),
        causes=tuple(live.causes),
        outbound=live.outbound,
        survey=dict(live.survey),
    )


def note_missed(floor: Floor, live: Interaction, pool: Pool) -> None:
    """Promise a callback to a missed caller, where the queue says so."""
    policy = pool.queue.callback
    wanted = policy.after_closed if live.leaving is Outcome.CLOSED else policy.after_abandon
    if (
        policy.enabled
        and wanted
        and live.channel is Channel.VOICE
        and live.caller.number
        and not live.handed_over
    ):
        live.handed_over = True
        floor.promises.append(
            Promise(
                id=InteractionId(f"{live.id}.cb"),
                queue=pool.queue.id,
                number=live.caller.number,
                name=live.caller.name,
                waiting_since=floor.now,
                like=live,
            )
        )

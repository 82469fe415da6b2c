"""Callbacks as places in line: promised, called once per turn, tried again, or given up."""

from __future__ import annotations

from math import inf

from routing import ending, offers, place, waiting
from routing.commands import Outcome, Target
from routing.facts import Channel, Party
from routing.floor import Floor, Promise
from routing.interaction_state import State
from routing.records import Interaction


def promise(floor: Floor, due: Promise) -> None:
    """Put a callback in line, at the place of the caller it stands for."""
    pool = floor.pools.get(due.queue)
    if pool is None or due.id in floor.live:
        return
    floor.seq += 1
    caller = Party(number=due.number, name=due.name)
    live = Interaction(due.id, Channel.CALLBACK, caller, "", floor.now, floor.seq)
    live.waiting_since = due.waiting_since
    live.not_before = due.not_before
    live.priority = due.priority
    like = due.like
    if like is not None:
        live.did = like.did
        live.language = like.language
        live.priority = like.priority
        live.requirements = like.requirements
        live.customer = like.customer
        live.customer_name = like.customer_name
        live.customer_attributes = like.customer_attributes
        live.identified = like.identified
        live.seq = like.seq  # the tie-break goes with the place
    floor.live[live.id] = live
    live.move("sent_on", State.WAITING)
    waiting.enter(floor, live, pool)


def resume(floor: Floor, live: Interaction) -> None:
    """See whether the callback is still to be made, and when."""
    pool = live.pool
    assert pool is not None
    policy = pool.queue.callback
    if live.direct:
        ending.finish(floor, live, "released", Outcome.FAILED)
        return
    if live.callback_attempts >= policy.attempts:
        ending.finish(floor, live, "released", Outcome.FAILED)
        return
    if floor.now - live.arrived_at >= policy.expires_after_s:
        live.note_cause("expired")
        ending.finish(floor, live, "released", Outcome.TIMED_OUT)
        return
    hours = policy.hours or pool.queue.hours
    if hours:
        schedule = floor.schedules[hours]
        at = max(floor.now, live.not_before)
        if not schedule.is_open(at):
            live.not_before = schedule.next_opening(at) or inf
    if live.not_before == inf:
        live.note_cause("hours never open")
        ending.finish(floor, live, "released", Outcome.FAILED)
        return
    waiting.resume(floor, live)


def customer_answered(floor: Floor, live: Interaction) -> None:
    """The customer is on the line: connected to the agent already, or to be offered now."""
    floor.cancel_own_timer(live, "call")
    live.customer_here = True
    live.answer_sent = True
    pool = live.pool
    assert pool is not None
    agent = live.agent
    if agent is not None:
        live.move("CustomerAnswered", State.TALKING)
        offers.connected(floor, live, agent, pool, "CustomerAnswered")
        return
    offer = live.offer
    assert offer is not None
    live.queued_at = floor.now  # the queue's limits are about waiting on the line
    live.move("CustomerAnswered", State.OFFERING)
    targets = tuple(Target(agent=a, phone=floor.agents[a].phone) for a in offer.asked)
    offers.ring(floor, live, offer, targets)


def take_over(
    floor: Floor, live: Interaction, due: Promise, event: str = "CallbackRequested"
) -> None:
    """The caller hangs up and keeps the place: release the call, promise the callback."""
    live.handed_over = True
    floor.promises.append(due)
    place.leave(floor, live)
    ending.release(floor, live, event, Outcome.CALLBACK)

"""The life of an offer: reservation, ringing, answer, decline, failure, time-out, withdrawal."""

from __future__ import annotations

from routing import agents, audio, place, recording, watchers, withdrawal
from routing.agent_records import AgentRecord, Engagement, Seat
from routing.commands import (
    CallCustomer,
    CancelOffer,
    ExtendOffer,
    Offer,
    Target,
)
from routing.errors import UnknownTransition
from routing.facts import Channel
from routing.floor import Floor
from routing.ids import AgentId, OfferId
from routing.interaction_state import State
from routing.model import AutoAnswer, CallbackMode
from routing.pool import Pool
from routing.records import Interaction, OfferRecord
from routing.strategies import Reach

RING_TIMEOUT = "ring_timeout"


def begin(floor: Floor, live: Interaction, seats: list[Seat]) -> None:
    """Reserve the agents and have their phones rung."""
    pool = live.pool
    assert pool is not None
    live.offer_no += 1
    live.queue_offers += 1
    live.music = False
    offer = OfferRecord(OfferId(f"{live.id}.o{live.offer_no}"), live.offer_no, pool, floor.now)
    live.offer = offer
    targets = tuple(_reserve(floor, live, offer, seat) for seat in seats)
    if customer_first(live):
        call_customer(floor, live, "agent_found", None)
        return
    live.move("agent_found", State.OFFERING)
    ring(floor, live, offer, targets)


def ring(floor: Floor, live: Interaction, offer: OfferRecord, targets: tuple[Target, ...]) -> None:
    """Send the offer for agents who are reserved already."""
    queue = offer.pool.queue
    audio.answer(floor, live)
    floor.emit(
        Offer(
            interaction=live.id,
            offer=offer.id,
            queue=queue.id,
            targets=targets,
            ring_timeout_s=queue.ring_timeout_s,
            caller=live.caller,
            music=queue.music,
            channel=Channel.VOICE if live.customer_here else Channel.CALLBACK,
            recording=recording.next_id(live) if recording.due(live, offer.pool) else None,
            auto_answer=_answers_itself(floor, live, targets),
        )
    )
    _time(floor, live, offer, queue.ring_timeout_s)
    if offer.pool.strategy.reach is Reach.GROWING:
        _time_growth(floor, live, offer)
    floor.touch(live)


def _answers_itself(floor: Floor, live: Interaction, targets: tuple[Target, ...]) -> bool:
    """Whether the phone is to answer by itself: only one that rings alone."""
    if len(targets) != 1:
        return False
    wanted = floor.agents[targets[0].agent].config.auto_answer
    # who called the customer by a click is waiting for it
    return wanted is AutoAnswer.ALWAYS or (live.direct and wanted is AutoAnswer.ON_REQUEST)


def _reserve(floor: Floor, live: Interaction, offer: OfferRecord, seat: Seat) -> Target:
    agent = seat.agent
    engagement = agents.engage(floor, agent, live, offer.pool)
    engagement.offer = offer.id
    engagement.move("reserved", floor.now)
    offer.asked[agent.id] = floor.now
    offer.pool.turn += 1
    seat.last_turn = offer.pool.turn
    agents.refresh(floor, agent)
    return Target(agent=agent.id, phone=agent.phone)


def _time(floor: Floor, live: Interaction, offer: OfferRecord, after_s: float) -> None:
    timer = withdrawal.ring_timer(live, offer)
    live.timers.add(timer)

    def due(floor: Floor) -> None:
        if offer.reason:
            # the adapter never said that it has ended: the lease is over
            live.note_cause(f"{offer.id}:lease_expired")
            over(floor, live, "TimerFired")
        else:
            cancel(floor, live, RING_TIMEOUT)

    floor.start_timer(timer, after_s, due)


def _time_growth(floor: Floor, live: Interaction, offer: OfferRecord) -> None:
    timer = withdrawal.growth_timer(live, offer)
    live.timers.add(timer)

    def due(floor: Floor) -> None:
        seats = offer.pool.best(place.key_of(live))
        if seats:
            targets = tuple(_reserve(floor, live, offer, seat) for seat in seats)
            floor.emit(ExtendOffer(interaction=live.id, offer=offer.id, targets=targets))
            floor.touch(live)
        _time_growth(floor, live, offer)

    floor.start_timer(timer, offer.pool.queue.ring_step_s, due)


def cancel(floor: Floor, live: Interaction, reason: str, event: str = "TimerFired") -> None:
    """Have the ringing stopped; OfferEnded follows, or an answer that was faster."""
    offer = live.offer
    assert offer is not None
    offer.reason = reason
    live.move(event, State.WITHDRAWING)
    timer = withdrawal.growth_timer(live, offer)
    live.timers.discard(timer)
    floor.cancel_timer(timer)
    floor.emit(CancelOffer(interaction=live.id, offer=offer.id, reason=reason))
    _time(floor, live, offer, floor.config.reserve_lease_s)
    floor.touch(live)


def _asked(
    floor: Floor, live: Interaction, offer_id: OfferId, agent_id: AgentId
) -> tuple[OfferRecord, AgentRecord]:
    offer = live.offer
    if offer is None or offer.id != offer_id:
        raise UnknownTransition(f"{offer_id} is not the running offer of {live.id}")
    if agent_id not in offer.asked:
        raise UnknownTransition(f"{offer_id} does not (any more) ask agent {agent_id}")
    return offer, floor.agents[agent_id]


def ringing(floor: Floor, live: Interaction, offer_id: OfferId, agent_id: AgentId) -> None:
    """The agent's phone rings."""
    _, agent = _asked(floor, live, offer_id, agent_id)
    agent.engagements[live.id].move("OfferRinging", floor.now)
    floor.touch_agent(agent)
    floor.touch(live)


def declined(floor: Floor, live: Interaction, offer_id: OfferId, agent_id: AgentId) -> None:
    """The agent said no: not offered anything for a moment."""
    offer, agent = _asked(floor, live, offer_id, agent_id)
    agent.missed = 0
    withdrawal.one(
        floor,
        live,
        offer,
        agent,
        event="OfferDeclined",
        outcome="declined",
        rest_s=offer.pool.queue.no_answer.decline_delay_s,
    )
    floor.touch(live)


def failed(
    floor: Floor, live: Interaction, offer_id: OfferId, agent_id: AgentId, reason: str
) -> None:
    """The phone could not be reached: not the agent's doing, but no use to try at once again."""
    offer, agent = _asked(floor, live, offer_id, agent_id)
    live.note_cause(f"{agent_id}:{reason}")
    withdrawal.one(
        floor,
        live,
        offer,
        agent,
        event="OfferFailed",
        outcome="failed",
        rest_s=offer.pool.queue.no_answer.failure_delay_s,
    )
    floor.touch(live)


def ended(floor: Floor, live: Interaction, offer_id: OfferId) -> None:
    """Nothing of the offer rings any more."""
    offer = live.offer
    if offer is None or offer.id != offer_id:
        raise UnknownTransition(f"{offer_id} is not the running offer of {live.id}")
    over(floor, live, "OfferEnded")


def over(floor: Floor, live: Interaction, event: str) -> None:
    """The offer found nobody; the caller is free for the next one."""
    offer = live.offer
    assert offer is not None
    timed_out = offer.reason in ("", RING_TIMEOUT)
    for agent_id in list(offer.asked):
        agent = floor.agents[agent_id]
        if timed_out:
            agents.no_answer(floor, agent, offer.pool)
        withdrawal.one(
            floor,
            live,
            offer,
            agent,
            event="OfferEnded",
            outcome=RING_TIMEOUT if timed_out else "withdrawn",
            rest_s=offer.pool.queue.no_answer.no_answer_delay_s if timed_out else 0.0,
        )
    withdrawal.close(floor, live)
    live.move(event, State.WAITING)
    floor.movers.append(live)
    floor.touch(live)


def answered(floor: Floor, live: Interaction, offer_id: OfferId, agent_id: AgentId) -> None:
    """Agent and caller are connected."""
    offer, agent = _asked(floor, live, offer_id, agent_id)
    withdrawal.note(floor, live, offer, agent_id, "answered")
    agent.missed = 0
    withdrawal.all_asked(floor, live, "withdrawn")
    if not live.customer_here:
        agent.engagements[live.id].move("OfferAnswered", floor.now)
        live.agent = agent
        call_customer(floor, live, "OfferAnswered", agent.id)
        return
    live.move("OfferAnswered", State.TALKING)
    connected(floor, live, agent, offer.pool, "OfferAnswered")


def connected(floor: Floor, live: Interaction, agent: AgentRecord, pool: Pool, event: str) -> None:
    """The conversation begins: leave the queue, count, record."""
    engagement: Engagement = agent.engagements[live.id]
    engagement.move(event, floor.now)
    engagement.talk_since = floor.now
    place.leave(floor, live)
    live.agent = agent
    if live.agents[-1:] != [agent.id]:
        live.agents.append(agent.id)
    live.talk_since = floor.now
    live.after = ""
    live.first = False
    watchers.follow(floor, live, listen_only=False)
    agent.calls += 1
    agent.since = floor.now
    seat = agent.seats.get(pool.queue.id)
    if seat is not None:
        seat.queue_calls += 1
    pool.talking += 1
    if live.answered_at is None:
        live.answered_at = floor.now
        _count_answer(floor, live, pool)
    if recording.due(live, pool):
        recording.begin(floor, live, pool, agent)
    elif live.suspended:
        recording.resume(floor, live)  # who suspended it was the agent before
    floor.touch_agent(agent)
    floor.touch(live)


def _count_answer(floor: Floor, live: Interaction, pool: Pool) -> None:
    if live.outbound:  # nobody waited on the line
        return
    wait_s = floor.now - live.queued_at
    figures = floor.figures(pool)
    figures.answered += 1
    figures.wait_sum_s += wait_s
    if wait_s <= pool.queue.service_level_s:
        figures.in_time += 1
    pool.waits.waited(wait_s, gave_up=False)
    if live.announced is not None:
        pool.waits.calibration.add(
            live.announced.wait, floor.now - live.announced.at, answered=True
        )


def agent_withdraws(floor: Floor, agent: AgentRecord) -> None:
    """The agent paused or logged out while asked: stop ringing if nobody else is asked."""
    for interaction in list(agent.engagements):
        live = floor.live.get(interaction)
        if (
            live is not None
            and live.state is State.OFFERING
            and live.offer is not None
            and list(live.offer.asked) == [agent.id]
        ):
            cancel(floor, live, "agent_left", "sent_on")


def give_up(floor: Floor, live: Interaction, reason: str) -> None:
    """Forget the running offer without waiting for its end: the caller is out of control."""
    offer = live.offer
    if offer is not None:
        floor.emit(CancelOffer(interaction=live.id, offer=offer.id, reason=reason))
        withdrawal.all_asked(floor, live, "withdrawn")


def customer_first(live: Interaction) -> bool:
    """Whether the customer of this callback is to be called before the reserved agent."""
    return (
        live.channel is Channel.CALLBACK
        and not live.customer_here
        and not live.direct
        and live.pool is not None
        and live.pool.queue.callback.mode is CallbackMode.CUSTOMER_FIRST
    )


def call_customer(floor: Floor, live: Interaction, event: str, agent: AgentId | None) -> None:
    """Call the customer, once for this turn."""
    assert live.pool is not None
    ring_timeout_s = live.pool.queue.callback.ring_timeout_s
    live.callback_attempts += 1
    live.move(event, State.CALLING)
    floor.emit(
        CallCustomer(
            interaction=live.id,
            number=live.caller.number,
            ring_timeout_s=ring_timeout_s,
            agent=agent,
            caller_id=live.pool.queue.caller_id,
            show=live.did,
        )
    )
    floor.start_own_timer(
        live,
        "call",
        ring_timeout_s + floor.config.reserve_lease_s,
        lambda floor: call_over(floor, live, "TimerFired", "lease_expired"),
    )
    floor.touch(live)


def call_over(floor: Floor, live: Interaction, event: str, reason: str) -> None:
    """The customer could not be reached this time; ``callbacks`` decides about the next."""
    assert live.pool is not None
    live.note_cause(f"call {live.callback_attempts}: {reason}")
    live.not_before = floor.now + live.pool.queue.callback.retry_after_s
    floor.cancel_own_timer(live, "call")
    withdrawal.all_asked(floor, live, "withdrawn")
    agent = live.agent
    if agent is not None:
        agent.engagements[live.id].move("call_over", floor.now)
        agents.disengage(floor, agent, live, turn_used=True)
        live.agent = None
    live.move(event, State.WAITING)
    floor.movers.append(live)
    floor.touch(live)

"""Snapshots of what is live, and how the floor is rebuilt from them after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routing import agents, control, ending, offers, place, waiting
from routing.agent_records import AgentRecord, Engagement
from routing.agent_state import AgentState
from routing.commands import OfferAccount, Outcome, RecordingGap
from routing.errors import UnknownTransition
from routing.facts import AgentStatus, Channel, InteractionRestored, Party
from routing.floor import Floor
from routing.ids import AgentId, CustomerId, InteractionId, OfferId, PhoneId, QueueId
from routing.interaction_state import State
from routing.model import Requirement
from routing.plain import from_plain, to_plain
from routing.records import Interaction, Onward

Plain = dict[str, Any]

_COPIED = (
    "language",
    "priority",
    "identified",
    "customer",
    "customer_name",
    "flow",
    "step_index",
    "attempts",
    "step_no",
    "waiting_since",
    "backdated_to",
    "kept_s",
    "queued_at",
    "queue_offers",
    "welcomed",
    "offer_no",
    "answer_sent",
    "answered_at",
    "talk_since",
    "talk_s",
    "recording_no",
    "disposed",
    "customer_here",
    "callback_attempts",
    "not_before",
    "handed_over",
    "first",
    "direct",
    "rejoined",
    "muted",
    "suspender",
)
_LISTS = ("queues", "agents", "recordings", "recording_failures", "causes")


def snapshot(live: Interaction) -> Plain:
    """Plain JSON data from which the interaction can be restored."""
    out: Plain = {
        "channel": live.channel.value,
        "caller": {"number": live.caller.number, "name": live.caller.name},
        "did": live.did,
        "arrived_at": live.arrived_at,
        "seq": live.seq,
        "state": live.state.value,
    }
    for name in _COPIED:
        out[name] = getattr(live, name)
    for name in _LISTS:
        out[name] = list(getattr(live, name))
    out["attributes"] = dict(live.attributes)
    out["customer_attributes"] = dict(live.customer_attributes)
    out["requirements"] = [to_plain(r) for r in live.requirements]
    out["leaving"] = live.leaving.value if live.leaving is not None else None
    out["queue"] = live.pool.queue.id if live.pool is not None else None
    out["in_queue"] = live.entry is not None
    out["agent"] = live.agent.id if live.agent is not None else None
    out["offers"] = [to_plain(o) for o in live.offers]
    out["recording_gaps"] = [to_plain(g) for g in live.recording_gaps]
    out["survey"] = dict(live.survey)
    out["running_recordings"] = sorted(live.running_recordings)
    if live.offer is not None:
        out["offer"] = {
            "id": live.offer.id,
            "started_at": live.offer.started_at,
            "asked": dict(live.offer.asked),
        }
    return out


def snapshot_agent(agent: AgentRecord) -> Plain:
    """Plain JSON data from which the agent can be restored."""
    return {
        "status": agent.status.value,
        "reason": agent.reason,
        "phone": agent.phone,
        "since": agent.since,
        "idle_since": agent.idle_since,
        "missed": agent.missed,
        "day": agent.day,
        "calls": agent.calls,
        "talk_s": agent.talk_s,
        "busy_share": agent.busy_share,
        "busy_share_at": agent.busy_share_at,
        "due": agent.due,
        "owed": agent.owed,
        "handled": list(agent.handled),
        "resting_until": agent.resting_until,
        "turns": {q: s.last_turn for q, s in agent.seats.items() if s.last_turn},
        "queue_calls": {q: s.queue_calls for q, s in agent.seats.items() if s.queue_calls},
        "wrap_ups": [
            {
                "interaction": e.interaction,
                "channel": e.channel.value,
                "queue": e.pool.queue.id,
                "since": e.since,
                "until": e.until,
            }
            for e in agent.engagements.values()
            if e.state is AgentState.WRAP_UP
        ],
    }


def restore_agent(floor: Floor, agent: AgentRecord, data: Mapping[str, Any]) -> None:
    """Bring the agent back to where the snapshot was taken."""
    for seat in agent.seats.values():
        seat.last_turn = int(data.get("turns", {}).get(seat.pool.queue.id, 0))
        seat.queue_calls = int(data.get("queue_calls", {}).get(seat.pool.queue.id, 0))
        seat.pool.turn = max(seat.pool.turn, seat.last_turn)
    agent.day = int(data.get("day", -1))
    agent.calls = int(data.get("calls", 0))
    agent.talk_s = float(data.get("talk_s", 0.0))
    agent.busy_share = float(data.get("busy_share", 0.0))
    agent.busy_share_at = float(data.get("busy_share_at", floor.now))
    agent.handled.extend(InteractionId(i) for i in data.get("handled", ()))
    status = AgentStatus(data.get("status", AgentStatus.LOGGED_OUT))
    agents.set_status(
        floor, agent, status, str(data.get("reason", "")), PhoneId(data.get("phone", ""))
    )
    agent.since = float(data.get("since", floor.now))
    agent.idle_since = float(data.get("idle_since", floor.now))
    agent.missed = int(data.get("missed", 0))
    agent.due = data.get("due")
    agent.owed = data.get("owed")
    for item in data.get("wrap_ups", ()):
        pool = floor.pools.get(QueueId(item["queue"]))
        if pool is not None and item["interaction"] not in agent.engagements:
            wrap_up = Engagement(
                InteractionId(item["interaction"]), Channel(item["channel"]), pool, floor.now
            )
            wrap_up.move("restored", item["since"])
            wrap_up.until = float(item["until"])
            agents.resume_wrap_up(floor, agent, wrap_up)
    left_s = float(data.get("resting_until", 0.0)) - floor.now
    if left_s > 0:
        agents.rest(floor, agent, left_s)
    agents.refresh(floor, agent)


def restore(floor: Floor, fact: InteractionRestored) -> None:
    """Adopt a live interaction, or end one whose caller has gone."""
    if fact.interaction in floor.live:
        raise UnknownTransition(f"{fact.interaction} is live already")
    if fact.agent is not None and fact.agent not in floor.agents:
        raise UnknownTransition(f"agent {fact.agent} is not in the configuration")
    if fact.agent is not None and not floor.pools:
        raise UnknownTransition("there is no queue to which the conversation could belong")
    live = _from_snapshot(floor, fact.interaction, fact.snapshot)
    floor.live[live.id] = live
    if "state" not in fact.snapshot:
        live.backdated_to = live.arrived_at  # only the PBX told of it: it waits since it came
    talked_with = fact.snapshot.get("agent")
    live.adrift_from = State(fact.snapshot.get("state", State.ENTERING))
    live.state = State.ADRIFT
    if fact.present and not live.customer_here:
        # a callback's customer, who took the call while nobody was there to see it
        live.customer_here = live.answer_sent = True
        live.queued_at = floor.now
    if fact.agent is not None:
        adopt(floor, live, floor.agents[fact.agent], "adopted")
    elif not fact.present and (live.customer_here or live.entry is None):
        if live.talk_since is not None:
            live.talk_s += floor.now - live.talk_since
        ending.finish(floor, live, "CallerHungUp")
        return
    else:
        if talked_with is not None and live.talk_since is not None:
            # the agent has left meanwhile; when is not known, so at the latest now
            live.talk_s += floor.now - live.talk_since
            live.talk_since = None
        if not live.customer_here:
            # first every conversation has to be told of, or its agent would be offered this
            rest_s = floor.config.reserve_lease_s
            if live.adrift_from is State.CALLING and live.pool is not None:
                # the attempt was cut short, but the customer's phone has rung for it
                live.note_cause(f"call {live.callback_attempts}: interrupted")
                rest_s = max(rest_s, live.pool.queue.callback.retry_after_s)
            live.not_before = max(live.not_before, floor.now + rest_s)
            live.state = State.WAITING
            floor.movers.append(live)
    floor.touch(live)


def _from_snapshot(
    floor: Floor, interaction: InteractionId, data: Mapping[str, Any]
) -> Interaction:
    caller = data.get("caller", {})
    seq = data.get("seq")
    floor.seq = max(floor.seq + 1, int(seq) if seq is not None else 0)
    live = Interaction(
        interaction,
        Channel(data.get("channel", Channel.VOICE)),
        Party(number=str(caller.get("number", "")), name=str(caller.get("name", ""))),
        str(data.get("did", "")),
        float(data.get("arrived_at", floor.now)),
        int(seq) if seq is not None else floor.seq,
    )
    for name in _COPIED:
        if name in data:
            setattr(live, name, data[name])
    for name in _LISTS:
        getattr(live, name).extend(data.get(name, ()))
    live.attributes = dict(data.get("attributes", {}))
    live.customer_attributes = dict(data.get("customer_attributes", {}))
    live.requirements = tuple(from_plain(Requirement, r) for r in data.get("requirements", ()))
    leaving = data.get("leaving")
    live.leaving = Outcome(leaving) if leaving is not None else None
    live.offers = [from_plain(OfferAccount, o) for o in data.get("offers", ())]
    live.recording_gaps = [from_plain(RecordingGap, g) for g in data.get("recording_gaps", ())]
    live.survey = dict(data.get("survey", {}))
    live.running_recordings = set(data.get("running_recordings", ()))
    customer = data.get("customer")
    live.customer = CustomerId(customer) if customer is not None else None
    queue = data.get("queue")
    live.pool = floor.pools.get(QueueId(queue)) if queue is not None else None
    if live.pool is not None and data.get("in_queue"):
        waiting.take_place(floor, live, live.pool)
    offer = data.get("offer")
    if offer is not None:
        for agent, at in offer["asked"].items():
            # whether it still rings is not known; should it be answered, that will be told
            live.offers.append(
                OfferAccount(
                    offer=OfferId(offer["id"]),
                    agent=AgentId(agent),
                    offered_at=float(at),
                    ended_at=floor.now,
                    outcome="withdrawn",
                )
            )
    return live


def adopt(floor: Floor, live: Interaction, agent: AgentRecord, event: str) -> None:
    """The PBX says that this agent talks with the caller."""
    pool = live.pool or next((s.pool for s in agent.seats.values()), None)
    pool = pool or next(iter(floor.pools.values()), None)
    assert pool is not None
    live.move(event, State.TALKING)
    engagement = agent.engagements.get(live.id)
    if engagement is None:
        engagement = agents.engage(floor, agent, live, pool)
    floor.cancel_timer(agents.wrap_up_timer(agent, engagement))
    known = live.answered_at is not None and live.agents[-1:] == [agent.id]
    if not known:
        offers.connected(floor, live, agent, pool, "adopted")
    else:
        engagement.move("adopted", floor.now)
        engagement.talk_since = floor.now if live.talk_since is None else live.talk_since
        live.talk_since = engagement.talk_since
        live.agent = agent
        pool.talking += 1
        place.leave(floor, live)
    agents.refresh(floor, agent)
    floor.touch(live)


def control_lost(floor: Floor, live: Interaction) -> None:
    """The caller is there, but nobody can do anything for them until they come back."""
    offers.give_up(floor, live, "control_lost")
    if live.entry is not None:
        place.leave_line(floor, live)
    live.adrift_from = live.state
    live.move("ControlLost", State.ADRIFT)
    live.after = ""
    live.music = False
    floor.touch(live)


def returned(floor: Floor, live: Interaction) -> None:
    """Under control again: on from where it was."""
    if live.adrift_from in (State.TALKING, State.MOVING) and live.pool is not None:
        # On hold, or on the way to somebody, when ctid ended: the agent's leg has gone with it, and
        # the dialplan keeps nobody whose conversation was over. So this caller comes first.
        live.note_cause("the conversation was interrupted by a restart")
        live.first = True
        live.move("CallerReturned", State.WAITING)
        control.wait(floor, live, Onward(live.pool))
    elif live.answered_at is not None and live.entry is None:
        live.move("CallerReturned", State.ENTERING)
        ending.release(floor, live, "released", Outcome.ANSWERED)
    else:
        live.move("CallerReturned", State.ENTERING if live.entry is None else State.WAITING)
        floor.movers.append(live)
        floor.touch(live)

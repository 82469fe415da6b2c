"""Control of a conversation: force-release, blind transfer, hold.

A caller who leaves a conversation is *moving* until the PBX says that the leg is under control
again; what then follows is kept as ``Onward``.
"""

from __future__ import annotations

from routing import control_facts as cf
from routing import ending, flows, waiting, watchers
from routing import facts as f
from routing.agent_records import AgentRecord
from routing.commands import BringBack, Command, Hold, Outcome, SendTo, Unhold
from routing.control_facts import TransferKind
from routing.errors import UnknownTransition
from routing.facts import AgentStatus
from routing.floor import Floor
from routing.ids import AgentId, FlowId, QueueId
from routing.interaction_state import State
from routing.pool import Pool
from routing.records import Interaction, Onward

TRANSFER_RING_S = 45.0
"""How long an outside number rings before the caller comes back to the queue."""
PATIENCE_S = 40.0
"""How long a caller waits for the agent it was transferred to; then any agent of the queue."""


def agent_release_requested(
    floor: Floor, live: Interaction, fact: cf.AgentReleaseRequested
) -> None:
    """The agent is taken out; the caller waits at the head of the queue, or in another one."""
    pool = _pool(floor, live, fact.to_queue)
    live.note_cause(
        f"agent released by {fact.by}" + (f": {fact.reason}" if fact.reason else ""),
    )
    live.first = fact.to_queue is None
    leave(floor, live, "AgentReleaseRequested", Onward(pool), BringBack(interaction=live.id))


def transfer_requested(floor: Floor, live: Interaction, fact: cf.TransferRequested) -> None:
    """Blind transfer."""
    if fact.kind is TransferKind.QUEUE:
        onward = Onward(_pool(floor, live, QueueId(fact.to)))
    elif fact.kind is TransferKind.AGENT:
        agent = _target(floor, live, AgentId(fact.to))
        onward = Onward(_pool_of(live, agent), agent=agent)
    else:
        onward = Onward(_pool(floor, live, None), number=fact.to)
    live.note_cause(f"transferred by {fact.by} to {fact.kind} {fact.to}"[: f.MAX_TEXT])
    live.first = False
    leave(floor, live, "TransferRequested", onward, BringBack(interaction=live.id))


def _pool(floor: Floor, live: Interaction, queue: QueueId | None) -> Pool:
    if queue is not None:
        pool = floor.pools.get(queue)
        if pool is None:
            raise UnknownTransition(f"queue {queue} is not in the configuration")
        return pool
    own = live.pool
    pool = floor.pools.get(own.queue.id) if own is not None else None
    if pool is None:
        raise UnknownTransition(f"{live.id} came from no queue: say which queue it goes to")
    return pool


def own_pool(floor: Floor, live: Interaction) -> Pool:
    """The queue that the caller came from. UnknownTransition if there is none."""
    return _pool(floor, live, None)


def _target(floor: Floor, live: Interaction, agent_id: AgentId) -> AgentRecord:
    agent = floor.agents.get(agent_id)
    if agent is None:
        raise UnknownTransition(f"agent {agent_id} is not in the configuration")
    if live.agent is agent:
        raise UnknownTransition(f"agent {agent_id} has this conversation")
    if agent.status is not AgentStatus.AVAILABLE or not agent.accepts(live.channel):
        raise UnknownTransition(f"agent {agent_id} is not free")
    return agent


def _pool_of(live: Interaction, agent: AgentRecord) -> Pool:
    own = live.pool
    if own is not None and own.queue.id in agent.seats:
        return agent.seats[own.queue.id].pool
    for seat in agent.seats.values():
        if seat.pool.queue.channel is live.channel:
            return seat.pool
    raise UnknownTransition(f"agent {agent.id} is in no queue for this")


def leave(
    floor: Floor, live: Interaction, event: str, onward: Onward, command: Command | None
) -> None:
    """Take the agent out; ``command`` is what the PBX is to do about it."""
    if command is not None and live.consult is not None:
        live.consult = None
    ending.agent_left(floor, live)
    alone(live)
    if command is not None:
        floor.emit(command)
    set_off(floor, live, event, onward)


def alone(live: Interaction) -> None:
    """Nobody has the caller any more."""
    live.agent = None
    live.held = live.held_at_phone = False
    live.taker = ""


def set_off(floor: Floor, live: Interaction, event: str, onward: Onward) -> None:
    """The caller is on its way back under control."""
    live.move(event, State.MOVING)
    live.onward = onward
    floor.start_own_timer(
        live,
        "moving",
        floor.config.reserve_lease_s,
        lambda floor: _stuck(floor, live),
    )
    floor.touch(live)


def _stuck(floor: Floor, live: Interaction) -> None:
    live.note_cause("the caller did not come back from the conversation")
    ending.release(floor, live, "TimerFired", Outcome.ANSWERED)


def returned(floor: Floor, live: Interaction, event: str = "CallerReturned") -> None:
    """The caller is under control: on to where it was sent."""
    onward = live.onward
    assert onward is not None
    floor.cancel_own_timer(live, "moving")
    live.flow = None
    watchers.follow(floor, live, listen_only=True)
    if onward.number:
        live.move(event, State.EXTERNAL)
        floor.emit(
            SendTo(interaction=live.id, number=onward.number, ring_timeout_s=TRANSFER_RING_S)
        )
        floor.touch(live)
        return
    if onward.survey is not None:
        live.onward = None
        live.move("CallerReturned", State.AFTER_CALL)
        ask(floor, live, onward.survey)
        return
    live.move(event, State.WAITING)
    wait(floor, live, onward)


def external_over(floor: Floor, live: Interaction, event: str, answered: bool) -> bool:
    """An outside number that was transferred to: true if the caller comes back to the queue."""
    onward = live.onward
    if onward is None or not onward.number:
        return False
    live.onward = None
    live.move(event, State.ENTERING)
    if answered:
        ending.release(floor, live, "released", Outcome.ANSWERED)
        return True
    live.note_cause(f"{onward.number} could not be reached")
    live.first = True
    live.move("sent_on", State.WAITING)
    wait(floor, live, Onward(onward.pool))
    return True


def wait(floor: Floor, live: Interaction, onward: Onward) -> None:
    """In the queue again, if need be for one agent alone at first."""
    live.onward = None
    live.rejoined = True
    agent = onward.agent
    if not waiting.enter(floor, live, onward.pool) or agent is None:
        return
    live.preferred = agent

    def widen(floor: Floor) -> None:
        if live.preferred is agent:
            agent.wanted.pop(live.id, None)
            live.preferred = None
            if live.state is State.WAITING:
                waiting.resume(floor, live)

    floor.start_own_timer(live, "patience", PATIENCE_S, widen)


def hang_up_requested(floor: Floor, live: Interaction, fact: cf.HangUpRequested) -> None:
    """The agent is done: as if the phone had been put down."""
    survey = survey_of(live)
    pool = live.pool
    if survey is None or pool is None:
        ending.release(floor, live, "HangUpRequested", Outcome.ANSWERED)
        return
    onward = Onward(pool, survey=survey)
    leave(floor, live, "HangUpRequested", onward, BringBack(interaction=live.id))


def survey_of(live: Interaction) -> FlowId | None:
    """The questions for a caller whose agent has hung up; nobody who was called is asked any."""
    return live.pool.queue.survey if live.pool is not None and not live.direct else None


def ask(floor: Floor, live: Interaction, survey: FlowId) -> None:
    """Ask the caller how it was."""
    flows.go(live, survey)
    flows.run(floor, live)


# --- hold ----------------------------------------------------------------------------------------


def hold_requested(floor: Floor, live: Interaction, fact: cf.HoldRequested) -> None:
    """Music for the caller, or together again."""
    if live.held == fact.hold:
        raise UnknownTransition(f"{live.id} is {'' if fact.hold else 'not '}on hold")
    if live.held_at_phone:
        raise UnknownTransition(f"{live.id} was put on hold at the phone: resume it there")
    if live.taker or live.consult is not None:
        raise UnknownTransition(f"{live.id} is being taken over, or in a consultation")
    if fact.hold:
        music = live.pool.queue.music if live.pool is not None else "default"
        floor.emit(Hold(interaction=live.id, music=music))
    else:
        floor.emit(Unhold(interaction=live.id))


def hold_changed(floor: Floor, live: Interaction, fact: cf.HoldChanged) -> None:
    """The PBX has done it."""
    if live.state is not State.TALKING or live.held == fact.held:
        return
    live.held = fact.held
    live.held_at_phone = fact.held and fact.at_phone
    if not fact.at_phone:
        # at the phone nobody is parted: the legs stay where they are
        watchers.follow(floor, live, listen_only=fact.held)
    floor.touch(live)


def command_failed(floor: Floor, live: Interaction, command: str) -> None:
    """A caller who cannot be brought back is lost to us: an end, rather than a call in limbo."""
    if command == BringBack.__name__ and live.state is State.MOVING:
        ending.release(floor, live, "CommandFailed", Outcome.ANSWERED)

"""Supervisors on a conversation: listening, whispering, barging in, and taking it over.

Who may do so is not decided here (``ctid.access``): the facts come from people with the right.
"""

from __future__ import annotations

from routing import control_facts as cf
from routing import ending, watchers
from routing import facts as f
from routing.commands import (
    EndSupervision,
    Intercept,
    NotifyAgent,
    Outcome,
    SignalAgent,
    Supervise,
    SwitchSupervision,
)
from routing.control_facts import SuperviseMode
from routing.errors import UnknownTransition
from routing.facts import PhoneState
from routing.floor import Floor
from routing.ids import PhoneId, SupervisionId
from routing.interaction_state import State
from routing.model import SupervisionNotice
from routing.records import Interaction, Supervision

MAX_SUPERVISIONS = 8
"""Supervisors on one conversation at once."""


def free_phone(floor: Floor, phone: PhoneId) -> None:
    """UnknownTransition if ``phone`` cannot be rung for a supervisor or a conference now."""
    state = floor.phone_states.get(phone)
    if state is None:
        raise UnknownTransition(f"the PBX knows no phone {phone}")
    if state is PhoneState.UNREACHABLE:
        raise UnknownTransition(f"phone {phone} cannot be reached: is it registered?")
    holder = floor.phones.get(phone)
    agent = floor.agents.get(holder) if holder is not None else None
    if state is not PhoneState.IDLE or (agent is not None and agent.on_the_phone):
        raise UnknownTransition(f"phone {phone} is in use")


def _known(live: Interaction, supervision: SupervisionId) -> Supervision:
    known = live.supervisions.get(supervision)
    if known is None:
        raise UnknownTransition(f"{supervision} does not supervise {live.id}")
    return known


def _notice(floor: Floor, live: Interaction, one: Supervision, code: str) -> None:
    pool = live.pool
    if live.agent is None or pool is None:
        return
    notice = pool.queue.supervision_notice
    if notice is SupervisionNotice.TONE and code == "supervised":
        floor.emit(SignalAgent(interaction=live.id))
    if notice is not SupervisionNotice.OFF:
        floor.emit(
            NotifyAgent(
                agent=live.agent.id,
                code=code,
                details={"interaction": live.id, "mode": one.mode.value},
            )
        )


# --- listening, whispering, barging in -----------------------------------------------------------


def requested(floor: Floor, live: Interaction, fact: cf.SuperviseRequested) -> None:
    """Ring the supervisor's phone."""
    if fact.supervision in live.supervisions:
        raise UnknownTransition(f"{fact.supervision} supervises {live.id} already")
    if any(s.by == fact.by for s in live.supervisions.values()):
        raise UnknownTransition(f"{fact.by} supervises {live.id} already: change the mode instead")
    if len(live.supervisions) >= MAX_SUPERVISIONS:
        raise UnknownTransition(f"{len(live.supervisions)} supervisors are on {live.id} already")
    free_phone(floor, fact.phone)
    live.supervisions[fact.supervision] = Supervision(
        fact.supervision, fact.by, fact.phone, fact.mode
    )
    floor.emit(
        Supervise(
            interaction=live.id,
            supervision=fact.supervision,
            mode=fact.mode,
            phone=fact.phone,
        )
    )
    floor.touch(live)


def mode_requested(floor: Floor, live: Interaction, fact: cf.SuperviseModeRequested) -> None:
    """Switch without calling again."""
    one = _known(live, fact.supervision)
    if not one.active:
        raise UnknownTransition("the supervisor's phone has not answered yet")
    if live.state is not State.TALKING or live.held:
        raise UnknownTransition(f"there is no conversation to {fact.mode} in: {live.state}")
    if one.mode is not fact.mode:
        floor.emit(
            SwitchSupervision(interaction=live.id, supervision=one.id, mode=fact.mode),
        )


def stop_requested(floor: Floor, live: Interaction, fact: cf.SuperviseStopRequested) -> None:
    """Hang up the supervisor's leg; its end is told."""
    one = _known(live, fact.supervision)
    floor.emit(EndSupervision(interaction=live.id, supervision=one.id))


def started(floor: Floor, live: Interaction, fact: cf.SupervisionStarted) -> None:
    """The supervisor hears."""
    one = _known(live, fact.supervision)
    if not one.active:
        one.active = True
        _notice(floor, live, one, "supervised")
        floor.touch(live)


def mode_changed(floor: Floor, live: Interaction, fact: cf.SupervisionModeChanged) -> None:
    """Another mode, by whichever way."""
    one = _known(live, fact.supervision)
    if one.mode is not fact.mode:
        one.mode = fact.mode
        _notice(floor, live, one, "supervised")
        floor.touch(live)


def ended(floor: Floor, live: Interaction, fact: cf.SupervisionEnded) -> None:
    """The supervisor has left."""
    one = _known(live, fact.supervision)
    del live.supervisions[one.id]
    if fact.reason:
        live.note_cause(f"supervision by {one.by}: {fact.reason}"[: f.MAX_TEXT])
    _notice(floor, live, one, "supervision_ended")
    floor.touch(live)


# --- taking over ---------------------------------------------------------------------------------


def intercept_requested(floor: Floor, live: Interaction, fact: cf.InterceptRequested) -> None:
    """The supervisor takes the caller; the conversation goes on until the phone is answered."""
    if live.taker:
        raise UnknownTransition(f"{live.taker} takes {live.id} over already")
    one = live.supervisions.get(fact.supervision) if fact.supervision is not None else None
    if fact.supervision is not None and (one is None or one.by != fact.by or not one.active):
        raise UnknownTransition(f"{fact.supervision} is no leg of {fact.by} on {live.id}")
    if one is None:
        free_phone(floor, fact.phone)
    live.taker = fact.by
    live.note_cause(
        f"taken over by {fact.by}" + (f": {fact.reason}" if fact.reason else ""),
    )
    floor.emit(
        Intercept(interaction=live.id, phone=fact.phone, supervision=one.id if one else None)
    )
    floor.touch(live)


def taken_over(floor: Floor, live: Interaction, fact: cf.TakenOver) -> None:
    """Caller and supervisor talk; the agent wraps up."""
    live.move("TakenOver", State.TAKEN_OVER)
    agent = live.agent
    ending.agent_left(floor, live)
    live.taken_since = floor.now
    live.held = False
    assert agent is not None
    floor.emit(
        NotifyAgent(
            agent=agent.id,
            code="taken_over",
            details={"interaction": live.id, "by": live.taker},
        )
    )
    # the one who took over has left the supervisors
    for one in [s for s in live.supervisions.values() if s.by == live.taker]:
        del live.supervisions[one.id]
    watchers.follow(floor, live, listen_only=True)
    floor.touch(live)


def takeover_ended(floor: Floor, live: Interaction, fact: cf.TakeoverEnded) -> None:
    """The supervisor left (the caller is released), or never came (nothing has changed)."""
    if live.state is State.TAKEN_OVER:
        watchers.count_takeover(floor, live)
        ending.release(floor, live, "TakeoverEnded", Outcome.ANSWERED)
    elif not fact.connected:
        live.note_cause(f"not taken over: {fact.reason}"[: f.MAX_TEXT])
        live.taker = ""
        floor.touch(live)


# --- what is not done ----------------------------------------------------------------------------


def command_failed(floor: Floor, live: Interaction, command: str) -> None:
    """A supervisor's leg that could not be asked for will not come."""
    if command == Supervise.__name__:
        for one in [s for s in live.supervisions.values() if not s.active]:
            del live.supervisions[one.id]
    elif command == Intercept.__name__ and live.state is not State.TAKEN_OVER:
        live.taker = ""


def mode_of(digit: str) -> SuperviseMode | None:
    """What a digit at the supervisor's phone switches to (Asterisk, ChanSpy option ``d``)."""
    return DIGITS.get(digit)


DIGITS = {
    "4": SuperviseMode.MONITOR,
    "5": SuperviseMode.WHISPER,
    "6": SuperviseMode.BARGE,
}

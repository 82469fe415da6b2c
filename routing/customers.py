"""What the CRM says of a caller, and what follows: VIP, blocked, language, skills, whom to ask."""

from __future__ import annotations

from routing import ending, flows, place, waiting
from routing import facts as f
from routing.commands import Outcome
from routing.floor import Floor
from routing.interaction_state import State
from routing.model import Requirement
from routing.records import Interaction
from routing.skills import MAX_LEVEL

YES = ("1", "true", "yes", "on")


def matched(floor: Floor, live: Interaction, fact: f.CustomerMatched) -> None:
    """The CRM's word: name, VIP, blocked, language, skills, whom they know."""
    if fact.known:  # a guess must not end up on the contact record
        live.customer = fact.customer
        live.customer_name = fact.name
    known = dict(fact.attributes)
    first = not live.customer_attributes
    live.customer_attributes = known
    live.identified = True
    floor.touch(live)
    rules = floor.config.customers
    unanswered = live.answered_at is None and live.state not in (State.RELEASING, State.EXTERNAL)
    if not (first and fact.known and unanswered):
        flows.identified(floor, live)
        return
    if known.get("blocked", "").lower() in YES:
        _block(floor, live)
        return
    before = (live.priority, live.language, live.requirements)
    if known.get("vip", "").lower() in YES:
        live.priority += rules.vip_priority
    live.language = live.language or known.get("language", "")
    live.requirements += _skills(floor, known)
    if live.state is State.ENTERING:
        flows.identified(floor, live)
    elif before != (live.priority, live.language, live.requirements) or waiting.may_prefer(live):
        waiting.reprioritise(floor, live)


def _block(floor: Floor, live: Interaction) -> None:
    """A caller whom the CRM refuses."""
    rules = floor.config.customers
    live.leaving = Outcome.BLOCKED
    live.note_cause("blocked")
    if live.state in (State.OFFERING, State.WITHDRAWING, State.CALLING):
        ending.release(floor, live, "released", Outcome.BLOCKED, rules.blocked_cause)
        return
    place.leave(floor, live)
    live.flow = None  # should it be adrift, nothing leads it back into a queue
    if live.state is State.WAITING:
        live.move("sent_on", State.ENTERING)
    if live.state is State.ENTERING:
        ending.say_then_release(
            floor, live, rules.blocked_prompts, Outcome.BLOCKED, rules.blocked_cause
        )


def _skills(floor: Floor, known: dict[str, str]) -> tuple[Requirement, ...]:
    own: list[Requirement] = []
    if not any(name.startswith("skill.") for name in known):
        return ()
    for skill in floor.config.skills:
        level = known.get(f"skill.{skill.id}", "")
        if level.isascii() and level.isdigit() and len(level) < 4:
            own.append(Requirement(skill=skill.id, level=max(1, min(MAX_LEVEL, int(level)))))
    return tuple(own)


def not_found(floor: Floor, live: Interaction, fact: f.CustomerNotFound) -> None:
    """Nobody we know."""
    flows.identified(floor, live)

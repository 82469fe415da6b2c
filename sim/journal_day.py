"""A day as the journal saw it: who called when, how patient, how long the talk, who was at work.

What a journal cannot know is filled in: how long somebody who was answered *would* have waited (at
least as long as it was, plus a draw: exponential patience has no memory), how long a call that was
never answered would have been.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ctid.journal_source import JournalSource, Stamped
from routing import facts as f
from routing.ids import InteractionId
from routing.model import RoutingConfig
from sim.persons import Caller, Duty
from sim.scenario import Arrivals, Distribution, Scenario, stream


@dataclass(slots=True)
class Seen:
    """One interaction in the journal. Times: Unix seconds, None when it never came to that."""

    id: InteractionId
    at: float
    did: str
    number: str
    attributes: dict[str, str]
    ringing_at: float | None = None
    answered_at: float | None = None
    talk_over_at: float | None = None
    ended_at: float | None = None
    gave_up: bool = False
    digits: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Journalled:
    """A journal, read once."""

    seen: list[Seen] = field(default_factory=list)
    duties: list[Duty] = field(default_factory=list)
    phones: list[tuple[float, f.PhoneStateChanged]] = field(default_factory=list)
    config: RoutingConfig | None = None
    version: str = ""
    facts: list[Stamped] = field(default_factory=list)
    skipped: int = 0


def read(path: Path) -> Journalled:
    """Read a journal. Raises JournalError."""
    source = JournalSource(path)
    journalled = observe(source)
    journalled.skipped = source.skipped
    return journalled


def observe(entries: Iterable[Stamped]) -> Journalled:
    """Fold facts into what they say about callers and agents."""
    out = Journalled()
    live: dict[InteractionId, Seen] = {}
    away: set[str] = set()
    for entry in entries:
        out.facts.append(entry)
        fact, at = entry.fact, entry.at
        match fact:
            case f.ConfigChanged():
                if out.config is None:
                    out.config = RoutingConfig.from_data(fact.config)
                    out.version = fact.version
            case f.InteractionArrived():
                seen = Seen(
                    fact.interaction, at, fact.did, fact.caller.number, dict(fact.attributes)
                )
                live[fact.interaction] = seen
                out.seen.append(seen)
            case f.PhoneStateChanged():
                # phones that were away are part of the day; ringing and talking follow from calls
                gone = fact.state is f.PhoneState.UNREACHABLE
                if gone or fact.phone in away:
                    out.phones.append((at, fact))
                (away.add if gone else away.discard)(fact.phone)
            case f.AgentStatusSet():
                if fact.by != "engine":
                    out.duties.append(Duty(at, fact.agent, fact.status, fact.reason))
            case _:
                interaction = getattr(fact, "interaction", None)
                if interaction in live:
                    _follow(live, live[interaction], fact, at)
    return out


def _follow(live: dict[InteractionId, Seen], seen: Seen, fact: f.Fact, at: float) -> None:
    match fact:
        case f.OfferRinging():
            if seen.ringing_at is None or seen.answered_at is None:
                seen.ringing_at = at
        case f.OfferAnswered():
            if seen.answered_at is None:
                seen.answered_at = at
        case f.AgentHungUp():
            if seen.answered_at is not None:
                seen.talk_over_at = at
        case f.StepFinished():
            if fact.outcome is f.StepOutcome.DIGITS:
                seen.digits.append(fact.digits)
        case f.CustomerMatched():
            seen.attributes |= {**fact.attributes, "customer": fact.customer}
        case f.CallerHungUp():
            seen.ended_at = at
            seen.gave_up = seen.answered_at is None
            if seen.answered_at is not None and seen.talk_over_at is None:
                seen.talk_over_at = at
            del live[seen.id]
        case _:
            pass


def caller_of(seen: Seen, scenario: Scenario, patience: Distribution, shift_s: float) -> Caller:
    """The caller behind an interaction, with what is not known drawn from the scenario."""
    rng = stream(scenario.seed, "journal", seen.id)
    extra_s = patience.draw(rng) if patience.mean_s > 0 else math.inf
    talk_s = scenario.people.talk.draw(rng)
    pickup_s = scenario.people.pickup.draw(rng)
    luck = scenario.people.no_answer_share + rng.random() * (1 - scenario.people.no_answer_share)
    if seen.answered_at is not None and seen.talk_over_at is not None:
        talk_s = seen.talk_over_at - seen.answered_at
    if seen.answered_at is not None and seen.ringing_at is not None:
        pickup_s = max(0.0, seen.answered_at - seen.ringing_at)
    if seen.gave_up and seen.ended_at is not None:
        patience_s = seen.ended_at - seen.at
    else:
        patience_s = (seen.answered_at or seen.ended_at or seen.at) - seen.at + extra_s
    return Caller(
        id=seen.id,
        at=seen.at + shift_s,
        did=seen.did,
        number=seen.number,
        patience_s=patience_s,
        talk_s=talk_s,
        pickup_s=pickup_s,
        luck=luck,
        digits=tuple(seen.digits),
        attributes=seen.attributes,
    )


def callers(scenario: Scenario, arrivals: Arrivals, start: float, end: float) -> Iterator[Caller]:
    """The journal's callers, moved by whole days onto the scenario's; the same ones each time."""
    assert arrivals.journal is not None
    seen = read(arrivals.journal).seen
    if not seen:
        return
    days = math.floor((start - seen[0].at) / 86400 + 0.5)
    for one in seen:
        at = one.at + days * 86400.0
        if start <= at < end:
            patience = arrivals.patience or scenario.patience
            yield caller_of(one, scenario, patience, days * 86400.0)

"""Any moment of the past: a journal's facts through the engine again, up to that moment.

The engine is pure, so the state is the one of that moment. What the daemon did not journal (a gap,
compacted entries before the first) is missing here as well; facts that then do not fit are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ctid.journal_source import Stamped
from routing.commands import Command, Offer
from routing.engine import Engine
from routing.errors import RoutingError
from routing.explain import Explanation
from routing.facts import ConfigChanged
from routing.ids import InteractionId
from routing.model import RoutingConfig

_SAME_S = 0.001
"""Times are shown and typed in milliseconds; facts within one belong to it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A fact about the interaction, what the engine answered, and why agents were (not) asked.

    ``before`` and ``after`` are None where the interaction is not live or waits for nobody.
    """

    at: float
    fact: str
    commands: tuple[Command, ...]
    before: Explanation | None
    after: Explanation | None

    @property
    def decided(self) -> bool:
        """Whether an offer went out for it here."""
        return any(isinstance(c, Offer) for c in self.commands)


class Past:
    """Walks through a journal once. ``refused`` counts facts that did not fit."""

    def __init__(self, facts: Iterable[Stamped]) -> None:
        self._facts = facts
        self.refused = 0

    def moments(self, interaction: InteractionId, until: float | None = None) -> Iterator[Moment]:
        """Each step at which the engine said something about the interaction, oldest first.

        With ``until`` (Unix seconds) a last one stands for that very moment.
        """
        engine: Engine | None = None
        last = 0.0
        for entry in self._facts:
            if until is not None and entry.at >= until + _SAME_S:
                break
            if engine is None:
                # the daemon seeds its engine with the second of its start
                first = entry.fact
                config = RoutingConfig()
                if isinstance(first, ConfigChanged):
                    config = RoutingConfig.from_data(first.config)
                engine = Engine(config, seed=int(entry.at))
            last = entry.at
            about = getattr(entry.fact, "interaction", None) == interaction
            before = _explained(engine, interaction, entry.at)
            try:
                commands = engine.handle(entry.fact, entry.at)
            except RoutingError:
                self.refused += 1
                continue
            mine = tuple(c for c in commands if getattr(c, "interaction", None) == interaction)
            if about or mine:
                after = _explained(engine, interaction, entry.at)
                yield Moment(entry.at, type(entry.fact).__name__, mine, before, after)
        if engine is not None and until is not None:
            now = _explained(engine, interaction, max(until, last))
            yield Moment(until, "", (), now, now)


def _explained(engine: Engine, interaction: InteractionId, now: float) -> Explanation | None:
    try:
        told = engine.explain(interaction, now)
    except KeyError:
        return None
    return told if told.queue is not None else None

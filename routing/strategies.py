"""Which agent first: each strategy is one pure ranking function that returns a tuple, least first.

The engine puts (level, penalty, preferred skills missing) before the strategy's tuple and the
agent's place in the file after it, so that ties always break the same way. A ranking must not
change while the agent is idle: agents are kept sorted by it, and never scanned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from routing.errors import ConfigError

Rank = tuple[float, ...]


class Standing(Protocol):
    """What a ranking may look at: an agent in a queue, at the moment the agent became idle."""

    @property
    def idle_since(self) -> float:
        """When the last engagement ended, Unix seconds."""

    @property
    def last_turn(self) -> int:
        """Number of the last offer from this queue to this agent; 0: none yet."""

    @property
    def position(self) -> int:
        """The membership's position, else the place in the file."""

    @property
    def queue_calls(self) -> int:
        """Interactions of this queue that the agent has taken today."""

    @property
    def talk_s(self) -> float:
        """Seconds of conversation today, all queues."""

    @property
    def load(self) -> float:
        """Recent busy share on a scale that keeps its order while both are idle."""

    @property
    def weight(self) -> int:
        """The membership's weight."""

    @property
    def draw(self) -> float:
        """A fresh exponential random number of mean 1."""


class Reach(StrEnum):
    """How many agents one offer asks."""

    ONE = "one"
    ALL = "all"  # everyone idle at the best level and penalty
    GROWING = "growing"  # one, and one more after each ring_step_s


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to choose. ``by_proficiency``: the levels of the skills asked for come first.

    ``race``: the rank is a waiting time in a race of exponential clocks.
    """

    name: str
    rank: Callable[[Standing], Rank]
    reach: Reach = Reach.ONE
    by_proficiency: bool = False
    race: bool = False


def longest_idle(s: Standing) -> Rank:
    """Whoever has been idle longest."""
    return (s.idle_since,)


def round_robin(s: Standing) -> Rank:
    """Whoever was asked longest ago; those never asked first, by position."""
    return (s.last_turn, s.position)


def top_down(s: Standing) -> Rank:
    """Always from the top of the list."""
    return (s.position,)


def fewest_calls(s: Standing) -> Rank:
    """Whoever took the fewest interactions of this queue today, then the longest idle."""
    return (s.queue_calls, s.idle_since)


def least_talk_time(s: Standing) -> Rank:
    """Whoever talked least today, then the longest idle."""
    return (s.talk_s, s.idle_since)


def least_occupied(s: Standing) -> Rank:
    """Whoever was busy for the smallest share of the recent past, then the longest idle."""
    return (s.load, s.idle_since)


def random(s: Standing) -> Rank:
    """Everyone with the same chance."""
    return (s.draw,)


def weighted_random(s: Standing) -> Rank:
    """Chances in proportion to the memberships' weights.

    The first of independent exponential clocks of rate w rings first with chance w / sum of all w
    (P. Efraimidis, P. Spirakis, "Weighted random sampling with a reservoir", IPL 97, 2006).
    """
    return (s.draw / s.weight,)


STRATEGIES: Final[dict[str, Strategy]] = {
    s.name: s
    for s in (
        Strategy("ring_all", longest_idle, reach=Reach.ALL),
        Strategy("ring_progressively", longest_idle, reach=Reach.GROWING),
        Strategy("longest_idle", longest_idle),
        Strategy("fewest_calls", fewest_calls),
        Strategy("least_talk_time", least_talk_time),
        Strategy("least_occupied", least_occupied),
        Strategy("round_robin", round_robin),
        Strategy("top_down", top_down),
        Strategy("random", random, race=True),
        Strategy("weighted_random", weighted_random, race=True),
        Strategy("best_skill", longest_idle, by_proficiency=True),
    )
}


def strategy(name: str) -> Strategy:
    """The strategy of that name. ConfigError names the known ones."""
    known = STRATEGIES.get(name)
    if known is None:
        raise ConfigError([f"strategy {name!r} is none of {', '.join(sorted(STRATEGIES))}"])
    return known

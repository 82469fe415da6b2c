"""Each strategy against an oracle written from other products' documents, and by its own words.

The oracles know nothing of the engine: they follow the semantics of Asterisk's ``app_queue``
(queues.conf.sample, section ``strategy``; ``calc_metric`` ranks by penalty first) and of
FreeSWITCH's ``mod_callcenter`` (its documentation of ``strategy`` and tiers). Intended differences
are listed in docs/routing.md and tested as such here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import facts as f
from routing.commands import Offer
from routing.engine import Engine
from routing.errors import ConfigError
from routing.ids import AgentId, InteractionId, QueueId, SkillId
from routing.model import Entry, Membership, Requirement
from routing.strategies import STRATEGIES, strategy
from tests.routing.samples import NOON, agent, house, open_house, queue

pytestmark = pytest.mark.unit


@dataclass
class Known:
    """What an oracle knows of a member of its queue."""

    name: str
    penalty: int = 0
    calls: int = 0
    last_call: float = 0.0
    free: bool = True


@dataclass
class Oracle:
    """app_queue's ways to choose, for one caller at a time."""

    members: list[Known]
    strategy: str
    pointer: int = 0
    rang: list[str] = field(default_factory=list)

    def choose(self) -> list[str]:
        """Whom app_queue rings first (ringall: everybody of the lowest penalty)."""
        free = [m for m in self.members if m.free]
        if not free:
            return []
        least = min(m.penalty for m in free)
        if self.strategy == "ringall":
            return sorted(m.name for m in free if m.penalty == least)
        ranked = sorted(free, key=lambda m: (m.penalty, self._metric(m)))
        return [ranked[0].name]

    def _metric(self, m: Known) -> tuple[float, ...]:
        place = self.members.index(m)
        if self.strategy == "linear":
            return (place,)
        if self.strategy == "rrmemory":
            # members after the remembered position come first, in order, then around
            return ((place - self.pointer) % len(self.members),)
        if self.strategy == "leastrecent":
            return (m.last_call, place)
        return (m.calls, m.last_call, place)

    def answered(self, name: str) -> None:
        """The member takes the call."""
        place = next(n for n, m in enumerate(self.members) if m.name == name)
        self.members[place].free = False
        self.pointer = (place + 1) % len(self.members)

    def ended(self, name: str, now: float) -> None:
        """The call is over."""
        m = next(m for m in self.members if m.name == name)
        m.free = True
        m.calls += 1
        m.last_call = now


class Line:
    """One queue of the engine, driven call by call."""

    def __init__(self, name: str, memberships: list[Membership], **fields: Any) -> None:
        people = tuple(agent(str(n), m) for n, m in enumerate(memberships))
        self.engine = open_house((queue(strategy=name, **fields),), people)
        self.now = NOON
        self.count = 0
        self.calls: dict[str, str] = {}

    def call(self) -> list[str]:
        """A caller: whom does the engine ring?"""
        self.now += 1
        self.count += 1
        i = InteractionId(f"c{self.count}")
        commands = self.engine.handle(
            f.InteractionArrived(interaction=i, caller=f.Party(), did="news"), self.now
        )
        offers = [c for c in commands if isinstance(c, Offer)]
        if not offers:
            self.engine.handle(f.CallerHungUp(interaction=i), self.now)
            return []
        return [t.agent for t in offers[0].targets]

    def answer(self, name: str) -> None:
        """That agent takes the newest call."""
        i = InteractionId(f"c{self.count}")
        offer = self.engine.interaction_view(i).offer
        assert offer is not None
        self.engine.handle(
            f.OfferAnswered(interaction=i, offer=offer, agent=AgentId(name)), self.now
        )
        self.calls[name] = i

    def end(self, name: str) -> None:
        """The agent's call ends."""
        self.now += 1
        i = InteractionId(self.calls.pop(name))
        self.engine.handle(f.CallerHungUp(interaction=i), self.now)


PAIRS = {
    "linear": "top_down",
    "leastrecent": "longest_idle",
    "fewestcalls": "fewest_calls",
    "ringall": "ring_all",
    "rrmemory": "round_robin",
}


@pytest.mark.parametrize("theirs", sorted(PAIRS))
@given(
    penalties=st.lists(st.integers(min_value=0, max_value=2), min_size=1, max_size=5),
    deeds=st.lists(st.integers(min_value=0, max_value=9), max_size=30),
)
@settings(max_examples=60, deadline=None)
def test_as_app_queue(theirs: str, penalties: list[int], deeds: list[int]) -> None:
    memberships = [
        Membership(queue=QueueId("news"), penalty=p, position=n) for n, p in enumerate(penalties)
    ]
    line = Line(PAIRS[theirs], memberships)
    # before the first call app_queue's leastrecent knows no order but the list's; the engine's
    # agents logged in one after the other, which is the same order
    oracle = Oracle([Known(str(n), penalty=p) for n, p in enumerate(penalties)], theirs)
    busy: list[str] = []
    for deed in deeds:
        if deed < 6 or not busy:
            if theirs == "rrmemory" and busy:
                continue  # the difference when somebody is busy is tested below
            asked = line.call()
            assert sorted(asked) == sorted(oracle.choose())
            if asked:
                name = sorted(asked)[0]
                line.answer(name)
                oracle.answered(name)
                busy.append(name)
        if busy and (deed >= 6 or theirs == "rrmemory"):
            name = busy.pop(deed % len(busy))
            line.end(name)
            oracle.ended(name, line.now)


def test_round_robin_gives_the_missed_turn_to_who_was_busy() -> None:
    """app_queue's rrmemory moves its pointer past a busy member, who then waits a whole round."""
    memberships = [Membership(queue=QueueId("news"), position=n) for n in range(3)]
    line = Line("round_robin", memberships)
    for expected in ("0", "1", "2"):
        assert line.call() == [expected]
        line.answer(expected)
    for name in ("1", "2", "0"):
        line.end(name)
    assert line.call() == ["0"]
    line.answer("0")
    assert line.call() == ["1"]
    line.answer("1")
    line.end("0")
    # the pointer is at 2; 2 is free: the same in both
    assert line.call() == ["2"]
    line.answer("2")
    line.end("2")
    # rrmemory would now ask 0; so does the engine, but 1 keeps the turn and is next when free
    assert line.call() == ["0"]
    line.answer("0")
    line.end("1")
    assert line.call() == ["1"]


def test_as_mod_callcenter_tiers() -> None:
    """Tier levels come first, then positions; the next level when none of this is free."""
    memberships = [
        Membership(queue=QueueId("news"), level=2, position=1),
        Membership(queue=QueueId("news"), level=1, position=2),
        Membership(queue=QueueId("news"), level=1, position=1),
    ]
    line = Line("top_down", memberships)
    for expected in ("2", "1", "0"):
        assert line.call() == [expected]
        line.answer(expected)
    assert line.call() == []


def test_least_talk_time_as_mod_callcenter() -> None:
    """agent-with-least-talk-time."""
    line = Line("least_talk_time", [Membership(queue=QueueId("news")) for _ in range(2)])
    line.call()
    line.answer("0")
    line.now += 100
    line.end("0")
    line.call()
    line.answer("1")
    line.now += 50
    line.end("1")
    assert line.call() == ["1"]


def test_least_occupied_forgets_what_was_long_ago() -> None:
    line = Line("least_occupied", [Membership(queue=QueueId("news")) for _ in range(2)])
    line.call()
    line.answer("0")
    line.now += 600
    line.end("0")
    line.now += 6 * 3600
    line.call()
    line.answer("1")
    line.now += 300
    line.end("1")
    # 0 was busy longer, but hours ago
    assert line.call() == ["0"]


def _shares(name: str, weights: list[int], calls: int, seed: int) -> Counter[str]:
    memberships = [Membership(queue=QueueId("news"), weight=w) for w in weights]
    people = tuple(agent(str(n), m) for n, m in enumerate(memberships))
    engine = open_house((queue(strategy=name),), people, seed=seed)
    chosen: Counter[str] = Counter()
    for n in range(calls):
        i = InteractionId(f"c{n}")
        commands = engine.handle(
            f.InteractionArrived(interaction=i, caller=f.Party(), did="news"), NOON + n
        )
        offer = next(c for c in commands if isinstance(c, Offer))
        chosen[offer.targets[0].agent] += 1
        engine.handle(f.CallerHungUp(interaction=i), NOON + n)
    return chosen


def test_random_is_fair_and_weighted_random_follows_the_weights() -> None:
    # binomial: 4,000 draws, p = 1/4: standard deviation 27; five of them are allowed
    for count in _shares("random", [1, 1, 1, 1], 4000, 5).values():
        assert abs(count - 1000) < 140
    chosen = _shares("weighted_random", [1, 2, 5], 4000, 6)
    for name, expected in (("0", 500), ("1", 1000), ("2", 2500)):
        assert abs(chosen[name] - expected) < 160
    assert _shares("random", [1, 1], 50, 1) == _shares("random", [1, 1], 50, 1)
    assert _shares("random", [1, 1], 50, 1) != _shares("random", [1, 1], 50, 2)


def test_random_stays_fair_when_needs_split_the_agents() -> None:
    """Clocks of agents in different buckets race on equal terms."""
    s = SkillId("s")
    people = tuple(agent(str(n), skills={s: 1} if n < 2 else {}) for n in range(4))
    special = Entry(did="special", queue=QueueId("news"), skills=(Requirement(skill=s),))
    engine = open_house((queue(strategy="random"),), people, seed=3, entries=(special,))
    chosen: Counter[str] = Counter()
    for n in range(12_000):
        i = InteractionId(f"c{n}")
        did = "special" if n % 2 else "news"
        engine.handle(f.InteractionArrived(interaction=i, caller=f.Party(), did=did), NOON + n)
        if did == "news":
            chosen[engine.interaction_view(i).ringing_agents[0]] += 1
        engine.handle(f.CallerHungUp(interaction=i), NOON + n)
    assert len(chosen) == 4
    for count in chosen.values():
        assert abs(count - 1500) < 170


def test_best_skill_prefers_proficiency_then_idle_time() -> None:
    s = SkillId("s")
    people = (
        agent("0", skills={s: 2}),
        agent("1", skills={s: 5}),
        agent("2", skills={s: 5}),
        agent("3"),
    )
    engine = open_house((queue(strategy="best_skill", requires=(Requirement(skill=s),)),), people)
    asked = []
    for n in range(4):
        i = InteractionId(f"c{n}")
        engine.handle(f.InteractionArrived(interaction=i, caller=f.Party(), did="news"), NOON)
        asked += list(engine.interaction_view(i).ringing_agents)
    assert asked == ["1", "2", "0"]  # never 3: a missing skill is not level 0


def test_preferred_skills_rank_before_the_strategy() -> None:
    s = SkillId("s")
    people = (agent("0"), agent("1", skills={s: 3}), agent("2", skills={s: 1}))
    wish = Requirement(skill=s, level=2, required=False)
    engine = open_house((queue(strategy="top_down", requires=(wish,)),), people)
    asked = []
    for n in range(3):
        i = InteractionId(f"c{n}")
        engine.handle(f.InteractionArrived(interaction=i, caller=f.Party(), did="news"), NOON)
        asked += list(engine.interaction_view(i).ringing_agents)
    assert asked == ["1", "0", "2"]


def test_an_unknown_strategy_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="longest_idle"):
        strategy("longest")
    with pytest.raises(ConfigError, match="none of"):
        Engine(house((queue(strategy="best"),)))
    assert len(STRATEGIES) == 11
    assert all(STRATEGIES[name].rank.__doc__ for name in STRATEGIES)

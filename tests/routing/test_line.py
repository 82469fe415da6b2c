"""The sorted line against a plain sorted list; the draws; the pool's memory of needs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import line as line_module
from routing.agent_records import AgentRecord, Seat
from routing.draws import Draws, share_of
from routing.facts import Channel, Party
from routing.ids import InteractionId, QueueId, SkillId
from routing.line import Line
from routing.model import Membership, Queue, Requirement
from routing.pool import MAX_ASKS, MAX_NEEDS, Pool
from routing.records import Interaction
from routing.skills import ANY_LEVEL, Need
from tests.routing.samples import agent

pytestmark = pytest.mark.unit


@given(
    deeds=st.lists(st.tuples(st.booleans(), st.integers(min_value=0, max_value=60)), max_size=200)
)
@settings(max_examples=100, deadline=None)
def test_as_a_sorted_list(deeds: list[tuple[bool, int]]) -> None:
    block = line_module._BLOCK
    line_module._BLOCK = 3  # type: ignore[misc]
    try:
        line, model = Line(), []
        for n, (add, value) in enumerate(deeds):
            if add or not model:
                entry = (value, n, "x")
                line.add(entry)
                model.append(entry)
                model.sort()
            else:
                entry = model.pop(value % len(model))
                line.remove(entry)
            assert list(line) == model
            assert len(line) == len(model)
            assert line.head == (model[0] if model else None)
            for place, known in enumerate(model):
                assert line.position(known) == place
        for n in range(20):
            line.add((100 + n, n, "x"))
        assert len(line) == len(model) + 20
        with pytest.raises(KeyError):
            line.remove((-1, -1, "x"))
        with pytest.raises(KeyError):
            line.position((999, 99, "x"))
    finally:
        line_module._BLOCK = block  # type: ignore[misc]


def test_shares_are_uniform_and_depend_on_the_text_alone() -> None:
    shares = [share_of(f"1700000000.{n}") for n in range(2000)]
    assert share_of("a") == share_of("a")
    assert all(0 <= s < 1 for s in shares)
    assert abs(sum(s < 0.1 for s in shares) - 200) < 60
    draws = Draws(1)
    assert abs(sum(draws.exponential() for _ in range(4000)) / 4000 - 1) < 0.08


def pool_with(skills: int, strategy: str = "longest_idle") -> tuple[Pool, list[Seat]]:
    """A pool with idle agents; agent n has skill n."""
    pool = Pool(Queue(id=QueueId("news"), strategy=strategy), Draws(0))
    seats = []
    for n in range(skills):
        record = AgentRecord(agent(str(n), skills={SkillId(f"s{n}"): 1}), n)
        seat = Seat(record, pool, Membership(queue=QueueId("news")))
        pool.seats[record.id] = seat
        seats.append(seat)
        pool.open(seat)
    return pool, seats


@pytest.mark.parametrize("strategy", ["longest_idle", "random"])
def test_needs_that_nobody_waits_with_are_forgotten(strategy: str) -> None:
    pool, seats = pool_with(5, strategy)
    for n in range(3 * MAX_NEEDS):
        need = Need((Requirement(skill=SkillId(f"s{n % 5}"), level=1 + n // 5 % 2, weight=n),))
        number = pool.need(need)
        found = pool.best((number, ANY_LEVEL))
        assert [s.agent.id for s in found] == ([str(n % 5)] if n // 5 % 2 == 0 else [])
        assert len(pool._needs) <= MAX_NEEDS
    for seat in seats:
        pool.close(seat)
        pool.close(seat)
    assert pool.idle == 0
    assert pool.lead(seats[0]) == (0.0,)


def test_asks_are_remembered_within_bounds() -> None:
    pool, _ = pool_with(1)
    for n in range(MAX_ASKS + 5):
        own = (Requirement(skill=SkillId(f"x{n}")),)
        assert pool.ask((), "", own) is pool.ask((), "", own)
    assert len(pool.asks) <= MAX_ASKS


def test_who_waits_is_still_found_after_needs_were_forgotten() -> None:
    pool, seats = pool_with(2)
    waiting = []
    for n, skill in enumerate(("s1", "s0", "s1")):
        live = Interaction(InteractionId(f"i{n}"), Channel.VOICE, Party(), "", 0.0, n)
        live.entry = (float(n), n, live.id, live)
        key = (pool.need(Need((Requirement(skill=SkillId(skill), weight=50 + n),))), ANY_LEVEL)
        pool.park(live, key)
        waiting.append(live)
    for n in range(2 * MAX_NEEDS):
        pool.need(Need((Requirement(skill=SkillId("s0"), weight=1000 + n),)))
    for seat, expected in ((seats[0], "i1"), (seats[1], "i0")):
        head = pool.head_for(seat)
        assert head is not None
        assert head[-1].id == expected
    pool.unpark(waiting[0])
    head = pool.head_for(seats[1])
    assert head is not None
    assert head[-1].id == "i2"
    for live in waiting[1:]:
        pool.unpark(live)
    assert pool.lines == {}
    assert pool.head_for(seats[0]) is None


def test_only_so_many_needs_are_expected_beforehand() -> None:
    pool, _ = pool_with(1)
    for n in range(2 * MAX_NEEDS):
        pool.expect((), "", (Requirement(skill=SkillId(f"x{n}")),))
    assert len(pool._needs) == MAX_NEEDS // 2

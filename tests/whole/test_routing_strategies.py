"""Every strategy, levels, skills and preferred agents, on a real Asterisk with real SIP phones."""

from __future__ import annotations

import asyncio

import pytest

from tests.whole.stage import NEVER_S, Line, Plan, Stage
from tests.whole.watch import PATIENCE_S

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

PLAN = Plan()


def line(strategy: str, settings: str = "", agents: int | list[str] = 3) -> Line:
    name = strategy.replace("_", "-")
    return PLAN.line(name, f'strategy = "{strategy}"\n{settings}', agents)


LONGEST_IDLE = line("longest_idle")
ROUND_ROBIN = line("round_robin")
TOP_DOWN = line("top_down", agents=["position = 3", "position = 1", "position = 2"])
FEWEST_CALLS = line("fewest_calls")
LEAST_TALK_TIME = line("least_talk_time")
LEAST_OCCUPIED = line("least_occupied")
RANDOM = line("random")
WEIGHTED_RANDOM = line("weighted_random", agents=["", "weight = 1000000", ""])
BEST_SKILL = line(
    "best_skill",
    'requires = [{ skill = "sports", required = false }]',
    ["|skills = { sports = 3 }", "|skills = { sports = 8 }", "|skills = { sports = 5 }"],
)
RING_ALL = line("ring_all")
RING_PROGRESSIVELY = line("ring_progressively", "ring_step_s = 0.6")
LEVELS = PLAN.line("levels", agents=["level = 2", "level = 1"])
LEVEL_WAIT = PLAN.line(
    "level-wait",
    'level_advance = "after_wait"\nlevel_wait_s = 1.5',
    agents=["level = 2", "level = 1"],
)
SKILLS = PLAN.line(
    "skills",
    'requires = ["english >= 5"]\nrelax = [{ after_s = 1.5, levels = { english = 2 } }]',
    ["|skills = { english = 3 }", ""],
)
PENALTIES = PLAN.line(
    "penalties",
    "penalty_steps = [{ after_s = 0, max_penalty = 2 }, { after_s = 1.5, max_penalty = 9 }]",
    ["penalty = 5", "penalty = 1", "penalty = 10"],
)
PLAN.add('[skills.sports]\nname = "体育"\n[skills.english]\nname = "英语"')


async def sequence(stage: Stage, which: Line, calls: int) -> list[int]:
    """Who answers one call after the other: 1 is the first agent of the file."""
    return [which.phones.index(await stage.talk(which.did)) + 1 for _ in range(calls)]


async def test_longest_idle(stage: Stage) -> None:
    first, second, third = LONGEST_IDLE.phones
    await stage.available(second, third, first)
    assert await sequence(stage, LONGEST_IDLE, 4) == [2, 3, 1, 2]


async def test_round_robin(stage: Stage) -> None:
    first, second, third = ROUND_ROBIN.phones
    await stage.available(third, first)
    assert await sequence(stage, ROUND_ROBIN, 3) == [1, 3, 1]
    # who never had a turn is next, then who had the last one longest ago
    await stage.available(second)
    assert await sequence(stage, ROUND_ROBIN, 4) == [2, 3, 1, 2]


async def test_top_down(stage: Stage) -> None:
    await stage.available(*TOP_DOWN.phones)
    calls = []
    for expected in (2, 3, 1):  # the best position that is free
        calls.append(stage.call(TOP_DOWN.did))
        view = await stage.waiting(calls[-1], "talking")
        assert view["agent"] == f"a{TOP_DOWN.phones[expected - 1]}"
    for call in calls:
        stage.callers.hangup(call)
    await stage.nobody_left()
    assert await sequence(stage, TOP_DOWN, 2) == [2, 2]


async def test_fewest_calls(stage: Stage) -> None:
    first, second, _ = FEWEST_CALLS.phones
    await stage.available(second)
    assert await sequence(stage, FEWEST_CALLS, 2) == [2, 2]
    await stage.available(first)
    # the second has been idle for longer, but took more calls
    assert await sequence(stage, FEWEST_CALLS, 3) == [1, 1, 2]


async def talked(stage: Stage, which: Line) -> list[float]:
    """Let each agent take a call; how long each talked, as the contact record says."""
    lengths = []
    for phone, talk_s in zip(which.phones, (1.2, 0.0, 0.5), strict=True):
        await stage.available(phone)
        caller = stage.new_number()
        assert await stage.talk(which.did, talk_s, caller) == phone
        lengths.append((await stage.record(caller))["talk_s"])
    assert min(lengths) < lengths[0], "the first has been idle longest and must not be the answer"
    return lengths


@pytest.mark.parametrize("which", [LEAST_TALK_TIME, LEAST_OCCUPIED], ids=lambda line: line.queue)
async def test_the_least_burdened(stage: Stage, which: Line) -> None:
    lengths = await talked(stage, which)
    assert await sequence(stage, which, 1) == [lengths.index(min(lengths)) + 1]


async def test_random(stage: Stage) -> None:
    await stage.available(*RANDOM.phones)
    drawn = await sequence(stage, RANDOM, 12)
    assert len(set(drawn)) > 1
    assert drawn != (drawn[:3] * 4), "these are turns"


async def test_weighted_random(stage: Stage) -> None:
    await stage.available(*WEIGHTED_RANDOM.phones)
    # 1 in 100,000 that this fails although all is well
    assert await sequence(stage, WEIGHTED_RANDOM, 5) == [2] * 5


async def test_best_skill(stage: Stage) -> None:
    await stage.available(*BEST_SKILL.phones)
    assert await sequence(stage, BEST_SKILL, 2) == [2, 2]
    await stage.away(BEST_SKILL.phones[1])
    assert await sequence(stage, BEST_SKILL, 2) == [3, 3]


async def test_ring_all(stage: Stage) -> None:
    first, second, third = RING_ALL.phones
    stage.phones.rules |= {first: NEVER_S, second: 0.3, third: NEVER_S}
    await stage.available(*RING_ALL.phones)
    caller = stage.call(RING_ALL.did)
    rung = [await stage.phones.rung(phone) for phone in RING_ALL.phones]
    assert max(c.invite_at for c in rung) - min(c.invite_at for c in rung) < 0.2
    view = await stage.waiting(caller, "talking")
    assert view["agent"] == f"a{second}"
    await asyncio.wait_for(rung[0].ended.wait(), PATIENCE_S)
    await asyncio.wait_for(rung[2].ended.wait(), PATIENCE_S)
    assert [c.ended_by for c in rung] == ["cancelled", "", "cancelled"]
    stage.phones.hangup(rung[1])
    await stage.ended(caller)
    record = await stage.record(caller.number)
    outcomes = {o["agent"]: o["outcome"] for o in record["offers"]}
    assert outcomes == {
        f"a{first}": "withdrawn",
        f"a{second}": "answered",
        f"a{third}": "withdrawn",
    }


async def test_ring_progressively(stage: Stage) -> None:
    first, second, third = RING_PROGRESSIVELY.phones
    stage.phones.rules |= {first: NEVER_S, second: NEVER_S}
    await stage.available(*RING_PROGRESSIVELY.phones)
    caller = stage.call(RING_PROGRESSIVELY.did)
    one, two, three = [await stage.phones.rung(p) for p in RING_PROGRESSIVELY.phones]
    assert 0.5 < two.invite_at - one.invite_at < 1.0
    assert 0.5 < three.invite_at - two.invite_at < 1.0
    view = await stage.waiting(caller, "talking")
    assert view["agent"] == f"a{third}"
    await asyncio.wait_for(one.ended.wait(), PATIENCE_S)
    await asyncio.wait_for(two.ended.wait(), PATIENCE_S)
    stage.callers.hangup(caller)
    await asyncio.wait_for(three.ended.wait(), PATIENCE_S)
    await stage.nobody_left()


async def test_the_second_level_is_asked_when_nobody_of_the_first_is_idle(stage: Stage) -> None:
    second, first = LEVELS.phones
    await stage.available(second, first)
    caller = stage.call(LEVELS.did)
    assert (await stage.waiting(caller, "talking"))["agent"] == f"a{first}"
    another = stage.call(LEVELS.did)
    assert (await stage.waiting(another, "talking"))["agent"] == f"a{second}"
    stage.callers.hangup(caller)
    stage.callers.hangup(another)
    await stage.nobody_left()


async def test_the_second_level_is_asked_after_some_waiting(stage: Stage) -> None:
    second, first = LEVEL_WAIT.phones
    await stage.available(second, first)
    caller = stage.call(LEVEL_WAIT.did)
    assert (await stage.waiting(caller, "talking"))["agent"] == f"a{first}"
    another = await stage.answered(stage.call(LEVEL_WAIT.did))
    rung = await stage.phones.rung(second)
    assert 1.2 < rung.invite_at - another.invite_at < 2.5
    stage.callers.hangup(caller)
    stage.callers.hangup(another)
    await stage.nobody_left()


async def test_a_required_skill_relaxes(stage: Stage) -> None:
    some, none = SKILLS.phones
    await stage.available(none, some)
    caller = stage.call(SKILLS.did)
    rung = await stage.phones.rung(some)
    assert 1.2 < rung.invite_at - caller.invite_at < 2.5
    assert stage.phones.count(none) == 0, "who does not have the skill was asked"
    explained = await stage.admin.get(
        f"/interactions/{(await stage.waiting(caller, 'talking'))['id']}/explain"
    )
    assert explained["candidates"]
    stage.callers.hangup(caller)
    await stage.nobody_left()


async def test_penalties_widen_with_waiting(stage: Stage) -> None:
    later, first, never = PENALTIES.phones
    await stage.available(later, first, never)
    caller = stage.call(PENALTIES.did)
    assert (await stage.waiting(caller, "talking"))["agent"] == f"a{first}"
    another = await stage.answered(stage.call(PENALTIES.did))
    rung = await stage.phones.rung(later)
    assert 1.2 < rung.invite_at - another.invite_at < 2.5
    await stage.waiting(another, "talking")
    last = stage.call(PENALTIES.did)
    waiting = await stage.waiting(last)
    explained = await stage.admin.get(f"/interactions/{waiting['id']}/explain")
    [outside] = [c for c in explained["candidates"] if c["agent"] == f"a{never}"]
    assert "penalty" in str(outside), explained
    assert stage.phones.count(never) == 0
    for call in (caller, another, last):
        stage.callers.hangup(call)
    await stage.nobody_left()

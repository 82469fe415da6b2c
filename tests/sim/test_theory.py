"""The simulator, and with it the engine, against queueing theory.

Formulas: :mod:`routing.erlang` (sources there), which :mod:`tests.routing.test_erlang` checks
against published tables. Each setting is one long run cut into 20 batches; the theory's value must
lie in the 95 % interval of the batch means. Seeds are fixed, so a setting that holds keeps holding;
they were not chosen: of the figures below, 5 % may miss, and ``MISSES`` bounds how many do.
"""

from __future__ import annotations

import pytest

from routing.commands import Outcome
from routing.erlang import (
    erlang_a,
    erlang_a_service_level,
    erlang_b,
    erlang_c,
    erlang_c_performance,
)
from routing.ids import AgentId, QueueId, SkillId
from routing.model import Agent, Membership, NoAnswer, Queue, Requirement, RoutingConfig, Skill
from sim.confidence import Estimate, batch_means
from tests.sim.house import HANDLE_S, markov, one_queue, run, steady

pytestmark = pytest.mark.sim

CALLS = 12_000
MISSES = 2


def _hours(rate_per_s: float) -> float:
    return CALLS / rate_per_s / 3600


def _interval(values: list[float]) -> Estimate:
    found = batch_means(values)
    assert found is not None
    return found


def _sane(found: Estimate, theory: float) -> bool:
    """In the interval; one that is far outside fails at once whatever ``MISSES`` allows."""
    assert abs(found.mean - theory) < 2.5 * found.half_width + 1e-3, (found, theory)
    return found.holds(theory)


ERLANG_B = [(1, 0.5), (3, 2.0), (5, 5.0), (10, 8.0), (20, 15.0)]
ERLANG_C = [(1, 0.6), (2, 1.4), (5, 4.0), (10, 8.0), (25, 21.0)]
ERLANG_A = [
    (1, 1.0, 60.0),
    (3, 3.5, 30.0),
    (5, 5.0, 60.0),
    (10, 11.0, 120.0),
    (20, 19.0, 90.0),
    (50, 48.0, 120.0),  # the example of Garnett, Mandelbaum and Reiman
]


def test_erlang_b() -> None:
    """M/M/n/n: whoever does not find an agent at once is sent away."""
    hits = []
    for agents, load in ERLANG_B:
        rate = load / HANDLE_S
        # a thousandth of a second of waiting is none
        outcomes = run(one_queue(agents, max_wait_s=0.001), markov({"q": rate}, _hours(rate)))
        accounts = steady(outcomes, 10 * HANDLE_S)
        assert {a.outcome for a in accounts} <= {Outcome.ANSWERED, Outcome.TIMED_OUT}
        blocked = [float(a.outcome is Outcome.TIMED_OUT) for a in accounts]
        hits.append(_sane(_interval(blocked), erlang_b(agents, load)))
    assert hits.count(False) <= 1, list(zip(ERLANG_B, hits, strict=True))


def test_erlang_c() -> None:
    """M/M/n: share that waits, and mean wait."""
    hits = []
    for agents, load in ERLANG_C:
        rate = load / HANDLE_S
        outcomes = run(one_queue(agents), markov({"q": rate}, _hours(rate)))
        accounts = steady(outcomes, 60 * HANDLE_S)
        theory = erlang_c_performance(agents, rate, HANDLE_S)
        waits = [a.wait_s for a in accounts]
        hits.append(_sane(_interval([float(w > 1e-6) for w in waits]), erlang_c(agents, load)))
        hits.append(_sane(_interval(waits), theory.mean_wait_s))
    assert hits.count(False) <= MISSES, list(zip(ERLANG_C, hits[::2], hits[1::2], strict=True))


def test_erlang_a() -> None:
    """M/M/n+M: abandonment, mean wait, service level."""
    hits = []
    for agents, load, patience_s in ERLANG_A:
        rate = load / HANDLE_S
        scenario = markov({"q": rate}, _hours(rate), patience_s=patience_s)
        accounts = steady(run(one_queue(agents), scenario), 20 * HANDLE_S)
        theory = erlang_a(agents, rate, HANDLE_S, patience_s)
        lost = [float(a.outcome is Outcome.ABANDONED) for a in accounts]
        in_time = [float(a.answered_at is not None and a.wait_s <= 20.0) for a in accounts]
        level = erlang_a_service_level(agents, rate, HANDLE_S, patience_s, 20.0)
        hits.append(_sane(_interval(lost), theory.abandons))
        hits.append(_sane(_interval([a.wait_s for a in accounts]), theory.mean_wait_s))
        hits.append(_sane(_interval(in_time), level))
    assert hits.count(False) <= MISSES, hits


def _two_queues(agents_each: int, crossed: int) -> RoutingConfig:
    """Two queues with agents of their own, of whom ``crossed`` on each side serve both."""
    queues = tuple(
        Queue(
            id=QueueId(f"q{n}"),
            no_answer=NoAnswer(pause_after=0),
            requires=(Requirement(skill=SkillId(f"k{n}")),),
        )
        for n in range(2)
    )
    agents = []
    for side in range(2):
        for n in range(agents_each):
            both = n < crossed
            agents.append(
                Agent(
                    id=AgentId(f"a{side}.{n}"),
                    skills={SkillId(f"k{k}"): 5 for k in range(2) if both or k == side},
                    memberships=tuple(Membership(queue=QueueId(f"q{k}")) for k in range(2)),
                )
            )
    return RoutingConfig(
        queues=queues,
        agents=tuple(agents),
        skills=tuple(Skill(id=SkillId(f"k{n}")) for n in range(2)),
    )


def test_pooling_and_a_little_flexibility() -> None:
    """The known economies of scale and of cross-training.

    Pooled, two lines are one M/M/2n (Smith and Whitt, "Resource sharing for efficiency in traffic
    systems", 1981); apart, two M/M/n. A few agents with both skills bring most of the gain
    (Wallace and Whitt, "A staffing algorithm for call centers with skill-based routing", 2005).
    """
    each, load = 5, 4.0
    rate = load / HANDLE_S
    waits: dict[int, Estimate] = {}
    for crossed in (0, 1, 2, each):
        # the same callers in each setting
        scenario = markov({"q0": rate, "q1": rate}, _hours(2 * rate))
        accounts = steady(run(_two_queues(each, crossed), scenario), 60 * HANDLE_S)
        waits[crossed] = _interval([a.wait_s for a in accounts])
    apart = erlang_c_performance(each, rate, HANDLE_S).mean_wait_s
    pooled = erlang_c_performance(2 * each, 2 * rate, HANDLE_S).mean_wait_s
    assert waits[0].holds(apart), (waits[0], apart)
    assert waits[each].holds(pooled), (waits[each], pooled)
    means = [waits[crossed].mean for crossed in (0, 1, 2, each)]
    assert means == sorted(means, reverse=True)
    assert means[0] > 1.8 * means[-1]
    gained = (means[0] - means[2]) / (means[0] - means[-1])
    assert gained > 0.6, means

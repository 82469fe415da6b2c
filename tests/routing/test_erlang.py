"""The formulas against published figures, the chains they solve, and each other."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.erlang import (
    agents_for,
    carries_per_s,
    erlang_a,
    erlang_a_service_level,
    erlang_b,
    erlang_c,
    erlang_c_performance,
    erlang_c_service_level,
)

pytestmark = pytest.mark.unit


def test_erlang_b_against_a_published_example() -> None:
    """15 lines and 1 % blocking carry 8.108 erlangs.

    Westbay Engineers, calculator manual, "How much traffic can a trunk group handle"
    (erlang.com/calculatormanual/howmuchtrafficcanatrunkgrouphandle.htm).
    """
    assert erlang_b(15, 8.108) == pytest.approx(0.01, rel=5e-4)


@pytest.mark.parametrize(
    ("agents", "load", "handle_s", "wait_s"),
    [
        # Abstract Micro Systems, Erlang Library for Excel, function reference
        # (abstractmicro.com/erlang/helppages/): ErlcWait4, then ErlcWait
        (20, 100 * 240 / 1800, 240.0, 2.243505841),
        (20, 100 * 300 / 1800, 300.0, 30.4312286),
        (100, 95.0, 300.0, 30.387409),
        (13, 10.75, 120.5, 22.270206),
    ],
)
def test_erlang_c_mean_wait_against_a_library(
    agents: int, load: float, handle_s: float, wait_s: float
) -> None:
    found = erlang_c_performance(agents, load / handle_s, handle_s)
    assert found.mean_wait_s == pytest.approx(wait_s, rel=1e-6)


@pytest.mark.parametrize(("load", "waiting"), [(8.0, 1.63672), (9.0, 6.01858)])
def test_erlang_c_line_against_a_library(load: float, waiting: float) -> None:
    """The same library's ErlcNwaiting, for 10 agents."""
    assert erlang_c_performance(10, load / 60, 60).waiting == pytest.approx(waiting, rel=1e-5)


# --- against the chains themselves, solved step by step ------------------------------------------


def _chain(agents: int, load: float, leave: float, room: int) -> list[float]:
    """Stationary probabilities of 0, 1, ... callers present, from the balance of neighbours.

    Rates in units of one agent's: ``load`` come, ``min(k, agents)`` are served, and each who waits
    leaves at ``leave``. ``room``: how many fit, so that the chain ends.
    """
    weights = [Fraction(1)]
    for k in range(1, room + 1):
        out = min(k, agents) + Fraction(leave) * max(0, k - agents)
        weights.append(weights[-1] * Fraction(load) / out)
    total = sum(weights)
    return [float(w / total) for w in weights]


@pytest.mark.parametrize(("agents", "load"), [(1, 0.5), (3, 2.0), (10, 8.0), (20, 15.0), (50, 48)])
def test_erlang_b_is_the_full_state_of_its_chain(agents: int, load: float) -> None:
    assert erlang_b(agents, load) == pytest.approx(_chain(agents, load, 0, agents)[-1], rel=1e-12)


@pytest.mark.parametrize(("agents", "load"), [(1, 0.5), (2, 1.5), (5, 4.0), (10, 8.0)])
def test_erlang_c_is_its_chain(agents: int, load: float) -> None:
    states = _chain(agents, load, 0, agents + 150)  # (load/agents)^150 is nothing
    found = erlang_c_performance(agents, load / 60, 60)
    assert found.waits == pytest.approx(sum(states[agents:]), rel=1e-9)
    line = sum((k - agents) * p for k, p in enumerate(states) if k > agents)
    assert found.waiting == pytest.approx(line, rel=1e-9)
    assert found.mean_wait_s == pytest.approx(line / load * 60, rel=1e-9), "Little's law"


# agents, load, patience in handle times
CHAINS_A = [
    (1, 1.0, 1.0),
    (3, 2.5, 0.5),
    (10, 8.0, 2.0),
    (50, 48.0, 2.0),
    (5, 9.0, 1.5),
    (2, 3.0, 4),
]


@pytest.mark.parametrize(("agents", "load", "patience"), CHAINS_A)
def test_erlang_a_is_its_chain(agents: int, load: float, patience: float) -> None:
    states = _chain(agents, load, 1 / patience, agents + 200)
    found = erlang_a(agents, load / 60, 60, patience * 60)
    line = sum((k - agents) * p for k, p in enumerate(states) if k > agents)
    assert found.waits == pytest.approx(sum(states[agents:]), rel=1e-9)
    assert found.waiting == pytest.approx(line, rel=1e-9)
    assert found.abandons == pytest.approx(line / patience / load, rel=1e-9)
    busy = sum(min(k, agents) * p for k, p in enumerate(states))
    assert found.occupancy == pytest.approx(busy / agents, rel=1e-9)


def _served_within(ahead: int, agents: int, leave: float, until: float) -> float:
    """Whether the one behind ``ahead`` others is served by ``until``: the race, step by step.

    By uniformisation: a Poisson stream of ticks, at each of which the line may move, the one may
    leave, or nothing happens. ``until`` in handle times.
    """
    ticks = agents + (ahead + 1) * leave  # a rate that is enough for everything
    place = [0.0] * (ahead + 1)
    place[ahead] = 1.0
    served, total = 0.0, 0.0
    weight = math.exp(-ticks * until)
    passed, n = weight, 0
    while True:
        total += weight * served
        if 1 - passed < 1e-13 or n > 10_000:
            return total + (1 - passed) * served
        after = [0.0] * (ahead + 1)
        for k, p in enumerate(place):
            moves = agents + k * leave
            if k:
                after[k - 1] += p * moves / ticks
            else:
                served += p * moves / ticks
            after[k] += p * (1 - (moves + leave) / ticks)
        place = after
        n += 1
        weight *= ticks * until / n
        passed += weight


@pytest.mark.parametrize(("agents", "load", "patience"), CHAINS_A)
@pytest.mark.parametrize("within", [0.1, 0.7])
def test_erlang_a_service_level_is_the_race_behind_the_line(
    agents: int, load: float, patience: float, within: float
) -> None:
    states = _chain(agents, load, 1 / patience, agents + 60)
    expected = sum(states[:agents]) + sum(
        p * _served_within(k - agents, agents, 1 / patience, within)
        for k, p in enumerate(states)
        if k >= agents and p > 1e-12
    )
    found = erlang_a_service_level(agents, load / 60, 60, patience * 60, within * 60)
    assert found == pytest.approx(expected, abs=1e-6)


def _b_by_definition(agents: int, load: float) -> float:
    terms = [load**k / math.factorial(k) for k in range(agents + 1)]
    return terms[-1] / sum(terms)


@given(st.integers(0, 60), st.floats(0.01, 80))
def test_erlang_b_is_its_definition(agents: int, load: float) -> None:
    assert erlang_b(agents, load) == pytest.approx(_b_by_definition(agents, load), rel=1e-9)


@given(st.integers(1, 200), st.floats(0.05, 0.99), st.floats(10, 600))
def test_patience_without_end_is_erlang_c(agents: int, rho: float, handle_s: float) -> None:
    calls = rho * agents / handle_s
    endless = erlang_a(agents, calls, handle_s, math.inf)
    assert endless.waits == pytest.approx(erlang_c(agents, rho * agents))
    near = erlang_a(agents, calls, handle_s, handle_s * 1e7)
    assert near.waits == pytest.approx(endless.waits, rel=0.02)


@given(st.integers(1, 300), st.floats(0.05, 3.0), st.floats(10, 600), st.floats(5, 2000))
def test_erlang_a_balances(agents: int, rho: float, handle_s: float, patience_s: float) -> None:
    """What comes in goes out: served by busy agents, or given up."""
    calls = rho * agents / handle_s
    found = erlang_a(agents, calls, handle_s, patience_s)
    served = found.occupancy * agents / handle_s
    assert served + found.abandons * calls == pytest.approx(calls, rel=1e-9)
    assert 0 <= found.waits <= 1
    level = erlang_a_service_level(agents, calls, handle_s, patience_s, 1e9)
    assert level == pytest.approx(1 - found.abandons, abs=1e-6)
    at_once = erlang_a_service_level(agents, calls, handle_s, patience_s, 0)
    assert at_once == pytest.approx(1 - found.waits, abs=1e-9)


def test_equal_rates_are_an_infinite_server_queue() -> None:
    """With patience = service time the number present is Poisson (M/M/inf): a closed form."""
    load, agents = 8.0, 10
    poisson = [math.exp(-load) * load**k / math.factorial(k) for k in range(60)]
    assert erlang_a(agents, load / 60, 60, 60).waits == pytest.approx(sum(poisson[agents:]))


def test_thousands_of_agents_neither_overflow_nor_lose_digits() -> None:
    overloaded = erlang_a(5000, 6500 / 60, 60, 120)
    assert overloaded.abandons == pytest.approx(1 - 5000 / 6500)
    assert erlang_b(10_000, 9_000) < 1e-20
    assert 0 < erlang_c(1_000, 999.0) < 1
    assert erlang_a_service_level(5000, 6500 / 60, 60, 120, 20) == pytest.approx(0, abs=1e-9)
    assert erlang_a_service_level(5000, 6500 / 60, 60, 120, 60) > 0.7


def test_the_ends() -> None:
    assert erlang_c(5, 5.0) == 1.0
    assert erlang_c_performance(5, 1.0, 5.0).mean_wait_s == math.inf
    assert erlang_c_service_level(5, 1.0, 6.0, 20) == 0.0
    assert erlang_c_service_level(50, 0.8, 60, 20) == pytest.approx(0.6434546)
    assert erlang_a(0, 1.0, 60, 60).abandons == pytest.approx(1)
    assert erlang_a(3, 0.0, 60, 60).occupancy == 0
    assert erlang_a_service_level(0, 1.0, 60, 60, 20) == 0
    assert erlang_a_service_level(1, 0.0, 60, 60, 20) == 1
    assert erlang_a_service_level(50, 0.8, 60, math.inf, 20) == pytest.approx(0.6434546)
    for wrong in ((-1, 1.0), (1, -1.0), (1, math.inf), (1, math.nan)):
        with pytest.raises(ValueError, match="must"):
            erlang_b(*wrong)


@pytest.mark.parametrize("agents", [1, 2, 7, 40, 200])
def test_staffing_turns_the_formula_round(agents: int) -> None:
    calls = carries_per_s(agents, 180, 120, within_s=20)
    assert erlang_a_service_level(agents, calls, 180, 120, 20) == pytest.approx(0.8, abs=1e-4)
    assert agents_for(calls * 0.999, 180, 120, within_s=20) == agents
    assert carries_per_s(0, 180, 120, within_s=20) == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        agents_for(1, 180, 120, within_s=20, share=1.0)

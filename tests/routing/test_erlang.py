"""The formulas against published figures and against each other."""

from __future__ import annotations

import math

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


@pytest.mark.parametrize(
    ("agents", "load", "blocked"),
    [
        # the usual 1 %, 2 % and 0.1 % columns of Erlang B tables (ITU-D Teletraffic Engineering
        # Handbook, table of Erlang's B-formula; Westbay's calculator manual: 15 lines, 8.108 E)
        (1, 0.0101, 0.01),
        (5, 1.361, 0.01),
        (10, 4.461, 0.01),
        (15, 8.108, 0.01),
        (20, 12.03, 0.01),
        (50, 37.90, 0.01),
        (100, 84.06, 0.01),
        (10, 5.084, 0.02),
        (30, 21.93, 0.02),
        (10, 3.092, 0.001),
    ],
)
def test_erlang_b_against_tables(agents: int, load: float, blocked: float) -> None:
    assert erlang_b(agents, load) == pytest.approx(blocked, rel=0.005)


@pytest.mark.parametrize(
    ("agents", "calls", "handle_s", "wait_s"),
    [
        # Abstract Micro Systems, Erlang Library for Excel, reference page of ErlcWait4:
        # calls in 1800 s
        (20, 100, 240.0, 2.243505841),
        (20, 100, 300.0, 30.4312286),
    ],
)
def test_erlang_c_mean_wait_against_a_library(
    agents: int, calls: int, handle_s: float, wait_s: float
) -> None:
    found = erlang_c_performance(agents, calls / 1800, handle_s)
    assert found.mean_wait_s == pytest.approx(wait_s, rel=1e-6)


def test_erlang_c_and_a_against_garnett_mandelbaum_reiman() -> None:
    """Table 1 of "Designing a call center with impatient customers" (2002).

    50 agents, 48 calls a minute, 1 minute of service, 2 minutes of patience.
    """
    without = erlang_c_performance(50, 48 / 60, 60)
    assert without.mean_wait_s == pytest.approx(20.8, abs=0.05)
    assert without.waiting == pytest.approx(17, abs=0.5)
    assert without.occupancy == pytest.approx(0.96, abs=0.005)
    with_ = erlang_a(50, 48 / 60, 60, 120)
    assert with_.abandons == pytest.approx(0.031, abs=0.0005)
    assert with_.mean_wait_s == pytest.approx(3.7, abs=0.05)
    assert with_.waiting == pytest.approx(3, abs=0.5)
    assert with_.occupancy == pytest.approx(0.93, abs=0.005)


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

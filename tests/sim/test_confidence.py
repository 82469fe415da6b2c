"""Intervals that hold as often as they say."""

from __future__ import annotations

import math

import pytest

from sim.confidence import batch_means, difference, estimate, t_quantile
from sim.scenario import stream

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    # Student's t, two-sided 5 %: the usual printed tables
    [(1, 12.706), (4, 2.776), (9, 2.262), (30, 2.042), (40, 2.021), (60, 2.000), (120, 1.980)],
)
def test_t_against_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=0.001)


def test_coverage() -> None:
    rng = stream(5, "coverage")
    hits = 0
    for _ in range(2000):
        found = estimate([rng.gauss(10, 3) for _ in range(6)])
        assert found is not None
        hits += found.holds(10)
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_one_value_says_nothing_about_its_spread() -> None:
    one = estimate([3.0])
    assert one is not None
    assert math.isinf(one.half_width)
    assert estimate([]) is None
    assert estimate([None, None]) is None
    two = estimate([1.0, None, 3.0])
    assert two is not None
    assert (two.mean, two.count) == (2.0, 2)


def test_pairs_and_batches() -> None:
    moved = difference([10.0, 20.0, 30.0], [11.0, 21.0, 31.0])
    assert moved is not None
    assert (moved.mean, moved.half_width) == (1.0, 0.0)
    batched = batch_means([float(n % 10) for n in range(1000)])
    assert batched is not None
    assert (batched.mean, batched.count) == (4.5, 20)
    assert batch_means([1.0] * 10) is None
    with pytest.raises(ValueError, match="degree"):
        t_quantile(0)

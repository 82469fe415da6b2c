"""The announced wait: right on average, an interval that holds, and honest about its own error."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.estimate import (
    QUANTILE,
    Calibration,
    ExpectedWait,
    Fading,
    WaitModel,
    expected_wait,
)

pytestmark = pytest.mark.unit


def _true_wait(
    rng: random.Random, position: int, agents: int, handle: float, patience: float
) -> float:
    return sum(rng.expovariate(agents / handle + i / patience) for i in range(position))


@pytest.mark.parametrize(
    ("position", "agents", "patience"),
    [(1, 1, 60.0), (1, 10, 90.0), (3, 2, math.inf), (8, 5, 120.0), (40, 12, 240.0), (90, 30, 60.0)],
)
def test_the_interval_holds_as_often_as_it_says(
    position: int, agents: int, patience: float
) -> None:
    rng = random.Random(7)  # noqa: S311 - repeatable
    told = expected_wait(position, agents, 180.0, patience)
    assert told is not None
    waits = [_true_wait(rng, position, agents, 180.0, patience) for _ in range(4000)]
    inside = sum(told.low_s <= w <= told.high_s for w in waits) / len(waits)
    assert inside == pytest.approx(QUANTILE, abs=0.03)
    assert told.mid_s == pytest.approx(sum(waits) / len(waits), rel=0.05)


@given(st.integers(65, 3000), st.floats(0.5, 300), st.floats(5, 5000))
def test_the_long_sum_is_the_sum(position: int, agents: float, patience: float) -> None:
    told = expected_wait(position, agents, 180.0, patience)
    assert told is not None
    exact = sum(1 / (agents / 180.0 + i / patience) for i in range(position))
    assert told.mid_s == pytest.approx(exact, rel=1e-3)


@given(
    st.integers(1, 500), st.floats(0.1, 500), st.floats(1, 900), st.floats(1, 900), st.floats(0, 9)
)
def test_ordered_and_growing_with_position(
    position: int, agents: float, handle: float, patience: float, cv2: float
) -> None:
    near = expected_wait(position, agents, handle, patience, handle_cv2=cv2, observations=5)
    far = expected_wait(position + 1, agents, handle, patience, handle_cv2=cv2, observations=5)
    assert near is not None
    assert far is not None
    assert 0 <= near.low_s <= near.mid_s
    assert near.low_s <= near.high_s
    assert far.mid_s > near.mid_s


def test_few_observations_widen_and_regular_calls_narrow() -> None:
    def width(**more: float) -> float:
        told = expected_wait(5, 1, 180, math.inf, **more)
        assert told is not None
        return told.high_s - told.low_s

    assert width(observations=3) > 1.3 * width()
    assert width(handle_cv2=0.1) < 0.5 * width()


def test_almost_nothing_known_is_said_widely() -> None:
    told = expected_wait(1, 1, 180.0, 60.0, handle_cv2=9.0, observations=1)
    assert told is not None
    assert (told.low_s, told.mid_s) == (0.0, pytest.approx(180))
    assert told.high_s > 2 * told.mid_s


def test_a_long_line_of_patient_callers() -> None:
    told = expected_wait(100, 10, 180.0, math.inf)
    assert told is not None
    assert told.mid_s == pytest.approx(100 * 18.0)
    assert told.high_s - told.low_s == pytest.approx(2 * 1.2816 * 10 * 18.0, rel=0.01)


def test_nobody_serves() -> None:
    assert expected_wait(1, 0, 180, 60) is None
    assert expected_wait(0, 1, 180, 60) is None
    assert WaitModel().expect(1, 0) is None


def test_fading_learns_and_forgets() -> None:
    stream = Fading.prior(180.0)
    for _ in range(300):
        stream.add(60.0)
    assert stream.mean == pytest.approx(60, abs=4)
    for _ in range(1500):
        stream.add(300.0)
    assert stream.mean == pytest.approx(300, abs=2)
    assert stream.cv2 < 0.01
    assert stream.seen == 1800


def test_patience_counts_those_who_were_answered() -> None:
    rng = random.Random(3)  # noqa: S311 - repeatable
    model = WaitModel()
    for _ in range(3000):
        patience, needed = rng.expovariate(1 / 100), rng.expovariate(1 / 60)
        model.waited(min(patience, needed), gave_up=patience < needed)
    assert model.patience_s == pytest.approx(100, rel=0.25)
    model.waited(math.nan, gave_up=True)
    model.waited(-1, gave_up=True)
    model.handled(math.inf)
    assert math.isfinite(model.patience_s)
    assert model.handle.seen == 0


def test_nobody_gives_up_is_patience_without_bound() -> None:
    model = WaitModel()
    for _ in range(5000):
        model.waited(30.0, gave_up=False)
    assert 10_000 < model.patience_s < 1e8


def test_calibration_reports_bias_and_coverage() -> None:
    model = WaitModel()
    told = ExpectedWait(10.0, 20.0, 30.0)
    for wait in (5.0, 15.0, 25.0, 40.0):
        model.calibration.add(told, wait, answered=True)
    model.calibration.add(told, 12.0, answered=False)
    model.calibration.add(told, 31.0, answered=False)
    report = model.calibration.report()
    assert report["announced"] == 6
    assert report["coverage"] == 0.5
    assert report["above"] == 2
    assert report["bias_s"] == pytest.approx(1.25)
    assert report["mean_absolute_error_s"] == pytest.approx(11.25)
    assert Calibration().report()["coverage"] is None
    at_once = Calibration()
    at_once.add(ExpectedWait(0.0, 0.0, 0.0), 3.0, answered=True)
    assert (at_once.above, at_once.correction) == (1, 1.0)


def test_the_correction_finds_the_truth_and_stays_there() -> None:
    """Waits are 2.5 times what the model alone says, and half the callers leave before."""
    rng = random.Random(9)  # noqa: S311 - repeatable
    model = WaitModel()
    seen = []
    for _ in range(4000):
        told = model.expect(1, 2)
        assert told is not None
        wait = rng.expovariate(1 / (told.raw_s * 2.5))
        patience = rng.expovariate(1 / (told.raw_s * 3))
        model.calibration.add(told, min(wait, patience), answered=wait <= patience)
        seen.append(model.calibration.correction)
    late = seen[1000:]
    assert sum(late) / len(late) == pytest.approx(2.5, rel=0.15)
    assert max(late) / min(late) < 2.5


def test_the_correction_is_bounded() -> None:
    model = WaitModel()
    for _ in range(2000):
        model.calibration.add(ExpectedWait(1.0, 2.0, 3.0, 2.0), 900.0, answered=False)
    assert model.calibration.correction == 5.0
    for _ in range(5000):
        model.calibration.add(ExpectedWait(100.0, 200.0, 300.0, 200.0), 0.1, answered=True)
    assert model.calibration.correction == pytest.approx(0.2)


def test_a_model_survives_as_plain_json() -> None:
    model = WaitModel(90, 45)
    model.handled(100)
    model.waited(12, gave_up=True)
    again = WaitModel.from_data(json.loads(json.dumps(model.to_data())))
    assert again.expect(3, 2) == model.expect(3, 2)

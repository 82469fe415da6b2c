"""The wait that callers are told, in the production engine, against the wait they have."""

from __future__ import annotations

import pytest

from routing.engine import Engine
from routing.estimate import QUANTILE
from routing.ids import QueueId
from routing.model import Announcements
from sim.day import make_day, prepared
from sim.simulator import Simulation
from tests.sim.house import HANDLE_S, markov, one_queue

pytestmark = pytest.mark.sim


def calibrated(agents: int, load: float, patience_s: float) -> Engine:
    says = Announcements(first_after_s=1.0, every_s=600.0, position=True, expected_wait=True)
    rate = load / HANDLE_S
    scenario = markov({"q": rate}, 6000 / rate / 3600, patience_s=patience_s)
    ready = prepared(one_queue(agents, announcements=says), scenario)
    simulation = Simulation(ready, make_day(ready, scenario), scenario)
    assert simulation.run().refused == []
    return simulation.engine


@pytest.mark.parametrize(
    ("agents", "load", "patience_s"), [(2, 1.8, 300.0), (6, 6.5, 120.0), (15, 18.0, 90.0)]
)
def test_the_interval_holds_and_the_engine_knows_its_own_error(
    agents: int, load: float, patience_s: float
) -> None:
    engine = calibrated(agents, load, patience_s)
    report = engine.announced_waits()[QueueId("q")]
    assert report["target"] == QUANTILE
    answered, coverage = report["answered"], report["coverage"]
    correction = report["correction"]
    assert answered is not None
    assert coverage is not None
    assert correction is not None
    assert answered > 500
    assert coverage == pytest.approx(QUANTILE, abs=0.08)
    # the model alone is right here, so there is nothing to correct
    assert correction == pytest.approx(1.0, abs=0.25)
    assert report["given_up"]

"""The wait that callers are told, in the production engine, against the wait they have."""

from __future__ import annotations

import pytest

from routing.engine import Engine
from routing.estimate import QUANTILE
from routing.ids import AgentId, QueueId
from routing.model import Agent, Announcements, Membership, NoAnswer, Queue, RoutingConfig
from sim.day import make_day, prepared
from sim.simulator import Simulation
from tests.sim.house import HANDLE_S, markov, one_queue

pytestmark = pytest.mark.sim


SAYS = Announcements(first_after_s=1.0, every_s=600.0, position=True, expected_wait=True)
CALLS = 6000


def told(config: RoutingConfig, loads: dict[str, float], patience_s: float) -> Engine:
    """After a day of ``loads`` erlangs for each queue, with the waits that were announced."""
    rates = {queue: load / HANDLE_S for queue, load in loads.items()}
    scenario = markov(rates, CALLS / sum(rates.values()) / 3600, patience_s=patience_s)
    ready = prepared(config, scenario)
    simulation = Simulation(ready, make_day(ready, scenario), scenario)
    assert simulation.run().refused == []
    return simulation.engine


@pytest.mark.parametrize(
    ("agents", "load", "patience_s"), [(2, 1.8, 300.0), (6, 6.5, 120.0), (15, 18.0, 90.0)]
)
def test_the_interval_holds_and_the_engine_knows_its_own_error(
    agents: int, load: float, patience_s: float
) -> None:
    engine = told(one_queue(agents, announcements=SAYS), {"q": load}, patience_s)
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


def crews(sizes: dict[str, int]) -> RoutingConfig:
    """``{"a": 3, "ab": 2}``: three agents who serve queue a alone, and two who serve a and b."""
    return RoutingConfig(
        queues=tuple(
            Queue(id=QueueId(q), announcements=SAYS, no_answer=NoAnswer(pause_after=0))
            for q in sorted(set("".join(sizes)))
        ),
        agents=tuple(
            Agent(
                id=AgentId(f"{lines}{n}"),
                memberships=tuple(Membership(queue=QueueId(q)) for q in lines),
            )
            for lines, size in sizes.items()
            for n in range(size)
        ),
    )


@pytest.mark.parametrize(
    ("sizes", "loads"),
    [
        ({"ab": 6}, {"a": 2.7, "b": 2.7}),  # everybody serves both
        ({"ab": 6}, {"a": 4.6, "b": 0.8}),  # likewise, one line much the longer
        ({"a": 3, "ab": 3}, {"a": 3.3, "b": 2.0}),  # one line has a crew of its own
        ({"ab": 3, "bc": 3}, {"a": 1.6, "b": 2.2, "c": 1.6}),  # the middle one has two crews
        ({"ab": 3, "bc": 3, "ca": 3}, {"a": 2.5, "b": 2.5, "c": 3.0}),  # a ring
        ({"abc": 5, "a": 1, "b": 1, "c": 1}, {"a": 2.2, "b": 2.2, "c": 2.2}),
    ],
)
def test_it_holds_for_agents_who_serve_several_queues(
    sizes: dict[str, int], loads: dict[str, float]
) -> None:
    """Callers who wait for ever, so that each announced wait is seen to its end."""
    for queue, report in told(crews(sizes), loads, 0.0).announced_waits().items():
        answered, coverage = report["answered"], report["coverage"]
        correction = report["correction"]
        assert answered is not None
        assert coverage is not None
        assert correction is not None
        assert answered > 300, queue
        assert coverage == pytest.approx(QUANTILE, abs=0.08), queue
        # the sharing is what the model knows, not what has to be learnt from its failures
        assert correction == pytest.approx(1.0, abs=0.25), queue

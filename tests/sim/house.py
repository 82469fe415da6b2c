"""Small houses for simulations against theory."""

from __future__ import annotations

from typing import Any

from routing.commands import InteractionAccount
from routing.ids import AgentId, QueueId
from routing.model import Agent, Membership, NoAnswer, Queue, RoutingConfig
from sim.day import make_day, prepared
from sim.scenario import Arrivals, Distribution, People, Scenario
from sim.simulator import Outcomes, Simulation

HANDLE_S = 60.0
AT_ONCE = People(
    ring_delay_s=0.0,
    pickup=Distribution(kind="constant", mean_s=0.0),
    no_answer_share=0.0,
    talk=Distribution(mean_s=HANDLE_S),
)


def one_queue(agents: int, **queue: Any) -> RoutingConfig:
    """``agents`` alike who serve one queue."""
    return RoutingConfig(
        queues=(Queue(id=QueueId("q"), no_answer=NoAnswer(pause_after=0), **queue),),
        agents=tuple(
            Agent(id=AgentId(f"a{n}"), memberships=(Membership(queue=QueueId("q")),))
            for n in range(agents)
        ),
    )


def markov(
    rates_per_s: dict[str, float], hours: float, *, patience_s: float = 0.0, seed: int = 1
) -> Scenario:
    """Poisson arrivals, exponential talk of a minute, agents who pick up at once.

    ``patience_s`` 0: everybody waits for ever.
    """
    return Scenario(
        hours=hours,
        seed=seed,
        replications=1,
        patience=Distribution(mean_s=patience_s),
        arrivals=[Arrivals(queue=q, per_hour=r * 3600) for q, r in rates_per_s.items()],
        people=AT_ONCE,
    )


def run(config: RoutingConfig, scenario: Scenario, replication: int = 0) -> Outcomes:
    """One run, which must not hold a fact that the engine refused."""
    ready = prepared(config, scenario)
    outcomes = Simulation(ready, make_day(ready, scenario, replication), scenario).run()
    assert outcomes.refused == []
    return outcomes


def steady(outcomes: Outcomes, warm_up_s: float) -> list[InteractionAccount]:
    """Accounts in order of arrival, without those of the warm-up."""
    kept = [a for a in outcomes.accounts if a.arrived_at >= outcomes.start + warm_up_s]
    return sorted(kept, key=lambda a: a.arrived_at)

"""An 8-hour day with 1,000 agents and 40,000 calls on one core: how long does it take?

20 queues of which every agent serves four, skills with relaxing requirements, no-answer, wrap-up
and breaks. Prints what the day was like, one line of JSON, PASS or SHORT: the limit, 20 s of one
core, is held against the process's CPU time; the time on the wall is printed beside it.
"""

from __future__ import annotations

import sys
import time

from bench._report import verdict
from routing.ids import AgentId, QueueId, SkillId
from routing.model import Agent, Membership, Queue, RelaxStep, Requirement, RoutingConfig, Skill
from sim.day import make_day, prepared
from sim.figures import TOTAL, count
from sim.scenario import Arrivals, Break, Distribution, People, Scenario, Shift
from sim.simulator import Simulation

AGENTS, CALLS, HOURS, QUEUES = 1000, 40_000, 8.0, 20
LIMIT_S = 20.0
STRATEGIES = ("longest_idle", "fewest_calls", "round_robin", "best_skill", "least_occupied")


def config() -> RoutingConfig:
    """The house: queue n asks for skill n % 5 at level 3, and relaxes."""
    skills = tuple(Skill(id=SkillId(f"k{n}")) for n in range(5))
    queues = tuple(
        Queue(
            id=QueueId(f"q{n}"),
            strategy=STRATEGIES[n % len(STRATEGIES)],
            requires=(Requirement(skill=SkillId(f"k{n % 5}"), level=3),),
            relax=(RelaxStep(after_s=20.0, drop_all=True),),
            wrap_up_s=30.0,
            head_start_s=float(n % 3) * 10,
        )
        for n in range(QUEUES)
    )
    agents = tuple(
        Agent(
            id=AgentId(f"a{n}"),
            skills={SkillId(f"k{k}"): (n + k) % 10 for k in range(5)},
            memberships=tuple(
                Membership(queue=QueueId(f"q{(n + 5 * k + k) % QUEUES}")) for k in range(4)
            ),
        )
        for n in range(AGENTS)
    )
    return RoutingConfig(queues=queues, agents=agents, skills=skills)


def scenario() -> Scenario:
    """Load of about 85 % with a peak before noon."""
    shape = [0.7, 0.9, 1.1, 1.25, 1.3, 1.2, 1.0, 0.8, 0.8, 0.95, 1.1, 1.15, 1.1, 1.0, 0.9, 0.75]
    unit = CALLS / QUEUES / sum(shape)
    return Scenario(
        hours=HOURS,
        replications=1,
        arrivals=[
            Arrivals(queue=f"q{n}", per_half_hour=[unit * s for s in shape]) for n in range(QUEUES)
        ],
        shifts=[
            Shift(
                **{"from": "00:00", "to": "24:00"},
                breaks=[Break(at="12:00", minutes=30, reason="lunch")],
                spread_minutes=120,
            )
        ],
        people=People(talk=Distribution(kind="lognormal", mean_s=560.0, cv=0.8)),
    )


def main() -> int:
    ready = prepared(config(), scenario())
    began = time.perf_counter()
    cpu = time.process_time()
    day = make_day(ready, scenario())
    outcomes = Simulation(ready, day, scenario()).run()
    figures = count(ready, scenario(), outcomes)
    took_s = time.perf_counter() - began
    cpu_s = time.process_time() - cpu
    whole = figures.by_queue[TOTAL]
    calls = len(day.callers)
    print(f"{AGENTS} agents, {QUEUES} queues, {calls} calls in {HOURS:g} h of virtual time")
    level, occupancy = whole.value("service_level"), whole.value("occupancy")
    print(
        f"answered {whole.tally.answered}, abandoned {whole.tally.abandoned}, "
        f"service level {level:.1%}, occupancy {occupancy:.1%}"
    )
    print(
        f"{took_s:.1f} s ({cpu_s:.1f} s CPU), {outcomes.facts} facts, "
        f"{1e6 * cpu_s / outcomes.facts:.1f} us a fact, {HOURS * 3600 / took_s:.0f} times real time"
    )
    complete = len(outcomes.accounts) >= calls and not outcomes.refused
    good = complete and cpu_s <= LIMIT_S and calls >= CALLS * 0.97
    return verdict(
        "simulate",
        {
            "agents": AGENTS,
            "calls": calls,
            "seconds": round(took_s, 2),
            "cpu_seconds": round(cpu_s, 2),
            "facts": outcomes.facts,
            "refused": len(outcomes.refused),
            "journal_hash": outcomes.journal_hash,
            "limit_s": LIMIT_S,
        },
        ok=good,
        saying=f"an 8-hour day in {cpu_s:.1f} s of one core (limit {LIMIT_S:g} s), "
        f"{'every' if complete else 'NOT every'} call accounted for",
    )


if __name__ == "__main__":
    sys.exit(main())

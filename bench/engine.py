"""One decision of the routing engine at two sizes: does it stay quick, and does it stay flat?

A day's middle, twice: 1,000 agents all talking with 1,000 callers waiting, then 100,000 and
100,000; 200 queues, agents in three of them, twelve skills, callers who ask for one or two, and
requirements that relax. Then calls end, others come, some give up, agents pause and return, and
callers are told their place and expected wait.
Every ``Engine.handle`` is timed on its own, by the clock on the wall. On a machine that is busy
with other work that counts their time too; the CPU time beside it and the interruptions tell.

    python -m bench.engine [--quick]
"""

from __future__ import annotations

import gc
import random
import sys
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, perf_counter_ns, thread_time_ns
from typing import Any

from bench._report import percentile, table, verdict
from routing.commands import Offer, StartTimer
from routing.engine import Engine
from routing.facts import (
    AgentHungUp,
    AgentStatus,
    AgentStatusSet,
    CallerHungUp,
    CustomerMatched,
    Fact,
    InteractionArrived,
    OfferAnswered,
    OfferRinging,
    Party,
    TimerFired,
)
from routing.ids import (
    AgentId,
    CustomerId,
    InteractionId,
    OfferId,
    PhoneId,
    QueueId,
    SkillId,
    TimerId,
)
from routing.model import (
    Agent,
    Announcements,
    Entry,
    Membership,
    Queue,
    RelaxStep,
    Requirement,
    RoutingConfig,
    Skill,
)

QUEUES = 200
SKILLS = 12
STRATEGIES = ("longest_idle", "round_robin", "fewest_calls", "least_occupied", "best_skill")
ANNOUNCED = "expected waits"
"""Shown apart: no decision, nothing waits for it, and it looks at the lines of 17 queues here."""
LIMIT_US = 100.0
GROWTH = 2.0


def configuration(agents: int, rng: random.Random) -> RoutingConfig:
    """Queues with every kind of ranking, agents in three of them."""
    skills = tuple(Skill(id=SkillId(f"s{n}")) for n in range(SKILLS))
    queues = tuple(
        Queue(
            id=QueueId(f"q{n}"),
            strategy=STRATEGIES[n % len(STRATEGIES)],
            relax=(
                RelaxStep(after_s=60.0, levels={SkillId(f"s{n % SKILLS}"): 1}),
                RelaxStep(after_s=600.0, drop_all=True),
            ),
            announcements=Announcements(
                position=True, expected_wait=True, first_after_s=30.0, every_s=60.0
            ),
        )
        for n in range(QUEUES)
    )
    entries = tuple(
        Entry(
            did=f"{n:03}{m}",
            queue=QueueId(f"q{n}"),
            priority=m % 2,
            skills=(
                Requirement(skill=SkillId(f"s{n % SKILLS}"), level=1 + m % 3),
                Requirement(skill=SkillId(f"s{(n + m) % SKILLS}"), required=False),
            ),
        )
        for n in range(QUEUES)
        for m in range(4)
    )
    people = []
    for n in range(agents):
        mine = [n % QUEUES, *rng.sample(range(QUEUES), 2)]
        people.append(
            Agent(
                id=AgentId(f"a{n}"),
                phone=PhoneId(f"p{n}"),
                skills={
                    SkillId(f"s{q % SKILLS}"): rng.randint(1, 5) for q in mine if rng.random() < 0.9
                },
                memberships=tuple(
                    Membership(queue=QueueId(f"q{q}"), level=1 + (i > 0))
                    for i, q in enumerate(dict.fromkeys(mine))
                ),
            )
        )
    return RoutingConfig(
        queues=queues,
        agents=tuple(people),
        skills=skills,
        entries=entries,
        max_live=10 * agents + 1000,
    )


class Floor:
    """Plays everybody outside the engine: callers, phones, the clock."""

    def __init__(self, agents: int) -> None:
        self.rng = random.Random(7)
        self.engine = Engine(configuration(agents, self.rng), seed=1)
        self.now = 1_800_000_000.0
        self.agents = agents
        self.talking: list[tuple[InteractionId, AgentId]] = []
        self.waiting: dict[InteractionId, None] = {}
        self.timers: dict[TimerId, float] = {}
        self.says: dict[TimerId, None] = {}  # announcements of position and expected wait
        self.count = 0
        self.times: dict[str, list[int]] = {}
        self.cpu: list[int] = []
        self.offered: list[tuple[InteractionId, OfferId, AgentId]] = []

    def feed(self, fact: Fact, kind: str = "") -> None:
        """One fact, timed; its offers are kept to be answered."""
        self.now += 0.001
        handle = self.engine.handle
        begin_cpu = thread_time_ns()
        begin = perf_counter_ns()
        commands = handle(fact, self.now)
        took = perf_counter_ns() - begin
        took_cpu = thread_time_ns() - begin_cpu
        if kind != ANNOUNCED:
            self.cpu.append(took_cpu)
        self.times.setdefault(kind or type(fact).__name__, []).append(took)
        self.engine.take_changes()  # as whoever publishes the views does after each fact
        for command in commands:
            if isinstance(command, Offer):
                self.offered.append((command.interaction, command.offer, command.targets[0].agent))
            elif isinstance(command, StartTimer) and ":stage" in command.timer:
                self.timers[command.timer] = self.now + command.after_s
            elif isinstance(command, StartTimer) and command.timer.endswith(":say"):
                self.says[command.timer] = None

    def arrive(self) -> None:
        """A caller; half of them are known to the CRM."""
        self.count += 1
        interaction = InteractionId(f"1700000000.{self.count}")
        did = f"{self.rng.randrange(QUEUES):03}{self.rng.randrange(4)}"
        self.waiting[interaction] = None
        self.feed(
            InteractionArrived(
                interaction=interaction, caller=Party(number=f"138{self.count:08}"), did=did
            )
        )
        if self.count % 2:
            self.feed(
                CustomerMatched(
                    interaction=interaction,
                    customer=CustomerId(f"c{self.count}"),
                    attributes={"vip": "1"} if self.count % 20 == 1 else {},
                )
            )
        self.answer()

    def answer(self) -> None:
        """Phones ring and are picked up."""
        while self.offered:
            interaction, offer, agent = self.offered.pop()
            self.feed(OfferRinging(interaction=interaction, offer=offer, agent=agent))
            self.feed(OfferAnswered(interaction=interaction, offer=offer, agent=agent))
            self.waiting.pop(interaction, None)
            self.talking.append((interaction, agent))

    def hang_up(self) -> None:
        """An agent hangs up: the next caller is offered within the same call."""
        index = self.rng.randrange(len(self.talking))
        self.talking[index], self.talking[-1] = self.talking[-1], self.talking[index]
        interaction, agent = self.talking.pop()
        self.feed(AgentHungUp(interaction=interaction, agent=agent))
        self.feed(CallerHungUp(interaction=interaction))
        self.answer()

    def fill(self) -> None:
        """Everybody logged in and talking, as many waiting as there are agents."""
        for n in range(self.agents):
            self.feed(AgentStatusSet(agent=AgentId(f"a{n}"), status=AgentStatus.AVAILABLE))
        while len(self.waiting) < self.agents:
            self.arrive()

    def timer_of(self, timers: dict[TimerId, Any]) -> TimerId | None:
        """One of ``timers``, of a caller who still waits."""
        for _ in range(20):
            timer, _ = timers.popitem()
            if timer.partition(":")[0] in self.waiting:
                return timer
        return None

    def turn(self) -> None:
        """One call more, one less, and now and then something else."""
        self.hang_up()
        self.arrive()
        dice = self.rng.random()
        if dice < 0.1:
            gone = next(iter(self.waiting))
            del self.waiting[gone]
            self.feed(CallerHungUp(interaction=gone))
            self.arrive()
        elif dice < 0.2:
            timer = self.timer_of(self.timers)
            if timer is not None:
                self.now += 60.0
                self.feed(TimerFired(timer=timer))
                self.answer()
        elif dice < 0.4:
            timer = self.timer_of(self.says)
            if timer is not None:
                self.feed(TimerFired(timer=timer), ANNOUNCED)
        elif dice < 0.45:
            agent = AgentId(f"a{self.rng.randrange(self.agents)}")
            self.feed(AgentStatusSet(agent=agent, status=AgentStatus.PAUSED, reason="break"))
            self.feed(AgentStatusSet(agent=agent, status=AgentStatus.AVAILABLE))
            self.answer()


def measure(agents: int, turns: int) -> dict[str, float]:
    """Fill the floor, then time ``turns`` turns of it."""
    floor = Floor(agents)
    begin = perf_counter()
    floor.fill()
    gc.collect()
    gc.freeze()  # what stays is not searched again and again
    gc.set_threshold(50_000, 20, 100)
    filled_s = perf_counter() - begin
    for _ in range(turns // 10):
        floor.turn()
    floor.times.clear()
    floor.cpu.clear()
    interrupted = getrusage(RUSAGE_SELF).ru_nivcsw
    for _ in range(turns):
        floor.turn()
    interrupted = getrusage(RUSAGE_SELF).ru_nivcsw - interrupted
    every = [t for kind, times in floor.times.items() if kind != ANNOUNCED for t in times]
    gc.unfreeze()
    print(f"{agents:,} agents, {len(floor.waiting):,} waiting, {len(floor.talking):,} talking")
    rows = [("filled", f"in {filled_s:.1f} s")]
    for name, times in (*sorted(floor.times.items()), ("all other facts", every)):
        p50, p99 = percentile(times, 0.5) / 1000, percentile(times, 0.99) / 1000
        rows.append((name, f"n={len(times):<7} p50 {p50:6.1f} us   p99 {p99:6.1f} us"))
    cpu = percentile(floor.cpu, 0.99) / 1000
    rows.append(("of that, CPU", f"p99 {cpu:6.1f} us; interrupted {interrupted} times by others"))
    table(rows)
    return {
        "p50_us": percentile(every, 0.5) / 1000,
        "p99_us": percentile(every, 0.99) / 1000,
        "cpu_p99_us": cpu,
        "interrupted": interrupted,
    }


def main() -> int:
    """Print the figures and the verdict."""
    quick = "--quick" in sys.argv
    turns = 3_000 if quick else 20_000
    small = measure(1_000, turns)
    large = measure(10_000 if quick else 100_000, turns)
    growth = large["p99_us"] / small["p99_us"]
    growth_p50 = large["p50_us"] / small["p50_us"]
    print(f"growth from the first to the second: p50 x{growth_p50:.2f}, p99 x{growth:.2f}")
    return verdict(
        "engine",
        {"small": small, "large": large, "growth_p50": growth_p50, "growth_p99": growth},
        ok=large["p99_us"] <= LIMIT_US and growth < GROWTH,
        saying=f"p99 {large['p99_us']:.1f} us (at most {LIMIT_US:.0f}), "
        f"growth x{growth:.2f} (below {GROWTH:.0f})",
    )


if __name__ == "__main__":
    sys.exit(main())

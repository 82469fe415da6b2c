"""Virtual time: the same day twice is the same, each caller has one end, people keep hours."""

from __future__ import annotations

import collections
import itertools
from datetime import date, datetime
from pathlib import Path

import pytest

from ctid.queues_file import load
from routing.commands import Outcome
from routing.facts import AgentStatus, Fact, OfferAnswered, WrapUpFinished
from routing.model import RoutingConfig
from sim.day import Day, make_day, prepared
from sim.figures import TOTAL, count
from sim.scenario import Arrivals, Break, Distribution, People, Scenario, Shift, stream
from sim.simulator import Outcomes, Simulation
from tests.sim.house import markov, one_queue, run

pytestmark = pytest.mark.sim

HOUSE = Path(__file__).parents[1] / "ctid" / "data" / "media_house.toml"


@pytest.fixture(scope="module")
def house() -> RoutingConfig:
    return load(HOUSE, date(2026, 3, 2)).config


def busy_day(**more: object) -> Scenario:
    values: dict[str, object] = {
        "start": datetime(2026, 3, 2, 8, 0),  # noqa: DTZ001 - local to the house
        "hours": 4.0,
        "replications": 1,
        "arrivals": [
            Arrivals(
                did="96500", per_half_hour=[10, 30, 60], digits=[{"1": 3, "2": 1, "3": 2, "9": 1}]
            ),
            Arrivals(queue="hotline", per_hour=20),
            Arrivals(did="00000", per_hour=5),
        ],
        "people": People(no_answer_share=0.1, decline_share=0.1),
    }
    return Scenario(**(values | more))  # type: ignore[arg-type]


def play(config: RoutingConfig, scenario: Scenario) -> tuple[Day, Outcomes]:
    ready = prepared(config, scenario)
    day = make_day(ready, scenario)
    return day, Simulation(ready, day, scenario).run()


def test_one_seed_one_hash(house: RoutingConfig) -> None:
    first, second = play(house, busy_day())[1], play(house, busy_day())[1]
    assert first.journal_hash == second.journal_hash
    assert first.accounts == second.accounts
    assert play(house, busy_day(seed=2))[1].journal_hash != first.journal_hash


def test_every_caller_has_exactly_one_end_and_no_fact_is_refused(house: RoutingConfig) -> None:
    day, outcomes = play(house, busy_day())
    assert outcomes.refused == []
    ends = collections.Counter(a.interaction for a in outcomes.accounts)
    assert set(ends.values()) == {1}
    assert {c.id for c in day.callers} <= set(ends)
    found = {a.outcome for a in outcomes.accounts}
    assert {Outcome.ANSWERED, Outcome.ABANDONED, Outcome.VOICE_MESSAGE} <= found


def test_an_agent_never_talks_to_two(house: RoutingConfig) -> None:
    _, outcomes = play(house, busy_day())
    spans: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
    for a in outcomes.accounts:
        if a.answered_at is not None and a.agent is not None and a.channel == "voice":
            end = a.answered_at + a.talk_s + outcomes.wrap_up_s.get(a.interaction, 0.0)
            spans[a.agent].append((a.answered_at, end))
    assert spans
    for agent, talks in spans.items():
        talks.sort()
        for (_, until), (begin, _) in itertools.pairwise(talks):
            assert begin >= until - 1e-3, agent


def test_both_configurations_meet_the_same_callers(house: RoutingConfig) -> None:
    other = one_queue(3)
    ours = make_day(prepared(house, busy_day()), busy_day()).callers
    theirs = make_day(prepared(other, busy_day()), busy_day()).callers
    assert ours == theirs
    later = make_day(prepared(house, busy_day()), busy_day(), 1).callers
    assert [c.at for c in later] != [c.at for c in ours]


def test_a_profile_brings_its_numbers() -> None:
    profile = [0.0, 100.0, 400.0, 0.0]
    scenario = Scenario(
        hours=2, arrivals=[Arrivals(queue="q", per_half_hour=profile)], replications=1
    )
    counts = [0.0] * 4
    runs = 30
    for replication in range(runs):
        day = make_day(prepared(one_queue(1), scenario), scenario, replication)
        for caller in day.callers:
            counts[int((caller.at - day.start) // 1800)] += 1 / runs
    # a Poisson mean over 30 runs lies within 4 standard errors
    for seen, meant in zip(counts, profile, strict=True):
        assert abs(seen - meant) <= 4 * (meant / runs) ** 0.5


def test_shifts_and_breaks() -> None:
    shift = Shift(
        **{"from": "09:00", "to": "11:00"},
        breaks=[Break(at="10:00", minutes=15, reason="tea")],
    )
    scenario = Scenario(
        start=datetime(2026, 3, 2, 8),  # noqa: DTZ001 - local to the house
        hours=4,
        shifts=[shift],
        arrivals=[Arrivals(queue="q", per_hour=60)],
        patience=Distribution(mean_s=30),
    )
    outcomes = run(one_queue(2), scenario)
    seen = [
        ((d.at - outcomes.start) / 3600, d.status, d.reason)
        for d in outcomes.duty
        if d.agent == "a0"
    ]
    assert seen == [
        (1.0, AgentStatus.AVAILABLE, ""),
        (2.0, AgentStatus.PAUSED, "tea"),
        (2.25, AgentStatus.AVAILABLE, ""),
        (3.0, AgentStatus.LOGGED_OUT, ""),
    ]
    answered = [
        (a.answered_at - outcomes.start) / 3600
        for a in outcomes.accounts
        if a.answered_at is not None
    ]
    assert answered
    assert all(1.0 <= at <= 3.01 and not 2.02 < at < 2.25 for at in answered)
    figures = count(one_queue(2), scenario, outcomes)
    staffed = [figures.by_interval[TOTAL, n].staffed_s for n in range(len(figures.starts))]
    assert staffed == pytest.approx([0, 0, 3600, 3600, 1800, 3600, 0, 0])


def test_a_night_shift_over_midnight() -> None:
    scenario = Scenario(
        start=datetime(2026, 3, 2, 20),  # noqa: DTZ001 - local to the house
        hours=12,
        shifts=[
            Shift(**{"from": "22:00", "to": "06:00"}),
            Shift(**{"from": "06:00", "to": "07:00"}),
        ],
        arrivals=[Arrivals(queue="q", per_hour=1)],
    )
    day = make_day(prepared(one_queue(1), scenario), scenario)
    assert [((d.at - day.start) / 3600, d.status.value) for d in day.duties] == [
        (2.0, "available"),
        (10.0, "available"),  # from one shift into the next without a log-out
        (11.0, "logged_out"),
    ]


def test_patient_callers_are_let_go_at_last() -> None:
    outcomes = run(one_queue(0), markov({"q": 1 / 600}, 2))
    assert outcomes.accounts
    assert {a.outcome for a in outcomes.accounts} == {Outcome.ABANDONED}


def test_agents_finish_their_wrap_up_themselves() -> None:
    people = People(wrap_up=Distribution(kind="constant", mean_s=10.0))
    scenario = Scenario(hours=1, arrivals=[Arrivals(queue="q", per_hour=30)], people=people)
    facts: list[Fact] = []
    ready = prepared(one_queue(3, wrap_up_s=60.0), scenario)
    simulation = Simulation(
        ready, make_day(ready, scenario), scenario, on_fact=lambda _, fact: facts.append(fact)
    )
    outcomes = simulation.run()
    assert outcomes.refused == []
    kinds = collections.Counter(type(fact) for fact in facts)
    assert kinds[WrapUpFinished] == kinds[OfferAnswered] > 5
    assert list(outcomes.wrap_up_s.values()) == pytest.approx([10.0] * len(outcomes.wrap_up_s))


@pytest.mark.parametrize("kind", ["exponential", "lognormal", "gamma", "constant"])
def test_distributions_have_their_mean_and_spread(kind: str) -> None:
    cv = 1.0 if kind == "exponential" else 0.5
    drawn = Distribution(kind=kind, mean_s=60.0, cv=cv)  # type: ignore[arg-type]
    rng = stream(1, kind)
    values = [drawn.draw(rng) for _ in range(20_000)]
    mean = sum(values) / len(values)
    spread = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5 / mean
    assert mean == pytest.approx(60.0, rel=0.03)
    assert spread == pytest.approx(0.0 if kind == "constant" else cv, rel=0.06)

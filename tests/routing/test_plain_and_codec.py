"""Plain JSON forms of facts, commands and the configuration: whole, and strict on the way in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import commands as c
from routing import facts as f
from routing.codec import (
    COMMANDS,
    FACTS,
    command_from_json,
    command_to_json,
    fact_from_json,
    fact_to_json,
)
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, QueueId
from routing.model import RoutingConfig
from routing.plain import PlainError, from_plain, to_plain
from tests.routing.samples import agent, house, queue
from tests.routing.world import World

pytestmark = pytest.mark.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    share: float = 0.5
    on: bool = False
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    anything: Any = None
    channel: f.Channel | None = None


texts = st.text(max_size=5)
inners = st.builds(Inner, n=st.integers())


@given(
    st.builds(
        Outer,
        name=texts,
        share=st.floats(allow_nan=False),
        on=st.booleans(),
        inner=st.none() | inners,
        many=st.lists(inners, max_size=3).map(tuple),
        by_name=st.dictionaries(texts, inners, max_size=3),
        anything=st.none() | st.integers(),
        channel=st.none() | st.sampled_from(f.Channel),
    ),
    st.booleans(),
)
def test_there_and_back(value: Outer, full: bool) -> None:
    assert from_plain(Outer, json.loads(json.dumps(to_plain(value, full=full)))) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "needs an object, not list"),
        ({}, "lacks name"),
        ({"name": "x", "nam": 1}, "nam: unknown key of Outer"),
        ({"name": 1}, "name.str is needed, not int"),
        ({"name": "x", "share": True}, "share.a number is needed"),
        ({"name": "x", "share": "1"}, "share.a number is needed"),
        ({"name": "x", "on": 1}, "on.bool is needed"),
        ({"name": "x", "many": {}}, "many.a list is needed"),
        ({"name": "x", "many": [{"n": "1"}]}, "many.0.n.int is needed"),
        ({"name": "x", "by_name": []}, "by_name.an object is needed"),
        ({"name": "x", "by_name": {"k": {"n": None}}}, "by_name.k.n.int is needed"),
        ({"name": "x", "channel": "smoke"}, "channel: 'smoke' is not a valid Channel"),
        ({"name": "x", "share": 10**400}, "share"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(data: Any, message: str) -> None:
    with pytest.raises(PlainError) as told:
        from_plain(Outer, data)
    assert message in str(told.value)


def test_every_fact_and_command_of_a_day_survives_json() -> None:
    world = World(house((queue(),), (agent("1"), agent("2"))))
    said: list[Any] = []
    handle = world.engine.handle

    def listen(fact: f.Fact, now: float) -> list[c.Command]:
        commands = handle(fact, now)
        said.append((fact, commands))
        return commands

    world.engine.handle = listen  # type: ignore[method-assign]
    world.feed(f.AgentStatusSet(agent=AgentId("1"), status=f.AgentStatus.AVAILABLE))
    for n in range(30):
        world.arrive("news")
        possible = world.possible()
        world.happens(possible[n * 7 % len(possible)])
    for fact, commands in said:
        assert fact_from_json(json.loads(json.dumps(fact_to_json(fact)))) == fact
        for command in commands:
            text = json.dumps(command_to_json(command))
            assert command_from_json(json.loads(text)) == command
    assert len(said) > 50


def test_hostile_json_is_refused() -> None:
    for data in ({}, {"t": 1}, {"t": "Fact"}, {"t": "Offer"}, {"t": "os.system"}):
        with pytest.raises(PlainError, match="is none of"):
            fact_from_json(data)
    with pytest.raises(PlainError):
        command_from_json({"t": "Answer"})
    with pytest.raises(f.FactError, match="control character"):
        fact_from_json({"t": "InteractionArrived", "interaction": "a\nb", "caller": {}})
    for number in ("x" * 300, "\x00", 7):
        with pytest.raises((PlainError, f.FactError)):
            fact_from_json(
                {"t": "InteractionArrived", "interaction": "a", "caller": {"number": number}}
            )
    with pytest.raises(f.FactError, match="must not be empty"):
        f.AgentStatusSet(agent=AgentId(""), status=f.AgentStatus.AVAILABLE)
    with pytest.raises(f.FactError, match="must be text"):
        f.Party(number=5)  # type: ignore[arg-type]


def test_the_lists_of_kinds() -> None:
    assert "OfferAnswered" in FACTS
    assert "Offer" in COMMANDS
    assert not FACTS.keys() & COMMANDS.keys()
    offer = c.Offer(
        interaction=InteractionId("i"),
        offer=OfferId("o"),
        queue=QueueId("q"),
        targets=(c.Target(agent=AgentId("a"), phone=PhoneId("p")),),
        ring_timeout_s=1.0,
        caller=f.Party(),
    )
    assert command_from_json(command_to_json(offer)) == offer


@settings(max_examples=20)
@given(st.integers(0, 5))
def test_a_configuration_survives_json(n: int) -> None:
    config = house((queue(),), tuple(agent(str(i)) for i in range(n)))
    assert RoutingConfig.from_data(json.loads(json.dumps(config.to_data()))) == config

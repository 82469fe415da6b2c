"""queues.toml: what it says becomes the configuration; what is wrong is said with its line."""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ctid.calendars import china, known_until
from ctid.queues_file import load, parse, version_of
from ctid.queues_schema import file_model, key_of
from ctid.toml_file import ConfigFileError
from routing import model as m
from routing.hours import Schedule
from routing.ids import FlowId, QueueId, SkillId

pytestmark = pytest.mark.unit

TODAY = date(2026, 11, 22)
HOUSE = Path(__file__).parent / "data" / "media_house.toml"
SAMPLE = Path(__file__).parents[2] / "config" / "queues.toml"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigFileError) as caught:
        parse(text, TODAY, file="q")
    return [str(p) for p in caught.value.problems]


def test_the_sample_of_the_repository_is_sound() -> None:
    assert load(SAMPLE, TODAY).config.queues


def test_a_whole_house() -> None:
    loaded = load(HOUSE, TODAY)
    config = loaded.config
    assert [q.id for q in config.queues][:2] == ["hotline", "rights"]
    wang = config.agents[0]
    assert (wang.id, wang.name, wang.skills) == ("1001", "王芳", {"cantonese": 8, "law": 6})
    assert wang.memberships[2] == m.Membership(queue=QueueId("switchboard"), level=2)
    rights = config.queues[1]
    assert rights.requires == (m.Requirement(skill=SkillId("law"), level=3),)
    assert rights.relax[0].levels == {"law": 1}
    assert config.flows[0].steps[0].choices[1].flow == FlowId("rights")
    office = Schedule(config.hours[0], config.calendars)
    assert office.holiday(1_790_820_000) == "国庆节"  # 1 October 2026
    assert m.RoutingConfig.from_data(config.to_data()) == config
    assert loaded.version == version_of(HOUSE.read_text(encoding="utf-8"))


def test_an_empty_file_is_all_defaults() -> None:
    assert parse("", TODAY).config == m.RoutingConfig()


def test_every_mistake_at_once_with_its_line() -> None:
    found = mistakes("""\
default_queue = "newz"
[queues.news]
stratgey = "longest_idle"
strategy = "longest_ideal"
ring_timeout_s = 0
wrap_up_s = 400
hours = "offices"
requires = ["lawyer"]
overflow = [
  { reason = "wait", flow = "voice" },
  { reason = "digit", flow = "main" },
]
[hours.office]
timezone = "Asia/Shangai"
week = ["mon-fri 8:30-17:30", "tags 08:30-17:30"]
days = [ { date = "2026-02-30" }, { date = "2026-02-28", opens = "09:00" } ]
[agents."王"]
queues = ["news", "news", {queue = "new"}]
[skills.law]
[[flows.main]]
do = "menu"
prompts = ["hello"]
choices = [ { digits = "1", flow = "main" }, { digits = "1", flow = "maim" } ]
number = "12"
[[flows.main]]
do = "external"
[[entries]]
did = "1"
flow = "main"
queue = "news"
[[entries]]
did = "1"
queue = "news"
""")
    expected = [
        'q:1: default_queue: queue "newz" does not exist; did you mean "news"?',
        'q:3: queues.news.stratgey: unknown key; did you mean "strategy"?',
        'did you mean "longest_idle"?',
        "q:5: queues.news.ring_timeout_s: must be greater than 0",
        "q:6: queues.news.wrap_up_s: wrap_up_max_s (300) is below wrap_up_s (400)",
        'q:7: queues.news.hours: hours "offices" does not exist; did you mean "office"?',
        'q:8: queues.news.requires[0].skill: skill "lawyer" does not exist; did you mean "law"?',
        'q:10: queues.news.overflow[0].reason: "wait" needs a limit above 0',
        'q:10: queues.news.overflow[0].flow: flow "voice" does not exist; define',
        'q:11: queues.news.overflow[1].reason: "digit" needs the digit',
        "q:14: hours.office.timezone: 'Asia/Shangai' is not a time zone",
        "q:15: hours.office.week[0]: 'mon-fri 8:30-17:30' is no opening; write for example",
        "q:15: hours.office.week[1]: 'tags' is no day",
        "q:16: hours.office.days[0].date: day ",
        "q:16: hours.office.days[1].opens: stands without closes",
        "is not an id: letters, digits",
        'q:18: agents."王".queues[1]: "news" stands twice',
        'q:18: agents."王".queues[2].queue: queue "new" does not exist; did you mean "news"?',
        'q:23: flows.main[0].choices[1].digits: "1" stands twice in this menu',
        'q:23: flows.main[0].choices[1].flow: flow "maim" does not exist; did you mean "main"?',
        'q:24: flows.main[0].number: means nothing in a "menu" step; it belongs to: external',
        'q:26: flows.main[1].do: "external" needs number',
        "q:27: entries[0]: needs either flow or queue",
        'q:32: entries[1].did: "1" stands already in line 27',
    ]
    joined = "\n".join(found)
    for part in expected:
        assert part in joined, part + "\n\n" + joined
    assert len(found) == len(expected), joined


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[queues.a]\nname = "x\\u0007"', "holds a control character"),
        ('[queues.a]\nname = "' + "x" * 300 + '"', "is longer than 256 characters"),
        ("[queues.a]\nwrap_up_s = inf", "must be "),
        ("[queues.a]\nwrap_up_s = nan", "must be "),
        ('[queues.a]\nwrap_up_s = "10"', "must be a valid number, not '10'"),
        ("[queues.a]\nmax_waiting = 1.5", "must be a valid integer, not 1.5"),
        ("[queues.a]\nwelcome = 1", "unknown key"),
        ("queues = 3", "must be a valid dictionary, not 3"),
        ("[[queues]]\nid = 1", "must be a valid dictionary"),
        ("entries = {}", "must be a valid list"),
        ("[queues.a]\nmusic = { a = 1 }", "must be a valid string"),
        ('[agents.a]\nphone = "1&2"', "is not a phone's name"),
        ('[[flows.a]]\ndo = "announcement"\nprompts = ["../../etc/x y"]', "name of a sound"),
        ("[queues.a]\nrecord_share = 1.5\n", "must be less than or equal to 1"),
        ("[queues.a]\nrelax = [{after_s = 9}, {after_s = 3}]", "must be later than the step"),
        ("[queues.a]\npenalty_steps = [{after_s=1, min_penalty=4, max_penalty=2}]", "is above"),
        ('[queues.a]\nlevel_advance = "after_wait"', "needs level_wait_s"),
        ('[hours.x]\nholidays = "cm"', 'did you mean "cn"?'),
    ],
)
def test_hostile_and_wrong_values(text: str, part: str) -> None:
    assert any(part in line for line in mistakes(text)), mistakes(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigFileError):
        assert parse(text, TODAY).config.queues == ()


def test_the_file_knows_every_field_of_the_model() -> None:
    """A field added to the model can be written in the file at once."""

    def walk(cls: type, seen: set[type]) -> None:
        if cls in seen:
            return
        seen.add(cls)
        made = file_model(cls)
        hints = typing.get_type_hints(cls)
        for f in dataclasses.fields(cls):
            if f.name != "id":
                assert f.name in made.model_fields
                alias = made.model_fields[f.name].alias
                assert (alias or f.name) == key_of(cls, f.name)
            for part in (hints[f.name], *typing.get_args(hints[f.name])):
                if dataclasses.is_dataclass(part) and isinstance(part, type):
                    walk(part, seen)

    walk(m.RoutingConfig, set())
    assert issubclass(file_model(m.Queue), BaseModel)


def test_own_calendar_and_built_in() -> None:
    text = """
[hours.a]
holidays = "cn"
[hours.b]
holidays = "house"
[calendars.house]
holidays = [{ date = "2026-12-24", name = "Party" }]
workdays = ["2026-12-26"]
"""
    calendars = {c.id: c for c in parse(text, TODAY).config.calendars}
    assert calendars["house"].workdays == ("2026-12-26",)
    assert "2026-10-10" in calendars["cn"].workdays
    own = text + "[calendars.cn]\nholidays = []\n"
    assert {c.id: c for c in parse(own, TODAY).config.calendars}["cn"].holidays == ()
    assert parse("[hours.a]\n", TODAY).config.calendars == ()
    assert china(2026).holidays[0].date == "2025-01-01"
    assert known_until("cn") is not None
    assert known_until("house") is None

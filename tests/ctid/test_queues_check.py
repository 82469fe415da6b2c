"""What can be said in queues.toml but is not meant, and what is rightly left alone."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ctid.cli import check_config
from ctid.queues_check import findings, loads
from ctid.queues_file import load, parse

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
TODAY = date(2026, 11, 1)
HOUSE = Path(__file__).parent / "data" / "media_house.toml"
AGENT = '[agents.a]\nqueues = ["q"]\n'
ENTRY = '[[entries]]\ndid = "1"\nqueue = "q"\n'


def found(text: str) -> list[str]:
    return [str(p) for p in findings(parse(text, TODAY, file="f"), NOW)]


def one(text: str) -> str:
    listed = found(text)
    assert len(listed) == 1, listed
    return listed[0]


def test_a_whole_house_has_nothing_to_be_told() -> None:
    assert [str(p) for p in findings(load(HOUSE, TODAY), NOW)] == []


def test_a_queue_that_no_one_serves() -> None:
    told = one("[queues.q]\n" + ENTRY)
    assert told.startswith("f:1: queues.q: is served by no one; give an agent")


def test_a_queue_that_nobody_reaches() -> None:
    assert "warning: queues.q: is reached by no entry" in one("[queues.q]\n" + AGENT)


def test_skills_that_no_one_has() -> None:
    base = '[queues.q]\nrequires = ["law >= 5"]\n' + ENTRY + "[skills.law]\n"
    nobody = found(base + AGENT)
    assert any("skills.law: no agent has it" in p for p in nobody)
    assert any('f:2: queues.q.requires[0]: none of its 1 agents has "law"' in p for p in nobody)
    too_low = one(base + AGENT + "skills = { law = 4 }\n")
    assert "at level 5" in too_low
    assert "warning" not in too_low
    relaxed = base.replace("[[entries]]", 'relax = [{after_s=9, drop=["law"]}]\n[[entries]]')
    assert "warning: queues.q.requires[0]" in one(relaxed + AGENT + "skills = { law = 4 }\n")
    assert found(base + AGENT + "skills = { law = 5 }\n") == []


def test_a_language_nobody_speaks() -> None:
    text = (
        '[queues.q]\nlanguage_match = "required"\n' + ENTRY + '[skills.en]\nlanguage = "en"\n'
        '[agents.b]\nskills = { en = 1 }\nqueues = ["p"]\n[queues.p]\n'
        '[[entries]]\ndid = "2"\nqueue = "p"\n' + AGENT
    )
    assert "none of its agents speaks en" in one(text)


def test_hours_that_never_open() -> None:
    text = '[hours.h]\ndays = [{ date = "2020-01-01", opens = "08:00", closes = "09:00" }]\n'
    assert any(
        p.startswith("f:1: hours.h: never opens")
        for p in found(text + '[queues.q]\nhours = "h"\n' + ENTRY + AGENT)
    )
    unused = found(text + "[queues.q]\n" + ENTRY + AGENT)
    assert any("warning: hours.h: is used nowhere" in p for p in unused)


def test_a_calendar_that_soon_ends() -> None:
    text = (
        '[hours.h]\nweek = ["mon-fri 08:00-17:00"]\nholidays = "cn"\n'
        '[queues.q]\nhours = "h"\n' + ENTRY + AGENT
    )
    late = datetime(2040, 1, 1, tzinfo=UTC).timestamp()
    told = [str(p) for p in findings(parse(text, TODAY, file="f"), late)]
    assert any("f:3: warning: hours.h.holidays" in p for p in told)


FLOWS = (
    "[queues.q]\n" + AGENT + '[[entries]]\ndid = "1"\nflow = "a"\n[[entries]]\ndid="2"\nqueue="q"\n'
)


@pytest.mark.parametrize(
    ("flows", "part"),
    [
        (
            '[hours.h]\nweek = ["mon 08:00-09:00"]\n'
            '[[flows.a]]\ndo = "hours"\nhours = "h"\nclosed = "b"\n'
            '[[flows.a]]\ndo = "queue"\nqueue = "q"\n'
            '[[flows.b]]\ndo = "go"\nflow = "a"\n',
            "flows.a[0]: goes round for ever without a word: a -> b -> a",
        ),
        (
            '[[flows.a]]\ndo = "announcement"\nprompts = ["x"]\n'
            '[[flows.a]]\ndo = "go"\nflow = "a"\n',
            "f:10: flows.a[0]: never ends",
        ),
        (
            '[[flows.a]]\ndo = "menu"\nprompts = ["x"]\notherwise = "a"\n'
            'choices = [{ digits = "1", flow = "b" }]\n[[flows.b]]\ndo = "release"\n',
            "f:10: warning: flows.a[0]: a silent caller goes round for ever: a -> a",
        ),
        (
            '[[flows.a]]\ndo = "release"\n[[flows.b]]\ndo = "release"\n',
            "warning: flows.b: is reached by no entry",
        ),
        (
            '[[flows.a]]\ndo = "release"\n[[flows.a]]\ndo = "announcement"\nprompts = ["x"]\n',
            "warning: flows.a[1]: is never reached: the step before does not go on",
        ),
        ("[flows.a]\n", "flows.a: has no steps"),
    ],
)
def test_flows(flows: str, part: str) -> None:
    assert part in one(FLOWS + flows)


def test_two_queues_that_throw_a_caller_to_each_other() -> None:
    text = """
[queues.p]
join_empty = "available"
overflow = [{ reason = "no_agent", flow = "to-q" }]
[queues.q]
join_empty = "available"
overflow = [{ reason = "no_agent", flow = "to-p" }]
[agents.a]
queues = ["p", "q"]
[[flows.to-p]]
do = "queue"
queue = "p"
[[flows.to-q]]
do = "queue"
queue = "q"
[[entries]]
did = "1"
queue = "p"
"""
    assert "goes round for ever without a word: to-p -> to-q -> to-p" in one(text)
    waiting = text.replace("no_agent", "wait").replace('flow = "to', 'limit = 60, flow = "to')
    assert found(waiting) == []  # each time round they wait for an agent


def test_starvation() -> None:
    text = """
[queues.q]
max_wait_s = 300
[queues.vip]
priority = 2
[agents.a]
queues = ["q", "vip"]
[[entries]]
did = "1"
queue = "q"
[[entries]]
did = "2"
queue = "vip"
"""
    told = one(text)
    assert "f:2: warning: queues.q: may starve: everyone who enters vip up to 600 s later" in told
    own = text + '[agents.b]\nqueues = ["q"]\n'
    assert found(own) == []


def test_callers_of_a_priority_that_overtakes_all_others() -> None:
    text = "[queues.q]\npriority_step_s = 600\n" + ENTRY + "priority = 3\n" + AGENT
    assert "callers of priority 3 overtake those who came up to 1800 s earlier" in one(text)


def test_agents_who_are_never_asked() -> None:
    penalty = (
        "[queues.q]\npenalty_steps = [{ after_s = 0, max_penalty = 2 }]\n"
        + ENTRY
        + AGENT
        + '[agents.b]\nqueues = [{ queue = "q", penalty = 5 }]\n'
    )
    assert "agents.b.queues[0]: is never asked: no penalty step of q allows 5" in one(penalty)
    level = (
        '[queues.q]\nlevel_advance = "after_wait"\nlevel_wait_s = 60\nmax_wait_s = 60\n'
        + ENTRY
        + AGENT
        + '[agents.b]\nqueues = [{ queue = "q", level = 2 }]\n'
    )
    assert "level 2 comes after 60 s, callers leave after 60 s" in one(level)


def test_agents_without_queue_and_with_one_phone() -> None:
    text = "[queues.q]\n" + ENTRY + AGENT + 'phone = "1"\n[agents.b]\nphone = "1"\nqueues = ["q"]\n'
    assert '"1" is also the phone of a' in one(text)
    assert "serves no queue" in one("[queues.q]\n" + ENTRY + AGENT + "[agents.b]\n")


def test_smaller_contradictions() -> None:
    text = "[queues.q]\ndisposition_required = true\n" + ENTRY + AGENT
    assert "requires a disposition, but there are none" in one(text)
    early = "[queues.q]\nmax_wait_s = 10\nannouncements = { every_s = 30 }\n" + ENTRY + AGENT
    assert "ends the wait before the first announcement" in one(early)


def test_what_each_queue_can_carry() -> None:
    agents = "".join(f'[agents.a{n}]\nqueues = ["q"]\n' for n in range(10))
    (load_,) = loads(parse("[queues.q]\n" + agents, TODAY).config)
    assert load_.calls_per_hour == pytest.approx(166.9, abs=0.5)  # M/M/10+M, 80 % in 20 s
    shared = agents.replace('["q"]', '["q", "p"]') + "[queues.p]\n"
    half = loads(parse("[queues.q]\n" + shared, TODAY).config)
    assert [x.agents for x in half] == [5.0, 5.0]
    assert half[0].calls_per_hour < load_.calls_per_hour / 2  # smaller groups carry less
    assert loads(parse("[queues.q]\n", TODAY).config)[0].calls_per_hour == 0


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    check_config.add_parser(parser.add_subparsers())
    status = check_config.run(parser.parse_args(["check-config", *words]))
    out, err = capsys.readouterr()
    return status, out, err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = tmp_path / "sound.toml"
    sound.write_text("[queues.q]\n" + AGENT + ENTRY)
    status, out, err = _run(capsys, "--queues", str(sound))
    assert (status, err) == (0, "")
    assert "calls/h" in out
    assert "usable: 0 errors, 0 warnings" in out
    doubtful = tmp_path / "q.toml"
    doubtful.write_text("[queues.q]\n" + AGENT)
    assert _run(capsys, "--queues", str(doubtful))[0] == 0
    assert _run(capsys, "--queues", str(doubtful), "--strict")[0] == 1
    doubtful.write_text("[queues.q]\nwrap = 1\n")
    status, out, err = _run(capsys, "--queues", str(doubtful), "--json")
    assert status == 2
    assert json.loads(out)["problems"][0]["key"] == "queues.q.wrap"
    settings = tmp_path / "ctid.toml"
    settings.write_text('queues_file = "q.toml"\nhttpp = 1\n')
    status, _, err = _run(capsys, "-c", str(settings))
    assert (status, 'unknown key; did you mean "http"?' in err) == (2, True)
    settings.write_text('queues_file = "q.toml"\n')
    status, _, err = _run(capsys, "-c", str(settings))
    assert (status, "queues.q.wrap: unknown key" in err) == (2, True)
    assert _run(capsys)[0] == 2
    assert _run(capsys, "--queues", str(sound), "--talk-s", "0")[0] == 2

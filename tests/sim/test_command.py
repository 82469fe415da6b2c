"""``ctid simulate`` and ``ctid replay`` as people use them."""

from __future__ import annotations

import csv
import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ctid.cli import main
from ctid.queues_file import load
from routing.codec import fact_to_json
from routing.facts import ConfigChanged, Fact
from sim.day import make_day, prepared
from sim.scenario import Arrivals, Distribution, People, Scenario
from sim.simulator import Simulation

pytestmark = pytest.mark.sim

QUEUES = """
[queues.news]
name = "<新闻> & more"
wrap_up_s = 20
[queues.sales]
{more}
[agents.a]
queues = ["news", "sales"]
[agents.b]
queues = ["news"]
[agents.c]
queues = ["sales"]
[[entries]]
did = "1"
queue = "news"
[[entries]]
did = "2"
queue = "sales"
"""
SCENARIO = """
start = 2026-03-02T09:00:00
hours = 2
replications = 3
[[arrivals]]
queue = "news"
per_hour = 40
[[arrivals]]
queue = "sales"
per_half_hour = [5, 20, 10, 5]
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "ours.toml").write_text(QUEUES.format(more=""), encoding="utf-8")
    more = "head_start_s = 120"
    (tmp_path / "theirs.toml").write_text(QUEUES.format(more=more), encoding="utf-8")
    (tmp_path / "day.toml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path


class Page(HTMLParser):
    """Collects what a page would fetch from elsewhere, and its open tags."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.tags: list[str] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.outside += [v for k, v in attrs if k in ("src", "href") and v]
        if tag not in ("meta", "br", "line", "circle"):
            self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "circle"):
            assert self.tags.pop() == tag


def test_a_report_in_both_languages(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for lang, word in (("zh", "服务水平"), ("en", "Service level")):
        out = files / f"{lang}.html"
        words = ["simulate", "--queues", str(files / "ours.toml"), "--scenario"]
        words += [str(files / "day.toml"), "--against", str(files / "theirs.toml")]
        assert (
            main([*words, "--html", str(out), "--csv", str(files / "d.csv"), "--lang", lang]) == 0
        )
        text = out.read_text(encoding="utf-8")
        assert word in text
        assert "&lt;新闻&gt; &amp; more" in text
        page = Page()
        page.feed(text)
        assert page.tags == []
        assert page.outside == []
        assert re.search(r"https?://|@import|url\(", text) is None
        assert page.counts["svg"] == 6 * 3  # all, news, sales
        assert "nan" not in text
    shown = capsys.readouterr().out
    assert "news (ours)" in shown
    assert "news: change" in shown
    with open(files / "d.csv", encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    whole = [r for r in rows if r["queue"] == "*" and not r["interval_start"]]
    assert [r["config"] for r in whole] == ["ours", "theirs"]
    assert whole[0]["offered"] == whole[1]["offered"]  # the same callers
    parts = [
        float(r["offered"])
        for r in rows
        if r["config"] == "ours" and r["queue"] == "*" and r["interval_start"]
    ]
    assert sum(parts) == pytest.approx(float(whole[0]["offered"]))


def test_a_head_start_helps_those_who_have_it(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "--queues", str(files / "ours.toml"), "--against"]
    words += [str(files / "theirs.toml"), "--calls-per-hour", "30", "--hours", "8"]
    assert main([*words, "--replications", "3", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    asa = {
        r["config"]: r["asa_s"]
        for r in rows
        if r["queue"] == "sales" and r["interval_start"] is None
    }
    assert asa["theirs"] < asa["ours"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--queues", "none.toml"], "cannot be read"),
        (["--queues", "ours.toml", "--hours", "0"], "--hours: must be above 0"),
        (["--queues", "ours.toml", "--talk-s", "nan"], "--talk-s: must be above 0"),
        (["--queues", "ours.toml", "--seed", "-1"], "--seed: must be 0 or more"),
        (["--queues", "ours.toml", "--scenario", "wrong.toml"], 'queue "new" is not in'),
        (["--queues", "ours.toml", "--scenario", "odd.toml"], "needs exactly one of per_hour"),
        (["--queues", "ours.toml", "--scenario", "who.toml"], '"x" is no agent and no team'),
    ],
)
def test_wrong_words(
    files: Path, capsys: pytest.CaptureFixture[str], words: list[str], part: str
) -> None:
    wrong = '[[arrivals]]\nqueue = "new"\nper_hour = 3\n'
    (files / "wrong.toml").write_text(wrong)
    (files / "odd.toml").write_text('[[arrivals]]\nqueue = "news"\n')
    (files / "who.toml").write_text(wrong.replace("new", "news") + '[[shifts]]\nagents = ["x"]\n')
    words = [str(files / w) if w.endswith(".toml") else w for w in words]
    assert main(["simulate", *words]) == 2
    assert part in capsys.readouterr().err


@pytest.fixture
def journal(files: Path) -> Path:
    """A journal of two hours, as the daemon would have written it, exported."""
    config = load(files / "ours.toml", date(2026, 3, 2)).config
    people = People(talk=Distribution(mean_s=180))
    arrivals = [Arrivals(did="1", per_hour=32), Arrivals(did="2", per_hour=24)]
    scenario = Scenario(hours=2, arrivals=arrivals, people=people, seed=4)
    ready = prepared(config, scenario)
    day = make_day(ready, scenario)
    facts: list[tuple[float, Fact]] = [
        (day.start, ConfigChanged(config=ready.to_data(), version="v1"))
    ]
    Simulation(ready, day, scenario, on_fact=lambda at, fact: facts.append((at, fact))).run()
    path = files / "journal.jsonl"
    with open(path, "w", encoding="utf-8") as stream:
        for seq, (at, fact) in enumerate(facts, 1):
            stream.write(json.dumps({"seq": seq, "at": at, "fact": fact_to_json(fact)}) + "\n")
    return path


def replayed(
    capsys: pytest.CaptureFixture[str], journal: Path, config: Path, *words: str
) -> dict[str, object]:
    assert main(["replay", str(journal), "--config", str(config), "--json", *words]) == 0
    data: dict[str, object] = json.loads(capsys.readouterr().out)
    return data


def test_the_same_configuration_changes_nothing(
    files: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = replayed(capsys, journal, files / "ours.toml")
    assert data["changed"] == 0
    assert data["refused_facts"] == 0
    sums = data["sums"]
    assert isinstance(sums, dict)
    assert sums["again"] == sums["new"]
    # what is simulated again is close to what the journal says
    for figure in ("offered", "answered"):
        assert sums["again"][figure] == pytest.approx(sums["journal"][figure], rel=0.05)
    assert sums["again"]["mean_wait_s"] == pytest.approx(sums["journal"]["mean_wait_s"], rel=0.25)


def test_another_configuration_call_by_call(
    files: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files / "calls.csv"
    text = (files / "ours.toml").read_text(encoding="utf-8")
    helping = text.replace(
        '[agents.c]\nqueues = ["sales"]', '[agents.c]\nqueues = ["sales", "news"]'
    )
    (files / "helping.toml").write_text(helping, encoding="utf-8")
    data = replayed(capsys, journal, files / "helping.toml", "--csv", str(out))
    sums, calls = data["sums"], data["calls"]
    assert isinstance(sums, dict)
    assert isinstance(calls, list)
    changed = [c for c in calls if c["changed"]]
    assert len(changed) == data["changed"] > 0
    with open(out, encoding="utf-8-sig", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == len(calls) == sums["journal"]["offered"]

    def mean(kind: str, queue: str) -> float:
        waits = [c[f"{kind}_wait_s"] for c in calls if c[f"{kind}_queue"] == queue]
        return sum(waits) / len(waits)

    assert mean("new", "news") < mean("again", "news")
    assert main(["replay", str(journal), "--config", str(files / "helping.toml")]) == 0
    assert f"{len(changed)} of {len(calls)} calls" in capsys.readouterr().out


def test_a_part_of_the_day(files: Path, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = replayed(capsys, journal, files / "ours.toml")["calls"]
    part = replayed(capsys, journal, files / "ours.toml", "--since", "2026-03-02T10:00:00+08:00")[
        "calls"
    ]
    assert isinstance(whole, list)
    assert isinstance(part, list)
    assert 0 < len(part) < len(whole)


def test_agents_whom_the_new_file_does_not_know(
    files: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = (files / "ours.toml").read_text(encoding="utf-8").replace("agents.b", "agents.x")
    (files / "fewer.toml").write_text(fewer, encoding="utf-8")
    assert replayed(capsys, journal, files / "fewer.toml")["unknown_agents"] == ["b"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "No such file"),
        ("", "holds no configuration"),
        ("{}\n", ":1: no journal entry"),
        ("no json\n", ":1: no journal entry"),
        ('{"at": 1, "fact": {"t": "Nonsense"}}\n', "holds no configuration"),
        ('{"at": 1, "fact": {"t": "ConfigChanged", "config": {}, "version": ""}}\n', "nobody"),
    ],
)
def test_journals_that_tell_nothing(
    files: Path, capsys: pytest.CaptureFixture[str], text: str | None, part: str
) -> None:
    path = files / "j.jsonl"
    if text is not None:
        path.write_text(text)
    assert main(["replay", str(path), "--config", str(files / "ours.toml")]) == 2
    assert part in capsys.readouterr().err


def test_explain_any_moment(files: Path, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waited = next(
        c
        for c in replayed(capsys, journal, files / "ours.toml")["calls"]  # type: ignore[attr-defined]
        if c["journal_wait_s"] > 20 and c["journal_outcome"] == "answered"
    )
    assert main(["explain", waited["interaction"], "--journal", str(journal)]) == 0
    text = capsys.readouterr().out
    assert f"asked {waited['journal_agent']}" in text
    assert "talking" in text or "wrap_up" in text  # why the others were not
    moment = waited["at"].replace("Z", "+00:00")
    words = ["explain", waited["interaction"], "--journal", str(journal), "--at", moment, "--json"]
    assert main(words) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["explanation"]["queue"] == waited["journal_queue"]
    assert {c["agent"] for c in told["explanation"]["candidates"]} <= {"a", "b", "c"}
    assert all(c["reasons"] for c in told["explanation"]["candidates"] if c["place"] is None)
    assert main(["explain", "nobody", "--journal", str(journal)]) == 1
    assert main(["explain", "x", "--journal", str(journal), "--at", "soon"]) == 2
    assert "is no time" in capsys.readouterr().err


def test_a_day_from_a_journal(
    files: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "again.toml").write_text(
        "start = 2026-05-04T09:00:00\nhours = 3\nreplications = 1\n"
        '[[arrivals]]\njournal = "journal.jsonl"\n'
    )
    words = ["simulate", "--queues", str(files / "ours.toml"), "--scenario"]
    assert main([*words, str(files / "again.toml"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    whole = next(r for r in rows if r["queue"] == "*" and r["interval_start"] is None)
    calls = sum('"InteractionArrived"' in line for line in journal.read_text().splitlines())
    assert whole["offered"] == calls > 50

"""queues.conf becomes a queues.toml that is sound, and what was lost is said with its line."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import pytest

from ctid.cli import import_queues as command
from ctid.queues_file import parse
from ctid.telephony.asterisk.import_queues import convert
from ctid.toml_file import ConfigFileError
from routing.model import Joining

pytestmark = pytest.mark.unit

SAMPLE = Path(__file__).parent / "data" / "queues.conf"


def test_a_house_moves_over(tmp_path: Path) -> None:
    agents = tmp_path / "agents.conf"
    agents.write_text("[agents]\nagent => 7001,1234,Zhao Min\n")
    imported = convert(SAMPLE, agents)
    config = parse(imported.text, date(2026, 11, 22)).config
    hotline, other = config.queues
    assert (hotline.id, hotline.strategy, hotline.music) == ("hotline", "round_robin", "news")
    assert (hotline.ring_timeout_s, hotline.wrap_up_s) == (12, 20)  # the section wins
    assert (hotline.max_waiting, hotline.head_start_s, hotline.service_level_s) == (50, 120, 15)
    assert (hotline.join_empty, hotline.leave_empty) == (Joining.AVAILABLE, Joining.AVAILABLE)
    says = hotline.announcements
    assert (says.every_s, says.position, says.position_up_to, says.expected_wait) == (
        45,
        True,
        5,
        True,
    )
    assert hotline.no_answer.pause_after == 1
    assert (other.name, other.strategy, other.ring_timeout_s) == ("发行", "top_down", 60)
    assert [p.value for p in other.announcements.comfort] == ["please-wait"]
    people = {a.id: a for a in config.agents}
    assert sorted(people) == ["1001", "1002", "1003", "1004", "7001"]
    assert people["1001"].name == "Wang Fang"
    assert [m.queue for m in people["1001"].memberships] == [hotline.id, other.id]
    assert people["1001"].memberships[1].position == 1
    assert people["1002"].memberships[0].level == 2
    assert people["1003"].phone == "1003"
    assert (people["7001"].name, people["7001"].phone) == ("Zhao Min", "")


def test_what_was_lost_is_said() -> None:
    notes = "\n".join(str(n) for n in convert(SAMPLE).notes)
    for part in (
        ":6: general: autofill = no",
        ":7: general: monitor-type is not carried over",
        ":10: #include: '#include queues_more.conf' is not followed",
        ":20: hotline: weight = 2 became a head start of 120 s",
        ":29: hotline: context: callers leave by digits through overflow rules",
        ":30: hotline: autopause = yes",
        ":35: hotline: DAHDI/g1/13800138000: only PJSIP",
        ":37: 发行: is named",
        ":39: 发行: timeout = 0 (for ever) became 60 s",
        ":41: 发行: SIP/1004: the phone becomes PJSIP/1004",
        ":43: 发行: no-such-option: has no counterpart",
    ):
        assert part in notes, part + "\n" + notes
    assert "1234" not in notes


def test_each_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "q.conf"
    path.write_text("[q]\nwhat is this\nstrategy = ringall\n[broken\n")
    with pytest.raises(ConfigFileError) as caught:
        convert(path)
    assert [p.line for p in caught.value.problems] == [2, 4]
    path.write_text("[general]\n")
    with pytest.raises(ConfigFileError, match="holds no queue"):
        convert(path)
    with pytest.raises(ConfigFileError, match="cannot be read"):
        convert(tmp_path / "none.conf")


def test_values_that_mean_nothing(tmp_path: Path) -> None:
    path = tmp_path / "q.conf"
    path.write_text("[q]\nstrategy = magic\nmaxlen = many\nmember => PJSIP/a&b\nmember =>\n")
    imported = convert(path)
    notes = [str(n) for n in imported.notes]
    assert any("strategy = 'magic' is not understood" in n for n in notes)
    assert any("maxlen = 'many' is not understood" in n for n in notes)
    assert any("'a&b' can not be an id" in n for n in notes)
    assert parse(imported.text, date(2026, 11, 22)).config.agents == ()


def test_chinese_text_in_the_old_encoding(tmp_path: Path) -> None:
    path = tmp_path / "q.conf"
    path.write_bytes("[q]\nmember => PJSIP/1,0,王芳\n".encode("gb18030"))
    assert parse(convert(path).text, date(2026, 11, 22)).config.agents[0].name == "王芳"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())

    def run(*words: str) -> int:
        return command.run(parser.parse_args(["import-queues", *words]))

    out = tmp_path / "queues.toml"
    assert run(str(SAMPLE), "-o", str(out)) == 1
    assert "head start" in capsys.readouterr().err
    assert parse(out.read_text(encoding="utf-8"), date(2026, 11, 22)).config.queues
    assert run(str(SAMPLE), "-o", str(out)) == 2  # never overwrites
    assert run(str(tmp_path / "none")) == 2

"""Notes of calls that ended while ctid was away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctid.telephony.asterisk.missed_call import write_note
from ctid.telephony.asterisk.spool import mark_taken, read_notes
from routing.facts import Party

pytestmark = pytest.mark.unit


def note(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "outcome": "missed",
        "ended_at": "2026-03-01T10:00:30+00:00",
        "arrived_at": "2026-03-01T10:00:00+00:00",
        "caller_number": "13800138000",
        "caller_name": "张三",
        "did": "4000",
        "uniqueid": "pbx-1.1",
        "interaction": "",
        **changes,
    }


def test_a_note_is_read_and_stays_until_it_is_taken(tmp_path: Path) -> None:
    write_note(tmp_path, note())
    (read,) = read_notes(tmp_path)
    assert read.interaction == "pbx-1.1"
    assert read.caller == Party(number="13800138000", name="张三")
    assert read.ended_at - read.arrived_at == 30
    assert read_notes(tmp_path) == [read]
    mark_taken(read)
    mark_taken(read)
    assert read_notes(tmp_path) == []


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    write_note(tmp_path, note(uniqueid="late", arrived_at="2026-03-01T10:00:20+00:00"))
    write_note(tmp_path, note(uniqueid="early", arrived_at="2026-03-01T09:00:00+00:00"))
    assert [n.interaction for n in read_notes(tmp_path)] == ["early", "late"]


def test_who_spoke_is_known_where_the_pbx_says_it(tmp_path: Path) -> None:
    write_note(tmp_path, note(outcome="ended_in_conversation", dialed_peer="PJSIP/1002-0000001f"))
    (read,) = read_notes(tmp_path)
    assert read.phone == "1002"


def test_the_interaction_is_decoded_as_the_legs_carry_it(tmp_path: Path) -> None:
    write_note(tmp_path, note(interaction="a%20b"))
    assert read_notes(tmp_path)[0].interaction == "a b"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        json.dumps({"version": 2}).encode(),
        json.dumps(note(outcome="eaten")).encode(),
        json.dumps(note(ended_at="yesterday")).encode(),
        json.dumps(note(ended_at="2026-03-01T10:00:30")).encode(),
        json.dumps(note(uniqueid="")).encode(),
        json.dumps(note(caller_name="x" * 70_000)).encode(),
        b"[" * 20_000,
    ],
)
def test_what_is_no_note_is_put_aside_once(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "call-x.json").write_bytes(content)
    write_note(tmp_path, note())
    assert [n.interaction for n in read_notes(tmp_path)] == ["pbx-1.1"]
    assert (tmp_path / "call-x.broken").exists()
    assert len(read_notes(tmp_path)) == 1


def test_no_folder_is_no_notes(tmp_path: Path) -> None:
    assert read_notes(tmp_path / "nowhere") == []


def test_control_characters_do_not_reach_the_record(tmp_path: Path) -> None:
    write_note(tmp_path, note(caller_name="a\r\nb\x00c"))
    assert read_notes(tmp_path)[0].caller.name == "abc"

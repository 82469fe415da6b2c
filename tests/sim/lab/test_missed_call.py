"""The AGI program that notes calls which ended while ctid was away, spoken to as Asterisk does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctid.telephony.asterisk import missed_call

pytestmark = pytest.mark.unit

SCRIPT = Path(missed_call.__file__)


def run(
    spool: Path, values: dict[str, str], *, cut: bool = False
) -> subprocess.CompletedProcess[str]:
    """Give the program the environment, then an answer to each question."""
    questions = list(missed_call.VARIABLES)
    lines = ["agi_request: ctid-note", "agi_uniqueid: 17.5", "agi_callerid: 138", ""]
    if not cut:
        for name in questions:
            value = values.get(name)
            lines.append("200 result=0" if value is None else f"200 result=1 ({value})")
        lines.append("200 result=1")
    return subprocess.run(
        [sys.executable, "-P", str(SCRIPT), str(spool)], input="\n".join(lines) + "\n",
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


def only_note(spool: Path) -> dict[str, Any]:
    (path,) = spool.iterdir()
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def test_a_missed_call_becomes_one_note(tmp_path: Path) -> None:
    values = {"uniqueid": "17.5", "caller_number": "13800138000", "did": "4001",
              "caller_name": "王芳", "arrived_unix_s": "1795313428"}  # fmt: skip
    assert run(tmp_path, values).returncode == 0
    note = only_note(tmp_path)
    assert note["outcome"] == "missed"
    assert note["caller_number"] == "13800138000"
    assert note["caller_name"] == "王芳"
    assert note["did"] == "4001"
    assert note["arrived_at"] == "2026-11-22T02:10:28+00:00"
    assert note["ended_at"].endswith("+00:00")
    run(tmp_path, values)
    assert len(list(tmp_path.iterdir())) == 1, "the same call twice is one note"


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"queue_interface": "PJSIP/1001", "fallen": "1"}, "answered_in_fallback"),
        ({"dial_status": "ANSWER"}, "ended_in_conversation"),
        ({"dial_status": "NOANSWER"}, "missed"),
    ],
)
def test_outcomes(tmp_path: Path, values: dict[str, str], outcome: str) -> None:
    run(tmp_path, {"uniqueid": "1.1", **values})
    assert only_note(tmp_path)["outcome"] == outcome


@pytest.mark.parametrize(
    "name",
    ['a"b', "a) b=(c", "../../etc/passwd", "hangup", "x" * 100_000, "\x1b[31mred", "${SHELL(id)}",
     "a\u2028b", "'; rm -rf /"],
)  # fmt: skip
def test_hostile_names_stay_data(tmp_path: Path, name: str) -> None:
    run(tmp_path, {"uniqueid": "../../" + name[:20], "caller_name": name, "did": "4001"})
    note = only_note(tmp_path)
    assert len(note["caller_name"]) <= missed_call.LONGEST
    assert note["caller_name"].isprintable()
    assert note["did"] == "4001"


def test_when_asterisk_stops_answering_what_is_known_is_kept(tmp_path: Path) -> None:
    assert run(tmp_path, {}, cut=True).returncode == 0
    note = only_note(tmp_path)
    assert note["uniqueid"] == "17.5"
    assert note["caller_number"] == "138"


def test_a_spool_that_cannot_be_written_is_an_exit_code_and_no_rubbish(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(blocked / "spool", {"uniqueid": "1.1"}).returncode == 1


def test_a_write_that_fails_leaves_no_partial_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        missed_call.write_note(tmp_path, {"uniqueid": "1.1"})
    assert list(tmp_path.iterdir()) == []

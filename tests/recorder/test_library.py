"""Recordings become whole files, or an error that says why not; a crash loses nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import RecordingError
from recorder.library import Finished, finalise, finalise_all, leftovers, resolve
from recorder.media import wav_header
from recorder.plan import RecordingPlan, safe_stem
from routing.ids import RecordingId

pytestmark = pytest.mark.unit

DAY = 1_700_000_000.0
ID = RecordingId("lab-1700000000.7.r1")


@pytest.fixture
def plan(tmp_path: Path) -> RecordingPlan:
    intake = tmp_path / "intake"
    intake.mkdir()
    return RecordingPlan(intake_dir=intake, library_dir=tmp_path / "library")


def put_raw(plan: RecordingPlan, frames: list[tuple[int, int]], tail: bytes = b"") -> None:
    data = b"".join(struct.pack("<hh", *f) for f in frames)
    plan.intake_path(ID).write_bytes(data + tail)


def test_a_raw_file_becomes_a_stereo_wav_with_the_same_samples(plan: RecordingPlan) -> None:
    frames = [(i - 4000, 4000 - i) for i in range(8000)]
    put_raw(plan, frames)
    done = finalise(plan, ID, DAY)
    path = resolve(plan, done.path)
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getframerate(), wav.getsampwidth()) == (2, 8000, 2)
        samples = struct.unpack(f"<{2 * 8000}h", wav.readframes(8000))
    assert list(zip(samples[::2], samples[1::2], strict=True)) == frames
    assert done.duration_s == 1.0
    assert done.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert done.size_bytes == path.stat().st_size
    assert not plan.intake_path(ID).exists()


def test_doing_it_twice_reports_the_same_file(plan: RecordingPlan) -> None:
    put_raw(plan, [(1, 2)] * 800)
    first = finalise(plan, ID, DAY)
    again = finalise(plan, ID, DAY)
    assert (again.path, again.sha256, again.duration_s) == (
        first.path,
        first.sha256,
        first.duration_s,
    )


def test_several_at_once_each_get_their_own_answer(plan: RecordingPlan) -> None:
    good, empty, gone = ID, RecordingId("empty.r1"), RecordingId("gone.r1")
    put_raw(plan, [(1, 2)] * 8)
    plan.intake_path(empty).write_bytes(b"")
    answers = finalise_all(plan, [(good, DAY), (empty, DAY), (gone, DAY), (good, DAY)])
    assert [type(one) for one in answers] == [Finished, RecordingError, RecordingError, Finished]
    assert answers[0] == answers[3]
    assert ["left no" in str(one) for one in answers[1:3]] == [False, True]
    assert not plan.intake_path(good).exists()
    assert finalise_all(plan, []) == []


def test_one_that_cannot_be_put_on_the_disk_keeps_its_raw_file(
    plan: RecordingPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = RecordingId("other.r1")
    put_raw(plan, [(1, 2)] * 8)
    plan.intake_path(other).write_bytes(struct.pack("<hh", 3, 4) * 8)
    bad = plan.library_path(ID, DAY).with_suffix(".wav.part")
    sync, synced = os.fsync, set()

    def full(fd: int) -> None:
        path = os.readlink(f"/proc/self/fd/{fd}")
        synced.add(path)
        if path == str(bad):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(fd)

    monkeypatch.setattr(os, "fsync", full)
    failed, done = finalise_all(plan, [(ID, DAY), (other, DAY)])
    assert isinstance(failed, RecordingError)
    assert "No space left" in str(failed)
    assert isinstance(done, Finished)
    assert plan.intake_path(ID).exists()
    assert not bad.exists()
    assert not plan.intake_path(other).exists()
    assert str(bad.parent) in synced  # the folder, too


def test_a_crash_before_the_rename_is_repaired_by_the_next_attempt(plan: RecordingPlan) -> None:
    put_raw(plan, [(5, 5)] * 80)
    part = plan.library_path(ID, DAY).with_suffix(".wav.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half a file")
    done = finalise(plan, ID, DAY)
    assert done.duration_s == pytest.approx(0.01)
    assert not part.exists()


@pytest.mark.parametrize(
    ("content", "why"), [(None, "left no recording"), (b"", "empty"), (b"\x01\x02\x03", "empty")]
)
def test_nothing_to_keep_says_why(plan: RecordingPlan, content: bytes | None, why: str) -> None:
    if content is not None:
        plan.intake_path(ID).write_bytes(content)
    with pytest.raises(RecordingError, match=why):
        finalise(plan, ID, DAY)
    assert not plan.library_path(ID, DAY).exists()


def test_a_cut_last_frame_is_dropped(plan: RecordingPlan) -> None:
    put_raw(plan, [(1, 1)] * 8, tail=b"\x01\x02\x03")
    assert finalise(plan, ID, DAY).size_bytes == 44 + 8 * 4


def test_a_voice_message_stays_one_channel_and_its_unfilled_header_is_mended(
    plan: RecordingPlan,
) -> None:
    head = wav_header(0, channels=1)  # as a PBX leaves it that was killed
    plan.message_path(ID).write_bytes(head + struct.pack("<h", 77) * 8000)
    done = finalise(plan, ID, DAY)
    with wave.open(str(resolve(plan, done.path))) as wav:
        assert (wav.getnchannels(), wav.getnframes()) == (1, 8000)
    assert done.duration_s == 1.0
    assert finalise(plan, ID, DAY).duration_s == 1.0


def test_a_message_that_is_no_wav_is_refused(plan: RecordingPlan) -> None:
    plan.message_path(ID).write_bytes(b"not a wav at all")
    with pytest.raises(RecordingError, match="not a WAV"):
        finalise(plan, ID, DAY)


def test_leftovers_are_found(plan: RecordingPlan) -> None:
    put_raw(plan, [(1, 1)])
    (plan.intake_dir / "other.txt").write_text("x")
    assert list(leftovers(plan)) == [safe_stem(ID)]


def test_a_stored_path_cannot_leave_the_library(plan: RecordingPlan) -> None:
    with pytest.raises(RecordingError):
        resolve(plan, "../intake/secret.raw")


@given(st.text(min_size=1, max_size=300))
def test_names_are_safe_whatever_the_id(text: str) -> None:
    stem = safe_stem(RecordingId(text))
    assert stem
    assert not stem.startswith(".")
    assert "/" not in stem
    assert stem.isascii()
    assert len(stem) <= 120

"""Finishing a recording: from the PBX's raw file to a whole, hashed file in the library.

Blocking on purpose: call it in a thread. Every step can be repeated: a crash in the middle leaves
the raw file, and the next attempt does it again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recorder.errors import RecordingError
from recorder.media import CHANNELS, copy_as_wav, seek_to_sound, wav_duration_s
from recorder.plan import RecordingPlan
from routing.ids import RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A recording that is whole. ``path`` is relative to the library directory."""

    recording: RecordingId
    path: str
    sha256: str
    size_bytes: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class _Part:
    finished: Finished
    raw: Path
    part: Path
    target: Path


class _Hashing:
    """A writer that hashes and counts what passes through."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.sha = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        self.size += len(data)
        return self._out.write(data)


def finalise(plan: RecordingPlan, recording: RecordingId, at: float) -> Finished:
    """Make the library file of ``recording`` and remove the raw one, see :func:`finalise_all`.

    Raises RecordingError when there is nothing to keep.
    """
    [done] = finalise_all(plan, [(recording, at)])
    if isinstance(done, RecordingError):
        raise done
    return done


def finalise_all(
    plan: RecordingPlan, due: Sequence[tuple[RecordingId, float]]
) -> list[Finished | RecordingError]:
    """Make the library files of several recordings and remove the raw ones.

    ``due``: each with the Unix seconds of the day under which it is kept. ``.part`` beside the
    target, fsync of the file, rename, fsync of the folder: after a power cut there is either the
    raw file or the whole library file. Done before, it reports what is there. Each step is taken
    for all of them before the next: the file system then commits once for the lot.
    """
    settled = {recording: _written(plan, recording, at) for recording, at in dict(due).items()}
    new = {recording: one for recording, one in settled.items() if isinstance(one, _Part)}
    done = {recording: _renamed(one) for recording, one in new.items()}
    for folder in {one.target.parent for one in new.values()}:
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)
    for recording, one in new.items():
        if isinstance(done[recording], Finished):
            one.raw.unlink(missing_ok=True)
    known = {k: one for k, one in settled.items() if not isinstance(one, _Part)} | done
    return [known[recording] for recording, _ in due]


def _written(
    plan: RecordingPlan, recording: RecordingId, at: float
) -> _Part | Finished | RecordingError:
    """``.part`` beside the target, not yet on the disk."""
    target = plan.library_path(recording, at)
    raw, channels = plan.intake_path(recording), CHANNELS
    source = _open_if_there(raw)
    if source is None:
        raw, channels = plan.message_path(recording), 1
        source = _open_if_there(raw)
    if source is None:
        if target.exists():
            return _describe(plan, recording, target)
        return RecordingError("the PBX left no recording file")
    part = target.with_suffix(".wav.part")
    try:
        with source, _create(part) as out:
            hashing = _Hashing(out)
            start = 0 if raw.suffix == ".raw" else seek_to_sound(source)
            size = os.fstat(source.fileno()).st_size - start
            duration_s = copy_as_wav(source, hashing, size, channels=channels)
            os.fchmod(out.fileno(), 0o640)
    except RecordingError as error:
        part.unlink(missing_ok=True)
        return error
    except OSError as error:
        part.unlink(missing_ok=True)
        return _not_kept(error)
    finished = Finished(
        recording=recording,
        path=str(target.relative_to(plan.library_dir)),
        sha256=hashing.sha.hexdigest(),
        size_bytes=hashing.size,
        duration_s=duration_s,
    )
    return _Part(finished, raw, part, target)


def _renamed(one: _Part) -> Finished | RecordingError:
    try:
        _sync(one.part, os.O_RDWR)
        one.part.rename(one.target)
    except OSError as error:
        one.part.unlink(missing_ok=True)
        return _not_kept(error)
    return one.finished


def _not_kept(error: OSError) -> RecordingError:
    return RecordingError(f"the recording could not be kept: {error.strerror}")


def _open_if_there(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _create(path: Path) -> BinaryIO:
    """Open ``path`` for writing; the folder of its day is made with its first recording."""
    try:
        return path.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        return path.open("wb")


def _describe(plan: RecordingPlan, recording: RecordingId, target: Path) -> Finished:
    sha = hashlib.sha256()
    with target.open("rb") as file:
        while chunk := file.read(1 << 18):
            sha.update(chunk)
    return Finished(
        recording=recording,
        path=str(target.relative_to(plan.library_dir)),
        sha256=sha.hexdigest(),
        size_bytes=target.stat().st_size,
        duration_s=wav_duration_s(target),
    )


def _sync(path: Path, how: int) -> None:
    fd = os.open(path, how | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def leftovers(plan: RecordingPlan) -> Iterator[str]:
    """Stems of the raw files in the intake directory (see ``plan.safe_stem``), for recovery."""
    if plan.intake_dir.is_dir():
        for entry in sorted(plan.intake_dir.iterdir()):
            if entry.suffix in (".raw", ".wav") and entry.is_file():
                yield entry.stem


def resolve(plan: RecordingPlan, relative: str) -> Path:
    """The library file of a stored relative path; refuses to leave the library."""
    root = plan.library_dir.resolve()
    path = (root / relative).resolve()
    if not path.is_relative_to(root):
        raise RecordingError("the stored path leaves the library")
    return path

"""Where a recording's files stand and what they are called.

Two places: the *intake* directory, which the PBX writes into, and the *library*, which only ctid
writes into. A recording moves from one to the other when it is whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from routing.ids import RecordingId

_SAFE = re.compile(r"[^A-Za-z0-9._-]")
MAX_STEM = 120


def safe_stem(recording: RecordingId) -> str:
    """A file name stem that no file system, shell or PBX application misreads.

    Everything but ASCII letters, digits, ``.``, ``_`` and ``-`` becomes ``_``; a leading dot, too.
    """
    stem = _SAFE.sub("_", recording)[:MAX_STEM]
    if not stem:
        raise ValueError("a recording id must not be empty")
    return "_" + stem[1:] if stem.startswith(".") else stem


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPlan:
    """Directories and the naming rule of all recordings."""

    intake_dir: Path
    library_dir: Path

    def intake_path(self, recording: RecordingId) -> Path:
        """The file that the PBX writes: raw interleaved stereo, 16 bit, 8 kHz (MixMonitor D)."""
        return self.intake_dir / f"{safe_stem(recording)}.raw"

    def message_path(self, recording: RecordingId) -> Path:
        """The file of a voice message, which the PBX writes as a WAV of one channel."""
        return self.intake_dir / f"{safe_stem(recording)}.wav"

    def library_path(self, recording: RecordingId, at: float) -> Path:
        """The finished file, by day (UTC) so that no folder grows without bound.

        ``at``: Unix seconds of the day under which it is kept.
        """
        day = datetime.fromtimestamp(at, tz=UTC)
        return self.library_dir / f"{day:%Y/%m/%d}" / f"{safe_stem(recording)}.wav"

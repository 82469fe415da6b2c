"""The sound itself: WAV headers and duration. Streams; never holds a whole file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Protocol

from recorder.errors import RecordingError

SAMPLE_RATE_HZ = 8000
CHANNELS = 2  # left: what the caller says, right: what the caller hears
SAMPLE_BYTES = 2
CHUNK = 1 << 18


class Sink(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> int: ...


def wav_header(
    data_bytes: int, *, channels: int = CHANNELS, rate_hz: int = SAMPLE_RATE_HZ
) -> bytes:
    """The 44 bytes before ``data_bytes`` of 16-bit PCM (Microsoft/IBM RIFF WAVE, format tag 1)."""
    if data_bytes > 0xFFFFFFFF - 36:
        raise RecordingError("a WAV file cannot hold more than 4 GiB")
    block = channels * SAMPLE_BYTES
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        channels,
        rate_hz,
        rate_hz * block,
        block,
        8 * SAMPLE_BYTES,
        b"data",
        data_bytes,
    )


def seek_to_sound(wav: BinaryIO) -> int:
    """Move behind the header of a 16-bit PCM WAV that the PBX wrote; returns the header's bytes.

    The sizes in the header are not believed: a PBX that died has not filled them in.
    """
    head = wav.read(4096)
    data = head.find(b"data")
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE" or data < 0:
        raise RecordingError("the PBX left a file that is not a WAV")
    wav.seek(data + 8)
    return data + 8


def copy_as_wav(raw: BinaryIO, out: Sink, raw_bytes: int, *, channels: int = CHANNELS) -> float:
    """Write ``raw_bytes`` of interleaved PCM as a WAV; returns its seconds.

    A last frame that was cut is dropped. Raises RecordingError when there is no whole frame.
    """
    frame = channels * SAMPLE_BYTES
    whole = raw_bytes - raw_bytes % frame
    if whole == 0:
        raise RecordingError("the recording holds no sound: the file is empty")
    out.write(wav_header(whole, channels=channels))
    left = whole
    while left:
        chunk = raw.read(min(CHUNK, left))
        if not chunk:
            raise RecordingError(f"the recording ends {left} bytes early")
        out.write(chunk)
        left -= len(chunk)
    return whole / (SAMPLE_RATE_HZ * frame)


def wav_duration_s(path: Path) -> float:
    """Seconds of sound in a WAV file made by :func:`copy_as_wav`."""
    with path.open("rb") as file:
        head = file.read(44)
    bytes_per_s: int = struct.unpack_from("<I", head, 28)[0]
    return max(0, path.stat().st_size - 44) / bytes_per_s

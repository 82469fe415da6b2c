"""Audio checks and small conversions in pure Python: 16-bit mono PCM in ``array('h')``."""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import IO


def read_wav(path: Path | str | IO[bytes]) -> tuple[array[int], int]:
    """Samples and rate (Hz) of a 16-bit PCM WAV; of several channels the first is given.

    Raises wave.Error or EOFError for a broken file, ValueError for other sample sizes.
    """
    with wave.open(str(path) if isinstance(path, Path) else path, "rb") as handle:
        if handle.getsampwidth() != 2:
            raise ValueError(f"{path}: {handle.getsampwidth() * 8} bits, 16 are needed")
        samples = array("h")
        samples.frombytes(handle.readframes(handle.getnframes()))
        if sys.byteorder == "big":
            samples.byteswap()
        channels, rate = handle.getnchannels(), handle.getframerate()
    return (samples[::channels] if channels > 1 else samples), rate


def write_wav(path: Path | str, samples: array[int], rate_hz: int) -> None:
    """Write a mono 16-bit WAV."""
    if sys.byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    with wave.open(str(path), "wb") as handle:
        handle.setnchannels(1)
        handle.setsampwidth(2)
        handle.setframerate(rate_hz)
        handle.writeframes(samples.tobytes())


def resample(samples: array[int], from_hz: int, to_hz: int) -> array[int]:
    """Another rate by averaging over each new sample's time: good enough for speech prompts.

    The average over the window is a low-pass filter, so going down does not alias badly.
    """
    if from_hz == to_hz or not samples:
        return array("h", samples)
    sums = [0, *accumulate(samples)]
    count = len(samples) * to_hz // from_hz
    out = array("h", bytes(2 * count))
    last = len(samples)
    for index in range(count):
        low = index * from_hz // to_hz
        high = min(last, max(low + 1, (index + 1) * from_hz // to_hz))
        out[index] = (sums[high] - sums[low]) // (high - low)
    return out


def sine(hz: float, seconds: float, *, rate_hz: int = 8000, level: float = 0.3) -> array[int]:
    """A sine of ``level`` (0 to 1 of full scale)."""
    peak = 32767 * level
    step = 2 * math.pi * hz / rate_hz
    return array("h", (round(peak * math.sin(step * i)) for i in range(int(seconds * rate_hz))))


def rms(samples: Sequence[int]) -> float:
    """Root mean square, 0 for silence, 23170 for a full-scale sine."""
    if not samples:
        return 0.0
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def power(samples: Sequence[int], hz: float, rate_hz: int) -> float:
    """Share of the signal's energy that is in a narrow band at ``hz``, 0 to 1 (Goertzel).

    G. Goertzel, "An Algorithm for the Evaluation of Finite Trigonometric Series", 1958. A pure
    tone gives 1, white noise about 2/N for N samples. Windows of 400 samples (a band of about
    40 Hz at 8 kHz) are judged one by one and weighted by energy, so a tone whose phase jumps
    (jitter, lost packets) still counts.
    """
    size = 400
    coefficient = 2 * math.cos(2 * math.pi * hz / rate_hz)
    found = total = 0.0
    for start in range(0, len(samples) - size + 1, size):
        window = samples[start : start + size]
        before = last = 0.0
        energy = 0
        for sample in window:
            before, last = last, sample + coefficient * last - before
            energy += sample * sample
        if energy == 0:
            continue
        magnitude = before * before + last * last - coefficient * before * last
        found += 2 * magnitude / size
        total += energy
    return found / total if total else 0.0


def goertzel(
    wav: Path | str, hz: float, *, from_s: float = 0.0, to_s: float | None = None
) -> float:
    """:func:`power` of a WAV file, or of the part from ``from_s`` to ``to_s`` seconds."""
    samples, rate = read_wav(wav)
    end = len(samples) if to_s is None else int(to_s * rate)
    return power(samples[int(from_s * rate) : end], hz, rate)


def has_tone(wav: Path | str, hz: float, *, share: float = 0.5, min_rms: float = 300) -> bool:
    """Whether ``hz`` makes up ``share`` of the loud part of the file.

    Silence around the tone is left out: windows of 50 ms below ``min_rms`` are not looked at.
    """
    samples, rate = read_wav(wav)
    loud = loud_part(samples, rate, min_rms)
    return len(loud) >= rate // 10 and power(loud, hz, rate) >= share


def loud_part(samples: array[int], rate_hz: int, min_rms: float = 300) -> array[int]:
    """The windows of 50 ms that are louder than ``min_rms``, one after the other."""
    size = rate_hz // 20
    out = array("h")
    for start in range(0, len(samples) - size + 1, size):
        window = samples[start : start + size]
        if rms(window) >= min_rms:
            out.extend(window)
    return out

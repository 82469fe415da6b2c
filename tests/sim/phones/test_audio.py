"""Tones are found where they are and nowhere else."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest

from sim.phones.audio import (
    goertzel,
    has_tone,
    loud_part,
    power,
    read_wav,
    resample,
    rms,
    sine,
    write_wav,
)

pytestmark = pytest.mark.unit


def test_a_tone_is_found_and_others_are_not() -> None:
    samples = sine(440, 1.0)
    assert power(samples, 440, 8000) > 0.98
    assert power(samples, 700, 8000) < 0.02


def test_noise_and_silence_are_no_tone() -> None:
    draw = random.Random(7)  # noqa: S311
    noise = array("h", (draw.randrange(-8000, 8000) for _ in range(8000)))
    assert power(noise, 440, 8000) < 0.05
    assert power(array("h", bytes(16000)), 440, 8000) == 0.0
    assert power(array("h"), 440, 8000) == 0.0


def test_two_tones_share_the_energy() -> None:
    mixed = array("h", (a + b for a, b in zip(sine(440, 1.0), sine(1000, 1.0), strict=True)))
    assert power(mixed, 440, 8000) == pytest.approx(0.5, abs=0.05)
    assert power(mixed, 1000, 8000) == pytest.approx(0.5, abs=0.05)


def test_silence_around_a_tone_does_not_hide_it(tmp_path: Path) -> None:
    silence = array("h", bytes(2 * 24000))
    write_wav(tmp_path / "t.wav", silence + sine(500, 0.5) + silence, 8000)
    assert has_tone(tmp_path / "t.wav", 500)
    assert not has_tone(tmp_path / "t.wav", 620)
    assert goertzel(tmp_path / "t.wav", 500, from_s=3.05, to_s=3.45) > 0.95
    assert goertzel(tmp_path / "t.wav", 500, to_s=2.0) == 0.0
    samples, rate = read_wav(tmp_path / "t.wav")
    assert len(loud_part(samples, rate)) == pytest.approx(4000, abs=400)


def test_rms_of_a_sine() -> None:
    assert rms(sine(400, 1.0, level=1.0)) == pytest.approx(23170, rel=0.01)
    assert rms([]) == 0.0


def test_resampling_keeps_length_and_pitch() -> None:
    out = resample(sine(440, 1.0, rate_hz=22050), 22050, 8000)
    assert len(out) == pytest.approx(8000, abs=2)
    assert power(out, 440, 8000) > 0.97

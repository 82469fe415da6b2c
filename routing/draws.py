"""Seeded random numbers for strategies that draw lots: the same seed gives the same choices.

SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

from __future__ import annotations

from math import log
from typing import Final

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


def mix(value: int) -> int:
    """Scatter 64 bits (the finaliser of SplitMix64)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def share_of(text: str) -> float:
    """A number in [0, 1) that depends on nothing but ``text`` (for sampling by id)."""
    value = 0
    for byte in text.encode():
        value = mix((value + byte + _GOLDEN) & _MASK)
    return (value >> 11) / (1 << 53)


class Draws:
    """A stream of random numbers."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = mix(seed & _MASK)

    def unit(self) -> float:
        """Uniform in (0, 1]."""
        self._state = (self._state + _GOLDEN) & _MASK
        return ((mix(self._state) >> 11) + 1) / (1 << 53)

    def exponential(self) -> float:
        """Exponential with mean 1."""
        return -log(self.unit())

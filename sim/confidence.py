"""Confidence intervals for simulation output.

Independent replications, and batch means for one long run. Source: A. M. Law, "Simulation Modeling
and Analysis", chapter 9 (output analysis for terminating and steady-state systems).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and half the width of its 95 % interval (``inf``: one observation says nothing)."""

    mean: float
    half_width: float
    count: int

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half_width

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies inside."""
        return self.low <= value <= self.high


def estimate(values: Sequence[float | None]) -> Estimate | None:
    """From independent observations, one per replication. None: nothing was observed."""
    known = [v for v in values if v is not None]
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    if len(known) == 1:
        return Estimate(mean, math.inf, 1)
    variance = math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1)
    half = t_quantile(len(known) - 1) * math.sqrt(variance / len(known))
    return Estimate(mean, half, len(known))


def difference(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Estimate | None:
    """Of pairs that saw the same callers (common random numbers): the interval of the change."""
    pairs = zip(ours, theirs, strict=True)
    return estimate([b - a if a is not None and b is not None else None for a, b in pairs])


def batch_means(values: Sequence[float], batches: int = 20) -> Estimate | None:
    """From one long run of dependent observations, cut into ``batches`` equal pieces."""
    size = len(values) // batches
    if size == 0:
        return None
    return estimate([math.fsum(values[n * size : (n + 1) * size]) / size for n in range(batches)])


_T975 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with ``freedom`` degrees of freedom.

    Tabulated up to 30, then by the expansion around the normal quantile (Abramowitz and Stegun,
    26.7.5), good to four digits there.
    """
    if freedom < 1:
        raise ValueError("at least one degree of freedom is needed")
    if freedom <= len(_T975):
        return _T975[freedom - 1]
    z = 1.959963984540054
    first = (z**3 + z) / (4 * freedom)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return z + first + second

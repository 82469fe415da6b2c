"""Expected wait from position, agents, and observed handle times and patience: an interval.

The wait of the caller at position ``k`` while all ``n`` agents are busy is a sum of ``k`` steps;
with ``i`` callers still ahead the line moves at the rate ``n/handle + i/patience`` (somebody
finishes, or somebody ahead gives up). Mean and variance of that sum give a gamma distribution whose
quantiles are the interval. Sources: W. Whitt, "Improving service by informing customers about
anticipated delays", Management Science 45 (1999) 192-207; R. Ibrahim, W. Whitt, "Real-time delay
estimation in overloaded multiserver queues with abandonments", Management Science 55 (2009)
1729-1742 (the Markovian queue-length estimator); quantiles of the gamma distribution by
E. B. Wilson, M. M. Hilferty (1931).

Where agents serve other queues too, ``sharing`` says how many agents and callers that makes.

What was announced is kept beside what happened, so that the estimate reports its own error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

QUANTILE = 0.8
"""The interval should hold the true wait in this share of cases."""
_Z = 1.2815515655446004  # standard normal quantile of (1 + QUANTILE) / 2
_SUMMED = 64  # steps that are added one by one; the rest by the Euler-Maclaurin formula
_MEMORY = 200.0  # observations that count: older ones fade, so that the evening is not the morning
_CORRECTION_LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class ExpectedWait:
    """Seconds from now. In ``QUANTILE`` of the cases the wait lies between low and high.

    ``raw_s`` is ``mid_s`` before the correction by what was learnt of earlier announcements.
    """

    low_s: float
    mid_s: float
    high_s: float
    raw_s: float = 0.0


def expected_wait(
    position: int,
    agents: float,
    handle_s: float,
    patience_s: float,
    *,
    handle_cv2: float = 1.0,
    observations: float = math.inf,
) -> ExpectedWait | None:
    """The wait of the caller at ``position`` (1 is next) when every eligible agent is busy.

    ``agents``: how many serve this line, a fraction when they are shared (see ``sharing``).
    ``handle_cv2``: squared coefficient of variation of handle times (1: exponential). Few
    ``observations`` widen the interval. None when nobody serves the line.
    """
    if agents <= 0 or position < 1 or handle_s <= 0:
        return None
    serve = agents / handle_s
    leave = 0.0 if math.isinf(patience_s) else 1 / patience_s
    mean, variance = _steps(position, serve, leave)
    # several agents' regular handle times still interleave almost at random: only one agent's
    # regularity carries over whole (superposition of renewal processes tends to a Poisson process)
    variance *= 1 + (handle_cv2 - 1) / max(1.0, agents)
    if not math.isinf(observations):
        variance += mean * mean * handle_cv2 / max(1.0, observations)
    return _gamma_interval(mean, max(variance, 1e-12))


def _steps(position: int, serve: float, leave: float) -> tuple[float, float]:
    mean = variance = 0.0
    for ahead in range(min(position, _SUMMED)):
        rate = serve + ahead * leave
        mean += 1 / rate
        variance += 1 / (rate * rate)
    rest = position - _SUMMED
    if rest > 0:
        if leave <= 0:
            return mean + rest / serve, variance + rest / (serve * serve)
        first, last = serve + (_SUMMED - 0.5) * leave, serve + (position - 0.5) * leave
        mean += math.log(last / first) / leave
        variance += (1 / first - 1 / last) / leave
    return mean, variance


def _gamma_interval(mean: float, variance: float) -> ExpectedWait:
    shape, scale = mean * mean / variance, variance / mean
    if shape < 0.3:  # the cube-root transform is poor there; the exponential's quantiles are safe
        return ExpectedWait(0.0, mean, -mean * math.log(0.5 - QUANTILE / 2))

    def quantile(z: float) -> float:
        return scale * shape * max(0.0, 1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))) ** 3

    return ExpectedWait(quantile(-_Z), mean, quantile(_Z))


@dataclass(slots=True)
class Fading:
    """Mean and variance of a stream in which older observations fade; begins with a prior."""

    mean: float
    weight: float
    squares: float  # weight x variance
    seen: int = 0

    @classmethod
    def prior(cls, mean: float, *, worth: float = 3.0, cv2: float = 1.0) -> Fading:
        """A stream that so far holds ``worth`` imagined observations of ``mean``."""
        return cls(mean, worth, worth * cv2 * mean * mean)

    def add(self, value: float) -> None:
        """One observation."""
        keep = 1 - 1 / _MEMORY
        self.weight = self.weight * keep + 1
        self.squares *= keep
        step = value - self.mean
        self.mean += step / self.weight
        self.squares += step * (value - self.mean)
        self.seen += 1

    @property
    def cv2(self) -> float:
        """Squared coefficient of variation."""
        return self.squares / self.weight / (self.mean * self.mean) if self.mean > 0 else 1.0


@dataclass(slots=True)
class Calibration:
    """How good the announced waits were: the estimate's own error.

    A caller who left only shows that the wait was longer than that. Such waits count as missed when
    they exceed the upper end, and in the correction as time at risk without an answer (the estimate
    for right-censored exponential times: all time over the answers seen). Where many leave, the
    answered are the lucky ones, so their coverage and bias alone look worse than the estimate is.
    """

    answered: int = 0
    given_up: int = 0
    inside: int = 0
    above: int = 0
    error_s: float = 0.0  # sum of wait - mid
    absolute_error_s: float = 0.0
    exposed: float = 20.0  # waited over uncorrected estimate, summed and fading; begins as if
    answers: float = 20.0  # twenty had been told the truth

    def add(self, announced: ExpectedWait, waited_s: float, *, answered: bool) -> None:
        """What became of one announcement: ``waited_s`` from then until answered or left."""
        keep = 1 - 1 / _MEMORY
        # against the uncorrected estimate: a correction that works must not unlearn itself
        raw_s = announced.raw_s or announced.mid_s
        if raw_s > 0:
            self.exposed = self.exposed * keep + min(waited_s / raw_s, 2 * _CORRECTION_LIMIT)
            self.answers = self.answers * keep + answered
        self.above += waited_s > announced.high_s
        if not answered:
            self.given_up += 1
            return
        self.answered += 1
        self.inside += announced.low_s <= waited_s <= announced.high_s
        self.error_s += waited_s - announced.mid_s
        self.absolute_error_s += abs(waited_s - announced.mid_s)

    @property
    def correction(self) -> float:
        """What estimates have to be multiplied by to be right on average."""
        by = self.exposed / max(self.answers, 1.0)
        return min(max(by, 1 / _CORRECTION_LIMIT), _CORRECTION_LIMIT)

    def report(self) -> dict[str, float | int | None]:
        """Coverage (share 0..1 inside the interval; meant: ``target``), bias, error in seconds."""
        told = self.answered
        return {
            "announced": told + self.given_up,
            "answered": told,
            "given_up": self.given_up,
            "target": QUANTILE,
            "coverage": self.inside / told if told else None,
            "above": self.above,
            "bias_s": self.error_s / told if told else None,
            "mean_absolute_error_s": self.absolute_error_s / told if told else None,
            "correction": self.correction,
        }


class WaitModel:
    """What one queue has learnt about its handle times and its callers' patience.

    ``handle_s`` and ``patience_s`` are what is believed before anything was seen. Patience is total
    time waited over the number who gave up: the estimate that takes those who were answered into
    account as well (right-censored exponential; A. Mandelbaum, S. Zeltyn, "Service engineering in
    action: the Palm/Erlang-A queue", 2007).
    """

    def __init__(self, handle_s: float = 180.0, patience_s: float = 180.0) -> None:
        self.handle = Fading.prior(handle_s)
        self._waited_s = patience_s  # as if one caller had given up after that
        self._gave_up = 1.0
        self.calibration = Calibration()

    @property
    def patience_s(self) -> float:
        """Mean patience in seconds."""
        return self._waited_s / self._gave_up

    def handled(self, handle_s: float) -> None:
        """An agent was busy with an interaction for so long (talk and wrap-up)."""
        if 0 <= handle_s < math.inf:
            self.handle.add(handle_s)

    def waited(self, wait_s: float, *, gave_up: bool) -> None:
        """An interaction left the line after ``wait_s``."""
        if not 0 <= wait_s < math.inf:
            return
        keep = 1 - 1 / _MEMORY
        self._waited_s = self._waited_s * keep + wait_s
        # it fades, yet never to nothing: a line in which nobody gives up has patient callers
        self._gave_up = max(self._gave_up * keep, 1e-3) + gave_up

    def expect(
        self, position: int, agents: float, handle_s: float | None = None
    ) -> ExpectedWait | None:
        """The wait at ``position`` with ``agents`` (see :func:`expected_wait`).

        ``handle_s``: of those ahead, where it is not what was learnt of this queue.
        """
        found = expected_wait(
            position,
            agents,
            max(self.handle.mean, 0.1) if handle_s is None else handle_s,
            max(self.patience_s, 1.0),
            handle_cv2=min(self.handle.cv2, 16.0),
            observations=self.handle.weight,
        )
        if found is None:
            return found
        by = self.calibration.correction
        return ExpectedWait(found.low_s * by, found.mid_s * by, found.high_s * by, found.mid_s)

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data, for a snapshot."""
        return {
            "handle": [self.handle.mean, self.handle.weight, self.handle.squares, self.handle.seen],
            "waited_s": self._waited_s,
            "gave_up": self._gave_up,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> WaitModel:
        """What ``to_data`` wrote; the calibration begins anew."""
        model = cls()
        mean, weight, squares, seen = data["handle"]
        model.handle = Fading(float(mean), float(weight), float(squares), int(seen))
        model._waited_s, model._gave_up = float(data["waited_s"]), float(data["gave_up"])
        return model

"""Queueing formulas: Erlang B, C and A, and what they say about staffing.

Units: ``load`` in erlangs (arrival rate x mean handle time), times in seconds, rates per second.
All are computed by recursions or in logarithms, so that thousands of agents neither overflow nor
lose digits.

Sources: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in
automatic telephone exchanges" (1917) for B and C; C. Palm (1946) and O. Garnett, A. Mandelbaum,
M. Reiman, "Designing a call center with impatient customers", M&SOM 4 (2002) 208-227 for A
(M/M/n+M); F. Baccelli, G. Hebuterne, "On queues with impatient customers" (1981) for the density of
the offered wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

_NEGLIGIBLE = 1e-17  # relative weight below which a state no longer counts in double precision
_TAIL_LOG = 42.0  # exp(-42): the same for an integrand
_STEPS = 200  # of Simpson's rule in each piece; even


def erlang_b(agents: int, load: float) -> float:
    """Share of calls that find all ``agents`` busy when nobody may wait (M/M/n/n)."""
    _check(agents, load)
    blocked = 1.0
    for n in range(1, agents + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(agents: int, load: float) -> float:
    """Share of calls that have to wait when everybody waits (M/M/n); 1.0 when overloaded."""
    _check(agents, load)
    if load >= agents:
        return 1.0
    blocked = erlang_b(agents, load)
    return blocked / (1 - load / agents * (1 - blocked))


@dataclass(frozen=True, slots=True)
class Performance:
    """What a queue does in the long run. ``mean_wait_s``: of all calls, also those that give up."""

    agents: int
    load: float
    waits: float  # share that has to wait
    abandons: float  # share that gives up
    mean_wait_s: float
    occupancy: float
    waiting: float  # mean number in line


def erlang_c_performance(agents: int, calls_per_s: float, handle_s: float) -> Performance:
    """M/M/n without abandonment. An overloaded queue waits for ever (``inf``)."""
    load = calls_per_s * handle_s
    waits = erlang_c(agents, load)
    if load >= agents:
        return Performance(agents, load, 1.0, 0.0, math.inf, 1.0, math.inf)
    mean = waits * handle_s / (agents - load)
    return Performance(agents, load, waits, 0.0, mean, load / agents, mean * calls_per_s)


def erlang_c_service_level(
    agents: int, calls_per_s: float, handle_s: float, within_s: float
) -> float:
    """Share of calls answered within ``within_s`` in M/M/n; 0.0 when overloaded."""
    load = calls_per_s * handle_s
    if load >= agents:
        return 0.0
    return 1 - erlang_c(agents, load) * math.exp(-(agents - load) * within_s / handle_s)


def erlang_a(agents: int, calls_per_s: float, handle_s: float, patience_s: float) -> Performance:
    """M/M/n+M: callers give up after an exponential patience of mean ``patience_s``.

    Sums the birth and death chain outwards from its most likely state, where nothing overflows.
    """
    load = calls_per_s * handle_s
    _check(agents, load)
    if calls_per_s <= 0:
        return Performance(agents, 0.0, float(agents == 0), 0.0, 0.0, 0.0, 0.0)
    if math.isinf(patience_s):
        return erlang_c_performance(agents, calls_per_s, handle_s)
    leave, serve = 1 / patience_s, 1 / handle_s

    def death(state: int) -> float:
        return min(state, agents) * serve + max(0, state - agents) * leave

    mode = int(load) if load < agents else int(agents + (calls_per_s - agents * serve) / leave)
    total = busy = queued = waits = 0.0

    def count(state: int, weight: float) -> None:
        nonlocal total, busy, queued, waits
        total += weight
        busy += weight * min(state, agents)
        if state >= agents:
            queued += weight * (state - agents)
            waits += weight

    weight, state = 1.0, mode
    while weight > _NEGLIGIBLE:
        count(state, weight)
        state += 1
        weight *= calls_per_s / death(state)
    weight, state = 1.0, mode
    while state > 0 and weight > _NEGLIGIBLE:
        weight *= death(state) / calls_per_s
        state -= 1
        count(state, weight)
    waiting = queued / total
    return Performance(
        agents=agents,
        load=load,
        waits=waits / total,
        abandons=min(1.0, leave * waiting / calls_per_s),
        mean_wait_s=waiting / calls_per_s,
        occupancy=busy / total / agents if agents else 0.0,
        waiting=waiting,
    )


def erlang_a_service_level(
    agents: int, calls_per_s: float, handle_s: float, patience_s: float, within_s: float
) -> float:
    """Share of all calls that are answered within ``within_s`` in M/M/n+M.

    The wait that would be needed has, beyond 0, the density
    ``exp(lambda/theta (1 - exp(-theta x)) - n mu x)`` up to a factor (Baccelli and Hebuterne);
    it is answered if the patience is longer.
    """
    if agents == 0:
        return 0.0
    if calls_per_s <= 0:
        return 1.0
    if math.isinf(patience_s):
        return erlang_c_service_level(agents, calls_per_s, handle_s, within_s)
    leave, drain = 1 / patience_s, agents / handle_s
    peak = math.log(calls_per_s / drain) / leave if calls_per_s > drain else 0.0

    def exponent(x: float) -> float:
        return calls_per_s / leave * -math.expm1(-leave * x) - drain * x

    top = exponent(peak)
    end = max(peak, 1 / drain)
    while exponent(end) > top - _TAIL_LOG:
        end *= 1.5
    end = _border(lambda x: exponent(x) < top - _TAIL_LOG, end, peak)
    begin = 0.0
    if peak and exponent(0.0) < top - _TAIL_LOG:
        begin = _border(lambda x: exponent(x) < top - _TAIL_LOG, 0.0, peak)
    until = min(max(within_s, begin), end)
    # impatience works on another scale than the drain: each piece gets its own steps
    cuts = sorted({begin, until, end, peak, *(n / leave for n in (0.5, 2.0, 8.0, 32.0))})
    cuts = [x for x in cuts if begin <= x <= end]
    whole = served = 0.0
    for low, high in pairwise(cuts):
        whole += _simpson(lambda x: math.exp(exponent(x) - top), low, high)
        if high <= until:
            served += _simpson(lambda x: math.exp(exponent(x) - top - leave * x), low, high)
    waits = erlang_a(agents, calls_per_s, handle_s, patience_s).waits
    return 1 - waits + (waits * served / whole if within_s > 0 else 0.0)


def _border(negligible: Callable[[float], bool], outside: float, inside: float) -> float:
    """Where the integrand begins to count: between where it does not and where it does."""
    while abs(outside - inside) > 1e-6 * max(outside, inside):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if negligible(middle) else (outside, middle)
    return outside


def _simpson(of: Callable[[float], float], begin: float, end: float) -> float:
    step = (end - begin) / _STEPS
    odd = sum(of(begin + n * step) for n in range(1, _STEPS, 2))
    even = sum(of(begin + n * step) for n in range(2, _STEPS, 2))
    return step / 3 * (of(begin) + 4 * odd + 2 * even + of(end))


def carries_per_s(
    agents: int,
    handle_s: float,
    patience_s: float,
    *,
    within_s: float,
    share: float = 0.8,
) -> float:
    """The calls a second that ``agents`` can take with ``share`` answered within ``within_s``."""
    if agents <= 0:
        return 0.0
    low, high = 0.0, 2.0 * agents / handle_s
    for _ in range(24):  # to a ten-millionth
        middle = (low + high) / 2
        if erlang_a_service_level(agents, middle, handle_s, patience_s, within_s) >= share:
            low = middle
        else:
            high = middle
    return low


def agents_for(
    calls_per_s: float,
    handle_s: float,
    patience_s: float,
    *,
    within_s: float,
    share: float = 0.8,
) -> int:
    """The fewest agents that answer ``share`` of the calls within ``within_s`` (M/M/n+M)."""
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, not {share}")

    def enough(agents: int) -> bool:
        return erlang_a_service_level(agents, calls_per_s, handle_s, patience_s, within_s) >= share

    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _check(agents: int, load: float) -> None:
    if agents < 0:
        raise ValueError(f"the number of agents must not be negative: {agents}")
    if not 0 <= load < math.inf:
        raise ValueError(f"the load must be a finite number of erlangs, 0 or more: {load}")

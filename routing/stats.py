"""The figures of a call centre and their formulas, once, as pure folds over raw waits.

Everything is counted from :class:`Handled` rows, one per interaction and queue, so that any report
can be counted again from the contact records and adds up. An interval owns the interactions that
*entered the queue* in it, also those that are answered later.

Service level: share answered within a threshold. Of what, differs between vendors, and more than
any other figure it is quoted without saying so; :class:`ServiceLevel` therefore gives the common
definitions side by side. The three ways to count abandoned calls are those of Cisco Unified CCE
("ignored", "negative impact", "positive impact"; Reporting Concepts, service level types).

Callbacks and calls that agents make are work, not callers who hold the line: they count in handle
times and occupancy, and in nothing that is about waiting. ASA is what those heard who waited for an
answer ("Average Speed of Answer", Cisco Packaged CCE Reporting User Guide: delay, queue and ring
time of *incoming* tasks); a callback that is due tomorrow would drown them. Others keep it apart as
well: in Amazon Connect ("Metrics for a queued callback") it is a contact of its own, which leaves
the queue when the agent accepts it, before the customer is dialled. The caller who asked for the
callback has a row: entered, waited, outcome callback.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from routing.commands import InteractionAccount, Outcome
from routing.hours import instant, zone
from routing.ids import AgentId, InteractionId, QueueId

DEFAULT_SERVICE_LEVEL = "of_offered_less_short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What became of one interaction in one queue. Times: Unix seconds; durations: seconds.

    ``outcome`` answered: ``wait_s`` is the time to answer; else the time until it left the queue.
    ``talk_s`` includes hold.
    """

    interaction: InteractionId
    queue: QueueId
    entered_at: float
    wait_s: float
    outcome: Outcome
    agent: AgentId | None = None
    talk_s: float = 0.0
    wrap_up_s: float = 0.0

    @property
    def answered(self) -> bool:
        """Whether an agent spoke with the customer."""
        return self.agent is not None

    @property
    def abandoned(self) -> bool:
        """Whether the customer gave up while waiting."""
        return not self.answered and self.outcome is Outcome.ABANDONED


def handled(account: InteractionAccount, wrap_up_s: float = 0.0) -> Handled | None:
    """The row of a contact record; None for who was in no queue, and for who was called by us."""
    if account.queue is None or account.queued_at is None or account.outbound:
        return None
    return Handled(
        interaction=account.interaction,
        queue=account.queue,
        entered_at=account.queued_at,
        wait_s=max(0.0, account.wait_s),
        outcome=account.outcome,
        agent=account.agent if account.answered_at is not None else None,
        talk_s=max(0.0, account.talk_s),
        wrap_up_s=max(0.0, wrap_up_s),
    )


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Shares 0..1, None where there is nothing to divide by. ``T`` is the threshold.

    of_answered: answered within T / answered
    of_offered: answered within T / offered (abandoned calls count against; "negative impact")
    of_offered_less_short: the same without abandons shorter than the short-abandon threshold
    of_offered_less_early_abandons: the same without abandons within T ("ignored")
    with_early_abandons: (answered within T + abandoned within T) / offered ("positive impact")
    """

    of_answered: float | None
    of_offered: float | None
    of_offered_less_short: float | None
    of_offered_less_early_abandons: float | None
    with_early_abandons: float | None


@dataclass(slots=True)
class Tally:
    """Sums over :class:`Handled` rows. Adding is associative: intervals add up to the day."""

    threshold_s: float = 20.0
    short_abandon_s: float = 5.0
    offered: int = 0
    answered: int = 0
    abandoned: int = 0
    short_abandoned: int = 0
    other: int = 0  # overflowed, timed out, callback promised, released, ...
    answered_within: int = 0
    abandoned_within: int = 0
    answer_wait_s: float = 0.0
    abandon_wait_s: float = 0.0
    other_wait_s: float = 0.0
    max_wait_s: float = 0.0
    talk_s: float = 0.0
    wrap_up_s: float = 0.0

    def add(self, row: Handled) -> None:
        """Count one row."""
        self.offered += 1
        self.max_wait_s = max(self.max_wait_s, row.wait_s)
        if row.answered:
            self.answered += 1
            self.answered_within += row.wait_s <= self.threshold_s
            self.answer_wait_s += row.wait_s
            self.talk_s += row.talk_s
            self.wrap_up_s += row.wrap_up_s
        elif row.abandoned:
            self.abandoned += 1
            self.short_abandoned += row.wait_s < self.short_abandon_s
            self.abandoned_within += row.wait_s <= self.threshold_s
            self.abandon_wait_s += row.wait_s
        else:
            self.other += 1
            self.other_wait_s += row.wait_s

    def __add__(self, other: Tally) -> Tally:
        if self.threshold_s != other.threshold_s or self.short_abandon_s != other.short_abandon_s:
            raise ValueError("tallies with different thresholds do not add up")
        total = Tally(self.threshold_s, self.short_abandon_s)
        for f in fields(Tally)[2:]:
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            joined = max(mine, theirs) if f.name == "max_wait_s" else mine + theirs
            setattr(total, f.name, joined)
        return total

    @property
    def service_level(self) -> ServiceLevel:
        """All definitions, see :class:`ServiceLevel`."""
        within, offered = self.answered_within, self.offered
        return ServiceLevel(
            of_answered=_share(within, self.answered),
            of_offered=_share(within, offered),
            of_offered_less_short=_share(within, offered - self.short_abandoned),
            of_offered_less_early_abandons=_share(within, offered - self.abandoned_within),
            with_early_abandons=_share(within + self.abandoned_within, offered),
        )

    @property
    def asa_s(self) -> float | None:
        """Average speed of answer: mean wait of those answered."""
        return _share(self.answer_wait_s, self.answered)

    @property
    def aht_s(self) -> float | None:
        """Average handle time: talk (with hold) and wrap-up, per answered interaction."""
        return _share(self.talk_s + self.wrap_up_s, self.answered)

    @property
    def mean_wait_s(self) -> float | None:
        """Mean time in the queue of all, however they left it."""
        return _share(self.answer_wait_s + self.abandon_wait_s + self.other_wait_s, self.offered)

    @property
    def abandonment(self) -> float | None:
        """Share of offered that gave up; short abandons count on neither side."""
        short = self.short_abandoned
        return _share(self.abandoned - short, self.offered - short)

    @property
    def abandonment_with_short(self) -> float | None:
        """Share of offered that gave up, short abandons included."""
        return _share(self.abandoned, self.offered)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


@dataclass(slots=True)
class AgentTime:
    """How long an agent (or several) was in each state. They partition the time logged in."""

    idle_s: float = 0.0
    reserved_s: float = 0.0
    ringing_s: float = 0.0
    talking_s: float = 0.0
    wrap_up_s: float = 0.0
    paused_s: float = 0.0
    paused_productive_s: float = 0.0

    def add(self, state: str, seconds: float, *, productive: bool = False) -> None:
        """``state``: of ``agent_state``, or ``paused`` (``productive``: it counts as work)."""
        name = "paused_productive_s" if state == "paused" and productive else f"{state}_s"
        if name not in AgentTime.__slots__:
            raise ValueError(f"{state!r} is no state whose time is counted")
        setattr(self, name, getattr(self, name) + seconds)

    def __add__(self, other: AgentTime) -> AgentTime:
        return AgentTime(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(AgentTime))
        )

    @property
    def logged_in_s(self) -> float:
        """All of it."""
        return float(sum(getattr(self, f.name) for f in fields(AgentTime)))

    @property
    def occupancy(self) -> float | None:
        """(talking + wrap-up) / (talking + wrap-up + waiting for work): pauses are left out."""
        busy = self.talking_s + self.wrap_up_s
        return _share(busy, busy + self.idle_s + self.reserved_s + self.ringing_s)

    @property
    def utilisation(self) -> float | None:
        """(talking + wrap-up + productive pauses) / logged in."""
        busy = self.talking_s + self.wrap_up_s + self.paused_productive_s
        return _share(busy, self.logged_in_s)


# --- intervals ----------------------------------------------------------------------------------

DAY_MINUTES = 24 * 60


class Intervals:
    """Cuts time at the local clock's multiples of ``minutes`` (a divisor of a day; 1440: days).

    Right where clocks change: half-hours of the hour that comes twice are two different intervals,
    and such a day has 25 hours.
    """

    def __init__(self, timezone: str, minutes: int = 30) -> None:
        if minutes < 1 or DAY_MINUTES % minutes:
            raise ValueError(f"intervals of {minutes} minutes do not divide a day")
        self.minutes = minutes
        self._zone: ZoneInfo = zone(timezone)

    def start_of(self, at: float) -> float:
        """The instant at which the interval that holds ``at`` begins."""
        return self._around(at)[0]

    def end_of(self, at: float) -> float:
        """The instant at which the interval that holds ``at`` ends and the next begins."""
        return self._around(at)[1]

    def between(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """``[begin, end)`` cut at the intervals' borders: pieces that follow each other."""
        while begin < end:
            until = min(self.end_of(begin), end)
            yield begin, until
            begin = until

    def _around(self, at: float) -> tuple[float, float]:
        whole = math.floor(at)  # datetime rounds to microseconds, also upwards
        local = datetime.fromtimestamp(whole, tz=self._zone)
        if 60 % self.minutes:
            return self._of_day(at, local.date())
        step = self.minutes * 60
        start = float(whole - (local.minute * 60 + local.second) % step)
        end = start + step
        # a change of clocks that does not fall on a border cuts the interval there
        if self._offset(start) != local.utcoffset():
            start = self._change(start, whole)
        if self._offset(end - 1) != local.utcoffset():
            end = self._change(whole, end)
        return start, end

    def _of_day(self, at: float, day: date) -> tuple[float, float]:
        borders = [
            instant(datetime(day.year, day.month, day.day, m // 60, m % 60, tzinfo=self._zone))
            for m in range(0, DAY_MINUTES, self.minutes)
        ]
        after = day + timedelta(days=1)
        borders.append(instant(datetime(after.year, after.month, after.day, tzinfo=self._zone)))
        start = max(b for b in borders[:-1] if b <= at)
        return start, min(b for b in borders if b > start)

    def _offset(self, at: float) -> timedelta | None:
        return datetime.fromtimestamp(at, tz=self._zone).utcoffset()

    def _change(self, low: float, high: float) -> float:
        first, last = int(low), int(high)
        before = self._offset(first)
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (middle, last) if self._offset(middle) == before else (first, middle)
        return float(last)


KeyT = TypeVar("KeyT")


class Folded(Generic[KeyT]):
    """Tallies by key and interval, for example by queue and half-hour."""

    def __init__(
        self,
        intervals: Intervals,
        key: Callable[[Handled], KeyT],
        thresholds: Callable[[KeyT], tuple[float, float]],
    ) -> None:
        self._intervals, self._key, self._thresholds = intervals, key, thresholds
        self.cells: dict[tuple[KeyT, float], Tally] = {}

    def add(self, row: Handled) -> None:
        """Count one row in its interval."""
        key = self._key(row)
        cell = (key, self._intervals.start_of(row.entered_at))
        tally = self.cells.get(cell)
        if tally is None:
            tally = self.cells[cell] = Tally(*self._thresholds(key))
        tally.add(row)

    def total(self, key: KeyT) -> Tally:
        """All intervals of ``key`` together."""
        total = Tally(*self._thresholds(key))
        for (found, _), tally in self.cells.items():
            if found == key:
                total = total + tally
        return total


def spread(intervals: Intervals, begin: float, end: float) -> Iterable[tuple[float, float]]:
    """``(interval start, seconds)`` of the time from ``begin`` to ``end``, for state times."""
    return ((intervals.start_of(a), b - a) for a, b in intervals.between(begin, end))

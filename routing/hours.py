"""Opening hours: is it open now, is it a holiday, when does that change.

Pure: the week, the holidays and the own days are data of the configuration; only the time zone
rules come from ``zoneinfo`` (IANA). An opening belongs to the local date on which it begins, so one
that runs over midnight lasts into the next day whatever that day is.

Where clocks change (PEP 495): an opening time that the clocks skip means the moment they jump, one
that comes twice means the first time, and a closing time that comes twice means the second, so that
it is never closed while the wall clock shows a posted hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from routing.model import Calendar, Hours, Opening, SpecialDay

HORIZON_DAYS = 400
"""How far ahead an opening is looked for: every week day and holiday of a year, and some more."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_KEPT_DAYS = 16


def minutes_of(clock: str) -> int:
    """``HH:MM`` (``00:00`` to ``24:00``) as minutes after midnight. Raises ValueError."""
    if not isinstance(clock, str) or _CLOCK.fullmatch(clock) is None:
        raise ValueError(f"{clock!r} is not a time of day; write HH:MM, for example 08:30")
    return int(clock[:2]) * 60 + int(clock[3:])


@dataclass(frozen=True, slots=True)
class OpeningState:
    """``holiday``: its name when the local date is a holiday (open or not), else empty.

    ``changes_at``: when ``open`` will change (Unix seconds); None when not within a year.
    """

    open: bool
    holiday: str
    changes_at: float | None


@dataclass(frozen=True, slots=True)
class _Day:
    spans: tuple[tuple[float, float], ...]
    holiday: str


class Schedule:
    """One :class:`Hours` made ready for questions. Raises ValueError for impossible hours."""

    def __init__(self, hours: Hours, calendars: Iterable[Calendar] = ()) -> None:
        self.id = hours.id
        self._zone = zone(hours.timezone)
        self._week = _by_weekday(hours.week)
        self._own: dict[date, list[SpecialDay]] = {}
        for day in hours.days:
            self._own.setdefault(date_of(day.date), []).append(day)
            if day.opens or day.closes:
                minutes_of(day.opens), minutes_of(day.closes)
        self._holidays: dict[date, str] = {}
        self._workdays: set[date] = set()
        for calendar in calendars:
            if calendar.id == hours.holidays:
                self._holidays = {date_of(d.date): d.name or d.date for d in calendar.holidays}
                self._workdays = {date_of(d) for d in calendar.workdays}
        self._days: dict[date, _Day] = {}
        # the last answer holds until the next change or the next local date: most questions are
        # about the same hours again, and looking for an opening a year ahead is not cheap
        self._answer = OpeningState(False, "", None)
        self._answer_from, self._answer_until = 0.0, 0.0

    def at(self, now: float) -> OpeningState:
        """The state at ``now`` (Unix seconds)."""
        if not self._answer_from <= now < self._answer_until:
            self._answer = self._ask(now)
            tomorrow = self._instant(self._local_date(now), 24 * 60, last=False)
            self._answer_from = now
            self._answer_until = min(tomorrow, self._answer.changes_at or tomorrow)
        return self._answer

    def _ask(self, now: float) -> OpeningState:
        today = self._local_date(now)
        for span in (*self._day(today - timedelta(days=1)).spans, *self._day(today).spans):
            if span[0] <= now < span[1]:
                return OpeningState(True, self._day(today).holiday, self._closing(now))
        return OpeningState(False, self._day(today).holiday, self.next_opening(now))

    def is_open(self, now: float) -> bool:
        """Whether it is open at ``now``; cheaper than :meth:`at`."""
        today = self._local_date(now)
        for day in (today, today - timedelta(days=1)):
            if any(start <= now < end for start, end in self._day(day).spans):
                return True
        return False

    def holiday(self, now: float) -> str:
        """The name of the holiday on the local date of ``now``, or nothing."""
        return self._day(self._local_date(now)).holiday

    def next_opening(self, now: float) -> float | None:
        """``now`` when it is open, else the next opening; None: not in the next 400 days."""
        today = self._local_date(now)
        for ahead in range(-1, HORIZON_DAYS):
            ends_later = [s for s in self._day(today + timedelta(days=ahead)).spans if s[1] > now]
            if ends_later:
                return max(now, min(start for start, _ in ends_later))
        return None

    def never_opens(self, now: float) -> bool:
        """Whether nobody who arrives in the next 400 days will find it open."""
        return self.next_opening(now) is None

    def _closing(self, now: float) -> float | None:
        """The end of the openings that follow each other without a gap from ``now`` on."""
        end = now
        day = self._local_date(now) - timedelta(days=1)
        for ahead in range(HORIZON_DAYS):
            before = end
            for start, closes in sorted(self._day(day + timedelta(days=ahead)).spans):
                if start <= end < closes:
                    end = closes
            if end == before and ahead > 1:
                return end
        return None

    def _local_date(self, now: float) -> date:
        return datetime.fromtimestamp(now, tz=self._zone).date()

    def _day(self, day: date) -> _Day:
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= _KEPT_DAYS:
                self._days.clear()
            known = self._days[day] = self._build(day)
        return known

    def _build(self, day: date) -> _Day:
        holiday = self._holidays.get(day, "")
        own = self._own.get(day)
        if own is not None:
            times = [(d.opens, d.closes) for d in own if d.opens]
            if not times:
                holiday = own[0].name or holiday or own[0].date
        elif holiday:
            times = []
        else:
            times = self._week[self._works_like(day)]
        spans = []
        for opens, closes in times:
            first, last = minutes_of(opens), minutes_of(closes)
            if last <= first:
                last += 24 * 60
            start, end = self._instant(day, first, last=False), self._instant(day, last, last=True)
            if start < end:
                spans.append((start, end))
        return _Day(tuple(spans), holiday)

    def _works_like(self, day: date) -> int:
        """The week day whose hours hold: a make-up Saturday is a Friday, a Sunday a Monday."""
        weekday = day.isoweekday()
        if day in self._workdays and weekday >= 6:
            like = 5 if weekday == 6 else 1
            if self._week[like]:
                return like
        return weekday

    def _instant(self, day: date, minutes: int, *, last: bool) -> float:
        carried, minutes = divmod(minutes, 24 * 60)
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=carried)
        local = midnight.replace(tzinfo=self._zone, hour=minutes // 60, minute=minutes % 60)
        return instant(local, last=last)


def zone(name: str) -> ZoneInfo:
    """The IANA time zone ``name``. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is not a time zone; use an IANA name such as Asia/Shanghai"
        ) from error


def date_of(text: str) -> date:
    """``YYYY-MM-DD`` as a date. Raises ValueError."""
    if not isinstance(text, str) or re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
        raise ValueError(f"{text!r} is not a date; write YYYY-MM-DD")
    return date.fromisoformat(text)


def instant(local: datetime, *, last: bool = False) -> float:
    """Unix seconds of a local time; one that clocks skip is the moment of the jump."""
    early, late = local.replace(fold=0).timestamp(), local.replace(fold=1).timestamp()
    if early <= late:  # the usual case (equal), or a time that comes twice
        return late if last else early
    # skipped: PEP 495 gives the two offsets around the jump; the jump lies between
    low, high = int(late), int(early)
    zone_ = local.tzinfo
    before = datetime.fromtimestamp(low, tz=zone_).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, tz=zone_).utcoffset() == before:
            low = middle
        else:
            high = middle
    return float(high)


def _by_weekday(week: Sequence[Opening]) -> dict[int, list[tuple[str, str]]]:
    days: dict[int, list[tuple[str, str]]] = {n: [] for n in range(1, 8)}
    for opening in week:
        minutes_of(opening.opens), minutes_of(opening.closes)
        for day in opening.days:
            if day not in days:
                raise ValueError(f"{day} is not a day of the week; 1 is Monday, 7 is Sunday")
            days[day].append((opening.opens, opening.closes))
    return days

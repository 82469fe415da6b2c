"""Public holidays as data, from kept libraries: ``cn`` is mainland China.

The State Council publishes a year's holidays and the working weekends that make up for them in
the November before; ``chinesecalendar`` carries them per year. A year it does not know has none,
and :func:`known_until` lets the check of the configuration say so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import date

import chinese_calendar
from chinese_calendar import constants

from routing.model import Calendar, RoutingConfig, SpecialDay

BUILT_IN = ("cn",)
_PAST_YEARS = 1  # a journal of last year replays with its own configuration, so this is plenty


def filled(config: RoutingConfig, today: date) -> RoutingConfig:
    """``config`` with the calendars that its hours name and that it does not define itself."""
    own = {c.id for c in config.calendars}
    wanted = {h.holidays for h in config.hours} & set(BUILT_IN) - own
    if not wanted:
        return config
    return dataclasses.replace(
        config, calendars=(*config.calendars, *(china(today.year) for _ in sorted(wanted)))
    )


def china(year: int) -> Calendar:
    """Mainland China's holidays from the year before ``year`` on, as far as they are known."""
    since = date(year - _PAST_YEARS, 1, 1)
    holidays = [
        SpecialDay(date=day.isoformat(), name=_CHINESE.get(name, name))
        for day, name in _dates(constants.holidays.items())
        if day >= since
    ]
    workdays = [day.isoformat() for day, _ in _dates(constants.workdays.items()) if day >= since]
    return Calendar(id="cn", holidays=tuple(holidays), workdays=tuple(workdays))


def known_until(name: str) -> date | None:
    """The last day that a built-in calendar knows about; None when it is not built in."""
    if name not in BUILT_IN:
        return None
    return date(max(day.year for day in constants.holidays), 12, 31)


def _dates(items: Iterable[tuple[date, str]]) -> list[tuple[date, str]]:
    return sorted(items)


_CHINESE = {h.value: h.chinese for h in chinese_calendar.Holiday}

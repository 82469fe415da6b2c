"""Opening hours: the week, holidays, own days, midnight, and the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.hours import Schedule, date_of, instant, minutes_of, zone
from routing.model import Calendar, Hours, Opening, SpecialDay

pytestmark = pytest.mark.unit

SHANGHAI = "Asia/Shanghai"
WEEKDAYS = (1, 2, 3, 4, 5)
CN = Calendar(
    id="cn",
    holidays=(SpecialDay(date="2026-10-01", name="国庆节"), SpecialDay(date="2026-10-02")),
    workdays=("2026-10-10", "2026-09-20"),
)


def at(text: str, tz: str = SHANGHAI, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold).timestamp()


def office(**more: object) -> Hours:
    values: dict[str, object] = {
        "id": "office",
        "timezone": SHANGHAI,
        "week": (Opening(days=WEEKDAYS, opens="08:30", closes="17:30"),),
    }
    return Hours(**(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when", "is_open", "changes"),
    [
        ("2026-11-23T08:29:59", False, "2026-11-23T08:30"),  # a Monday
        ("2026-11-23T08:30", True, "2026-11-23T17:30"),
        ("2026-11-23T17:30", False, "2026-11-24T08:30"),
        ("2026-11-27T18:00", False, "2026-11-30T08:30"),  # over the weekend
    ],
)
def test_the_week(when: str, is_open: bool, changes: str) -> None:
    state = Schedule(office()).at(at(when))
    assert (state.open, state.changes_at, state.holiday) == (is_open, at(changes), "")


def test_over_midnight_belongs_to_the_day_it_began() -> None:
    night = Schedule(
        office(
            week=(Opening(days=(5,), opens="22:00", closes="06:00"),),
            days=(SpecialDay(date="2026-11-28", name="closed Saturday"),),
        )
    )
    assert not night.is_open(at("2026-11-27T05:00"))
    state = night.at(at("2026-11-28T05:59"))
    assert (state.open, state.holiday) == (True, "closed Saturday")
    assert state.changes_at == at("2026-11-28T06:00")
    assert not night.is_open(at("2026-11-28T22:30"))


def test_touching_openings_are_one() -> None:
    twice = (
        Opening(days=WEEKDAYS, opens="00:00", closes="12:00"),
        Opening(days=WEEKDAYS, opens="12:00", closes="24:00"),
    )
    state = Schedule(office(week=twice)).at(at("2026-11-23T03:00"))
    assert state.changes_at == at("2026-11-28T00:00")


def test_always_open_has_no_change_and_answers_at_once() -> None:
    always = Schedule(
        office(week=(Opening(days=(1, 2, 3, 4, 5, 6, 7), opens="00:00", closes="24:00"),))
    )
    assert always.at(at("2026-11-23T03:00")).changes_at is None
    assert always.is_open(at("2027-11-23T03:00"))


def test_holidays_make_up_workdays_and_own_days() -> None:
    hours = Schedule(
        office(
            holidays="cn",
            days=(SpecialDay(date="2026-10-02", name="duty", opens="10:00", closes="12:00"),),
        ),
        [CN],
    )
    closed = hours.at(at("2026-10-01T10:00"))
    assert (closed.open, closed.holiday) == (False, "国庆节")
    assert closed.changes_at == at("2026-10-02T10:00")  # the own day wins over the calendar
    assert hours.holiday(at("2026-10-02T13:00")) == "2026-10-02"
    assert hours.is_open(at("2026-10-10T09:00"))  # a Saturday that makes up
    assert hours.is_open(at("2026-09-20T09:00"))  # a Sunday that makes up
    assert not hours.is_open(at("2026-10-17T09:00"))
    assert not Schedule(office(holidays="cn")).is_open(at("2026-10-10T09:00"))  # no data given


def test_the_same_question_again_and_another_calendar() -> None:
    other = Calendar(id="house", holidays=(SpecialDay(date="2026-11-23"),))
    hours = Schedule(office(holidays="cn"), [other, CN])
    first = hours.at(at("2026-11-23T09:00"))
    assert first.open
    assert hours.at(at("2026-11-23T09:01")) is first
    assert not hours.at(at("2026-11-23T18:00")).open


def test_make_up_day_without_friday_hours_keeps_its_own() -> None:
    saturdays = (Opening(days=(6,), opens="09:00", closes="10:00"),)
    assert Schedule(office(week=saturdays, holidays="cn"), [CN]).is_open(at("2026-10-10T09:30"))


def test_never_opens() -> None:
    assert Schedule(office(week=())).never_opens(at("2026-11-23T00:00"))
    past = SpecialDay(date="2020-01-01", opens="08:00", closes="09:00")
    gone = Schedule(office(week=(), days=(past,)))
    assert gone.never_opens(at("2026-11-23T00:00"))
    assert gone.at(at("2026-11-23T00:00")).changes_at is None
    assert not Schedule(office()).never_opens(at("2026-11-23T00:00"))


BERLIN = "Europe/Berlin"  # 2026: forward on 29 March 02:00 -> 03:00, back on 25 October 03:00


def test_opening_in_the_skipped_hour_is_the_jump() -> None:
    hours = Schedule(
        office(timezone=BERLIN, week=(Opening(days=(7,), opens="02:30", closes="10:00"),))
    )
    jump = datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp()
    assert hours.next_opening(jump - 3600) == jump
    assert not hours.is_open(jump - 1)
    assert hours.is_open(jump)


def test_an_opening_wholly_within_the_skipped_hour_is_none() -> None:
    hours = Schedule(
        office(timezone=BERLIN, week=(Opening(days=(7,), opens="02:10", closes="02:50"),))
    )
    assert hours.next_opening(at("2026-03-29T00:00", BERLIN)) == at("2026-04-05T02:10", BERLIN)


def test_times_that_come_twice() -> None:
    hours = Schedule(
        office(timezone=BERLIN, week=(Opening(days=(7,), opens="02:15", closes="02:45"),))
    )
    opens, closes = at("2026-10-25T02:15", BERLIN), at("2026-10-25T02:45", BERLIN, fold=1)
    assert hours.next_opening(at("2026-10-24T12:00", BERLIN)) == opens
    assert hours.at(opens).changes_at == closes
    assert closes - opens == 90 * 60


def test_a_day_of_25_hours_is_open_for_25() -> None:
    hours = Schedule(
        office(timezone=BERLIN, week=(Opening(days=(7,), opens="00:00", closes="24:00"),))
    )
    opens = at("2026-10-25T00:00", BERLIN)
    changes = hours.at(opens).changes_at
    assert changes is not None
    assert changes - opens == 25 * 3600


def test_a_midnight_that_does_not_exist() -> None:
    # Africa/Cairo put its clocks forward at midnight on 26 April 2024
    start = instant(datetime(2024, 4, 26, tzinfo=ZoneInfo("Africa/Cairo")))
    assert datetime.fromtimestamp(start, tz=ZoneInfo("Africa/Cairo")).hour == 1


@given(
    st.integers(0, 20_000),
    st.sampled_from([SHANGHAI, BERLIN, "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo"]),
)
def test_state_agrees_with_the_wall_clock_and_changes_when_it_says(hour: int, tz: str) -> None:
    schedule = Schedule(office(timezone=tz))
    now = datetime(2025, 1, 1, tzinfo=UTC).timestamp() + hour * 1800
    state = schedule.at(now)
    wall = datetime.fromtimestamp(now, tz=ZoneInfo(tz))
    minutes = wall.hour * 60 + wall.minute
    assert state.open == (wall.isoweekday() <= 5 and 510 <= minutes < 1050)
    assert state.changes_at is not None
    fresh = Schedule(office(timezone=tz))
    assert fresh.is_open(state.changes_at - 1) == state.open
    assert fresh.is_open(state.changes_at) != state.open
    assert schedule.at(state.changes_at).open != state.open  # not from memory
    assert state.changes_at - now <= timedelta(days=3).total_seconds()


@pytest.mark.parametrize("wrong", ["8:30", "24:01", "12:60", "", "ab:cd", "１２:00"])
def test_times_that_are_none(wrong: str) -> None:
    with pytest.raises(ValueError, match="write HH:MM"):
        minutes_of(wrong)


def test_other_impossible_hours() -> None:
    with pytest.raises(ValueError, match="IANA"):
        zone("Mars/Olympus")
    with pytest.raises(ValueError, match="IANA"):
        zone("../../etc/passwd")
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        date_of("1.10.2026")
    with pytest.raises(ValueError, match=r"out of range|day is"):
        date_of("2026-02-30")
    with pytest.raises(ValueError, match="7 is Sunday"):
        Schedule(office(week=(Opening(days=(0,), opens="08:00", closes="09:00"),)))
    with pytest.raises(ValueError, match="HH:MM"):
        Schedule(office(days=(SpecialDay(date="2026-01-01", opens="9", closes="10:00"),)))

"""Each figure from rows a person can count by hand; intervals that partition time."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.commands import InteractionAccount, Outcome
from routing.facts import Channel, Party
from routing.ids import AgentId, InteractionId, QueueId
from routing.stats import AgentTime, Folded, Handled, Intervals, Tally, handled, spread

pytestmark = pytest.mark.unit


def row(
    wait_s: float, outcome: Outcome = Outcome.ANSWERED, at: float = 0.0, queue: str = "q"
) -> Handled:
    agent = AgentId("a") if outcome is Outcome.ANSWERED else None
    return Handled(
        interaction=InteractionId("i"),
        queue=QueueId(queue),
        entered_at=at,
        wait_s=wait_s,
        outcome=outcome,
        agent=agent,
        talk_s=100.0 if agent else 0.0,
        wrap_up_s=20.0 if agent else 0.0,
    )


ROWS = [
    *[row(w) for w in (2.0, 10.0, 20.0, 40.0)],
    *[row(w, Outcome.ABANDONED) for w in (3.0, 15.0, 60.0)],
    row(90.0, Outcome.OVERFLOWED),
]


def tally(rows: list[Handled]) -> Tally:
    total = Tally(threshold_s=20.0, short_abandon_s=5.0)
    for r in rows:
        total.add(r)
    return total


def test_every_definition_of_service_level() -> None:
    level = tally(ROWS).service_level
    assert level.of_answered == 3 / 4
    assert level.of_offered == 3 / 8
    assert level.of_offered_less_short == 3 / 7
    assert level.of_offered_less_early_abandons == 3 / 6
    assert level.with_early_abandons == 5 / 8


def test_the_other_figures() -> None:
    total = tally(ROWS)
    assert total.asa_s == 18.0
    assert total.aht_s == 120.0
    assert total.abandonment == 2 / 7
    assert total.abandonment_with_short == 3 / 8
    assert total.max_wait_s == 90.0
    assert total.mean_wait_s == 240 / 8
    assert (total.offered, total.answered, total.abandoned, total.other) == (8, 4, 3, 1)


def test_nothing_is_none_and_not_zero() -> None:
    nothing = Tally()
    assert nothing.asa_s is None
    assert nothing.aht_s is None
    assert nothing.abandonment is None
    assert nothing.mean_wait_s is None
    assert nothing.service_level.of_offered is None
    assert AgentTime().occupancy is None


WAITS = st.tuples(
    st.floats(0, 300), st.sampled_from([Outcome.ANSWERED, Outcome.ABANDONED, Outcome.TIMED_OUT])
)


@given(st.lists(WAITS), st.lists(WAITS))
def test_parts_add_up_to_the_whole(
    first: list[tuple[float, Outcome]], second: list[tuple[float, Outcome]]
) -> None:
    a, b = [row(*r) for r in first], [row(*r) for r in second]
    joined, whole = tally(a) + tally(b), tally(a + b)
    assert joined.service_level == whole.service_level
    assert joined.max_wait_s == whole.max_wait_s
    assert joined.answer_wait_s == pytest.approx(whole.answer_wait_s)
    assert joined.offered == joined.answered + joined.abandoned + joined.other == len(a + b)


def test_different_thresholds_do_not_add() -> None:
    with pytest.raises(ValueError, match="thresholds"):
        Tally(20.0) + Tally(30.0)


def account(**more: object) -> InteractionAccount:
    values: dict[str, object] = {
        "interaction": InteractionId("i1"),
        "channel": Channel.VOICE,
        "caller": Party(),
        "did": "",
        "outcome": Outcome.ANSWERED,
        "arrived_at": 0.0,
        "ended_at": 100.0,
        "queue": QueueId("q"),
        "queued_at": 5.0,
        "answered_at": 15.0,
        "wait_s": 10.0,
        "talk_s": 85.0,
        "agent": AgentId("a"),
    }
    return InteractionAccount(**(values | more))  # type: ignore[arg-type]


def test_rows_from_contact_records() -> None:
    found = handled(account(), wrap_up_s=7.0)
    assert found is not None
    assert found.answered
    assert (found.entered_at, found.wait_s, found.talk_s, found.wrap_up_s) == (5, 10, 85, 7)
    assert handled(account(queue=None, queued_at=None)) is None
    assert handled(account(outbound=True)) is None, "nobody held the line"
    gone = handled(account(outcome=Outcome.ABANDONED, answered_at=None, agent=None, talk_s=0.0))
    assert gone is not None
    assert gone.abandoned


def test_agent_time() -> None:
    time = AgentTime()
    for state, seconds in (("idle", 30), ("ringing", 10), ("talking", 45), ("wrap_up", 15)):
        time.add(state, seconds)
    time.add("paused", 20)
    time.add("paused", 80, productive=True)
    time.add("reserved", 0)
    assert time.occupancy == 0.6
    assert time.utilisation == 0.7
    assert time.logged_in_s == 200
    assert (time + time).logged_in_s == 400
    with pytest.raises(ValueError, match="no state"):
        time.add("asleep", 1)


ZONES = ["Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo"]


@given(
    st.floats(1.7e9, 1.9e9),
    st.sampled_from(ZONES),
    st.sampled_from([1, 5, 15, 30, 45, 60, 90, 120, 480, 1440]),
)
def test_intervals_partition_time(at: float, tz: str, minutes: int) -> None:
    cut = Intervals(tz, minutes)
    start, end = cut.start_of(at), cut.end_of(at)
    assert start <= at < end
    assert cut.start_of(start) == start
    assert cut.start_of(end) == end
    # an interval that does not divide the hour holds the hour that comes twice whole
    assert end - start <= minutes * 60 + 3600 * bool(60 % minutes) + 1e-3
    if minutes == 1440:
        local = datetime.fromtimestamp(start, tz=ZoneInfo(tz))
        assert local.date() == datetime.fromtimestamp(at, tz=ZoneInfo(tz)).date()
    assert list(cut.between(start, end)) == [(start, end)]


@pytest.mark.parametrize(
    ("tz", "day", "pieces"),
    [
        ("Asia/Shanghai", "2026-11-22", 48),
        ("Europe/Berlin", "2026-03-29", 46),
        ("Europe/Berlin", "2026-10-25", 50),
        ("Australia/Lord_Howe", "2026-10-04", 47),  # half an hour forward
    ],
)
def test_a_day_where_clocks_change(tz: str, day: str, pieces: int) -> None:
    noon = datetime.fromisoformat(day + "T12:00").replace(tzinfo=ZoneInfo(tz)).timestamp()
    days = Intervals(tz, 1440)
    halves = list(Intervals(tz, 30).between(days.start_of(noon), days.end_of(noon)))
    assert len(halves) == pieces
    assert all(b - a == 1800 for a, b in halves)
    assert sum(s for _, s in spread(days, halves[0][0] - 10, halves[-1][1])) == pieces * 1800 + 10


def test_half_an_hour_of_change_cuts_the_hour() -> None:
    """Lord Howe puts its clocks back by half an hour: hours by the wall clock are cut there."""
    around = datetime(2026, 4, 4, 14, 0, tzinfo=UTC).timestamp()
    hours = list(Intervals("Australia/Lord_Howe", 60).between(around, around + 3 * 3600))
    assert 1800 in [b - a for a, b in hours]
    assert sum(b - a for a, b in hours) == 3 * 3600
    change = datetime(2026, 4, 4, 15, 0, tzinfo=UTC).timestamp()
    assert Intervals("Australia/Lord_Howe", 60).start_of(change + 600) == change
    # St. John's changed its clocks at one minute past midnight in 2010
    newfoundland = Intervals("America/St_Johns", 60)
    before = datetime(2010, 3, 14, 3, 30, 30, tzinfo=UTC).timestamp()
    assert newfoundland.end_of(before) == before + 30


def test_folded_by_queue_and_day_over_midnight() -> None:
    midnight = datetime(2026, 11, 22, 16, 0, tzinfo=UTC).timestamp()  # 00:00 in Shanghai
    folded = Folded(Intervals("Asia/Shanghai", 1440), lambda r: r.queue, lambda q: (20.0, 5.0))
    folded.add(row(300.0, at=midnight - 60))  # answered tomorrow, entered today
    folded.add(row(1.0, at=midnight))
    folded.add(row(1.0, at=midnight, queue="other"))
    folded.add(row(2.0, at=midnight + 5, queue="other"))
    assert folded.cells[QueueId("q"), midnight - 86400].answered == 1
    assert folded.cells[QueueId("q"), midnight].answered == 1
    assert folded.total(QueueId("q")).offered == folded.total(QueueId("other")).offered == 2


def test_intervals_must_divide_a_day() -> None:
    with pytest.raises(ValueError, match="divide a day"):
        Intervals("Asia/Shanghai", 7)

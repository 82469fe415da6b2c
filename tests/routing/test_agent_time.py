"""States partition time: over midnight, over changes of clocks, in any order of changes."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.agent_time import StateTimes
from routing.ids import AgentId
from routing.stats import Intervals

pytestmark = pytest.mark.unit

A, B = AgentId("a"), AgentId("b")


def test_a_working_day_over_midnight() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    begin = datetime(2026, 11, 22, 23, 30, tzinfo=zone).timestamp()
    times = StateTimes(Intervals("Asia/Shanghai", 1440))
    times.enter(A, "idle", begin)
    times.enter(A, "talking", begin + 1200)
    times.enter(A, "wrap_up", begin + 2400)
    times.enter(A, "paused", begin + 2460, productive=True)
    times.enter(A, "logged_out", begin + 3000)
    times.enter(A, "idle", begin + 9000)
    times.until(begin + 9100)
    times.until(begin + 9100)  # asking twice counts once
    first, second = (time for _, time in sorted(times.cells.items(), key=lambda c: c[0][1]))
    assert (first.idle_s, first.talking_s) == (1200, 600)
    assert (second.talking_s, second.wrap_up_s, second.paused_productive_s) == (600, 60, 540)
    assert second.idle_s == 100
    assert times.total(A).logged_in_s == 3100
    assert times.total(B).logged_in_s == 0


STATES = st.sampled_from(["idle", "reserved", "ringing", "talking", "wrap_up", "paused"])


@given(
    st.lists(st.tuples(STATES, st.floats(-60, 20_000)), min_size=1, max_size=20),
    st.sampled_from([5, 30, 60, 1440]),
)
def test_no_second_is_lost_or_counted_twice(changes: list[tuple[str, float]], minutes: int) -> None:
    # the night in which Berlin puts its clocks back
    at = datetime(2026, 10, 24, 22, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    times = StateTimes(Intervals("Europe/Berlin", minutes))
    seen = []
    for state, after_s in changes:
        at += after_s  # sometimes a little before the last: clocks that disagree
        times.enter(A, state, at)
        seen.append(at)
    end = max(seen) + 500
    times.until(end)
    assert times.total(A).logged_in_s == pytest.approx(end - seen[0], abs=1e-3)

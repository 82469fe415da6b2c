"""A timer that fires a little early (coarse or rounded clocks) must not lift a limit."""

from __future__ import annotations

import pytest

from routing.commands import Release, StartTimer
from routing.engine import Engine
from routing.facts import InteractionArrived, Party, TimerFired
from routing.ids import InteractionId, QueueId
from routing.model import Queue, RoutingConfig

pytestmark = pytest.mark.unit


def test_the_longest_wait_holds_though_its_timer_came_early() -> None:
    queue = Queue(id=QueueId("q"), max_wait_s=30.0)
    engine = Engine(RoutingConfig(queues=(queue,), default_queue=queue.id, sorry=()))
    arrived = InteractionArrived(interaction=InteractionId("i"), caller=Party(number="1"))
    (timer,) = [c for c in engine.handle(arrived, 1000.0) if isinstance(c, StartTimer)]
    early = engine.handle(TimerFired(timer=timer.timer), 1029.9)
    (again,) = [c for c in early if isinstance(c, StartTimer)]
    assert again.after_s == pytest.approx(0.1)
    late = engine.handle(TimerFired(timer=again.timer), 1030.1)
    assert any(isinstance(c, Release) for c in late)

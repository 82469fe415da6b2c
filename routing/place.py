"""An interaction's place in a queue.

Urgency is one number, the *virtual arrival*: the time at which the wait began, minus a head start
in seconds for priority and the queue's weight. Least is served first, so a second of waiting counts
the same for everybody and the order of two callers never changes while they wait. Head starts are
bounded by ``max_head_start_s``, hence the bound on starvation (docs/routing.md).
"""

from __future__ import annotations

from routing.floor import Floor
from routing.model import Queue
from routing.pool import Pool
from routing.records import Interaction

TIMERS = ("wait", "empty", "stage", "say", "patience", "due")


def urgency(floor: Floor, live: Interaction, queue: Queue) -> float:
    """The virtual arrival of ``live`` in ``queue``."""
    assert live.waiting_since is not None
    if live.first:
        return 0.0
    return live.waiting_since - live.kept_s - head_start_s(floor, queue, live.priority)


def head_start_s(floor: Floor, queue: Queue, priority: int) -> float:
    """By how much an interaction of ``priority`` is taken to have come earlier than it did."""
    limit = floor.config.max_head_start_s
    start_s = (priority + queue.priority) * queue.priority_step_s + queue.head_start_s
    return max(-limit, min(limit, start_s))


def key_of(live: Interaction) -> tuple[int, int]:
    """The line in which the interaction belongs now."""
    assert live.pool is not None
    return live.pool.need(live.need), live.rounds


def leave_line(floor: Floor, live: Interaction) -> None:
    """Out of the line, but not out of the queue: an offer goes out, or control was lost."""
    assert live.pool is not None
    live.pool.unpark(live)
    if live.preferred is not None:
        live.preferred.wanted.pop(live.id, None)


def leave(floor: Floor, live: Interaction) -> None:
    """Out of the queue."""
    pool = live.pool
    if pool is None or live.entry is None:
        return
    leave_line(floor, live)
    pool.order.remove(live.entry)
    live.entry = None
    live.preferred = None
    for name in TIMERS:
        floor.cancel_own_timer(live, name)
    floor.touch(live)


def unanswered(floor: Floor, live: Interaction, pool: Pool, *, gave_up: bool) -> None:
    """What a wait without an answer teaches about patience and about what was announced."""
    if live.outbound:
        return
    pool.waits.waited(floor.now - live.queued_at, gave_up=gave_up)
    if live.announced is not None:
        since_s = floor.now - live.announced.at
        pool.waits.calibration.add(live.announced.wait, since_s, answered=False)
        live.announced = None

"""Keyed lanes: items of one key are worked on one after the other, different keys side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

from ctid.tasks import cancel_and_wait, spawn

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class LanesFull(Exception):
    """More items wait than the lanes take."""


class Lanes(Generic[K, T]):
    """Runs ``work(item)`` in order within a key.

    A lane exists only while it has items, so idle keys cost nothing. What ``work`` raises ends up
    in the log, and the lane goes on with its next item.
    """

    def __init__(self, name: str, work: Callable[[T], Awaitable[None]], *, limit: int) -> None:
        self._name = name
        self._work = work
        self._limit = limit
        self._size = 0
        self._lanes: dict[K, deque[T]] = {}
        self._tasks: dict[K, asyncio.Task[None]] = {}

    def put(self, key: K, item: T) -> None:
        """Take an item; its work starts in the loop's next turn. Raises LanesFull at the limit."""
        if self._size >= self._limit:
            raise LanesFull(f"{self._name}: {self._size} items wait")
        self._size += 1
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(item)
            return
        self._lanes[key] = deque([item])
        self._tasks[key] = spawn(self._run(key), name=f"{self._name} {key}")

    def __contains__(self, key: K) -> bool:
        """Whether items of this key wait or are worked on."""
        return key in self._lanes

    def __len__(self) -> int:
        return self._size

    async def drained(self) -> None:
        """Wait until no item is left."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def close(self) -> None:
        """Drop what waits and stop what runs."""
        await cancel_and_wait(*self._tasks.values())

    async def _run(self, key: K) -> None:
        lane = self._lanes[key]
        try:
            while lane:
                item = lane.popleft()
                try:
                    await self._work(item)
                except Exception:
                    log.exception("lane_item_failed", lane=self._name, key=str(key))
                finally:
                    self._size -= 1
        finally:
            self._size -= len(lane)
            del self._lanes[key]
            del self._tasks[key]

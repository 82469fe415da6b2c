"""Reminders of tasks: one timer, set to the next that is due; each is told once."""

from __future__ import annotations

import asyncio
from typing import Any

from crmcore import tasks
from crmcore.store import Store
from ctid.access import Viewer
from ctid.clock import Clock
from ctid.events import EventHub
from ctid.view_json import iso


class Reminders:
    """Tells owners of their tasks until it is cancelled."""

    def __init__(self, store: Store, hub: EventHub, clock: Clock) -> None:
        self._store = store
        self._hub = hub
        self._clock = clock
        self._wake = asyncio.Event()

    def nudge(self) -> None:
        """A task may have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Wait for what is due, for ever."""
        while True:
            now = self._clock.now_s()
            due, following = await self._store.write(tasks.due_reminders, now)
            for task in due:
                self._tell(task)
            timeout_s = None if following is None else max(0.0, following - self._clock.now_s())
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    def _tell(self, task: dict[str, Any]) -> None:
        owner: str = task["owner"]

        def is_owner(viewer: Viewer) -> bool:
            return viewer.username == owner

        told = {"task": task["id"], "due_at": iso(task["due_at"])}
        self._hub.publish("reminder", told, audience=is_owner)

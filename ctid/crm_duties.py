"""What the CRM has to do by itself: tell webhooks, remind of tasks, finish what was erased."""

from __future__ import annotations

import asyncio
from typing import Any

from crmcore.privacy import ErasePort
from crmcore.store import Store
from ctid.clock import Clock
from ctid.erasure import RecordingEraser, finish_erasures
from ctid.events import EventHub
from ctid.reminders import Reminders
from ctid.tasks import cancel_and_wait, spawn
from ctid.webhook_sender import WebhookSender
from recorder.plan import RecordingPlan


class CrmDuties:
    """Runs from ``start`` to ``close``. ``ports``: what else has to forget a person."""

    def __init__(self, store: Store, hub: EventHub, clock: Clock, plan: RecordingPlan) -> None:
        self.ports: tuple[ErasePort, ...] = (RecordingEraser(plan),)
        self._store = store
        self._clock = clock
        self._webhooks = WebhookSender(store.db, clock)
        self._reminders = Reminders(store, hub, clock)
        self._tasks: tuple[asyncio.Task[Any], ...] = ()

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._tasks = (
            spawn(self._webhooks.run(), name="webhooks"),
            spawn(self._reminders.run(), name="reminders"),
            spawn(self._finish(), name="unfinished work of the CRM"),
        )

    async def _finish(self) -> None:
        now = self._clock.now_s()
        await self._store.tidy(now)
        await finish_erasures(self._store, now, self.ports)

    def nudge(self) -> None:
        """Somebody has changed something in the CRM."""
        self._webhooks.nudge()
        self._reminders.nudge()

    def record_written(self) -> None:
        """A contact record was written: no task has changed, so no reminder is looked for."""
        self._webhooks.nudge()

    async def close(self) -> None:
        """Stop; what waits is taken up at the next start."""
        await cancel_and_wait(*self._tasks)

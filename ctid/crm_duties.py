"""What the CRM has to do by itself: tell webhooks, remind of tasks, finish erasures, stay small."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import structlog

from crmcore.errors import StoreError
from crmcore.privacy import ErasePort
from crmcore.store import Store
from ctid.clock import Clock
from ctid.erasure import RecordingEraser, finish_erasures
from ctid.events import EventHub
from ctid.reminders import Reminders
from ctid.tasks import cancel_and_wait, spawn
from ctid.webhook_sender import WebhookSender
from recorder.plan import RecordingPlan

log = structlog.get_logger(__name__)

DAY_S = 86400.0
ERASE_AGAIN_S = 300.0


class CrmDuties:
    """Runs from ``start`` to ``close``. ``ports``: what else has to forget a person.

    ``journal_days``: how long the journal's entries stay; 0: for ever.
    """

    def __init__(
        self,
        store: Store,
        hub: EventHub,
        clock: Clock,
        plan: RecordingPlan,
        *,
        journal_days: int = 0,
    ) -> None:
        self.ports: tuple[ErasePort, ...] = (RecordingEraser(plan),)
        self._store = store
        self._clock = clock
        self._webhooks = WebhookSender(store, hub, clock)
        self._reminders = Reminders(store, hub, clock)
        self._journal_days = journal_days
        self._changed = asyncio.Event()
        self._tasks: tuple[asyncio.Task[Any], ...] = ()

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._tasks = (
            spawn(self._webhooks.run(), name="webhooks"),
            spawn(self._reminders.run(), name="reminders"),
            spawn(self._finish(), name="unfinished work of the CRM"),
            spawn(self._keep_house(), name="housekeeping of the store"),
        )

    async def _finish(self) -> None:
        """What an earlier process left; and erasures that could not be finished at once."""
        await self._store.tidy(self._clock.now_s())
        while True:
            self._changed.clear()
            left = await finish_erasures(self._store, self._clock.now_s(), self.ports)
            await (asyncio.sleep(ERASE_AGAIN_S) if left else self._changed.wait())

    async def _keep_house(self) -> None:
        """At the start and then daily: a daemon that runs for years must not fill the disk."""
        while True:
            try:
                await self.keep_house()
            except (StoreError, sqlite3.Error) as error:
                log.error("housekeeping_failed", why=str(error), hint="tried again tomorrow")
            await asyncio.sleep(DAY_S)

    async def keep_house(self) -> int:
        """Drop old journal entries, renew SQLite's statistics. How many entries went."""
        gone = 0
        if self._journal_days:
            before_at = self._clock.now_s() - self._journal_days * DAY_S
            gone = await self._store.journal.compact(before_at)
            if gone:
                log.info("journal_compacted", entries=gone, days=self._journal_days)
        await self._store.db.write(
            lambda conn: conn.execute("PRAGMA optimize").fetchall(), bulk=True
        )
        return gone

    def nudge(self) -> None:
        """Somebody has changed something in the CRM."""
        self._webhooks.nudge()
        self._reminders.nudge()
        self._changed.set()

    def record_written(self) -> None:
        """A contact record was written: no task has changed, so no reminder is looked for."""
        self._webhooks.nudge()

    async def close(self) -> None:
        """Stop; what waits is taken up at the next start."""
        await cancel_and_wait(*self._tasks)

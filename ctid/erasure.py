"""What has to forget a person beside the store: the audio files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from crmcore import privacy
from crmcore.privacy import ErasePort
from crmcore.store import Store
from recorder.library import resolve
from recorder.plan import RecordingPlan
from routing.ids import RecordingId

log = structlog.get_logger(__name__)


class RecordingEraser:
    """Removes audio from the library and the intake. Repeatable: what is gone is gone."""

    def __init__(self, plan: RecordingPlan) -> None:
        self._plan = plan

    async def erase(self, recordings: Sequence[dict[str, Any]], customer: str) -> None:
        """Remove the files of these rows. Raises OSError; then it is tried again later."""
        await asyncio.to_thread(self._remove, recordings)

    def _remove(self, recordings: Sequence[dict[str, Any]]) -> None:
        for row in recordings:
            recording = RecordingId(row["id"])
            self._plan.intake_path(recording).unlink(missing_ok=True)
            self._plan.message_path(recording).unlink(missing_ok=True)
            if row["file"]:
                resolve(self._plan, row["file"]).unlink(missing_ok=True)


async def finish_erasures(store: Store, now: float, ports: Sequence[ErasePort]) -> int:
    """Take up erasures that could not be finished or that a crash cut short. How many are left."""
    left = 0
    for erasure in await store.read(privacy.unfinished):
        done = await privacy.finish(store.db, erasure, now, ports=ports)
        if not done["finished"]:
            left += 1
            log.warning("erasure_unfinished", erasure=erasure, hint="it is tried again")
    return left

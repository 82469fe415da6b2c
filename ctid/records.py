"""Contact records on their way into the CRM: written once, in order, until they are written.

The queue is in memory only because the journal's live rows outlive it: an interaction leaves the
live rows in the very transaction that files its record, so a crash before that files it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from ctid.clock import Clock
from ctid.lanes import Lanes
from routing.commands import AmendContactRecord, FileContactRecord, InteractionAccount
from routing.ids import InteractionId

log = structlog.get_logger(__name__)

FIRST_RETRY_S = 0.2
LAST_RETRY_S = 30.0
LIMIT = 20_000

Writing = FileContactRecord | AmendContactRecord


class RecordStore(Protocol):
    """What is needed of the CRM. Both are idempotent."""

    async def file_contact_record(self, account: InteractionAccount, now: float) -> None: ...

    async def amend_contact_record(self, amendment: AmendContactRecord, now: float) -> None: ...


class RecordWriter:
    """Writes contact records behind the voice path."""

    def __init__(
        self, store: RecordStore, clock: Clock, on_written: Callable[[Writing], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_written = on_written
        self._lanes: Lanes[InteractionId, Writing] = Lanes(
            "contact record", self._until_written, limit=LIMIT
        )

    def put(self, command: Writing) -> None:
        """Take a record to write. Raises LanesFull when the store has been down for too long;
        the live row keeps what is needed to file it after a restart."""
        self._lanes.put(_interaction(command), command)

    def __len__(self) -> int:
        return len(self._lanes)

    async def drained(self) -> None:
        """Wait until all that was taken is written."""
        await self._lanes.drained()

    async def close(self) -> None:
        """Stop writing; what is not written is filed after the next start."""
        await self._lanes.close()

    async def _until_written(self, command: Writing) -> None:
        wait_s = FIRST_RETRY_S
        while True:
            try:
                if isinstance(command, FileContactRecord):
                    await self._store.file_contact_record(command.account, self._clock.now_s())
                else:
                    await self._store.amend_contact_record(command, self._clock.now_s())
                self._on_written(command)
                return
            except Exception:
                log.exception(
                    "contact_record_not_written",
                    interaction=_interaction(command),
                    retry_in_s=wait_s,
                )
                await asyncio.sleep(wait_s)  # the store is down: back off
                wait_s = min(LAST_RETRY_S, wait_s * 2)


def _interaction(command: Writing) -> InteractionId:
    if isinstance(command, FileContactRecord):
        return command.account.interaction
    return command.interaction

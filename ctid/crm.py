"""What the daemon's own parts need of the CRM, in the shapes they need it."""

from __future__ import annotations

from crmcore.store import Store
from ctid.crm_json import PopJson, pop_json
from routing.commands import AmendContactRecord, InteractionAccount
from routing.ids import InteractionId, RecordingId


class Crm:
    """The store as contact record writer, recording index and source of screen-pops."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def pop(self, number: str) -> PopJson:
        """Who this may be, and their last contacts, as the API shows them."""
        return pop_json(await self._store.match(number))

    async def file_contact_record(self, account: InteractionAccount, now: float) -> None:
        """Write the record, once."""
        await self._store.file_contact_record(account, now)

    async def amend_contact_record(self, amendment: AmendContactRecord, now: float) -> None:
        """Add what became known after the end."""
        await self._store.amend_contact_record(amendment, now)

    async def recording_ready(
        self,
        recording: RecordingId,
        interaction: InteractionId,
        *,
        path: str,
        sha256: str,
        size_bytes: int,
        duration_s: float,
        now: float,
    ) -> None:
        """The recording is whole; ``path`` is relative to the library."""
        await self._store.put_recording(
            recording,
            interaction,
            "ready",
            now,
            file_name=path,
            sha256=sha256,
            size=size_bytes,
            duration_s=duration_s,
        )

    async def recording_failed(
        self, recording: RecordingId, interaction: InteractionId, reason: str, now: float
    ) -> None:
        """There is no usable recording, and why."""
        await self._store.put_recording(recording, interaction, "failed", now, reason=reason)

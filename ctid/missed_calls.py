"""Files the calls that came and went while ctid was away, from the notes the dialplan spooled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Protocol

import structlog

from ctid.telephony.asterisk.spool import Note, mark_taken, read_notes
from routing.commands import InteractionAccount, Outcome
from routing.facts import Channel
from routing.ids import AgentId, InteractionId, PhoneId

log = structlog.get_logger(__name__)

OUTCOMES = {
    "missed": Outcome.ABANDONED,
    "answered_in_fallback": Outcome.ANSWERED,
    "ended_in_conversation": Outcome.ANSWERED,
}


class RecordStore(Protocol):
    """Where contact records go; filing one twice is filing it once."""

    async def file_contact_record(self, account: InteractionAccount, now: float) -> None: ...


def account_of(note: Note, agents: Mapping[PhoneId, AgentId]) -> InteractionAccount:
    """The contact record's content, as far as a note tells it."""
    outcome = OUTCOMES[note.outcome]
    agent = agents.get(note.phone) if note.phone is not None else None
    return InteractionAccount(
        interaction=note.interaction,
        channel=Channel.VOICE,
        caller=note.caller,
        did=note.did,
        outcome=outcome,
        arrived_at=note.arrived_at,
        ended_at=max(note.arrived_at, note.ended_at),
        wait_s=max(0.0, note.ended_at - note.arrived_at) if outcome is Outcome.ABANDONED else 0.0,
        agent=agent,
        agents=(agent,) if agent is not None else (),
        causes=(f"ctid was away: {note.outcome}",),
    )


async def take_in(
    spool: Path,
    store: RecordStore,
    *,
    restored: Set[InteractionId],
    agents: Mapping[PhoneId, AgentId],
    now: float,
) -> int:
    """File every note and remove it. Returns how many were filed.

    Interactions in ``restored`` are known to the engine, which files them with what it knows: their
    notes are only removed. A note that could not be filed stays for the next start.
    """
    filed = 0
    for note in await asyncio.to_thread(read_notes, spool):
        if note.interaction not in restored:
            await store.file_contact_record(account_of(note, agents), now)
            filed += 1
        await asyncio.to_thread(mark_taken, note)
    if filed:
        log.info("missed_calls_filed", count=filed)
    return filed

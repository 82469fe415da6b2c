"""Takes in the notes of calls that ended while ctid was away (``missed_call.py`` wrote them).

Blocking on purpose: call it in a thread. A note is removed only when whoever filed it says so, so
that a crash in between files it again, under the same interaction id.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from ctid.telephony.asterisk import encode
from ctid.telephony.asterisk.legs import phone_of
from routing.facts import Party
from routing.ids import InteractionId, PhoneId

log = structlog.get_logger(__name__)

VERSION = 1
MAX_BYTES = 64 * 1024
OUTCOMES = frozenset({"missed", "answered_in_fallback", "ended_in_conversation"})


class NoteError(ValueError):
    """A file in the spool is no note of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One call that ctid did not see the end of. Times: Unix seconds, UTC.

    ``outcome``: ``missed`` (nobody spoke with the caller), ``answered_in_fallback`` or
    ``ended_in_conversation``; ``phone``: who spoke, where that is known.
    """

    interaction: InteractionId
    caller: Party
    did: str
    outcome: str
    arrived_at: float
    ended_at: float
    phone: PhoneId | None
    path: Path


def read_notes(folder: Path, limit: int = 10_000) -> list[Note]:
    """The notes in ``folder``, oldest first, at most ``limit``; none if there is no such folder.

    A file that is no note is renamed to ``*.broken`` and reported, so that it is looked at once.
    Raises OSError when the folder cannot be read.
    """
    if not folder.is_dir():
        return []
    notes = []
    for path in sorted(folder.glob("call-*.json"))[:limit]:
        try:
            notes.append(read_note(path))
        except NoteError as error:
            log.error("missed_call_note_broken", path=str(path), why=str(error))
            os.replace(path, path.with_suffix(".broken"))
    return sorted(notes, key=lambda note: note.arrived_at)


def read_note(path: Path) -> Note:
    """One note. Raises NoteError if the file is none, OSError if it cannot be read."""
    with path.open("rb") as handle:
        raw = handle.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise NoteError(f"larger than {MAX_BYTES} bytes")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise NoteError("not JSON") from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise NoteError(f"not a note of version {VERSION}")
    ended_at = _time(data, "ended_at")
    interaction = encode.unmark(_text(data, "interaction")) or _text(data, "uniqueid")
    outcome = _text(data, "outcome")
    if ended_at is None or not interaction or outcome not in OUTCOMES:
        raise NoteError("without interaction, outcome or time of its end")
    return Note(
        interaction=InteractionId(interaction),
        caller=encode.party(_text(data, "caller_number"), _text(data, "caller_name")),
        did=_text(data, "did")[:64],
        outcome=outcome,
        arrived_at=_time(data, "arrived_at") or ended_at,
        ended_at=ended_at,
        phone=phone_of(_text(data, "dialed_peer")) or _member_phone(_text(data, "queue_interface")),
        path=path,
    )


def mark_taken(note: Note) -> None:
    """The note is filed: remove it. Done twice is done once."""
    note.path.unlink(missing_ok=True)


def _member_phone(interface: str) -> PhoneId | None:
    return PhoneId(interface[6:]) if interface.startswith("PJSIP/") and interface[6:] else None


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key, "")
    return encode.clean(value) if isinstance(value, str) else ""


def _time(data: dict[str, Any], key: str) -> float | None:
    try:
        at = datetime.fromisoformat(_text(data, key))
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo is not None else None

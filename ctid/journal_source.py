"""Reads a journal for tools, beside a running daemon: the store itself, or an export.

An export has one JSON object a line: ``{"seq", "at", "fact": {"t": class name, ...}}``; ``at`` is
Unix seconds. Entries that are not facts of this version (a gap, a newer kind) are counted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from routing.codec import fact_from_json
from routing.errors import RoutingError
from routing.facts import Fact


class JournalError(Exception):
    """The journal cannot be read; the message names file and place."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A fact with its place in the journal."""

    seq: int
    at: float
    fact: Fact


@dataclass(slots=True)
class JournalSource:
    """Facts in order. ``skipped`` counts, after reading, entries that could not be understood."""

    path: Path
    skipped: int = 0

    def __iter__(self) -> Iterator[Stamped]:
        self.skipped = 0
        for seq, at, data in self._rows():
            try:
                fact = fact_from_json(data)
            except (RoutingError, ValueError, TypeError, KeyError):
                self.skipped += 1
                continue
            yield Stamped(seq, at, fact)

    def _rows(self) -> Iterator[tuple[int, float, dict[str, Any]]]:
        try:
            with open(self.path, "rb") as stream:
                is_store = stream.read(16) == b"SQLite format 3\x00"
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror}; check the path") from error
        yield from self._of_store() if is_store else self._of_export()

    def _of_store(self) -> Iterator[tuple[int, float, dict[str, Any]]]:
        address = f"file:{quote(str(self.path.resolve()))}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=10)) as store:
                for seq, at, payload in store.execute(
                    "SELECT seq, at, payload FROM journal ORDER BY seq"
                ):
                    yield int(seq), float(at), _object(payload)
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: {error}; is this the daemon's store?") from error

    def _of_export(self) -> Iterator[tuple[int, float, dict[str, Any]]]:
        try:
            with open(self.path, encoding="utf-8") as stream:
                for number, line in enumerate(stream, 1):
                    if not line.strip():
                        continue
                    row = _object(line)
                    try:
                        yield int(row.get("seq", number)), float(row["at"]), row["fact"]
                    except (KeyError, TypeError, ValueError) as error:
                        raise JournalError(
                            f"{self.path}:{number}: no journal entry; needs seq, at and fact"
                        ) from error
        except UnicodeDecodeError as error:
            raise JournalError(f"{self.path}: is neither a store nor UTF-8 text") from error


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

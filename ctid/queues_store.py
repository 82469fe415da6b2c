"""Changing ``queues.toml`` safely: checked first, versions kept, written whole or not at all.

Everything here blocks on the disk; callers in the event loop use a thread.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from ctid import queues_check, queues_file
from ctid.queues_file import LoadedQueues
from ctid.toml_file import ConfigFileError, Problem

KEPT_VERSIONS = 100


class VersionConflict(Exception):
    """The file was changed by somebody else meanwhile: read it again, then change that."""

    def __init__(self, expected: str, current: str) -> None:
        super().__init__(f"the file is at version {current}, not {expected}; read it again")
        self.expected, self.current = expected, current


class UnknownVersion(Exception):
    """No such version is kept."""


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """One earlier text. ``saved_at``: ISO 8601 UTC, when it came into force."""

    version: str
    saved_at: str
    by: str
    path: Path


class QueuesStore:
    """The file and its versions, which lie in ``versions_dir`` beside it by default."""

    def __init__(self, path: Path, versions_dir: Path | None = None) -> None:
        self.path = path
        self._versions_dir = versions_dir or path.with_name(path.name + ".versions")

    def text(self) -> str:
        """The file as it stands."""
        return self.path.read_text(encoding="utf-8-sig")

    def check(self, text: str, now: datetime) -> tuple[LoadedQueues | None, list[Problem]]:
        """A dry run: what the text would be, and everything that is wrong or doubtful with it."""
        try:
            loaded = queues_file.parse(text, _local_day(now), file=self.path.name)
        except ConfigFileError as error:
            return None, error.problems
        found = queues_check.findings(loaded, now.timestamp())
        return (None if any(not p.warning for p in found) else loaded), found

    def replace(
        self, text: str, *, by: str, now: datetime, expected: str | None = None
    ) -> LoadedQueues:
        """Put ``text`` in the file's place. ``expected``: the version that was read before.

        Raises ConfigFileError (nothing was changed), VersionConflict (the same) and OSError.
        """
        loaded, found = self.check(text, now)
        if loaded is None:
            raise ConfigFileError([p for p in found if not p.warning])
        current = self.text() if self.path.exists() else ""
        version = queues_file.version_of(current)
        if expected is not None and expected != version:
            raise VersionConflict(expected, version)
        if current and not any(v.version == version for v in self.versions()):
            self._keep(current, version, "file", self._changed_at())
        self._keep(text, loaded.version, by, now)
        _write_whole(self.path, text)
        self._forget_oldest()
        return loaded

    def merged(self, data: Mapping[str, Any]) -> str:
        """The file's text with ``data`` (the whole file as plain data) in it; comments stay.

        Keys that ``data`` lacks go. Raises ConfigFileError when it can not be said in TOML.
        """
        document = tomlkit.parse(self.text() if self.path.exists() else "")
        try:
            _merge(document, data)
            return tomlkit.dumps(document)
        except (TOMLKitError, TypeError, ValueError) as error:
            problem = Problem(self.path.name, 0, "", f"cannot be written as TOML: {error}")
            raise ConfigFileError([problem]) from error

    def versions(self) -> list[KeptVersion]:
        """Kept versions, newest first."""
        if not self._versions_dir.is_dir():
            return []
        found = []
        for path in self._versions_dir.iterdir():
            parts = re.fullmatch(r"(\d{8}T\d{12}Z)-([0-9a-f]{16})-(.*)\.toml", path.name)
            if parts:
                at = datetime.strptime(parts[1], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
                found.append(
                    KeptVersion(parts[2], at.isoformat().replace("+00:00", "Z"), parts[3], path)
                )
        return sorted(found, key=lambda v: v.path.name, reverse=True)

    def version(self, version: str) -> str:
        """The text of a kept version. Raises UnknownVersion."""
        for kept in self.versions():
            if kept.version == version:
                return kept.path.read_text(encoding="utf-8")
        raise UnknownVersion(version)

    def roll_back(self, version: str, *, by: str, now: datetime) -> LoadedQueues:
        """Put a kept version in force again; it is checked like any other text."""
        return self.replace(self.version(version), by=by, now=now)

    def _changed_at(self) -> datetime:
        return datetime.fromtimestamp(self.path.stat().st_mtime, tz=UTC)

    def _keep(self, text: str, version: str, by: str, at: datetime) -> None:
        self._versions_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        who = re.sub(r"[^A-Za-z0-9_.-]", "_", by)[:64] or "unknown"
        stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        _write_whole(self._versions_dir / f"{stamp}-{version}-{who}.toml", text)

    def _forget_oldest(self) -> None:
        for kept in self.versions()[KEPT_VERSIONS:]:
            kept.path.unlink(missing_ok=True)


def _local_day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _merge(into: Any, data: Mapping[str, Any]) -> None:
    for key in [key for key in into if key not in data]:
        del into[key]
    for key, value in data.items():
        if key not in into:
            into[key] = _item(value)
        elif isinstance(value, Mapping) and isinstance(into[key], dict):
            _merge(into[key], value)
        elif _plain(into[key]) != value:
            into[key] = _item(value)


def _item(value: Any) -> Any:
    """Tables of tables as sections of their own, so that what is added reads like the rest."""
    if not isinstance(value, Mapping):
        return value
    table: Table = tomlkit.table(is_super_table=all(isinstance(v, Mapping) for v in value.values()))
    for key, inner in value.items():
        table[key] = _item(inner)
    return table


def _plain(item: Any) -> Any:
    return item.unwrap() if hasattr(item, "unwrap") else item


def _write_whole(path: Path, text: str) -> None:
    """Write beside, sync, rename: after a power cut it is the old text or the new one."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o640
    handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

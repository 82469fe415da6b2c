"""The one place where a running daemon's routing configuration is changed: by file or over HTTP.

A change is checked, written, told to the engine and announced, in this order and one at a time.
What the engine refuses is taken back out of the file. Live calls go on untouched throughout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from ctid import queues_file
from ctid.clock import Clock
from ctid.queues_file import LoadedQueues
from ctid.queues_store import KeptVersion, QueuesStore
from ctid.toml_file import Problem
from routing.facts import ConfigChanged

log = structlog.get_logger(__name__)


class Refused(Exception):
    """The engine does not take this configuration; the file is as it was. The message says why."""


class Receipt(Protocol):
    """What became of the fact."""

    @property
    def accepted(self) -> bool: ...
    @property
    def reason(self) -> str: ...


class QueuesDesk:
    """Reads, checks and changes ``queues.toml``; the disk is touched in threads only."""

    def __init__(
        self,
        store: QueuesStore,
        submit: Callable[[ConfigChanged], Awaitable[Receipt]],
        clock: Clock,
        on_change: Callable[[LoadedQueues], None],
    ) -> None:
        self._store = store
        self._submit = submit
        self._clock = clock
        self._on_change = on_change
        self._one_at_a_time = asyncio.Lock()

    async def read(self) -> tuple[str, str]:
        """``(text, version)`` of the file."""
        text = await asyncio.to_thread(self._store.text)
        return text, queues_file.version_of(text)

    async def check(self, text: str) -> tuple[LoadedQueues | None, list[Problem]]:
        """A dry run: what the text would be (``None``: unusable), and what is wrong or doubtful."""
        return await asyncio.to_thread(self._store.check, text, self._clock.wall())

    async def merged(self, data: Mapping[str, Any]) -> str:
        """The file's text with ``data`` in it, comments kept. Raises ConfigFileError."""
        return await asyncio.to_thread(self._store.merged, data)

    async def versions(self) -> list[KeptVersion]:
        """Kept versions, newest first."""
        return await asyncio.to_thread(self._store.versions)

    async def version(self, version: str) -> str:
        """The text of a kept version. Raises UnknownVersion."""
        return await asyncio.to_thread(self._store.version, version)

    async def replace(self, text: str, *, by: str, expected: str | None) -> LoadedQueues:
        """Put ``text`` in force. Raises ConfigFileError, VersionConflict, Refused or OSError."""
        async with self._one_at_a_time:
            before = await asyncio.to_thread(self._store.text)
            now = self._clock.wall()
            loaded = await asyncio.to_thread(
                lambda: self._store.replace(text, by=by, now=now, expected=expected)
            )
            reason = await self._tell(loaded)
            if reason:
                await asyncio.to_thread(
                    lambda: self._store.replace(before, by="ctid", now=self._clock.wall())
                )
                raise Refused(reason)
            return loaded

    async def reload(self) -> LoadedQueues:
        """Take the file as it stands (SIGHUP). Raises ConfigFileError or Refused."""
        async with self._one_at_a_time:
            day = self._clock.wall().date()
            loaded = await asyncio.to_thread(queues_file.load, self._store.path, day)
            reason = await self._tell(loaded)
            if reason:
                raise Refused(reason)
            return loaded

    async def _tell(self, loaded: LoadedQueues) -> str:
        """Why the engine refuses; empty: it works by the new configuration now."""
        fact = ConfigChanged(config=loaded.config.to_data(), version=loaded.version)
        receipt = await self._submit(fact)
        if not receipt.accepted:
            log.error("config_refused", version=loaded.version, why=receipt.reason)
            return receipt.reason or "refused"
        log.info("config_in_force", version=loaded.version)
        self._on_change(loaded)
        return ""

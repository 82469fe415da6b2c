"""Recordings whose channel is gone, until their files are whole.

MixMonitor's file is closed by a thread of its own about 1 ms after the channel's end, without an
event; a file lease (fcntl(2), F_SETLEASE) says whether anybody still has it open. Nobody waits for
a recording at that moment, so those of one moment are looked at together: on a busy floor a look,
and all that follows it, is shared by several.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ctid import tasks

log = structlog.get_logger(__name__)

LOOK_S = 0.25
"""From a channel's end to the first look, and between looks."""
STABLE_S = 0.3
PATIENCE_S = 4.0
"""So long after its channel a recording may still be written."""


@dataclass(slots=True, eq=False)
class _Closing:
    path: Path
    empty: bool  # nobody was recorded: the file only has to go
    then: Callable[[bool], None]
    since: float  # loop time
    kept: bool = False  # it is written anew, and stays
    size: int = -1
    size_since: float = 0.0


def is_closed(path: Path) -> bool | None:
    """Whether no process has ``path`` open for writing; ``None``: not allowed to know.

    A read lease is refused with EAGAIN while there is a writer; it needs the file's owner or
    CAP_LEASE (fcntl(2)). Raises FileNotFoundError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return True


class Closing:
    """Takes recordings with :meth:`put`; ``then(whole)`` is called once for each."""

    def __init__(self) -> None:
        self._waiting: list[_Closing] = []
        self._empty: dict[Path, _Closing] = {}
        self._task: asyncio.Task[None] | None = None

    def put(self, path: Path, *, empty: bool, then: Callable[[bool], None]) -> None:
        """Say when ``path`` is whole; False: there is no file, or it is still being written.

        An ``empty`` one is deleted once nobody has it open; its ``then`` is told False.
        """
        one = _Closing(path, empty, then, asyncio.get_running_loop().time())
        self._waiting.append(one)
        if empty:
            self._empty[path] = one
        if self._task is None:
            self._task = tasks.spawn(self._run(), name="recordings that close")

    def keep(self, path: Path) -> None:
        """``path`` is about to be written anew: it is not deleted, should it have been empty."""
        one = self._empty.pop(path, None)
        if one is not None:
            one.kept = True

    async def drained(self) -> None:
        """Wait until none is left, ``PATIENCE_S`` at most for each."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(LOOK_S)
                waiting, self._waiting = self._waiting, []
                now = asyncio.get_running_loop().time()
                for each, whole in await asyncio.to_thread(_look, waiting, now):
                    if whole is None:
                        self._waiting.append(each)
                        continue
                    if self._empty.get(each.path) is each:
                        del self._empty[each.path]
                    try:
                        each.then(whole)
                    except Exception:
                        log.exception("recording_not_told", path=str(each.path))
        finally:
            self._task = None


def _look(waiting: list[_Closing], now: float) -> list[tuple[_Closing, bool | None]]:
    return [(each, _whole(each, now)) for each in waiting]


def _whole(each: _Closing, now: float) -> bool | None:
    """Whether the file is whole; ``None``: look again."""
    if each.kept:
        return False
    try:
        free = is_closed(each.path)
        if each.empty and free is not False:
            each.path.unlink(missing_ok=True)
            return False
        if free is None:  # another owner: whole when its size stands still
            size = each.path.stat().st_size
            if size != each.size:
                each.size, each.size_since = size, now
            free = now - each.size_since >= STABLE_S
    except OSError:
        return False
    return True if free else (None if now - each.since < PATIENCE_S else False)

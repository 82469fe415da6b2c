"""The only place that starts asyncio tasks: every task is held, named and its failure reported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")

_live: set[asyncio.Task[Any]] = set()


def spawn(
    coro: Coroutine[Any, Any, T],
    *,
    name: str,
    on_error: Callable[[BaseException], None] | None = None,
) -> asyncio.Task[T]:
    """Start ``coro`` as a task that cannot vanish.

    The task is referenced until it ends (the event loop keeps only weak references, see the
    asyncio documentation of ``create_task``). An exception other than cancellation is logged as
    ``task_failed`` and handed to ``on_error``.
    """
    task = asyncio.get_running_loop().create_task(coro, name=name)
    _live.add(task)
    task.add_done_callback(_ended if on_error is None else partial(_ended, on_error=on_error))
    return task


def _ended(
    task: asyncio.Task[Any], *, on_error: Callable[[BaseException], None] | None = None
) -> None:
    _live.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if error is None:
        return
    log.error("task_failed", task=task.get_name(), exc_info=error)
    if on_error is not None:
        on_error(error)


async def cancel_and_wait(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel the tasks and wait until each has ended; their exceptions were already reported."""
    pending = [t for t in tasks if t is not None and not t.done()]
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending)


def live_tasks() -> list[str]:
    """Names of the tasks that have not ended, for shutdown's log line of what blocks."""
    return sorted(t.get_name() for t in _live if not t.done())

"""A staged stop: each stage has its own time limit and a log line that names what blocks it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage. ``blocking`` names what is still at work when the time is up."""

    name: str
    timeout_s: float
    run: Callable[[], Awaitable[None]]
    blocking: Callable[[], Sequence[str]] = lambda: ()


async def run_stages(stages: Sequence[Stage]) -> bool:
    """Run the stages in order; a stage that fails or takes too long does not stop the next.

    Returns whether all came to their end.
    """
    clean = True
    for stage in stages:
        try:
            async with asyncio.timeout(stage.timeout_s):
                await stage.run()
            log.info("stop_stage_done", stage=stage.name)
        except TimeoutError:
            clean = False
            log.error(
                "stop_stage_timed_out",
                stage=stage.name,
                limit_s=stage.timeout_s,
                blocked_by=list(stage.blocking())[:20],
            )
        except Exception:
            clean = False
            log.exception("stop_stage_failed", stage=stage.name)
    return clean

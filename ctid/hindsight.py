"""Explains the past beside the running daemon: ``ctid explain`` in a process of its own.

A journal is read from its first entry on, which takes seconds for a long one; a process of its own
with a low priority keeps that away from the calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import structlog

from routing.ids import InteractionId

log = structlog.get_logger(__name__)

LIMIT_S = 60.0
NICE = 10
UNKNOWN = 1
"""The exit status of ``ctid explain`` for an interaction that the journal does not know."""


class NotExplained(Exception):
    """The journal could not be read, or not in time; the log says why."""


async def explained(store: Path, interaction: InteractionId) -> list[dict[str, Any]]:
    """Each decision about the interaction, oldest first: ``{at, fact, asked: [agent id],
    explanation: {...} or None}``; empty when the journal no longer has it. ``at`` is ISO 8601,
    times within the explanation are Unix seconds. Raises TimeoutError, NotExplained.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ctid", "explain", "--journal", str(store), "--json", "--"),
        interaction,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    try:
        async with asyncio.timeout(LIMIT_S):
            out, problem = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == UNKNOWN:
        return []
    if process.returncode:
        log.error("explain_failed", why=problem.decode(errors="replace")[-500:])
        raise NotExplained
    moments: list[dict[str, Any]] = json.loads(out)
    return moments

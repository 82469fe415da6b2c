"""Waiting for what the API shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sim.house import Client

PATIENCE_S = 30.0
"""So long what must come is waited for; how soon it has to come is not what this says."""


async def until(
    client: Client,
    path: str,
    test: Callable[[list[dict[str, Any]]], bool],
    timeout_s: float = PATIENCE_S,
) -> list[dict[str, Any]]:
    """Read a list whenever the event stream says that something changed, until it fits."""
    items: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(timeout_s):
            async for _ in client.events():
                items = (await client.get(path))["items"]
                if test(items):
                    return items
    except TimeoutError:
        raise AssertionError(f"{path} did not become as expected: {items}") from None
    raise AssertionError("the event stream ended")

"""Answers of the server that come when a test lets them: what a slow line does to a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, Route


@asynccontextmanager
async def held(page: Page, url: str, *, method: str = "GET") -> AsyncIterator[asyncio.Event]:
    """Keep answers back until the block ends; the event says that the server has given one.

    ``url`` is a glob of the whole address. The server carries out what is asked at once.
    """
    given, over = asyncio.Event(), asyncio.Event()

    async def keep(route: Route) -> None:
        if over.is_set() or route.request.method != method:
            await route.fallback()
            return
        answer = await route.fetch()
        given.set()
        await over.wait()
        await route.fulfill(response=answer)

    await page.route(url, keep)
    try:
        yield given
    finally:
        # the route stays: unrouting would send what is held to the server once more
        over.set()

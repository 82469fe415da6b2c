"""Sends webhooks: one POST each, with a time-out, to the address itself and nowhere else.

The queue, the signature and the retries are ``crmcore.webhooks``'s.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from crmcore.db import Database
from crmcore.webhooks import Dispatcher
from ctid.clock import Clock

TOTAL_S = 15.0
CONNECT_S = 5.0
CONNECTIONS = 10


class WebhookSender:
    """Runs the deliveries of one store until it is cancelled."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._dispatcher = Dispatcher(db, self._send, clock.now_s)
        self._session: aiohttp.ClientSession | None = None

    def nudge(self) -> None:
        """Something may have been queued."""
        self._dispatcher.nudge()

    async def run(self) -> None:
        """Deliver what is due, for ever."""
        timeout = aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S)
        async with aiohttp.ClientSession(
            timeout=timeout,
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "ctid"},
            auto_decompress=False,
        ) as self._session:
            await self._dispatcher.run()

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        assert self._session is not None
        # a redirect could lead into the house's own network: it counts as a refusal
        async with self._session.post(
            url, data=body, headers=dict(headers), allow_redirects=False
        ) as response:
            return response.status

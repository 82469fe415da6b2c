"""Sends webhooks: one POST each, with a time-out, to the address itself and nowhere else.

The queue, the signature and the retries are ``crmcore.webhooks``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from crmcore.access import Scope
from crmcore.store import Store
from crmcore.webhooks import Dispatcher
from ctid.access import Viewer
from ctid.clock import Clock
from ctid.events import EventHub

TOTAL_S = 15.0
CONNECT_S = 5.0
CONNECTIONS = 10


class WebhookSender:
    """Runs the deliveries of one store until it is cancelled, and tells who reads the log."""

    def __init__(self, store: Store, hub: EventHub, clock: Clock) -> None:
        self._store = store
        self._hub = hub
        self._dispatcher = Dispatcher(store.db, self._send, clock.now_s, self._tell)
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

    def _tell(self, told: Mapping[str, Any]) -> None:
        self._hub.publish("webhook", told, audience=self._reads_webhooks)

    def _reads_webhooks(self, viewer: Viewer) -> bool:
        policy = self._store.policy
        return policy.scope(viewer.role, "webhook", "read") is not Scope.NONE

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        assert self._session is not None
        # a redirect could lead into the house's own network: it counts as a refusal
        async with self._session.post(
            url, data=body, headers=dict(headers), allow_redirects=False
        ) as response:
            return response.status

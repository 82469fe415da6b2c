"""``Idempotency-Key``: an action that is sent twice is done once and answered twice.

Kept in memory, bounded by count and age. A restart of the daemon forgets the keys; the actions
themselves are guarded by the engine's own states, so a repeated one is then refused, not doubled.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ctid.clock import Clock
from ctid.http.errors import Problem

MAX_KEY = 200

Scope = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, to be given again."""

    status: int
    body: bytes
    content_type: str


@dataclass(slots=True)
class _Entry:
    digest: bytes
    at: float
    answer: asyncio.Future[Answer]


class Idempotency:
    """Answers by (user, method, path, key)."""

    def __init__(self, clock: Clock, *, limit: int = 10_000, ttl_s: float = 86_400.0) -> None:
        self._clock = clock
        self._limit = limit
        self._ttl_s = ttl_s
        self._entries: OrderedDict[Scope, _Entry] = OrderedDict()

    async def once(self, scope: Scope, body: bytes, act: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of ``act``, which runs only for the first of equal requests.

        One that comes while the first still runs waits for it. An answer of 5xx is not kept, so
        that it can be tried again. Raises ``idempotency_key_reused`` for a different body.
        """
        if len(scope[3]) > MAX_KEY or not scope[3].isprintable():
            raise Problem("bad_request", f"Idempotency-Key: at most {MAX_KEY} printable characters")
        now = self._clock.now_s()
        self._expire(now)
        digest = hashlib.sha256(body).digest()
        known = self._entries.get(scope)
        if known is not None:
            if known.digest != digest:
                raise Problem("idempotency_key_reused")
            return await asyncio.shield(known.answer)
        entry = _Entry(digest, now, asyncio.get_running_loop().create_future())
        self._entries[scope] = entry
        try:
            answer = await act()
        except BaseException:
            self._entries.pop(scope, None)
            if not entry.answer.done():
                entry.answer.set_exception(Problem("busy", "The first request failed; try again"))
                entry.answer.exception()  # nobody may be waiting
            raise
        entry.answer.set_result(answer)
        if answer.status >= 500:
            self._entries.pop(scope, None)
        return answer

    def forget(self) -> None:
        """Give up all answers that are kept: one may name a person who is to be forgotten."""
        for scope in [scope for scope, one in self._entries.items() if one.answer.done()]:
            del self._entries[scope]

    def _expire(self, now: float) -> None:
        while self._entries:
            oldest = next(iter(self._entries.values()))
            if len(self._entries) < self._limit and now - oldest.at < self._ttl_s:
                return
            self._entries.popitem(last=False)

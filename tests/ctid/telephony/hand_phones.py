"""Phones whose every step a test takes by hand, and a log of facts that a test can await."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from routing.facts import Fact
from sim.phones.sipmsg import Message
from sim.phones.udp import AgentPool, UdpCall

F = TypeVar("F", bound=Fact)

NEVER_S = 3600.0
PATIENCE_S = 20.0
"""So long a test waits for what must come; how soon it has to come is not what this says."""


class HandPhones(AgentPool):
    """Agents' phones at one address; nothing happens by itself."""

    def __init__(self, pbx: tuple[str, int] | None = None) -> None:
        super().__init__("127.0.0.3", 0, answer_after_s=NEVER_S, ring=False)
        self.pbx = pbx or ("127.0.0.1", 5060)
        self.came: asyncio.Queue[UdpCall] = asyncio.Queue()
        self.on_call = self.came.put_nowait

    def _invited(self, request: Message, source: tuple[str, int]) -> None:
        super()._invited(request, source)
        call = self.calls.get(request.call_id)
        if call is not None:
            # as phones do: what nobody has heard of cannot be cancelled (RFC 3261 section 9.1), and
            # would be sent again for half a minute, to the phones of the tests that follow
            self._reply(call, 100, "Trying", source)

    async def next_call(self, timeout_s: float = PATIENCE_S) -> UdpCall:
        """The next INVITE."""
        async with asyncio.timeout(timeout_s):
            return await self.came.get()

    async def next_calls(self, count: int) -> dict[str, UdpCall]:
        """The next INVITEs, by the phone they came to."""
        return {call.number: call for call in [await self.next_call() for _ in range(count)]}

    def ringing(self, call: UdpCall) -> None:
        self._reply(call, 180, "Ringing", self.pbx)

    def answer(self, call: UdpCall) -> None:
        self._answer(call, self.pbx)

    def refuse_call(self, call: UdpCall, status: int, reason: str) -> None:
        self._reply(call, status, reason, self.pbx)
        self._over(call, "refused")


class FactLog:
    """A sink. ``next`` takes the first fact of a kind that was not taken yet."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.order: list[Fact] = []
        self._news = asyncio.Event()

    def __call__(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.order.append(fact)
        self._news.set()

    async def next(self, kind: type[F], timeout_s: float = PATIENCE_S, **match: Any) -> F:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for index, fact in enumerate(self.facts):
                        if isinstance(fact, kind) and all(
                            getattr(fact, k) == v for k, v in match.items()
                        ):
                            del self.facts[index]
                            return fact
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"no {kind.__name__} {match} within {timeout_s} s; there were: "
                + ", ".join(repr(f) for f in self.order[-20:])
            ) from None

    def kinds(self, *ignored: type[Fact]) -> list[str]:
        """Names of all facts so far, in order."""
        return [type(f).__name__ for f in self.order if not isinstance(f, ignored)]

"""Sequences of operations and hang-ups, drawn from a seed, and what plays them.

What is asked of ctid goes over its API; what agents do at the phone is done at softphones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ctid.tasks import spawn
from sim.house import FEATURE_CODES as CODE
from sim.house import Client, HouseError
from sim.phones.softphone import PhoneCall, PhoneError, PhoneProcess
from sim.phones.udp import CallerPool, UdpCall
from tests.whole.test_phone_transfers import NEWS_NUMBER, OUTSIDE

AGENTS = ("1001", "1002")
BOSS = "1003"
NOWHERE = "1999"

ASKED: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/supervise", {"mode": "monitor", "phone": BOSS}),
    ("PATCH", "/supervise", {"mode": "whisper"}),
    ("PATCH", "/supervise", {"mode": "barge"}),
    ("DELETE", "/supervise", None),
    ("POST", "/intercept", {"phone": BOSS}),
    ("POST", "/release", {"what": "agent", "reason": "drawn"}),
    ("POST", "/hold", {}),
    ("POST", "/unhold", {}),
    ("POST", "/transfer", {"kind": "agent", "to": "a1002"}),
    ("POST", "/transfer", {"kind": "queue", "to": "news"}),
    ("POST", "/consult", {"kind": "agent", "to": "a1002"}),
    ("PATCH", "/consult", {"ask": "swap"}),
    ("PATCH", "/consult", {"ask": "cancel"}),
    ("PATCH", "/consult", {"ask": "complete"}),
    ("PATCH", "/consult", {"ask": "conference"}),
    ("POST", "/conference", {"kind": "agent", "to": "a1002"}),
    ("POST", "/mute", {}),
    ("POST", "/unmute", {}),
    ("POST", "/dtmf", {"digits": "12#"}),
    ("POST", "/recording", {"action": "suspend"}),
    ("POST", "/recording", {"action": "resume"}),
    ("POST", "/recording", {"action": "start"}),
)
"""Method, path and body of what a client asks of ctid."""

COLLEAGUE = "colleague"
"""Stands for the number of the other agent's phone."""
DONE: tuple[tuple[str, str], ...] = (
    *(("blind", to) for to in (COLLEAGUE, NEWS_NUMBER, OUTSIDE, NOWHERE)),
    *((how, to) for how in ("attended", "ringing") for to in (COLLEAGUE, OUTSIDE)),
    ("hold", ""),
    ("unhold", ""),
    *(("code", f"{CODE['transfer']}{to}#") for to in (COLLEAGUE, NEWS_NUMBER, OUTSIDE)),
    *(("code", f"{CODE['consult']}{to}#") for to in (COLLEAGUE, OUTSIDE)),
    *(("code", CODE[act]) for act in ("swap", "complete", "conference", "hold", "cancel")),
)
"""What an agent does at the phone: REFER, hold, or a feature code keyed in; and to whom."""

HANG_UPS = ("caller", *AGENTS, BOSS, "outside")
PAUSES_S = (0.0, 0.0, 0.02, 0.1, 0.4)
PAUSES_AT_THE_PHONE_S = (0.0, 0.02, 0.1, 0.4, 1.0)
PATIENCE_S = (0.01, 0.1, 0.5, 8.0)
"""So long the next step waits for what is done at a phone: it may come in the middle."""


@dataclass(frozen=True, slots=True)
class Step:
    """``what``: who hangs up, or what is asked, or what is done at a phone."""

    what: Any
    pause_s: float
    patience_s: float = 0.0


class Drawn:
    """One sequence, as the seed says. ``at_the_phone``: how often something is done there."""

    def __init__(self, seed: int, at_the_phone: float) -> None:
        rng = Random(seed)  # noqa: S311 - draws a test, not a secret
        self.talk_first_s = rng.choice((0.0, 0.8, 0.8))
        self.lines = rng.choice((0, 1))
        self.leaves_after_s = rng.choice((0.0, 0.0, 0.3))
        self.steps: list[Step] = []
        for _ in range(rng.randint(2, 6)):
            if rng.random() < 0.2:
                self.steps.append(Step(rng.choice(HANG_UPS), rng.choice(PAUSES_S)))
            elif rng.random() < at_the_phone:
                pause_s, patience_s = rng.choice(PAUSES_AT_THE_PHONE_S), rng.choice(PATIENCE_S)
                self.steps.append(Step(rng.choice(DONE), pause_s, patience_s))
            else:
                self.steps.append(Step(rng.choice(ASKED), rng.choice(PAUSES_S)))

    def asks(self, *parts: str) -> bool:
        """Whether a request with one of these in its path or body is among the steps."""
        return any(part in str(step.what) for step in self.steps for part in parts)


class Desk:
    """A softphone, and which calls it has: in the order in which they came."""

    def __init__(self, phone: PhoneProcess) -> None:
        self.phone = phone
        self.calls: dict[int, PhoneCall] = {}
        self.own: set[int] = set()
        self._changed = asyncio.Event()
        phone.on_event = self._event

    def _event(self, event: dict[str, Any]) -> None:
        number = event.get("call", 0)
        if event["event"] in ("calling", "incoming"):
            self.calls[number] = PhoneCall(self.phone, number, "", "")
            if event["event"] == "calling":
                self.own.add(number)
        elif event["event"] == "disconnected":
            self.calls.pop(number, None)
            self.own.discard(number)
        self._changed.set()

    async def hang_up(self, *, own: bool = False) -> None:
        """Put the phone down: all calls, or those that were made at it."""
        for number, call in list(self.calls.items()):
            if not own or number in self.own:
                await call.hangup()

    async def is_free(self, *, own: bool = False) -> None:
        """Wait until it has no call (that was made at it)."""
        async with asyncio.timeout(20):
            while self.own if own else self.calls:
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Player:
    """Plays one sequence on one caller's conversation."""

    admin: Client
    callers: CallerPool
    caller: UdpCall
    desks: dict[str, Desk]
    path: str
    running: list[asyncio.Task[None]] = field(default_factory=list)
    private: bool = False  # a phone has sent somebody on whom it had called itself: no call of ctid

    async def play(self, drawn: Drawn) -> None:
        """Do it all. What is impossible is refused by ctid with 404, 409 or 422, and never with
        500; at a phone it does nothing."""
        for step in drawn.steps:
            if isinstance(step.what, str):
                await self._hang_up(step.what)
            elif len(step.what) == 3:
                await self.ask(*step.what)
            else:
                task = spawn(self._at_the_phone(*step.what), name=f"drawn {step.what}")
                self.running.append(task)
                await asyncio.wait([task], timeout=step.patience_s)
            await asyncio.sleep(step.pause_s)  # the distance between two steps is what is drawn

    async def end(self) -> None:
        """The caller hangs up; persons put down what they called themselves, and what became of
        it."""
        if not self.caller.ended.is_set():
            self.callers.hangup(self.caller)
        await asyncio.wait_for(self.caller.ended.wait(), 20)
        for task in self.running:
            await task
        for desk in self.desks.values():
            await desk.hang_up(own=not self.private)
            await desk.is_free(own=not self.private)

    async def _hang_up(self, who: str) -> None:
        if who == "caller":
            self.callers.hangup(self.caller)
        else:
            await self.desks[who].hang_up()

    async def ask(self, method: str, rest: str, body: Any) -> None:
        """Ask ctid; what is impossible it refuses."""
        refused = ""
        try:
            await self.admin.request(method, self.path + rest, body)
        except HouseError as error:
            refused = str(error)
        assert not refused or any(f": {code} " in refused for code in (404, 409, 422)), refused

    async def _at_the_phone(self, what: str, to: str) -> None:
        phone = next((p for p in AGENTS if self.desks[p].calls), None)
        if phone is None:
            return
        number, call = next(iter(self.desks[phone].calls.items()))
        if what in ("blind", "attended", "ringing") and number in self.desks[phone].own:
            self.private = True
        to = to.replace(COLLEAGUE, next(p for p in AGENTS if p != phone))
        doing: dict[str, Callable[[], Awaitable[None]]] = {
            "blind": lambda: call.transfer(to),
            "attended": lambda: _attended(call, to, "connected"),
            "ringing": lambda: _attended(call, to, "ringing"),
            "hold": call.hold,
            "unhold": call.unhold,
            "code": lambda: call.dtmf(to),
        }
        with contextlib.suppress(PhoneError):  # its call has ended, or the other does not take it
            await doing[what]()


async def _attended(call: PhoneCall, to: str, until: str) -> None:
    await call.transfer_to_call(await call.consult(to, until=until))

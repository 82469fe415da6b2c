"""Callers and agents for the demo: a stream of calls with audible speech, phones that answer.

Agents' phones register, ring for some seconds, answer, speak, and hang up; now and then one is not
answered. Callers come as a Poisson stream, press a menu digit where there is one, speak, and give
up when nobody talks to them in time. Everything is drawn from one seed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ctid.tasks import cancel_and_wait, spawn
from sim.lab import LabInfo, default_base_dir
from sim.lab.prompts import speak
from sim.phones.softphone import (
    Event,
    PhoneCall,
    PhoneError,
    PhoneProcess,
    refuse_policy,
    tone,
    wav,
)

log = structlog.get_logger(__name__)

CALLS_PER_PROCESS = 4
AGENT_LINES = (
    "您好，这里是报社客服中心，请问有什么可以帮您？",
    "好的，我已经记录下来了，请您稍等。",
    "感谢您提供的线索，我们会尽快核实。",
)
CALLER_LINES = (
    "你好，我想反映一下我们小区停水的情况。",
    "你好，我订的报纸这个星期没有收到。",
    "你好，我想在周末版上登一个广告，请问怎么收费？",
    "你好，我的地址换了，想改一下投递地址。",
    "你好，我看到昨天的报道，想提供一些新的线索。",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How people behave; ranges in seconds."""

    ring_s: tuple[float, float] = (2.0, 6.0)
    talk_s: tuple[float, float] = (12.0, 40.0)
    patience_s: tuple[float, float] = (45.0, 150.0)
    menu_after_s: float = 4.0
    unanswered: float = 0.06  # share of offers that an agent lets ring
    declined: float = 0.03  # share of offers that an agent declines


class Traffic:
    """Scripted agents and callers on a private Asterisk.

    ``agents`` are phones of the lab (``1001``); ``callers`` are (number, name) pairs, an empty
    number is a withheld one; ``menus`` gives for a called number the digits callers choose from.
    """

    def __init__(
        self,
        info: LabInfo,
        *,
        agents: Sequence[str],
        dids: Sequence[str] = ("4001",),
        callers: Sequence[tuple[str, str]] = (("13800138000", ""),),
        rate_per_min: float = 6.0,
        menus: Mapping[str, str] | None = None,
        manners: Manners | None = None,
        max_calls: int = 12,
        seed: int = 1,
    ) -> None:
        self._info = info
        self._agents = list(agents)
        self._dids = list(dids)
        self._callers = list(callers)
        self._rate_per_s = rate_per_min / 60
        self._menus = dict(menus or {})
        self._manners = manners or Manners()
        self._max_calls = max_calls
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self._phones: dict[str, PhoneProcess] = {}
        self._lines: list[PhoneProcess] = []
        self._load: Counter[int] = Counter()  # calls of each caller process
        self._tasks: set[asyncio.Task[None]] = set()
        self._stream: asyncio.Task[None] | None = None
        self._speech: dict[str, list[Path]] = {"agent": [], "caller": []}
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Register the agents' phones, then let the callers come."""
        self._speech = await asyncio.to_thread(make_speech)
        try:
            for number in range(-(-self._max_calls // CALLS_PER_PROCESS)):
                self._lines.append(await PhoneProcess.caller(self._info).start())
                self._load[number] = 0
            for user in self._agents:
                phone = PhoneProcess.agent(self._info, user, policy=refuse_policy("manual"))
                phone.on_event = lambda event, user=user: self._agent_event(user, event)
                self._phones[user] = await phone.start()
        except BaseException:
            await self.stop()
            raise
        self._stream = spawn(self._arrivals(), name="traffic-arrivals")

    async def stop(self) -> None:
        """No more callers; every phone hangs up, unregisters and ends."""
        await cancel_and_wait(self._stream, *self._tasks)
        phones = [*self._lines, *self._phones.values()]
        self._lines, self._phones = [], {}
        await asyncio.gather(*(phone.close() for phone in phones), return_exceptions=True)

    # ------------------------------------------------------------------ agents

    def _agent_event(self, user: str, event: Event) -> None:
        if event["event"] == "incoming":
            phone = self._phones[user]
            call = PhoneCall(phone, event["call"], event["sip_call_id"], event["remote"])
            self._keep(self._serve(call), f"traffic-agent-{user}")

    async def _serve(self, call: PhoneCall) -> None:
        manners, draw = self._manners, self._random
        self.counts["offers"] += 1
        mood = draw.random()
        await asyncio.sleep(draw.uniform(*manners.ring_s))
        try:
            if mood < manners.declined:
                self.counts["declined"] += 1
                await call.answer(603)
                return
            if mood < manners.declined + manners.unanswered:
                self.counts["unanswered"] += 1
                return
            await call.play(self._voice("agent"))
            await call.answer()
            await call.wait_for("connected")
            self.counts["answered"] += 1
            await call.wait_for("disconnected", timeout_s=draw.uniform(*manners.talk_s))
        except TimeoutError:
            await self._hang_up(call)
        except PhoneError:
            pass  # the caller was faster

    # ------------------------------------------------------------------ callers

    async def _arrivals(self) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(self._rate_per_s))
            line = min(self._load, key=lambda number: self._load[number])
            if self._load[line] < CALLS_PER_PROCESS:
                self._keep(self._call(line), "traffic-caller")
            else:
                self.counts["no_line"] += 1

    async def _call(self, line: int) -> None:
        draw = self._random
        did = draw.choice(self._dids)
        number, name = draw.choice(self._callers)
        self._load[line] += 1
        self.counts["calls"] += 1
        try:
            call = await self._lines[line].call(
                did, caller=number, name=name, audio=self._voice("caller")
            )
            await self._stay(call, did)
        except (PhoneError, TimeoutError) as error:
            log.warning("traffic_call_failed", did=did, error=str(error))
        finally:
            self._load[line] -= 1

    async def _stay(self, call: PhoneCall, did: str) -> None:
        draw, manners = self._random, self._manners
        stay_s = draw.uniform(*manners.patience_s)
        digits = self._menus.get(did)
        try:
            if digits:
                await call.wait_for("disconnected", timeout_s=manners.menu_after_s)
                return
            await call.wait_for("disconnected", timeout_s=stay_s)
        except TimeoutError:
            if not digits:
                await self._hang_up(call)
                return
            try:
                await call.dtmf(draw.choice(digits))
                await call.wait_for("disconnected", timeout_s=stay_s)
            except PhoneError:
                return
            except TimeoutError:
                await self._hang_up(call)

    # ------------------------------------------------------------------ parts

    async def _hang_up(self, call: PhoneCall) -> None:
        self.counts["hung_up"] += 1
        try:
            await call.hangup()
            await call.wait_for("disconnected", timeout_s=5.0)
        except (PhoneError, TimeoutError):
            return

    def _voice(self, role: str) -> Event:
        files = self._speech[role]
        return wav(self._random.choice(files)) if files else tone(440 if role == "agent" else 620)

    def _keep(self, coro: Coroutine[Any, Any, None], name: str) -> None:
        task = spawn(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def make_speech(folder: Path | None = None) -> dict[str, list[Path]]:
    """Speak the lines into WAV files, once; empty lists without espeak-ng."""
    target = folder or default_base_dir() / "speech"
    spoken: dict[str, list[Path]] = {"agent": [], "caller": []}
    for role, lines in (("agent", AGENT_LINES), ("caller", CALLER_LINES)):
        for index, line in enumerate(lines):
            path = target / f"{role}-{index}.wav"
            if not path.is_file():
                part = path.with_name(f"{path.stem}.part.wav")
                try:
                    speak(line, part, "zh")
                except OSError:
                    return {"agent": [], "caller": []}
                part.replace(path)
            spoken[role].append(path)
    return spoken

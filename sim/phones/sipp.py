"""SIPp as callers or agents: for loads beyond what Python sends.

Where times matter use :mod:`sim.phones.udp`: SIPp keeps its own clock and wakes up every
millisecond at best.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sim.lab import LabInfo, find_tool

SCENARIOS = Path(__file__).parent / "scenarios"
FOR_EVER_MS = 24 * 3600 * 1000


class SippError(RuntimeError):
    """SIPp is not there or refused its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SippResult:
    """Totals of one run."""

    created: int
    successful: int
    failed: int
    retransmitted: int


def find_sipp() -> str:
    """Path of the program. Raises :class:`SippError`."""
    found = find_tool("sipp")
    if found is None:
        raise SippError("sipp is not installed; run sim/setup.sh phones")
    return found


class Sipp:
    """One SIPp process. ``async with`` starts and ends it; :meth:`wait` waits for its own end."""

    def __init__(
        self, scenario: str, arguments: Sequence[str], *, talk_s: float | None, ring_s: float = 0
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ctid-sipp-")
        talk_ms = FOR_EVER_MS if talk_s is None else max(1, round(talk_s * 1000))
        text = (SCENARIOS / scenario).read_text(encoding="ascii")
        # SIPp takes keywords in messages, but only plain numbers as time-outs
        text = text.replace("TALK_MS", str(talk_ms))
        text = text.replace("RING_MS", str(max(1, round(ring_s * 1000))))
        path = Path(self._folder.name) / scenario
        path.write_text(text, encoding="ascii")
        self._arguments = [*arguments, "-sf", str(path)]
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    def callers(
        cls,
        info: LabInfo,
        number: str,
        *,
        count: int,
        rate_per_s: float = 10.0,
        at_once: int = 1000,
        talk_s: float | None = 1.0,
        caller: str = "139",
        port: int = 0,
    ) -> Self:
        """``count`` callers to ``number``; ``talk_s`` None: they stay until the other side ends."""
        arguments = [
            f"{info.sip_host}:{info.sip_port}", "-s", number, "-i", info.trunk_source,
            "-m", str(count), "-l", str(at_once), "-r", f"{rate_per_s:g}", "-key", "from", caller,
            *(["-p", str(port)] if port else []),
        ]  # fmt: skip
        return cls("caller.xml", arguments, talk_s=talk_s)

    @classmethod
    def agents(
        cls, host: str, port: int, *, ring_s: float = 0.05, talk_s: float | None = None
    ) -> Self:
        """Agents' phones at ``host:port`` for every number (``static_phones`` of the lab)."""
        arguments = ["-i", host, "-p", str(port)]
        return cls("agent.xml", arguments, talk_s=talk_s, ring_s=ring_s)

    @property
    def _statistics(self) -> Path:
        return Path(self._folder.name) / "statistics.csv"

    async def start(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            find_sipp(), *self._arguments, "-nostdin", "-trace_stat", "-fd", "1",
            "-stf", str(self._statistics), "-trace_err", "-error_file",
            str(Path(self._folder.name) / "errors.log"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE, cwd=self._folder.name,
        )  # fmt: skip
        return self

    async def wait(self, timeout_s: float = 120.0) -> SippResult:
        """Wait until all calls are over. Raises TimeoutError, :class:`SippError`."""
        assert self._process is not None
        _, said = await asyncio.wait_for(self._process.communicate(), timeout_s)
        if self._process.returncode not in (0, 1):  # 1: calls failed, the result says how many
            raise SippError(said.decode(errors="replace")[-500:])
        return self.result()

    def result(self) -> SippResult:
        """Totals so far (SIPp writes them once a second)."""
        rows: list[dict[str, str]] = []
        with contextlib.suppress(OSError), self._statistics.open() as handle:
            rows = list(csv.DictReader(handle, delimiter=";"))
        last = rows[-1] if rows else {}
        return SippResult(
            created=int(last.get("TotalCallCreated") or 0),
            successful=int(last.get("SuccessfulCall(C)") or 0),
            failed=int(last.get("FailedCall(C)") or 0),
            retransmitted=int(last.get("Retransmissions(C)") or 0),
        )

    async def stop(self) -> None:
        """End it; calls in progress are ended where SIPp can (signal USR1), else cut."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGUSR1)
            try:
                await asyncio.wait_for(process.wait(), 2.0)
            except TimeoutError:
                process.kill()
                await process.wait()
        self._folder.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

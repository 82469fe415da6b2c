"""Load: 20 calls a second for 60 s against 60 agents, with recording, then app_queue the same.

Printed: failed calls, CPU seconds per call of ctid and of Asterisk in both runs. The callers say
something, so every recording has sound, and ctid's figure holds the finishing of all of them. The
phones run in this process on the same two cores, so the rates are what the machine gives, not what
ctid could.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from dataclasses import dataclass

from bench._floor import DID, Floor, cpu_s, floor
from bench._report import percentile, table, verdict
from ctid.tasks import spawn
from sim.phones.ears import Ears
from sim.phones.udp import UdpCall

RATE = 20.0
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
AGENTS = 60
TALK_S = 2.0
TONE_HZ = 450
SPEAKS_S = 0.5
LIMIT_MS = 8.0
ANSWER_MS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run did."""

    calls: int
    failed: int
    waits_s: list[float]
    asterisk_cpu_s: float
    ctid_cpu_s: float
    lag_s: float


async def speak(voices: Ears, call: UdpCall) -> None:
    """Let the caller be heard from the answer on, for a moment."""
    await call.answered.wait()
    if call.media is not None:
        voices.speak(call, TONE_HZ, for_s=SPEAKS_S)


async def drive(bench: Floor, voices: Ears, number: str) -> Load:
    """Call ``number`` at the rate; every caller must reach an agent and be hung up on by it."""
    info = bench.house.info
    assert bench.house.daemon is not None
    bench.agents.byes.clear()
    answered_before = bench.agents.counts["answered"]
    asterisk, ctid = cpu_s(info.pid), cpu_s(bench.house.daemon.pid)
    begin = time.monotonic()
    total = int(RATE * SECONDS)
    calls = []
    lag_s = 0.0
    for n in range(total):
        due = begin + n / RATE
        rest_s = due - time.monotonic()
        if rest_s > 0:
            await asyncio.sleep(rest_s)
        else:
            lag_s = max(lag_s, -rest_s)
        call = bench.callers.call(number, caller=f"137{n:08d}")
        spawn(speak(voices, call), name="voice")
        calls.append(call)
        if n % 200 == 199 and sys.stderr.isatty():
            print(f"\r  {n + 1} of {total} calls", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    done = asyncio.gather(*(call.ended.wait() for call in calls))
    with contextlib.suppress(TimeoutError):  # what did not end is counted below
        await asyncio.wait_for(done, 60)
    good = [c for c in calls if c.ended.is_set() and c.ended_by == "them"]
    reached = bench.agents.counts["answered"] - answered_before
    waits = [c.answered_at - c.invite_at for c in good]
    return Load(
        calls=total,
        failed=total - min(len(good), reached),
        waits_s=waits,
        asterisk_cpu_s=cpu_s(info.pid) - asterisk,
        ctid_cpu_s=cpu_s(bench.house.daemon.pid) - ctid,
        lag_s=lag_s,
    )


async def finished(bench: Floor, expected: int) -> int:
    """How many recordings are in the library, once ``expected`` are or 10 s have passed."""
    count = 0
    for _ in range(100):
        count = sum(1 for _ in bench.house.library_dir.rglob("*.wav"))
        if count >= expected:
            break
        await asyncio.sleep(0.1)
    return count


async def run() -> int:
    async with floor(ctid_agents=AGENTS, queue_agents=AGENTS, talk_s=TALK_S) as bench:
        await bench.open_up()
        voices = Ears(bench.callers)
        ours = await drive(bench, voices, DID)
        records = (await bench.admin.get("/contact-records?limit=1"))["items"]
        recordings = await finished(bench, ours.calls)
        theirs = await drive(bench, voices, bench.house.info.numbers["bench_leastrecent"])
        await voices.close()
    our_ms = ours.ctid_cpu_s / ours.calls * 1000
    pbx_ms = ours.asterisk_cpu_s / ours.calls * 1000
    half = percentile(ours.waits_s, 0.5) * 1000
    most = percentile(ours.waits_s, 0.99) * 1000
    queue_ms = theirs.asterisk_cpu_s / theirs.calls * 1000
    table(
        [
            ("calls, failed (ctid)", f"{ours.calls}, {ours.failed}"),
            ("calls, failed (app_queue)", f"{theirs.calls}, {theirs.failed}"),
            ("recordings with sound", str(recordings)),
            ("ctid's CPU per call", f"{our_ms:.2f} ms"),
            ("Asterisk's CPU per call with ctid (recording)", f"{pbx_ms:.2f} ms"),
            ("Asterisk's CPU per call with app_queue", f"{queue_ms:.2f} ms"),
            ("caller's answer p50, p99 (ctid)", f"{half:.0f} ms, {most:.0f} ms"),
            ("largest lag of the load generator", f"{max(ours.lag_s, theirs.lag_s) * 1000:.0f} ms"),
        ]
    )
    return verdict(
        "load",
        {
            "calls": ours.calls,
            "failed": ours.failed,
            "recordings": recordings,
            "ctid_cpu_ms_per_call": round(our_ms, 2),
            "answer_median_ms": round(half, 1),
            "asterisk_cpu_ms_per_call": round(pbx_ms, 2),
            "app_queue_cpu_ms_per_call": round(queue_ms, 2),
            "app_queue_failed": theirs.failed,
        },
        ok=ours.failed == 0
        and our_ms <= LIMIT_MS
        and half <= ANSWER_MS
        and bool(records)
        and recordings == ours.calls,
        saying=f"{ours.failed} of {ours.calls} calls failed, {our_ms:.1f} ms CPU per call "
        f"(at most {LIMIT_MS:g}), answered after {half:.0f} ms "
        f"(at most {ANSWER_MS:g}); Asterisk {pbx_ms:.1f} ms, with app_queue {queue_ms:.1f} ms",
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))

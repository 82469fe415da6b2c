"""Supervision: from the request to the first audio, and from a switch of mode to its effect.

Measured in the RTP that Asterisk sends, on the loopback, without any jitter buffer. The phone of
the supervisor answers at once; what its ringing took is taken off.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from bench._floor import DID, floor
from bench._report import percentile, table, verdict
from sim.phones.ears import Ears
from sim.phones.udp import UdpCall

ROUNDS = 12
CALLER_HZ, AGENT_HZ, SUPER_HZ = 400, 1000, 1700
FIRST_LIMIT_MS, SWITCH_LIMIT_MS = 300.0, 100.0
# mode, who notices, and whether the supervisor is heard then
SWITCHES = (
    ("whisper", "agent", True),
    ("barge", "caller", True),
    ("whisper", "caller", False),
    ("monitor", "agent", False),
    ("barge", "caller", True),
    ("monitor", "caller", False),
)


async def run() -> int:
    """Bring a house up, measure, report."""
    async with floor(ctid_agents=1, queue_agents=1) as bench:
        [boss] = bench.queue_agents
        phones, trunk = Ears(bench.agents), Ears(bench.callers)
        await bench.open_up()
        rung: asyncio.Future[UdpCall] = asyncio.get_running_loop().create_future()
        bench.agents.on_call = rung.set_result
        caller = bench.callers.call(DID, caller="13800138000")
        agent = await asyncio.wait_for(rung, 10)
        await asyncio.wait_for(agent.answered.wait(), 10)
        trunk.speak(caller, CALLER_HZ)
        phones.speak(agent, AGENT_HZ)
        await asyncio.wait_for(trunk.hears(caller, AGENT_HZ), 5)
        [live] = (await bench.admin.get("/interactions?state=live"))["items"]
        path = f"/interactions/{live['id']}/supervise"
        ears = {"agent": (phones, agent), "caller": (trunk, caller)}
        first_ms, switch_ms = [], []
        for _ in range(ROUNDS):
            rung = asyncio.get_running_loop().create_future()
            bench.agents.on_call = rung.set_result
            asked_at = time.monotonic()
            await bench.admin.post(path, {"mode": "monitor", "phone": boss})
            leg = await asyncio.wait_for(rung, 5)
            bench.agents.on_call = None
            heard_at = await asyncio.wait_for(phones.hears(leg, CALLER_HZ), 5)
            first_ms.append((heard_at - asked_at - (leg.answered_at - leg.invite_at)) * 1000)
            phones.speak(leg, SUPER_HZ)
            await asyncio.sleep(0.3)  # the supervisor's own first packets have arrived
            for mode, who, heard in SWITCHES:
                pool, call = ears[who]
                seen = pool.hears(call, SUPER_HZ, want=heard)
                asked_at = time.monotonic()
                await bench.admin.request("PATCH", path, {"mode": mode})
                switch_ms.append((await asyncio.wait_for(seen, 5) - asked_at) * 1000)
                await asyncio.sleep(0.2)  # the digit is over
            await bench.admin.request("DELETE", path)
            await asyncio.wait_for(leg.ended.wait(), 5)
            await asyncio.sleep(0.3)  # the PBX has said that the phone is free
        await phones.close()
        await trunk.close()
        bench.callers.hangup(caller)
        await asyncio.wait_for(caller.ended.wait(), 5)
    rows = []
    figures = {}
    for name, values in (("first_audio", first_ms), ("switch", switch_ms)):
        figures[f"{name}_median_ms"] = round(statistics.median(values), 1)
        figures[f"{name}_p95_ms"] = round(percentile(values, 0.95), 1)
        figures[f"{name}_max_ms"] = round(max(values), 1)
        rows.append(
            (
                f"{name}, {len(values)} times",
                f"median {statistics.median(values):.0f} ms, "
                f"95 % {percentile(values, 0.95):.0f} ms, longest {max(values):.0f} ms",
            )
        )
    table(rows)
    ok = max(first_ms) <= FIRST_LIMIT_MS and max(switch_ms) <= SWITCH_LIMIT_MS
    return verdict(
        "supervise",
        figures,
        ok=ok,
        saying=f"first audio at most {max(first_ms):.0f} ms after the request, ringing taken off "
        f"(limit {FIRST_LIMIT_MS:.0f}); a switch at most {max(switch_ms):.0f} ms "
        f"(limit {SWITCH_LIMIT_MS:.0f})",
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))

"""Idle gap: from an agent's BYE to the next INVITE for that agent, while 20 callers wait.

One agent of ctid and one of app_queue on the same Asterisk, one after the other, measured at the
agents' SIP socket. app_queue looks for free agents once a second (its documented behaviour).
"""

from __future__ import annotations

import asyncio
import statistics
import sys

from bench._floor import DID, Floor, floor
from bench._report import percentile, table, verdict

WAITING = 20
CALLS = 40
TALK_S = 0.4
LIMIT_MS = 10.0


async def gaps_ms(bench: Floor, user: str, number: str, calls: int) -> list[float]:
    """Serve ``calls`` callers one after the other, ``WAITING`` of them in line all the time."""
    pool = bench.agents
    pool.byes.clear()
    pool.invites.clear()
    served = 0
    enough = asyncio.Event()

    def fill_up() -> None:
        # while the next one talks: a caller who comes in the gap itself would be measured with it
        bench.callers.call(number, caller=f"138{served:08d}")

    def ended(call: object) -> None:
        nonlocal served
        served += 1
        if served >= calls:
            enough.set()
        else:
            asyncio.get_running_loop().call_later(TALK_S / 2, fill_up)

    in_line = [bench.callers.call(number, caller=f"139{n:08d}") for n in range(WAITING + 1)]
    await asyncio.gather(*(call.answered.wait() for call in in_line))
    pool.on_end = ended
    if not any(who == user for who, _ in pool.invites):
        await bench.open_up()
    await asyncio.wait_for(enough.wait(), calls * (TALK_S + 3.0) + 30)
    pool.on_end = None
    await _clear(bench)
    gaps: list[float] = []
    for who, bye_at in pool.byes:
        later = [at for name, at in pool.invites if name == who and at > bye_at]
        if who == user and later:
            gaps.append((later[0] - bye_at) * 1000)
    return gaps[1:calls]


async def _clear(bench: Floor) -> None:
    """Hang everybody up and wait until nobody is left."""
    calls = [call for call in bench.callers.calls.values() if not call.ended.is_set()]
    for call in calls:
        bench.callers.hangup(call)
    await asyncio.wait_for(asyncio.gather(*(call.ended.wait() for call in calls)), 30)


def spread(gaps: list[float]) -> str:
    """Median, 95th percentile and maximum as text."""
    three = (statistics.median(gaps), percentile(gaps, 0.95), max(gaps))
    return ", ".join(f"{value:.1f} ms" for value in three)


async def run() -> int:
    async with floor(ctid_agents=1, queue_agents=1, talk_s=TALK_S) as bench:
        # one agent at a time: app_queue's agent is idle while ctid's is measured
        ours = await gaps_ms(bench, bench.ctid_agents[0], DID, CALLS)
        number = bench.house.info.numbers["bench_leastrecent"]
        theirs = await gaps_ms(bench, bench.queue_agents[0], number, CALLS // 2)
    our, their = statistics.median(ours), statistics.median(theirs)
    table(
        [
            ("ctid: median, p95, max", spread(ours)),
            ("app_queue: median, p95, max", spread(theirs)),
            ("app_queue / ctid", f"{their / our:.0f}"),
            ("conversations measured", f"{len(ours)} and {len(theirs)}"),
        ]
    )
    return verdict(
        "idle_gap",
        {
            "ctid_median_ms": round(our, 2),
            "ctid_p95_ms": round(percentile(ours, 0.95), 2),
            "app_queue_median_ms": round(their, 1),
            "ratio": round(their / our, 1),
        },
        ok=our <= LIMIT_MS and their / our > 50,
        saying=f"median {our:.1f} ms (at most {LIMIT_MS:g}), app_queue {their:.0f} ms, "
        f"{their / our:.0f} times",
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))

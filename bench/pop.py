"""Screen-pop: how long after the phone's INVITE the caller stands on the agent's screen.

A real Chromium, logged in as the agent, reports when the caller's number is in the page (a
MutationObserver's time, at the next frame); the agent's SIP socket reports when the INVITE came and
when 180 Ringing went out. All clocks are this machine's. Negative: the screen was first.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from bench._report import percentile, table, verdict
from ctid.clock import SystemClock
from sim.house import House, User, new_password
from sim.lab import Lab
from sim.lab.tools import find_tool
from sim.phones.udp import AgentPool, CallerPool

CALLS = int(os.environ.get("BENCH_CALLS", "100"))
LIMIT_MS = 100.0
DID = "88889999"

QUEUES = f"""
default_queue = "news"
[[entries]]
did = "{DID}"
queue = "news"
[queues.news]
name = "新闻热线"
wrap_up_s = 0
[agents.li]
phone = "1001"
queues = ["news"]
"""

WATCH = """
() => {
  window.seen = {};
  const look = () => {
    const card = document.querySelector('[data-test=call]');
    if (!card) return;
    for (const n of card.innerText.replaceAll(' ', '').match(/139\\d{8}/g) ?? [])
      window.seen[n] ??= performance.timeOrigin + performance.now();
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true,
                                                     characterData: true});
}
"""


async def log_in(page: Page, house: House, user: User) -> None:
    """Log in and sit down at the phone, the way a person does."""
    await page.goto(house.url)
    await page.fill("input[autocomplete=username]", user.username)
    await page.fill("input[type=password]", user.password)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("text=1001")
    client = await house.login(user.username)
    await client.put("/agents/me/status", {"status": "available", "phone": "1001"})
    await page.evaluate(WATCH)


async def run() -> int:
    user = User(username="li", role="agent", password=new_password(), agent="li")
    folder = Path(tempfile.mkdtemp(prefix="ctid-bench-"))
    agents = AgentPool("127.0.0.3", answer_after_s=0.4, talk_s=0.3)
    await agents.start()
    lab = Lab(f"bench-{os.getpid()}", agents=1, static_phones=agents.contacts(["1001"]), quiet=True)
    invites: dict[str, float] = {}
    clock = SystemClock()
    try:
        async with (
            House(folder, lab, queues=QUEUES, users=(user,)) as house,
            async_playwright() as p,
        ):
            browser = await p.chromium.launch(
                executable_path=find_tool("chromium", "chromium-browser", "google-chrome"),
                args=["--no-sandbox", "--disable-gpu"],
            )
            page = await browser.new_page()
            await log_in(page, house, user)
            callers = CallerPool((house.info.sip_host, house.info.sip_port))
            await callers.start()
            for n in range(CALLS):
                number = f"139{n:08d}"
                before = len(agents.invites)
                call = callers.call(DID, caller=number)
                await asyncio.wait_for(call.ended.wait(), 20)
                age_s = asyncio.get_running_loop().time() - agents.invites[before][1]
                invites[number] = clock.now_s() - age_s
            await page.wait_for_timeout(500)
            seen: dict[str, Any] = await page.evaluate("window.seen")
            await callers.close()
            await browser.close()
    finally:
        await agents.close()
        lab.remove()
        shutil.rmtree(folder, ignore_errors=True)
    late = [seen[n] - at * 1000 for n, at in invites.items() if n in seen]
    missing = len(invites) - len(late)
    median, p99 = statistics.median(late), percentile(late, 0.99)
    table(
        [
            ("pops seen, missing", f"{len(late)}, {missing}"),
            ("after the INVITE: median, p99, max", f"{median:.1f}, {p99:.1f}, {max(late):.1f} ms"),
        ]
    )
    return verdict(
        "pop",
        {"median_ms": round(median, 1), "p99_ms": round(p99, 1), "missing": missing},
        ok=missing == 0 and p99 <= LIMIT_MS,
        saying=f"on screen {median:.0f} ms (p99 {p99:.0f} ms) after the INVITE, at most "
        f"{LIMIT_MS:g}; {missing} missing",
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))

"""A floor for benches: one house whose agents' phones are bare SIP phones of this process."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from sim.house import Client, House, User, new_password
from sim.lab import Lab
from sim.phones.udp import AgentPool, CallerPool

DID = "88889999"


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What a bench works with. ``ctid_agents`` and ``queue_agents`` are users of the pool."""

    house: House
    admin: Client
    agents: AgentPool
    callers: CallerPool
    ctid_agents: tuple[str, ...]
    queue_agents: tuple[str, ...]

    async def open_up(self) -> None:
        """Make ctid's agents available."""
        for user in self.ctid_agents:
            await self.admin.available(f"a{user}", user)


def queues_toml(users: tuple[str, ...], *, strategy: str = "longest_idle") -> str:
    """One queue with all agents, no wrap-up, recorded."""
    lines = [
        'default_queue = "bench"',
        "[[entries]]",
        f'did = "{DID}"',
        'queue = "bench"',
        "[queues.bench]",
        'name = "bench"',
        f'strategy = "{strategy}"',
        "ring_timeout_s = 30",
        "wrap_up_s = 0",
    ]
    for user in users:
        lines += [
            f"[agents.a{user}]",
            f'name = "{user}"',
            f'phone = "{user}"',
            'queues = ["bench"]',
        ]
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def floor(
    *,
    ctid_agents: int,
    queue_agents: int,
    answer_after_s: float = 0.0,
    talk_s: float | Callable[[str], float | None] | None = None,
) -> AsyncIterator[Floor]:
    """Bring up a house with ``ctid_agents`` for ctid and ``queue_agents`` for app_queue."""
    first = tuple(str(1001 + n) for n in range(ctid_agents))
    second = tuple(str(1001 + ctid_agents + n) for n in range(queue_agents))
    admin_user = User(username="admin", role="admin", password=new_password())
    folder = Path(tempfile.mkdtemp(prefix="ctid-bench-"))
    agents = AgentPool("127.0.0.3", answer_after_s=answer_after_s, talk_s=talk_s)
    await agents.start()
    lab = Lab(
        f"bench-{os.getpid()}",
        agents=len(first) + len(second),
        static_phones=agents.contacts((*first, *second)),
        queue_members=second,
        quiet=True,
    )
    house = House(folder, lab, queues=queues_toml(first), users=(admin_user,), log_level="warning")
    try:
        async with house:
            callers = CallerPool((house.info.sip_host, house.info.sip_port))
            await callers.start()
            try:
                admin = await house.login("admin")
                yield Floor(
                    house=house,
                    admin=admin,
                    agents=agents,
                    callers=callers,
                    ctid_agents=first,
                    queue_agents=second,
                )
            finally:
                await callers.close()
    finally:
        await agents.close()
        lab.remove()
        shutil.rmtree(folder, ignore_errors=True)


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used so far, system time included."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)

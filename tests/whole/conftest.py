"""Whole houses on a real Asterisk. Each test has its own, so that none disturbs another."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sim.house import House, User, new_password
from sim.lab import Lab
from sim.phones.udp import AgentPool, CallerPool
from tests.whole.stage import Stage, open_stage
from tests.whole.watch import until

__all__ = ["DID", "OpenHouse", "queues_toml", "until"]

DID = "88889999"

USERS = (
    User(username="admin", role="admin", password=new_password()),
    User(username="li", role="agent", password=new_password(), agent="a1001", display_name="李娜"),
)


def queues_toml(
    phones: list[str], *, strategy: str = "longest_idle", extra: str = "", wrap_up_s: float = 0
) -> str:
    """One queue; an agent ``a<phone>`` at each phone."""
    lines = [
        'default_queue = "news"',
        "[[entries]]",
        f'did = "{DID}"',
        'queue = "news"',
        "[queues.news]",
        'name = "新闻热线"',
        f'strategy = "{strategy}"',
        "ring_timeout_s = 20",
        f"wrap_up_s = {wrap_up_s}",
        extra,
    ]
    for phone in phones:
        lines += [f"[agents.a{phone}]", f'phone = "{phone}"', 'queues = ["news"]']
    return "\n".join(lines) + "\n"


OpenHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def open_house(tmp_path: Path) -> AsyncIterator[OpenHouse]:
    """``await open_house(queues, agents=4, static_phones={...})``; closed after the test."""
    async with AsyncExitStack() as stack:

        async def make(queues: str, **lab: Any) -> House:
            name = f"t{os.getpid()}-{len(stack._exit_callbacks)}"  # type: ignore[attr-defined]
            house = House(tmp_path / name, Lab(name, quiet=True, **lab), queues=queues, users=USERS)
            stack.callback(house.lab.remove)
            await stack.enter_async_context(house)
            return house

        yield make


@pytest.fixture
async def agents() -> AsyncIterator[AgentPool]:
    """Bare agents' phones that answer at once and talk until somebody hangs up."""
    pool = AgentPool("127.0.0.3")
    await pool.start()
    yield pool
    await pool.close()


@pytest.fixture
async def callers() -> AsyncIterator[Callable[[House], Awaitable[CallerPool]]]:
    """``await callers(house)``: bare callers on the trunk."""
    async with AsyncExitStack() as stack:

        async def make(house: House) -> CallerPool:
            pool = CallerPool((house.info.sip_host, house.info.sip_port))
            await pool.start()
            stack.push_async_callback(pool.close)
            return pool

        yield make


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """One house for all scenarios of a module, which says in ``PLAN`` what is in it."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_")
    folder = tmp_path_factory.mktemp(name)
    async with open_stage(folder, request.module.PLAN, f"t{os.getpid()}-{name}") as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def left_clean(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Scenarios that share a house leave nothing to the next."""
    yield
    if "stage" in request.fixturenames:
        await request.getfixturevalue("stage").clear()

"""Bare SIP phones: what the measurements rest on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from sim.lab import Lab, LabError, LabInfo
from sim.lab.process import free_port
from sim.phones.sipp import Sipp
from sim.phones.udp import AgentPool, CallerPool, UdpCall

pytestmark = pytest.mark.asterisk

USERS = ("1001", "1002", "1003")
PORT = free_port("127.0.0.3", udp=True, tcp=False)


@pytest.fixture(scope="module")
def info() -> Iterator[LabInfo]:
    contacts = {user: f"sip:{user}@127.0.0.3:{PORT}" for user in USERS}
    lab = Lab(
        f"test-{os.getpid()}-udp", agents=5, static_phones=contacts, queue_members=USERS,
        quiet=True,
    )  # fmt: skip
    try:
        yield lab.up()
    except LabError as error:
        pytest.skip(f"NOT TESTED, no Asterisk: {error}")
    finally:
        lab.remove()


@pytest.fixture
async def callers(info: LabInfo) -> AsyncIterator[CallerPool]:
    async with CallerPool((info.sip_host, info.sip_port)) as pool:
        yield pool


async def all_over(*calls: UdpCall, timeout_s: float = 60) -> None:
    await asyncio.wait_for(asyncio.gather(*(call.ended.wait() for call in calls)), timeout_s)


async def test_a_hundred_callers_at_once(info: LabInfo, callers: CallerPool) -> None:
    calls = [callers.call(info.numbers["silence"], caller=f"1{i}", talk_s=0.5) for i in range(100)]
    await all_over(*calls)
    assert {call.ended_by for call in calls} == {"us"}
    assert callers.calls == {}
    assert callers.counts["answered"] == 100


async def test_agents_at_fixed_contacts_serve_a_queue(info: LabInfo, callers: CallerPool) -> None:
    async with AgentPool(port=PORT, answer_after_s=0.05, talk_s=0.2) as agents:
        calls = [callers.call(info.numbers["bench_rrmemory"]) for _ in range(9)]
        await all_over(*calls)
        assert {call.ended_by for call in calls} == {"them"}
        assert agents.counts["answered"] == 9
        assert {user for user, _ in agents.invites} == set(USERS)
        gaps = agents.idle_gaps_s()
        assert len(gaps) == 6
        assert all(gap > 0 for gap in gaps)


async def test_a_caller_who_hangs_up_while_ringing_cancels(
    info: LabInfo, callers: CallerPool
) -> None:
    async with AgentPool(port=PORT, answer_after_s=60) as agents:
        rung = asyncio.Event()
        agents.on_call = lambda call: rung.set()
        call = callers.call(info.numbers["bench_linear"])
        await asyncio.wait_for(rung.wait(), 20)
        await asyncio.wait_for(call.answered.wait(), 20)
        leg = next(iter(agents.calls.values()))
        callers.hangup(call)
        await all_over(call, leg)
        assert (call.ended_by, leg.ended_by) == ("us", "cancelled")


async def test_registered_agents_are_called_and_wrong_passwords_are_not(
    info: LabInfo, callers: CallerPool
) -> None:
    server = (info.sip_host, info.sip_port)
    async with AgentPool(answer_after_s=0.0, talk_s=0.1) as agents:
        await agents.register(server, {"1004": info.phone("1004").password})
        with pytest.raises(RuntimeError, match="refused"):
            await agents.register(server, {"1005": "wrong"})


async def test_who_is_not_the_trunk_gets_nowhere(info: LabInfo) -> None:
    async with CallerPool((info.sip_host, info.sip_port), host="127.0.0.9") as strangers:
        call = strangers.call("4001", caller="1004")
        await all_over(call)
        assert call.status == 401


async def test_times_are_exact(info: LabInfo, callers: CallerPool) -> None:
    before = time.monotonic()
    call = callers.call(info.numbers["silence"], talk_s=0.4)
    await all_over(call)
    assert before <= call.invite_at < call.answered_at
    assert call.bye_at - call.answered_at == pytest.approx(0.4, abs=0.15)


async def test_sipp_calls_and_answers(info: LabInfo) -> None:
    async with (
        Sipp.agents("127.0.0.3", PORT, talk_s=0.2) as agents,
        Sipp.callers(
            info, info.numbers["bench_rrmemory"], count=6, rate_per_s=20, talk_s=None
        ) as callers,
    ):
        result = await callers.wait(30)
        assert (result.created, result.successful, result.failed) == (6, 6, 0)
        assert agents._process is not None
        assert agents._process.returncode is None

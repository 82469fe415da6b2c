"""Softphones on a real Asterisk: what one says the other hears."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.lab import Lab, LabError, LabInfo
from sim.phones.audio import goertzel, has_tone, sine, write_wav
from sim.phones.softphone import (
    PhoneCall,
    PhoneError,
    PhoneProcess,
    answer_policy,
    refuse_policy,
    tone,
    wav,
)

pytestmark = pytest.mark.asterisk


@pytest.fixture(scope="module")
def info() -> Iterator[LabInfo]:
    lab = Lab(f"test-{os.getpid()}-phones", agents=4, quiet=True)
    try:
        yield lab.up()
    except LabError as error:
        pytest.skip(f"NOT TESTED, no Asterisk: {error}")
    finally:
        lab.remove()


async def test_the_echo_comes_back(info: LabInfo, tmp_path: Path) -> None:
    async with PhoneProcess.caller(info) as phone:
        call = await phone.call(
            info.numbers["echo"], caller="138", audio=tone(440), record=tmp_path / "echo.wav"
        )
        await call.wait_for("connected")
        await asyncio.sleep(1.0)  # audio takes its time
        await call.hangup()
        await call.wait_for("recorded")
    assert has_tone(tmp_path / "echo.wav", 440)
    assert not has_tone(tmp_path / "echo.wav", 620)


async def test_two_agents_hear_each_other_and_hold_is_heard(info: LabInfo, tmp_path: Path) -> None:
    write_wav(tmp_path / "say.wav", sine(500, 1.0), 8000)
    policy = answer_policy(0.2, audio=tone(700), record=tmp_path / "a-{call}.wav")
    async with (
        PhoneProcess.agent(info, "1001", policy=policy) as a,
        PhoneProcess.agent(info, "1002") as b,
    ):
        call = await b.call("1001", audio=wav(tmp_path / "say.wav"), record=tmp_path / "b.wav")
        leg = await a.incoming()
        ringing = await call.wait_for("ringing")
        connected = await call.wait_for("connected")
        assert 0.15 < connected["t"] - ringing["t"] < 2.0
        await asyncio.sleep(1.0)
        await leg.dtmf("59")
        assert [(await call.wait_for("dtmf"))["digit"] for _ in "59"] == ["5", "9"]
        await leg.hold()
        await leg.wait_for("held")
        await leg.unhold()
        await leg.wait_for("resumed")
        await call.hangup()
        await asyncio.gather(leg.wait_for("recorded"), call.wait_for("recorded"))
    assert has_tone(tmp_path / "a-1.wav", 500)
    assert has_tone(tmp_path / "b.wav", 700, share=0.3)
    assert goertzel(tmp_path / "a-1.wav", 700) < 0.05, "one does not hear oneself"


async def test_policies_refuse(info: LabInfo) -> None:
    async with PhoneProcess.agent(info, "1001") as a, PhoneProcess.agent(info, "1002") as b:
        for how, code in (("busy", 486), ("decline", 603)):
            await a.set_policy(refuse_policy(how))
            call = await b.call("1001")
            assert (await a.wait_for("disconnected"))["code"] == code
            await call.wait_for("disconnected")
        await a.set_policy(refuse_policy("manual"))
        call = await b.call("1001")
        leg = await a.incoming()  # of the busy one
        leg = await a.incoming()
        leg = await a.incoming()
        await call.wait_for("ringing")
        await leg.answer()
        await call.wait_for("connected")
        await call.hangup()
        await leg.wait_for("disconnected")


async def test_transfers(info: LabInfo) -> None:
    async def joined(one: PhoneCall, other: PhoneProcess) -> None:
        """Asterisk joins two later than both are told of the answer; before, it transfers none."""
        await one.wait_for("connected")
        await one.dtmf("5")
        await other.wait_for("dtmf")

    async with (
        PhoneProcess.agent(info, "1001", policy=answer_policy()) as a,
        PhoneProcess.agent(info, "1002", policy=answer_policy()) as b,
        PhoneProcess.agent(info, "1003") as c,
    ):
        first = await c.call("1001")
        leg = await a.incoming()
        await joined(first, a)
        await leg.transfer("1002")
        await b.wait_for("connected")
        await leg.wait_for("disconnected")
        await first.hangup()
        await b.wait_for("disconnected")

        first = await c.call("1001")
        leg = await a.incoming()
        await joined(first, a)
        consult = await a.call("1002")
        await joined(consult, b)
        await leg.transfer_to_call(consult)
        await asyncio.gather(leg.wait_for("disconnected"), consult.wait_for("disconnected"))
        await first.hangup()
        await b.wait_for("disconnected")


async def test_a_call_out_through_the_trunk_arrives(info: LabInfo) -> None:
    async with (
        PhoneProcess.outside(info, policy=answer_policy()) as far,
        PhoneProcess.agent(info, "1001") as agent,
    ):
        call = await agent.call("0" + "13900139000")
        leg = await far.incoming()
        await call.wait_for("connected")
        await call.hangup()
        await leg.wait_for("disconnected")


async def test_a_phone_that_lost_power_ends_what_waits_for_it(info: LabInfo) -> None:
    phone = await PhoneProcess.agent(info, "1001").start()
    waiting = asyncio.ensure_future(phone.wait_for("incoming", timeout_s=30))  # noqa: TID251
    await asyncio.sleep(0)
    await phone.kill()
    with pytest.raises(PhoneError):
        await waiting
    with pytest.raises(PhoneError):
        await phone.call("1002")


async def test_a_wrong_password_is_said(info: LabInfo) -> None:
    phone = PhoneProcess(server=f"{info.sip_host}:{info.sip_port}", user="1004", password="no")
    try:
        with pytest.raises(PhoneError, match="cannot register: 401"):
            await phone.start()
    finally:
        await phone.kill()


async def test_five_calls_are_one_too_many(info: LabInfo) -> None:
    async with PhoneProcess.caller(info) as phone:
        for _ in range(4):
            call = await phone.call(info.numbers["silence"])
            await call.wait_for("connected")
        with pytest.raises(PhoneError, match=r"(?i)too many"):
            await phone.call(info.numbers["silence"])


async def test_many_callers_one_after_the_other(info: LabInfo) -> None:
    """More identities than pjsua has accounts."""
    async with PhoneProcess.caller(info) as phone:
        for index in range(12):
            call = await phone.call(info.numbers["answer_once"], caller=f"139{index}", name="王")
            await call.wait_for("disconnected")

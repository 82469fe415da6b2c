"""The whole way of a call on a real Asterisk with real SIP phones and real sound."""

from __future__ import annotations

import asyncio
import io
import time
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest

from sim.house import Client
from sim.phones.audio import power
from sim.phones.softphone import PhoneProcess, answer_policy, tone
from tests.whole.conftest import DID, OpenHouse, queues_toml, until

pytestmark = pytest.mark.asterisk

CALLER_HZ, AGENT_HZ = 440, 1000


class Ear:
    """Keeps the events of one client with the time at which each came."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.heard: list[tuple[str, Any, float]] = []
        self._changed = asyncio.Condition()

    async def run(self, ready: asyncio.Event) -> None:
        async for name, data, _ in self._client.events():
            async with self._changed:
                self.heard.append((name, data, time.monotonic()))
                self._changed.notify_all()
            ready.set()

    async def wait(self, name: str, timeout_s: float = 10) -> tuple[Any, float]:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: any(n == name for n, _, _ in self.heard))
            return next((d, t) for n, d, t in self.heard if n == name)


def channel(data: bytes, index: int) -> tuple[array[int], int]:
    """Samples of one channel of a stereo WAV."""
    with wave.open(io.BytesIO(data)) as wav:
        assert wav.getnchannels() == 2
        samples = array("h", wav.readframes(wav.getnframes()))
        return samples[index::2], wav.getframerate()


async def test_a_call_is_offered_with_a_pop_answered_recorded_and_filed(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    house = await open_house(queues_toml(["1001"], wrap_up_s=60), agents=1)
    policy = answer_policy(
        1.0, audio=tone(AGENT_HZ), record=tmp_path / "agent.wav", hangup_after_s=3.0
    )
    async with (
        PhoneProcess.agent(house.info, "1001", policy=policy) as phone,
        PhoneProcess.caller(house.info) as caller,
    ):
        agent = await house.login("li")
        ear = Ear(agent)
        ready = asyncio.Event()
        listening = asyncio.get_running_loop().create_task(ear.run(ready))
        await ready.wait()
        await agent.put("/agents/me/status", {"status": "available", "phone": "1001"})
        call = await caller.call(
            DID,
            caller="13800138000",
            name="王先生",
            audio=tone(CALLER_HZ),
            record=tmp_path / "caller.wav",
        )
        pop, popped_at = await ear.wait("pop")
        incoming = await phone.wait_for("incoming")
        assert pop["caller"] == {"number": "13800138000", "name": "王先生"}
        assert pop["queue"] == "news"
        # monotonic clocks of two processes on one machine are one clock
        assert popped_at - incoming["t"] < 0.1
        await phone.wait_for("connected")
        await call.wait_for("disconnected")
        listening.cancel()

        [me] = [a for a in (await agent.get("/agents"))["items"] if a["id"] == "a1001"]
        assert me["state"] == "wrap_up"
        await agent.post("/agents/me/wrap-up", {"action": "finish"})
        records = await until(
            agent,
            "/contact-records",
            lambda items: (
                bool(items)
                and bool(items[0]["recordings"])
                and items[0]["recordings"][0]["state"] == "ready"
            ),
        )
        [record] = records
        assert record["interaction"] == pop["interaction"]
        assert (record["outcome"], record["agent"], record["queue"]) == (
            "answered",
            "a1001",
            "news",
        )
        assert 2.0 < record["talk_s"] < 5.0
        assert record["caller"]["name"] == "王先生"
        data = await agent.download(f"/recordings/{record['recordings'][0]['id']}/audio")
        for index, own, other in ((0, CALLER_HZ, AGENT_HZ), (1, AGENT_HZ, CALLER_HZ)):
            samples, rate = channel(data, index)
            assert power(samples, own, rate) > 20 * power(samples, other, rate)


async def test_an_agent_who_does_not_answer_is_passed_over(open_house: OpenHouse) -> None:
    text = queues_toml(["1001", "1002"], strategy="top_down").replace(
        "ring_timeout_s = 20", "ring_timeout_s = 2"
    )
    house = await open_house(text, agents=2)
    async with (
        PhoneProcess.agent(house.info, "1001", policy={"mode": "manual", "after_s": 0}) as first,
        PhoneProcess.agent(house.info, "1002", policy=answer_policy(0.2)) as second,
        PhoneProcess.caller(house.info) as caller,
    ):
        admin = await house.login("admin")
        await admin.available("a1001", "1001")
        await admin.available("a1002", "1002")
        call = await caller.call(DID, caller="13900139000")
        await first.wait_for("incoming")
        await second.wait_for("connected")
        await until(admin, "/interactions?state=live", lambda items: items[0]["state"] == "talking")
        await call.hangup()
        [record] = await until(admin, "/contact-records", lambda items: len(items) == 1)
        assert record["agent"] == "a1002"
        assert [o["outcome"] for o in record["offers"]] == ["ring_timeout", "answered"]


async def test_a_caller_who_gives_up_is_an_abandoned_contact(open_house: OpenHouse) -> None:
    house = await open_house(queues_toml(["1001"]), agents=1)
    admin = await house.login("admin")
    async with PhoneProcess.caller(house.info) as caller:
        call = await caller.call(DID, caller="13700137000")
        await call.wait_for("connected")
        await until(admin, "/interactions?state=live", lambda items: len(items) == 1)
        await call.hangup()
    [record] = await until(admin, "/contact-records", lambda items: len(items) == 1)
    assert (record["outcome"], record["agent"]) == ("abandoned", None)
    assert (await admin.get("/interactions?state=live"))["items"] == []


async def test_a_number_nobody_knows_gets_words_or_the_default_queue(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    text = queues_toml(["1001"]).replace('default_queue = "news"\n', "")
    house = await open_house(text, agents=1)
    admin = await house.login("admin")
    async with PhoneProcess.caller(house.info) as caller:
        call = await caller.call("12345678", caller="13600136000", record=tmp_path / "heard.wav")
        await call.wait_for("disconnected")
    with wave.open(str(tmp_path / "heard.wav")) as wav:
        samples = array("h", wav.readframes(wav.getnframes()))
    assert max(map(abs, samples)) > 1000, "the caller heard silence"
    [record] = await until(admin, "/contact-records", lambda items: len(items) == 1)
    assert record["did"] == "12345678"
    assert record["agent"] is None

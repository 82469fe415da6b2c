"""``kill -9`` ten times over: nobody is dropped, the order stays, each has one contact record."""

from __future__ import annotations

import asyncio
import io
import wave
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from sim.house import Client, House
from sim.phones.audio import power
from sim.phones.softphone import PhoneProcess, answer_policy, tone
from sim.phones.udp import AgentPool, CallerPool, UdpCall
from tests.whole.conftest import DID, OpenHouse, queues_toml, until
from tests.whole.talk import nothing_left

pytestmark = pytest.mark.asterisk

TALKING = 10
WAITING = 30
KILLS = 10
LIVE = "/interactions?state=live"


def number(n: int) -> str:
    return f"139{n:08d}"


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def live(client: Client) -> dict[str, dict[str, Any]]:
    """Live interactions by the caller's number."""
    items = (await client.get("/interactions?state=live&limit=200"))["items"]
    return {item["caller"]["number"]: item for item in items}


def settled(items: list[dict[str, Any]]) -> bool:
    states = Counter(item["state"] for item in items)
    return states == {"talking": TALKING, "waiting": WAITING}


def line_of(picture: dict[str, dict[str, Any]]) -> list[str]:
    """Numbers of those who wait, the next one first."""
    waiting = [i for i in picture.values() if i["state"] == "waiting"]
    return [i["caller"]["number"] for i in sorted(waiting, key=lambda i: i["position"])]


class Floor:
    """Ten agents, forty callers, and somebody to replace who leaves."""

    def __init__(self, house: House, agents: AgentPool, callers: CallerPool) -> None:
        self.house = house
        self.agents = agents
        self.callers = callers
        self.calls: dict[str, UdpCall] = {}

    async def arrive(self) -> None:
        """One more caller; waits until Asterisk has answered, so that the order is certain."""
        n = len(self.calls)
        call = self.calls[number(n)] = self.callers.call(DID, caller=number(n))
        await asyncio.wait_for(call.answered.wait(), 20)

    async def full(self, client: Client) -> dict[str, dict[str, Any]]:
        """The picture once ten talk and thirty wait."""
        await until(client, "/interactions?state=live&limit=200", settled, timeout_s=60)
        return await live(client)

    def dropped(self, alive: set[str]) -> list[str]:
        return [n for n in sorted(alive) if self.calls[n].ended.is_set()]


async def test_ten_kills_under_waiting_and_talking_calls(
    open_house: OpenHouse,
    agents: AgentPool,
    callers: Callable[[House], Awaitable[CallerPool]],
) -> None:
    phones = [str(1001 + n) for n in range(TALKING)]
    house = await open_house(
        queues_toml(phones), agents=TALKING, static_phones=agents.contacts(phones)
    )
    floor = Floor(house, agents, await callers(house))
    admin = await house.login("admin")
    for phone in phones:
        await admin.available(f"a{phone}", phone)
    for _ in range(TALKING + WAITING):
        await floor.arrive()
    before = await floor.full(admin)
    served: list[str] = []

    for kill in range(KILLS):
        await house.kill_daemon()
        assert floor.dropped(set(before)) == [], f"dropped by kill {kill}"
        await house.start_daemon()
        admin = await house.login("admin")
        after = await floor.full(admin)
        assert floor.dropped(set(before)) == [], f"dropped after kill {kill}"
        assert line_of(after) == line_of(before), f"order after kill {kill}"
        for caller, was in before.items():
            now = after[caller]
            for field in ("id", "state", "agent"):
                assert now[field] == was[field], f"{field} of {caller} after kill {kill}"
            # The facts of the last milliseconds before a kill are lost. The PBX then tells ages in
            # whole seconds, and that two are connected, but not since when.
            for field, within_s in (("arrived_at", 1.0), ("queued_at", 1.0), ("answered_at", 5.0)):
                assert (now[field] is None) == (was[field] is None), f"{field} of {caller}"
                if now[field] is not None:
                    off_s = abs(seconds(now[field]) - seconds(was[field]))
                    assert off_s <= within_s, f"{field} of {caller} after kill {kill}: {off_s} s"
        # one conversation ends; the longest waiting caller is next; a new one joins the end
        ends = sorted(c for c, i in after.items() if i["state"] == "talking")[kill % TALKING]
        following = line_of(after)[0]
        served.append(ends)
        agent_call = agents.busy[after[ends]["agent"].removeprefix("a")]
        agents.hangup(agent_call)
        await floor.arrive()
        before = await floor.full(admin)
        assert ends not in before
        assert before[following]["state"] == "talking"

    for caller in list(before):
        floor.callers.hangup(floor.calls[caller])
    everybody = set(floor.calls)

    def all_filed(items: list[dict[str, Any]]) -> bool:
        return {i["caller"]["number"] for i in items} == everybody

    records = await until(admin, "/contact-records?limit=200", all_filed, timeout_s=60)
    assert Counter(r["caller"]["number"] for r in records) == dict.fromkeys(everybody, 1)
    outcomes = {r["caller"]["number"]: r["outcome"] for r in records}
    assert all(outcomes[c] == "answered" for c in served)
    talked = {c for c, i in before.items() if i["state"] == "talking"}
    assert {c for c, o in outcomes.items() if o == "answered"} == talked | set(served)
    assert (await live(admin)) == {}
    agents_now = (await admin.get("/agents"))["items"]
    assert {a["state"] for a in agents_now} == {"idle"}


async def test_a_recording_outlives_a_kill(open_house: OpenHouse) -> None:
    house = await open_house(queues_toml(["1001"]), agents=1)
    admin = await house.login("admin")
    policy = answer_policy(0.2, audio=tone(1000))
    async with (
        PhoneProcess.agent(house.info, "1001", policy=policy) as phone,
        PhoneProcess.caller(house.info) as caller,
    ):
        await admin.available("a1001", "1001")
        call = await caller.call(DID, caller="13800138000", audio=tone(440))
        await phone.wait_for("connected")
        await until(
            admin, "/interactions?state=live", lambda i: [x["recording"] for x in i] == [True]
        )
        await house.kill_daemon()
        await house.start_daemon()
        admin = await house.login("admin")
        await until(
            admin, "/interactions?state=live", lambda i: [x["state"] for x in i] == ["talking"]
        )
        await call.hangup()
        [record] = await until(
            admin,
            "/contact-records",
            lambda i: [r["state"] for x in i for r in x["recordings"]] == ["ready"],
        )
    assert (record["outcome"], record["agent"]) == ("answered", "a1001")
    data = await admin.download(f"/recordings/{record['recordings'][0]['id']}/audio")
    with wave.open(io.BytesIO(data)) as wav:
        samples = array("h", wav.readframes(wav.getnframes()))
    assert power(samples[0::2], 440, 8000) > 0.5
    assert power(samples[1::2], 1000, 8000) > 0.5


@pytest.mark.parametrize("asked", ["hold", "consult"])
async def test_a_kill_while_the_caller_hears_music(open_house: OpenHouse, asked: str) -> None:
    """Hold and consultation end with ctid: the caller keeps the call, and is served first."""
    house = await open_house(queues_toml(["1001", "1002"]), agents=2)
    admin = await house.login("admin")
    policy = answer_policy(0.1, audio=tone(1000))
    async with (
        PhoneProcess.agent(house.info, "1001", policy=policy) as phone,
        PhoneProcess.agent(house.info, "1002", policy=policy) as other,
        PhoneProcess.caller(house.info) as caller,
    ):
        await admin.available("a1001", "1001")
        await until(admin, "/agents", lambda agents: all(a["phone_reachable"] for a in agents))
        call = await caller.call(DID, caller="13800138000", audio=tone(440))
        leg = await phone.incoming()
        [item] = await until(admin, LIVE, lambda i: [x["state"] for x in i] == ["talking"])
        if asked == "hold":
            await admin.post(f"/interactions/{item['id']}/hold")
            await until(admin, LIVE, lambda i: i[0]["on_hold"])
        else:
            body = {"kind": "agent", "to": "a1002"}
            await admin.post(f"/interactions/{item['id']}/consult", body)
            asked_one = await other.incoming()
            await until(admin, LIVE, lambda i: i[0]["consult"] == "private")
            await leg.dtmf("5")  # joined in earnest: Asterisk takes them from their seats meanwhile
            await asked_one.wait_for("dtmf")
        await house.kill_daemon()
        await house.start_daemon()
        admin = await house.login("admin")
        if asked == "consult":  # they talk on, undisturbed, until one of them is through
            await until(admin, LIVE, lambda i: [x["state"] for x in i] == ["waiting"])
            await asked_one.hangup()
        await leg.wait_for("disconnected")
        again = await phone.incoming()
        [item] = await until(admin, LIVE, lambda i: [x["state"] for x in i] == ["talking"])
        assert item["agent"] == "a1001"
        await again.hangup()
        await call.wait_for("disconnected")
        [record] = await until(admin, "/contact-records", lambda i: len(i) == 1)
        assert (record["outcome"], set(record["agents"])) == ("answered", {"a1001"})
    await nothing_left(house)

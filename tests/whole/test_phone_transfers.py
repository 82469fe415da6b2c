"""Transfers and hold that an agent does at the phone itself, on a real Asterisk: who hears whom."""

from __future__ import annotations

import asyncio
import io
import os
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sim.phones.audio import power
from sim.phones.softphone import PhoneCall, PhoneProcess, answer_policy, refuse_policy, tone
from tests.whole.conftest import OpenHouse, queues_toml, until
from tests.whole.talk import HZ, Talk, nothing_left, phones_there, talking

pytestmark = pytest.mark.asterisk

NEWS_NUMBER = "7001"
ENTRY = f'[[entries]]\ndid = "{NEWS_NUMBER}"\nqueue = "news"\n'
OUTSIDE = "013911112222"
RECORDED_S = 1.5
"""So long everybody goes on talking, so that their tones stand in the recording."""


@dataclass
class Floor:
    """The caller talks with the agent at 1001; 1002 and an outside phone are there, too."""

    talk: Talk
    second: PhoneProcess
    outside: PhoneProcess

    async def arrives(self, name: str, phone: PhoneProcess, **wanted: Any) -> None:
        """The caller comes to another phone, is heard there, and the agent's phone is free."""
        self.talk.legs[name] = await phone.connected()
        await self.talk.becomes(lambda i: all(i[k] == v for k, v in wanted.items()))
        assert await self.talk.heard() == {"caller": {name}, name: {"caller"}}

    async def ends(self, by: str, agents: list[str], *tones: str) -> Any:
        """Somebody hangs up; one record, with one recording of all these tones."""
        talk = self.talk
        await asyncio.sleep(RECORDED_S)  # the length of what is judged
        await talk.legs.pop(by).hangup()
        for leg in talk.legs.values():
            await leg.wait_for("disconnected")
        record = await talk.record_of()
        assert (record["outcome"], record["agents"]) == ("answered", agents)
        [recording] = record["recordings"]
        wav = await talk.admin.download(f"/recordings/{recording['id']}/audio")
        for name in tones:
            assert is_in(wav, HZ[name], left=name == "caller"), f"{name} is not recorded"
        return record


def is_in(wav: bytes, hz: int, *, left: bool) -> bool:
    """Whether a tone is somewhere in the caller's (left) or the other side of a recording."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        rate, both = file.getframerate(), array("h", file.readframes(file.getnframes()))
    side = both[0 if left else 1 :: 2]
    piece = rate // 4
    starts = range(0, len(side) - piece, piece)
    return max(power(side[at : at + piece], hz, rate) for at in starts) > 0.08


@asynccontextmanager
async def floor(
    open_house: OpenHouse, folder: Path, policy: Any = None, wrap_up_s: float = 60
) -> AsyncIterator[Floor]:
    house = await open_house(
        queues_toml(["1001", "1002", "1003"], wrap_up_s=wrap_up_s, extra=ENTRY),
        agents=3,
    )
    policy = policy or answer_policy(0.0, audio=tone(HZ["second"]))
    async with (
        talking(house, folder) as talk,
        PhoneProcess.agent(house.info, "1002", policy=policy) as second,
        PhoneProcess.outside(
            house.info, policy=answer_policy(0.0, audio=tone(HZ["super"]))
        ) as outside,
    ):
        await phones_there(talk.admin, "1001", "1002")
        await talk.admin.available("a1002", "1002")
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        yield Floor(talk, second, outside)
        assert not os.listdir(house.info.notes_dir), "a note of a missed call"
    await nothing_left(house)


async def joined(asked: PhoneCall, phone: PhoneProcess) -> None:
    """Wait until Asterisk has joined the two, which is later than both phones' answers."""
    await asked.dtmf("5")
    await phone.wait_for("dtmf")


async def state_of(talk: Talk, agent: str) -> str:
    agents = (await talk.admin.get("/agents"))["items"]
    return str(next(a["state"] for a in agents if a["id"] == agent))


@pytest.mark.parametrize("to", ["1002", NEWS_NUMBER])
async def test_blind_to_an_agent_and_to_a_queue(
    open_house: OpenHouse, tmp_path: Path, to: str
) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        await talk.legs["agent"].transfer(to)
        await talk.legs.pop("agent").wait_for("disconnected")
        await there.arrives("second", there.second, state="talking", agent="a1002")
        assert await state_of(talk, "a1001") == "wrap_up"
        await there.ends("second", ["a1001", "a1002"], "caller", "agent", "second")


async def test_blind_to_an_outside_number(open_house: OpenHouse, tmp_path: Path) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        await talk.legs["agent"].transfer(OUTSIDE)
        await talk.legs.pop("agent").wait_for("disconnected")
        await there.arrives("super", there.outside, state="external", agent=None)
        await there.ends("caller", ["a1001"], "caller", "agent", "super")


@pytest.mark.parametrize("to", ["1999", "nobody"])
async def test_blind_to_nonsense_comes_back_to_the_agent(
    open_house: OpenHouse, tmp_path: Path, to: str
) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        phone = talk.legs["agent"].phone
        await talk.legs["agent"].transfer(to)
        await talk.legs.pop("agent").wait_for("disconnected")
        await there.arrives("agent", phone, state="talking", agent="a1001")
        record = await there.ends("caller", ["a1001"], "caller", "agent")
        assert any("takes no caller" in cause for cause in record["causes"])


async def test_a_phone_with_one_line_that_is_still_in_its_last_call_declines_nothing(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        agent = talk.legs.pop("agent")
        policy = answer_policy(0.0, audio=tone(HZ["agent"]), lines=1, leaves_after_s=1.0)
        await agent.phone.set_policy(policy)
        await agent.transfer("1999")
        await agent.wait_for("disconnected")
        await there.arrives("agent", agent.phone, state="talking", agent="a1001")
        record = await there.ends("caller", ["a1001"], "caller", "agent")
        assert [offer["outcome"] for offer in record["offers"]] == ["answered", "answered"]


@pytest.mark.parametrize("by", ["caller", "second"])
async def test_attended_to_a_colleague(open_house: OpenHouse, tmp_path: Path, by: str) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        asked = await talk.legs["agent"].consult("1002")
        await talk.becomes(lambda i: i["on_hold"])
        await joined(asked, there.second)
        await talk.legs["agent"].transfer_to_call(asked)
        await talk.legs.pop("agent").wait_for("disconnected")
        await there.arrives("second", there.second, state="talking", agent="a1002", on_hold=False)
        assert await state_of(talk, "a1001") == "wrap_up"
        await there.ends(by, ["a1001", "a1002"], "caller", "agent", "second")


async def test_attended_to_an_outside_number(open_house: OpenHouse, tmp_path: Path) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        asked = await talk.legs["agent"].consult(OUTSIDE)
        await joined(asked, there.outside)
        await talk.legs["agent"].transfer_to_call(asked)
        await talk.legs.pop("agent").wait_for("disconnected")
        await there.arrives("super", there.outside, state="external", agent=None)
        await there.ends("super", ["a1001"], "caller", "agent", "super")


@pytest.mark.parametrize("to", ["1002", OUTSIDE])
async def test_attended_while_ctid_holds_the_caller(
    open_house: OpenHouse, tmp_path: Path, to: str
) -> None:
    """Held in the browser, called and completed at the phone: the caller comes there."""
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        name, phone = ("second", there.second) if to == "1002" else ("super", there.outside)
        await talk.admin.post(talk.path("/hold"))
        await talk.becomes(lambda i: i["on_hold"])
        asked = await talk.legs["agent"].consult(to)
        await joined(asked, phone)
        await talk.legs["agent"].transfer_to_call(asked)
        await talk.legs.pop("agent").wait_for("disconnected")
        agent = "a1002" if to == "1002" else None
        await there.arrives(name, phone, agent=agent, on_hold=False)
        agents = ["a1001", "a1002"] if to == "1002" else ["a1001"]
        await there.ends("caller", agents, "caller", "agent", name)


async def test_attended_through_a_queue_of_ours(open_house: OpenHouse, tmp_path: Path) -> None:
    """The agent calls the queue's own number, talks with the colleague it finds, and completes."""
    async with floor(open_house, tmp_path, wrap_up_s=0) as there:
        talk = there.talk
        asked = await talk.legs["agent"].consult(NEWS_NUMBER)
        talk.legs["second"] = await there.second.incoming()
        await talk.legs["second"].wait_for("connected")
        await until(
            talk.admin,
            "/interactions?state=live",
            lambda items: [i["state"] for i in items] == ["talking", "talking"],
        )
        await joined(asked, there.second)
        await talk.legs["agent"].transfer_to_call(asked)
        await talk.legs.pop("agent").wait_for("disconnected")
        await talk.becomes(lambda i: i["agent"] == "a1002")
        assert await talk.heard() == {"caller": {"second"}, "second": {"caller"}}
        await talk.legs["second"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        records = await until(talk.admin, "/contact-records", lambda items: len(items) == 2)
        [own] = [r for r in records if r["interaction"] == talk.interaction]
        assert own["agents"] == ["a1001", "a1002"]


@pytest.mark.parametrize("to", ["1002", OUTSIDE])
async def test_attended_and_completed_while_it_rings(
    open_house: OpenHouse, tmp_path: Path, to: str
) -> None:
    async with floor(open_house, tmp_path, refuse_policy("manual")) as there:
        talk = there.talk
        ringing = refuse_policy("manual")
        await there.outside.set_policy(ringing)
        asked = await talk.legs["agent"].consult(to, until="ringing")
        phone = there.second if to == "1002" else there.outside
        first = await phone.incoming()
        name, hz = ("second", HZ["second"]) if to == "1002" else ("super", HZ["super"])
        await phone.set_policy(answer_policy(0.0, audio=tone(hz)))
        await talk.legs["agent"].transfer_to_call(asked)
        await first.wait_for("disconnected")  # ctid takes it over and rings again
        await talk.legs.pop("agent").wait_for("disconnected")
        await there.arrives(name, phone, agent="a1002" if to == "1002" else None)
        agents = ["a1001", "a1002"] if to == "1002" else ["a1001"]
        await there.ends("caller", agents, "caller", "agent", name)


async def test_hold_at_the_phone(open_house: OpenHouse, tmp_path: Path) -> None:
    async with floor(open_house, tmp_path, answer_policy(0.0, audio=tone(HZ["super"]))) as there:
        talk = there.talk
        await talk.admin.put("/agents/a1002/status", {"status": "logged_out"})
        await talk.admin.post(talk.path("/supervise"), {"mode": "monitor", "phone": "1002"})
        talk.legs["super"] = await there.second.incoming()
        await talk.becomes(lambda i: any(s["active"] for s in i["supervisors"]))
        for _ in range(2):
            await talk.legs["agent"].hold()
            await talk.becomes(lambda i: i["on_hold"])
            assert (await talk.heard(music=True))["caller"] == {"music"}
            await talk.legs["agent"].unhold()
            await talk.becomes(lambda i: not i["on_hold"])
            assert await talk.heard() == {
                "caller": {"agent"},
                "agent": {"caller"},
                "super": {"caller", "agent"},
            }
        await there.ends("agent", ["a1001"], "caller", "agent")


async def test_supervisors_follow_a_caller_whom_a_phone_hands_over(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        policy = answer_policy(0.0, audio=tone(HZ["super"]))
        async with PhoneProcess.agent(talk.house.info, "1003", policy=policy) as boss:
            await phones_there(talk.admin)
            await talk.admin.post(talk.path("/supervise"), {"mode": "monitor", "phone": "1003"})
            talk.legs["super"] = await boss.incoming()
            await talk.becomes(lambda i: any(s["active"] for s in i["supervisors"]))
            await talk.legs["agent"].transfer("1002")
            await talk.legs.pop("agent").wait_for("disconnected")
            talk.legs["second"] = await there.second.incoming()
            await talk.becomes(lambda i: i["agent"] == "a1002" and i["state"] == "talking")
            await talk.becomes(lambda i: all(s["active"] for s in i["supervisors"]))
            assert await talk.heard() == {
                "caller": {"second"},
                "second": {"caller"},
                "super": {"caller", "second"},
            }
            await talk.admin.request("PATCH", talk.path("/supervise"), {"mode": "barge"})
            await talk.becomes(lambda i: i["supervisors"][0]["mode"] == "barge")
            assert await talk.heard() == {
                "caller": {"second", "super"},
                "second": {"caller", "super"},
                "super": {"caller", "second"},
            }
            await there.ends("second", ["a1001", "a1002"], "caller", "agent", "second")


@pytest.mark.parametrize("first", ["1002", "nobody"])
async def test_a_caller_who_hangs_up_on_the_way_leaves_nothing(
    open_house: OpenHouse, tmp_path: Path, first: str
) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        await talk.legs["agent"].transfer(first)
        await talk.legs["caller"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        await nothing_left(talk.house)
        # told of no success, a phone may keep its call (RFC 5589): then a person puts it down
        agent = talk.legs.pop("agent")
        await agent.hangup()
        await agent.wait_for("disconnected")
        await until(talk.admin, "/contact-records", lambda items: len(items) == 1)


async def test_attended_out_of_a_conference_leaves_nobody_in_it(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    """Who would take the agent's place is let go; who was asked before keeps the caller."""
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        await talk.admin.post(talk.path("/conference"), {"kind": "agent", "to": "a1002"})
        talk.legs["second"] = await there.second.connected()
        await talk.becomes(lambda i: i["consult"] == "conference")
        asked = await talk.legs["agent"].consult(OUTSIDE)
        outside = await there.outside.connected()
        # Asterisk refuses a conference's transfer to a call whose parties it has not joined yet
        await joined(asked, there.outside)
        await talk.legs["agent"].transfer_to_call(asked)
        await talk.legs.pop("agent").wait_for("disconnected")
        await outside.wait_for("disconnected")
        await talk.becomes(lambda i: i["agent"] == "a1002" and i["state"] == "talking")
        assert await talk.heard() == {"caller": {"second"}, "second": {"caller"}}
        await there.ends("caller", ["a1001", "a1002"], "caller", "agent", "second")

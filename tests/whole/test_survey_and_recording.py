"""After the call, and what is kept of it: keyed answers, suspended and demanded recordings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.whole.conftest import OpenHouse, queues_toml, until
from tests.whole.talk import HEARD, HZ, NOT_HEARD, nothing_left, talking
from tests.whole.test_handset_audio import longest_silence, recording, shares

pytestmark = pytest.mark.asterisk

RATE = 'do = "survey", question = "satisfaction", prompts = ["beep"], timeout_s = 3, attempts = 2'
AGAIN = 'do = "survey", question = "again", keys = "12", prompts = ["beep"], timeout_s = 1'
SURVEY = f"""
[flows.rate]
steps = [
  {{ {RATE}, invalid = ["beep"] }},
  {{ {AGAIN}, attempts = 1 }},
  {{ do = "release", prompts = ["beep"] }},
]
"""


@pytest.mark.parametrize("by", ["the phone", "the client"])
async def test_the_caller_is_asked_when_the_agent_has_hung_up(
    open_house: OpenHouse, tmp_path: Path, by: str
) -> None:
    house = await open_house(queues_toml(["1001"], extra='survey = "rate"') + SURVEY, agents=1)
    async with talking(house, tmp_path) as talk:
        caller = talk.legs["caller"]
        await talk.becomes(lambda i: i["recording"])
        await asyncio.sleep(0.5)  # something to record
        if by == "the phone":
            await talk.legs["agent"].hangup()
        else:
            await talk.admin.post(talk.path("/hang-up"))
            await talk.legs["agent"].wait_for("disconnected")
        await talk.becomes(lambda i: i["state"] == "after_call")
        [agent] = (await talk.admin.get("/agents"))["items"]
        assert agent["state"] == "idle"  # the questions do not keep the agent
        await caller.dtmf("9")  # no answer: asked once more
        await asyncio.sleep(2.0)  # as people do: after the beep
        await caller.dtmf("4")
        # the second question is left without an answer
        await caller.wait_for("disconnected")
        record = await talk.record_of()
        assert record["outcome"] == "answered"
        assert record["survey"] == {"satisfaction": "4", "again": None}
    await nothing_left(house)


async def test_who_hangs_up_first_is_not_asked(open_house: OpenHouse, tmp_path: Path) -> None:
    house = await open_house(queues_toml(["1001"], extra='survey = "rate"') + SURVEY, agents=1)
    async with talking(house, tmp_path) as talk:
        await talk.becomes(lambda i: i["recording"])
        await asyncio.sleep(0.5)  # something to record
        await talk.legs["caller"].hangup()
        await talk.legs["agent"].wait_for("disconnected")
        record = await talk.record_of()
        assert (record["outcome"], record["survey"]) == ("answered", None)
    await nothing_left(house)


async def test_what_is_suspended_is_silent_and_the_record_says_so(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    house = await open_house(queues_toml(["1001"]), agents=1)
    async with talking(house, tmp_path) as talk:
        admin = talk.admin
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await admin.post(talk.path("/recording"), {"action": "suspend", "reason": "卡号"})
        await talk.becomes(lambda i: i["recording_suspended"] and i["recording"])
        for _ in range(2):  # both hear each other meanwhile, for 2 s
            assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await admin.post(talk.path("/recording"), {"action": "resume"})
        await talk.becomes(lambda i: not i["recording_suspended"])
        await talk.heard()
        await talk.legs["caller"].hangup()
        await talk.legs["agent"].wait_for("disconnected")
        record = await talk.record_of()
        [kept] = record["recordings"]
        [gap] = kept["gaps"]
        assert gap["by"] == "admin"
        assert record["answered_at"] < gap["since_at"] < gap["until_at"] < record["ended_at"]
        audio = await admin.download(recording(record))
        for side, who in enumerate(("caller", "agent")):
            spoken = shares(tmp_path, audio, HZ[who], side=side)
            assert spoken[0] > HEARD, spoken
            assert spoken[-1] > HEARD, spoken
            assert longest_silence(spoken) >= 3, spoken
    await nothing_left(house)


async def test_a_recording_on_demand_begins_in_the_conversation_and_ends_when_told(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    house = await open_house(queues_toml(["1001"], extra='recording = "on_demand"'), agents=1)
    async with talking(house, tmp_path) as talk:
        admin = talk.admin
        assert not (await talk.now())["recording"]
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await admin.post(talk.path("/recording"), {"action": "start"})
        await talk.becomes(lambda i: i["recording"])
        # the two were apart for milliseconds, and are together again
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await admin.post(talk.path("/recording"), {"action": "stop"})
        await talk.becomes(lambda i: not i["recording"])
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await talk.legs["agent"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        record = await talk.record_of()
        [kept] = record["recordings"]
        assert 0.5 < kept["duration_s"] < record["talk_s"]
        audio = await admin.download(recording(record))
        for side, who in enumerate(("caller", "agent")):
            assert min(shares(tmp_path, audio, HZ[who], side=side)) > NOT_HEARD
        trail = await until(
            admin, "/audit", lambda entries: any(e["action"] == "recording_stop" for e in entries)
        )
        assert [e["action"] for e in trail if e["action"].startswith("recording_")] == [
            "recording_stop",
            "recording_start",
        ]
    await nothing_left(house)

"""Mute, digits, a third party and the supervision's tone: who hears what, on a real Asterisk."""

from __future__ import annotations

import asyncio
import wave
from array import array
from pathlib import Path

import pytest

from sim.phones.audio import power, read_wav
from sim.phones.softphone import PhoneProcess, answer_policy, tone
from tests.whole.conftest import OpenHouse, queues_toml
from tests.whole.talk import HEARD, HZ, NOT_HEARD, nothing_left, phones_there, talking

pytestmark = pytest.mark.asterisk

SIGNAL_HZ = 700  # Asterisk's own beep


async def test_a_muted_agent_is_heard_by_nobody_and_hears_everybody(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    house = await open_house(queues_toml(["1001", "1002"]), agents=2)
    policy = answer_policy(0.0, audio=tone(HZ["super"]))
    async with (
        talking(house, tmp_path) as talk,
        PhoneProcess.agent(house.info, "1002", policy=policy) as phone,
    ):
        admin = talk.admin
        await phones_there(admin)
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await admin.post(talk.path("/mute"))
        await talk.becomes(lambda i: i["muted"])
        assert await talk.heard() == {"caller": set(), "agent": {"caller"}}
        # it lasts through a hold, and holds for who listens, too
        await admin.post(talk.path("/hold"))
        await talk.becomes(lambda i: i["on_hold"])
        await admin.post(talk.path("/unhold"))
        await talk.becomes(lambda i: not i["on_hold"])
        await admin.post(talk.path("/supervise"), {"mode": "whisper", "phone": "1002"})
        talk.legs["super"] = await phone.incoming()
        await talk.becomes(lambda i: any(s["active"] for s in i["supervisors"]))
        assert await talk.heard() == {
            "caller": set(),
            "agent": {"caller", "super"},
            "super": {"caller"},
        }
        await admin.request("DELETE", talk.path("/supervise"))
        await talk.legs.pop("super").wait_for("disconnected")
        await admin.post(talk.path("/unmute"))
        await talk.becomes(lambda i: not i["muted"])
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await talk.legs["agent"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        record = await talk.record_of()
        spoken = shares(tmp_path, await admin.download(recording(record)), HZ["agent"], side=1)
        # heard, not heard for as long as it was muted, heard again
        assert spoken[0] > HEARD
        assert spoken[-1] > HEARD
        assert longest_silence(spoken) >= 4
    await nothing_left(house)


def recording(record: dict[str, list[dict[str, str]]]) -> str:
    return f"/recordings/{record['recordings'][0]['id']}/audio"


def shares(folder: Path, audio: bytes, hz: int, *, side: int) -> list[float]:
    """A tone's share in each half second of one side of a recording."""
    file = folder / "recording.wav"
    file.write_bytes(audio)
    with wave.open(str(file)) as wav:
        rate, channels = wav.getframerate(), wav.getnchannels()
        samples = array("h", wav.readframes(wav.getnframes()))
    assert channels == 2
    one = samples[side::2]
    half = rate // 2
    return [power(one[n : n + half], hz, rate) for n in range(0, len(one) - half, half)]


def longest_silence(spoken: list[float]) -> int:
    longest = now = 0
    for share in spoken:
        now = now + 1 if share < NOT_HEARD else 0
        longest = max(longest, now)
    return longest


async def test_digits_reach_the_caller_and_whoever_is_consulted(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    house = await open_house(queues_toml(["1001", "1002"]), agents=2)
    policy = answer_policy(0.0, audio=tone(HZ["second"]))
    async with (
        talking(house, tmp_path) as talk,
        PhoneProcess.agent(house.info, "1002", policy=policy) as phone,
    ):
        admin = talk.admin
        await phones_there(admin)
        await admin.post(talk.path("/dtmf"), {"digits": "12#0"})
        assert await keyed(talk.legs["caller"], 4) == "12#0"
        await admin.post(talk.path("/conference"), {"kind": "agent", "to": "a1002"})
        talk.legs["second"] = await phone.incoming()
        await talk.becomes(lambda i: i["consult"] == "conference")
        assert await talk.heard() == {
            "caller": {"agent", "second"},
            "agent": {"caller", "second"},
            "second": {"caller", "agent"},
        }
        await admin.post(talk.path("/dtmf"), {"digits": "7"})
        assert await keyed(talk.legs["caller"], 1) == "7"
        await talk.legs["second"].hangup()
        await talk.becomes(lambda i: i["consult"] == "")
        await admin.post(talk.path("/consult"), {"kind": "agent", "to": "a1002"})
        talk.legs["second"] = await phone.incoming()
        await talk.becomes(lambda i: i["consult"] == "private")
        await admin.post(talk.path("/dtmf"), {"digits": "34"})
        assert await keyed(talk.legs["second"], 2) == "34"
        await talk.legs["caller"].hangup()
        await talk.legs["agent"].wait_for("disconnected")
    await nothing_left(house)


async def keyed(leg: object, count: int) -> str:
    return "".join([(await leg.wait_for("dtmf"))["digit"] for _ in range(count)])  # type: ignore[attr-defined]


async def test_the_tone_of_a_supervision_is_the_agents_alone(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    house = await open_house(
        queues_toml(["1001", "1002"], extra='supervision_notice = "tone"'), agents=2
    )
    policy = answer_policy(0.0, audio=tone(HZ["super"]))
    async with (
        talking(house, tmp_path) as talk,
        PhoneProcess.agent(house.info, "1002", policy=policy) as phone,
    ):
        admin = talk.admin
        await phones_there(admin)
        files = {name: tmp_path / f"signal-{name}.wav" for name in talk.legs}
        for name, file in files.items():
            await talk.legs[name].record(file)
        await admin.post(talk.path("/supervise"), {"mode": "monitor", "phone": "1002"})
        talk.legs["super"] = await phone.incoming()
        await talk.becomes(lambda i: any(s["active"] for s in i["supervisors"]))
        await asyncio.sleep(2.5)  # the length of what is judged
        for name in files:
            await talk.legs[name].record(None)
            await talk.legs[name].wait_for("recorded")
        loudest = {name: max(windows(file)) for name, file in files.items()}
        assert loudest["agent"] > 0.2, loudest
        assert loudest["caller"] < NOT_HEARD, loudest
        await talk.legs["caller"].hangup()
        await talk.legs["agent"].wait_for("disconnected")
        record = await talk.record_of()
        audio = await admin.download(recording(record))
        for side in (0, 1):
            assert max(shares(tmp_path, audio, SIGNAL_HZ, side=side)) < NOT_HEARD
    await nothing_left(house)


def windows(file: Path) -> list[float]:
    """The share of the signal's tone in each tenth of a second."""
    samples, rate = read_wav(file)
    tenth = rate // 10
    return [
        power(samples[n : n + tenth], SIGNAL_HZ, rate)
        for n in range(0, len(samples) - tenth, tenth)
    ]

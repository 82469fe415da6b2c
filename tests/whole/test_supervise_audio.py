"""Supervision on a real Asterisk, proven by what each phone hears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.phones.softphone import PhoneProcess, answer_policy, tone
from tests.whole.conftest import OpenHouse, queues_toml
from tests.whole.talk import HZ, phones_there, talking

pytestmark = pytest.mark.asterisk

MODES: dict[str, dict[str, set[str]]] = {
    "monitor": {
        "caller": {"agent"},
        "agent": {"caller"},
        "super": {"caller", "agent"},
    },
    "whisper": {
        "caller": {"agent"},
        "agent": {"caller", "super"},
        "super": {"caller", "agent"},
    },
    "barge": {
        "caller": {"agent", "super"},
        "agent": {"caller", "super"},
        "super": {"caller", "agent"},
    },
}
SWITCHES = ("whisper", "barge", "monitor", "barge", "whisper", "monitor")


def supervises(mode: str) -> Any:
    return lambda i: [(s["mode"], s["active"]) for s in i["supervisors"]] == [(mode, True)]


async def test_who_hears_whom_in_every_mode_and_after_every_switch(
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
        await admin.post(talk.path("/supervise"), {"mode": "monitor", "phone": "1002"})
        talk.legs["super"] = await phone.incoming()
        await talk.becomes(supervises("monitor"))
        assert await talk.heard() == MODES["monitor"]
        for mode in SWITCHES:
            await admin.request("PATCH", talk.path("/supervise"), {"mode": mode})
            await talk.becomes(supervises(mode))
            assert await talk.heard() == MODES[mode], mode
        # by digits at the phone
        for digit, mode in (("5", "whisper"), ("6", "barge"), ("4", "monitor")):
            await talk.legs["super"].dtmf(digit)
            await talk.becomes(supervises(mode))
            assert await talk.heard() == MODES[mode], digit
        await admin.request("DELETE", talk.path("/supervise"))
        await talk.legs.pop("super").wait_for("disconnected")
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await talk.legs["caller"].hangup()
        record = await talk.record_of()
        assert (record["outcome"], record["agent"]) == ("answered", "a1001")

"""Feature codes keyed in at an agent's phone, on a real Asterisk: who hears whom afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.whole.conftest import OpenHouse
from tests.whole.test_phone_transfers import NEWS_NUMBER, OUTSIDE, floor, state_of

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("to", ["1002", NEWS_NUMBER])
async def test_transfer_to_a_phone_and_to_a_queue(
    open_house: OpenHouse, tmp_path: Path, to: str
) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        await talk.legs["agent"].dtmf(f"*1{to}#")
        await talk.legs.pop("agent").wait_for("disconnected")
        await there.arrives("second", there.second, state="talking", agent="a1002")
        assert await state_of(talk, "a1001") == "wrap_up"
        record = await there.ends("second", ["a1001", "a1002"], "caller", "agent")
        assert any("transferred by a1001" in cause for cause in record["causes"])


async def test_transfer_to_an_outside_number(open_house: OpenHouse, tmp_path: Path) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        await talk.legs["agent"].dtmf(f"*1{OUTSIDE}#")
        await talk.legs.pop("agent").wait_for("disconnected")
        await there.arrives("super", there.outside, state="external", agent=None)
        await there.ends("caller", ["a1001"], "caller", "agent")


async def test_consult_swap_cancel_and_hold(open_house: OpenHouse, tmp_path: Path) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        agent = talk.legs["agent"]
        await agent.dtmf("*21002#")
        talk.legs["second"] = await there.second.incoming()
        await talk.becomes(lambda i: i["consult"] == "private")
        heard = await talk.heard(music=True)
        assert heard == {"caller": {"music"}, "agent": {"second"}, "second": {"agent"}}
        await agent.dtmf("*3")
        await talk.becomes(lambda i: i["consult"] == "swapped")
        heard = await talk.heard(music=True)
        assert heard == {"caller": {"agent"}, "agent": {"caller"}, "second": {"music"}}
        await agent.dtmf("*0")
        await talk.legs.pop("second").wait_for("disconnected")
        await talk.becomes(lambda i: i["consult"] == "")
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        # digits for the other side, from the agent's screen, are no code
        await talk.admin.post(talk.path("/dtmf"), {"digits": "*7"})
        await agent.dtmf("*7")
        await talk.becomes(lambda i: i["on_hold"])
        assert (await talk.heard(music=True))["caller"] == {"music"}
        await agent.dtmf("*7")
        await talk.becomes(lambda i: not i["on_hold"])
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await there.ends("agent", ["a1001"], "caller", "agent")


async def test_consult_conference_and_complete(open_house: OpenHouse, tmp_path: Path) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        agent = talk.legs["agent"]
        await agent.dtmf("*21002#")
        talk.legs["second"] = await there.second.incoming()
        await talk.becomes(lambda i: i["consult"] == "private")
        await agent.dtmf("*5")
        await talk.becomes(lambda i: i["consult"] == "conference")
        assert await talk.heard() == {
            "caller": {"agent", "second"},
            "agent": {"caller", "second"},
            "second": {"caller", "agent"},
        }
        await agent.dtmf("*4")
        await talk.legs.pop("agent").wait_for("disconnected")
        await talk.becomes(lambda i: i["agent"] == "a1002" and i["state"] == "talking")
        assert await talk.heard() == {"caller": {"second"}, "second": {"caller"}}
        await there.ends("second", ["a1001", "a1002"], "caller", "agent")


async def test_a_refused_code_changes_nothing(open_house: OpenHouse, tmp_path: Path) -> None:
    async with floor(open_house, tmp_path) as there:
        talk = there.talk
        await talk.legs["agent"].dtmf("*11999#")
        await talk.legs["agent"].dtmf("*4")
        await talk.legs["agent"].dtmf("*7")
        await talk.becomes(lambda i: i["on_hold"])
        await talk.legs["agent"].dtmf("*7")
        await talk.becomes(lambda i: not i["on_hold"])
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await there.ends("agent", ["a1001"], "caller", "agent")

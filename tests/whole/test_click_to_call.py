"""Click to call on a real Asterisk: the agent's phone first, then the customer's."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.phones.audio import goertzel
from sim.phones.softphone import PhoneProcess, answer_policy, refuse_policy, tone
from tests.whole.conftest import OpenHouse, queues_toml, until
from tests.whole.talk import HZ, Talk, nothing_left, phones_there

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("answered", [True, False])
async def test_an_agent_calls_a_customer(
    open_house: OpenHouse, tmp_path: Path, answered: bool
) -> None:
    queues = queues_toml(["1001"], wrap_up_s=60, extra='caller_id = "01088880000"')
    house = await open_house(queues, agents=1)
    policy = answer_policy(0.0, audio=tone(HZ["agent"]))
    outside = answer_policy(0.0, audio=tone(HZ["caller"])) if answered else refuse_policy("busy")
    async with (
        PhoneProcess.agent(house.info, "1001", policy=policy) as phone,
        PhoneProcess.outside(house.info, policy=outside) as customer,
    ):
        agent = await house.login("li")
        admin = await house.login("admin")
        await agent.put("/agents/me/status", {"status": "available", "phone": "1001"})
        await phones_there(agent)
        made = await agent.post("/calls", {"to": "13900001111", "name": "李女士"})
        assert (made["channel"], made["outbound"]) == ("voice", True)
        talk = Talk(house, admin, tmp_path, interaction=made["id"])
        talk.legs["agent"] = await phone.incoming()
        if answered:
            talk.legs["caller"] = await customer.incoming()
            assert "01088880000" in talk.legs["caller"].remote
            await talk.becomes(lambda i: i["state"] == "talking")
            [me] = (await agent.get("/agents"))["items"]
            assert (me["state"], me["interaction"]) == ("talking", made["id"])
            assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
            await talk.legs["caller"].hangup()
        await talk.legs["agent"].wait_for("disconnected")
        [record] = await until(admin, "/contact-records", lambda items: len(items) == 1)
        assert record["interaction"] == made["id"]
        assert record["caller"]["number"] == "13900001111"
        assert (record["outcome"], record["agent"]) == (
            ("answered", "a1001") if answered else ("failed", None)
        )
        assert (record["channel"], record["direction"]) == ("voice", "out")
        [queue] = (await admin.get("/queues"))["items"]
        assert queue["answered"] == 0  # no caller has waited
        [me] = (await agent.get("/agents"))["items"]
        if answered:
            assert me["calls_handled"] == 1
            [recording] = (await talk.record_of())["recordings"]
            wav = tmp_path / "call.wav"
            wav.write_bytes(await admin.download(f"/recordings/{recording['id']}/audio"))
            assert goertzel(wav, HZ["caller"]) > 0.5  # the left side is the customer's
        assert me["state"] == ("wrap_up" if answered else "idle")
    await nothing_left(house)

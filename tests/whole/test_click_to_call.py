"""Click to call on a real Asterisk: the agent's phone first, then the customer's."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.phones.softphone import PhoneProcess, answer_policy, refuse_policy, tone
from tests.whole.conftest import OpenHouse, queues_toml, until
from tests.whole.talk import HZ, Talk, nothing_left

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("answered", [True, False])
async def test_an_agent_calls_a_customer(
    open_house: OpenHouse, tmp_path: Path, answered: bool
) -> None:
    house = await open_house(queues_toml(["1001"], wrap_up_s=60), agents=1)
    policy = answer_policy(0.0, audio=tone(HZ["agent"]))
    outside = answer_policy(0.0, audio=tone(HZ["caller"])) if answered else refuse_policy("busy")
    async with (
        PhoneProcess.agent(house.info, "1001", policy=policy) as phone,
        PhoneProcess.outside(house.info, policy=outside) as customer,
    ):
        agent = await house.login("li")
        admin = await house.login("admin")
        await agent.put("/agents/me/status", {"status": "available", "phone": "1001"})
        await until(agent, "/agents", lambda agents: agents[0]["phone_reachable"])
        made = await agent.post("/calls", {"to": "13900001111", "name": "李女士"})
        assert made["channel"] == "callback"
        talk = Talk(house, admin, tmp_path, interaction=made["id"])
        talk.legs["agent"] = await phone.incoming()
        if answered:
            talk.legs["caller"] = await customer.incoming()
            await talk.becomes(lambda i: i["state"] == "talking")
            assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
            await talk.legs["caller"].hangup()
        await talk.legs["agent"].wait_for("disconnected")
        [record] = await until(admin, "/contact-records", lambda items: len(items) == 1)
        assert record["interaction"] == made["id"]
        assert record["caller"]["number"] == "13900001111"
        assert (record["outcome"], record["agent"]) == (
            ("answered", "a1001") if answered else ("failed", None)
        )
        [me] = (await agent.get("/agents"))["items"]
        assert me["state"] == ("wrap_up" if answered else "idle")
    await nothing_left(house)

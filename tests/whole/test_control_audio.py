"""Take-over, forced release, hold and transfer on a real Asterisk: who hears whom, what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.phones.softphone import PhoneProcess, answer_policy, tone
from tests.whole.conftest import OpenHouse, queues_toml, until
from tests.whole.talk import HZ, nothing_left, phones_there, talking

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("listening", [False, True])
async def test_intercept_gives_the_caller_to_the_supervisor(
    open_house: OpenHouse, tmp_path: Path, listening: bool
) -> None:
    house = await open_house(queues_toml(["1001", "1002"], wrap_up_s=60), agents=2)
    policy = answer_policy(0.0, audio=tone(HZ["super"]))
    async with (
        talking(house, tmp_path) as talk,
        PhoneProcess.agent(house.info, "1002", policy=policy) as phone,
    ):
        admin = talk.admin
        await phones_there(admin)
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        if listening:
            await admin.post(talk.path("/supervise"), {"mode": "whisper", "phone": "1002"})
            talk.legs["super"] = await phone.incoming()
            await talk.becomes(lambda i: any(s["active"] for s in i["supervisors"]))
        await admin.post(talk.path("/intercept"), {"phone": "1002", "reason": "投诉升级"})
        if not listening:
            talk.legs["super"] = await phone.incoming()
        await talk.becomes(lambda i: i["state"] == "taken_over" and i["taken_over_by"] == "admin")
        await talk.legs.pop("agent").wait_for("disconnected")
        assert await talk.heard() == {"caller": {"super"}, "super": {"caller"}}
        [agent] = [a for a in (await admin.get("/agents"))["items"] if a["id"] == "a1001"]
        assert agent["state"] == "wrap_up"
        await talk.legs["super"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        record = await talk.record_of()
        assert (record["outcome"], record["agent"]) == ("answered", "a1001")
        assert any("taken over by admin: 投诉升级" in c for c in record["causes"])
        assert len(record["recordings"]) == 1
    await nothing_left(house)


async def test_an_agent_released_by_force_gives_the_caller_back_to_the_queue(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    house = await open_house(queues_toml(["1001", "1002"], wrap_up_s=30), agents=2)
    policy = answer_policy(0.0, audio=tone(HZ["second"]))
    async with (
        talking(house, tmp_path) as talk,
        PhoneProcess.agent(house.info, "1002", policy=policy) as phone,
    ):
        admin = talk.admin
        await admin.post(talk.path("/release"), {"what": "agent", "reason": "stuck"})
        await talk.legs.pop("agent").wait_for("disconnected")
        await talk.becomes(lambda i: i["state"] == "waiting" and i["position"] == 1)
        await admin.available("a1002", "1002")
        talk.legs["second"] = await phone.incoming()
        await talk.becomes(lambda i: i["state"] == "talking" and i["agent"] == "a1002")
        assert await talk.heard() == {"caller": {"second"}, "second": {"caller"}}
        await talk.legs["second"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        record = await talk.record_of()
        assert record["outcome"] == "answered"
        assert record["agents"] == ["a1001", "a1002"]
        assert len(record["recordings"]) == 1
    await nothing_left(house)


async def test_hold_parts_and_unhold_joins_and_the_supervisor_goes_along(
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
        await admin.post(talk.path("/supervise"), {"mode": "barge", "phone": "1002"})
        talk.legs["super"] = await phone.incoming()
        await talk.becomes(lambda i: any(s["active"] for s in i["supervisors"]))
        for _ in range(2):
            await admin.post(talk.path("/hold"))
            await talk.becomes(lambda i: i["on_hold"])
            heard = await talk.heard(music=True)
            # the caller hears music (which is no party's tone), the agent nobody
            assert heard["caller"] == {"music"}
            assert heard["agent"] == set()
            assert "agent" not in heard["super"]
            await admin.post(talk.path("/unhold"))
            await talk.becomes(lambda i: not i["on_hold"])
            assert await talk.heard() == {
                "caller": {"agent", "super"},
                "agent": {"caller", "super"},
                "super": {"caller", "agent"},
            }
        await talk.legs["agent"].hangup()
        for name in ("caller", "super"):
            await talk.legs[name].wait_for("disconnected")
        record = await talk.record_of()
        assert (record["outcome"], len(record["recordings"])) == ("answered", 1)
    await nothing_left(house)


async def test_blind_transfers_to_an_agent_a_queue_and_an_outside_number(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    house = await open_house(queues_toml(["1001", "1002"]), agents=2)
    policy = answer_policy(0.0, audio=tone(HZ["second"]))
    async with (
        talking(house, tmp_path) as talk,
        PhoneProcess.agent(house.info, "1002", policy=policy) as phone,
        PhoneProcess.outside(
            house.info, policy=answer_policy(0.0, audio=tone(HZ["super"]))
        ) as outside,
    ):
        admin = talk.admin
        await phones_there(admin)
        await admin.available("a1002", "1002")
        await admin.post(talk.path("/transfer"), {"kind": "agent", "to": "a1002"})
        await talk.legs.pop("agent").wait_for("disconnected")
        talk.legs["second"] = await phone.incoming()
        await talk.becomes(lambda i: i["state"] == "talking" and i["agent"] == "a1002")
        assert await talk.heard() == {"caller": {"second"}, "second": {"caller"}}
        await admin.put("/agents/a1001/status", {"status": "logged_out"})
        await admin.post(talk.path("/transfer"), {"kind": "queue", "to": "news"})
        await talk.legs.pop("second").wait_for("disconnected")
        again = await phone.incoming()
        talk.legs["second"] = again
        await talk.becomes(lambda i: i["state"] == "talking" and i["agent"] == "a1002")
        await admin.post(talk.path("/transfer"), {"kind": "number", "to": "13911112222"})
        await talk.legs.pop("second").wait_for("disconnected")
        talk.legs["super"] = await outside.incoming()
        await talk.becomes(lambda i: i["state"] == "external")
        assert await talk.heard() == {"caller": {"super"}, "super": {"caller"}}
        await talk.legs["super"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        record = await talk.record_of()
        assert (record["outcome"], record["agents"]) == ("answered", ["a1001", "a1002"])
        assert len(record["recordings"]) == 1
    await nothing_left(house)
    assert await until(admin, "/contact-records", lambda items: len(items) == 1)

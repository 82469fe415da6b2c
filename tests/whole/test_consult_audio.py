"""Consultation on a real Asterisk, by what is heard: swap, cancel, transfer, conference."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sim.phones.softphone import PhoneProcess, answer_policy, tone
from tests.whole.conftest import OpenHouse, queues_toml, until
from tests.whole.talk import HZ, Talk, nothing_left, talking

pytestmark = pytest.mark.asterisk


@asynccontextmanager
async def consulting(open_house: OpenHouse, folder: Path) -> AsyncIterator[Talk]:
    """The agent at 1001 has asked the one at 1002, while the caller hears music."""
    house = await open_house(queues_toml(["1001", "1002"], wrap_up_s=60), agents=2)
    policy = answer_policy(0.0, audio=tone(HZ["second"]))
    async with (
        talking(house, folder) as talk,
        PhoneProcess.agent(house.info, "1002", policy=policy) as phone,
    ):
        await until(talk.admin, "/agents", lambda agents: all(a["phone_reachable"] for a in agents))
        body = {"kind": "agent", "to": "a1002"}
        await talk.admin.post(talk.path("/consult"), body)
        talk.legs["second"] = await phone.incoming()
        await talk.becomes(lambda i: i["consult"] == "private")
        heard = await talk.heard(music=True)
        assert heard["caller"] == {"music"}
        assert (heard["agent"], heard["second"]) == ({"second"}, {"agent"})
        yield talk
    await nothing_left(house)


async def ask(talk: Talk, what: str, phase: str) -> Any:
    """Go on, and wait for it."""
    await talk.admin.request("PATCH", talk.path("/consult"), {"ask": what})
    return await talk.becomes(lambda i: i["consult"] == phase)


async def test_swap_cancel_and_back(open_house: OpenHouse, tmp_path: Path) -> None:
    async with consulting(open_house, tmp_path) as talk:
        await ask(talk, "swap", "swapped")
        heard = await talk.heard(music=True)
        assert (heard["caller"], heard["agent"]) == ({"agent"}, {"caller"})
        assert heard["second"] == {"music"}
        await ask(talk, "swap", "private")
        heard = await talk.heard(music=True)
        assert (heard["agent"], heard["second"]) == ({"second"}, {"agent"})
        assert heard["caller"] == {"music"}
        await ask(talk, "cancel", "")
        await talk.legs.pop("second").wait_for("disconnected")
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await talk.legs["agent"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        record = await talk.record_of()
        assert (record["outcome"], record["agents"]) == ("answered", ["a1001"])


@pytest.mark.parametrize("by", ["request", "putting the phone down"])
async def test_attended_transfer(open_house: OpenHouse, tmp_path: Path, by: str) -> None:
    async with consulting(open_house, tmp_path) as talk:
        if by == "request":
            await talk.admin.request("PATCH", talk.path("/consult"), {"ask": "complete"})
        else:
            await talk.legs["agent"].hangup()
        await talk.legs.pop("agent").wait_for("disconnected")
        await talk.becomes(lambda i: i["agent"] == "a1002" and i["state"] == "talking")
        assert await talk.heard() == {"caller": {"second"}, "second": {"caller"}}
        agents = {a["id"]: a["state"] for a in (await talk.admin.get("/agents"))["items"]}
        assert agents["a1001"] == "wrap_up"
        await talk.legs["second"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        record = await talk.record_of()
        assert record["agents"] == ["a1001", "a1002"]
        assert len(record["recordings"]) == 1


async def test_conference_and_the_agent_leaves_it(open_house: OpenHouse, tmp_path: Path) -> None:
    async with consulting(open_house, tmp_path) as talk:
        await ask(talk, "conference", "conference")
        assert await talk.heard() == {
            "caller": {"agent", "second"},
            "agent": {"caller", "second"},
            "second": {"caller", "agent"},
        }
        await talk.legs["agent"].hangup()
        talk.legs.pop("agent")
        await talk.becomes(lambda i: i["agent"] == "a1002" and i["state"] == "talking")
        assert await talk.heard() == {"caller": {"second"}, "second": {"caller"}}
        await talk.legs["caller"].hangup()
        await talk.legs["second"].wait_for("disconnected")
        record = await talk.record_of()
        assert (record["outcome"], len(record["recordings"])) == ("answered", 1)


async def test_the_consulted_one_leaves(open_house: OpenHouse, tmp_path: Path) -> None:
    async with consulting(open_house, tmp_path) as talk:
        await talk.legs.pop("second").hangup()
        await talk.becomes(lambda i: i["consult"] == "" and not i["on_hold"])
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await talk.legs["caller"].hangup()
        await talk.legs["agent"].wait_for("disconnected")
        record = await talk.record_of()
        assert record["outcome"] == "answered"


async def test_a_conference_that_the_third_has_left_goes_on_as_any_conversation(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    async with consulting(open_house, tmp_path) as talk:
        await ask(talk, "conference", "conference")
        await talk.legs.pop("second").hangup()
        await talk.becomes(lambda i: i["consult"] == "")
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await talk.admin.post(talk.path("/hold"))
        await talk.becomes(lambda i: i["on_hold"])
        assert (await talk.heard(music=True))["caller"] == {"music"}
        await talk.admin.post(talk.path("/unhold"))
        await talk.becomes(lambda i: not i["on_hold"])
        assert await talk.heard() == {"caller": {"agent"}, "agent": {"caller"}}
        await talk.legs["agent"].hangup()
        await talk.legs["caller"].wait_for("disconnected")
        assert (await talk.record_of())["outcome"] == "answered"

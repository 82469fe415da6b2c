"""Asterisk dies under ctid: people are told, readiness says so, ctid lives and stops cleanly."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.whole.conftest import OpenHouse, queues_toml

pytestmark = pytest.mark.asterisk


async def test_people_are_told_when_the_pbx_is_gone(open_house: OpenHouse) -> None:
    house = await open_house(queues_toml(["1001"]), agents=1)
    agent = await house.login("li")
    told: list[str] = []
    async with asyncio.timeout(60):
        async for name, data, _ in agent.events():
            if name == "hello":
                await asyncio.to_thread(house.lab.down)
            elif name == "notice":
                told.append(data["code"])
                break
    assert told == ["pbx_lost"]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{house.url}/readyz") as response:
            assert response.status == 503
            assert (await response.json())["parts"]["pbx"] is False
        async with session.get(f"{house.url}/healthz") as response:
            assert response.status == 200
    assert await house.stop_daemon() == 0

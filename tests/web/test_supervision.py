"""A supervisor and an agent control a live call from the browser, with real SIP phones."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from sim.house import House
from sim.lab import Lab
from sim.phones.softphone import PhoneProcess, answer_policy
from tests.web.test_workspace import AGENT, BOSS, DID, QUEUES, confirm, fits, log_in, open_page

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("CTID_SHOTS", "")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"sup{os.getpid()}", quiet=True, agents=2)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, BOSS)) as house:
        yield house
    lab.remove()


async def test_listen_whisper_take_over_and_hold(house: House, chromium: Browser) -> None:
    answers = answer_policy(0.0)
    async with (
        PhoneProcess.agent(house.info, "1001", policy=answers) as phone,
        PhoneProcess.agent(house.info, "1002", policy=answers) as boss_phone,
        PhoneProcess.caller(house.info) as caller,
    ):
        li = await house.login("li")
        await li.put("/agents/me/status", {"status": "available", "phone": "1001"})
        desk = await open_page(chromium, house, "zh-CN")
        await log_in(desk, AGENT)
        wall = await open_page(chromium, house, "zh-CN")
        await log_in(wall, BOSS)
        call = await caller.call(DID, caller="13800138000")
        await phone.wait_for("connected")
        # the agent: hold and back
        await desk.get_by_test_id("hold").or_(desk.locator("[data-test=hold]")).click()
        await expect(desk.locator("[data-test=hold]")).to_have_text("取回")
        if SHOTS:
            await desk.screenshot(path=f"{SHOTS}/call_controls.png")
        await desk.locator("[data-test=hold]").click()
        await expect(desk.locator("[data-test=hold]")).to_have_text("保持")
        assert await fits(desk)
        # the supervisor: listen, whisper, take over
        menu = wall.locator("[data-test=supervise]")
        await menu.click()
        if SHOTS:
            await wall.screenshot(path=f"{SHOTS}/supervise_menu.png")
        await wall.locator("[data-test=supervise-monitor]").click()
        await wall.locator(".el-message-box input").fill("1002")
        await confirm(wall)
        await boss_phone.wait_for("connected")
        await expect(menu).to_have_attribute("data-mode", "monitor")
        await menu.click()
        await wall.locator("[data-test=supervise-whisper]").click()
        await expect(menu).to_have_attribute("data-mode", "whisper")
        await menu.click()
        await wall.locator("[data-test=supervise-intercept]").click()
        await wall.locator(".el-message-box input").fill("客户要求")
        if SHOTS:
            await wall.screenshot(path=f"{SHOTS}/take_over.png")
        await confirm(wall)
        await phone.wait_for("disconnected")
        state = wall.locator("[data-test=interaction]")
        await expect(state).to_have_attribute("data-state", "taken_over")
        assert await fits(wall)
        await call.hangup()
        await boss_phone.wait_for("disconnected")
        await expect(state).to_have_count(0)

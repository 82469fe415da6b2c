"""Mute, keys, suspended recordings, an owed disposition and a forced log-out in the browser."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from sim.house import House
from sim.lab import Lab
from sim.phones.softphone import PhoneProcess, refuse_policy
from tests.web.test_workspace import AGENT, BOSS, DID, QUEUES, confirm, fits, log_in, open_page
from tests.whole.watch import until

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("CTID_SHOTS", "")
OWING = QUEUES.replace(
    "wrap_up_s = 60", "wrap_up_s = 1\nwrap_up_max_s = 2\ndisposition_required = true"
).replace('phone = "1001"', 'phone = "1001"\nauto_answer = "on_request"')


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"cc{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=OWING, users=(AGENT, BOSS)) as house:
        yield house
    lab.remove()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_a_conversation_is_controlled_and_accounted_for(
    house: House, chromium: Browser, language: str
) -> None:
    async with (
        PhoneProcess.agent(house.info, "1001", policy=refuse_policy("manual")) as phone,
        PhoneProcess.caller(house.info) as caller,
    ):
        li = await house.login("li")
        await li.put("/agents/me/status", {"status": "available", "phone": "1001"})
        desk = await open_page(chromium, house, language)
        await log_in(desk, AGENT)
        wall = await open_page(chromium, house, language)
        await log_in(wall, BOSS)
        call = await caller.call(DID, caller="13800138000")
        await expect(desk.locator("[data-test=answer]")).to_be_visible()
        leg = await phone.incoming()
        await leg.answer()
        await leg.wait_for("connected")
        mute = desk.locator("[data-test=mute]")
        await mute.click()
        await expect(mute).to_have_attribute("aria-pressed", "true")
        suspend = desk.locator("[data-test=suspend]")
        await suspend.click()
        await expect(suspend).to_have_attribute("aria-pressed", "true")
        await desk.locator("[data-test=digits]").click()
        await desk.locator(".el-message-box input").fill("1#")
        if SHOTS:
            await desk.screenshot(path=f"{SHOTS}/keypad-{language}.png")
        await confirm(desk)
        for digit in "1#":
            assert (await call.wait_for("dtmf"))["digit"] == digit
        if SHOTS:
            await desk.screenshot(path=f"{SHOTS}/control-{language}.png")
        assert await fits(desk)
        await suspend.click()
        await expect(suspend).to_have_attribute("aria-pressed", "false")
        await mute.click()
        await expect(mute).to_have_attribute("aria-pressed", "false")
        await call.hangup()
        # the wrap-up runs out: what the queue asks for is owed
        owed = desk.locator("[data-test=owed]")
        await expect(owed).to_be_visible()
        status = desk.locator("[data-test=status]")
        await expect(status).to_have_attribute("data-state", "paused")
        if SHOTS:
            await desk.screenshot(path=f"{SHOTS}/owed-{language}.png")
        await owed.locator("[data-test=owed-tip]").click()
        await expect(owed).to_have_count(0)
        await expect(status).to_have_attribute("data-state", "idle")
        # the supervisor: what was not recorded, then the agent logged out by force
        await wall.locator("[data-agent=lina] [data-test=force]").click()
        await wall.locator("[data-test=force-out]").click()
        await wall.locator(".el-message-box input").fill("人不在")
        if SHOTS:
            await wall.screenshot(path=f"{SHOTS}/force-{language}.png")
        await confirm(wall)
        await expect(status).to_have_attribute("data-state", "logged_out")
        # the list is read once, when it is opened: the record has to be there by then
        boss = await house.login("boss")
        await until(boss, "/contact-records", lambda items: len(items) == 1)
        await wall.locator("nav a[href$=records]").click()
        await wall.locator("[data-test=record]").click()
        await expect(wall.locator("[data-test=gap]")).to_be_visible()
        if SHOTS:
            await wall.screenshot(path=f"{SHOTS}/record-{language}.png")
        assert await fits(wall)

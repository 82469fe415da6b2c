"""Why a caller waits and who got the call, in a real Chromium, on the real daemon and Asterisk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from ctid.hindsight import LIMIT_S
from sim.house import House
from sim.lab import Lab
from sim.phones.softphone import PhoneProcess, answer_policy
from tests.web.test_administration import shot
from tests.web.test_workspace import AGENT, BOSS, DID, QUEUES, fits, log_in, open_page
from tests.whole.watch import until

pytestmark = pytest.mark.browser


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"why{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, BOSS)) as house:
        yield house
    lab.remove()


async def test_a_wait_and_a_choice_are_explained(house: House, chromium: Browser) -> None:
    wall = await open_page(chromium, house, "zh-CN")
    await log_in(wall, BOSS)
    li, boss = await house.login("li"), await house.login("boss")
    async with (
        PhoneProcess.agent(house.info, "1001", policy=answer_policy(0.0)) as phone,
        PhoneProcess.caller(house.info) as caller,
    ):
        # nobody is there: each agent's reason, and what would change it
        call = await caller.call(DID, caller="13800138000")
        await wall.click("[data-test=why]")
        step = wall.locator("[data-test=why-step]")
        await expect(step.first).to_contain_text("新闻热线")
        await expect(step.last).to_contain_text("都无法接听")
        candidate = wall.locator("[data-test=candidate]")
        await expect(candidate).to_contain_text("李娜")
        await expect(candidate).to_contain_text("未签入")
        await expect(candidate).to_contain_text("须先签入")
        await shot(wall, "explain-live")

        # she comes, and talks with this very caller
        await li.put("/agents/me/status", {"status": "available", "phone": "1001"})
        await phone.wait_for("connected")
        await expect(wall.locator("[data-agent=lina]")).to_have_attribute("data-state", "talking")
        await wall.click("[data-test=why-again]")
        await expect(candidate).to_contain_text("正在服务这位主叫")
        await call.hangup()
        await phone.wait_for("disconnected")
        await until(boss, "/contact-records", lambda items: len(items) == 1)

    # afterwards the journal tells the same of the record, in English too
    page = await open_page(chromium, house, "en")
    await log_in(page, BOSS)
    await page.goto(house.url + "/#/records")
    await page.click("[data-test=record]")
    # rebuilt in a process that yields to everything else, within a limit of its own
    async with page.expect_response("**/explain", timeout=LIMIT_S * 1000):
        await page.click("[data-test=decisions]")
    decision = page.locator("[data-test=decision]")
    await expect(decision).to_have_count(2)
    await expect(decision.first).to_contain_text("Logged out")
    await expect(decision.last).to_contain_text("Asked: 李娜")
    await expect(decision.last).to_contain_text("became free")
    await decision.last.scroll_into_view_if_needed()
    await shot(page, "explain-record-en")
    assert await fits(page)

    # an agent is not offered it, and is refused
    desk = await open_page(chromium, house, "zh-CN")
    await log_in(desk, AGENT)
    await desk.goto(house.url + "/#/records")
    await desk.click("[data-test=record]")
    await expect(desk.locator(".details")).to_be_visible()
    await expect(desk.locator("[data-test=decisions]")).to_have_count(0)

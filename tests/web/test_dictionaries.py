"""A dictionary entry with a name in each language, in a real Chromium, on the real daemon."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from sim.house import House
from sim.lab import Lab
from tests.web.test_administration import ADMIN, shot
from tests.web.test_workspace import AGENT, BOSS, QUEUES, fits, log_in, open_page

pytestmark = pytest.mark.browser

BREAK = """
[pause_reasons.break]
name = "休息"
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"dic{os.getpid()}", quiet=True, agents=1)
    users = (AGENT, BOSS, ADMIN)
    async with House(tmp_path / "house", lab, queues=QUEUES + BREAK, users=users) as house:
        yield house
    lab.remove()


async def choices(page: Page) -> Locator:
    """What the status menu offers."""
    await page.click("[data-test=status]")
    return page.get_by_role("menuitem")


async def test_a_pause_reason_is_named_offered_moved_and_retired(
    house: House, chromium: Browser
) -> None:
    desk = await open_page(chromium, house, "en")
    await log_in(desk, AGENT)
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, ADMIN)
    await page.goto(house.url + "/#/system/dictionaries")
    await page.click("[data-test=kind-pause_reason]")

    # a bad code is refused in the reader's language; a good one has a name in each
    await page.click("[data-test=add-entry]")
    await page.fill("[data-test=entry-code]", "Out Side")
    await page.fill("[data-test=entry-zh]", "外出采访")
    await page.fill("[data-test=entry-en]", "Interview outside")
    await page.click("[data-test=save-entry]")
    await expect(page.locator("[data-test=problem]")).to_contain_text("代码：由小写字母")
    await page.fill("[data-test=entry-code]", "outside")
    await page.click("[data-test=save-entry]")
    row = page.locator("[data-code=outside]")
    await expect(row).to_contain_text("Interview outside")
    await expect(row).to_contain_text("不在队列配置中")

    # put where the engine knows it: the agent's open page offers it, in English
    await row.click()
    await shot(page, "dictionary-entry")
    await page.click("[data-test=offer]")
    await expect(row).to_contain_text("使用中")
    offered = await choices(desk)
    await expect(offered.filter(has_text="Interview outside")).to_have_count(1)
    await expect(offered.filter(has_text="Break")).to_have_count(1)
    await expect(offered.filter(has_text="Meal")).to_have_count(0)
    await desk.get_by_role("menuitem", name="Interview outside").click()
    await expect(desk.locator("[data-test=status]")).to_contain_text("Interview outside")

    # the same in Chinese
    again = await open_page(chromium, house, "zh-CN")
    await log_in(again, AGENT)
    await expect(again.locator("[data-test=status]")).to_contain_text("外出采访")

    # one place up, and then no longer to be chosen: who is paused by it keeps its name
    rows = page.locator("[data-test=entry-row]")
    await expect(rows.last).to_have_attribute("data-code", "outside")
    await row.locator("[data-test=up]").click()
    await expect(rows.nth(-2)).to_have_attribute("data-code", "outside")
    await row.click()
    await page.click("[data-test=entry-active]")
    await page.click("[data-test=save-entry]")
    await expect(row).to_contain_text("已停用")
    await shot(page, "dictionaries")
    assert await fits(page)
    offered = await choices(desk)
    await expect(offered.filter(has_text="Break")).to_have_count(1)
    await expect(offered.filter(has_text="Interview outside")).to_have_count(0)
    await expect(desk.locator("[data-test=status]")).to_contain_text("Interview outside")

    # a custom field is of a kind; in English
    other = await open_page(chromium, house, "en")
    await log_in(other, BOSS)
    await other.goto(house.url + "/#/system/dictionaries")
    await other.click("[data-test=kind-custom_field]")
    await other.click("[data-test=add-entry]")
    await other.fill("[data-test=entry-code]", "edition")
    await other.fill("[data-test=entry-zh]", "版面")
    await other.fill("[data-test=entry-en]", "Edition")
    await other.click("[data-test=entry-type]")
    await other.get_by_role("option", name="Choice").click()
    await other.locator("[data-test=entry-choices] input").fill("早报")
    await other.get_by_role("option", name="早报").click()
    await shot(other, "custom-field-en")
    await other.click("[data-test=save-entry]")
    await expect(other.locator("[data-code=edition]")).to_contain_text("Choice")
    client = await house.login("boss")
    [kept] = (await client.get("/dictionaries?kind=custom_field"))["items"]
    assert kept["extra"] == {"type": "choice", "choices": ["早报"], "personal": False}

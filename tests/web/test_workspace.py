"""The browser client in a real Chromium, on the real daemon, with real SIP phones."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from sim.house import House, User
from sim.lab import Lab
from sim.phones.softphone import PhoneProcess, refuse_policy, tone
from tests.whole.watch import PATIENCE_S, until

pytestmark = pytest.mark.browser

DID = "88889999"
AGENT = User(
    username="li", role="agent", password="correct horse 1", agent="lina", display_name="李娜"
)
BOSS = User(username="boss", role="supervisor", password="correct horse 2", teams=("day",))
QUEUES = f"""
default_queue = "news"
[[entries]]
did = "{DID}"
queue = "news"
[queues.news]
name = "新闻热线"
ring_timeout_s = 20
wrap_up_s = 60
[agents.lina]
name = "李娜"
phone = "1001"
queues = ["news"]
teams = ["day"]
[teams.day]
name = "早班"
[dispositions.tip]
name = "有效线索"
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"web{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, BOSS)) as house:
        yield house
    lab.remove()


async def open_page(browser: Browser, house: House, language: str) -> Page:
    """A page of its own that nobody is logged in to yet. Nothing in it slides or fades: a click
    on what still moves may begin on one thing and end on another."""
    context = await browser.new_context(
        locale=language, viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    await page.goto(house.url)
    return page


async def log_in(page: Page, user: User) -> None:
    await page.fill("#username", user.username)
    await page.fill("#password", user.password)
    await page.keyboard.press("Enter")
    await page.locator("nav").wait_for()


async def confirm(page: Page) -> None:
    """Say yes in the message box, and see it go: the next one is not mistaken for it."""
    box = page.locator(".el-message-box")
    await box.locator(".el-button--primary").click()
    await expect(box).to_have_count(0)


async def fits(page: Page) -> bool:
    """Nothing is wider than the window."""
    width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    return bool(await page.evaluate(width))


async def test_an_agent_takes_a_call(house: House, chromium: Browser) -> None:
    page = await open_page(chromium, house, "zh-CN")
    await page.fill("#username", AGENT.username)
    await page.fill("#password", "wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("用户名或密码不正确。")
    await log_in(page, AGENT)

    boss = await open_page(chromium, house, "en")
    await log_in(boss, BOSS)
    tile = boss.locator("[data-agent=lina]")
    await expect(tile).to_have_attribute("data-state", "logged_out")

    async with (
        PhoneProcess.agent(house.info, "1001", policy=refuse_policy("manual")) as phone,
        PhoneProcess.caller(house.info) as caller,
    ):
        await page.click("[data-test=start]")
        status = page.locator("[data-test=status]")
        await expect(status).to_have_attribute("data-state", "idle")
        await expect(tile).to_have_attribute("data-state", "idle")

        await caller.call(DID, caller="13800138000", name="王先生", audio=tone(440))
        phase = page.locator("[data-test=phase]")
        await expect(phase).to_have_attribute("data-phase", "ringing")
        await expect(page.locator("[data-test=caller]")).to_have_text("138 0013 8000")
        await expect(page).to_have_title(re.compile("来电：王先生"))
        assert await fits(page)
        leg = await phone.incoming()
        await leg.answer()
        await leg.play(tone(1000))
        await expect(phase).to_have_attribute("data-phase", "talking")
        await expect(tile).to_have_attribute("data-state", "talking")

        await page.reload()
        await expect(phase).to_have_attribute("data-phase", "talking")
        await expect(page.locator("[data-test=caller]")).to_have_text("138 0013 8000")
        # long enough for the recording to be heard for a second
        await expect(phase.get_by_role("timer")).to_have_text(re.compile("0:0[3-9]|0:[1-5]"))
        await leg.hangup()
        await expect(phase).to_have_attribute("data-phase", "wrap_up")

    await page.click("[data-test=disposition-tip]")
    await page.fill("[data-test=notes]", "读者提供了照片")
    await page.keyboard.press("Control+Enter")
    await expect(status).to_have_attribute("data-state", "idle")
    await expect(page.get_by_text("有效线索")).to_be_visible()

    client = await house.login("boss")
    # the details are read once, when they are opened: the recording has to be there by then
    [record] = await until(
        client,
        "/contact-records",
        lambda items: [one["recording"] and one["disposition"] for one in items] == ["tip"],
    )
    assert record["notes"] == "读者提供了照片"

    await boss.click("nav >> text=Contact records")
    await boss.locator("[data-test=record]").click()
    await boss.locator(".player .play").click()
    # the position moves only when sound comes through the range requests
    await expect(boss.locator(".player .time").first).to_have_text(re.compile("0:0[1-9]"))
    assert await fits(boss)


async def test_the_page_comes_back_after_the_daemon_was_killed(
    house: House, chromium: Browser
) -> None:
    page = await open_page(chromium, house, "en")
    await log_in(page, AGENT)
    badge = page.locator("header [role=status]")
    await expect(badge).to_have_text("Live")
    await house.kill_daemon()
    await expect(badge).to_have_text("Reconnecting…")
    await house.start_daemon()
    await expect(badge).to_have_text("Live")
    await expect(page.locator("[data-test=waiting]")).to_be_visible()

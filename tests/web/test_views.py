"""Saved views and exports of the lists in a real Chromium, on the real daemon."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from sim.house import House
from sim.lab import Lab
from sim.phones.softphone import PhoneProcess, tone
from tests.web.test_administration import shot
from tests.web.test_workspace import AGENT, BOSS, DID, QUEUES, fits, log_in, open_page
from tests.whole.watch import until

pytestmark = pytest.mark.browser


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"vws{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, BOSS)) as house:
        yield house
    lab.remove()


async def menu(page: Page) -> None:
    """Open the menu of views; the one that was open before has to be gone."""
    await expect(page.locator("[data-test=keep-view]")).to_be_hidden()
    await page.click("[data-test=views]")


async def manage(page: Page) -> None:
    """Open the form in which views are kept and taken away."""
    await menu(page)
    await page.click("[data-test=keep-view]")
    await expect(page.locator("[data-test=view-name]")).to_be_visible()


async def keep(page: Page, name: str) -> None:
    """Keep the present filter under a name."""
    await manage(page)
    await page.fill("[data-test=view-name]", name)


async def exported(page: Page, form: str) -> str:
    """The file that the list's export gives."""
    await page.click("[data-test=export]")
    async with page.expect_download() as coming:
        await page.click(f"[data-test=export-{form}]")
    path = await (await coming.value).path()
    return (await asyncio.to_thread(path.read_bytes)).decode("utf-8-sig")


async def test_a_view_is_kept_shared_chosen_and_deleted(house: House, chromium: Browser) -> None:
    boss = await house.login("boss")
    for kind, name in (("person", "吴秀英"), ("organisation", "金陵家居广场")):
        await boss.post("/customers", {"kind": kind, "name": name})
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, BOSS)

    # customers: kept with its filter, shared
    await page.goto(house.url + "/#/customers")
    row = page.locator("[data-test=customer-row]")
    await expect(row).to_have_count(2)
    await page.locator(".el-select").first.click()
    await page.get_by_role("option", name="单位").click()
    await expect(row).to_have_count(1)
    await keep(page, "单位客户")
    await page.click("[data-test=view-shared]")
    await shot(page, "view-keep")
    await page.click("[data-test=save-view]")
    await expect(page.locator("[data-test=view-name]")).to_be_hidden()
    [kept] = (await boss.get("/views?entity=customer"))["items"]
    assert (kept["filter"], kept["shared"]) == ({"kind": "organisation"}, True)
    table = await exported(page, "csv")
    assert "金陵家居广场" in table
    assert "吴秀英" not in table
    await shot(page, "customers-list")

    # a colleague chooses it in English, takes it away from nobody, and exports nothing
    other = await open_page(chromium, house, "en")
    await log_in(other, AGENT)
    await other.goto(house.url + "/#/customers")
    found = other.locator("[data-test=customer-row]")
    await expect(found).to_have_count(2)
    await expect(other.locator("[data-test=export]")).to_have_count(0)
    await menu(other)
    await shot(other, "views-en")
    await other.locator("[data-test=view]").click()
    await expect(found).to_have_count(1)
    await manage(other)
    await expect(other.locator("[data-test=view-row]")).to_contain_text("boss")
    await expect(other.locator("[data-test=remove-view]")).to_have_count(0)

    # contact records: the same, after a caller who gave up
    async with PhoneProcess.caller(house.info) as caller:
        call = await caller.call(DID, caller="13800138001", audio=tone(440))
        await call.wait_for("connected")
        await call.hangup()
    await until(boss, "/contact-records", lambda items: len(items) == 1)
    await page.goto(house.url + "/#/records")
    record = page.locator("[data-test=record]")
    await expect(record).to_have_count(1)
    outcome = page.locator(".el-select").filter(has_text="全部结果")
    await outcome.click()
    await page.get_by_role("option", name="已接听").click()
    await expect(record).to_have_count(0)
    await keep(page, "已接听的")
    await page.click("[data-test=save-view]")
    await expect(page.locator("[data-test=view-name]")).to_be_hidden()
    await page.reload()
    await expect(record).to_have_count(1)
    await shot(page, "records-list")
    assert await fits(page)
    assert "13800138001" in await exported(page, "csv")
    await menu(page)
    await page.locator("[data-test=view]").click()
    await expect(record).to_have_count(0)

    # and gone
    await manage(page)
    await page.click("[data-test=remove-view]")
    await expect(page.locator("[data-test=view-row]")).to_have_count(0)
    assert (await boss.get("/views?entity=contact_record"))["items"] == []

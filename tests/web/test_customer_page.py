"""What belongs to one customer, in a real Chromium, on the real daemon."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from sim.house import House
from sim.lab import Lab
from tests.web.test_administration import shot
from tests.web.test_workspace import AGENT, BOSS, QUEUES, fits, log_in, open_page

pytestmark = pytest.mark.browser

ANNA = {"name": "欧阳安娜", "contact_points": [{"value": "13800138001"}]}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"cpg{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, BOSS)) as house:
        yield house
    lab.remove()


async def test_a_consent_is_given_and_withdrawn_and_the_ledger_keeps_both(
    house: House, chromium: Browser
) -> None:
    boss = await house.login("boss")
    anna = (await boss.post("/customers", ANNA))["id"]
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, AGENT)
    await page.goto(f"{house.url}/#/customers/{anna}?part=consents")

    # silence is no consent; one word for every channel speaks of each
    await expect(page.get_by_text("客户尚未作出任何表示。")).to_be_visible()
    cell = page.locator("[data-test=consent-phone-marketing]")
    await expect(cell).to_have_attribute("data-state", "")
    said = {"channel": "any", "purpose": "marketing", "granted": True, "source": "订阅表"}
    await boss.post(f"/customers/{anna}/consents", said)
    history = page.locator("[data-test=part-history]")
    await history.click()
    await expect(history).to_have_attribute("aria-selected", "true")
    await page.click("[data-test=part-consents]")
    for channel in ("phone", "sms", "email"):
        of_channel = page.locator(f"[data-test=consent-{channel}-marketing]")
        await expect(of_channel).to_have_attribute("data-state", "granted")

    # a click on what is granted begins its withdrawal; without a source nothing is taken
    await cell.click()
    await expect(page.locator("[data-test=state-withdrawn]")).to_have_attribute(
        "aria-checked", "true"
    )
    await expect(page.locator("[data-test=save-consent]")).to_be_disabled()
    await page.click("[data-test=source-call]")
    await shot(page, "consent-form")
    await page.click("[data-test=save-consent]")
    await expect(cell).to_have_attribute("data-state", "withdrawn")
    email = page.locator("[data-test=consent-email-marketing]")
    await expect(email).to_have_attribute("data-state", "granted")
    ledger = page.locator("[data-test=ledger-entry]")
    await expect(ledger).to_have_count(2)
    await expect(ledger.first).to_contain_text("电话中表示")
    await expect(ledger.first).to_contain_text("li")
    await shot(page, "consents-zh")
    assert await fits(page)
    [newest, _] = (await boss.get(f"/customers/{anna}/consents"))["items"]
    assert (newest["channel"], newest["purpose"], newest["state"]) == (
        "phone",
        "marketing",
        "withdrawn",
    )

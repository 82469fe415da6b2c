"""The routing configuration, changed in a real Chromium, on the real daemon."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from sim.house import House
from sim.lab import Lab
from tests.web.test_administration import ADMIN, shot
from tests.web.test_workspace import AGENT, QUEUES, confirm, fits, log_in, open_page

pytestmark = pytest.mark.browser


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"cfg{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, ADMIN)) as house:
        yield house
    lab.remove()


async def test_queues_are_checked_changed_and_brought_back(house: House, chromium: Browser) -> None:
    root = await house.login("root")
    before = await root.get("/config/queues")
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, ADMIN)
    await page.goto(house.url + "/#/system/configuration")
    editor = page.locator("[data-test=editor]")
    await expect(editor).to_have_value(before["text"])

    # every mistake is named with its line, and nothing is put in force
    bad = before["text"].replace("ring_timeout_s = 20", 'ring_timeout_s = "soon"')
    bad = bad.replace('queue = "news"', 'queue = "nowhere"')
    await editor.fill(bad)
    await page.click("[data-test=save]")
    finding = page.locator("[data-test=finding]")
    line = bad.split("\n").index('ring_timeout_s = "soon"') + 1
    await expect(finding.filter(has_text=f"第 {line} 行")).to_have_count(1)
    await shot(page, "configuration_wrong")
    assert await fits(page)
    assert (await root.get("/config/queues"))["version"] == before["version"]

    # a change is shown, named in the question, and in force after it
    good = before["text"].replace("ring_timeout_s = 20", "ring_timeout_s = 25")
    await editor.fill(good)
    await expect(page.locator("[data-test=diff]")).to_contain_text("ring_timeout_s = 25")
    await page.click("[data-test=save]")
    question = page.locator(".el-message-box")
    await expect(question).to_contain_text("[queues.news]")
    await shot(page, "configuration")
    await confirm(page)
    await expect(page.locator("[data-test=version]")).to_have_count(2)
    after = await root.get("/config/queues")
    assert after["text"] == good
    assert after["version"] != before["version"]

    # somebody else is faster: nothing is overwritten, and the difference is shown
    theirs = good.replace("wrap_up_s = 60", "wrap_up_s = 45")
    await root.put("/config/queues", {"text": theirs, "expected": after["version"]})
    await editor.fill(good.replace("ring_timeout_s = 25", "ring_timeout_s = 30"))
    await page.click("[data-test=save]")
    await confirm(page)
    await expect(page.locator("[data-test=problem]")).to_contain_text("没有覆盖")
    assert (await root.get("/config/queues"))["text"] == theirs
    await page.click("[data-test=compare]")
    await expect(page.locator("[data-test=diff]")).to_contain_text("wrap_up_s = 45")

    # the first text is brought back from the versions
    await page.locator("[data-test=bring]").last.click()
    await expect(editor).to_have_value(before["text"])
    await page.click("[data-test=save]")
    await confirm(page)
    await expect(page.locator("[data-test=state]")).to_have_text("与生效版本一致")
    assert (await root.get("/config/queues"))["text"] == before["text"]

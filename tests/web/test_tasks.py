"""Tasks and reminders in a real Chromium, on the real daemon."""

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

PAST = "2020-01-31T08:00:00Z"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"tsk{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, BOSS)) as house:
        yield house
    lab.remove()


async def test_a_task_is_made_told_of_and_done(house: House, chromium: Browser) -> None:
    boss = await house.login("boss")
    reader = await boss.post("/customers", {"name": "吴秀英"})
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, AGENT)

    # nobody shows a time since when, where there was none
    await expect(page.locator("[data-test=status]")).to_have_text("未签入")

    # made on a customer's page, one's own
    await page.goto(f"{house.url}/#/customers/{reader['id']}")
    await page.click("[data-test=new-task]")
    await page.fill("[data-test=task-title]", "寄样报")
    await page.click("[data-test=save-task]")
    task = page.locator("[data-test=task]")
    await expect(task).to_contain_text("寄样报")
    await expect(task).to_contain_text("吴秀英")
    [made] = (await boss.get("/tasks"))["items"]
    assert (made["owner"], made["customer"]) == ("li", reader["id"])

    # somebody else gives one that is late, and its reminder is told at once
    times = {"due_at": PAST, "remind_at": PAST}
    await boss.post("/tasks", {"title": "回复读者来信", "owner": "li", **times})
    await expect(page.locator(".el-message")).to_contain_text("回复读者来信")
    await expect(task).to_have_count(2)
    await expect(task.first).to_contain_text("已逾期")
    await shot(page, "tasks")
    assert await fits(page)

    # changed, done, and found among those that are done
    await task.first.locator("[data-test=open-task]").click()
    await page.fill("[data-test=task-title]", "回复读者来信（已核实）")
    await shot(page, "task")
    await page.click("[data-test=save-task]")
    await expect(task.first).to_contain_text("已核实")
    await task.first.locator("[data-test=done]").click()
    await expect(task).to_have_count(1)
    await page.click("[data-test=list-done]")
    await expect(task).to_contain_text("已核实")
    [done] = (await boss.get("/tasks?state=done"))["items"]
    assert (done["title"], done["state"]) == ("回复读者来信（已核实）", "done")

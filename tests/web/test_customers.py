"""The customer base in a real Chromium, on the real daemon: make, find, edit, link, call back."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from sim.house import House, User
from sim.lab import Lab
from sim.phones.softphone import PhoneProcess, refuse_policy, tone
from tests.web.test_administration import shot
from tests.web.test_workspace import (
    AGENT,
    BOSS,
    DID,
    QUEUES,
    fits,
    log_in,
    open_page,
)
from tests.whole.watch import until

pytestmark = pytest.mark.browser

ADMIN = User(username="root", role="admin", password="correct horse 3")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"crm{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, BOSS, ADMIN)) as house:
        yield house
    lab.remove()


async def search(page: Page, words: str) -> None:
    await page.fill("[data-test=search]", words)


async def test_customers_are_made_found_edited_and_called_back(
    house: House, chromium: Browser
) -> None:
    boss = await house.login("boss")
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, AGENT)

    # made in the browser, found by two characters in the middle and by the end of the number
    await page.goto(house.url + "/#/customers")
    await page.click("[data-test=add]")
    await page.fill("[data-test=form-name]", "欧阳建国")
    await page.fill("[data-test=point-0]", "138-0013-8001")
    await page.click("[data-test=save]")
    await expect(page.locator("[data-test=name]")).to_have_text("欧阳建国")
    row = page.locator("[data-test=customer-row]")
    await boss.post("/customers", {"name": "吴秀英", "contact_points": [{"value": "13912345602"}]})
    for words in ("阳建", "8001", "OYJG"):
        await search(page, "没有这个人")  # what comes next is not what was there before
        await expect(row).to_have_count(0)
        await search(page, words)
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("欧阳建国")
    await search(page, "没有这个人")
    await expect(row).to_have_count(0)

    # two people edit: the second one is shown what the first one wrote, and nothing is lost
    await page.click("[data-test=edit]")
    await page.fill("[data-test=form-name]", "欧阳建国（读者）")
    [found] = (await boss.get("/customers?q=%E6%AC%A7%E9%98%B3"))["items"]
    await change(house, found, {"name": "欧阳建华", "title": "先生"})
    await page.click("[data-test=save]")
    conflict = page.locator("[data-test=conflict]")
    await expect(conflict).to_contain_text("欧阳建华")
    await page.click("[data-test=mine]")
    await expect(page.locator("[data-test=name]")).to_have_text("欧阳建国（读者）")
    kept = await boss.get(f"/customers/{found['id']}")
    assert (kept["name"], kept["title"]) == ("欧阳建国（读者）", "先生")
    await page.fill("[data-test=note]", "提供过积水照片")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-test=entry]").first).to_contain_text("提供过积水照片")
    assert await fits(page)

    # somebody who reaches nobody stands on the list until it is done
    async with PhoneProcess.caller(house.info) as caller:
        call = await caller.call(DID, caller="13800138001", audio=tone(440))
        await page.goto(house.url + "/#/callbacks")
        await call.wait_for("connected")
        await call.hangup()
    entry = page.locator("[data-test=callback]")
    await expect(entry).to_have_count(1)
    await expect(entry).to_contain_text("欧阳建国（读者）")
    await page.click("[data-test=take]")
    await expect(entry).to_contain_text("li")
    await page.click("[data-test=result]")
    await page.get_by_text("已接通").click()
    await expect(entry).to_have_count(0)
    [done] = (await boss.get("/callbacks?state=done"))["items"]
    assert (done["result"], done["owner"]) == ("reached", "li")


async def change(house: House, customer: Any, fields: dict[str, Any]) -> None:
    """Somebody else's edit, meanwhile."""
    client = await house.login("boss")
    headers = {"If-Match": f'"{customer["version"]}"'}
    await client.request("PATCH", f"/customers/{customer['id']}", fields, headers=headers)


async def test_one_click_says_who_is_calling(house: House, chromium: Browser) -> None:
    boss = await house.login("boss")
    for name in ("金陵家居广场", "金陵物业"):  # one line, two customers: nobody is taken silently
        body = {"kind": "organisation", "name": name, "contact_points": [{"value": "02584701003"}]}
        await boss.post("/customers", body)
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, AGENT)
    async with (
        PhoneProcess.agent(house.info, "1001", policy=refuse_policy("manual")) as phone,
        PhoneProcess.caller(house.info) as caller,
    ):
        await page.click("[data-test=start]")
        await caller.call(DID, caller="02584701003", audio=tone(440))
        choices = page.locator("[data-test=link]")
        await expect(choices).to_have_count(2)
        await choices.filter(has_text="金陵物业").click()
        await expect(page.locator("[data-test=customer]")).to_have_text("金陵物业")
        leg = await phone.incoming()
        await leg.answer()
        phase = page.locator("[data-test=phase]")
        await expect(phase).to_have_attribute("data-phase", "talking")
        await leg.hangup()
        await expect(phase).to_have_attribute("data-phase", "wrap_up")
        assert await fits(page)
    [first, _] = (await boss.get("/customers?phone=02584701003"))["items"]
    assert (first["name"], first["chosen"]) == ("金陵物业", True)
    # the record is written behind the call
    [record] = await until(boss, "/contact-records", lambda items: len(items) == 1)
    assert record["customer"] == first["id"]


async def test_tables_come_in_doubles_are_merged_and_a_person_is_erased(
    house: House, chromium: Browser
) -> None:
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, ADMIN)
    await page.goto(house.url + "/#/import")
    table = "姓名,手机\n欧阳明,13700001111\n欧阳铭,13900002222\n坏行,不是号码\n"
    file: Any = {
        "name": "读者.csv",
        "mimeType": "text/csv",
        "buffer": table.encode("gb18030"),
    }
    # what is wrong with a file, and with its rows, is said in the reader's language
    old: Any = {
        "name": "读者.xls",
        "mimeType": "application/vnd.ms-excel",
        "buffer": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    }
    await page.set_input_files("[data-test=file]", files=[old])
    await expect(page.get_by_role("alert")).to_contain_text("是旧版 .xls 文件")
    await page.set_input_files("[data-test=file]", files=[file])
    upload = page.locator("[data-test=upload]")
    await expect(upload).to_contain_text("gb18030")
    await expect(upload).to_contain_text("第 4 行：联系方式：不是电话号码")
    await page.click("[data-test=run]")
    await expect(upload).to_have_attribute("data-state", "done")
    await expect(page.get_by_text("下载未导入的行")).to_be_visible()
    assert await fits(page)

    boss = await house.login("boss")
    twin = {"name": "欧阳明", "contact_points": [{"value": "13700001111"}], "title": "先生"}
    await boss.post("/customers", twin)
    await page.goto(house.url + "/#/duplicates")
    pair = page.locator("[data-test=pair]")
    await expect(pair).to_have_count(1)
    assert await fits(page)
    await page.locator("[data-test=keep]").first.click()
    await expect(pair).to_have_count(0)
    assert len((await boss.get("/customers?phone=13700001111"))["items"]) == 1
    await page.click("[data-test=pairs-merged]")
    merged = page.locator("[data-test=merge]")
    await expect(merged).to_have_count(1)
    await expect(merged).to_contain_text("欧阳明")
    await shot(page, "merges")
    await page.click("[data-test=undo-one]")
    await expect(merged).to_contain_text("已撤销")
    await page.click("[data-test=pairs-open]")
    await expect(pair).to_have_count(1)
    assert len((await boss.get("/customers?phone=13700001111"))["items"]) == 2

    await page.goto(house.url + "/#/customers")
    await search(page, "阳铭")
    row = page.locator("[data-test=customer-row]")
    await expect(row).to_have_count(1)
    await row.click()
    await page.click("[data-test=erase]")
    await page.fill("[data-test=reason]", "本人要求")
    await page.fill("[data-test=typed]", "欧阳明")
    await expect(page.locator("[data-test=erase-now]")).to_be_disabled()
    await page.fill("[data-test=typed]", "欧阳铭")
    await page.click("[data-test=erase-now]")
    await expect(row).to_have_count(0)
    assert (await boss.get("/customers?phone=13900002222"))["items"] == []

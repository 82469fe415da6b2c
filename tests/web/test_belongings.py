"""What belongs to a customer, in a real Chromium on the real daemon: relations, facts, files,
notes, and colleagues who are told of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from sim.house import House, User
from sim.lab import Lab
from tests.web.held import held
from tests.web.test_administration import shot
from tests.web.test_workspace import AGENT, BOSS, QUEUES, fits, log_in, open_page

pytestmark = pytest.mark.browser

VIEWER = User(username="vic", role="viewer", password="correct horse 4", teams=("day",))
MIB = 1024 * 1024


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"bel{os.getpid()}", quiet=True, agents=1)
    users = (AGENT, BOSS, VIEWER)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=users) as house:
        yield house
    lab.remove()


def content_of(path: Path) -> bytes:
    return path.read_bytes()


async def show(page: Page, house: House, customer: str, part: str) -> None:
    await page.goto(f"{house.url}/#/customers/{customer}?part={part}")
    await expect(page.locator(f"[data-test=part-{part}]")).to_have_attribute(
        "aria-selected", "true"
    )


async def ask(thing: Locator) -> None:
    """The first click on what takes a thing away: it only asks."""
    button = thing.locator("[data-test=remove]")
    await button.click()
    await expect(button).to_have_text("确认？")


async def take_away(thing: Locator) -> None:
    """Both clicks, and the thing is gone."""
    await ask(thing)
    await thing.locator("[data-test=remove]").click()
    await expect(thing).to_have_count(0)


async def test_a_file_goes_up_comes_down_and_goes_away(
    house: House, chromium: Browser, tmp_path: Path
) -> None:
    boss = await house.login("boss")
    reader = await boss.post("/customers", {"name": "吴秀英"})
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, AGENT)
    await show(page, house, reader["id"], "files")
    await expect(page.get_by_text("还没有附件。")).to_be_visible()

    content = bytes(range(256)) * 4096
    good: Any = {"name": "积水 照片.jpg", "mimeType": "image/jpeg", "buffer": content}
    empty: Any = {"name": "空.txt", "mimeType": "text/plain", "buffer": b""}
    sent = page.locator("[data-test=sending]")
    async with held(page, "**/attachments") as listed:
        await page.set_input_files("[data-test=attach]", files=[good, empty])
        await listed.wait()
        # the server has it: until the list shows it, it stands among what is on its way
        await expect(sent.filter(has_text="积水 照片.jpg")).to_have_count(1)
    file = page.locator("[data-test=attachment]")
    await expect(file).to_contain_text("积水 照片.jpg")
    await expect(file).to_contain_text("1.0 MB")
    await expect(sent).to_contain_text("文件是空的")
    # the limit of what the browser's driver hands over is above ours
    large = tmp_path / "large.wav"
    large.write_bytes(b"\0" * (10 * MIB + 1))
    await page.set_input_files("[data-test=attach]", files=[large])
    await expect(sent.last).to_contain_text("超过 10 MB")
    await expect(file).to_have_count(1)
    assert await fits(page)
    await shot(page, "files")

    async with page.expect_download() as coming:
        await page.click("[data-test=download]")
    download = await coming.value
    assert download.suggested_filename == "积水 照片.jpg"
    assert content_of(await download.path()) == content

    # who sees fields masked sees that there is a file, and cannot open or remove it
    await boss.request(
        "PATCH", f"/customers/{reader['id']}", {"team": "day"}, headers={"If-Match": "*"}
    )
    viewer = await open_page(chromium, house, "en")
    await log_in(viewer, VIEWER)
    await show(viewer, house, reader["id"], "files")
    await expect(viewer.locator("[data-test=attachment]")).to_have_count(1)
    for name in ("download", "remove", "attach", "part-notes", "part-consents", "watch", "edit"):
        await expect(viewer.locator(f"[data-test={name}]")).to_have_count(0)
    await shot(viewer, "files-viewer")

    await ask(file)
    async with held(page, "**/attachments/*", method="DELETE"):
        await file.locator("[data-test=remove]").click()
        await expect(file.locator("[data-test=remove]")).to_be_disabled()
    await expect(file).to_have_count(0)
    assert (await boss.get(f"/customers/{reader['id']}/attachments"))["items"] == []


async def test_a_colleague_is_mentioned_sees_it_and_notes_do_not_overwrite_each_other(
    house: House, chromium: Browser
) -> None:
    client = await house.login("boss")
    reader = await client.post("/customers", {"name": "吴秀英"})
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, AGENT)
    boss = await open_page(chromium, house, "en")
    await log_in(boss, BOSS)
    await boss.goto(f"{house.url}/#/tasks")

    # the name is completed while it is typed
    await show(page, house, reader["id"], "notes")
    await page.locator("[data-test=note]").press_sequentially("请@bo")
    await expect(page.locator("[data-test=colleagues] li")).to_have_count(1)
    await shot(page, "mention")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-test=note]")).to_have_value("请@boss ")
    await page.locator("[data-test=note]").press_sequentially("明天回电")
    await page.keyboard.press("Control+Enter")
    note = page.locator("[data-test=a-note]")
    await expect(note).to_contain_text("请@boss 明天回电")

    # she is told at once, and finds it on her list until she has read it
    await expect(boss.locator(".el-message")).to_contain_text("请@boss 明天回电")
    await expect(boss.locator("[data-test=badge]")).to_have_text("1")
    await boss.click("[data-test=list-mentions]")
    mention = boss.locator("[data-test=mention]")
    await expect(mention).to_contain_text("吴秀英")
    await shot(boss, "mentions")
    await mention.get_by_role("link").click()
    await expect(boss.locator("[data-test=a-note]")).to_contain_text("明天回电")
    await expect(boss.locator("[data-test=badge]")).to_have_count(0)

    # she changes it while its author does: nothing is written over it unasked
    await note.locator("[data-test=edit-note]").click()
    await page.fill("[data-test=note-text]", "请@boss 后天回电")
    await boss.click("[data-test=edit-note]")
    await boss.fill("[data-test=note-text]", "已回电")
    await boss.click("[data-test=note-save]")
    await expect(boss.locator("[data-test=a-note]")).to_contain_text("已回电")
    await page.click("[data-test=note-save]")
    problem = page.locator("[data-test=note-problem]")
    await expect(problem).to_contain_text("已回电")
    await shot(page, "note-conflict")
    [kept] = (await client.get(f"/customers/{reader['id']}/notes"))["items"]
    assert kept["text"] == "已回电"
    await page.click("[data-test=note-mine]")
    await expect(note).to_contain_text("后天回电")

    # who watches is told without being named
    await boss.click("[data-test=watch]")
    await expect(boss.locator("[data-test=watch]")).to_have_attribute("aria-pressed", "true")
    async with held(page, "**/notes", method="POST"):
        await page.fill("[data-test=note]", "又来电一次")
        await page.click("[data-test=save-note]")
        await expect(boss.locator("[data-test=badge]")).to_have_text("1")
        await ask(note)

    # the list shifts under a note that was about to go: its neighbour is asked about anew
    await expect(note).to_have_count(2)
    old, new = note.filter(has_text="后天回电"), note.filter(has_text="又来电一次")
    await expect(old.locator("[data-test=remove]")).to_have_text("确认？")
    await ask(new)
    await expect(old.locator("[data-test=remove]")).to_have_text("")
    await new.locator("[data-test=remove]").click()
    await expect(note).to_have_count(1)
    await expect(note).to_contain_text("后天回电")
    assert await fits(page)
    await shot(boss, "notes")


async def test_relations_are_walked_both_ways_and_facts_have_a_source(
    house: House, chromium: Browser
) -> None:
    client = await house.login("boss")
    reader = await client.post("/customers", {"name": "吴秀英"})
    firm = await client.post("/customers", {"kind": "organisation", "name": "金陵家居广场"})
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, AGENT)
    await show(page, house, reader["id"], "relations")
    await page.click("[data-test=add-relation]")
    # all at once: the answer to half the word would take its options away under the click
    await page.locator("[data-test=relation-other] input").fill("金陵")
    await page.locator(".el-select-dropdown__item", has_text="金陵家居广场").click()
    await shot(page, "relation-form")
    await page.click("[data-test=save-relation]")
    relation = page.locator("[data-test=relation]")
    await expect(relation).to_contain_text("任职于")
    await shot(page, "relations")
    await relation.get_by_role("link").click()
    await expect(page.locator("[data-test=name]")).to_have_text("金陵家居广场")
    await page.click("[data-test=part-relations]")
    await expect(relation.get_by_role("link")).to_have_text("吴秀英")
    await take_away(relation)
    assert (await client.get(f"/customers/{firm['id']}/relations"))["items"] == []

    await show(page, house, reader["id"], "facts")
    await page.click("[data-test=add-fact]")
    for name, value in (("name", "职业"), ("value", "教师"), ("source", "来电")):
        await page.fill(f"[data-test=fact-{name}]", value)
    await page.click("[data-test=save-fact]")
    fact = page.locator("[data-test=fact]")
    await expect(fact).to_contain_text("教师")
    await page.click("[data-test=edit-fact]")
    await expect(page.locator("[data-test=fact-name]")).to_be_disabled()
    await page.fill("[data-test=fact-value]", "校长")
    await page.fill("[data-test=fact-source]", "名片")
    await page.click("[data-test=save-fact]")
    await expect(fact).to_contain_text("校长")
    await shot(page, "facts")
    assert await fits(page)
    await take_away(fact)


async def test_a_slow_answer_has_its_place_kept(house: House, chromium: Browser) -> None:
    client = await house.login("boss")
    reader = await client.post("/customers", {"name": "吴秀英"})
    page = await open_page(chromium, house, "en")
    await log_in(page, BOSS)
    async with (
        held(page, "**/api/v1/customers*"),
        held(page, f"**/api/v1/customers/{reader['id']}"),
    ):
        await page.goto(f"{house.url}/#/customers/{reader['id']}")
        await expect(page.locator("[data-test=skeleton]")).to_be_visible()
        await expect(page.locator(".list .waiting")).to_be_visible()
        await shot(page, "skeleton")
    await expect(page.locator("[data-test=skeleton], .list .waiting")).to_have_count(0)
    await expect(page.locator("[data-test=name]")).to_have_text("吴秀英")

"""Webhooks and their deliveries in a real Chromium, on the real daemon, to a real receiver."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, expect

from sim.house import House
from sim.lab import Lab
from tests.web.test_administration import ADMIN, shot
from tests.web.test_workspace import BOSS, QUEUES, confirm, fits, log_in, open_page
from tests.whole.watch import PATIENCE_S

pytestmark = pytest.mark.browser


class Receiver:
    """Somebody's server: keeps what comes, answers with ``status``."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()
        self.status = 204
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.came.put_nowait((body, request.headers["X-Ctid-Signature"]))
        return web.Response(status=self.status)

    async def next(self, secret: str) -> str:
        """The event that comes next, its signature checked."""
        body, signature = await asyncio.wait_for(self.came.get(), PATIENCE_S)
        at, mac = (part.partition("=")[2] for part in signature.split(","))
        made = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256)
        assert hmac.compare_digest(made.hexdigest(), mac)
        event: str = json.loads(body)["event"]
        return event


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"hook{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(BOSS, ADMIN)) as house:
        yield house
    lab.remove()


async def test_a_webhook_is_made_told_given_up_on_and_sent_again(
    house: House, chromium: Browser, receiver: Receiver
) -> None:
    boss = await house.login("boss")
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, ADMIN)
    await page.goto(house.url + "/#/system/webhooks")

    # made for two events; an address that cannot be one is refused in Chinese words
    await page.click("[data-test=add-hook]")
    await page.fill("[data-test=hook-url]", "http://a:b@127.0.0.1/")
    await page.click("[data-test=event-all]")
    await page.click("[data-test='event-customer.created']")
    await page.click("[data-test='event-task.created']")
    await page.click("[data-test=save-hook]")
    await expect(page.locator("[data-test=problem]")).to_contain_text("地址：须为不含用户名的网址")
    await page.fill("[data-test=hook-url]", receiver.url)
    await page.click("[data-test=save-hook]")
    secret = await page.locator("[data-test=secret]").inner_text()
    assert len(secret) > 30
    row = page.locator("[data-test=hook-row]")
    await expect(row).to_contain_text("新建客户")

    # a test and an event arrive, signed; the log follows by itself
    delivery = page.locator("[data-test=delivery]")
    await page.click("[data-test=test-hook]")
    assert await receiver.next(secret) == "webhook.test"
    await expect(delivery).to_have_attribute("data-state", "delivered")
    receiver.status = 500
    await boss.post("/customers", {"name": "吴秀英"})
    assert await receiver.next(secret) == "customer.created"
    await expect(delivery).to_have_count(2)
    await expect(delivery.first).to_contain_text("HTTP 500")
    await expect(delivery.first).to_have_attribute("data-state", "pending")
    await shot(page, "webhook")
    assert await fits(page)

    # the receiver is well again: a person does not wait for the next try
    receiver.status = 204
    await page.click("[data-test=retry]")
    assert await receiver.next(secret) == "customer.created"
    await expect(delivery.first).to_have_attribute("data-state", "delivered")
    await page.click("[data-test=deliveries-failed]")
    await expect(delivery).to_have_count(0)

    # a new secret is in force at once
    await page.click("[data-test=renew-secret]")
    await confirm(page)
    shown = page.locator("[data-test=secret]")
    await expect(shown).not_to_have_text(secret)
    renewed = await shown.inner_text()
    # the list is read again after it: what is changed below comes after that
    await expect(page.locator("[data-test=renew-secret]")).not_to_have_class(
        re.compile("is-loading")
    )
    await page.click("[data-test=test-hook]")
    assert await receiver.next(renewed) == "webhook.test"

    # two administrators: the second is told, nothing is overwritten unseen; then switched off
    root = await house.login("root")
    [hook] = (await root.get("/webhooks"))["items"]
    await root.request("PATCH", f"/webhooks/{hook['id']}", {"events": ["*"]})
    await page.click("[data-test=hook-active]")
    await page.click("[data-test=save-hook]")
    await expect(page.locator("[data-test=problem]")).to_contain_text("他人")
    await page.click("[data-test=save-hook]")
    await expect(row).to_contain_text("停用")
    await expect(row).to_contain_text("全部事件")
    await shot(page, "webhooks")

    # in the other language, and gone; a supervisor is not offered the page at all
    other = await open_page(chromium, house, "en")
    await log_in(other, ADMIN)
    await other.goto(house.url + "/#/system/webhooks")
    await other.click("[data-test=hook-row]")
    await expect(other.locator("[data-test=delivery]").first).to_contain_text("Delivered")
    await shot(other, "webhook-en")
    await other.click("[data-test=remove-hook]")
    await confirm(other)
    await expect(other.locator("[data-test=hook-row]")).to_have_count(0)
    assert (await root.get("/webhooks"))["items"] == []
    third = await open_page(chromium, house, "en")
    await log_in(third, BOSS)
    await third.goto(house.url + "/#/system/webhooks")
    await expect(third.locator("[data-test=page-dictionaries]")).to_be_visible()
    await expect(third.locator("[data-test=add-hook]")).to_have_count(0)
    await expect(third.locator("[data-test=page-webhooks]")).to_have_count(0)

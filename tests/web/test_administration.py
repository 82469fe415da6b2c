"""Users, permissions and the audit trail in a real Chromium, on the real daemon."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from sim.house import House, HouseError, User
from sim.lab import Lab
from tests.web.test_workspace import AGENT, BOSS, QUEUES, fits, log_in, open_page

pytestmark = pytest.mark.browser

ADMIN = User(username="root", role="admin", password="correct horse 3")
NEW_PASSWORD = "battery staple 4"
SHOTS = os.environ.get("CTID_SHOTS", "")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    lab = Lab(f"adm{os.getpid()}", quiet=True, agents=1)
    async with House(tmp_path / "house", lab, queues=QUEUES, users=(AGENT, BOSS, ADMIN)) as house:
        yield house
    lab.remove()


async def shot(page: Page, name: str) -> None:
    """A picture for the one who works on the pages."""
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", animations="disabled")


async def bearer_status(house: House, token: str) -> int:
    """What the server answers a program with this token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{house.url}/api/v1/me", headers=headers) as response,
    ):
        return response.status


async def test_users_rights_and_the_trail_of_it_all(house: House, chromium: Browser) -> None:
    root = await house.login("root")
    page = await open_page(chromium, house, "zh-CN")
    await log_in(page, ADMIN)

    # a new user: a short password is refused in words, a good one makes the user
    await page.goto(house.url + "/#/system/users")
    row = page.locator("[data-test=user-row]")
    await expect(row).to_have_count(3)
    await page.click("[data-test=add-user]")
    await page.fill("[data-test=username]", "wang")
    await page.fill("[data-test=password]", "short")
    await page.fill("[data-test=name]", "王敏")
    await page.click("[data-test=save]")
    await expect(page.locator("[data-test=problem]")).to_contain_text("密码：须为")
    await page.fill("[data-test=password]", NEW_PASSWORD)
    await page.click("[data-test=save]")
    await expect(row).to_have_count(4)
    wang = page.locator("[data-user=wang]")
    await expect(wang).to_contain_text("王敏")
    await shot(page, "users")
    assert await fits(page)

    # two administrators change one user: the second is told before anything is overwritten
    await wang.click()
    [before] = [u for u in (await root.get("/users"))["items"] if u["username"] == "wang"]
    headers = {"If-Match": f'"{before["version"]}"'}
    await root.request("PATCH", "/users/wang", {"teams": ["day"]}, headers=headers)
    await page.click("[data-test=role]")
    await page.get_by_role("option", name="班长").click()
    await page.click("[data-test=save]")
    await expect(page.locator("[data-test=problem]")).to_contain_text("他人")
    await page.click("[data-test=save]")
    await expect(wang).to_contain_text("班长")

    # a token is shown once, works, and is revoked
    await wang.click()
    await page.fill("[data-test=token-name]", "报表")
    await page.click("[data-test=add-token]")
    token = await page.locator("[data-test=token]").inner_text()
    await shot(page, "user")
    assert await bearer_status(house, token) == 200
    await page.click("[data-test=revoke]")
    await expect(page.locator("[data-test=token-row]")).to_contain_text("已吊销")
    [kept] = (await root.get("/users/wang/tokens"))["items"]
    assert kept["revoked_at"] is not None
    await page.locator("[data-test=disabled]").click()
    await page.click("[data-test=save]")
    await expect(wang).to_contain_text("已停用")
    [after] = [u for u in (await root.get("/users"))["items"] if u["username"] == "wang"]
    assert (after["role"], after["disabled"], after["teams"]) == ("supervisor", True, ["day"])

    # rights: an agent may export, and numbers are masked; an administrator's own cannot be taken
    await page.click("[data-test=page-permissions]")
    right = page.locator("[data-test=right-customer-export]")
    await expect(right).to_have_value("none")
    await right.select_option("team")
    await expect(right).to_be_enabled()
    await page.locator("[data-test=mask-phone]").click()
    await expect(page.locator("[data-test=mask-phone]")).to_have_class("el-checkbox is-checked")
    await shot(page, "permissions")
    assert await fits(page)
    await page.click("[data-test=role-admin]")
    await expect(page.locator("[data-test=right-user-update]")).to_be_disabled()
    table = await root.get("/permissions")
    assert table["rights"]["agent"]["customer"]["export"] == "team"
    assert table["masks"]["agent"] == ["phone"]

    # the trail has it all, what was refused too, and is filtered by person, thing and action
    li = await house.login("li")
    with pytest.raises(HouseError, match="403"):
        await li.post("/users", {"username": "x", "password": NEW_PASSWORD})
    await page.click("[data-test=page-audit]")
    entry = page.locator("[data-test=audit-row]")
    mask = entry.filter(has_text="设置遮蔽")
    await expect(mask).to_contain_text("agent/phone")
    await expect(entry.filter(has_text="设置权限")).to_contain_text("本班组")
    await expect(entry.filter(has_text="班长").first).to_contain_text("wang")
    await shot(page, "audit")
    assert await fits(page)
    await page.locator("[data-test=refused]").click()
    await expect(entry).to_have_count(1)
    await expect(entry).to_contain_text("li")
    await expect(entry).to_have_attribute("data-action", "refused")
    await page.locator("[data-test=refused]").click()
    await page.click("[data-test=action]")
    await page.get_by_role("option", name="吊销令牌").click()
    await expect(entry).to_have_count(1)
    await expect(entry).to_contain_text("wang")

    # a supervisor has none of these pages until a right to the trail is given
    await root.put("/permissions/supervisor/audit/read", {"scope": "all"})
    other = await open_page(chromium, house, "en")
    await log_in(other, BOSS)
    await other.goto(house.url + "/#/system/users")
    await expect(other.locator("[data-test=page-audit]")).to_have_text("Audit trail")
    await expect(other.locator("[data-test=page-users]")).to_have_count(0)
    await expect(other.locator("[data-test=user-row]")).to_have_count(0)

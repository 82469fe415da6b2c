"""A real Chromium for the browser client."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect

from sim.lab import default_base_dir
from tests.whole.watch import PATIENCE_S

CLIENT = Path(__file__).parents[2] / "ctid" / "web" / "index.html"
START_MS = 120_000

expect.set_options(timeout=PATIENCE_S * 1000)


def chromium_path() -> str | None:
    """Debian's Chromium, of the machine or unpacked beside the private Asterisk."""
    tools = default_base_dir() / "tools" / "bin"
    search = os.pathsep.join((os.environ.get("PATH", ""), str(tools)))
    return shutil.which("chromium", path=search) or shutil.which("chromium-browser", path=search)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A headless browser; ends with the test."""
    path = chromium_path()
    if path is None:
        pytest.skip("NOT RUN: no Chromium here; run `make setup-browser`")
    if not CLIENT.exists():
        pytest.fail("the browser client is not built; run `make web`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=START_MS
        )
        yield browser
        await browser.close()

"""Serves the built browser client: its files, and its page for every other address of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ctid</title></head><body>
<h1>ctid is running</h1>
<p>The browser client was not built. Run <code>make web</code> and load this page again.
The API is at <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
<p lang="zh-CN">浏览器客户端尚未构建。请运行 <code>make web</code>，然后刷新本页。</p>
</body></html>
"""
FOREVER = "public, max-age=31536000, immutable"


class ClientFiles:
    """The files below one directory, and nothing outside it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()

    async def serve(self, path: str) -> web.StreamResponse | None:
        """The answer for a decoded URL path; ``None``: there is no such file and no such page."""
        file = await asyncio.to_thread(self._find, path)
        if file is not None:
            # Vite puts a hash of the content into the names of what lies in assets/
            cache = FOREVER if path.startswith("/assets/") else "no-cache"
            return web.FileResponse(file, headers={"Cache-Control": cache})
        if "." in path.rsplit("/", 1)[-1] or path.startswith("/assets/"):
            return None
        index = await asyncio.to_thread(self._find, "/index.html")
        if index is not None:
            return web.FileResponse(index, headers={"Cache-Control": "no-cache"})
        return web.Response(
            status=503,
            text=NOT_BUILT,
            content_type="text/html",
            headers={"Cache-Control": "no-cache", "Retry-After": "10"},
        )

    def _find(self, path: str) -> Path | None:
        parts = path.split("/")[1:]
        if any(p in ("", ".", "..") or p.startswith(".") or not _plain(p) for p in parts):
            return None
        try:
            file = self._directory.joinpath(*parts).resolve()
            return file if file.is_relative_to(self._directory) and file.is_file() else None
        except (OSError, ValueError):
            return None


def _plain(part: str) -> bool:
    return part.isprintable() and "\\" not in part and len(part) < 256

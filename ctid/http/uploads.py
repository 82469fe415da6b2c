"""Files that come in as the body of a request: in pieces, with a limit of size and of patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from ctid.http.endpoint import Call
from ctid.http.errors import Problem

PIECE = 1 << 18


async def _pieces(call: Call, limit: int) -> AsyncIterator[bytes]:
    request = call.request
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem("unsupported_media_type", "Send the body without Content-Encoding")
    too_large = Problem("body_too_large", f"At most {limit} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    settings = call.services.settings
    size = 0
    try:
        async with asyncio.timeout(settings.upload_timeout_s):
            while True:
                async with asyncio.timeout(settings.body_timeout_s):
                    piece = await request.content.read(PIECE)
                if not piece:
                    return
                size += len(piece)
                if size > limit:
                    raise too_large
                yield piece
    except TimeoutError:
        raise Problem("body_timeout") from None


async def read_small(call: Call, limit: int) -> bytes:
    """The whole body, for files that the store keeps."""
    return b"".join([piece async for piece in _pieces(call, limit)])


async def save(call: Call, path: Path, limit: int) -> int:
    """Write the body to a new file; answers its size. What was begun is removed on any failure."""
    size = 0
    file = await asyncio.to_thread(open, path, "xb")
    try:
        try:
            async for piece in _pieces(call, limit):
                await asyncio.to_thread(file.write, piece)
                size += len(piece)
        finally:
            await asyncio.to_thread(file.close)
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise
    return size

"""Pages of lists by opaque cursor: the sort key of the last item, so that pages do not shift."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ctid.http.errors import invalid

T = TypeVar("T")
Key = tuple[float | str, ...]


def encode_cursor(key: Key) -> str:
    """The cursor that continues after ``key``."""
    text = json.dumps(key, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, like: Key) -> Key:
    """What ``encode_cursor`` was given; raises ``invalid`` when it is not of the kinds of ``like``.

    A cursor comes from outside and may be anything.
    """
    try:
        raw = base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode("utf-8")
        parts: Any = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if (
        isinstance(parts, list)
        and len(parts) == len(like)
        and all(_same_kind(p, k) for p, k in zip(parts, like, strict=True))
    ):
        return tuple(parts)
    raise invalid("query.cursor", "cursor", "take `next` of the page before, or leave it out")


def _same_kind(part: Any, like: float | str) -> bool:
    if isinstance(like, str):
        return isinstance(part, str)
    return isinstance(part, int | float) and not isinstance(part, bool)


def page(
    items: Iterable[T], *, key: Callable[[T], Key], like: Key, limit: int, cursor: str
) -> tuple[list[T], str | None]:
    """The items after ``cursor`` in the order of ``key``, and the cursor of the next page."""
    ordered = sorted(items, key=key)
    if cursor:
        after = decode_cursor(cursor, like)
        ordered = [item for item in ordered if key(item) > after]
    if len(ordered) <= limit:
        return ordered, None
    return ordered[:limit], encode_cursor(key(ordered[limit - 1]))

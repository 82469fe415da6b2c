"""Optimistic locking: the version as ``ETag``, and ``If-Match`` (RFC 9110, 8.8.3 and 13.1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ctid.http.errors import Problem

_TAG = re.compile(r'^"([0-9]{1,15})"$')
MAX_HEADER = 200


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def expected_versions(header: str | None) -> frozenset[int] | None:
    """The versions that ``If-Match`` names; ``None`` for ``*`` or no header.

    A weak tag, or one that was never given out, matches nothing.
    """
    if header is None or header.strip() == "*":
        return None
    if len(header) > MAX_HEADER:
        raise Problem("bad_request", f"If-Match: at most {MAX_HEADER} characters")
    tags = (_TAG.match(one.strip()) for one in header.split(","))
    return frozenset(int(tag[1]) for tag in tags if tag is not None)


def check_version(row: Mapping[str, Any], expected: frozenset[int] | None) -> None:
    """Raise ``precondition_failed``, with the present tag, unless the row's version is expected."""
    if expected is not None and row["version"] not in expected:
        raise Problem(
            "precondition_failed",
            f"It has version {row['version']} now; read it again and look at the difference",
            headers={"ETag": etag(row["version"])},
        )

"""Views as the JSON that people's clients read: field names as in the views, times as ISO 8601.

One place, so that a list fetched over HTTP and an event of the stream look the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from routing.views import AgentView, InteractionView, QueueView, SupervisorView

View = AgentView | QueueView | InteractionView

TIMES = frozenset(
    {
        "since",
        "wrap_up_until",
        "longest_wait_since",
        "arrived_at",
        "queued_at",
        "answered_at",
        "ended_at",
    }
)


def iso(at: float | None) -> str | None:
    """Unix seconds (UTC) as ``2026-01-31T08:15:30.123Z``; ``None`` stays ``None``."""
    if at is None:
        return None
    text = datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


_FIELDS = {
    cls: tuple((f.name, f.name in TIMES) for f in fields(cls))
    for cls in (AgentView, QueueView, InteractionView)
}


_SUPERVISOR = tuple(f.name for f in fields(SupervisorView))


def view_json(view: View) -> dict[str, Any]:
    """Plain JSON data of a view."""
    out: dict[str, Any] = {}
    for name, is_time in _FIELDS[type(view)]:
        value = getattr(view, name)
        if is_time:
            value = iso(value)
        elif name == "caller":
            value = {"number": value.number, "name": value.name}
        elif name == "supervisors":
            value = [{f: getattr(s, f) for f in _SUPERVISOR} for s in value]
        elif type(value) is tuple:
            value = list(value)
        out[name] = value
    return out


def row_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON data of a row of the store: every number under a name in ``_at`` is a time."""
    return {name: _row_value(name, value) for name, value in row.items()}


def _row_value(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return row_json(value)
    if isinstance(value, list):
        return [_row_value("", one) for one in value]
    if name.endswith("_at") and isinstance(value, int | float):
        return iso(value)
    return value


def dumps(data: Any) -> bytes:
    """Compact UTF-8 JSON. A stray half of a surrogate pair becomes ``?`` rather than an error."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")

"""How every benchmark ends: a table, one JSON line, and PASS or SHORT with the figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0..1) of the values lie (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(rows: Sequence[tuple[str, str]]) -> None:
    """Names and figures, aligned."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def verdict(name: str, figures: Mapping[str, Any], *, ok: bool, saying: str) -> int:
    """Print the JSON line and the last line. Returns the exit status: 0 either way."""
    print(json.dumps({"bench": name, **figures}, ensure_ascii=False))
    print(f"{'PASS' if ok else 'SHORT'} {name}: {saying}", flush=True)
    return 0

"""Charts as inline SVG, drawn by hand: no scripts, no fonts or hosts from outside.

Colours come from CSS variables of the page, so that light, dark and print look right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 28


@dataclass(frozen=True, slots=True)
class Series:
    """A line: a value (None: a gap) and half a confidence interval for each label."""

    name: str
    values: Sequence[float | None]
    half_widths: Sequence[float | None]


Format = Callable[[float], str]


def ticks(top: float, count: int = 4) -> list[float]:
    """Round numbers from 0 to at least ``top`` (steps of 1, 2 or 5 times a power of ten)."""
    if top <= 0 or not math.isfinite(top):
        return [0.0, 1.0]
    raw = top / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    steps = math.ceil(top / step - 1e-9)
    return [n * step for n in range(steps + 1)]


@dataclass(frozen=True, slots=True)
class _Frame:
    count: int
    top: float

    def x(self, n: float) -> float:
        return _LEFT + (n + 0.5) * (WIDTH - _LEFT - _RIGHT) / max(1, self.count)

    def y(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.top)) if self.top > 0 else 0.0
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _open(title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" '
        'preserveAspectRatio="xMidYMid meet">'
    )


def _axes(frame: _Frame, marks: Sequence[float], labels: Sequence[str], fmt: Format) -> list[str]:
    out = []
    for mark in marks:
        y = frame.y(mark)
        kind = "base" if mark == 0 else "grid"
        out.append(
            f'<line class="{kind}" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        out.append(
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{escape(fmt(mark))}</text>"
        )
    every = max(1, math.ceil(len(labels) / 7))
    for n, label in enumerate(labels):
        if n % every == 0:
            out.append(
                f'<text class="tick" x="{frame.x(n):.1f}" y="{HEIGHT - 9}" '
                f'text-anchor="middle">{escape(label)}</text>'
            )
    return out


def lines(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    fmt: Format,
    top: float | None = None,
) -> str:
    """Lines over intervals, each with its confidence band."""
    highest = max(
        (
            v + (h or 0.0)
            for s in series
            for v, h in zip(s.values, s.half_widths, strict=True)
            if v is not None
        ),
        default=0.0,
    )
    marks = ticks(min(highest, top) if top is not None else highest)
    frame = _Frame(len(labels), marks[-1] if top is None else min(marks[-1], top))
    out = [_open(title), *_axes(frame, [m for m in marks if m <= frame.top * 1.001], labels, fmt)]
    for number, one in enumerate(series):
        out.append(_band(frame, one, number))
    for number, one in enumerate(series):
        path, drawing = "", False
        for n, value in enumerate(one.values):
            if value is None:
                drawing = False
                continue
            path += f"{'L' if drawing else 'M'}{frame.x(n):.1f} {frame.y(value):.1f}"
            drawing = True
        out.append(f'<path class="line s{number}" d="{path}"/>')
        for n, value in enumerate(one.values):
            if value is not None:
                half = one.half_widths[n]
                told = f"{labels[n]} · {one.name}: {fmt(value)}" + (
                    f" ± {fmt(half)}" if half else ""
                )
                out.append(
                    f'<circle class="dot s{number}" cx="{frame.x(n):.1f}" '
                    f'cy="{frame.y(value):.1f}" r="3"><title>{escape(told)}</title></circle>'
                )
    return "".join(out) + "</svg>"


def _band(frame: _Frame, one: Series, number: int) -> str:
    """The confidence band, a polygon for each run of known values."""
    out, upper, lower = "", [], []  # type: str, list[str], list[str]

    def close() -> str:
        shape = ""
        if len(upper) > 1:
            points = " ".join([*upper, *reversed(lower)])
            shape = f'<polygon class="band s{number}" points="{points}"/>'
        upper.clear()
        lower.clear()
        return shape

    for n, (value, half) in enumerate(zip(one.values, one.half_widths, strict=True)):
        if value is None or half is None or not math.isfinite(half):
            out += close()
            continue
        upper.append(f"{frame.x(n):.1f},{frame.y(value + half):.1f}")
        lower.append(f"{frame.x(n):.1f},{frame.y(value - half):.1f}")
    return out + close()


def bars(title: str, labels: Sequence[str], series: Sequence[Series], fmt: Format) -> str:
    """Bars side by side."""
    highest = max((v for s in series for v in s.values if v is not None), default=0.0)
    marks = ticks(highest)
    frame = _Frame(len(labels), marks[-1])
    out = [_open(title), *_axes(frame, marks, labels, fmt)]
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(labels))
    gap = min(2.0, slot * 0.1)
    width = max(1.0, min(26.0, slot * 0.78 / len(series) - gap))
    for number, one in enumerate(series):
        for n, value in enumerate(one.values):
            if value is None or value <= 0:
                continue
            left = frame.x(n) + (number - len(series) / 2) * (width + gap) + gap / 2
            y, base = frame.y(value), frame.y(0)
            round_ = min(3.0, width / 2, base - y)
            shape = (
                f"M{left:.1f} {base:.1f}V{y + round_:.1f}Q{left:.1f} {y:.1f} {left + round_:.1f} "
                f"{y:.1f}H{left + width - round_:.1f}Q{left + width:.1f} {y:.1f} "
                f"{left + width:.1f} {y + round_:.1f}V{base:.1f}Z"
            )
            told = f"{labels[n]} · {one.name}: {fmt(value)}"
            out.append(
                f'<path class="bar s{number}" d="{shape}"><title>{escape(told)}</title></path>'
            )
    return "".join(out) + "</svg>"

"""The report of a simulation as one HTML file that needs nothing from anywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from html import escape
from itertools import pairwise

from routing.hours import zone
from routing.ids import QueueId
from sim import charts
from sim.charts import Series
from sim.confidence import Estimate, estimate
from sim.figures import FIGURES, TOTAL, Study, change
from sim.report_style import STYLE
from sim.report_words import WORDS
from sim.scenario import Scenario

_TILES = ("offered", "service_level", "asa_s", "abandonment", "occupancy", "max_wait_s")
_GOOD_UP = {"service_level"}
_NEUTRAL = {"offered", "occupancy", "aht_s"}
_WAIT_EDGES_S = (0.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, math.inf)
_SHARES = {"service_level", "abandonment", "occupancy"}


def shown(figure: str, value: float | None) -> str:
    """A figure for people: shares in per cent, times in seconds or minutes."""
    if value is None or not math.isfinite(value):
        return "–"
    if figure in _SHARES:
        return f"{value * 100:.1f} %"
    if figure == "offered":
        return f"{value:,.0f}"
    if round(abs(value)) >= 60:
        minutes, seconds = divmod(round(abs(value)), 60)
        return f"{'-' if value < 0 else ''}{minutes}:{seconds:02d} min"
    return f"{value:.1f} s"


def shown_change(figure: str, found: Estimate) -> str:
    """A change with half of its interval; shares change by percentage points."""

    def text(value: float) -> str:
        return shown(figure, value).replace(" %", " pp")

    sign = "+" if found.mean > 0 else ""
    half = f" ±{text(found.half_width)}" if found.count > 1 else ""
    return f"{sign}{text(found.mean)}{half}"


def _tick(figure: str, value: float) -> str:
    """The same, short enough for an axis."""
    if figure in _SHARES:
        return f"{value * 100:.3g} %"
    if figure.endswith("_s") and value >= 120:
        return f"{int(value // 60)}:{round(value % 60):02d}"
    return f"{value:.3g} s" if figure.endswith("_s") else f"{value:.4g}"


def _half(figure: str, found: Estimate | None) -> str:
    if found is None or found.count < 2:
        return ""
    return f' <span class="pm">± {escape(shown(figure, found.half_width))}</span>'


class Report:
    """Builds the page for one study, or for two that met the same callers."""

    def __init__(self, studies: Sequence[Study], scenario: Scenario, lang: str) -> None:
        self._studies = studies
        self._scenario = scenario
        self._words = WORDS[lang]
        where = zone(studies[0].config.timezone)
        self._labels = [
            datetime.fromtimestamp(s, tz=where).strftime("%H:%M") for s in studies[0].starts()
        ]
        self._day = datetime.fromtimestamp(studies[0].starts()[0], tz=where).strftime("%Y-%m-%d")

    def html(self) -> str:
        """The whole page."""
        w = self._words
        names = [escape(s.name) for s in self._studies]
        against = f" <small>{w['compare']} {names[1]}</small>" if len(names) > 1 else ""
        facts = (
            f"{self._day} · {self._scenario.hours:g} {w['hours']} · "
            f"{len(self._studies[0].runs)} {w['runs']} · {w['seed']} {self._scenario.seed}"
        )
        body = [
            f'<header><p class="kicker">{w["subtitle"]}</p>'
            f"<h1>{w['title']}: {names[0]}{against}</h1>"
            f'<p class="facts">{escape(facts)}</p></header>',
            self._tiles(),
            self._queue_table(),
            *(self._charts(queue) for queue in self._shown_queues()),
            self._notes(),
        ]
        return (
            f'<!doctype html><html lang="{w["lang"]}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{w['title']}: {' / '.join(names)}</title><style>{STYLE}</style></head>"
            f"<body><main>{''.join(body)}</main></body></html>\n"
        )

    def _shown_queues(self) -> list[str]:
        queues = self._studies[0].queues()
        return [TOTAL, *(q for q in queues if q)] if len(queues) > 2 else [TOTAL]

    def _name(self, queue: str) -> str:
        if queue == TOTAL:
            return self._words["all"]
        for known in self._studies[0].config.queues:
            if known.id == QueueId(queue):
                return known.name or queue
        return queue

    def _tiles(self) -> str:
        out = []
        for figure in _TILES:
            mine = self._studies[0].estimate(TOTAL, figure)
            text = escape(shown(figure, mine.mean if mine else None))
            extra = _half(figure, mine)
            second = ""
            if len(self._studies) > 1:
                theirs = self._studies[1].estimate(TOTAL, figure)
                second = (
                    f'<p class="then">→ {escape(shown(figure, theirs.mean if theirs else None))} '
                    f"{self._change(TOTAL, figure)}</p>"
                )
            out.append(
                f'<div class="tile"><p class="label">{self._words[figure]}</p>'
                f'<p class="big">{text}{extra}</p>{second}</div>'
            )
        return f'<section class="tiles">{"".join(out)}</section>'

    def _change(self, queue: str, figure: str) -> str:
        """The change from the first to the second configuration, with a word on its certainty."""
        found = change(self._studies[0], self._studies[1], queue, figure)
        if found is None:
            return ""
        text = shown_change(figure, found)
        if found.count < 2 or found.holds(0.0):
            return f'<span class="chip" title="{self._words["unsure"]}">{escape(text)}</span>'
        kind = ""
        if figure not in _NEUTRAL:
            kind = "good" if (found.mean > 0) == (figure in _GOOD_UP) else "bad"
        arrow = "▲" if found.mean > 0 else "▼"
        return (
            f'<span class="chip {kind}" title="{self._words["sure"]}">{arrow} {escape(text)}</span>'
        )

    def _queue_table(self) -> str:
        w = self._words
        head = "".join(f"<th>{w[f]}</th>" for f in FIGURES)
        rows = []
        for queue in self._studies[0].queues():
            cells = []
            for figure in FIGURES:
                found = self._studies[0].estimate(queue, figure)
                cell = escape(shown(figure, found.mean if found else None)) + _half(figure, found)
                if len(self._studies) > 1:
                    cell += f"<br>{self._change(queue, figure)}"
                cells.append(f"<td>{cell}</td>")
            kind = ' class="total"' if queue == TOTAL else ""
            rows.append(f"<tr{kind}><th>{escape(self._name(queue))}</th>{''.join(cells)}</tr>")
        return (
            f'<section><h2>{w["by_queue"]}</h2><div class="scroll"><table><thead><tr>'
            f"<th>{w['queue']}</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            "</div></section>"
        )

    def _series(self, queue: str, figure: str) -> list[Series]:
        out = []
        for study in self._studies:
            found = [study.estimate(queue, figure, n) for n in range(len(self._labels))]
            halves = [
                e.half_width if e is not None and math.isfinite(e.half_width) else None
                for e in found
            ]
            out.append(Series(study.name, [e.mean if e else None for e in found], halves))
        return out

    def _charts(self, queue: str) -> str:
        w = self._words
        figures = []
        for figure in ("offered", "service_level", "asa_s", "abandonment", "occupancy"):
            series = self._series(queue, figure)
            title = w[figure]

            def fmt(value: float, figure: str = figure) -> str:
                return _tick(figure, value)

            if figure == "offered":
                drawing = charts.bars(title, self._labels, series[:1], fmt)
            else:
                top = 1.0 if figure in _SHARES else None
                drawing = charts.lines(title, self._labels, series, fmt, top)
            figures.append(f"<figure><figcaption>{title}</figcaption>{drawing}</figure>")
        figures.append(self._waits(queue))
        legend = ""
        if len(self._studies) > 1:
            legend = (
                '<p class="legend">'
                + "".join(
                    f'<span><i class="s{n}"></i>{escape(s.name)}</span>'
                    for n, s in enumerate(self._studies)
                )
                + "</p>"
            )
        return (
            f"<section><h2>{escape(self._name(queue))} <small>{w['by_interval']}</small></h2>"
            f'{legend}<div class="charts">{"".join(figures)}</div>'
            f"{self._interval_table(queue)}</section>"
        )

    def _waits(self, queue: str) -> str:
        w = self._words
        edges = _WAIT_EDGES_S
        labels = [f"{a:g}–{b:g}" if math.isfinite(b) else f"> {a:g}" for a, b in pairwise(edges)]
        series = []
        for study in self._studies:
            shares: list[list[float]] = [[] for _ in labels]
            for run in study.runs:
                waits = [r.wait_s for r in run.rows if queue in (TOTAL, r.queue)]
                for n, (low, high) in enumerate(pairwise(edges)):
                    inside = sum(low <= x < high for x in waits)
                    shares[n].append(inside / len(waits) if waits else 0.0)
            found = [estimate(s) for s in shares]
            series.append(
                Series(study.name, [e.mean if e else None for e in found], [None] * len(labels))
            )
        drawing = charts.bars(w["waits"], labels, series, lambda v: f"{v * 100:.0f} %")
        return f"<figure><figcaption>{w['waits']} (s)</figcaption>{drawing}</figure>"

    def _interval_table(self, queue: str) -> str:
        w = self._words
        head = "".join(f"<th>{w[f]}</th>" for f in FIGURES)
        rows = []
        for n, label in enumerate(self._labels):
            for study in self._studies:
                cells = ""
                for figure in FIGURES:
                    found = study.estimate(queue, figure, n)
                    text = escape(shown(figure, found.mean if found else None))
                    cells += f"<td>{text}{_half(figure, found)}</td>"
                name = f" <small>{escape(study.name)}</small>" if len(self._studies) > 1 else ""
                rows.append(f"<tr><th>{label}{name}</th>{cells}</tr>")
        summary = f"{w['table']} ({self._scenario.interval_minutes} {w['per_interval']})"
        return (
            f'<details><summary>{summary}</summary><div class="scroll"><table><thead><tr>'
            f"<th>{w['interval']}</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            "</div></details>"
        )

    def _notes(self) -> str:
        w = self._words
        notes = [w["note_ci"], w["note_sl"], w["note_occ"]]
        if len(self._studies) > 1:
            notes.insert(1, w["note_crn"])
        for study in self._studies:
            first = study.runs[0]
            notes.append(f"{w['note_hash']} ({study.name}): {first.journal_hash}")
            refused = sum(len(run.refused) for run in study.runs)
            if refused:
                notes.append(f"{w['note_refused']} ({study.name}): {refused}")
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        return f'<section class="notes"><h2>{w["how"]}</h2><ul>{items}</ul></section>'

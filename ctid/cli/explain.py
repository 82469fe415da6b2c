"""``ctid explain``: why each agent was or was not asked, at any moment of the journal."""

from __future__ import annotations

import argparse
import json
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ctid.cli import _common
from ctid.journal_source import JournalError, JournalSource
from ctid.past import Moment, Past
from routing.commands import Offer
from routing.explain import Candidate, Explanation
from routing.ids import InteractionId
from routing.plain import to_plain

_A_MOMENT = 1e9
"""Ranks above are Unix times."""


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "explain",
        help="why each agent was or was not asked",
        description="Rebuilds the past from the journal. Without --at it shows every decision "
        "about the interaction; with --at, that very moment.",
    )
    parser.add_argument("interaction", metavar="INTERACTION")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("-c", "--config", type=Path, metavar="FILE", help="ctid.toml")
    source.add_argument(
        "--journal", type=Path, metavar="FILE", help="ctid.db, or a journal as JSON lines"
    )
    parser.add_argument("--at", metavar="TIME", help="ISO 8601, for example 2026-11-22T09:00+08:00")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: argparse.Namespace) -> int:
    """0: explained; 1: the journal does not know the interaction; 2: it can not be read."""
    path: Path = args.journal
    if args.config is not None:
        settings = _common.load_settings(args.config)
        if settings is None:
            return 2
        path = settings.store.path
    try:
        until = _moment(args.at)
        source = JournalSource(path)
        past = Past(source)
        moments = list(past.moments(InteractionId(args.interaction), until))
    except (JournalError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if until is not None:
        shown = [m for m in moments[-1:] if m.before is not None]
    else:
        shown = [m for m in moments if m.decided or (m.after is not None and m.before is None)]
    if args.json:
        print(json.dumps([_as_data(m) for m in shown], ensure_ascii=False))
    else:
        for moment in shown:
            print("\n".join(_lines(moment)))
    if not shown:
        print(
            f"{path}: nothing is known of {args.interaction}"
            + (" waiting at that time" if until is not None else ""),
            file=sys.stderr,
        )
        return 1
    if past.refused or source.skipped:
        print(
            f"{past.refused} facts did not fit, {source.skipped} entries were not understood: "
            "the picture may be incomplete",
            file=sys.stderr,
        )
    return 0


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--at: {text!r} is no time; write 2026-11-22T09:00+08:00") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _clock(at: float | None) -> str:
    if at is None or not math.isfinite(at):
        return ""
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _told(moment: Moment) -> Explanation | None:
    # what mattered was the picture before the decision; an arrival has none before it
    return moment.before if moment.before is not None else moment.after


def _as_data(moment: Moment) -> dict[str, Any]:
    told = _told(moment)
    return {
        "at": _clock(moment.at),
        "fact": moment.fact,
        "asked": [t.agent for c in moment.commands if isinstance(c, Offer) for t in c.targets],
        "explanation": _finite(to_plain(told, full=True)) if told is not None else None,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(moment: Moment) -> list[str]:
    told = _told(moment)
    asked = [t.agent for c in moment.commands if isinstance(c, Offer) for t in c.targets]
    head = f"{_clock(moment.at)} {moment.fact or 'at this moment'}"
    if asked:
        head += f": asked {', '.join(asked)}"
    if told is None:
        return [head]
    place = f", position {told.position}" if told.position is not None else ""
    out = [head, f"  {told.state} in {told.queue} by {told.strategy}{place}"]
    if told.requirements:
        wanted = (
            f"{r.skill}>={r.level}" + ("" if r.required else " preferred")
            for r in told.requirements
        )
        until = f" until {_clock(told.relaxes_at)}" if told.relaxes_at is not None else ""
        out.append(f"  asks for {', '.join(wanted)}{until}")
    out += [f"  {_candidate(c)}" for c in told.candidates]
    return out


def _rank(value: float) -> str:
    # most strategies rank by a moment: who has been idle since then, and the like
    return _clock(value) if value >= _A_MOMENT else f"{value:g}"


def _candidate(candidate: Candidate) -> str:
    name = f"{candidate.agent} {candidate.name}".strip()
    if candidate.place is not None:
        told = [f"level {candidate.level}"]
        for what in ("penalty", "preferred_skills", "proficiency"):
            if value := getattr(candidate, what):
                told.append(f"{what.replace('_', ' ')} {value}")
        told.append(f"rank {', '.join(map(_rank, candidate.rank))}")
        return f"{candidate.place:>3}. {name} ({', '.join(told)})"
    reasons = []
    for reason in candidate.reasons:
        details = ", ".join(f"{k} {v}" for k, v in reason.details.items())
        text = reason.code + (f" ({details})" if details else "")
        change = f"; {reason.change}" if reason.change else ""
        when = f" by {_clock(reason.at)}" if reason.at is not None else ""
        reasons.append(text + change + when)
    return f"  - {name}: {' / '.join(reasons)}"

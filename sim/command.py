"""What ``ctid simulate`` and ``ctid replay`` do."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ctid import queues_file, toml_file
from ctid.clock import SystemClock
from ctid.journal_source import JournalError
from ctid.toml_file import ConfigFileError, Problem
from routing.estimate import QUANTILE
from routing.model import RoutingConfig
from sim import replay as replaying
from sim import scenario as scenarios
from sim.day import make_day, prepared
from sim.figures import FIGURES, TOTAL, Study, change, count, rows_of
from sim.report_html import Report, shown, shown_change
from sim.scenario import Arrivals, Distribution, Scenario
from sim.simulator import Simulation


def simulate(args: argparse.Namespace) -> int:
    """0: done; 2: the files or numbers cannot be used."""
    today = SystemClock().wall().date()
    try:
        configs = [(args.queues, _config(args.queues, today))]
        if args.against is not None:
            configs.append((args.against, _config(args.against, today)))
        scenario = _scenario(args, configs[0][1])
        _fits(scenario, args, configs)
        names = _names([path for path, _ in configs])
        studies = _run(list(zip(names, [c for _, c in configs], strict=True)), scenario, args.quiet)
        _write(args, studies, scenario)
    except ConfigFileError as error:
        colour = toml_file.wants_colour(sys.stderr)
        print(toml_file.format_problems(error.problems, colour=colour), file=sys.stderr)
        return 2
    except (JournalError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps([r for s in studies for r in rows_of(s)], ensure_ascii=False))
    else:
        show(studies)
    return 0


def replay(args: argparse.Namespace) -> int:
    """0: done; 2: the journal or the file cannot be used."""
    today = SystemClock().wall().date()
    try:
        compared = replaying.compare(
            args.journal,
            _config(args.config, today),
            since=replaying.moment(args.since),
            until=replaying.moment(args.until),
        )
    except ConfigFileError as error:
        colour = toml_file.wants_colour(sys.stderr)
        print(toml_file.format_problems(error.problems, colour=colour), file=sys.stderr)
        return 2
    except (JournalError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if args.csv is not None:
        rows = [c.as_row() for c in compared.calls]
        _csv(args.csv, rows, list(rows[0]) if rows else ["interaction"])
    if args.json:
        print(json.dumps(compared.as_data(), ensure_ascii=False))
    else:
        replaying.show(compared, args.limit)
    return 0


def _config(path: Path, today: date) -> RoutingConfig:
    return queues_file.load(path, today).config


def _names(paths: Sequence[Path]) -> list[str]:
    names = [p.stem for p in paths]
    if len(set(names)) < len(names):
        return [str(p) for p in paths]
    return names


def _scenario(args: argparse.Namespace, config: RoutingConfig) -> Scenario:
    """The scenario file with what the command line says instead."""
    scenario = scenarios.load(args.scenario) if args.scenario is not None else Scenario()
    wrong = [
        Problem("command line", 0, f"--{name.replace('_', '-')}", f"must be above 0, not {value:g}")
        for name in ("hours", "calls_per_hour", "talk_s", "patience_s", "replications")
        if (value := getattr(args, name)) is not None and not 0 < value < 1e6
    ]
    if args.seed is not None and args.seed < 0:
        wrong.append(Problem("command line", 0, "--seed", "must be 0 or more"))
    if wrong:
        raise ConfigFileError(wrong)
    update: dict[str, Any] = {}
    for name in ("hours", "replications", "seed"):
        if getattr(args, name) is not None:
            update[name] = getattr(args, name)
    if args.patience_s is not None:
        update["patience"] = Distribution(mean_s=args.patience_s)
    if args.talk_s is not None:
        talk = scenario.people.talk.model_copy(update={"mean_s": args.talk_s})
        update["people"] = scenario.people.model_copy(update={"talk": talk})
    if args.calls_per_hour is not None or not scenario.arrivals:
        per_hour = args.calls_per_hour or 60.0
        update["arrivals"] = [Arrivals(queue=q.id, per_hour=per_hour) for q in config.queues]
    return scenario.model_copy(update=update)


def _fits(
    scenario: Scenario, args: argparse.Namespace, configs: Sequence[tuple[Path, RoutingConfig]]
) -> None:
    """The names in the scenario must mean something in every configuration."""
    doc = toml_file.read(args.scenario) if args.scenario is not None else None
    problems = []
    for path, config in configs:
        queues = [q.id for q in config.queues]
        for n, arrivals in enumerate(scenario.arrivals):
            if arrivals.queue and arrivals.queue not in queues:
                message = f'queue "{arrivals.queue}" is not in {path}'
                hint = toml_file.nearest(arrivals.queue, queues)
                where = ("arrivals", n, "queue")
                problems.append(
                    doc.problem(where, message, hint)
                    if doc is not None
                    else Problem(str(path), 0, "", message, hint)
                )
        known = {"*", *(a.id for a in config.agents)}
        known |= {f"team:{t}" for a in config.agents for t in a.teams}
        for n, shift in enumerate(scenario.shifts):
            for agent in shift.agents:
                if agent not in known and doc is not None:
                    problems.append(
                        doc.problem(
                            ("shifts", n, "agents"),
                            f'"{agent}" is no agent and no team of {path}',
                            toml_file.nearest(agent, known),
                        )
                    )
    if problems:
        raise ConfigFileError(problems)


def _run(
    configs: Sequence[tuple[str, RoutingConfig]], scenario: Scenario, quiet: bool
) -> list[Study]:
    studies = [Study(name, prepared(config, scenario)) for name, config in configs]
    total = len(studies) * scenario.replications
    with _progress(quiet) as bar:
        task = bar.add_task("simulating", total=total) if bar is not None else None
        done = 0
        for replication in range(scenario.replications):
            for study in studies:
                day = make_day(study.config, scenario, replication)
                tell = _teller(bar, task, done)
                outcomes = Simulation(study.config, day, scenario, on_progress=tell).run()
                study.runs.append(count(study.config, scenario, outcomes))
                done += 1
    return studies


def _teller(bar: Progress | None, task: Any, done: int) -> Callable[[float], None] | None:
    if bar is None:
        return None
    return lambda share: bar.update(task, completed=done + share)


def _progress(quiet: bool) -> AbstractContextManager[Progress | None]:
    if quiet or not sys.stderr.isatty():
        return nullcontext(None)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _write(args: argparse.Namespace, studies: Sequence[Study], scenario: Scenario) -> None:
    if args.csv is not None:
        rows = [r for s in studies for r in rows_of(s)]
        _csv(args.csv, rows, list(rows[0]))
    if args.html is not None:
        args.html.write_text(Report(studies, scenario, args.lang).html(), encoding="utf-8")


def _csv(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    with open(path, "w", encoding="utf-8-sig", newline="") as stream:  # Excel needs the mark
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        for row in rows:
            # a name must not be taken for a formula by a spreadsheet
            writer.writerow({k: _cell(v) for k, v in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "=+-@\t\r":
        return "'" + value
    return value


def show(studies: Sequence[Study]) -> None:
    """The figures of the day by queue, as a table; with two configurations, the change."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title="by queue, with the half of the 95 % interval")
    table.add_column("queue")
    for figure in FIGURES:
        table.add_column(figure, justify="right")
    for queue in studies[0].queues():
        for study in studies:
            cells = []
            for figure in FIGURES:
                found = study.estimate(queue, figure)
                text = shown(figure, found.mean if found else None)
                if found is not None and math.isfinite(found.half_width):
                    text += f" ±{shown(figure, found.half_width)}"
                cells.append(text)
            name = queue or "all"
            table.add_row(f"{name} ({study.name})" if len(studies) > 1 else name, *cells)
        if len(studies) > 1:
            cells = []
            for figure in FIGURES:
                moved = change(studies[0], studies[1], queue, figure)
                sure = moved is not None and not moved.holds(0.0) and moved.count > 1
                text = shown_change(figure, moved) if moved else shown(figure, None)
                cells.append(f"[bold]{text}[/]" if sure else f"[dim]{text}[/]")
            table.add_row(f"{queue or 'all'}: change", *cells, end_section=True)
    console.print(table)
    for study in studies:
        for queue in study.queues():
            held = study.announced(queue, "coverage")
            off = study.announced(queue, "mean_absolute_error_s")
            if held is not None and off is not None:
                console.print(
                    f"{queue} ({study.name}): {held.mean:.0%} of the answered waited within what "
                    f"was announced (meant: {QUANTILE:.0%}), {off.mean:.0f} s off on average"
                )
    refused = [r for s in studies for run in s.runs for r in run.refused]
    if refused:
        console.print(f"[red]the engine refused facts, the first: {refused[0]}[/]")
    total = studies[0].values(TOTAL, "offered")
    console.print(
        f"{len(total)} replications, journal hash of the first {studies[0].runs[0].journal_hash}"
    )

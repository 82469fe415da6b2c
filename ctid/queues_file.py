"""``config/queues.toml``, the one truth of routing, read into a ``RoutingConfig``.

Every mistake is found at once: wrong TOML stops at its line; unknown keys, wrong kinds and values
(:mod:`ctid.queues_schema`) and names that lead nowhere (:mod:`ctid.queues_rules`) come together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from ctid import calendars, toml_file
from ctid.queues_rules import rule_problems
from ctid.queues_schema import file_model, to_data
from ctid.toml_file import ConfigFileError, Problem, TomlDoc
from routing.errors import RoutingError
from routing.model import RoutingConfig


@dataclass(frozen=True, slots=True)
class LoadedQueues:
    """A file that can be used. ``version`` is the beginning of the text's SHA-256."""

    doc: TomlDoc
    config: RoutingConfig
    version: str


def load(path: Path | str, today: date) -> LoadedQueues:
    """Read the file. ``today`` decides which years' public holidays are filled in.

    Raises :class:`ctid.toml_file.ConfigFileError` with every mistake.
    """
    return build(toml_file.read(path), today)


def parse(text: str, today: date, *, file: str = "queues.toml") -> LoadedQueues:
    """The same from text; ``file`` is the name that problems show."""
    return build(toml_file.parse_bytes(text.encode("utf-8", "surrogatepass"), file), today)


def build(doc: TomlDoc, today: date) -> LoadedQueues:
    """The configuration that a parsed file says. Raises ConfigFileError."""
    model = file_model(RoutingConfig)
    found: list[Problem] = []
    parsed = None
    try:
        parsed = model.model_validate(doc.data)
    except ValidationError as error:
        found += toml_file.problems_of(error, doc, model)
    found += rule_problems(doc)
    if parsed is None or found:
        raise ConfigFileError(_once(found))
    try:
        config = RoutingConfig.from_data(to_data(parsed))
    except RoutingError as error:
        raise ConfigFileError([Problem(doc.file, 0, "", str(error))]) from error
    return LoadedQueues(doc, calendars.filled(config, today), version_of(doc.text))


def version_of(text: str) -> str:
    """The version that a text has: the same text, the same version."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _once(found: list[Problem]) -> list[Problem]:
    """Sorted; a second complaint about the same key of the same line only repeats the first."""
    kept: dict[tuple[int, str, bool], Problem] = {}
    for problem in found:
        kept.setdefault((problem.line, problem.key, "missing" in problem.message), problem)
    return sorted(kept.values(), key=lambda p: (p.line, p.key))

"""Reads a TOML file into a pydantic model; every mistake names file, line, key and a way out.

``tomllib`` (the standard library) parses; :class:`LineIndex` finds where each key stands, which
``tomllib`` does not tell; pydantic checks. All problems of a file are reported at once.
Format: TOML 1.0.0, https://toml.io/en/v1.0.0.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ctid.toml_lines import LineIndex, TomlPath

MAX_BYTES = 16 * 1024 * 1024

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``line`` counts from 1 (0: the file as a whole); ``key`` is dotted."""

    file: str
    line: int
    key: str
    message: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        hint = f"; {self.hint}" if self.hint else ""
        kind = " warning:" if self.warning else ""
        return f"{where}:{kind}{key} {self.message}{hint}"


class ConfigFileError(Exception):
    """A configuration file that cannot be used. ``problems`` holds every mistake found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class TomlDoc:
    """A parsed file that still knows where each key stands."""

    file: str
    text: str
    data: dict[str, Any]
    lines: LineIndex

    def problem(
        self, path: TomlPath, message: str, hint: str = "", *, warning: bool = False
    ) -> Problem:
        """A :class:`Problem` at ``path``, or at the nearest key above it that is in the file."""
        return Problem(
            self.file, self.lines.line(path), dotted(path), message, hint, warning=warning
        )


def read(path: Path | str) -> TomlDoc:
    """Read and parse ``path``. Raises :class:`ConfigFileError`."""
    name = str(path)
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        why = error.strerror or str(error)
        hint = "check the path and that this user may read it"
        raise ConfigFileError([Problem(name, 0, "", f"cannot be read: {why}", hint)]) from error
    return parse_bytes(raw, name)


def parse_bytes(raw: bytes, file: str) -> TomlDoc:
    """Parse the bytes of a TOML file; ``file`` is the name that problems show."""
    if len(raw) > MAX_BYTES:
        raise ConfigFileError([Problem(file, 0, "", f"is larger than {MAX_BYTES >> 20} MiB")])
    if raw.startswith(b"\xef\xbb\xbf"):  # Windows editors write a byte order mark
        raw = raw[3:]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        hint = "save the file as UTF-8"
        raise ConfigFileError([Problem(file, line, "", "is not UTF-8", hint)]) from error
    return parse(text, file)


def parse(text: str, file: str) -> TomlDoc:
    """Parse TOML text. Raises :class:`ConfigFileError` with the line of the syntax error."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, message = _syntax_error(str(error), text)
        raise ConfigFileError([Problem(file, line, "", message)]) from error
    except RecursionError as error:
        raise ConfigFileError([Problem(file, 0, "", "is nested too deeply")]) from error
    return TomlDoc(file, text, data, LineIndex(text.replace("\r\n", "\n")))


def _syntax_error(message: str, text: str) -> tuple[int, str]:
    found = re.search(r"\(at line (\d+), column \d+\)", message)
    if found:
        return int(found[1]), "TOML syntax: " + message[: found.start()].strip()
    if "at end of document" in message:
        return text.count("\n") + 1, "TOML syntax: " + message.removesuffix(
            "(at end of document)"
        ).strip() + " at the end of the file"
    return 0, "TOML syntax: " + message


def validate(doc: TomlDoc, model: type[ModelT]) -> ModelT:
    """Check ``doc`` against ``model``; :class:`ConfigFileError` holds every problem, by line."""
    try:
        return model.model_validate(doc.data)
    except ValidationError as error:
        raise ConfigFileError(problems_of(error, doc, model)) from error


def load(path: Path | str, model: type[ModelT]) -> ModelT:
    """Read ``path`` into ``model``. Raises :class:`ConfigFileError`."""
    return validate(read(path), model)


def problems_of(error: ValidationError, doc: TomlDoc, model: type[BaseModel]) -> list[Problem]:
    """What pydantic found, said in the words of the file."""
    seen: dict[Problem, None] = {}
    for item in error.errors(include_url=False):
        path = doc.lines.locate(item["loc"], missing_leaf=item["type"] == "missing")
        message, hint = _explain(item["type"], item, path, model)
        seen[doc.problem(path, message, hint)] = None
    return sorted(seen, key=lambda p: (p.line, p.key))


def _explain(kind: str, item: Any, path: TomlPath, model: type[BaseModel]) -> tuple[str, str]:
    context = item.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(_field_names(model, path[:-1]))
        hint = nearest(str(path[-1]), known) if path else ""
        if not hint and known:
            hint = "known here: " + ", ".join(known)
        return "unknown key", hint
    if kind == "missing":
        return "is missing", "add it"
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        shown = "must be one of " + ", ".join(choices) + f", not {_shown(item['input'])}"
        return shown, nearest(str(item["input"]), choices)
    if kind == "value_error":
        return str(context.get("error", item["msg"])), ""
    message = item["msg"]
    message = message.removeprefix("Input should be ").removeprefix("Value error, ")
    if message != item["msg"]:
        message = "must be " + message
    return f"{message}, not {_shown(item['input'])}", ""


def _shown(value: Any) -> str:
    text = ascii(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(word: str, choices: Iterable[str]) -> str:
    """``did you mean "x"?`` for the choice that ``word`` most likely stands for, or nothing."""
    options = list(choices)
    lowered = {option.lower().replace("-", "_"): option for option in options}
    wanted = word.lower().replace("-", "_").replace(" ", "_")
    found = difflib.get_close_matches(wanted, lowered, n=1, cutoff=0.6 if len(wanted) > 3 else 0.5)
    return f'did you mean "{lowered[found[0]]}"?' if found else ""


def _field_names(model: type[BaseModel], path: TomlPath) -> set[str]:
    """Names of the keys that may stand at ``path`` of a file of ``model``."""
    kinds: list[Any] = [model]
    for part in path:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    names: set[str] = set()
    for kind in kinds:
        if _is_model(kind):
            names.update(_key(name, field) for name, field in kind.model_fields.items())
    return names


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _unwrap(kind: Any) -> list[Any]:
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _unwrap(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return [inner for arg in typing.get_args(kind) for inner in _unwrap(arg)]
    return [kind]


def _inside(kind: Any, part: str | int) -> list[Any]:
    """The types a value may have that stands under ``part`` in a value of type ``kind``."""
    if _is_model(kind):
        for name, field in kind.model_fields.items():
            if _key(name, field) == part:
                return _unwrap(field.annotation)
        return []
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is dict and len(arguments) == 2:
        return _unwrap(arguments[1])
    if typing.get_origin(kind) in (list, tuple, set, frozenset) and arguments:
        return _unwrap(arguments[0])
    return []


def dotted(path: TomlPath) -> str:
    """``("queues", "news desk", 0)`` -> ``queues."news desk"[0]``; control characters escaped."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
            continue
        bare = re.fullmatch(r"[A-Za-z0-9_-]+", part) is not None
        text = part if bare else '"' + part.encode("unicode_escape").decode() + '"'
        if not bare and part.isprintable():
            text = f'"{part}"'
        out += ("." if out else "") + text
    return out


def wants_colour(stream: TextIO) -> bool:
    """Whether to colour: only a terminal, and not where NO_COLOR (no-color.org) is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def format_problems(problems: Iterable[Problem], *, colour: bool = False) -> str:
    """One line each, sorted by file and line; ready to print."""
    lines = []
    for p in sorted(problems, key=lambda p: (p.file, p.line, p.key, p.message)):
        if not colour:
            lines.append(str(p))
            continue
        where = f"{p.file}:{p.line}" if p.line else p.file
        kind = "\x1b[33mwarning\x1b[0m" if p.warning else "\x1b[31merror\x1b[0m"
        key = f" \x1b[1m{p.key}\x1b[0m:" if p.key else ""
        hint = f"; \x1b[36m{p.hint}\x1b[0m" if p.hint else ""
        lines.append(f"\x1b[2m{where}:\x1b[0m {kind}:{key} {p.message}{hint}")
    return "\n".join(lines)

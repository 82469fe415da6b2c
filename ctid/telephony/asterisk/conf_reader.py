"""Asterisk's ``.conf`` files as sections of options, read with pyst2's configuration reader.

Templates (``[x](!)``, ``[y](x)``), comments over several lines and unreadable lines are dealt with
before, because that reader does not know them; ``#include`` is reported, not followed.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asterisk.config import Config, ParseError

from ctid.toml_file import ConfigFileError, Problem

MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Option:
    """``name = value`` in a line of the file."""

    name: str
    value: str
    line: int


@dataclass(slots=True)
class Section:
    """``[name]`` and its options, those of its templates first."""

    name: str
    line: int
    options: list[Option]

    def last(self, name: str) -> Option | None:
        """The last of that name counts, as in Asterisk."""
        return next((o for o in reversed(self.options) if o.name == name), None)


def directives(path: Path) -> list[Option]:
    """``#include`` and ``#exec``: other files are not read, which has to be said."""
    lines = _text(path).splitlines()
    return [
        Option(line.split()[0], line.strip(), number)
        for number, line in enumerate(lines, 1)
        if line.lstrip().startswith("#")
    ]


def sections(path: Path) -> list[Section]:
    """All sections that are no templates. Raises ConfigFileError with every unreadable line."""
    text = _text(path)
    plain = _plain(text, str(path))
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as copy:
        copy.write(plain)
        copy.flush()
        try:
            config = Config(copy.name)
        except (ParseError, ValueError, IndexError) as error:
            problem = Problem(str(path), 0, "", f"not a .conf file: {error}")
            raise ConfigFileError([problem]) from error
    return _inherited(config.categories, text)


def _text(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "check the path and that this user may read it"
        why = f"cannot be read: {error.strerror}"
        raise ConfigFileError([Problem(str(path), 0, "", why, hint)]) from error
    if len(raw) > MAX_BYTES:
        raise ConfigFileError([Problem(str(path), 0, "", "is larger than 4 MiB")])
    return _decoded(raw)


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _plain(text: str, file: str) -> str:
    """The text without what pyst2's reader does not know; lines keep their numbers."""
    problems = []
    out = []
    comment = False
    for number, line in enumerate(text.splitlines(), 1):
        code, comment = _without_comments(line, comment)
        code = code.replace("\\;", " ").strip()
        if code.startswith("#"):
            code = ""  # see directives
        section = re.fullmatch(r"\[([^\]]*)\]\s*(?:\([^)]*\))?", code)
        if section is not None:
            code = f"[{section[1]}]"
        elif code and "=" not in code:
            problems.append(
                Problem(file, number, "", f"is neither [section] nor name = value: {code[:40]!r}")
            )
            code = ""
        out.append(code)
    if problems:
        raise ConfigFileError(problems)
    return "\n".join(out) + "\n"


def _without_comments(line: str, inside: bool) -> tuple[str, bool]:
    """``;`` to the end of the line, and ``;-- ... --;`` over several."""
    out = ""
    at = 0
    while at < len(line):
        if inside:
            end = line.find("--;", at)
            if end < 0:
                return out, True
            at, inside = end + 3, False
        elif line.startswith(";--", at) and not line.startswith(";---", at):
            at, inside = at + 3, True
        elif line[at] == ";" and (at == 0 or line[at - 1] != "\\"):
            break
        else:
            out += line[at]
            at += 1
    return out, inside


def _inherited(categories: Any, text: str) -> list[Section]:
    """Sections with what their templates give them first; templates themselves are left out."""
    heads = {}
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[([^\]]*)\]\s*\(([^)]*)\)", line)
        if head:
            heads[number] = [part.strip() for part in head[2].split(",") if part.strip()]
    known: dict[str, list[Option]] = {}
    out: list[Section] = []
    for category in categories:
        marks = heads.get(category.number, [])
        options = [o for mark in marks for o in known.get(mark.lstrip("+"), [])]
        options += [Option(i.name.lower(), i.value.strip(), i.number) for i in category.items]
        if "+" in marks and category.name in known:
            known[category.name] += options
            continue
        known[category.name] = options
        if "!" not in marks:
            out.append(Section(category.name, category.number, options))
    return out

"""Where each key of a TOML text stands.

The text is known to be valid (``tomllib`` has parsed it), so this only has to find its way through
it: keys, table headers, strings, arrays and inline tables (TOML 1.0.0, sections "Keys" to
"Array of Tables").
"""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Sequence

TomlPath = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"""+', re.DOTALL),
    re.compile(r"'''.*?'''+", re.DOTALL),
    re.compile(r'"(?:[^"\\]|\\.)*"'),
    re.compile(r"'[^']*'"),
)


class LineIndex:
    """Maps paths such as ``("queues", "news", "strategy")`` or ``("x", 0)`` to line numbers."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0] + [m.end() for m in re.finditer("\n", text)]
        self._lines: dict[TomlPath, int] = {}
        self._tables: dict[TomlPath, int] = {}  # arrays of tables: how many elements so far
        self._scan()

    def line(self, path: TomlPath) -> int:
        """Line of ``path``, else of the nearest key above it; 0 when there is none."""
        for end in range(len(path), 0, -1):
            found = self._lines.get(path[:end])
            if found is not None:
                return found
        return 0

    def locate(self, loc: Sequence[str | int], *, missing_leaf: bool = False) -> TomlPath:
        """The path in the file that a pydantic ``loc`` means.

        Pydantic puts names of union branches into ``loc``; they are not keys, so they are left
        out. With ``missing_leaf`` the last part is kept though it is not in the file.
        """
        path: TomlPath = ()
        last = len(loc) - 1
        for i, part in enumerate(loc):
            longer = (*path, part)
            if longer in self._lines or (missing_leaf and i == last):
                path = longer
        return path

    # -- scanning --------------------------------------------------------------------------------

    def _mark(self, path: TomlPath, at: int) -> None:
        for end in range(1, len(path) + 1):
            self._lines.setdefault(path[:end], bisect.bisect_right(self._starts, at))

    def _scan(self) -> None:
        at, table = 0, ()  # type: int, TomlPath
        while (at := self._skip(_VOID, at)) < len(self._text):
            if self._text[at] == "[":
                at, table = self._header(at)
            else:
                at = self._pair(at, table)

    def _skip(self, pattern: re.Pattern[str], at: int) -> int:
        found = pattern.match(self._text, at)
        return found.end() if found else at

    def _header(self, at: int) -> tuple[int, TomlPath]:
        start = at
        array = self._text.startswith("[[", at)
        keys, at = self._key(at + (2 if array else 1))
        path: TomlPath = ()
        for key in keys[:-1]:
            path = self._last_element((*path, key))
        path = (*path, keys[-1])
        if array:
            index = self._tables.get(path, 0)
            self._tables[path] = index + 1
            self._mark(path, start)
            path = (*path, index)
        else:
            path = self._last_element(path)
        # a table may have been named by a subtable's header first: its own header is the place
        self._mark(path, start)
        self._lines[path] = bisect.bisect_right(self._starts, start)
        return self._skip(_BLANK, at) + (2 if array else 1), path

    def _last_element(self, path: TomlPath) -> TomlPath:
        count = self._tables.get(path)
        return (*path, count - 1) if count else path

    def _key(self, at: int) -> tuple[list[str], int]:
        keys: list[str] = []
        while True:
            at = self._skip(_BLANK, at)
            if self._text[at] in "\"'":
                end = self._string_end(at)
                keys.append(tomllib.loads("k = " + self._text[at:end])["k"])
                at = end
            else:
                end = self._skip(_BARE_KEY, at)
                keys.append(self._text[at:end])
                at = end
            at = self._skip(_BLANK, at)
            if not self._text.startswith(".", at):
                return keys, at
            at += 1

    def _string_end(self, at: int) -> int:
        for pattern in _STRINGS:
            found = pattern.match(self._text, at)
            if found:
                return found.end()
        raise ValueError(f"no string at {at}")  # tomllib would have refused the text

    def _pair(self, at: int, table: TomlPath) -> int:
        keys, after = self._key(at)
        path = (*table, *keys)
        self._mark(path, at)
        after = self._skip(_BLANK, after + 1)  # over the "="
        return self._value(after, path)

    def _value(self, at: int, path: TomlPath) -> int:
        first = self._text[at]
        if first in "\"'":
            return self._string_end(at)
        if first == "[":
            return self._array(at + 1, path)
        if first == "{":
            return self._inline_table(at + 1, path)
        return self._skip(_SCALAR, at)

    def _array(self, at: int, path: TomlPath) -> int:
        index = 0
        while True:
            at = self._skip(_VOID, at)
            if self._text[at] == "]":
                return at + 1
            if self._text[at] == ",":
                at += 1
                continue
            element = (*path, index)
            self._mark(element, at)
            at = self._value(at, element)
            index += 1

    def _inline_table(self, at: int, path: TomlPath) -> int:
        while True:
            at = self._skip(_VOID, at)
            if self._text[at] == "}":
                return at + 1
            if self._text[at] == ",":
                at += 1
                continue
            at = self._pair(at, path)

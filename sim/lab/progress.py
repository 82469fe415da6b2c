"""Progress on a terminal as one bar, anywhere else as plain lines.

Standard library only: the set-up scripts use it before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO


class Progress:
    """Says what is going on and how far it is.

    On a terminal there is one line that is overwritten, with a bar; elsewhere each step is one
    line, without control characters, and percentages are not repeated. Colours only on a terminal
    and only if ``NO_COLOR`` is not set.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._tty = self._out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._colour = self._tty and "NO_COLOR" not in os.environ
        self._step = ""
        self._open = False

    def step(self, text: str) -> None:
        """Start a step, e.g. ``fetching packages``; the one before it is finished."""
        self.close()
        self._step = text
        if self._quiet:
            return
        if self._tty:
            self._draw(None)
        else:
            self._write(f"{text} ...\n")

    def update(self, fraction: float) -> None:
        """How much of the current step is done, 0.0 to 1.0. Shown on terminals only."""
        if self._tty and not self._quiet:
            self._draw(min(1.0, max(0.0, fraction)))

    def close(self) -> None:
        """Finish the current step's line."""
        if self._open:
            self._write("\n")
            self._open = False

    def note(self, text: str, *, good: bool = True) -> None:
        """A line that stays: a result or a warning."""
        self.close()
        if self._quiet and good:
            return
        if self._colour:
            text = f"\x1b[{32 if good else 31}m{text}\x1b[0m"
        self._write(text + "\n")

    def _draw(self, fraction: float | None) -> None:
        columns = shutil.get_terminal_size().columns
        line = self._step
        if fraction is not None:
            width = max(0, min(30, columns - len(self._step) - 10))
            full = round(width * fraction)
            line = f"{self._step} [{'#' * full}{'.' * (width - full)}] {fraction:4.0%}"
        self._write("\r\x1b[K" + line[: max(1, columns - 1)])
        self._open = True

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

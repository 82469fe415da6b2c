"""Where files wait on their way in or out of the CRM: they hold personal data.

A folder beside the store that only this user can read. It is emptied at the start and at the end of
the server, so that what a crash left does not stay.
"""

from __future__ import annotations

import shutil
from pathlib import Path


class Passage:
    """The folder of one store. Blocking: clear it in a thread."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(f"{store.name}.passage")

    def folder(self) -> Path:
        """The folder, made if it is not there."""
        self._path.mkdir(mode=0o700, exist_ok=True)
        return self._path

    def clear(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self._path, ignore_errors=True)

"""Where a system tool is: on PATH, or unpacked by ``sim/setup.sh`` without root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def default_base_dir() -> Path:
    """``CTID_LAB_DIR``, else ``.asterisk`` in the repository."""
    return Path(os.environ.get("CTID_LAB_DIR") or REPOSITORY / ".asterisk")


def find_tool(*names: str) -> str | None:
    """Path of the first of these programs that is there."""
    for name in names:
        found = shutil.which(name) or shutil.which(
            name, path=str(default_base_dir() / "tools" / "bin")
        )
        if found:
            return found
    return None

"""``python -m ctid`` and the ``ctid`` command."""

from __future__ import annotations

import sys

from ctid.cli import main

if __name__ == "__main__":
    sys.exit(main())

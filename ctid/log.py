"""Structured logs: JSON lines for machines, coloured lines for people at a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_PHONE_KEYS = frozenset({"number", "caller", "phone_number", "to", "from_number", "did_raw"})


def mask(number: str) -> str:
    """A phone number with all but the first three and last four digits hidden."""
    if len(number) <= 4:
        return number
    head = number[:3] if len(number) > 7 else ""
    return head + "*" * (len(number) - len(head) - 4) + number[-4:]


def _mask_numbers(
    _logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Phone numbers are personal data: shown whole only at debug level."""
    if method != "debug":
        for key in _PHONE_KEYS & event.keys():
            value = event[key]
            if isinstance(value, str):
                event[key] = mask(value)
    return event


def configure(level: str = "info", style: str = "auto") -> None:
    """Set the process's logging up.

    ``level``: debug, info, warning, error. ``style``: json, console, or auto (console when the
    error stream is a terminal). Lines go to standard error, where systemd's journal takes them.
    """
    terminal = sys.stderr.isatty()
    console = style == "console" or (style == "auto" and terminal)
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            # the richer formatter prints local variables: numbers and passwords among them
            colors=terminal,
            exception_formatter=structlog.dev.plain_traceback,
        )
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_numbers,
    ]
    if not console:
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # libraries that log through the standard library join at warning and above
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="%(message)s")

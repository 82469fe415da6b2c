"""Errors of the routing core. Each message says what to do next."""

from __future__ import annotations


class RoutingError(Exception):
    """Base of the routing core's errors."""


class FactError(RoutingError, ValueError):
    """A fact that cannot be: refused when it is built."""


class ConfigError(RoutingError, ValueError):
    """A routing configuration that cannot be. ``problems`` holds all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class UnknownTransition(RoutingError):
    """A fact that the transition table does not know in this state. Nothing was changed."""

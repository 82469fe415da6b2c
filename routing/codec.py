"""Facts and commands as JSON objects: ``{"t": class name, field: value, ...}``.

Fields that hold their default are left out. Used by the journal, by replay and in tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routing import commands as _commands
from routing import control_facts as _control_facts
from routing import facts as _facts
from routing.commands import Command
from routing.facts import Fact
from routing.plain import PlainError, from_plain, to_plain


def _kinds(module: Any, base: type) -> dict[str, type]:
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    }


FACTS: dict[str, type] = _kinds(_facts, Fact) | _kinds(_control_facts, Fact)
COMMANDS: dict[str, type] = _kinds(_commands, Command)


def fact_to_json(fact: Fact) -> dict[str, Any]:
    """The fact as a JSON object."""
    return {"t": type(fact).__name__, **to_plain(fact)}


def fact_from_json(data: Mapping[str, Any]) -> Fact:
    """The fact of a JSON object. Raises PlainError or FactError when it cannot be one."""
    fact: Fact = _read(FACTS, data)
    return fact


def command_to_json(command: Command) -> dict[str, Any]:
    """The command as a JSON object."""
    return {"t": type(command).__name__, **to_plain(command)}


def command_from_json(data: Mapping[str, Any]) -> Command:
    """The command of a JSON object. Raises PlainError when it cannot be one."""
    command: Command = _read(COMMANDS, data)
    return command


def _read(kinds: Mapping[str, type], data: Mapping[str, Any]) -> Any:
    fields = dict(data)
    name = fields.pop("t", None)
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise PlainError(f"t: {name!r} is none of {', '.join(sorted(kinds))}")
    return from_plain(kind, fields)

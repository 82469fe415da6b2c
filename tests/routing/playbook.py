"""Plays for the engine: facts go in, commands are compared, time is passed in.

    play(engine, '''
        at 10
        >> InteractionArrived interaction=i1 caller=138 did=100
        << Offer interaction=i1 targets=1001
    ''')

After a fact (``>>``) all its commands must follow (``<<``) in order; of each only the named fields
are compared. Timers, music, look-ups and Answer are left out unless the play mentions their kind.
``!!`` after a fact: it is refused, and nothing changes.
"""

from __future__ import annotations

from typing import Any

import pytest

from routing import commands as _commands
from routing.codec import fact_from_json
from routing.commands import Command
from routing.engine import Engine
from routing.errors import RoutingError

QUIET = {"LookUpCustomer", "StartTimer", "CancelTimer", "Answer", "StartMusic"}


def play(engine: Engine, text: str, now: float = 1_000_000.0) -> list[Command]:
    """Play ``text``; ``at`` counts from ``now``. Returns every command."""
    lines = [line.strip() for line in text.strip().splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    quiet = QUIET - {line.split()[1] for line in lines if line.startswith("<<")}
    at = 0.0
    every: list[Command] = []
    got: list[Command] = []
    where = "the beginning"
    for line in lines:
        if line.startswith("<<"):
            assert got, f"after {where}: nothing (more) was commanded, but expected {line}"
            _compare(got.pop(0), line, where)
            continue
        assert not got, f"after {where}: also {got}"
        where = line
        if line.startswith("at "):
            at = float(line[3:])
            continue
        refused = line.endswith("!!")
        words = line.removesuffix("!!").split()
        assert words[0] == ">>", line
        fact = fact_from_json(_fields(words[1], words[2:]))
        if refused:
            before = picture(engine)
            with pytest.raises(RoutingError):
                engine.handle(fact, now + at)
            assert picture(engine) == before
            continue
        commands = engine.handle(fact, now + at)
        every += commands
        got = [c for c in commands if type(c).__name__ not in quiet]
    assert not got, f"after {where}: also {got}"
    return every


def picture(engine: Engine) -> Any:
    """Everything that can be seen of an engine."""
    live = engine.live_interactions()
    return (
        engine.agents(),
        live,
        [engine.snapshot(v.id) for v in live],
        [engine.snapshot_agent(a.id) for a in engine.agents()],
    )


_KINDS: dict[str, Any] = {
    "known": lambda v: v == "yes",
    "present": lambda v: v == "yes",
    "answered": lambda v: v == "yes",
    "hold": lambda v: v == "yes",
    "held": lambda v: v == "yes",
    "at_phone": lambda v: v == "yes",
    "outside": lambda v: v == "yes",
    "connected": lambda v: v == "yes",
    "mute": lambda v: v == "yes",
    "muted": lambda v: v == "yes",
    "suspended": lambda v: v == "yes",
    "conference": lambda v: v == "yes",
    "caller": lambda v: {"number": v},
    "cause": int,
    "extra_s": float,
    "not_before": float,
    "attributes": lambda v: dict(pair.split(":") for pair in v.split(",")),
}


def _fields(kind: str, words: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {"t": kind}
    for word in words:
        name, _, value = word.partition("=")
        out[name] = _KINDS.get(name, str)(value)
    return out


def _compare(command: Command, line: str, where: str) -> None:
    words = line.split()
    assert hasattr(_commands, words[1]), f"no such command: {words[1]}"
    found = type(command).__name__
    assert found == words[1], f"after {where}: {command}, expected {line}"
    for word in words[2:]:
        name, _, value = word.partition("=")
        assert text_of(_get(command, name)) == value, f"after {where}: {command}, expected {line}"


def _get(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name)
    return value


def text_of(value: Any) -> str:
    """A field as plays write it: targets by agent, prompts by value, lists by comma."""
    if isinstance(value, tuple):
        return ",".join(text_of(v) for v in value)
    for name in ("agent", "number"):
        if hasattr(value, name) and not isinstance(value, str):
            return text_of(getattr(value, name))
    if type(value).__name__ == "Prompt":
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)

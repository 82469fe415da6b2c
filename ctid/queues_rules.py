"""What must hold between the parts of ``queues.toml``: names that lead somewhere, sound values.

Works on the raw data of the file, so that it still finds these mistakes when others are there too.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from ctid import calendars
from ctid.queues_schema import bare, key_of, keyed, spelled_out
from ctid.toml_file import Problem, TomlDoc, nearest
from ctid.toml_lines import TomlPath
from routing import model as m
from routing.ids import FlowId, QueueId, SkillId

_BY_TYPE: dict[Any, str] = {QueueId: "queues", FlowId: "flows", SkillId: "skills"}
_BY_FIELD = {
    (m.Queue, "hours"): "hours",
    (m.Step, "hours"): "hours",
    (m.CallbackPolicy, "hours"): "hours",
    (m.Agent, "teams"): "teams",
    (m.Queue, "teams"): "teams",
    (m.Queue, "dispositions"): "dispositions",
    (m.NoAnswer, "pause_reason"): "pause_reasons",
    (m.Hours, "holidays"): "calendars",
}
_SINGULAR = {
    "queues": "queue",
    "flows": "flow",
    "skills": "skill",
    "hours": "hours",
    "teams": "team",
    "dispositions": "disposition",
    "pause_reasons": "pause reason",
    "calendars": "calendar",
}
_OF_STEP: dict[str, tuple[str, ...]] = {
    "hours": ("hours", "closed", "holiday"),
    "menu": (
        *("prompts", "choices", "max_digits", "timeout_s", "attempts", "invalid", "silence"),
        "otherwise",
    ),
    "survey": (
        *("question", "keys", "prompts", "timeout_s", "attempts", "invalid", "silence"),
        "otherwise",
    ),
    "announcement": ("prompts",),
    "queue": ("queue", "priority", "skills", "language"),
    "external": ("number", "ring_timeout_s", "otherwise"),
    "voice_message": ("prompts", "max_s", "queue", "otherwise"),
    "callback": ("queue", "prompts", "otherwise"),
    "set": ("language", "priority", "skills"),
    "go": ("flow",),
    "release": ("prompts", "cause"),
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "hours": ("hours", "closed"),
    "menu": ("prompts", "choices"),
    "survey": ("question", "prompts"),
    "announcement": ("prompts",),
    "queue": ("queue",),
    "external": ("number",),
    "callback": ("queue",),
    "go": ("flow",),
}

Found = Iterator[Problem]


def rule_problems(doc: TomlDoc) -> list[Problem]:
    """Every reference that leads nowhere and every value that contradicts another."""
    rules = _Rules(doc)
    found = list(rules.walk(m.RoutingConfig, doc.data, ()))
    found += rules.entries()
    return found


class _Rules:
    def __init__(self, doc: TomlDoc) -> None:
        self._doc = doc
        self._known: dict[str, list[str]] = {}
        for kind in _SINGULAR:
            table = doc.data.get(kind)
            self._known[kind] = list(table) if isinstance(table, dict) else []
        self._known["calendars"] += calendars.BUILT_IN

    def walk(self, cls: type, raw: Any, path: TomlPath) -> Found:
        """Problems of ``raw``, which stands for a ``cls`` at ``path``. Wrong kinds are skipped."""
        try:
            raw = spelled_out(cls, raw)
        except ValueError:
            return
        if not isinstance(raw, dict):
            return
        hints = typing.get_type_hints(cls)
        for f in dataclasses.fields(cls):
            key = key_of(cls, f.name)
            if key in raw:
                # a flow may be the list of its steps, which then have no key "steps"
                inner = path if cls is m.Flow and key not in self._at(path) else (*path, key)
                yield from self._value(cls, f.name, hints[f.name], raw[key], inner)
        check = _CHECKS.get(cls)
        if check is not None:
            yield from check(self, raw, path)

    def _at(self, path: TomlPath) -> Any:
        value: Any = self._doc.data
        for part in path:
            value = value[part]
        return value if isinstance(value, dict) else {}

    def _value(self, owner: type, name: str, hint: Any, raw: Any, path: TomlPath) -> Found:
        thing = keyed(hint)
        if thing is not None:
            for key, item in raw.items() if isinstance(raw, dict) else ():
                yield from self.walk(thing, item, (*path, key))
            return
        kind = self._kind(owner, name, hint)
        if kind is not None:
            yield from self._reference(kind, raw, path)
            return
        hint = bare(hint)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is tuple:
            for n, item in enumerate(raw if isinstance(raw, list) else ()):
                yield from self._value(owner, name, arguments[0], item, (*path, n))
        elif origin is not None and issubclass(origin, Mapping):
            key_kind = _BY_TYPE.get(arguments[0])
            for key in raw if isinstance(raw, dict) and key_kind else ():
                yield from self._reference(str(key_kind), key, (*path, key))
        elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from self.walk(hint, raw, path)

    def _kind(self, owner: type, name: str, hint: Any) -> str | None:
        """The table that a text at this place must name something of, if any."""
        some = [a for a in typing.get_args(hint) if a is not type(None)]
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            hint = some[0]
        if hint is str:
            return _BY_FIELD.get((owner, name))
        return _BY_TYPE.get(hint)

    def _reference(self, kind: str, raw: Any, path: TomlPath) -> Found:
        known = self._known[kind]
        if not isinstance(raw, str) or raw in known or not raw:
            return
        what = _SINGULAR[kind]
        hint = nearest(raw, known) or f"define it as [{kind}.{raw}] or name another"
        yield self._doc.problem(path, f'{what} "{raw}" does not exist', hint)

    def problem(self, path: TomlPath, message: str, hint: str = "") -> Problem:
        """A problem at ``path`` of this file."""
        return self._doc.problem(path, message, hint)

    def entries(self) -> Found:
        """Dialled numbers that stand twice."""
        first: dict[str, int] = {}
        listed = self._doc.data.get("entries")
        for n, entry in enumerate(listed if isinstance(listed, list) else ()):
            did = entry.get("did") if isinstance(entry, dict) else None
            if not isinstance(did, str):
                continue
            if did in first:
                line = self._doc.lines.line(("entries", first[did]))
                yield self.problem(
                    ("entries", n, "did"), f'"{did}" stands already in line {line}', "keep one"
                )
            first.setdefault(did, n)


# --- one class at a time -------------------------------------------------------------------------


def _numbers(values: Any) -> list[float]:
    return [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]


def _ascending(rules: _Rules, raw: dict[str, Any], key: str, path: TomlPath) -> Found:
    steps = raw.get(key)
    before = -1.0
    for n, step in enumerate(steps if isinstance(steps, list) else ()):
        after = step.get("after_s") if isinstance(step, dict) else None
        if isinstance(after, bool) or not isinstance(after, int | float):
            continue
        if after <= before:
            yield rules.problem(
                (*path, key, n, "after_s"), "must be later than the step before", "sort the steps"
            )
        before = after


def _queue(rules: _Rules, raw: dict[str, Any], path: TomlPath) -> Found:
    yield from _ascending(rules, raw, "relax", path)
    yield from _ascending(rules, raw, "penalty_steps", path)
    wrap_up, most = raw.get("wrap_up_s", 0.0), raw.get("wrap_up_max_s", 300.0)
    if len(_numbers([wrap_up, most])) == 2 and most < wrap_up:
        key = "wrap_up_max_s" if "wrap_up_max_s" in raw else "wrap_up_s"
        yield rules.problem(
            (*path, key), f"wrap_up_max_s ({most:g}) is below wrap_up_s ({wrap_up:g})", "raise it"
        )
    if raw.get("level_advance") == "after_wait" and not raw.get("level_wait_s"):
        yield rules.problem(
            (*path, "level_advance"), '"after_wait" needs level_wait_s', "add level_wait_s"
        )
    pressed: set[str] = set()
    rules_of_queue = raw.get("overflow")
    for n, rule in enumerate(rules_of_queue if isinstance(rules_of_queue, list) else ()):
        digit = rule.get("digit") if isinstance(rule, dict) else None
        if isinstance(digit, str) and digit in pressed:
            yield rules.problem((*path, "overflow", n, "digit"), f"{digit!r} is taken already")
        if isinstance(digit, str):
            pressed.add(digit)


def _overflow(rules: _Rules, raw: dict[str, Any], path: TomlPath) -> Found:
    reason = raw.get("reason")
    units = {
        "wait": "seconds",
        "ewt": "seconds",
        "length": "callers",
        "ratio": "callers for each agent",
    }
    if reason in units and not raw.get("limit"):
        unit = units[reason]
        yield rules.problem(
            (*path, "reason"), f'"{reason}" needs a limit above 0', f"add limit = ... ({unit})"
        )
    if reason == "digit" and not raw.get("digit"):
        yield rules.problem((*path, "reason"), '"digit" needs the digit', 'add digit = "1"')
    if reason != "digit" and "digit" in raw:
        yield rules.problem((*path, "digit"), 'belongs to reason = "digit" only', "remove it")


def _penalty_step(rules: _Rules, raw: dict[str, Any], path: TomlPath) -> Found:
    least, most = raw.get("min_penalty", 0), raw.get("max_penalty")
    if len(_numbers([least, most])) == 2 and least > most:
        yield rules.problem((*path, "min_penalty"), f"is above max_penalty ({most})", "swap them")


def _special_day(rules: _Rules, raw: dict[str, Any], path: TomlPath) -> Found:
    for one, other in (("opens", "closes"), ("closes", "opens")):
        if one in raw and other not in raw:
            yield rules.problem(
                (*path, one), f"stands without {other}", f"add {other}, or remove both to close"
            )


def _agent(rules: _Rules, raw: dict[str, Any], path: TomlPath) -> Found:
    seen: set[str] = set()
    listed = raw.get("queues")
    for n, item in enumerate(listed if isinstance(listed, list) else ()):
        queue = item.get("queue") if isinstance(item, dict) else item
        if isinstance(queue, str) and queue in seen:
            yield rules.problem((*path, "queues", n), f'"{queue}" stands twice', "remove one")
        if isinstance(queue, str):
            seen.add(queue)


def _entry(rules: _Rules, raw: dict[str, Any], path: TomlPath) -> Found:
    if ("flow" in raw) == ("queue" in raw):
        yield rules.problem(path, "needs either flow or queue", "name exactly one of them")


def _step(rules: _Rules, raw: dict[str, Any], path: TomlPath) -> Found:
    kind = raw.get("do")
    if not isinstance(kind, str) or kind not in _OF_STEP:
        return
    fields = {f.name for f in dataclasses.fields(m.Step)}
    for key in raw:
        if key in fields and key not in _OF_STEP[kind]:
            owners = [k for k, keys in _OF_STEP.items() if key in keys]
            yield rules.problem(
                (*path, key),
                f'means nothing in a "{kind}" step',
                "it belongs to: " + ", ".join(owners),
            )
    for key in _NEEDED.get(kind, ()):
        if not raw.get(key):
            yield rules.problem((*path, "do"), f'"{kind}" needs {key}', f"add {key}")
    if kind == "menu":
        yield from _choices(rules, raw, path)


def _choices(rules: _Rules, raw: dict[str, Any], path: TomlPath) -> Found:
    most = raw.get("max_digits", 1)
    listed = raw.get("choices")
    taken: list[str] = []
    for n, choice in enumerate(listed if isinstance(listed, list) else ()):
        digits = choice.get("digits") if isinstance(choice, dict) else None
        if not isinstance(digits, str) or not digits:
            continue
        where = (*path, "choices", n, "digits")
        if isinstance(most, int) and len(digits) > most:
            yield rules.problem(
                where, f'"{digits}" is longer than max_digits ({most})', "raise max_digits"
            )
        if digits in taken:
            yield rules.problem(where, f'"{digits}" stands twice in this menu', "change one")
        taken.append(digits)


_CHECKS: dict[type, Any] = {
    m.Queue: _queue,
    m.Overflow: _overflow,
    m.PenaltyStep: _penalty_step,
    m.SpecialDay: _special_day,
    m.Agent: _agent,
    m.Entry: _entry,
    m.Step: _step,
}

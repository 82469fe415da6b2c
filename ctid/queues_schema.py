"""The shape of ``queues.toml``, made from the classes of ``routing.model``: one truth for both.

A tuple of things that have an ``id`` becomes a table keyed by that id (``[queues.news]``). What may
be written shorter is in ``SHORTHANDS``; limits that types do not tell are in ``_limits``.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
)

from routing import model as m
from routing.commands import Prompt
from routing.hours import date_of, minutes_of, zone
from routing.skills import MAX_LEVEL
from routing.strategies import STRATEGIES

YEARS_S = 10 * 366 * 86400.0
KEYS = {(m.Agent, "memberships"): "queues", (m.Step, "kind"): "do"}
"""Keys of the file that are named otherwise than the field."""
ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def key_of(owner: type, name: str) -> str:
    """The key in the file of a field."""
    return KEYS.get((owner, name), name)


# --- what may be written shorter -----------------------------------------------------------------


def _opening(text: str) -> dict[str, Any]:
    found = re.fullmatch(r"\s*(\S+)\s+(\d\d:\d\d)\s*-\s*(\d\d:\d\d)\s*", text)
    if found is None:
        raise ValueError(f'{text!r} is no opening; write for example "mon-fri 08:30-17:30"')
    return {"days": found[1], "opens": found[2], "closes": found[3]}


def _requirement(text: str) -> dict[str, Any]:
    found = re.fullmatch(r"\s*([^\s>=]+)\s*(?:>=\s*(\d{1,3}))?\s*", text)
    if found is None:
        raise ValueError(f'{text!r} is no requirement; write "skill" or "skill >= 5"')
    return {"skill": found[1]} | ({"level": int(found[2])} if found[2] else {})


SHORTHANDS: dict[type, tuple[type, Callable[[Any], dict[str, Any]]]] = {
    Prompt: (str, lambda text: {"value": text}),
    m.Opening: (str, _opening),
    m.Membership: (str, lambda text: {"queue": text}),
    m.Requirement: (str, _requirement),
    m.Flow: (list, lambda steps: {"steps": steps}),
}


def spelled_out(cls: type, raw: Any) -> Any:
    """``raw`` as a table, when it is the short form of ``cls``. Raises ValueError."""
    short = SHORTHANDS.get(cls)
    if short is not None and isinstance(raw, short[0]):
        return short[1](raw)
    return raw


def _days(raw: Any) -> Any:
    """``"mon-fri"``, ``"sat,sun"``, ``["mon", 3]`` -> numbers of days, 1 is Monday."""
    if isinstance(raw, str):
        raw = raw.split(",")
    if not isinstance(raw, list):
        return raw
    days: list[Any] = []
    for part in raw:
        if not isinstance(part, str):
            days.append(part)
            continue
        names = [name.strip().lower() for name in part.split("-")]
        if len(names) > 2 or any(name not in _DAY_NAMES for name in names):
            raise ValueError(
                f"{part!r} is no day; write mon, tue, wed, thu, fri, sat, sun or mon-fri"
            )
        first, last = _DAY_NAMES.index(names[0]), _DAY_NAMES.index(names[-1])
        days += [(first + n) % 7 + 1 for n in range((last - first) % 7 + 1)]
    return days


# --- limits --------------------------------------------------------------------------------------


def _text(value: str) -> str:
    if len(value) > 256:
        raise ValueError("is longer than 256 characters")
    if not value.isprintable():
        raise ValueError("holds a control character")
    return value


def _matching(pattern: str, what: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(f"{value!r} is not {what}")
        return value

    return check


def _checked(parse: Callable[[str], object]) -> Callable[[str], str]:
    def check(value: str) -> str:
        parse(value)
        return value

    return check


identifier = _matching(
    ID_PATTERN, "an id: letters, digits, '_', '.', '-', at most 64; put other words into name"
)
_clock = _checked(minutes_of)
_language = _matching(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", "a language tag such as zh-CN or en")
_digits = _matching(r"[0-9*#]{1,20}", "what a phone can dial: 0 to 9, * and #")
_number = _matching(r"\+?[0-9*#]{1,32}", "a phone number: digits, * and #, perhaps a leading +")

_CHECKS: dict[tuple[type, str], Callable[[str], str]] = {
    (m.Opening, "opens"): _clock,
    (m.Opening, "closes"): _clock,
    (m.SpecialDay, "opens"): _clock,
    (m.SpecialDay, "closes"): _clock,
    (m.SpecialDay, "date"): _checked(date_of),
    (m.Hours, "timezone"): _checked(zone),
    (m.RoutingConfig, "timezone"): _checked(zone),
    (m.RoutingConfig, "language"): _language,
    (m.Skill, "language"): _language,
    (m.Step, "language"): _language,
    (m.MenuChoice, "language"): _language,
    (m.Entry, "language"): _language,
    (m.MenuChoice, "digits"): _digits,
    (m.Overflow, "digit"): _matching(r"[0-9*#]", "one of 0 to 9, * and #"),
    (m.Step, "number"): _number,
    (m.Queue, "caller_id"): _matching(r"\+?[0-9]{1,32}", "a number to show: digits, perhaps +"),
    (m.Step, "question"): identifier,
    (m.Step, "keys"): _matching(r"[0-9*]{1,11}", "keys of a phone: 0 to 9 and *"),
    (m.RoutingConfig, "phones"): _matching(r"[A-Za-z0-9_.+-]{1,64}", "a phone's name at the PBX"),
    (m.Entry, "did"): _matching(
        r"\+?[A-Za-z0-9_.#-]{0,40}\*?", "a dialled number, perhaps with a final * for any ending"
    ),
    (m.Agent, "phone"): _matching(r"[A-Za-z0-9_.+-]{1,64}", "a phone's name at the PBX"),
    (Prompt, "value"): _matching(
        r"[A-Za-z0-9_./+-]{1,128}", "the name of a sound (without its ending)"
    ),
}
_POSITIVE = {"ring_timeout_s", "ring_step_s", "lookup_deadline_s", "sl_window_s", "timeout_s"}
_RANGES: dict[tuple[type, str], tuple[int, int]] = {
    (m.Membership, "level"): (1, 1000),
    (m.Requirement, "level"): (0, MAX_LEVEL),
    (m.Requirement, "weight"): (1, 1000),
    (m.Membership, "weight"): (1, 1_000_000),
    (m.Agent, "skills"): (0, MAX_LEVEL),
    (m.RelaxStep, "levels"): (0, MAX_LEVEL),
    (m.Opening, "days"): (1, 7),
    (m.Step, "cause"): (1, 127),
    (m.CustomerRules, "blocked_cause"): (1, 127),
    (m.Step, "max_digits"): (1, 20),
    (m.Step, "attempts"): (1, 20),
    (m.CallbackPolicy, "attempts"): (1, 100),
    (m.RoutingConfig, "max_live"): (1, 1_000_000),
}
_SIGNED = {"priority", "vip_priority"}


def _limits(owner: type, name: str, kind: type) -> Any:
    """``kind`` (int, float or str) with the limits that this field has."""
    if kind is str:
        if (owner, name) in _CHECKS:
            return Annotated[str, AfterValidator(_text), AfterValidator(_CHECKS[owner, name])]
        if (owner, name) == (m.Queue, "strategy"):
            return Literal[tuple(sorted(STRATEGIES))]
        return Annotated[str, AfterValidator(_text)]
    if kind is float:
        if name == "record_share":
            return Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
        least = Field(gt=0) if name in _POSITIVE else Field(ge=0)
        return Annotated[float, least, Field(le=YEARS_S, allow_inf_nan=False)]
    if kind is int:
        low, high = _RANGES.get((owner, name), (0, 1_000_000))
        if name in _SIGNED:
            low, high = -1000, 1000
        return Annotated[int, Field(ge=low, le=high)]
    return kind


# --- dataclass to pydantic -----------------------------------------------------------------------


def keyed(hint: Any) -> type | None:
    """The class of the things in a ``tuple[C, ...]`` that the file keys by their id."""
    item = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else None
    if isinstance(item, type) and dataclasses.is_dataclass(item):
        return item if "id" in {f.name for f in dataclasses.fields(item)} else None
    return None


def bare(hint: Any) -> Any:
    """``hint`` without ``None`` and without NewType wrappers."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return hint


@functools.cache
def file_model(cls: type) -> type[BaseModel]:
    """The pydantic model of ``cls`` as it stands in the file (without its ``id``)."""
    hints = typing.get_type_hints(cls)
    known: dict[str, Any] = {}
    is_keyed = "id" in hints
    for f in dataclasses.fields(cls):
        if f.name == "id" and is_keyed:
            continue
        needed = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        alias = KEYS.get((cls, f.name))
        known[f.name] = (
            _annotation(cls, f.name, hints[f.name]),
            Field(... if needed else None, alias=alias),
        )
    return create_model(
        cls.__name__,
        __config__=ConfigDict(extra="forbid", strict=True, populate_by_name=False),
        **known,
    )


def _annotation(owner: type, name: str, hint: Any) -> Any:
    thing = keyed(hint)
    if thing is not None:
        value: Any = _of_class(thing)
        return dict[Annotated[str, AfterValidator(identifier)], value]
    hint = bare(hint)
    origin = typing.get_origin(hint)
    if origin is tuple:
        inner: Any = _annotation(owner, name, typing.get_args(hint)[0])
        if owner is m.Opening:
            return Annotated[list[inner], BeforeValidator(_days)]
        return list[inner]
    if origin is not None and issubclass(origin, Mapping):
        of_key, of_value = typing.get_args(hint)
        key: Any = _annotation(owner, "", of_key)
        item: Any = _annotation(owner, name, of_value)
        return dict[key, item]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _of_class(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Literal[tuple(item.value for item in hint)]
    return _limits(owner, name, hint)


def _of_class(cls: type) -> Any:
    inner = file_model(cls)
    if cls in SHORTHANDS:
        return Annotated[inner, BeforeValidator(lambda raw: spelled_out(cls, raw))]
    return inner


def to_data(parsed: BaseModel) -> dict[str, Any]:
    """The plain data of ``RoutingConfig`` that a checked file says, without what it leaves out."""
    data = parsed.model_dump(exclude_unset=True)
    for name, hint in typing.get_type_hints(m.RoutingConfig).items():
        if name in data and keyed(hint) is not None:
            data[name] = [{"id": key, **value} for key, value in data[name].items()]
    return data

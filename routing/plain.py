"""Frozen dataclasses to plain JSON data and back, driven by their annotations.

One converter per class is built once and kept, so that the journal can afford it. Knows str, int,
float, bool, ``Any``, ``X | None``, ``tuple[X, ...]``, ``Mapping``, string enums, ``NewType`` of
these and dataclasses. Fields that hold their default are left out unless ``full``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from routing.errors import RoutingError

T = TypeVar("T")
Convert = Callable[[Any], Any]


class PlainError(RoutingError, ValueError):
    """Plain data that does not fit the class; the message starts with the path to the value."""


def to_plain(value: Any, *, full: bool = False) -> Any:
    """Plain JSON data of a dataclass; ``full`` keeps fields that hold their default."""
    return _writer(type(value), full)(value)


def from_plain(cls: type[T], data: Any) -> T:
    """The dataclass that ``to_plain`` wrote. Unknown keys and wrong kinds raise PlainError."""
    return typing.cast(T, _reader(cls)(data))


_writers: dict[tuple[type, bool], Convert] = {}
_readers: dict[type, Convert] = {}
_NO_DEFAULT = object()


def _default(f: dataclasses.Field[Any]) -> Any:
    if f.default is not dataclasses.MISSING:
        return f.default
    if f.default_factory is not dataclasses.MISSING:
        return f.default_factory()
    return _NO_DEFAULT


def _same(value: Any) -> Any:
    return value


def _writer(cls: type, full: bool) -> Convert:
    known = _writers.get((cls, full))
    if known is not None:
        return known
    hints = typing.get_type_hints(cls)
    fields = [
        (f.name, _write_kind(hints[f.name], full), _default(f)) for f in dataclasses.fields(cls)
    ]

    def write(value: Any) -> dict[str, Any]:
        out = {}
        for name, convert, default in fields:
            item = getattr(value, name)
            if full or item != default:
                out[name] = item if convert is _same else convert(item)
        return out

    _writers[cls, full] = write
    return write


def _write_kind(hint: Any, full: bool) -> Convert:
    hint = _bare(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        inner = _write_kind(_some(hint), full)
        return _same if inner is _same else lambda v: None if v is None else inner(v)
    origin = typing.get_origin(hint)
    if origin is tuple:
        item = _write_kind(typing.get_args(hint)[0], full)
        return list if item is _same else lambda v: [item(x) for x in v]
    if origin is not None:
        item = _write_kind(typing.get_args(hint)[1], full)
        return lambda v: {str(k): item(x) for k, x in v.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return lambda v: _writer(type(v), full)(v)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda v: v.value
    return _same


def _bare(hint: Any) -> Any:
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return hint


def _some(hint: Any) -> Any:
    return next(a for a in typing.get_args(hint) if a is not type(None))


def _reader(cls: type) -> Convert:
    known = _readers.get(cls)
    if known is not None:
        return known
    hints = typing.get_type_hints(cls)
    fields = {f.name: _read_kind(hints[f.name]) for f in dataclasses.fields(cls)}
    needed = {f.name for f in dataclasses.fields(cls) if _default(f) is _NO_DEFAULT}

    def read(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise PlainError(f"{cls.__name__} needs an object, not {type(data).__name__}")
        values = {}
        for key, value in data.items():
            convert = fields.get(key)
            if convert is None:
                raise PlainError(f"{key}: unknown key of {cls.__name__}")
            values[key] = _at(key, convert, value)
        missing = needed - values.keys()
        if missing:
            raise PlainError(f"{cls.__name__} lacks {', '.join(sorted(missing))}")
        return cls(**values)

    _readers[cls] = read
    return read


def _at(where: str, convert: Convert, value: Any) -> Any:
    try:
        return convert(value)
    except PlainError as error:
        raise PlainError(f"{where}.{error}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise PlainError(f"{where}: {error}") from None


def _read_kind(hint: Any) -> Convert:
    hint = _bare(hint)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        inner = _read_kind(_some(hint))
        return lambda v: None if v is None else inner(v)
    if origin is tuple:
        item = _read_kind(typing.get_args(hint)[0])
        return lambda v: tuple(_at(str(n), item, x) for n, x in enumerate(_sequence(v)))
    if origin is not None:
        key, value = (_read_kind(a) for a in typing.get_args(hint))
        return lambda v: {key(k): _at(str(k), value, x) for k, x in _mapping(v).items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _reader(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if hint is float:
        return _number
    if hint is Any:
        return _same
    return lambda v: _exactly(hint, v)


def _sequence(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise PlainError(f"a list is needed, not {type(value).__name__}")
    return value


def _mapping(value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise PlainError(f"an object is needed, not {type(value).__name__}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PlainError(f"a number is needed, not {type(value).__name__}")
    return float(value)


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise PlainError(f"{kind.__name__} is needed, not {type(value).__name__}")
    return value

"""Every mistake in a file is named with its line, its key and the nearest valid key."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from ctid.toml_file import ConfigFileError, Problem, format_problems, load, parse, validate
from ctid.toml_lines import LineIndex

pytestmark = pytest.mark.unit


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Say(Strict):
    do: Literal["say"]
    prompt: str


class Go(Strict):
    do: Literal["go"]
    to: str


class Queue(Strict):
    strategy: Colour = Colour.RED
    ring_timeout_s: float = Field(15.0, gt=0)
    steps: list[Annotated[Say | Go, Field(discriminator="do")]] = []


class Model(Strict):
    name: str
    queues: dict[str, Queue] = {}


def problems(text: str) -> list[Problem]:
    with pytest.raises(ConfigFileError) as caught:
        validate(parse(text, "q.toml"), Model)
    return caught.value.problems


def test_all_mistakes_at_once_with_line_key_and_nearest() -> None:
    text = """\
# a comment
nmae = "x"

[queues.news]
strategy = "gren"
ring-timeout_s = 3   # a dash too many

[queues."新闻 热线"]
ring_timeout_s = -1
steps = [
  { do = "say", prompt = "hello" },
  { do = "go", too = "x" },
]
"""
    found = [str(p) for p in problems(text)]
    assert found == [
        "q.toml: name: is missing; add it",
        'q.toml:2: nmae: unknown key; did you mean "name"?',
        "q.toml:5: queues.news.strategy: must be one of red, green, not 'gren'; "
        'did you mean "green"?',
        'q.toml:6: queues.news.ring-timeout_s: unknown key; did you mean "ring_timeout_s"?',
        'q.toml:9: queues."新闻 热线".ring_timeout_s: must be greater than 0, not -1',
        'q.toml:12: queues."新闻 热线".steps[1].to: is missing; add it',
        'q.toml:12: queues."新闻 热线".steps[1].too: unknown key; did you mean "to"?',
    ]


def test_syntax_error_has_its_line() -> None:
    (problem,) = problems('name = "x"\n\nqueues = [1,,2]\n')
    assert problem.line == 3
    assert "TOML syntax" in problem.message


def test_unreadable_wrong_encoding_and_too_deep(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"none\.toml: cannot be read"):
        load(tmp_path / "none.toml", Model)
    gbk = tmp_path / "gbk.toml"
    gbk.write_bytes('name = "x"\n# 新闻'.encode("gbk"))
    with pytest.raises(ConfigFileError, match=r"gbk\.toml:2: is not UTF-8; save"):
        load(gbk, Model)
    deep = tmp_path / "deep.toml"
    deep.write_text("x = " + "[" * 100_000)
    with pytest.raises(ConfigFileError):
        load(deep, Model)


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "w.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "x"\r\n\r\n[queues.a]\r\nstrategi = "red"\r\n')
    with pytest.raises(ConfigFileError) as caught:
        load(path, Model)
    assert caught.value.problems[0].line == 4


def test_colour_only_when_asked() -> None:
    problem = Problem("f", 3, "k", "is wrong", "mend it")
    assert "\x1b[" not in format_problems([problem])
    assert "\x1b[31merror" in format_problems([problem], colour=True)
    assert format_problems([problem]) == "f:3: k: is wrong; mend it"


def test_arrays_of_tables_quoted_and_multi_line() -> None:
    text = '''\
[[shift]]
days = """
mon
[not.a.table]
"""
[[shift]]
[shift.times]
"from \\"x\\"" = 1
to.hour = [ 1,
  [2, 3], # ] }
  { a = '}', b."c d" = [
     4] } ]
'''
    index = LineIndex(text)
    assert tomllib.loads(text)["shift"][1]["times"]["to"]["hour"][2]["b"]["c d"] == [4]
    assert index.line(("shift", 0)) == 1
    assert index.line(("shift", 0, "days")) == 2
    assert index.line(("shift", 1)) == 6
    assert index.line(("shift", 1, "times", 'from "x"')) == 8
    assert index.line(("shift", 1, "times", "to", "hour", 1, 1)) == 10
    assert index.line(("shift", 1, "times", "to", "hour", 2, "b", "c d", 0)) == 12
    assert index.line(("nothing",)) == 0


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text("ab'\"\\#]}{[=\n", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_path_of_any_document_is_found(data: dict[str, Any]) -> None:
    import tomlkit

    text = tomlkit.dumps(data)
    parsed = tomllib.loads(text)
    index = LineIndex(text)

    def walk(value: Any, path: tuple[str | int, ...]) -> None:
        if path:
            assert path in index._lines, (path, text)
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, (*path, key))
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                walk(inner, (*path, i))

    walk(parsed, ())

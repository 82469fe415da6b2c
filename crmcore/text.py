"""Folding and cutting of text, so that Chinese is found by any two characters in a row.

SQLite's ``unicode61`` tokenizer takes a run of Chinese characters as one word, so it would be found
only as a whole. Here each run is cut into overlapping pairs (``现代快报`` -> ``现代 代快 快报``); a
query is cut the same way and asked as a phrase. Pairs rather than single characters because a
frequent character stands in every second address, a pair does not.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import product
from operator import add

from pypinyin import Style, pinyin
from zhconv import zhconv

_HAN = "㐀-鿿豈-﫿\U00020000-\U0003134f"
_RUN = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+")
_IS_HAN = re.compile(rf"[{_HAN}]")
MAX_TEXT = 20_000
MAX_QUERY = 100


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """A value from outside without control and format characters (line breaks stay), cut."""
    text = text[:limit]
    if not text:
        return text
    if text.isprintable():
        return text.strip()
    return "".join(
        c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co")
    ).strip()


def is_han(char: str) -> bool:
    """Whether it is a Chinese character."""
    return _IS_HAN.match(char) is not None


def fold(text: str) -> str:
    """Full to half width (NFKC), traditional to simplified, case away."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold()
    traditional, table = _simplified()
    # most text has nothing to simplify, and looking costs a third of translating
    return text if traditional.isdisjoint(text) else text.translate(table)


@lru_cache(maxsize=1)
def _simplified() -> tuple[frozenset[str], dict[int, str]]:
    """Character by character, unlike a conversion for readers, which looks at whole phrases: a
    pair of characters must fold to the same wherever it stands."""
    pairs = zhconv.getdict("zh-hans").items()
    single = {a: b for a, b in pairs if len(a) == len(b) == 1 and a != b}
    return frozenset(single), {ord(one): other for one, other in single.items()}


@lru_cache(maxsize=100)
def name_key(name: str) -> str:
    """A name for comparison: folded, without blanks and punctuation."""
    return "".join(_RUN.findall(fold(name)))


@lru_cache(maxsize=20_000)
def _readings(char: str) -> tuple[str, ...]:
    found = pinyin(char, style=Style.NORMAL, heteronym=True)[0]
    return tuple(dict.fromkeys(one.replace("ü", "v") for one in found))[:3]


# Characters that read differently as a family name (《通用规范汉字表》 readings).
_FAMILY = {
    "单": "shan", "曾": "zeng", "仇": "qiu", "区": "ou", "查": "zha", "解": "xie", "尉": "wei",
    "朴": "piao", "盖": "ge", "折": "she", "翟": "zhai", "乐": "yue", "覃": "qin", "种": "chong",
    "重": "chong", "员": "yun", "秘": "bi", "缪": "miao", "任": "ren", "华": "hua", "葛": "ge",
}  # fmt: skip


def sound(name: str) -> str:
    """Pinyin of a name without tones (``zhang san``), the commonest reading of each character.

    Latin names are folded. Empty for an empty name.
    """
    folded = name_key(name)
    parts: list[str] = []
    for run in _RUN.findall(folded):
        if not _IS_HAN.match(run):
            parts.append(run)
            continue
        for n, char in enumerate(run):
            parts.append(_FAMILY.get(char, _readings(char)[0]) if n == 0 else _readings(char)[0])
    return " ".join(parts)


def initials(name: str) -> list[str]:
    """What people type for a Chinese name: initials and whole pinyin, with every prefix of these.

    ``张三丰`` -> ``zs zsf zhangsan zhangsanfeng zhang``. At most two readings a character.
    """
    han = "".join(c for c in name_key(name) if _IS_HAN.match(c))[:6]
    if not han:
        return []
    first = [_FAMILY[han[0]]] if han[0] in _FAMILY else list(_readings(han[0])[:2])
    readings = [first, *(list(_readings(c)[:2]) for c in han[1:4])]
    rest = [_readings(c)[0] for c in han[4:]]
    found: dict[str, None] = {}
    for combo in list(product(*readings))[:8]:
        whole = [*combo, *rest]
        letters = "".join([one[:1] for one in whole])
        for n in range(2, len(letters) + 1):
            found[letters[:n]] = None
        for n in range(1, len(whole) + 1):
            found["".join(whole[:n])] = None
    return list(found)


def tokens(text: str) -> str:
    """The text as the index takes it: words and overlapping pairs, separated by spaces."""
    parts: list[str] = []
    for run in _RUN.findall(fold(text[:MAX_TEXT])):
        if len(run) > 1 and not run.isascii() and _IS_HAN.match(run):
            parts.extend(map(add, run, run[1:]))
        else:
            parts.append(run)
    return " ".join(parts)


def match_expression(query: str, *, begins: bool = True) -> str:
    """An FTS5 expression for what a person typed; empty when nothing can be searched.

    Blanks separate terms that must all be there. Everything is quoted, so no character of the
    query can be an operator (https://www.sqlite.org/fts5.html, section 3.1). The last Latin word of
    three letters or more also matches as a beginning, unless ``begins`` is false.
    """
    terms: list[str] = []
    runs = _RUN.findall(fold(query[:MAX_QUERY]))
    for n, run in enumerate(runs):
        if _IS_HAN.match(run):
            if len(run) == 1 and len(runs) > 1:
                continue  # the 号 of 53号: everywhere, and within a pair wherever 楼 follows
            if len(run) == 1:
                terms.append(f'"{run}"')
            else:
                pairs = " ".join(run[i : i + 2] for i in range(len(run) - 1))
                terms.append(f'"{pairs}"')
        else:
            open_end = begins and n == len(runs) - 1 and len(run) >= 3
            terms.append(f'"{run}"*' if open_end else f'"{run}"')
    return " ".join(terms)


def escape_like(text: str) -> str:
    """For ``LIKE .. ESCAPE '!'``."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")

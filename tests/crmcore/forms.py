"""In what forms a value can stand in a file, and looking for all of them."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import quote

from crmcore import numbers, text

SHORTEST = 4  # bytes: anything shorter may stand anywhere by chance


def spellings(value: str, *, name: bool = False) -> set[str]:
    """A value as people and the index write it: folded, spaced, in pairs; a name by its sounds; a
    number in national, international and reversed form."""
    found = {value, text.fold(value), text.tokens(value), " ".join(value), value.upper()}
    found |= {value.replace("-", "").replace(" ", "")}
    if any(map(text.is_han, value)):
        found |= set(text.tokens(value).split())
        if name:
            found |= {text.sound(value), text.sound(value).replace(" ", "")}
            found |= {one for one in text.initials(value) if len(one) >= SHORTEST}
    number = numbers.parse(value)
    if number.key.startswith("+") and not any(c.isalpha() for c in value):
        national = number.digits
        found |= {
            number.key, number.key[1:], f"00{number.key[1:]}", national, f"0{national}",
            national[::-1], numbers.display(number.key), number.tail or national,
            "".join(chr(0xFF10 + int(c)) for c in national),
        }  # fmt: skip
    return {one for one in found if len(one.encode()) >= SHORTEST}


def encodings(value: str) -> dict[str, bytes]:
    """The bytes of one spelling in every form in which programs write text."""
    escaped = json.dumps(value)[1:-1]
    utf8 = value.encode()
    found = {
        "UTF-8": utf8,
        "UTF-16LE": value.encode("utf-16-le"),
        "UTF-16BE": value.encode("utf-16-be"),
        "GB18030": value.encode("gb18030"),
        "\\u escapes": escaped.encode(),
        "\\U escapes": re.sub(
            r"\\u([0-9a-f]{4})", lambda m: rf"\u{m[1].upper()}", escaped
        ).encode(),
        "percent": quote(value, safe="").encode(),
        "percent, small": quote(value, safe="").lower().encode(),
    }
    for n in range(3):
        # the characters at both ends depend on what stands beside it
        whole = base64.b64encode(b"\0" * n + utf8).rstrip(b"=")
        inner = whole[(0, 2, 3)[n] : len(whole) - ((n + len(utf8)) % 3 > 0)]
        if len(inner) > SHORTEST:
            found[f"base64 at {n}"] = inner
    return found


def needles(values: Iterable[str], names: Collection[str] = ()) -> dict[bytes, str]:
    """Bytes to look for, and what each of them is."""
    return {
        raw: f"{value}: {spelled} in {name}"
        for value in values
        for spelled in spellings(value, name=value in names)
        for name, raw in encodings(spelled).items()
    }


def search(raw: bytes, wanted: dict[bytes, str]) -> set[str]:
    """What of it stands in these bytes; archives are looked into."""
    if raw[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            raw = b"\n".join(packed.read(name) for name in packed.namelist())
    return {what for needle, what in wanted.items() if needle in raw}


def search_files(folder: Path, wanted: dict[bytes, str]) -> dict[str, set[str]]:
    """What of it stands in which file below a folder, in its name or content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        here = search(name.encode(), wanted)
        if path.is_file():
            here |= search(path.read_bytes(), wanted)
        if here:
            found[name] = here
    return found

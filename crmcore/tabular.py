"""Tables from outside and to outside: CSV in whichever encoding, XLSX, and cells that bite.

A cell that begins with ``= + - @``, a tab or a carriage return is taken for a formula by
spreadsheets (OWASP, "CSV Injection"); on the way out it gets an apostrophe, on the way in that
apostrophe is taken off again.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import charset_normalizer
import openpyxl

from crmcore.errors import Invalid, Wrong

MAX_CELL = 20_000
MAX_COLUMNS = 200
_SAMPLE = 1 << 18
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that can be read as a table. ``encoding`` and ``delimiter`` are empty for XLSX."""

    path: Path
    kind: str  # csv or xlsx
    encoding: str = ""
    delimiter: str = ""


def guess_encoding(path: Path) -> str:
    """``utf-8-sig``, ``utf-16``, ``utf-8``, ``gb18030``, or what charset-normalizer thinks.

    UTF-8 is taken only if the whole file is UTF-8, so a table whose first Chinese name stands far
    down is not misread. Raises Invalid when nothing fits.
    """
    with open(path, "rb") as file:
        head = file.read(4)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    for name in ("utf-8", "gb18030"):
        decoder = codecs.getincrementaldecoder(name)()
        try:
            with open(path, "rb") as file:
                while block := file.read(1 << 20):
                    decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return name
    with open(path, "rb") as file:
        best = charset_normalizer.from_bytes(file.read(_SAMPLE)).best()
    if best is None:
        unknown = "is in no encoding that is known; save it as UTF-8 and try again"
        raise Invalid({"file": Wrong(unknown, "encoding")})
    return best.encoding


def open_table(path: Path) -> Source:
    """Look at a file: what it is and how to read it. Raises Invalid."""
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(b"PK\x03\x04"):
        return Source(path=path, kind="xlsx")
    if not head:
        raise Invalid({"file": Wrong("is empty", "empty_file")})
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        old = "is an old .xls file; save it as .xlsx or CSV and try again"
        raise Invalid({"file": Wrong(old, "old_workbook")})
    encoding = guess_encoding(path)
    with open(path, encoding=encoding, newline="") as text:
        sample = text.read(_SAMPLE)
    if "\0" in sample:
        other = "is no table; save it as CSV or XLSX and try again"
        raise Invalid({"file": Wrong(other, "no_table")})
    first = sample.splitlines()[0] if sample.strip() else ""
    delimiter = max(",;\t|", key=first.count) if first else ","
    return Source(path=path, kind="csv", encoding=encoding, delimiter=delimiter)


def rows(source: Source) -> Iterator[list[str]]:
    """All rows, the header first; cells are text without the guard's apostrophe."""
    if source.kind == "xlsx":
        yield from _xlsx_rows(source.path)
        return
    csv.field_size_limit(MAX_CELL * 10)
    with open(source.path, encoding=source.encoding, newline="") as file:
        try:
            for row in csv.reader(file, delimiter=source.delimiter):
                yield [unguarded(cell) for cell in row[:MAX_COLUMNS]]
        except (csv.Error, UnicodeDecodeError) as error:
            raise Invalid({"file": Wrong(f"cannot be read on: {error}", "unreadable")}) from error


def _xlsx_rows(path: Path) -> Iterator[list[str]]:
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever the archive provokes
        broken = Wrong(f"is no readable workbook: {error}", "unreadable")
        raise Invalid({"file": broken}) from error
    try:
        sheet = book.worksheets[0]
        for row in sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS):
            yield [unguarded(_cell(value)) for value in row]
    finally:
        book.close()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a telephone number that the spreadsheet took for a number
    if hasattr(value, "isoformat"):
        return str(value.isoformat())[:10]
    return str(value)


def count_rows(source: Source) -> int:
    """How many data rows there are (without the header and empty lines)."""
    return max(0, sum(1 for row in rows(source) if any(row)) - 1)


def guarded(cell: object) -> str:
    """A cell as it is safe to open in a spreadsheet."""
    text = "" if cell is None else str(cell)
    if text.startswith(_DANGEROUS) or (text.startswith("'") and text[1:].startswith(_DANGEROUS)):
        return "'" + text
    return text


def unguarded(cell: str) -> str:
    """The cell as it was before :func:`guarded`."""
    cell = cell[:MAX_CELL]
    if cell.startswith("'") and cell[1:].lstrip("'").startswith(_DANGEROUS):
        return cell[1:]
    return cell


def write_csv(path: Path, header: Sequence[str], lines: Iterable[Sequence[object]]) -> int:
    """UTF-8 with mark (spreadsheets in China need it), guarded. Answers the number of lines."""
    count = 0
    with open(path, "x", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([guarded(cell) for cell in header])
        for line in lines:
            writer.writerow([guarded(cell) for cell in line])
            count += 1
    return count


def write_xlsx(path: Path, header: Sequence[str], lines: Iterable[Sequence[object]]) -> int:
    """A workbook in which every cell is text, guarded. Answers the number of lines."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("ctid")
    sheet.append([guarded(cell) for cell in header])
    count = 0
    try:
        for line in lines:
            sheet.append([_sheet_text(guarded(cell)) for cell in line])
            count += 1
    except BaseException:
        sheet.close()  # else its half-written file is met by the garbage collector
        raise
    buffer = io.BytesIO()
    book.save(buffer)
    with open(path, "xb") as file:
        file.write(buffer.getvalue())
    return count


def _sheet_text(cell: str) -> str:
    return "".join(c for c in cell if c >= " " or c in "\n\t")[:32_767]


WRITERS: dict[str, Callable[[Path, Sequence[str], Iterable[Sequence[object]]], int]] = {
    "csv": write_csv,
    "xlsx": write_xlsx,
}

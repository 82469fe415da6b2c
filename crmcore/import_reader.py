"""The reading half of an import, in a process of its own: a table in, rows ready to be written out.

Reading, checking and cutting a row takes as long as writing it, and all of it is Python: in the
daemon's own process it would stand in the voice path's way. The process is nice, opens no store,
and ends when its work is done or when nobody reads its output any more (its parent was killed).

Over the pipe go frames: a kind, four bytes of length, and a value in :mod:`marshal`, which serves
because the same interpreter stands at both ends. First ``total`` (how many rows), then ``rows``
(a :data:`Frame`) and ``end``; or ``invalid`` ({field: problem}) instead of any of them.
"""

from __future__ import annotations

import asyncio
import json
import marshal
import os
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from crmcore import audit, customer_rows, import_map, tabular
from crmcore.errors import Invalid, StoreError
from crmcore.numbers import NumberPlan

Ready = tuple[int, str, bytes, bytes, list[tuple[str, str]], customer_rows.Values]
"""Line, problems (JSON) or "", cells, checked values, keys, customer.

Keys: ``(kind, key)`` of the numbers and mail addresses. Cells and values stay packed: they are
looked at only for a refusal and for a change.
"""
Frame = tuple[list[Ready], list[bytes]]
"""Some rows, and of each of ``customer_rows.PARTS`` what these rows have of it, packed.

Each is unpacked when its turn comes: many small objects that live long are dear to the collector.
"""

IDENTIFYING = ("phone", "email")
FRAME_ROWS = 250
_FRAME_BYTES = 500_000
_AHEAD_BYTES = 20_000_000
_NICE = 10
_HEAD = struct.Struct(">cI")
_TOTAL, _ROWS, _END, _INVALID = b"t", b"r", b"e", b"i"


class Reader:
    """The parent's end. Open with :meth:`open`; :meth:`close` it in every case."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input, self._output = process.stdin, process.stdout
        self._ended = False
        self.total = 0

    @classmethod
    async def open(
        cls, path: Path, mapping: list[str], plan: NumberPlan, now: float, by: str
    ) -> Reader:
        """Start to read; ``total`` is the number of rows. Raises Invalid if it is no table."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "crmcore.import_reader"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
            start_new_session=True,  # a Ctrl-C is the parent's to handle
        )
        reader = cls(process)
        try:
            order = [str(path), mapping, plan.region, plan.area, now, by]
            reader._input.write(json.dumps(order).encode())
            reader._input.write_eof()
            _, packed = await reader._frame()
            reader.total = unpack(packed)
        except BaseException:
            await reader.close()
            raise
        return reader

    async def rows(self, most: int) -> list[bytes]:
        """The next frames, about ``most`` rows; none at the end. Raises Invalid.

        They stay packed (see :func:`unpack`) until the thread that writes them looks inside.
        """
        frames: list[bytes] = []
        size = 0
        while not self._ended and len(frames) * FRAME_ROWS < most and size < _AHEAD_BYTES:
            kind, packed = await self._frame()
            if kind == _END:
                self._ended = True
            else:
                frames.append(packed)
                size += len(packed)
        return frames

    async def _frame(self) -> tuple[bytes, bytes]:
        try:
            kind, length = _HEAD.unpack(await self._output.readexactly(_HEAD.size))
            packed = await self._output.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise StoreError("the table could not be read to its end") from error
        if kind == _INVALID:
            raise Invalid(unpack(packed))
        return kind, packed

    async def close(self) -> None:
        """End the process, if it has not ended. Idempotent."""
        self._input.close()
        if self._process.returncode is None and not self._ended:
            self._process.kill()
        while await self._output.read(1 << 20):  # its end is told only after the pipe's
            pass
        await self._process.wait()


def unpack(packed: bytes) -> Any:
    """A frame (:data:`Frame`), one of its parts, a row's cells (``[text]``) or its values."""
    return marshal.loads(packed)  # noqa: S302 - our own process wrote it


# ---- in the process ------------------------------------------------------------------------------


_NO_ROWS: customer_rows.Rows = ((), [], ([], [], []), ("", ""))


def prepare(
    source: tabular.Source, mapping: list[str], plan: NumberPlan, now: float, by: str
) -> Iterator[Frame]:
    """All rows below the header, checked and cut: everything that needs no store."""
    lines = tabular.rows(source)
    next(lines, None)
    dumps = marshal.dumps
    ready: list[Ready] = []
    cut: list[customer_rows.Rows] = []
    size = 0

    def frame() -> Frame:
        return ready, [dumps([rows[n] for rows in cut]) for n in range(1, len(_NO_ROWS))]

    for line, cells in enumerate(lines, start=2):
        if not any(cells):
            continue
        packed = dumps(cells)
        try:
            values = import_map.values(cells, mapping, plan)
        except Invalid as error:
            ready.append((line, audit.text(error.details()), packed, b"", [], ()))
            cut.append(_NO_ROWS)
        else:
            rows = customer_rows.cut(values, now, by)
            keys = [(p[0], p[2]) for p in rows[1] if p[0] in IDENTIFYING]
            ready.append((line, "", packed, dumps(values), keys, rows[0]))
            cut.append(rows)
        size += len(packed)
        if len(ready) == FRAME_ROWS or size > _FRAME_BYTES:
            yield frame()
            ready, cut, size = [], [], 0
    if ready:
        yield frame()


def _send(output: BinaryIO, kind: bytes, value: Any) -> None:
    packed = marshal.dumps(value)
    output.write(_HEAD.pack(kind, len(packed)) + packed)
    output.flush()


def main() -> None:
    """Do what the standard input orders."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody reads any more: end
    os.nice(_NICE)
    path, mapping, region, area, now, by = json.load(sys.stdin)
    output = sys.stdout.buffer
    try:
        source = tabular.open_table(Path(path))
        _send(output, _TOTAL, tabular.count_rows(source))
        for frame in prepare(source, mapping, NumberPlan(region, area), now, by):
            _send(output, _ROWS, frame)
        _send(output, _END, None)
    except Invalid as error:
        _send(output, _INVALID, {name: str(text) for name, text in error.errors.items()})


if __name__ == "__main__":
    main()

"""The reading half of an import, in a process of its own: a table in, rows ready to be written out.

Reading, checking and cutting a row takes as long as writing it, and all of it is Python: in the
daemon's own process it would stand in the voice path's way. The process is nice, opens no store,
and ends when its work is done or when nobody reads its output any more (its parent was killed).

Over the pipe go frames: a kind, four bytes of length, and a value in :mod:`marshal`, which serves
because the same interpreter stands at both ends. First ``total`` (how many rows), then ``rows``
(a list of :data:`Ready`) and ``end``; or ``invalid`` ({field: problem}) instead of any of them.
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

Ready = tuple[int, str, str, str, customer_rows.Rows | None]
"""Line, problem or "", the cells as JSON, the checked values as JSON, the rows to write."""

FRAME_ROWS = 250
_FRAME_CHARACTERS = 500_000
_AHEAD_BYTES = 8_000_000
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
            reader.total = marshal.loads(packed)  # noqa: S302 - our own process wrote it
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
            raise Invalid(marshal.loads(packed))  # noqa: S302 - our own process wrote it
        return kind, packed

    async def close(self) -> None:
        """End the process, if it has not ended. Idempotent."""
        self._input.close()
        if self._process.returncode is None and not self._ended:
            self._process.kill()
        while await self._output.read(1 << 20):  # its end is told only after the pipe's
            pass
        await self._process.wait()


def unpack(packed: bytes) -> list[Ready]:
    """The rows of one frame."""
    rows: list[Ready] = marshal.loads(packed)  # noqa: S302 - our own process wrote it
    return rows


# ---- in the process ------------------------------------------------------------------------------


def prepare(
    source: tabular.Source, mapping: list[str], plan: NumberPlan, now: float, by: str
) -> Iterator[Ready]:
    """All rows below the header, checked and cut: everything that needs no store."""
    lines = tabular.rows(source)
    next(lines, None)
    for line, cells in enumerate(lines, start=2):
        if not any(cells):
            continue
        try:
            values = import_map.values(cells, mapping, plan)
        except Invalid as error:
            yield line, str(error), audit.text(cells), "", None
        else:
            rows = customer_rows.cut(values, now, by)
            yield line, "", audit.text(cells), audit.text(values), rows


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
        frame: list[Ready] = []
        size = 0
        for ready in prepare(source, mapping, NumberPlan(region, area), now, by):
            frame.append(ready)
            size += len(ready[2])
            if len(frame) == FRAME_ROWS or size > _FRAME_CHARACTERS:
                _send(output, _ROWS, frame)
                frame, size = [], 0
        if frame:
            _send(output, _ROWS, frame)
        _send(output, _END, None)
    except Invalid as error:
        _send(output, _INVALID, error.errors)


if __name__ == "__main__":
    main()

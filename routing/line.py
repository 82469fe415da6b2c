"""A sorted collection of tuples that stays quick at 100,000 entries.

A list of sorted blocks: adding and removing touch one block, so the cost is a few bisections and
one short memory move, with no rebuilding at awkward moments (a heap with lazy deletion has those).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

Entry = tuple[Any, ...]

_BLOCK = 512


class Line:
    """Tuples in ascending order. No two may be equal in all but their last element."""

    __slots__ = ("_blocks", "_lasts", "_size", "head")

    def __init__(self) -> None:
        self._blocks: list[list[Entry]] = []
        self._lasts: list[Entry] = []
        self._size = 0
        self.head: Entry | None = None
        """The least entry; None if there is none."""

    def add(self, entry: Entry) -> None:
        """Put ``entry`` in its place."""
        self._size += 1
        lasts = self._lasts
        if not lasts:
            self._blocks.append([entry])
            lasts.append(entry)
            self.head = entry
            return
        index = bisect_left(lasts, entry) if len(lasts) > 1 else 0
        if index == len(lasts):
            index -= 1
        block = self._blocks[index]
        if entry > block[-1]:
            block.append(entry)
            lasts[index] = entry
        else:
            insort(block, entry)
            self.head = self._blocks[0][0]
        if len(block) > 2 * _BLOCK:
            self._blocks.insert(index + 1, block[_BLOCK:])
            del block[_BLOCK:]
            lasts[index] = block[-1]
            lasts.insert(index + 1, self._blocks[index + 1][-1])

    def remove(self, entry: Entry) -> None:
        """Take ``entry`` out. KeyError if it is not there."""
        index, place = (0, 0) if entry is self.head else self._find(entry)
        block = self._blocks[index]
        del block[place]
        self._size -= 1
        if not block:
            del self._blocks[index]
            del self._lasts[index]
        elif place == len(block):
            self._lasts[index] = block[-1]
        self.head = self._blocks[0][0] if self._size else None

    def position(self, entry: Entry) -> int:
        """How many entries stand before ``entry``. KeyError if it is not there."""
        index, place = self._find(entry)
        return place + sum(len(block) for block in self._blocks[:index])

    def before(self, entry: Entry) -> int:
        """How many entries are less than ``entry``, which need not be there."""
        index = bisect_left(self._lasts, entry)
        if index == len(self._blocks):
            return self._size
        return bisect_left(self._blocks[index], entry) + sum(map(len, self._blocks[:index]))

    def _find(self, entry: Entry) -> tuple[int, int]:
        index = bisect_left(self._lasts, entry) if len(self._lasts) > 1 else 0
        if index < len(self._blocks):
            block = self._blocks[index]
            place = bisect_left(block, entry)
            if place < len(block) and block[place] == entry:
                return index, place
        raise KeyError(entry)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Entry]:
        for block in self._blocks:
            yield from block

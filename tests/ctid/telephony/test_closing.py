"""When a recording's file is whole, and what is said when it never is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ctid.telephony.asterisk import closing
from ctid.telephony.asterisk.closing import Closing

pytestmark = pytest.mark.unit

HOLD = "import sys; f = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "LOOK_S", 0.005)


@contextmanager
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has ``path`` open for writing, until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process


class Told:
    def __init__(self) -> None:
        self.whole: dict[str, bool] = {}
        self.closing = Closing()

    def put(self, path: Path, *, empty: bool = False) -> None:
        self.closing.put(
            path, empty=empty, then=lambda whole: self.whole.__setitem__(path.name, whole)
        )


async def test_one_that_is_written_waits_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    again = asyncio.Event()
    loop = asyncio.get_running_loop()
    look = closing._look

    def counted(waiting: list[closing._Closing], now: float) -> object:
        looks.append(len(waiting))
        if len(looks) >= 3:
            loop.call_soon_threadsafe(again.set)
        return look(waiting, now)

    monkeypatch.setattr(closing, "_look", counted)
    held, done = tmp_path / "held.raw", tmp_path / "done.raw"
    done.write_bytes(b"x")
    told = Told()
    with writer(held) as process:
        told.put(held)
        told.put(done)
        await again.wait()
        assert told.whole == {"done.raw": True}
        assert looks[:3] == [2, 1, 1]
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        await told.closing.drained()
    assert told.whole == {"done.raw": True, "held.raw": True}


async def test_one_that_is_never_closed_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "PATIENCE_S", 0.05)
    path = tmp_path / "held.raw"
    told = Told()
    with writer(path):
        told.put(path)
        await told.closing.drained()
        assert told.whole == {"held.raw": False}


async def test_a_file_of_another_owner_is_whole_when_its_size_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "STABLE_S", 0.05)
    path = tmp_path / "theirs.raw"
    path.write_bytes(b"1")
    sizes: list[int] = []

    def not_allowed(path: Path) -> None:
        if len(sizes) < 3:  # it grows for three looks
            path.write_bytes(b"1" * (len(sizes) + 2))
        sizes.append(path.stat().st_size)

    monkeypatch.setattr(closing, "is_closed", not_allowed)
    told = Told()
    told.put(path)
    await told.closing.drained()
    assert told.whole == {"theirs.raw": True}
    assert sizes[:3] == [2, 3, 4]
    assert set(sizes[3:]) == {4}
    assert len(sizes) > 4


async def test_no_file_is_told_and_an_empty_one_goes(tmp_path: Path) -> None:
    empty = tmp_path / "empty.raw"
    empty.write_bytes(b"")
    told = Told()
    told.put(tmp_path / "none.raw")
    told.put(empty, empty=True)
    await told.closing.drained()
    assert told.whole == {"none.raw": False, "empty.raw": False}
    assert not empty.exists()


async def test_a_listener_that_fails_keeps_nobody_from_being_told(tmp_path: Path) -> None:
    told = Told()

    def fails(whole: bool) -> None:
        raise RuntimeError("a bug")

    told.closing.put(tmp_path / "a.raw", empty=False, then=fails)
    told.put(tmp_path / "b.raw")
    await told.closing.drained()
    assert told.whole == {"b.raw": False}
    told.put(tmp_path / "c.raw")  # and it goes on
    await told.closing.drained()
    assert told.whole == {"b.raw": False, "c.raw": False}


async def test_an_empty_one_that_is_written_anew_stays(tmp_path: Path) -> None:
    """A customer who was not reached is called again at once: the recording has the same name."""
    told = Told()
    anew, held = tmp_path / "anew.raw", tmp_path / "held.raw"
    told.put(anew, empty=True)
    told.closing.keep(anew)
    anew.write_bytes(b"a conversation")
    with writer(held) as process:  # not even when nobody has said so, as long as it is open
        looked = asyncio.Event()
        told.put(held, empty=True)
        told.closing.put(tmp_path / "none.raw", empty=False, then=lambda whole: looked.set())
        await looked.wait()
        assert held.exists()
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        await told.closing.drained()
    assert anew.read_bytes() == b"a conversation"
    assert not held.exists()
    assert not told.closing._empty

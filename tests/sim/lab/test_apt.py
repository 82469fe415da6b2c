"""The private root: which mirror and key, and that half a root is never used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sim.lab import apt

pytestmark = pytest.mark.unit


def nothing(_: object) -> None:
    pass


def test_keys_are_read_from_deb822_and_one_line_sources(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "debian.sources").write_text(
        "Types: deb\nURIs: http://one.example/debian http://two.example/debian/\n"
        "Suites: stable\nComponents: main\nSigned-By: /keys/one.gpg\n\n"
        "Types: deb\nURIs: http://three.example/x\nSuites: s\nComponents: main\n"
    )
    (folder / "more.list").write_text(
        "deb [arch=amd64 signed-by=/keys/four.gpg] http://four.example/debian/ stable main\n"
        "# deb [signed-by=/keys/no.gpg] http://commented.example/ stable main\n"
    )
    assert apt._signed_by(tmp_path) == {
        "http://one.example/debian": "/keys/one.gpg",
        "http://two.example/debian": "/keys/one.gpg",
        "http://four.example/debian": "/keys/four.gpg",
    }


class Archive:
    """Stands for the network and dpkg: ``fail`` raises in the middle of unpacking."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fetched = 0
        self.fail = False
        monkeypatch.setattr(apt, "_fetch_from_any", self._fetch)
        monkeypatch.setattr(apt, "unpack", self._unpack)
        monkeypatch.setattr(apt.shutil, "which", lambda name: f"/usr/bin/{name}")

    def _fetch(self, work: Path, *_: object) -> list[Path]:
        self.fetched += 1
        work.mkdir(exist_ok=True)
        return []

    def _unpack(
        self, archives: Sequence[Path], into: Path, on_progress: Callable[[float], None]
    ) -> None:
        into.mkdir(parents=True)
        (into / "first").touch()
        if self.fail:
            raise apt.AptError("the disk is full")
        (into / "second").touch()


def ensure(root: Path, *packages: str) -> Path:
    return apt.ensure_root(root, packages, suite="sid", on_step=nothing, on_progress=nothing)


def test_an_interrupted_unpacking_leaves_nothing_that_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(monkeypatch)
    archive.fail = True
    with pytest.raises(apt.AptError):
        ensure(tmp_path / "root", "a")
    assert not (tmp_path / "root").exists()
    archive.fail = False
    root = ensure(tmp_path / "root", "a")
    assert (root / "second").exists()
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["root"]


def test_a_whole_root_is_used_again_and_one_for_other_packages_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(monkeypatch)
    ensure(tmp_path / "root", "a", "b")
    ensure(tmp_path / "root", "b", "a")
    assert archive.fetched == 1
    ensure(tmp_path / "root", "a", "c")
    assert archive.fetched == 2
    (tmp_path / "root" / apt.STAMP).unlink()  # as a copy that was cut short
    ensure(tmp_path / "root", "a", "c")
    assert archive.fetched == 3


def test_without_apt_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt.shutil, "which", lambda name: None)
    with pytest.raises(apt.AptError, match="not a Debian system"):
        ensure(tmp_path / "root", "a")

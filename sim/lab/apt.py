"""Debian packages without root: fetch with apt's own state, unpack with ``dpkg -x``.

Nothing of the machine is changed: apt gets its own state, cache and source list. The mirror's
address, proxies and keys are those of the machine's own apt configuration. Standard library
only: ``sim/setup.sh`` runs this file before anything is installed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

APT_DIR = Path("/etc/apt")
KEYRINGS = Path("/usr/share/keyrings")
STAMP = ".complete"
#: wanted by dependencies of packages, never by the programs we run from an unpacked root
NOT_UNPACKED = ("perl", "libperl", "gnupg", "gpg", "dirmngr", "passwd", "adduser", "debconf")


class AptError(RuntimeError):
    """Packages cannot be had this way; the text says why, in words for the person in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A Debian archive this machine already uses."""

    uri: str
    signed_by: str  # path of a keyring, or empty: apt's trusted keys


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (``flock``: the kernel frees it if we are killed)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def mirrors(apt_dir: Path = APT_DIR) -> list[Mirror]:
    """Archives with a ``main`` component from the machine's apt configuration, best first.

    ``apt-get indextargets`` reads one-line and deb822 sources alike; it does not tell the key,
    which is therefore looked up in the source files.
    """
    try:
        text = subprocess.run(
            [
                "apt-get",
                "indextargets",
                "--format",
                "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|",
                "Created-By: Packages",
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise AptError(f"apt-get is not usable here ({error})") from error
    uris: list[str] = []
    for line in text.splitlines():
        uri, release, component = [*line.split("|"), "", ""][:3]
        if component == "main" and not re.search(r"-(security|updates|backports)$", release):
            uris.append(uri.rstrip("/"))
    keys = _signed_by(apt_dir)
    return [Mirror(uri=uri, signed_by=keys.get(uri, _default_keyring())) for uri in _unique(uris)]


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _default_keyring() -> str:
    for name in ("debian-archive-keyring.pgp", "debian-archive-keyring.gpg"):
        if (KEYRINGS / name).is_file():
            return str(KEYRINGS / name)
    return ""


def _signed_by(apt_dir: Path) -> dict[str, str]:
    """Keyring file of each source URI, where the sources name one."""
    keys: dict[str, str] = {}
    for path in sorted((apt_dir / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", _read(path)):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, flags=re.M))
            key = fields.get("Signed-By", "").strip()
            if key.startswith("/"):
                keys.update({uri.rstrip("/"): key for uri in fields.get("URIs", "").split()})
    for path in [apt_dir / "sources.list", *sorted((apt_dir / "sources.list.d").glob("*.list"))]:
        for options, uri in re.findall(r"^deb\s+\[([^\]]*)\]\s+(\S+)", _read(path), flags=re.M):
            found = re.search(r"signed-by=(/[^\s,\]]+)", options)
            if found:
                keys[uri.rstrip("/")] = found.group(1)
    return keys


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class PrivateApt:
    """An apt that lives in one folder and has nothing installed, so it fetches all it needs."""

    def __init__(self, folder: Path, *, suite: str, mirror: Mirror) -> None:
        self.folder = folder.absolute()
        for name in ("state/lists/partial", "cache/archives/partial", "etc"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "state/status").touch()
        option = f"[signed-by={mirror.signed_by}] " if mirror.signed_by else ""
        (self.folder / "etc/sources.list").write_text(f"deb {option}{mirror.uri} {suite} main\n")
        settings = {
            "Dir::State": f"{self.folder}/state",
            "Dir::State::status": f"{self.folder}/state/status",
            "Dir::Cache": f"{self.folder}/cache",
            "Dir::Etc::sourcelist": f"{self.folder}/etc/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "",  # as root apt would change to a user who may not write here
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Debug::NoLocking": "true",
        }
        pairs = [("-o", f"{key}={value}") for key, value in settings.items()]
        self._options = [part for pair in pairs for part in pair]

    def fetch(self, packages: Sequence[str], on_progress: Callable[[float], None]) -> list[Path]:
        """Download ``packages`` and all they depend on; gives the paths of the files."""
        self._run(["update"], lambda share: on_progress(share * 0.2))
        self._run(
            ["install", "-y", "--download-only", "--no-install-recommends", *packages],
            lambda share: on_progress(0.2 + share * 0.8),
        )
        # of an earlier try that was interrupted before the archive moved on
        self._run(["autoclean"], lambda _share: None)
        return sorted((self.folder / "cache/archives").glob("*.deb"))

    def _run(self, arguments: list[str], on_progress: Callable[[float], None]) -> None:
        """Run apt-get; it reports on descriptor 1 as ``dlstatus:item:percent:text``."""
        process = subprocess.Popen(
            ["apt-get", "-q=2", "-o", "APT::Status-Fd=1", *self._options, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )
        said: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            status = re.match(r"dlstatus:[^:]*:([\d.]+):", line)
            if status:
                on_progress(float(status.group(1)) / 100)
            elif line.startswith(("E:", "W:", "Err:")):
                said.append(line.strip())
        if process.wait() != 0:
            raise AptError("apt-get " + arguments[0] + " failed: " + (" ".join(said[-3:]) or "?"))


def unpack(archives: Sequence[Path], into: Path, on_progress: Callable[[float], None]) -> None:
    """Unpack Debian archives side by side into one root."""
    into.mkdir(parents=True, exist_ok=True)
    wanted = [path for path in archives if not path.name.startswith(NOT_UNPACKED)]

    def one(path: Path) -> None:
        result = subprocess.run(
            ["dpkg-deb", "--extract", str(path), str(into)], capture_output=True, text=True
        )
        if result.returncode:
            raise AptError(f"cannot unpack {path.name}: {result.stderr.strip()}")

    with ThreadPoolExecutor(max_workers=min(4, (os.cpu_count() or 1) + 1)) as pool:
        for done, _ in enumerate(pool.map(one, wanted), start=1):
            on_progress(done / len(wanted))


def ensure_root(
    root: Path,
    packages: Sequence[str],
    *,
    suite: str,
    on_step: Callable[[str], None],
    on_progress: Callable[[float], None],
) -> Path:
    """Make sure that ``root`` holds ``packages`` unpacked, and give ``root``.

    The root appears by one rename once it is whole, and carries a stamp with the package names: a
    download or an unpacking that was interrupted, or a root made for other packages, is never
    used. Two callers at once wait for each other. Raises :class:`AptError`.
    """
    root = root.absolute()
    stamp_text = suite + " " + " ".join(sorted(packages)) + "\n"
    if _read(root / STAMP) == stamp_text:
        return root
    with locked(root.parent / f".{root.name}.lock"):
        if _read(root / STAMP) == stamp_text:
            return root
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise AptError(f"{tool} is not on this machine: it is not a Debian system")
        work = root.parent / f".{root.name}.apt"
        archives = _fetch_from_any(work, packages, suite, on_step, on_progress)
        on_step(f"unpacking {len(archives)} packages")
        staging = root.parent / f".{root.name}.staging"
        shutil.rmtree(staging, ignore_errors=True)
        unpack(archives, staging, on_progress)
        (staging / STAMP).write_text(stamp_text)
        shutil.rmtree(root, ignore_errors=True)
        staging.rename(root)
        shutil.rmtree(work, ignore_errors=True)
    return root


def _fetch_from_any(
    work: Path,
    packages: Sequence[str],
    suite: str,
    on_step: Callable[[str], None],
    on_progress: Callable[[float], None],
) -> list[Path]:
    """Try each of the machine's mirrors; what was fetched before an interruption is kept."""
    problems: list[str] = []
    for mirror in mirrors():
        on_step(f"fetching {packages[0]} and what it needs (Debian {suite})")
        try:
            return PrivateApt(work, suite=suite, mirror=mirror).fetch(packages, on_progress)
        except AptError as error:
            problems.append(str(error))
    raise AptError("; ".join(problems) or "no Debian archive in this machine's apt configuration")


def main(argv: Sequence[str]) -> int:
    """``apt.py ROOT SUITE PACKAGE...``: for shell scripts."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from sim.lab.progress import Progress

    progress = Progress()
    try:
        ensure_root(
            Path(argv[0]),
            argv[2:],
            suite=argv[1],
            on_step=progress.step,
            on_progress=progress.update,
        )
    except AptError as error:
        progress.note(str(error), good=False)
        return 1
    finally:
        progress.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

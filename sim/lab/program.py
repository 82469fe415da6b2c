"""Which Asterisk program the lab runs: the host's own, else Debian's packages unpacked here."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sim.lab.apt import AptError, ensure_root
from sim.lab.progress import Progress

PACKAGES = ("asterisk", "asterisk-core-sounds-en-wav", "asterisk-moh-opsound-wav", "libnss-wrapper")
SUITE = "sid"  # Asterisk is in neither Debian 12 nor 13; unstable has 22.x
MINIMUM = 18
#: without these the dialplan or the AMI account of config/asterisk do not work
NEEDED = (
    "app_chanspy", "app_confbridge", "app_dial", "app_mixmonitor", "app_originate", "app_queue",
    "chan_pjsip", "res_agi", "res_musiconhold", "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_refer", "res_rtp_asterisk",
)  # fmt: skip


class LabError(RuntimeError):
    """The private Asterisk cannot do what was asked; the text says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An Asterisk that can be started, and where its parts are."""

    command: tuple[str, ...]  # argument list up to and including the program
    version: str
    modules: Path
    data: Path  # documentation, static files
    sounds_en: Path | None
    music: Path | None
    from_host: bool
    nss_wrapper: Path | None = None  # see docs/asterisk.md, "host name"


def find_program(store: Path, progress: Progress) -> Program:
    """The host's Asterisk if it will do, else one unpacked into ``store/root``.

    The first call without an Asterisk on the host downloads about 110 MB. Raises
    :class:`LabError` with what to install when neither way works.
    """
    host, why_not = _host_program()
    if host is not None:
        return host
    try:
        root = ensure_root(
            store / "root",
            PACKAGES,
            suite=SUITE,
            on_step=progress.step,
            on_progress=progress.update,
        )
    except AptError as error:
        raise LabError(
            f"no usable Asterisk. On this host: {why_not}. Debian's packages: {error}. Install "
            f"Asterisk {MINIMUM} or later (22 is what ctid is tested with) with its sounds and "
            "music, or give this machine a reachable Debian mirror in its apt sources, and try "
            "again."
        ) from error
    finally:
        progress.close()
    return _unpacked_program(root)


def _host_program() -> tuple[Program | None, str]:
    """The host's own Asterisk, or None and the reason."""
    path = shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        return None, "no asterisk program"
    version = _version([path])
    if version is None or int(version.split(".")[0]) < MINIMUM:
        return None, f"{path} is version {version or 'unknown'}, {MINIMUM} or later is needed"
    places = [*Path("/usr/lib").glob("*/asterisk/modules")]
    places += [Path(p) for p in ("/usr/lib/asterisk/modules", "/usr/lib64/asterisk/modules",
                                 "/usr/local/lib/asterisk/modules")]  # fmt: skip
    for modules in places:
        if not modules.is_dir():
            continue
        missing = [name for name in NEEDED if not (modules / f"{name}.so").is_file()]
        if missing:
            return None, f"{modules} lacks {', '.join(missing)}"
        data = next(
            (d for d in (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))
             if (d / "sounds").is_dir()),
            Path("/usr/share/asterisk"),
        )  # fmt: skip
        return (
            Program(
                command=(path,),
                version=version,
                modules=modules,
                data=data,
                sounds_en=_english(data / "sounds"),
                music=_existing(data / "moh"),
                from_host=True,
            ),
            "",
        )
    return None, f"{path} has no modules folder"


def _unpacked_program(root: Path) -> Program:
    """An unpacked root, run through its own loader: the host's libraries may be older."""
    loader = next(iter(sorted(root.glob("usr/lib*/ld-linux*.so*"))), None)
    modules = next(iter(root.glob("usr/lib/*/asterisk/modules")), None)
    program = root / "usr/sbin/asterisk"
    if loader is None or modules is None or not program.is_file():
        raise LabError(f"{root} is not a whole Asterisk; remove it and try again")
    libraries = modules.parent.parent
    command = (str(loader), "--library-path", str(libraries), str(program))
    version = _version(list(command))
    if version is None:
        raise LabError(f"the Asterisk in {root} does not start on this machine")
    data = root / "usr/share/asterisk"
    return Program(
        command=command, version=version, modules=modules, data=data,
        sounds_en=_english(data / "sounds"), music=_existing(data / "moh"), from_host=False,
        nss_wrapper=_existing(libraries / "libnss_wrapper.so"),
    )  # fmt: skip


def _version(command: list[str]) -> str | None:
    try:
        said = subprocess.run([*command, "-V"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"Asterisk (?:certified/)?(\d+\.\d+[.\d]*)", said)
    return found.group(1) if found else None


def _english(sounds: Path) -> Path | None:
    for name in ("en", "en_US_f_Allison"):
        if (sounds / name).is_dir():
            return sounds / name
    return None


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None

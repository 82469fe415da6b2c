"""Start, stop and ask a private Asterisk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from sim.lab import process
from sim.lab.apt import locked
from sim.lab.boot import NotBooted, wait_fully_booted
from sim.lab.info import LabInfo
from sim.lab.options import (
    HOST,
    TRUNK_HOST,
    Folders,
    Options,
    Ports,
    choose_ports,
    describe,
    hosts_file,
    link_data,
    make_phones,
    write_configuration,
    write_note_program,
)
from sim.lab.program import LabError, Program, find_program
from sim.lab.progress import Progress
from sim.lab.prompts import ensure_prompts
from sim.lab.tools import default_base_dir

BOOT_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 8.0
#: a socket's path may have 107 bytes (unix(7)); "/asterisk.ctl" is added to the folder
LONGEST_RUN_DIR = 107 - len("/asterisk.ctl") - 5


class Lab:
    """One private Asterisk, told apart by its name within ``base_dir``.

    ``with Lab("test") as info: ...`` starts it and takes it down again. Every argument but the
    name has a default; ports not given are any free ones. Blocking: call it from a thread when
    an event loop runs (``asyncio.to_thread``).
    """

    def __init__(
        self,
        name: str = "default",
        *,
        base_dir: Path | str | None = None,
        agi_port: int = 0,
        agi_host: str = HOST,
        agents: int = 20,
        supervisors: int = 4,
        browsers: int = 4,
        static_phones: Mapping[str, str] | None = None,
        queue_members: Sequence[str] = (),
        queue_options: Mapping[str, str] | None = None,
        fallback_members: Sequence[str] = (),
        rounds: int = 60,
        fallback_s: int = 120,
        qualify_s: int = 15,
        ports: Ports | None = None,
        quiet: bool = False,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", name) or name in ("root", "prompts"):
            raise LabError(f"{name!r} cannot be the name of a lab: letters, digits, '-' and '_'")
        self.name = name
        self.store = Path(base_dir or default_base_dir()).absolute()
        ports = dataclasses.replace(ports or Ports(), **({"agi": agi_port} if agi_port else {}))
        self.options = Options(
            agents=agents, supervisors=supervisors, browsers=browsers,
            static_phones=dict(static_phones or {}), queue_members=tuple(queue_members),
            queue_options=dict(queue_options or {}), fallback_members=tuple(fallback_members),
            rounds=rounds, fallback_s=fallback_s, qualify_s=qualify_s, agi_host=agi_host,
            ports=ports,
        )  # fmt: skip
        self._progress = Progress(quiet=quiet)
        base = self.store / name
        self.folders = Folders(base, _run_dir(base))

    # ------------------------------------------------------------------ asking

    def info(self) -> LabInfo:
        """What is running. Raises :class:`LabError` when it is not."""
        info = self._saved()
        if info is None or not process.is_running(info.pid, info.pid_started):
            raise LabError(f"the lab {self.name!r} is not running; start it: ctid lab up")
        return info

    def status(self) -> str:
        """``running``, ``stopped``, or ``dead`` (it ended without being taken down)."""
        info = self._saved()
        if info is None:
            return "stopped"
        return "running" if process.is_running(info.pid, info.pid_started) else "dead"

    def cli(self, command: str, *, timeout_s: float = 15.0) -> str:
        """Run one command of Asterisk's console and give what it printed."""
        self.info()
        program = find_program(self.store, self._progress)
        config = str(self.folders.etc / "asterisk.conf")
        result = subprocess.run(
            [*program.command, "-C", config, "-rx", command], capture_output=True, text=True,
            timeout=timeout_s, env={**os.environ, "TERM": "dumb"}, errors="replace",
        )  # fmt: skip
        if result.returncode != 0:
            raise LabError(f"asterisk -rx failed: {(result.stderr or result.stdout).strip()}")
        if result.stdout.startswith("No such command"):
            raise LabError(result.stdout.strip())
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", result.stdout)

    # ------------------------------------------------------------------ starting and stopping

    def up(self) -> LabInfo:
        """Start it and wait until it is fully booted. Running with the same options: nothing to do.

        What a killed predecessor left behind (process, sockets, half-written files) is removed
        first. Raises :class:`LabError`.
        """
        with locked(self.store / f".{self.name}.lock"):
            options = json.dumps(self.options.as_json(), sort_keys=True)
            if self.status() == "running":
                if self._read("options.json") == options:
                    return self.info()
                self._progress.note(f"lab {self.name}: other options, starting it anew")
            self._down()
            program = find_program(self.store, self._progress)
            prompts = ensure_prompts(self.store)
            if prompts is None:
                self._progress.note(
                    "espeak-ng is not installed: prompts are Asterisk's own, in English only "
                    "(sim/setup.sh phones installs it)", good=False,
                )  # fmt: skip
            self._progress.step(f"starting Asterisk {program.version}")
            info = self._start(program, prompts)
            (self.folders.base / "options.json").write_text(options)
            self._progress.note(
                f"lab {self.name} is up: SIP {info.sip_host}:{info.sip_port}, AMI port "
                f"{info.ami.port}, WebSocket {info.ws_url}, expects ctid's FastAGI on port "
                f"{info.agi_port}"
            )
            return info

    def down(self) -> bool:
        """Stop it; nothing of it is left running. Says whether it had been running."""
        with locked(self.store / f".{self.name}.lock"):
            return self._down()

    def remove(self) -> None:
        """Stop it and delete its folder with logs and recordings."""
        self.down()
        shutil.rmtree(self.folders.base, ignore_errors=True)
        (self.store / f".{self.name}.lock").unlink(missing_ok=True)

    def __enter__(self) -> LabInfo:
        return self.up()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    # ------------------------------------------------------------------ parts

    def _start(self, program: Program, prompts: Path | None) -> LabInfo:
        # One start at a time on this machine: ports are free until their Asterisk has bound them.
        machine_lock = Path(tempfile.gettempdir()) / f"ctid-lab-{os.getuid()}.lock"
        with locked(machine_lock):
            ports = choose_ports(self.options.ports, str(self.folders.base))
            self._refuse_taken(ports)
            phones = make_phones(self.options)
            secret = secrets.token_hex(16)
            self._make_folders()
            link_data(self.folders, program, prompts)
            write_note_program(self.folders)
            write_configuration(self.folders, self.options, ports, phones, secret, program)
            info = describe(self.name, self.folders, self.options, ports, phones, secret, program)
            pid = self._launch(program)
            started = process.start_time(pid) or 0
            info = dataclasses.replace(info, pid=pid, pid_started=started)
            # saved before it is booted: if we are killed now, the next `up` finds the process
            info.save(self.folders.base / "info.json")
            try:
                wait_fully_booted(
                    info.ami, lambda: process.is_running(pid, started), BOOT_TIMEOUT_S
                )
            except NotBooted as error:
                tail = self._read("log/console.log")[-1500:]
                self._down()
                raise LabError(f"Asterisk did not start: {error}\n{tail}") from error
            return info

    def _launch(self, program: Program) -> int:
        command = list(program.command)
        env = {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD",)}
        env["TERM"] = "dumb"
        if program.nss_wrapper is not None:
            # the loader's own option: unlike LD_PRELOAD it is not inherited by AGI scripts
            command[1:1] = ["--preload", str(program.nss_wrapper)]
            env["NSS_WRAPPER_HOSTS"] = str(hosts_file(self.folders))
        config = str(self.folders.etc / "asterisk.conf")
        return process.start_apart(
            [*command, "-f", "-n", "-C", config], log=self.folders.log / "console.log", env=env,
            cwd=self.folders.base,
        )  # fmt: skip

    def _make_folders(self) -> None:
        self.folders.create()
        run = self.folders.run
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = run.lstat()
        if owner.st_uid != os.getuid() or not stat.S_ISDIR(owner.st_mode):
            raise LabError(f"{run} belongs to somebody else; remove it")
        for name in ("asterisk.ctl", "asterisk.pid"):
            (run / name).unlink(missing_ok=True)
        (self.folders.log / "console.log").unlink(missing_ok=True)

    def _refuse_taken(self, ports: Ports) -> None:
        wanted = self.options.ports
        for port, host, udp, tcp in (
            (wanted.sip, HOST, True, True), (wanted.ami, HOST, False, True),
            (wanted.http, HOST, False, True), (wanted.trunk, TRUNK_HOST, True, False),
        ):  # fmt: skip
            if port and not process.port_is_free(host, port, udp=udp, tcp=tcp):
                raise LabError(f"port {port} on {host} is taken by another program")

    def _down(self) -> bool:
        info = self._saved()
        was_running = False
        if info is not None:
            was_running = process.is_running(info.pid, info.pid_started)
            process.end(info.pid, info.pid_started, STOP_TIMEOUT_S)
            (self.folders.base / "info.json").unlink(missing_ok=True)
        # one whose `up` was killed before it could write down the pid
        for pid in process.with_arguments("-f", str(self.folders.etc / "asterisk.conf")):
            process.end(pid, process.start_time(pid) or 0, STOP_TIMEOUT_S)
        # only a start that went to its end counts as one with these options
        (self.folders.base / "options.json").unlink(missing_ok=True)
        for name in ("asterisk.ctl", "asterisk.pid"):
            (self.folders.run / name).unlink(missing_ok=True)
        if self.folders.run.parent != self.folders.base and self.folders.run.exists():
            shutil.rmtree(self.folders.run, ignore_errors=True)
        return was_running

    def _saved(self) -> LabInfo | None:
        text = self._read("info.json")
        try:
            return LabInfo.from_json(text) if text else None
        except (ValueError, TypeError, KeyError):
            return None  # written by another version: nothing of use in it

    def _read(self, name: str) -> str:
        try:
            return (self.folders.base / name).read_text(errors="replace")
        except OSError:
            return ""


def _run_dir(base: Path) -> Path:
    """Folder of the control socket: in the instance, or a short one if that path is too long."""
    inside = base / "run"
    if len(os.fsencode(inside)) <= LONGEST_RUN_DIR:
        return inside
    digest = hashlib.sha256(os.fsencode(base)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"ctid-lab-{os.getuid()}-{digest}"

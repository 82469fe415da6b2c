"""What a caller may choose about a private Asterisk, and how that becomes its files."""

from __future__ import annotations

import secrets
import shlex
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sim.lab.info import AmiInfo, LabInfo, PhoneInfo
from sim.lab.process import free_port
from sim.lab.program import Program
from sim.lab.prompts import INSTEAD
from sim.lab.render import (
    EMPTY,
    TEST_NUMBERS,
    BenchQueues,
    Phone,
    asterisk_conf,
    bench_queues_conf,
    modules_conf,
    phones_conf,
    rewrite,
    site_conf,
)

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = REPOSITORY / "config" / "asterisk"
HOST = "127.0.0.1"
TRUNK_HOST = "127.0.0.2"
COPIED = (
    "cdr.conf", "cel.conf", "confbridge.conf", "features.conf", "logger.conf", "musiconhold.conf",
)  # fmt: skip
#: RTP blocks of the instances; below the kernel's ephemeral ports, which others are given
RTP_FIRST, RTP_BLOCK, RTP_BLOCKS = 11_000, 2_000, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports to use; 0 means any free one."""

    sip: int = 0
    ami: int = 0
    http: int = 0
    agi: int = 0
    trunk: int = 0
    rtp_first: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that shapes an instance. Two equal ones give equal instances."""

    agents: int = 20  # phones 1001 and up
    supervisors: int = 4  # 1101 and up; with more than 99 agents they start at 1901
    browsers: int = 4  # 2001 and up
    static_phones: Mapping[str, str] = field(default_factory=dict)  # user -> contact URI
    queue_members: Sequence[str] = ()  # users in the bench queues; default: all agents
    queue_options: Mapping[str, str] = field(default_factory=dict)
    fallback_members: Sequence[str] = ()  # users in queue fallback; default: all agents
    rounds: int = 60  # tries of the dialplan before the fallback queue, about a second each
    fallback_s: int = 120
    qualify_s: int = 15
    agi_host: str = HOST
    ports: Ports = field(default_factory=Ports)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def make_phones(options: Options) -> list[Phone]:
    """The phones of an instance, with new passwords."""
    first_supervisor = 1101 if options.agents < 100 else 1901
    users = [(str(1001 + i), "agent", f"Agent {1001 + i}") for i in range(options.agents)]
    users += [
        (str(first_supervisor + i), "supervisor", f"Supervisor {first_supervisor + i}")
        for i in range(options.supervisors)
    ]
    users += [(str(2001 + i), "browser", f"Browser {2001 + i}") for i in range(options.browsers)]
    known = {user for user, _, _ in users}
    users += [(u, "agent", f"Agent {u}") for u in options.static_phones if u not in known]
    return [
        Phone(
            user=user, kind=kind, name=name, contact=options.static_phones.get(user, ""),
            password="" if user in options.static_phones else secrets.token_hex(12),
        )
        for user, kind, name in users
    ]  # fmt: skip


def choose_ports(ports: Ports, instance: str) -> Ports:
    """Fill in the zeros. The RTP block depends on the instance, so that two seldom share one."""
    block = sum(instance.encode()) % RTP_BLOCKS
    return Ports(
        sip=ports.sip or free_port(HOST, udp=True, tcp=True),
        ami=ports.ami or free_port(HOST, udp=False, tcp=True),
        http=ports.http or free_port(HOST, udp=False, tcp=True),
        agi=ports.agi or free_port(HOST, udp=False, tcp=True),
        trunk=ports.trunk or free_port(TRUNK_HOST, udp=True, tcp=True),
        rtp_first=ports.rtp_first or RTP_FIRST + block * RTP_BLOCK,
    )


class Folders:
    """The folders of one instance."""

    def __init__(self, base: Path, run: Path) -> None:
        self.base = base
        self.etc = base / "etc"
        self.lib = base / "lib"
        self.data = base / "data"
        self.log = base / "log"
        self.spool = base / "spool"
        self.agi = base / "agi"
        self.run = run
        self.notes = self.spool / "ctid" / "missed"
        self.recordings = self.spool / "monitor"

    def create(self) -> None:
        for folder in (self.etc, self.lib, self.data, self.log, self.agi, self.notes,
                       self.recordings, self.spool / "outgoing", self.spool / "tmp",
                       self.lib / "keys"):  # fmt: skip
            folder.mkdir(parents=True, exist_ok=True)


def write_configuration(
    folders: Folders, options: Options, ports: Ports, phones: Sequence[Phone], secret: str,
    program: Program,
) -> None:  # fmt: skip
    """Write every file Asterisk reads."""

    def put(name: str, text: str) -> None:
        path = folders.etc / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def sample(name: str, values: Mapping[tuple[str, str], str]) -> None:
        put(name, rewrite((SAMPLES / name).read_text(encoding="utf-8"), values))

    modules = {path.stem for path in program.modules.glob("*.so")}
    put("asterisk.conf", asterisk_conf(_directories(folders, program)))
    put("modules.conf", modules_conf(modules))
    for name in EMPTY:
        put(name, "[general]\n")
    for name in COPIED:
        sample(name, {})
    sample("manager.conf", {("general", "port"): str(ports.ami), ("ctid", "secret"): secret})
    sample("http.conf", {("general", "bindport"): str(ports.http)})
    sample("rtp.conf", {
        ("general", "rtpstart"): str(ports.rtp_first),
        ("general", "rtpend"): str(ports.rtp_first + RTP_BLOCK - 1),
    })  # fmt: skip
    # ICE on loopback only: other addresses of the machine are nobody's business here
    with (folders.etc / "rtp.conf").open("a") as handle:
        handle.write("ice_deny = 0.0.0.0/0\nice_deny = ::/0\nice_permit = 127.0.0.0/8\n")
    bind = f"{HOST}:{ports.sip}"
    sample("pjsip.conf", {
        ("transport-udp", "bind"): bind,
        ("transport-tcp", "bind"): bind,
        ("trunk", "contact"): f"sip:{TRUNK_HOST}:{ports.trunk}",
    })  # fmt: skip
    put("pjsip_phones.conf", phones_conf(phones, options.qualify_s))
    sample("extensions.conf", {
        ("globals", "CTID_AGI"): f"{options.agi_host}:{ports.agi}",
        ("globals", "CTID_ROUNDS"): str(options.rounds),
        ("globals", "CTID_FALLBACK_S"): str(options.fallback_s),
        ("globals", "CTID_SPOOL"): str(folders.notes),
    })  # fmt: skip
    put("ctid_site.conf", site_conf())
    agents = [phone.user for phone in phones if phone.kind == "agent"]
    fallback = "\n".join(f"member => PJSIP/{u}" for u in options.fallback_members or agents)
    bench = BenchQueues(
        members=[f"PJSIP/{user}" for user in options.queue_members or agents],
        options=options.queue_options,
    )
    queues = (SAMPLES / "queues.conf").read_text(encoding="utf-8").splitlines()
    kept = [line for line in queues if not line.startswith("member =>")]
    put("queues.conf", "\n".join([*kept, fallback, "", bench_queues_conf(bench)]))


def _directories(folders: Folders, program: Program) -> dict[str, str]:
    return {
        "astetcdir": str(folders.etc), "astmoddir": str(program.modules),
        "astvarlibdir": str(folders.lib), "astdbdir": str(folders.lib),
        "astkeydir": str(folders.lib), "astdatadir": str(folders.data),
        "astagidir": str(folders.agi), "astspooldir": str(folders.spool),
        "astrundir": str(folders.run), "astlogdir": str(folders.log),
        "astcachedir": str(folders.spool / "tmp"), "astsbindir": str(folders.agi),
    }  # fmt: skip


def link_data(folders: Folders, program: Program, prompts: Path | None) -> None:
    """The instance's data folder: links to the program's own data, sounds, music, and prompts."""
    shutil.rmtree(folders.data, ignore_errors=True)
    english = folders.data / "sounds" / "en"
    english.mkdir(parents=True)
    for name in ("documentation", "static-http", "rest-api"):
        if (program.data / name).exists():
            (folders.data / name).symlink_to(program.data / name)
    if program.sounds_en is not None:
        for item in program.sounds_en.iterdir():
            (english / item.name).symlink_to(item)
    if prompts is not None:
        (english / "ctid").symlink_to(prompts / "en" / "ctid")
        (folders.data / "sounds" / "zh").symlink_to(prompts / "zh")
    elif program.sounds_en is not None:
        (english / "ctid").mkdir()
        for name, other in INSTEAD.items():
            (english / "ctid" / f"{name}.wav").symlink_to(program.sounds_en / f"{other}.wav")
    if program.music is not None:
        (folders.data / "moh").symlink_to(program.music)


def write_note_program(folders: Folders) -> None:
    """``ctid-note`` in the AGI folder: ctid's script, run by the Python that runs the lab."""
    script = REPOSITORY / "ctid" / "telephony" / "asterisk" / "missed_call.py"
    path = folders.agi / "ctid-note"
    python, script_q = shlex.quote(sys.executable), shlex.quote(str(script))
    path.write_text(f'#!/bin/sh\nexec {python} -P {script_q} "$@"\n')
    path.chmod(0o755)


def hosts_file(folders: Folders) -> Path:
    """A hosts file that knows this machine's name, see docs/asterisk.md."""
    path = folders.base / "hosts"
    name = socket.gethostname()
    # both families: for the one that is missing nss_wrapper would go on and ask the network
    names = f"localhost {name}"
    path.write_text(f"127.0.0.1 {names}\n::1 {names}\n")
    return path


def describe(
    name: str, folders: Folders, options: Options, ports: Ports, phones: Sequence[Phone],
    secret: str, program: Program,
) -> LabInfo:  # fmt: skip
    """The instance as others see it; the pid is filled in once it runs."""
    return LabInfo(
        name=name, pid=0, pid_started=0, version=program.version,
        base_dir=str(folders.base), etc_dir=str(folders.etc), log_dir=str(folders.log),
        spool_dir=str(folders.spool), recordings_dir=str(folders.recordings),
        notes_dir=str(folders.notes), sounds_dir=str(folders.data / "sounds"),
        config_file=str(folders.etc / "asterisk.conf"),
        ami=AmiInfo(host=HOST, port=ports.ami, username="ctid", secret=secret),
        sip_host=HOST, sip_port=ports.sip, ws_url=f"ws://{HOST}:{ports.http}/ws",
        agi_host=options.agi_host, agi_port=ports.agi,
        rtp_ports=(ports.rtp_first, ports.rtp_first + RTP_BLOCK - 1),
        trunk_source=TRUNK_HOST, trunk_host=TRUNK_HOST, trunk_port=ports.trunk,
        phones=tuple(
            PhoneInfo(
                user=p.user, kind=p.kind, name=p.name, interface=p.interface,
                password=p.password, contact=p.contact,
            )
            for p in phones
        ),
        numbers=dict(TEST_NUMBERS),
    )  # fmt: skip

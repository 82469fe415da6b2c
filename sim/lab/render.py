"""Turns the sample configuration into that of one instance.

The samples in ``config/asterisk`` are valid files of their own. They are not templates: the lab
copies them and rewrites single values, and a value that is not there is an error. So what the
tests run is what a site is told to copy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: (section, key) -> value
Values = Mapping[tuple[str, str], str]


def rewrite(text: str, values: Values) -> str:
    """Give ``text`` with the values of single ``key = value`` lines replaced.

    The first matching line of any section of that name is rewritten, its comment is dropped.
    Raises KeyError when a section or key does not occur.
    """
    left = dict(values)
    out: list[str] = []
    section = ""
    for line in text.splitlines():
        head = re.match(r"\s*\[([^\]]+)\]", line)
        if head:
            section = head.group(1)
        pair = re.match(r"\s*([\w-]+)\s*=>?\s*", line)
        if pair and (section, pair.group(1)) in left:
            value = left.pop((section, pair.group(1)))
            if not value.isprintable():
                raise ValueError(f"control character in the value of {pair.group(1)}")
            line = f"{pair.group(1)} = {value}"
        out.append(line)
    if left:
        raise KeyError(f"not in the sample: {sorted(left)}")
    return "\n".join(out) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone of the lab. ``contact`` is set for phones that do not register."""

    user: str
    kind: str  # agent, supervisor or browser
    name: str
    password: str = ""
    contact: str = ""

    @property
    def interface(self) -> str:
        """What Dial, Queue and device states call it."""
        return f"PJSIP/{self.user}"


def phones_conf(phones: Sequence[Phone], qualify_s: int) -> str:
    """``pjsip_phones.conf`` for ``phones``, from the templates in ``pjsip.conf``."""
    out: list[str] = []
    for phone in phones:
        user = phone.user
        template = "webrtc-phone" if phone.kind == "browser" else "phone"
        if phone.contact:
            template = "static-phone"
        out += [f"[{user}]({template})", f"aors = {user}", f'callerid = "{phone.name}" <{user}>']
        if phone.contact:
            out += [f"[{user}](static-aor)", f"contact = {phone.contact}"]
        else:
            out += [f"auth = {user}"]
            out += [f"[{user}](phone-auth)", f"username = {user}", f"password = {phone.password}"]
            out += [f"[{user}](phone-aor)", f"qualify_frequency = {qualify_s}"]
        out.append("")
    return "\n".join(out)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchQueues:
    """app_queue queues for measurements: one per strategy, all with the same phones."""

    members: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)


BENCH_STRATEGIES = ("rrmemory", "leastrecent", "fewestcalls", "random", "ringall", "linear")


def bench_queues_conf(bench: BenchQueues) -> str:
    """Queues ``bench_STRATEGY``. ``options`` overrides or adds queue options."""
    options = {
        "musicclass": "default", "timeout": "15", "retry": "1", "wrapuptime": "0",
        "ringinuse": "no", "joinempty": "yes", "leavewhenempty": "no", "setinterfacevar": "no",
        "announce-frequency": "0", "announce-holdtime": "no", **bench.options,
    }  # fmt: skip
    out: list[str] = []
    for strategy in BENCH_STRATEGIES:
        out += [f"[bench_{strategy}]", f"strategy = {strategy}"]
        out += [f"{key} = {value}" for key, value in options.items()]
        out += [f"member => {member}" for member in bench.members]
        out.append("")
    return "\n".join(out)


#: numbers of the lab's own, reachable from the trunk and from phones
TEST_NUMBERS = {
    "echo": "9196", "milliwatt": "9197", "music": "9198", "silence": "9199", "answer_once": "9195",
    **{f"bench_{name}": f"95{index:02d}" for index, name in enumerate(BENCH_STRATEGIES)},
}  # fmt: skip


def site_conf() -> str:
    """``ctid_site.conf``: the test numbers."""
    out = [
        f"exten => {TEST_NUMBERS['echo']},1,Answer()",
        " same => n,Echo()",
        f"exten => {TEST_NUMBERS['milliwatt']},1,Answer()",
        " same => n,Milliwatt()",
        f"exten => {TEST_NUMBERS['music']},1,Answer()",
        " same => n,MusicOnHold(default)",
        f"exten => {TEST_NUMBERS['silence']},1,Answer()",
        " same => n,Wait(3600)",
        f"exten => {TEST_NUMBERS['answer_once']},1,Answer()",
        " same => n,Hangup()",
    ]
    for name in BENCH_STRATEGIES:
        out += [
            f"exten => {TEST_NUMBERS[f'bench_{name}']},1,Answer()",
            f" same => n,Queue(bench_{name})",
            " same => n,Hangup()",
        ]
    return "\n".join(out) + "\n"


def asterisk_conf(folders: Mapping[str, str]) -> str:
    """``asterisk.conf``: every folder is set, so that nothing of the host's is used."""
    lines = ["[directories]"]
    lines += [f"{name} => {path}" for name, path in folders.items()]
    lines += [
        "[options]",
        "documentation_language = en_US",
        "hideconnect = yes",
        "live_dangerously = no",
        "defaultlanguage = en",
        "transmit_silence = yes",
        "rtp_use_dynamic = yes",
        "[files]",
        "astctl = asterisk.ctl",
    ]
    return "\n".join(lines) + "\n"


#: files that modules look for; empty ones keep the log free of complaints
EMPTY = (
    "acl.conf", "ccss.conf", "indications.conf", "pjproject.conf", "queuerules.conf", "stasis.conf",
    "udptl.conf",
)  # fmt: skip


def modules_conf(available: set[str]) -> str:
    """``modules.conf`` with those modules of ``modules.txt`` that this Asterisk has."""
    wanted = Path(__file__).with_name("modules.txt").read_text(encoding="utf-8").splitlines()
    lines = ["[modules]", "autoload = no"]
    lines += [f"load = {name}.so" for name in wanted if name in available]
    return "\n".join(lines) + "\n"

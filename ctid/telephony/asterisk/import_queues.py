"""An Asterisk ``queues.conf`` as a ``queues.toml``, and what could not be carried over.

The meaning of each option is that of the sample
``queues.conf`` of Asterisk 22 and of the documentation of ``Queue()``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit

from ctid.queues_schema import ID_PATTERN
from ctid.telephony.asterisk.conf_reader import Option, Section, directives, sections
from ctid.toml_file import ConfigFileError, Problem

STRATEGIES = {
    "ringall": "ring_all",
    "leastrecent": "longest_idle",
    "fewestcalls": "fewest_calls",
    "random": "random",
    "rrmemory": "round_robin",
    "roundrobin": "round_robin",
    "rrordered": "round_robin",
    "linear": "top_down",
    "wrandom": "weighted_random",
}
_YES = ("yes", "true", "y", "t", "1", "on")  # ast_true() of Asterisk


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was lost or means something a little different now."""

    line: int
    where: str
    message: str
    file: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.where}: {self.message}"


@dataclass(slots=True)
class Imported:
    """``text`` of the new file, and what has to be looked at."""

    text: str
    notes: list[Note] = field(default_factory=list)


def convert(path: Path, agents_conf: Path | None = None) -> Imported:
    """Read ``path``. Raises ConfigFileError when it is no queues.conf at all."""
    importer = _Import(str(path), _names_of(agents_conf))
    return importer.run(sections(path), directives(path))


def _names_of(path: Path | None) -> dict[str, str]:
    """``agent => id,password,name`` of agents.conf: names by id. Passwords are not taken along."""
    names: dict[str, str] = {}
    for section in sections(path) if path is not None else ():
        full = section.last("fullname")
        if full is not None:  # the form since Asterisk 12: one section for each agent
            names[section.name] = full.value
        for option in section.options:
            if option.name == "agent":
                parts = [part.strip() for part in option.value.split(",")]
                if len(parts) > 2:
                    names[parts[0]] = parts[2]
    return names


class _Import:
    def __init__(self, file: str, names: dict[str, str]) -> None:
        self._file = file
        self._names = names
        self._notes: list[Note] = []
        self._agents: dict[str, dict[str, Any]] = {}

    def run(self, found: list[Section], elsewhere: list[Option]) -> Imported:
        """The new file."""
        for directive in elsewhere:
            self._note(directive.line, directive.name, f"{directive.value!r} is not followed")
        queues: dict[str, Any] = {}
        for section in found:
            if section.name == "general":
                self._general(section)
                continue
            name = self._id(section)
            queues[name] = self._queue(name, section)
        document = tomlkit.document()
        document.add(tomlkit.comment("Imported from an Asterisk queues.conf. Check it with"))
        document.add(tomlkit.comment("ctid check-config --queues FILE, and add [[entries]]."))
        for table, content in (("queues", queues), ("agents", self._agents)):
            if content:
                section_ = tomlkit.table(is_super_table=True)
                for key, value in content.items():
                    section_[key] = value
                document[table] = section_
        if not queues:
            raise ConfigFileError([Problem(self._file, 0, "", "holds no queue")])
        notes = sorted(self._notes, key=lambda n: n.line)
        return Imported(tomlkit.dumps(document), notes)

    def _note(self, line: int, where: str, message: str) -> None:
        self._notes.append(Note(line, where, message, self._file))

    def _id(self, section: Section) -> str:
        if re.fullmatch(ID_PATTERN, section.name):
            return section.name
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", section.name).strip("-._") or "queue"
        name = f"{name}-{section.line}"[:64]
        self._note(section.line, section.name, f'is named "{name}" now: ids are plain letters')
        return name

    def _general(self, section: Section) -> None:
        for option in section.options:
            if option.name in ("autofill", "persistentmembers", "shared_lastcall", "keepstats"):
                if option.name == "autofill" and option.value.lower() not in _YES:
                    self._note(
                        option.line,
                        "general",
                        "autofill = no: callers are always served in parallel",
                    )
                continue
            self._note(option.line, "general", f"{option.name} is not carried over")

    def _queue(self, name: str, section: Section) -> dict[str, Any]:
        queue: dict[str, Any] = {}
        if name != section.name:
            queue["name"] = section.name
        members = [o for o in section.options if o.name == "member"]
        seen: set[str] = set()
        for option in reversed([o for o in section.options if o.name != "member"]):
            if option.name in seen:
                continue
            seen.add(option.name)
            carry = _OPTIONS.get(option.name)
            if option.name in _MEANT_ANYWAY:
                continue
            if carry is None:
                why = _LOST.get(option.name, "has no counterpart")
                self._note(option.line, section.name, f"{option.name}: {why}")
                continue
            try:
                carry(self, queue, option, section)
            except ValueError:
                message = f"{option.name} = {option.value!r} is not understood"
                self._note(option.line, section.name, message)
        for position, option in enumerate(members):
            self._membership(name, section, option, position)
        order = ("name", "strategy", "ring_timeout_s", "wrap_up_s")
        return {k: queue[k] for k in (*order, *(k for k in queue if k not in order)) if k in queue}

    # -- members -----------------------------------------------------------------------------------

    def _membership(self, queue: str, section: Section, option: Option, position: int) -> None:
        parts = [part.strip() for part in option.value.split(",")]
        interface = parts[0]
        penalty = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        title = parts[2] if len(parts) > 2 else ""
        state = parts[3] if len(parts) > 3 else ""
        if len(parts) > 4 and parts[4].lower() in _YES:
            self._note(
                option.line,
                section.name,
                f"{interface}: ringinuse has no counterpart; "
                "an agent's capacity says what goes together",
            )
        if len(parts) > 5 and parts[5].isdigit():
            self._note(option.line, section.name, f"{interface}: set wrap_up_s in the membership")
        agent = self._agent(interface, title, state, section, option)
        if agent is None:
            return
        membership: dict[str, Any] = {"queue": queue}
        if position and section.last("strategy") is not None:
            strategy = section.last("strategy")
            if strategy is not None and STRATEGIES.get(strategy.value.lower()) == "top_down":
                membership["position"] = position
        if penalty:
            membership["level"] = penalty + 1
        inline = tomlkit.inline_table()
        inline.update(membership)
        agent["queues"].append(inline if len(membership) > 1 else queue)

    def _agent(
        self, interface: str, title: str, state: str, section: Section, option: Option
    ) -> dict[str, Any] | None:
        technology, _, address = interface.partition("/")
        technology = technology.lower()
        if technology == "local":
            # FreePBX: Local/1001@from-queue/n, with the real phone in the state interface
            address = address.split("@")[0]
            if state.lower().startswith("hint:"):
                self._note(
                    option.line, section.name, f"{interface}: {address} is taken for the phone"
                )
        elif technology not in ("pjsip", "sip", "agent", "iax2"):
            self._note(
                option.line,
                section.name,
                f"{interface}: only PJSIP, SIP, IAX2, Agent and Local members can be carried over",
            )
            return None
        key = address if re.fullmatch(ID_PATTERN, address) else ""
        if not key:
            self._note(option.line, section.name, f"{interface}: {address!r} can not be an id")
            return None
        if technology in ("sip", "iax2"):
            self._note(option.line, section.name, f"{interface}: the phone becomes PJSIP/{address}")
        agent = self._agents.get(key)
        if agent is None:
            known = title or self._names.get(address, "")
            agent = {"name": known} if known else {}
            if technology != "agent":
                agent["phone"] = address
            else:
                self._note(option.line, section.name, f"{interface}: choose a phone at log-in")
            agent["queues"] = []
            self._agents[key] = agent
        return agent

    # -- options -----------------------------------------------------------------------------------

    def strategy(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """The order in which agents are asked."""
        known = STRATEGIES.get(option.value.lower())
        if known is None:
            raise ValueError(option.value)
        queue["strategy"] = known
        if option.value.lower() == "wrandom":
            self._note(
                option.line,
                section.name,
                "wrandom: penalties became levels; set weight in the memberships instead",
            )

    def timeout(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """How long a phone rings; 0 means for ever there."""
        seconds = int(option.value)
        queue["ring_timeout_s"] = seconds if seconds > 0 else 60
        if seconds <= 0:
            self._note(option.line, section.name, "timeout = 0 (for ever) became 60 s")

    def wrapuptime(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """Rest after a call."""
        queue["wrap_up_s"] = int(option.value)

    def maxlen(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """How many may wait."""
        if int(option.value) > 0:
            queue["max_waiting"] = int(option.value)

    def servicelevel(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """The threshold of the service level."""
        queue["service_level_s"] = int(option.value)

    def music(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """Music on hold class."""
        queue["music"] = option.value

    def weight(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """Heavier queues are served first, without limit; here it is a head start."""
        if int(option.value) > 0:
            queue["head_start_s"] = 60 * int(option.value)
            self._note(
                option.line,
                section.name,
                f"weight = {option.value} became a head start of "
                f"{60 * int(option.value)} s: a bounded one, nobody starves",
            )

    def joinempty(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """Whether callers may join with nobody there."""
        queue["join_empty"] = self._empty(option, section)

    def leavewhenempty(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """Whether callers have to leave when nobody is there."""
        queue["leave_empty"] = self._empty(option, section)

    def _empty(self, option: Option, section: Section) -> str:
        value = option.value.lower()
        joins = option.name == "joinempty"
        if value in ("yes", "no"):
            always = (value == "yes") == joins
            return "always" if always else "available"
        if value in ("strict", "loose"):
            return "available" if value == "strict" else "logged_in"
        conditions = {c.strip() for c in value.split(",")}
        if len(conditions) > 1:
            self._note(
                option.line,
                section.name,
                f'{option.name} = {option.value}: taken as "available", look at it',
            )
        return "available" if conditions & {"paused", "inuse", "ringing"} else "logged_in"

    def frequency(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """How often position and wait are announced."""
        if int(option.value) > 0:
            self._say(queue)["every_s"] = int(option.value)

    def position(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """Whether the position is announced."""
        self._say(queue)["position"] = option.value.lower() in (*_YES, "limit", "more")
        if option.value.lower() in ("limit", "more"):
            limit = section.last("announce-position-limit")
            if limit is not None and limit.value.isdigit():
                self._say(queue)["position_up_to"] = int(limit.value)

    def holdtime(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """Whether the expected wait is announced."""
        self._say(queue)["expected_wait"] = option.value.lower() in (*_YES, "once")

    def comfort(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """The periodic announcement."""
        sounds = [s.strip() for s in option.value.split(",") if s.strip()]
        for sound in sounds:
            if not re.fullmatch(r"[A-Za-z0-9_./+-]{1,128}", sound):
                raise ValueError(sound)
        self._say(queue)["comfort"] = sounds
        every = section.last("periodic-announce-frequency")
        say = self._say(queue)
        if every is not None and every.value.isdigit():
            say.setdefault("every_s", int(every.value))
        else:
            say.setdefault("every_s", 60)

    def _say(self, queue: dict[str, Any]) -> dict[str, Any]:
        said: dict[str, Any] = queue.setdefault("announcements", {})
        return said

    def autopause(self, queue: dict[str, Any], option: Option, section: Section) -> None:
        """Pausing agents who do not answer."""
        value = option.value.lower()
        if value not in ("yes", "no", "all"):
            raise ValueError(value)
        queue["no_answer"] = {"pause_after": 0 if value == "no" else 1}
        if value == "yes":
            self._note(
                option.line,
                section.name,
                "autopause = yes: the agent is paused in every queue, not only in this one",
            )


_Carry = Callable[[_Import, dict[str, Any], Option, Section], None]
_OPTIONS: dict[str, _Carry] = {
    "strategy": _Import.strategy,
    "timeout": _Import.timeout,
    "wrapuptime": _Import.wrapuptime,
    "maxlen": _Import.maxlen,
    "servicelevel": _Import.servicelevel,
    "musicclass": _Import.music,
    "musiconhold": _Import.music,
    "weight": _Import.weight,
    "joinempty": _Import.joinempty,
    "leavewhenempty": _Import.leavewhenempty,
    "announce-frequency": _Import.frequency,
    "announce-position": _Import.position,
    "announce-holdtime": _Import.holdtime,
    "periodic-announce": _Import.comfort,
    "autopause": _Import.autopause,
}
_MEANT_ANYWAY = {
    *("announce-position-limit", "periodic-announce-frequency", "autofill", "ringinuse", "retry"),
    *("reportholdtime", "eventwhencalled", "eventmemberstatus", "setinterfacevar", "setqueuevar"),
    *("setqueueentryvar", "monitor-format", "monitor-type", "shared_lastcall", "timeoutpriority"),
    *("min-announce-frequency", "announce-round-seconds", "relative-periodic-announce"),
}
"""Asterisk's own mechanics, or the way it always is here: nothing is lost without them."""
_LOST = {
    "context": "callers leave by digits through overflow rules; add "
    'overflow = [{ reason = "digit", digit = "1", flow = "..." }]',
    "defaultrule": "queuerules.conf is not read; write penalty_steps",
    "penaltymemberslimit": "levels open by level_advance and level_wait_s",
    "announce": "a whisper to the agent is not played; the screen-pop shows the queue",
    "queue-youarenext": "prompts of positions are the house's own sounds",
    "memberdelay": "the agent is connected at once",
    "memberdelay-announce": "the agent is connected at once",
    "servicelevelmax": "has no counterpart",
    "log_membername_as_agent": "belongs to queue_log",
}

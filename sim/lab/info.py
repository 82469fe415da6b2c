"""What others need to know about a running private Asterisk."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneInfo:
    """One phone: how it registers, and what the PBX calls it."""

    user: str
    kind: str  # agent, supervisor or browser
    name: str
    interface: str  # for Dial and device states, e.g. PJSIP/1001
    password: str = ""
    contact: str = ""  # set for phones at a fixed address, which do not register


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiInfo:
    host: str
    port: int
    username: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabInfo:
    """Addresses, credentials and folders of one instance. JSON and back without loss."""

    name: str
    pid: int
    pid_started: int  # start time of that process, see proc(5) field 22: a pid alone is reused
    version: str
    base_dir: str
    etc_dir: str
    log_dir: str
    spool_dir: str
    recordings_dir: str  # where MixMonitor writes relative names
    notes_dir: str  # missed-call notes
    sounds_dir: str
    config_file: str
    ami: AmiInfo
    sip_host: str
    sip_port: int  # UDP and TCP
    ws_url: str
    agi_host: str
    agi_port: int  # where the dialplan expects ctid's FastAGI
    rtp_ports: tuple[int, int]
    trunk_source: str  # callers come from this address, from any port
    trunk_host: str
    trunk_port: int  # calls that go out through the trunk arrive here
    phones: tuple[PhoneInfo, ...] = ()
    numbers: Mapping[str, str] = field(default_factory=dict)  # test numbers by name

    def phone(self, user: str) -> PhoneInfo:
        """The phone ``user``. Raises KeyError."""
        for phone in self.phones:
            if phone.user == user:
                return phone
        raise KeyError(user)

    def sip_uri(self, number: str) -> str:
        """Address of ``number`` at this Asterisk."""
        return f"sip:{number}@{self.sip_host}:{self.sip_port}"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> LabInfo:
        data: dict[str, Any] = json.loads(text)
        data["ami"] = AmiInfo(**data["ami"])
        data["phones"] = tuple(PhoneInfo(**item) for item in data["phones"])
        low, high = data["rtp_ports"]
        data["rtp_ports"] = (low, high)
        return cls(**data)

    def save(self, path: Path) -> None:
        """Write atomically, readable by the owner alone: there are passwords in it."""
        partial = path.with_suffix(".part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(self.to_json())
        partial.replace(path)

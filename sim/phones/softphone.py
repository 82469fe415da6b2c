"""Softphones for asyncio: each is a process of its own that runs pjsua2 (:mod:`sim.phones.worker`).

A phone registers (agent, supervisor) or just calls (a caller on the trunk's address), answers by
policy, plays a tone or a file, records what it hears, sends digits, holds, transfers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ctid.tasks import spawn
from sim.lab.info import LabInfo

Event = dict[str, Any]
REPOSITORY = Path(__file__).resolve().parents[2]
PHONE_ADDRESS = "127.0.0.3"
KEY_S = 0.35
"""From one key to the next: a tone of 0.2 s and a pause, as a hand does it."""
PATIENCE_S = 20.0
"""So long what must come is waited for."""


class PhoneError(RuntimeError):
    """The phone's process refused a command or ended."""


def tone(hz: int) -> Event:
    """Audio: a sine of ``hz``."""
    return {"tone": hz}


def wav(path: Path | str, *, loop: bool = True) -> Event:
    """Audio: a 16-bit mono WAV of 8 or 16 kHz."""
    return {"wav": str(path), "loop": loop}


def answer_policy(
    after_s: float = 0.0,
    *,
    audio: Event | None = None,
    record: Path | str | None = None,
    hangup_after_s: float | None = None,
    lines: int = 0,
    leaves_after_s: float = 0.0,
) -> Event:
    """Ring ``after_s`` seconds, answer, play ``audio``; ``{call}`` in ``record`` is numbered.

    ``lines``: who has so many calls is busy (486); 0: takes any that comes. ``leaves_after_s``: so
    long after a transfer has succeeded (NOTIFY) the phone hangs up.
    """
    return {
        "mode": "answer", "after_s": after_s, "audio": audio,
        "record": str(record) if record else None, "hangup_after_s": hangup_after_s,
        "lines": lines, "leaves_after_s": leaves_after_s,
    }  # fmt: skip


def refuse_policy(how: str = "decline", after_s: float = 0.0) -> Event:
    """``decline`` (603), ``busy`` (486), ``ignore`` (no answer at all) or ``manual`` (180 only)."""
    return {"mode": how, "after_s": after_s}


class PhoneCall:
    """One call of a phone."""

    def __init__(self, phone: PhoneProcess, number: int, sip_call_id: str, remote: str) -> None:
        self.phone = phone
        self.number = number
        self.sip_call_id = sip_call_id
        self.remote = remote
        self._next_key_at = 0.0

    async def wait_for(self, name: str, *, timeout_s: float = PATIENCE_S) -> Event:
        """The next event ``name`` of this call, also if it has happened already."""
        return await self.phone.wait_for(name, timeout_s=timeout_s, call=self.number)

    async def answer(self, code: int = 200) -> None:
        """Answer, or with another code: 180 rings, 486 busy, 603 declines."""
        await self.phone.command("answer", call=self.number, code=code)

    async def hangup(self) -> None:
        await self.phone.command("hangup", call=self.number)

    async def hold(self) -> None:
        await self.phone.command("hold", call=self.number)

    async def unhold(self) -> None:
        await self.phone.command("unhold", call=self.number)

    async def dtmf(self, digits: str) -> None:
        """Key in digits one after the other, and after those of before, as RFC 4733 events.

        pjsua leaves 40 ms between digits that it is given at once; Asterisk takes what comes
        within 45 ms of the last one for a bounce (``AST_MIN_DTMF_GAP``), and may lose it on a
        busy machine.
        """
        for digit in digits:
            await asyncio.sleep(max(0.0, self._next_key_at - time.monotonic()))
            await self.phone.command("dtmf", call=self.number, digits=digit)
            self._next_key_at = time.monotonic() + KEY_S

    async def transfer(self, to: str) -> None:
        """Blind transfer (REFER) to a number at the phone's registrar, or to a SIP URI."""
        uri = to if to.startswith("sip:") else f"sip:{to}@{self.phone.server}"
        await self.phone.command("transfer", call=self.number, to=uri)

    async def consult(self, to: str, *, until: str = "connected") -> PhoneCall:
        """Put this call on hold and call ``to``; gives that call once it rings, or is connected.

        Raises :class:`PhoneError` when it is refused.
        """
        await self.hold()
        asked = await self.phone.call(to, audio=self.phone.audio)
        said = await self.phone.wait_for(until, "disconnected", call=asked.number)
        if said["event"] == "disconnected":
            raise PhoneError(f"{to} does not take the call: {said['code']} {said['reason']}")
        return asked

    async def transfer_to_call(self, other: PhoneCall) -> None:
        """Attended transfer: join the far ends of this and ``other`` (REFER with Replaces)."""
        await self.phone.command("transfer", call=self.number, to_call=other.number)

    async def play(self, audio: Event | None) -> None:
        await self.phone.command("play", call=self.number, audio=audio)

    async def record(self, path: Path | str | None) -> None:
        """Record what is heard from now on; None ends it and makes the file whole."""
        await self.phone.command("record", call=self.number, path=str(path) if path else "")


class PhoneProcess:
    """A softphone in its own process. At most 4 calls at once (the pjsua2 wheel's limit).

    ``async with PhoneProcess.agent(info, "1001") as phone:`` starts, registers and, at the end,
    hangs up, unregisters and ends the process.
    """

    def __init__(
        self,
        *,
        server: str,
        address: str = PHONE_ADDRESS,
        user: str = "",
        password: str = "",
        name: str = "",
        policy: Event | None = None,
        expires_s: int = 120,
        log_file: Path | str | None = None,
    ) -> None:
        self.server = server  # host:port
        self.address = address
        self.user = user
        self._password = password
        self._name = name
        self._policy = policy
        self._expires_s = expires_s
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Event]] = {}
        self._unread: list[Event] = []
        self._waiters: list[tuple[Callable[[Event], bool], asyncio.Future[Event]]] = []
        #: called with every event, for scripts that react rather than wait
        self.on_event: Callable[[Event], None] | None = None

    # ------------------------------------------------------------------ making one

    @classmethod
    def agent(
        cls, info: LabInfo, user: str, *, policy: Event | None = None, **options: Any
    ) -> PhoneProcess:
        """A phone that registers as ``user`` of the lab."""
        phone = info.phone(user)
        return cls(
            server=f"{info.sip_host}:{info.sip_port}", user=user, password=phone.password,
            name=phone.name, policy=policy, **options,
        )  # fmt: skip

    @classmethod
    def caller(cls, info: LabInfo, **options: Any) -> PhoneProcess:
        """Somebody outside: calls come from the trunk's address, with any caller id."""
        options.setdefault("address", info.trunk_source)
        return cls(server=f"{info.sip_host}:{info.sip_port}", **options)

    @classmethod
    def outside(cls, info: LabInfo, **options: Any) -> PhoneProcess:
        """The far end of the trunk: receives the calls that go out."""
        phone = cls(
            server=f"{info.sip_host}:{info.sip_port}", address=info.trunk_host, user="outside",
            **options,
        )  # fmt: skip
        phone._port = info.trunk_port
        return phone

    _port = 0

    async def start(self) -> Self:
        """Start the process, and register if there is a password."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sim.phones.worker", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY, limit=1 << 20,
        )  # fmt: skip
        self._reader = spawn(self._read(), name=f"phone-{self.user or 'caller'}")
        await self.command(
            "start", address=self.address, port=self._port,
            log_file=str(self._log_file or ""), log_level=4 if self._log_file else 0,
        )  # fmt: skip
        if self._policy is not None:
            await self.set_policy(self._policy)
        if self._password:
            await self.command(
                "account", name="main", uri=f'"{self._name}" <sip:{self.user}@{self.server}>',
                registrar=f"sip:{self.server}", user=self.user, password=self._password,
                expires_s=self._expires_s,
            )  # fmt: skip
            said = await self.wait_for("registered", "register_failed", timeout_s=PATIENCE_S)
            if said["event"] != "registered":
                raise PhoneError(f"{self.user} cannot register: {said['code']} {said['reason']}")
        elif self.user:
            await self.command("account", name="main", uri=f"sip:{self.user}@{self.address}")
        return self

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:
            await self.kill()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # ------------------------------------------------------------------ using it

    async def call(
        self,
        number: str,
        *,
        caller: str = "",
        name: str = "",
        audio: Event | None = None,
        record: Path | str | None = None,
        hangup_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PhoneCall:
        """Call ``number``. ``caller`` and ``name`` are the caller id of a phone on the trunk."""
        identity = "" if self.user and not caller else self._identity(caller, name)
        answer = await self.command(
            "call", identity=identity, to=f"sip:{number}@{self.server}", audio=audio,
            record=str(record) if record else "", hangup_after_s=hangup_after_s,
            headers=dict(headers or {}),
        )  # fmt: skip
        return PhoneCall(self, answer["call"], answer["sip_call_id"], number)

    async def incoming(self, *, timeout_s: float = PATIENCE_S) -> PhoneCall:
        """The next call that comes in."""
        return self._call_of(await self.wait_for("incoming", timeout_s=timeout_s))

    async def connected(self, *, timeout_s: float = PATIENCE_S) -> PhoneCall:
        """The next call that is answered, after any number of refused ones."""
        return self._call_of(await self.wait_for("connected", timeout_s=timeout_s))

    def _call_of(self, event: Event) -> PhoneCall:
        return PhoneCall(self, event["call"], event["sip_call_id"], event["remote"])

    async def wait_for(self, *names: str, timeout_s: float = PATIENCE_S, **fields: Any) -> Event:
        """The next event of these names and field values; one that nobody took yet counts.

        Names: registered, unregistered, register_failed, incoming, calling, ringing, connected,
        disconnected, held, resumed, dtmf, transfer, recorded, error. ``t`` is
        ``time.monotonic()`` in the phone's process. Raises TimeoutError with what came instead.
        """

        def fits(event: Event) -> bool:
            return event["event"] in names and all(event.get(k) == v for k, v in fields.items())

        for index, event in enumerate(self._unread):
            if fits(event):
                return self._unread.pop(index)
        if self._reader is None or self._reader.done():
            raise PhoneError(f"the phone's process has ended, {names} cannot happen")
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._waiters.append((fits, future))
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            seen = [event["event"] for event in self._unread]
            text = f"{self.user or 'caller'}: no {names} {fields or ''} in {timeout_s} s; {seen}"
            raise TimeoutError(text) from None
        finally:
            self._waiters = [entry for entry in self._waiters if entry[1] is not future]

    async def set_policy(self, policy: Event) -> None:
        """What happens to calls that come in; see :func:`answer_policy`, :func:`refuse_policy`."""
        self._policy = policy
        await self.command("policy", policy=policy)

    @property
    def audio(self) -> Event | None:
        """What it plays to whoever calls."""
        return (self._policy or {}).get("audio")

    async def register(self, on: bool = True) -> None:
        """Register again, or take the registration back."""
        await self.command("register", name="main", on=on)
        await self.wait_for("registered" if on else "unregistered")

    async def command(self, do: str, **fields: Any) -> Event:
        """Send a command to the process and give its answer. Raises :class:`PhoneError`."""
        if self._process is None or self._process.stdin is None:
            raise PhoneError("the phone was not started")
        number = next(self._ids)
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        line = json.dumps({"id": number, "do": do, **fields}) + "\n"
        try:
            self._process.stdin.write(line.encode())
            await self._process.stdin.drain()
            answer = await asyncio.wait_for(future, PATIENCE_S)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise PhoneError("the phone's process has ended") from error
        finally:
            self._answers.pop(number, None)
        if not answer["ok"]:
            raise PhoneError(f"{do}: {answer['error']}")
        return answer

    async def close(self) -> None:
        """Hang up, unregister, end the process."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 6.0)
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reader is not None:
            await asyncio.wait([self._reader])
        self._process = None

    async def kill(self) -> None:
        """End it like a power cut: nothing is said to the PBX."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self.close()

    # ------------------------------------------------------------------ parts

    def _identity(self, caller: str, name: str) -> str:
        """Name-addr of RFC 3261; only the quotes and backslashes of the name need care."""
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        shown = f'"{quoted}" ' if name else ""
        return f"{shown}<sip:{caller or 'anonymous'}@{self.address}>"

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                message: Event = json.loads(line)
                if "re" in message:
                    future = self._answers.get(message["re"])
                    if future is not None and not future.done():
                        future.set_result(message)
                else:
                    self._hand_over(message)
        finally:
            for future in [*self._answers.values(), *(entry[1] for entry in self._waiters)]:
                if not future.done():
                    future.set_exception(PhoneError("the phone's process has ended"))

    def _hand_over(self, message: Event) -> None:
        if self.on_event is not None:
            self.on_event(message)
        for fits, future in self._waiters:
            if not future.done() and fits(message):
                future.set_result(message)
                return
        self._unread.append(message)
        del self._unread[:-500]  # an event nobody waits for must not pile up for ever

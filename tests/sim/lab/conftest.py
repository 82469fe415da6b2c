"""A lab of this test run, and a FastAGI server that a test scripts."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

import pytest

from ctid.tasks import cancel_and_wait, spawn
from sim.lab import Lab, LabError, LabInfo


def lab_or_skip(lab: Lab) -> LabInfo:
    """Start it; where no Asterisk can be had, say loudly that nothing was tested."""
    try:
        return lab.up()
    except LabError as error:
        if "no usable Asterisk" not in str(error):
            raise
        pytest.skip(f"NOT TESTED, no Asterisk: {error}")


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    lab = Lab(
        f"test-{os.getpid()}", agents=6, rounds=2, fallback_s=6, fallback_members=["1005"],
        quiet=True,
    )  # fmt: skip
    lab_or_skip(lab)
    yield lab
    lab.remove()


@pytest.fixture
def info(lab: Lab) -> LabInfo:
    return lab.info()


@dataclass
class Session:
    """One AGI session of the fake ctid."""

    env: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, command: str) -> str:
        """One command and its answer; an empty text when the other side is gone."""
        self.writer.write((command + "\n").encode())
        return (await asyncio.wait_for(self.reader.readline(), 20)).decode().strip()

    async def line(self) -> str:
        """What Asterisk says by itself."""
        return (await asyncio.wait_for(self.reader.readline(), 20)).decode().strip()

    def die(self) -> None:
        """Cut the connection, as a killed process does."""
        self.writer.transport.abort()


class RawAmi:
    """The account of the samples, spoken to line by line."""

    def __init__(self, info: LabInfo) -> None:
        self._ami = info.ami
        self.events: list[dict[str, str]] = []
        self._answers: dict[str, asyncio.Future[dict[str, str]]] = {}
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._ami.host, self._ami.port)
        self._task = spawn(self._read(), name="raw-ami")
        login = await self.act("Login", Username=self._ami.username, Secret=self._ami.secret)
        assert login["Response"] == "Success", login
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(self._task)
        self._writer.close()

    async def act(self, action: str, **fields: str) -> dict[str, str]:
        """Send an action, give its response."""
        number = f"t{len(self._answers)}"
        self._answers[number] = asyncio.get_running_loop().create_future()
        lines = [f"Action: {action}", f"ActionID: {number}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return await asyncio.wait_for(self._answers[number], 20)

    async def event(self, name: str, **fields: str) -> dict[str, str]:
        """The first event of that name and content, also if it came already."""

        def found() -> dict[str, str] | None:
            for event in self.events:
                if event["Event"] == name and fields.items() <= event.items():
                    return event
            return None

        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: found() is not None)
        return found() or {}

    async def _read(self) -> None:
        block: dict[str, str] = {}
        async for raw in self._reader:
            line = raw.decode(errors="replace").rstrip("\r\n")
            if line:
                name, _, value = line.partition(": ")
                block[name] = value
                continue
            if "Event" in block:
                async with self._changed:
                    self.events.append(block)
                    self._changed.notify_all()
            elif block.get("ActionID") in self._answers:
                self._answers[block["ActionID"]].set_result(block)
            block = {}


@pytest.fixture
async def ami(info: LabInfo) -> AsyncIterator[RawAmi]:
    async with RawAmi(info) as raw:
        yield raw


Script = Callable[[Session], Awaitable[None]]


@dataclass
class FakeCtid:
    """Listens where the dialplan looks for ctid; each session runs the script of the moment."""

    info: LabInfo
    script: Script | None = None
    sessions: list[Session] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, self.info.agi_host, self.info.agi_port
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        env: dict[str, str] = {}
        while line := (await reader.readline()).decode().strip():
            key, _, value = line.partition(": ")
            env[key] = value
        session = Session(env, reader, writer)
        self.sessions.append(session)
        try:
            if self.script is not None:
                await self.script(session)
        except BaseException as error:
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def go_away(self) -> None:
        """Nobody listens any more; sessions that run go on."""
        if self._server is not None:
            self._server.close()
            self._server = None


@pytest.fixture
async def ctid(info: LabInfo) -> AsyncIterator[FakeCtid]:
    fake = FakeCtid(info)
    await fake.listen()
    yield fake
    await fake.go_away()
    assert not fake.errors, fake.errors

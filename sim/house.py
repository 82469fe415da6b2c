"""A whole house for demo, tests and benches: a private Asterisk and the real daemon beside it.

Everything goes the way a user goes: the configuration is written to files, users are added with
``ctid user add``, the daemon is started with ``ctid serve`` and spoken to over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from sim.lab import Lab, LabInfo
from sim.lab.process import free_port

FEATURE_CODES = {
    "transfer": "*1",
    "consult": "*2",
    "swap": "*3",
    "complete": "*4",
    "conference": "*5",
    "hold": "*7",
    "cancel": "*0",
}

READY_S = 60.0
STOP_S = 35.0


class HouseError(RuntimeError):
    """The house did not come up, or an API call was refused; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can log in."""

    username: str
    role: str
    password: str
    agent: str = ""
    display_name: str = ""
    teams: tuple[str, ...] = ()


class Client:
    """One logged-in user of the API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def request(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Any:
        """One call below ``/api/v1``; the JSON of its answer. Raises HouseError for 4xx and 5xx."""
        async with self._session.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"X-Requested-With": "ctid", **(headers or {})},
        ) as response:
            text = await response.text()
            if response.status >= 400:
                raise HouseError(f"{method} {path}: {response.status} {text[:500]}")
            return json.loads(text) if text else None

    async def get(self, path: str) -> Any:
        return await self.request("GET", path)

    async def put(self, path: str, body: Any) -> Any:
        return await self.request("PUT", path, body)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self.request("POST", path, body if body is not None else {})

    async def download(self, path: str) -> bytes:
        """A file below ``/api/v1``."""
        async with self._session.get(f"{self.url}/api/v1{path}") as response:
            if response.status >= 400:
                raise HouseError(f"GET {path}: {response.status}")
            return await response.read()

    async def available(self, agent: str, phone: str = "") -> None:
        """Make an agent available."""
        body = {"status": "available"} | ({"phone": phone} if phone else {})
        await self.put(f"/agents/{agent}/status", body)

    async def events(self, last_event_id: str = "") -> AsyncIterator[tuple[str, Any, str]]:
        """The event stream as (event, data, id)."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        async with self._session.get(
            f"{self.url}/api/v1/events", headers=headers, timeout=timeout
        ) as response:
            if response.status != 200:
                raise HouseError(f"GET /events: {response.status} {await response.text()}")
            event, data, id_ = "message", "", ""
            async for raw in response.content:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif line.startswith("id:"):
                    id_ = line[3:].strip()
                elif not line and data:
                    yield event, json.loads(data), id_
                    event, data = "message", ""


class House:
    """A private Asterisk with the daemon. ``async with House(folder, ...) as house``.

    ``queues`` is the text of ``queues.toml``. ``users`` are added before the daemon starts.
    """

    def __init__(
        self,
        folder: Path,
        lab: Lab,
        *,
        queues: str,
        users: tuple[User, ...] = (),
        http_port: int = 0,
        log_level: str = "info",
    ) -> None:
        self.folder = folder
        self.lab = lab
        self.users = users
        self._queues = queues
        self._log_level = log_level
        self.http_port = http_port or free_port("127.0.0.1", udp=False, tcp=True)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.config = folder / "ctid.toml"
        self.log_path = folder / "ctid.log"
        self.store_path = folder / "ctid.db"
        self.library_dir = folder / "recordings"
        self.daemon: asyncio.subprocess.Process | None = None
        self._info: LabInfo | None = None
        self._sessions: list[aiohttp.ClientSession] = []

    @property
    def info(self) -> LabInfo:
        """The running lab."""
        if self._info is None:
            raise HouseError("the house is not up")
        return self._info

    # --- up and down ------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self.up()
        except BaseException:
            await self.down()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.down()

    async def up(self) -> None:
        """Asterisk, configuration, users, daemon."""
        await self.start_pbx()
        self.write_config()
        await self.add_users()
        await self.start_daemon()

    async def down(self) -> None:
        """Daemon and Asterisk; nothing is left running."""
        for session in self._sessions:
            await session.close()
        self._sessions.clear()
        await self.stop_daemon()
        await asyncio.to_thread(self.lab.down)

    async def start_pbx(self) -> LabInfo:
        """Bring the private Asterisk up."""
        self._info = await asyncio.to_thread(self.lab.up)
        return self._info

    def write_config(self) -> None:
        """Write ``ctid.toml`` and ``queues.toml``."""
        info = self.info
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "queues.toml").write_text(self._queues, encoding="utf-8")
        settings: Mapping[str, Mapping[str, Any]] = {
            "asterisk": {"spool_dir": info.notes_dir},
            "asterisk.feature_codes": FEATURE_CODES,
            "asterisk.ami": {
                "host": info.ami.host,
                "port": info.ami.port,
                "username": info.ami.username,
                "secret": info.ami.secret,
            },
            "asterisk.agi": {"host": info.agi_host, "port": info.agi_port},
            "http": {"port": self.http_port},
            "store": {"path": str(self.store_path)},
            "recordings": {
                "intake_dir": info.recordings_dir,
                "library_dir": str(self.library_dir),
            },
            "log": {"level": self._log_level, "style": "json"},
        }
        lines = ['queues_file = "queues.toml"']
        for section, values in settings.items():
            lines.append(f"[{section}]")
            # a JSON string or number is a TOML one, too
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.config.chmod(0o600)

    async def add_users(self) -> None:
        """Add the users through the command line: the first makes the store, then side by side."""
        for some in (self.users[:1], self.users[1:]):
            await asyncio.gather(*(self._add_user(user) for user in some))

    async def _add_user(self, user: User) -> None:
        await self.ctid(
            "user", "add", "-c", str(self.config), user.username,
            "--role", user.role, "--password-stdin",
            *(["--agent", user.agent] if user.agent else []),
            *(["--display-name", user.display_name] if user.display_name else []),
            *(a for team in user.teams for a in ("--team", team)),
            stdin=user.password + "\n",
        )  # fmt: skip

    async def start_daemon(self) -> None:
        """Start ``ctid serve`` and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self.daemon = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ctid", "serve", "-c", str(self.config),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        await self.ready()

    async def ready(self, timeout_s: float = READY_S) -> None:
        """Wait until ``/readyz`` says yes. Raises HouseError with the log's end."""
        assert self.daemon is not None
        try:
            async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as session:
                while self.daemon.returncode is None:
                    # there is nothing to await in another process's start but its answer
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.get(f"{self.url}/readyz") as response:
                            if response.status == 200:
                                return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise HouseError(f"ctid was not ready in {timeout_s:g} s\n{self.log_tail()}") from None
        raise HouseError(f"ctid ended with {self.daemon.returncode}\n{self.log_tail()}")

    async def stop_daemon(self) -> int | None:
        """SIGTERM, and wait. Returns its exit status."""
        return await self._end(signal.SIGTERM)

    async def kill_daemon(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int | None:
        daemon, self.daemon = self.daemon, None
        if daemon is None:
            return None
        if daemon.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                daemon.send_signal(number)
        try:
            return await asyncio.wait_for(daemon.wait(), STOP_S)
        except TimeoutError:
            daemon.kill()
            await daemon.wait()
            raise HouseError(f"ctid did not stop in {STOP_S:g} s\n{self.log_tail()}") from None

    # --- using it ---------------------------------------------------------------------------------

    async def ctid(self, *args: str, stdin: str = "") -> str:
        """Run one ``ctid`` command. Raises HouseError when it fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ctid", *args,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        if process.returncode:
            raise HouseError(f"ctid {' '.join(args)}: {err.decode(errors='replace')}")
        return out.decode()

    async def login(self, username: str) -> Client:
        """A client logged in as one of the users."""
        user = next(u for u in self.users if u.username == username)
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._sessions.append(session)
        client = Client(session, self.url)
        await client.post("/login", {"username": user.username, "password": user.password})
        return client

    def log_tail(self, lines: int = 30) -> str:
        """The end of the daemon's log."""
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def new_password() -> str:
    """A password to be typed by hand once."""
    return secrets.token_urlsafe(9)

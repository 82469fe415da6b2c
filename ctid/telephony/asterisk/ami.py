"""The link to Asterisk's manager interface: connect, log in, stay, come back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import structlog

from ctid import tasks
from ctid.telephony.asterisk.ami_protocol import AmiConnection, AmiError, Event
from ctid.telephony.asterisk.encode import ami_action

log = structlog.get_logger(__name__)

CONNECT_S = 5.0
BOOT_S = 30.0
ACTION_S = 5.0
PING_EVERY_S = 15.0
BACKOFF_FIRST_S = 0.2
BACKOFF_CAP_S = 15.0

# An action that a right brings, for reading the rights off ListCommands
# (``manager.c``: it lists what the session may do).
TOO_MUCH = {
    "Command": "command",
    "UpdateConfig": "config",
    "ModuleLoad": "system",
}
NEEDED = {
    "Hangup": "call",
    "PlayDTMF": "call",
    "StopMixMonitor": "call",
    "Originate": "originate",
    "Status": "call or reporting",
    "DeviceStateList": "call or reporting",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiSettings:
    """Account of manager.conf."""

    host: str = "127.0.0.1"
    port: int = 5038
    username: str = "ctid"
    secret: str = field(default="", repr=False)


def backoff_s(attempt: int, rng: Random) -> float:
    """Seconds before try ``attempt`` (1 is the first after a failure): doubling, capped, spread

    over half of itself so that several daemons do not knock together.
    """
    ceiling: float = min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2.0 ** min(attempt - 1, 10))
    return ceiling * (0.5 + rng.random() / 2)


class AmiLink:
    """Keeps one connection up. ``on_up(first)`` runs after each log-in, before ``action`` works

    for anybody else; when it fails, the connection is given up and made anew.
    """

    def __init__(
        self,
        settings: AmiSettings,
        *,
        wanted: frozenset[str],
        on_event: Callable[[Event], None],
        on_down: Callable[[], None],
        rng: Random,
    ) -> None:
        self._settings = settings
        self._wanted = wanted
        self._on_event = on_event
        self._on_down = on_down
        self._rng = rng
        self._connection: AmiConnection | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._epoch = f"{rng.getrandbits(32):08x}"
        self._on_up: list[Callable[[bool], None]] = []
        self._first = True

    def on_up(self, callback: Callable[[bool], None]) -> None:
        """Call ``callback(first)`` after each log-in."""
        self._on_up.append(callback)

    async def start(self) -> None:
        """Connect; returns when logged in, however long that takes."""
        self._task = tasks.spawn(self._run(), name="ami")
        await self._up.wait()

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    async def action(
        self,
        name: str,
        fields: Mapping[str, str] | None = None,
        *,
        intent: str = "",
        timeout_s: float = ACTION_S,
    ) -> Any:
        """Carry out one action. ``intent`` goes into the ActionID, for the PBX's log and ours.

        Raises AmiError and EncodeError. Not repeated: who needs it done asks the PBX what is so.
        """
        connection = self._connection
        if connection is None:
            raise AmiError("not connected to Asterisk (AMI)")
        action_id = f"ctid.{self._epoch}.{next(self._ids)}"
        if intent:
            action_id += f".{intent}"
        return await connection.action(ami_action(name, action_id, fields or {}), timeout_s)

    async def close(self) -> None:
        await tasks.cancel_and_wait(self._task)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._up.clear()

    # --- inside ---

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                connection = await self._connect()
            except (OSError, AmiError, TimeoutError) as error:
                attempt += 1
                delay_s = backoff_s(attempt, self._rng)
                self._say_failure(error, delay_s)
                await asyncio.sleep(delay_s)
                continue
            attempt = 0
            self._connection = connection
            self._up.set()
            first, self._first = self._first, False
            for callback in self._on_up:
                callback(first)
            pinger = tasks.spawn(self._ping(connection), name="ami ping")
            try:
                why = await asyncio.shield(connection.lost)
            finally:
                await tasks.cancel_and_wait(pinger)
                connection.close()
                self._connection = None
                self._up.clear()
            log.error("ami_lost", why=why, host=self._settings.host, port=self._settings.port)
            self._on_down()
            await asyncio.sleep(backoff_s(1, self._rng))

    async def _connect(self) -> AmiConnection:
        loop = asyncio.get_running_loop()
        connection = AmiConnection(self._wanted, self._on_event)
        async with asyncio.timeout(CONNECT_S):
            await loop.create_connection(
                lambda: connection, self._settings.host, self._settings.port
            )
        try:
            await connection.action(
                ami_action(
                    "Login",
                    f"ctid.{self._epoch}.login",
                    {"Username": self._settings.username, "Secret": self._settings.secret},
                ),
                CONNECT_S,
            )
            try:
                async with asyncio.timeout(BOOT_S):
                    await connection.booted.wait()
            except TimeoutError:
                log.warning("ami_no_fully_booted", hint="read = ...,system in manager.conf")
            await self._check_rights(connection)
        except BaseException:
            connection.close()
            raise
        log.info("ami_up", version=connection.version, host=self._settings.host)
        return connection

    async def _check_rights(self, connection: AmiConnection) -> None:
        listed = await connection.action(
            ami_action("ListCommands", f"ctid.{self._epoch}.rights", {}), ACTION_S
        )
        rights = sorted({right for name, right in TOO_MUCH.items() if name in listed})
        if rights:
            log.warning(
                "ami_too_many_rights",
                rights=rights,
                user=self._settings.username,
                hint="whoever steals this account owns the PBX: take them out of 'write' in "
                "manager.conf; ctid needs call,originate,reporting,user",
            )
        missing = sorted({right for name, right in NEEDED.items() if name not in listed})
        if missing:
            log.error(
                "ami_rights_missing",
                rights=missing,
                user=self._settings.username,
                hint="add them to 'write' of this user in manager.conf and reload manager",
            )

    async def _ping(self, connection: AmiConnection) -> None:
        for n in itertools.count(1):
            await asyncio.sleep(PING_EVERY_S)
            try:
                await connection.action(
                    ami_action("Ping", f"ctid.{self._epoch}.ping.{n}", {}), ACTION_S
                )
            except AmiError:
                connection.drop("no answer to a ping")
                return

    def _say_failure(self, error: Exception, delay_s: float) -> None:
        settings = self._settings
        if isinstance(error, AmiError) and "Login" in str(error):
            log.error(
                "ami_login_refused",
                user=settings.username,
                why=str(error),
                retry_s=round(delay_s, 1),
                hint="user and secret in ctid.toml ([ami]) must be those of Asterisk's "
                "manager.conf, and its 'permit' must let this host in",
            )
        else:
            log.error(
                "ami_unreachable",
                host=settings.host,
                port=settings.port,
                why=str(error) or type(error).__name__,
                retry_s=round(delay_s, 1),
                hint="is Asterisk running, and 'enabled = yes' in its manager.conf?",
            )

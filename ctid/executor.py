"""The executor: hands each command to the part that can carry it out.

Commands of one interaction reach the PBX in the engine's order; different interactions never wait
for one another. What the switch takes at once, and has nothing to wait behind, goes without a task.
What fails comes back as CommandFailed: the engine decides what to do about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from ctid.lanes import Lanes, LanesFull
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.facts import CommandFailed, Fact
from routing.ids import InteractionId

log = structlog.get_logger(__name__)

LIMIT = 50_000
COMMAND_TIMEOUT_S = 10.0
"""Longest time in which the PBX must have taken a command (its effect reports itself later)."""


class SwitchOutlet(Protocol):
    """What the executor needs of the switch."""

    def take(self, command: c.Command) -> bool: ...

    async def execute(self, command: c.Command) -> None: ...


Handler = Callable[[Any], None]


class Executor:
    """Carries out commands. ``handlers`` take their kind at once; the rest goes to the switch."""

    def __init__(
        self,
        *,
        switch: SwitchOutlet,
        report: Callable[[Fact, int | None], None],
        handlers: Mapping[type[c.Command], Handler],
        before_switch: Mapping[type[c.Command], Handler],
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> None:
        self._switch = switch
        self._report = report
        self._handlers = handlers
        self._before_switch = before_switch
        self._timeout_s = timeout_s
        self._lanes: Lanes[InteractionId, tuple[c.Command, int]] = Lanes(
            "switch", self._carry_out, limit=LIMIT
        )

    def execute(self, commands: Sequence[c.Command], cause: int) -> None:
        """Start to carry out ``commands``, which the fact of sequence ``cause`` brought about."""
        for command in commands:
            handler = self._handlers.get(type(command))
            if handler is not None:
                try:
                    handler(command)
                except Exception as error:
                    log.exception("command_failed", command=type(command).__name__)
                    self._fail(command, cause, f"internal error: {type(error).__name__}")
                continue
            before = self._before_switch.get(type(command))
            if before is not None:
                try:
                    before(command)
                except Exception:
                    # the screen is a help; the call goes on without it
                    log.exception("before_command_failed", command=type(command).__name__)
            interaction: InteractionId = command.interaction  # type: ignore[attr-defined]
            try:
                if interaction in self._lanes or not self._switch.take(command):
                    self._lanes.put(interaction, (command, cause))
            except (SwitchError, LanesFull) as error:
                self._fail(command, cause, str(error))
            except Exception as error:
                self._crashed(command, cause, error)

    async def _carry_out(self, item: tuple[c.Command, int]) -> None:
        command, cause = item
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._switch.execute(command)
        except SwitchError as error:
            self._fail(command, cause, str(error))
        except TimeoutError:
            self._fail(command, cause, f"the PBX did not take it within {self._timeout_s:g} s")
        except Exception as error:
            self._crashed(command, cause, error)

    def _crashed(self, command: c.Command, cause: int, error: Exception) -> None:
        log.exception("command_crashed", command=type(command).__name__)
        self._fail(command, cause, f"internal error: {type(error).__name__}")

    def _fail(self, command: c.Command, cause: int, reason: str) -> None:
        log.info(
            "command_not_done",
            command=type(command).__name__,
            interaction=getattr(command, "interaction", None),
            why=reason,
        )
        if isinstance(command, c.FileContactRecord | c.AmendContactRecord | c.NotifyAgent):
            return  # nothing in routing depends on these
        self._report(
            CommandFailed(
                command=type(command).__name__,
                reason=reason[:200],
                interaction=getattr(command, "interaction", None),
                offer=getattr(command, "offer", None),
                step=getattr(command, "step", None),
                recording=getattr(command, "recording", None),
            ),
            cause,
        )

    async def drained(self) -> None:
        """Wait until nothing is being handed to the PBX (for a staged stop)."""
        await self._lanes.drained()

    async def close(self) -> None:
        """Drop what was not handed over."""
        await self._lanes.close()

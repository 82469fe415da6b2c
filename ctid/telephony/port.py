"""The telephony port: what ctid asks of a PBX or SIP trunk, whatever it is.

An adapter carries out telephony commands and reports facts through the sink. It never decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from routing.commands import Command
from routing.facts import Fact, Party
from routing.ids import AgentId, InteractionId, PhoneId

FactSink = Callable[[Fact], None]
"""Takes a fact at once and never blocks (the pump's inlet)."""


class SwitchError(Exception):
    """A command could not be carried out; the message goes into CommandFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCall:
    """A caller's leg that the PBX has now, as recovery sees it.

    ``interaction`` is the id that the leg carries (its unique id if ctid never saw it).
    ``agent`` / ``agent_phone``: who is connected to it, if anybody. ``controlled``: a control
    session (AGI) of this process holds the leg.
    """

    interaction: InteractionId
    caller: Party
    did: str
    arrived_at: float
    controlled: bool
    agent: AgentId | None = None
    agent_phone: PhoneId | None = None


class Switch(Protocol):
    """A telephony adapter."""

    async def start(self, sink: FactSink) -> None:
        """Connect and begin to report facts. Returns when commands can be carried out.

        Callers that knock before ``open_doors`` wait (they hear music) and are reported after it.
        """
        ...

    async def live_calls(self) -> list[LiveCall]:
        """Every caller's leg that the PBX has now: the truth that recovery compares with."""
        ...

    def known(self, interactions: Mapping[InteractionId, AgentId | None]) -> None:
        """Tell, before ``open_doors``, which interactions recovery restored.

        The value is the agent who talks to the caller, if anybody. A knock of one of them becomes
        CallerReturned instead of InteractionArrived, and the end of its connection is reported as
        AgentHungUp.
        """
        ...

    def open_doors(self) -> None:
        """Report arrivals from now on (recovery has finished)."""
        ...

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the link to the PBX came back after a loss: reconcile then."""
        ...

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the link to the PBX breaks; connected calls go on without it."""
        ...

    def take(self, command: Command) -> bool:
        """Start to carry out a command for which nothing has to be waited; False: ``execute`` it.

        Raises :class:`SwitchError` if it cannot be done.
        """
        ...

    async def execute(self, command: Command) -> None:
        """Start to carry out a telephony command; long effects report themselves as facts.

        Raises :class:`SwitchError` if it cannot be done.
        """
        ...

    async def stop_accepting(self) -> None:
        """Refuse new callers; those here stay (first stage of a stop)."""
        ...

    async def close(self) -> None:
        """Let go of the PBX. Connected calls live on without ctid."""
        ...

    @property
    def connected(self) -> bool:
        """Whether commands can be carried out now (readiness)."""
        ...

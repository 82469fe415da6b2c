"""Tapes what a real Asterisk sends to a switch, and what the switch does meanwhile."""

from __future__ import annotations

import shlex
from typing import Any

from ctid.telephony.asterisk import caller as caller_module
from ctid.telephony.asterisk import encode, table, transfers, translate
from ctid.telephony.asterisk import switch as switch_module
from tests.ctid.telephony.traces import FOLDER, replay

KEPT = frozenset(table.TABLE)
NOISE = ("Privilege", "Language", "AccountCode", "Timestamp", "SystemName")


class Tape:
    """What happened, in order."""

    def __init__(self) -> None:
        self.blocks: list[str] = []

    def event(self, event: Any) -> None:
        if event.get("Event") in KEPT:
            lines = [f"{k}: {v}" for k, v in event.items() if not k.endswith(NOISE)]
            self.blocks.append("\n".join(lines))

    def act(self, *words: str) -> None:
        self.blocks.append("> " + shlex.join(words))

    def save(self, name: str) -> None:
        """As a golden trace, with the facts that the table makes of it now."""
        text = "\n\n".join(self.blocks)
        got, _, _ = replay(text)
        wanted = "\n".join(f"= {line}" for line in got)
        (FOLDER / f"{name}.txt").write_text(f"{text}\n\n{wanted}\n")
        print(name, got)


def listen(switch: Any, tape: Tape) -> None:
    """Tape all that the switch hears from now on."""
    event, knock, hung_up = switch.event, switch._knock, switch._caller_hung_up

    def on_event(e: Any) -> None:
        tape.event(e)
        event(e)

    def on_session(session: Any) -> None:
        script = session.headers.get("agi_network_script")
        if script == "in":
            tape.act("knock", session.headers["agi_uniqueid"], session.headers["agi_channel"])
        elif script == encode.TRANSFER:
            tape.act("knock-again")
        knock(session)

    def on_hung_up(caller: Any) -> None:
        tape.act("hangup")
        hung_up(caller)

    switch._ami._wanted = switch_module.WANTED | KEPT
    switch._ami._on_event = on_event
    switch._agi.on_session = on_session
    switch._caller_hung_up = on_hung_up
    caller_module.translate = _Translate(tape)  # type: ignore[assignment]
    caller_module.transfers = _Transfers(tape)  # type: ignore[assignment]


class _Translate:
    """The table, with its calls from AGI taped."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def __getattr__(self, name: str) -> Any:
        return getattr(translate, name)

    def dial_returned(self, call: Any, offer: Any, status: str, cause: int, peer: str) -> Any:
        self._tape.act("returned", status, str(cause), peer)
        return translate.dial_returned(call, offer, status, cause, peer)

    def free_again(self, call: Any) -> Any:
        self._tape.act("free")
        return translate.free_again(call)

    def caller_gone(self, call: Any, cause: int) -> Any:
        self._tape.act("gone")
        return translate.caller_gone(call, cause)


class _Transfers:
    """What the session itself sees of a transfer, taped."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def __getattr__(self, name: str) -> Any:
        return getattr(transfers, name)

    def sent_on(self, call: Any) -> Any:
        self._tape.act("moved", *(["swapped"] if call.swapped else []))
        return transfers.sent_on(call)

"""Captures the golden traces: ``python -m tests.ctid.telephony.capture_traces``.

From a real Asterisk. Run it when the version of Asterisk changes, and read the difference before it
is committed.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ctid.telephony.asterisk import caller as caller_module
from ctid.telephony.asterisk import switch as switch_module
from ctid.telephony.asterisk import table, translate
from routing import commands as c
from routing import facts as f
from routing.ids import OfferId
from sim.lab import Lab
from sim.phones.udp import CallerPool
from tests.ctid.telephony.conftest import PHONE_PORT, PHONES, World, make_switch, until
from tests.ctid.telephony.hand_phones import FactLog, HandPhones
from tests.ctid.telephony.traces import FOLDER, replay

KEPT = frozenset(table.TABLE)
NOISE = frozenset({"Privilege", "Language", "AccountCode", "Timestamp", "SystemName"})


class Tape:
    """What happened, in order."""

    def __init__(self) -> None:
        self.blocks: list[str] = []

    def event(self, event: Any) -> None:
        if event.get("Event") in KEPT:
            lines = [f"{k}: {v}" for k, v in event.items() if k not in NOISE]
            self.blocks.append("\n".join(lines))

    def act(self, *words: str) -> None:
        self.blocks.append("> " + shlex.join(words))


async def single(w: World, tape: Tape, what: str) -> None:
    call, interaction = await w.arrive()
    phones = ("1001", "1002") if "two" in what else ("1001",)
    tape.act("offer", "o1", *(f"{p}=agent-{p}" for p in phones))
    offer = await w.offer(interaction, *phones)
    legs = await w.phones.next_calls(len(phones))
    for leg in legs.values():
        w.phones.ringing(leg)
        await w.facts.next(f.OfferRinging)
    await END[what](w, tape, call, legs, offer)
    await asyncio.sleep(0.2)
    w.callers.hangup(call)
    await until(lambda: not w.switch._board.calls)


async def agent_ends(w: World, tape: Tape, call: Any, legs: Any, offer: OfferId) -> None:
    w.phones.answer(legs["1001"])
    await w.facts.next(f.OfferAnswered)
    await asyncio.sleep(0.1)
    w.phones.hangup(legs["1001"])
    await w.facts.next(f.AgentHungUp)


async def caller_ends(w: World, tape: Tape, call: Any, legs: Any, offer: OfferId) -> None:
    w.phones.answer(legs["1001"])
    await w.facts.next(f.OfferAnswered)
    await asyncio.sleep(0.1)
    w.callers.hangup(call)
    await w.facts.next(f.CallerHungUp)


async def declined(w: World, tape: Tape, call: Any, legs: Any, offer: OfferId) -> None:
    w.phones.refuse_call(legs["1001"], 603, "Decline")
    await w.facts.next(f.OfferEnded)


async def abandoned(w: World, tape: Tape, call: Any, legs: Any, offer: OfferId) -> None:
    w.callers.hangup(call)
    await w.facts.next(f.CallerHungUp)


async def cancelled(w: World, tape: Tape, call: Any, legs: Any, offer: OfferId) -> None:
    tape.act("cancel")
    interaction = w.switch._board.calls.copy().popitem()[1].interaction
    await w.switch.execute(c.CancelOffer(interaction=interaction, offer=offer))
    await w.facts.next(f.OfferEnded)


async def one_declines_one_answers(
    w: World, tape: Tape, call: Any, legs: Any, offer: OfferId
) -> None:
    w.phones.refuse_call(legs["1001"], 486, "Busy Here")
    await w.facts.next(f.OfferDeclined)
    w.phones.answer(legs["1002"])
    await w.facts.next(f.OfferAnswered)
    await asyncio.sleep(0.1)
    w.phones.hangup(legs["1002"])
    await w.facts.next(f.AgentHungUp)


async def second_wins(w: World, tape: Tape, call: Any, legs: Any, offer: OfferId) -> None:
    w.phones.answer(legs["1002"])
    await w.facts.next(f.OfferAnswered)
    await asyncio.sleep(0.1)
    w.callers.hangup(call)
    await w.facts.next(f.CallerHungUp)


End = Callable[[World, Tape, Any, Any, OfferId], Awaitable[None]]
END: dict[str, End] = {
    "answered-agent-ends": agent_ends,
    "answered-caller-ends": caller_ends,
    "declined": declined,
    "abandoned-while-ringing": abandoned,
    "cancelled-two": cancelled,
    "two-one-declines-one-answers": one_declines_one_answers,
    "two-second-wins": second_wins,
}


async def capture(info: Any) -> None:
    pbx = (info.sip_host, info.sip_port)
    recordings = Path(info.recordings_dir)
    phones = HandPhones(pbx)
    phones.port = PHONE_PORT
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with phones, CallerPool(pbx) as callers:
        for name in END:
            tape, facts = Tape(), FactLog()
            switch = make_switch(info, recordings)
            _listen(switch, tape)
            await switch.start(facts)
            switch.open_doors()
            world = World(info, switch, facts, phones, callers, recordings)
            await single(world, tape, name)
            await switch.close()
            text = "\n\n".join(tape.blocks)
            got, _, _ = replay(text)
            wanted = "\n".join(f"= {line}" for line in got)
            (FOLDER / f"{name}.txt").write_text(f"{text}\n\n{wanted}\n")
            print(name, got)


def _listen(switch: Any, tape: Tape) -> None:
    event, knock = switch.event, switch._knock

    def on_event(e: Any) -> None:
        tape.event(e)
        event(e)

    def on_session(session: Any) -> None:
        tape.act("knock", session.headers["agi_uniqueid"], session.headers["agi_channel"])
        knock(session)

    def dial_returned(call: Any, offer: Any, status: str, cause: int, peer: str) -> Any:
        tape.act("returned", status, str(cause), peer)
        return translate.dial_returned(call, offer, status, cause, peer)

    switch._ami._wanted = switch_module.WANTED | KEPT
    switch._ami._on_event = on_event
    switch._agi.on_session = on_session
    hung_up = switch._caller_hung_up

    def on_hung_up(caller: Any) -> None:
        tape.act("hangup")
        hung_up(caller)

    switch._caller_hung_up = on_hung_up

    class Table:
        """The table, with its one call from AGI taped."""

        def __getattr__(self, name: str) -> Any:
            return dial_returned if name == "dial_returned" else getattr(translate, name)

    caller_module.translate = Table()  # type: ignore[assignment]


if __name__ == "__main__":
    contacts = {user: f"sip:{user}@127.0.0.3:{PHONE_PORT}" for user in PHONES}
    with Lab("traces", agents=8, static_phones=contacts, quiet=True) as lab:
        asyncio.run(capture(lab))

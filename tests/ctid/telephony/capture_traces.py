"""Captures the golden traces: ``python -m tests.ctid.telephony.capture_traces``.

From a real Asterisk. Run it when the version of Asterisk changes, and read the difference before it
is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from routing import commands as c
from routing import facts as f
from routing.ids import OfferId
from sim.lab import Lab, LabInfo
from sim.phones.udp import CallerPool
from tests.ctid.telephony.conftest import PHONE_PORT, PHONES, World, make_switch, until
from tests.ctid.telephony.hand_phones import FactLog, HandPhones
from tests.ctid.telephony.phone_scenes import at_the_phone
from tests.ctid.telephony.tape import Tape, listen
from tests.ctid.telephony.traces import FOLDER


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


async def by_hand(info: LabInfo) -> None:
    """What ctid does with phones that only answer and hang up."""
    pbx = (info.sip_host, info.sip_port)
    recordings = Path(info.recordings_dir)
    phones = HandPhones(pbx)
    phones.port = PHONE_PORT
    async with phones, CallerPool(pbx) as callers:
        for name in END:
            tape, facts = Tape(), FactLog()
            switch = make_switch(info, recordings)
            listen(switch, tape)
            await switch.start(facts)
            switch.open_doors()
            world = World(info, switch, facts, phones, callers, recordings)
            await single(world, tape, name)
            await switch.close()
            tape.save(name)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    contacts = {user: f"sip:{user}@127.0.0.3:{PHONE_PORT}" for user in PHONES}
    with Lab("traces", agents=8, static_phones=contacts, quiet=True) as info:
        asyncio.run(by_hand(info))
    lab = Lab("traces-of-phones", agents=3, quiet=True)
    with lab as info:
        asyncio.run(at_the_phone(lab, info))

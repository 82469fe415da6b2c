"""Agent and caller are parted and put together anew, at the worst moments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ctid.telephony.asterisk import transfers, translate
from ctid.telephony.asterisk.caller import Caller
from ctid.telephony.asterisk.midcall import Midcall
from routing import commands as c
from routing import facts as f
from routing.control_facts import HoldChanged
from tests.ctid.telephony.conftest import World, until
from tests.ctid.telephony.hand_phones import PATIENCE_S

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("moment", ["seated", "making way", "way made"])
async def test_who_was_called_is_left_in_no_seat(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """``moment``: when the hang-up comes. The phone at 1001 stands for one outside the house."""
    call, interaction = await world.arrive()
    other = await world.connect(interaction, "1001", recording="r1")
    known = world.switch._board.by_interaction[interaction]
    session = world.switch._callers[known.uniqueid].session
    leg = known.talking
    assert leg is not None

    async def hangs_up() -> None:
        world.callers.hangup(call)
        await until(lambda: session.hung_up)

    def around(kind: type, name: str, *, first: bool) -> None:
        real: Callable[..., Awaitable[object]] = getattr(kind, name)

        async def patched(*args: object) -> object:
            if first:
                await hangs_up()
            result = await real(*args)
            if not first:
                await hangs_up()
            return result

        monkeypatch.setattr(kind, name, patched)

    if moment == "seated":
        around(Midcall, "fetch", first=False)
    else:
        around(Caller, "_make_way", first=moment == "making way")
    # what AttendedTransfer to an outside number does, the number of this phone being one
    event = {
        "Result": "Success",
        "DestType": "Bridge",
        "TransfereeUniqueid": known.uniqueid,
        "TransferTargetUniqueid": leg.uniqueid,
        "TransferTargetChannel": leg.channel,
        "SecondTransfererContext": transfers.OUTSIDE,
        "SecondTransfererExten": "013911112222",
    }
    await world.switch._midcall._bridged(leg)  # as they are when a phone hands the caller on
    handed = transfers.attended_transfer(world.switch._board, event)
    world.switch._board.drop_leg(leg)
    assert [type(item) for item in handed][1:] == [translate.JoinAnew]
    world.switch.tell(handed)
    await world.facts.next(f.CallerHungUp, interaction=interaction)
    await asyncio.wait_for(other.ended.wait(), PATIENCE_S)


async def test_hold_right_after_the_answer_parts_the_two(world: World) -> None:
    """Dial joins them some milliseconds after it has told the answer."""
    for _ in range(5):
        caller, interaction = await world.arrive()
        leg = await world.connect(interaction, "1001")
        await world.switch.execute(c.Hold(interaction=interaction))
        await world.facts.next(HoldChanged, interaction=interaction, held=True)
        await world.switch.execute(c.Unhold(interaction=interaction))
        await world.facts.next(HoldChanged, interaction=interaction, held=False)
        world.phones.hangup(leg)
        await world.facts.next(f.AgentHungUp, interaction=interaction)
        await world.switch.execute(c.Release(interaction=interaction))
        await asyncio.wait_for(caller.ended.wait(), PATIENCE_S)
        await until(lambda: not world.switch._board.calls)

"""Further phones join an offer that rings."""

from __future__ import annotations

import asyncio

import pytest

from routing import commands as c
from routing import facts as f
from routing.ids import AgentId, InteractionId, OfferId, PhoneId
from sim.phones.udp import UdpCall
from tests.ctid.telephony.conftest import World
from tests.ctid.telephony.hand_phones import PATIENCE_S

pytestmark = pytest.mark.asterisk


async def ring_two(world: World) -> tuple[UdpCall, InteractionId, OfferId, dict[str, UdpCall]]:
    """1001 rings for the offer, then 1002 as well."""
    call, interaction = await world.arrive(name="张三")
    offer = await world.offer(interaction, "1001", recording=f"{interaction}.r1")
    first = await world.phones.next_call()
    world.phones.ringing(first)
    await world.facts.next(f.OfferRinging, agent="agent-1001")
    await extend(world, interaction, offer, "1002")
    second = await world.phones.next_call()
    assert "张三" in second.remote
    world.phones.ringing(second)
    await world.facts.next(f.OfferRinging, agent="agent-1002")
    assert not first.ended.is_set()
    return call, interaction, offer, {"1001": first, "1002": second}


async def extend(world: World, interaction: InteractionId, offer: OfferId, phone: str) -> None:
    target = c.Target(agent=AgentId(f"agent-{phone}"), phone=PhoneId(phone))
    await world.switch.execute(
        c.ExtendOffer(interaction=interaction, offer=offer, targets=(target,))
    )


@pytest.mark.parametrize("who", ["agent", "caller"])
async def test_the_joined_phone_answers_and_talks(world: World, who: str) -> None:
    call, interaction, offer, legs = await ring_two(world)
    world.phones.answer(legs["1002"])
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1002")
    await asyncio.wait_for(legs["1001"].ended.wait(), PATIENCE_S)
    (live,) = await world.switch.live_calls()
    assert live.agent == "agent-1002"
    if who == "agent":
        world.phones.hangup(legs["1002"])
        await world.facts.next(f.AgentHungUp, agent="agent-1002")
        assert not call.ended.is_set()
        await world.connect(interaction, "1003")  # the caller is still ours
    else:
        world.callers.hangup(call)
        await world.facts.next(f.CallerHungUp)
        await asyncio.wait_for(legs["1002"].ended.wait(), PATIENCE_S)
        assert "AgentHungUp" not in world.facts.kinds()
    assert "OfferEnded" not in world.facts.kinds()


async def test_the_first_phone_answers_and_the_joined_one_stops(world: World) -> None:
    _, _, offer, legs = await ring_two(world)
    world.phones.answer(legs["1001"])
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1001")
    await asyncio.wait_for(legs["1002"].ended.wait(), PATIENCE_S)
    assert legs["1002"].ended_by == "cancelled"


async def test_the_first_declines_and_the_joined_one_answers_later(world: World) -> None:
    _, _, offer, legs = await ring_two(world)
    world.phones.refuse_call(legs["1001"], 486, "Busy Here")
    await world.facts.next(f.OfferDeclined, agent="agent-1001")
    await asyncio.sleep(0.3)  # longer than OfferEnded waits for legs
    assert "OfferEnded" not in world.facts.kinds()
    world.phones.answer(legs["1002"])
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1002")


async def test_both_decline(world: World) -> None:
    _, interaction, offer, legs = await ring_two(world)
    world.phones.refuse_call(legs["1002"], 486, "Busy Here")
    await world.facts.next(f.OfferDeclined, agent="agent-1002")
    world.phones.refuse_call(legs["1001"], 486, "Busy Here")
    await world.facts.next(f.OfferDeclined, agent="agent-1001")
    await world.facts.next(f.OfferEnded, offer=offer)
    await world.connect(interaction, "1003")


async def test_a_cancel_stops_both(world: World) -> None:
    _, interaction, offer, legs = await ring_two(world)
    await world.switch.execute(c.CancelOffer(interaction=interaction, offer=offer))
    await world.facts.next(f.OfferEnded, offer=offer)
    for leg in legs.values():
        await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
        assert leg.ended_by == "cancelled"


async def test_the_caller_gives_up_and_both_stop(world: World) -> None:
    call, _, _, legs = await ring_two(world)
    world.callers.hangup(call)
    await world.facts.next(f.CallerHungUp)
    for leg in legs.values():
        await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
        assert leg.ended_by == "cancelled"


async def test_a_further_phone_that_cannot_be_reached_is_told(world: World) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.ringing(leg)
    await world.facts.next(f.OfferRinging)
    await extend(world, interaction, offer, "1005")
    await world.facts.next(f.OfferFailed, offer=offer, agent="agent-1005")
    world.phones.answer(leg)
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1001")

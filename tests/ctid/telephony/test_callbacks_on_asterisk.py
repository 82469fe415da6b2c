"""Customers are called back: the agent first, or the customer first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ctid.tasks import spawn
from ctid.telephony.asterisk import callbacks
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing import facts as f
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, QueueId, RecordingId
from sim.phones.udp import UdpCall
from tests.ctid.telephony.conftest import World, make_switch, reconnected, until
from tests.ctid.telephony.fault_proxy import FaultProxy
from tests.ctid.telephony.hand_phones import PATIENCE_S, FactLog, HandPhones

pytestmark = pytest.mark.asterisk

CUSTOMER = "13900139000"


async def ring_agents(world: World, interaction: InteractionId, *phones: str) -> OfferId:
    offer = OfferId(f"{interaction}.o{next(world.numbers)}")
    await world.switch.execute(
        c.Offer(
            interaction=interaction,
            offer=offer,
            queue=QueueId("news"),
            targets=tuple(c.Target(agent=AgentId(f"agent-{p}"), phone=PhoneId(p)) for p in phones),
            ring_timeout_s=10.0,
            caller=f.Party(number=CUSTOMER, name="王先生"),
            channel=f.Channel.CALLBACK,
            recording=RecordingId(f"{interaction}.r1"),
        )
    )
    return offer


async def call_customer(
    world: World,
    interaction: InteractionId,
    agent: str = "",
    ring_timeout_s: float = 10.0,
    number: str = CUSTOMER,
) -> None:
    await world.switch.execute(
        c.CallCustomer(
            interaction=interaction,
            number=number,
            ring_timeout_s=ring_timeout_s,
            agent=AgentId(agent) if agent else None,
            show="88880001",
        )
    )


async def agent_answers(world: World, interaction: InteractionId, phone: str = "1001") -> UdpCall:
    offer = await ring_agents(world, interaction, phone)
    leg = await world.phones.next_call()
    assert "王先生" in leg.remote
    assert CUSTOMER in leg.remote
    world.phones.ringing(leg)
    await world.facts.next(f.OfferRinging, offer=offer)
    world.phones.answer(leg)
    await world.facts.next(f.OfferAnswered, offer=offer, agent=f"agent-{phone}")
    return leg


async def connected(
    world: World, outside: HandPhones, interaction: InteractionId
) -> tuple[UdpCall, UdpCall]:
    leg = await agent_answers(world, interaction)
    await call_customer(world, interaction, "agent-1001")
    customer = await outside.next_call()
    assert customer.number == CUSTOMER
    assert "88880001" in customer.remote
    outside.ringing(customer)
    outside.answer(customer)
    await world.facts.next(f.CustomerAnswered, interaction=interaction)
    return leg, customer


def name(world: World) -> InteractionId:
    return InteractionId(f"back-{id(world)}-{next(world.numbers)}")


@pytest.mark.parametrize("who", ["agent", "customer"])
async def test_agent_first(world: World, outside: HandPhones, who: str) -> None:
    interaction = name(world)
    leg, customer = await connected(world, outside, interaction)
    recording = RecordingId(f"{interaction}.r1")
    await world.switch.execute(
        c.StartRecording(
            interaction=interaction,
            recording=recording,
            queue=QueueId("news"),
            agent=AgentId("agent-1001"),
        )
    )
    await world.facts.next(f.RecordingStarted, recording=recording)
    (live,) = await world.switch.live_calls()
    assert (live.interaction, live.agent) == (interaction, "agent-1001")
    if who == "agent":
        world.phones.hangup(leg)
        await world.facts.next(f.AgentHungUp, agent="agent-1001")
        assert not customer.ended.is_set()
        # a customer who is held is a caller like any other
        await world.connect(interaction, "1002")
        await world.switch.execute(c.Release(interaction=interaction))
    else:
        outside.hangup(customer)
    await world.facts.next(f.CallerHungUp, interaction=interaction)
    await world.facts.next(f.RecordingEnded, recording=recording)
    await asyncio.wait_for(customer.ended.wait(), PATIENCE_S)
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    assert "CustomerCallFailed" not in world.facts.kinds()


async def test_several_agents_ring_and_one_answers(world: World, outside: HandPhones) -> None:
    interaction = name(world)
    offer = await ring_agents(world, interaction, "1001", "1002")
    legs = await world.phones.next_calls(2)
    for leg in legs.values():
        world.phones.ringing(leg)
    world.phones.answer(legs["1002"])
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1002")
    await asyncio.wait_for(legs["1001"].ended.wait(), PATIENCE_S)
    assert legs["1001"].ended_by == "cancelled"
    world.phones.hangup(legs["1002"])
    await world.facts.next(f.AgentHungUp, agent="agent-1002")


async def test_agents_decline_or_are_withdrawn(world: World, outside: HandPhones) -> None:
    interaction = name(world)
    offer = await ring_agents(world, interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.refuse_call(leg, 486, "Busy Here")
    await world.facts.next(f.OfferDeclined, offer=offer)
    await world.facts.next(f.OfferEnded, offer=offer)
    offer = await ring_agents(world, interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.ringing(leg)
    await world.switch.execute(c.CancelOffer(interaction=interaction, offer=offer))
    await world.facts.next(f.OfferEnded, offer=offer)
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    assert leg.ended_by == "cancelled"


async def test_an_unregistered_phone_ends_the_offer(world: World, outside: HandPhones) -> None:
    interaction = name(world)
    offer = await ring_agents(world, interaction, "1007")
    await world.facts.next(f.OfferFailed, offer=offer)
    await world.facts.next(f.OfferEnded, offer=offer)


@pytest.mark.parametrize(("status", "cause"), [(486, 17), (603, 21), (404, 1), (503, 34)])
async def test_the_customer_declines(
    world: World,
    outside: HandPhones,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    cause: int,
) -> None:
    monkeypatch.setattr(callbacks, "LEG_S", 3600)  # only the leg's own end frees the phone
    interaction = name(world)
    leg = await agent_answers(world, interaction)
    await call_customer(world, interaction, "agent-1001")
    customer = await outside.next_call()
    outside.refuse_call(customer, status, "No")
    failed = await world.facts.next(f.CustomerCallFailed, interaction=interaction)
    assert not world.switch._board.legs, "told before the agent's phone is free"
    assert failed.cause == cause
    # the PBX tells the agent's phone on a way of its own
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    assert await world.switch.live_calls() == []
    assert "AgentHungUp" not in world.facts.kinds()


async def test_the_customer_does_not_answer(world: World, outside: HandPhones) -> None:
    interaction = name(world)
    await call_customer(world, interaction, ring_timeout_s=1.0)
    customer = await outside.next_call()
    outside.ringing(customer)
    await world.facts.next(f.CustomerCallFailed, interaction=interaction)
    await asyncio.wait_for(customer.ended.wait(), PATIENCE_S)
    assert customer.ended_by == "cancelled"
    await call_customer(world, interaction)  # the next turn
    outside.answer(await outside.next_call())
    await world.facts.next(f.CustomerAnswered, interaction=interaction)


async def test_the_agent_hangs_up_while_the_customer_rings(
    world: World, outside: HandPhones
) -> None:
    interaction = name(world)
    leg = await agent_answers(world, interaction)
    await call_customer(world, interaction, "agent-1001")
    customer = await outside.next_call()
    outside.ringing(customer)
    world.phones.hangup(leg)
    await world.facts.next(f.AgentHungUp, agent="agent-1001")
    await asyncio.wait_for(customer.ended.wait(), PATIENCE_S)
    assert customer.ended_by == "cancelled"
    assert "CustomerCallFailed" not in world.facts.kinds()
    assert "CallerHungUp" not in world.facts.kinds()
    with pytest.raises(SwitchError):
        await call_customer(world, interaction, "agent-1001")


@pytest.mark.parametrize("first", ["agent", "customer"])
async def test_a_release_while_the_customer_rings(
    world: World, outside: HandPhones, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr(callbacks, "LEG_S", 3600)
    interaction = name(world)
    leg = await agent_answers(world, interaction) if first == "agent" else None
    await call_customer(world, interaction, "agent-1001" if leg else "")
    customer = await outside.next_call()
    outside.ringing(customer)
    await world.switch.execute(c.Release(interaction=interaction))
    await world.facts.next(f.CallerHungUp, interaction=interaction)
    assert not world.switch._board.legs, "told before the agent's phone is free"
    await asyncio.wait_for(customer.ended.wait(), PATIENCE_S)
    if leg is not None:
        await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)


async def test_customer_first(world: World, outside: HandPhones) -> None:
    interaction = name(world)
    await call_customer(world, interaction)
    customer = await outside.next_call()
    with pytest.raises(SwitchError):
        await call_customer(world, interaction)  # once only
    outside.answer(customer)
    await world.facts.next(f.CustomerAnswered, interaction=interaction)
    leg = await world.connect(interaction, "1001", recording=f"{interaction}.r1")
    outside.hangup(customer)
    await world.facts.next(f.CallerHungUp, interaction=interaction)
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)


async def test_a_number_that_means_something_to_dial_is_refused(world: World) -> None:
    with pytest.raises(SwitchError):
        await world.switch.execute(
            c.CallCustomer(
                interaction=name(world), number="139&PJSIP/1001", ring_timeout_s=5.0, agent=None
            )
        )


async def test_after_a_restart(world: World, outside: HandPhones) -> None:
    """Who was on the line is; who only rang is left in peace; who waits is under control again."""
    talking, ringing, held = name(world), name(world), name(world)
    leg, customer = await connected(world, outside, talking)
    await call_customer(world, held, number="13900139001")
    waits = await outside.next_call()
    outside.answer(waits)
    await world.facts.next(f.CustomerAnswered, interaction=held)
    await call_customer(world, ringing, number="13900139002")
    rings = await outside.next_call()
    outside.ringing(rings)
    await world.switch.close()

    world.switch = make_switch(world.info, world.recordings)
    world.facts = facts = FactLog()
    await world.switch.start(facts)
    calls = {call.interaction: call for call in await world.switch.live_calls()}
    assert set(calls) == {talking, held}
    assert calls[talking].agent_phone == "1001"
    await asyncio.wait_for(rings.ended.wait(), PATIENCE_S)
    world.switch.known({talking: AgentId("agent-1001"), held: None})
    world.switch.open_doors()
    await facts.next(f.CallerReturned, interaction=held)
    await world.connect(held, "1002")
    outside.hangup(waits)
    await facts.next(f.CallerHungUp, interaction=held)
    outside.hangup(customer)
    await facts.next(f.CallerHungUp, interaction=talking)
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    await until(lambda: not world.phones.busy)


# --- AMI away -------------------------------------------------------------------------------------


@pytest.fixture
async def outside_of_proxy(world: World, proxy: FaultProxy) -> AsyncIterator[HandPhones]:
    phones = HandPhones((world.info.sip_host, world.info.sip_port))
    phones.host, phones.port = world.info.trunk_host, world.info.trunk_port
    async with phones:
        yield phones


@pytest.mark.parametrize("ends", ["answered", "refused"])
async def test_a_call_whose_answer_was_lost_is_not_made_again(
    world: World, proxy: FaultProxy, outside_of_proxy: HandPhones, ends: str
) -> None:
    back = reconnected(world.switch)
    interaction = name(world)
    await call_customer(world, interaction, ring_timeout_s=20.0)
    customer = await outside_of_proxy.next_call()
    outside_of_proxy.ringing(customer)
    proxy.refuse = True
    proxy.cut()
    await until(lambda: not world.switch.connected)
    proxy.sent = b""
    if ends == "answered":
        outside_of_proxy.answer(customer)  # AGI tells, though AMI is away
        await world.facts.next(f.CustomerAnswered, interaction=interaction)
    else:
        outside_of_proxy.refuse_call(customer, 486, "Busy Here")
        await asyncio.wait_for(customer.ended.wait(), PATIENCE_S)
    proxy.refuse = False
    await asyncio.wait_for(back.wait(), 30)
    if ends == "refused":
        await world.facts.next(f.CustomerCallFailed, interaction=interaction)
    else:
        leg = await world.connect(interaction, "1001")
        outside_of_proxy.hangup(customer)
        await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    assert b"Originate" not in proxy.sent
    assert world.facts.kinds().count("CustomerAnswered") == (ends == "answered")
    assert outside_of_proxy.counts["invites"] == 1


async def test_an_originate_without_an_answer_is_not_sent_again(
    world: World, proxy: FaultProxy, outside_of_proxy: HandPhones
) -> None:
    """The link breaks between the order and its confirmation: the PBX has done it all the same."""
    back = reconnected(world.switch)
    interaction = name(world)
    proxy.swallow_after = b"Action: Originate"
    calling = spawn(call_customer(world, interaction), name="calling")
    customer = await outside_of_proxy.next_call()
    outside_of_proxy.ringing(customer)
    proxy.cut()
    await calling
    await asyncio.wait_for(back.wait(), 30)
    assert not customer.ended.is_set()
    assert "CustomerCallFailed" not in world.facts.kinds()
    outside_of_proxy.answer(customer)
    await world.facts.next(f.CustomerAnswered, interaction=interaction)
    assert outside_of_proxy.counts["invites"] == 1
    assert proxy.sent.count(b"Action: Originate") == 1
    outside_of_proxy.hangup(customer)
    await world.facts.next(f.CallerHungUp, interaction=interaction)

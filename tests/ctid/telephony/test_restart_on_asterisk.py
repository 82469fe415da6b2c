"""What survives when ctid, or one of its links to the PBX, goes away."""

from __future__ import annotations

import asyncio
import os

import pytest

from ctid.telephony.asterisk.census import Census
from ctid.telephony.port import LiveCall
from routing import commands as c
from routing import facts as f
from routing.ids import AgentId, InteractionId
from tests.ctid.telephony.conftest import World, make_switch, reconnected, until
from tests.ctid.telephony.fault_proxy import FaultProxy
from tests.ctid.telephony.hand_phones import PATIENCE_S, FactLog

pytestmark = pytest.mark.asterisk


async def restart(world: World) -> list[LiveCall]:
    """ctid dies as the PBX sees it (sockets close), and starts anew; the doors are still shut."""
    await world.switch.close()
    world.facts = FactLog()
    world.switch = make_switch(world.info, world.recordings)
    await world.switch.start(world.facts)
    return await world.switch.live_calls()


async def test_waiting_callers_come_back_under_their_own_ids(world: World) -> None:
    waiting = [(await world.arrive(caller=f"1380013800{n}"))[1] for n in range(5)]
    live = await restart(world)
    assert {call.interaction for call in live} == set(waiting)
    assert {call.caller.number for call in live} == {f"1380013800{n}" for n in range(5)}
    assert all(call.agent is None and call.did == "4000" for call in live)
    world.switch.known(dict.fromkeys(waiting))
    world.switch.open_doors()
    for interaction in waiting:
        await world.facts.next(f.CallerReturned, interaction=interaction)
    assert "InteractionArrived" not in world.facts.kinds()
    await world.connect(waiting[2], "1001")


async def test_a_caller_the_journal_never_knew_arrives_anew(world: World) -> None:
    _, interaction = await world.arrive()
    await restart(world)
    world.switch.open_doors()
    await world.facts.next(f.InteractionArrived, interaction=interaction)


async def test_phones_states_are_told_before_callers_however_late_they_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a caller would be offered to a phone that is in use."""
    _, interaction = await world.arrive()

    def held(kind: type[f.Fact]) -> bool:
        return any(isinstance(fact, kind) for fact in world.switch._held)

    real = Census.phones

    async def late(census: Census) -> None:
        await until(lambda: held(f.InteractionArrived))
        await real(census)

    monkeypatch.setattr(Census, "phones", late)
    await restart(world)
    await until(lambda: held(f.PhoneStateChanged))
    world.switch.open_doors()
    await world.facts.next(f.InteractionArrived, interaction=interaction)
    kinds = world.facts.kinds()
    assert "PhoneStateChanged" not in kinds[kinds.index("InteractionArrived") :]
    assert kinds[0] == "PhoneStateChanged"


@pytest.mark.parametrize("who", ["agent", "caller"])
async def test_a_conversation_goes_on_through_a_restart_and_its_end_is_told(
    world: World, who: str
) -> None:
    call, interaction = await world.arrive()
    leg = await world.connect(interaction, "1001", recording=f"{interaction}.r1")
    # MixMonitor makes its file with the first voice; by it the recording is known again
    await until((world.recordings / f"{interaction}.r1.raw").exists)
    (live,) = await restart(world)
    assert (live.agent, live.agent_phone, live.controlled) == (None, "1001", False)
    world.switch.known({interaction: AgentId("agent-1001")})
    world.switch.open_doors()
    await asyncio.sleep(1.5)  # longer than the dialplan's pause: nothing may happen
    assert not call.ended.is_set()
    assert not leg.ended.is_set()
    assert world.facts.kinds(f.PhoneStateChanged) == []
    if who == "agent":
        world.phones.hangup(leg)
        await world.facts.next(f.AgentHungUp, interaction=interaction, agent="agent-1001")
    else:
        world.callers.hangup(call)
    await world.facts.next(f.CallerHungUp, interaction=interaction)
    await world.facts.next(f.RecordingEnded, recording=f"{interaction}.r1")
    assert world.facts.kinds(f.PhoneStateChanged, f.RecordingEnded) == (
        ["AgentHungUp", "CallerHungUp"] if who == "agent" else ["CallerHungUp"]
    )


async def test_a_phone_that_rings_for_a_forgotten_offer_stops_and_the_caller_returns(
    world: World,
) -> None:
    _, interaction = await world.arrive()
    await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.ringing(leg)
    await world.facts.next(f.OfferRinging)
    await restart(world)
    world.switch.known({interaction: None})
    world.switch.open_doors()
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    assert leg.ended_by == "cancelled"
    await world.facts.next(f.CallerReturned, interaction=interaction)
    await world.connect(interaction, "1002")


async def test_who_knocks_and_leaves_before_the_doors_open_is_still_told(world: World) -> None:
    await restart(world)
    call = world.callers.call("4000", caller="13800138000")
    await until(lambda: bool(world.switch._board.calls))
    world.callers.hangup(call)
    await until(lambda: not world.switch._board.calls)
    assert world.facts.order == []
    world.switch.open_doors()
    kinds = world.facts.kinds(f.PhoneStateChanged)
    assert kinds == ["InteractionArrived", "CallerHungUp"]


async def test_a_broken_control_session_is_lost_and_found(world: World) -> None:
    _, interaction = await world.arrive()
    call = world.switch._board.by_interaction[interaction]
    transport = world.switch._callers[call.uniqueid].session._transport
    assert transport is not None
    transport.abort()
    await world.facts.next(f.ControlLost, interaction=interaction)
    await world.facts.next(f.CallerReturned, interaction=interaction)
    await world.connect(interaction, "1001")
    assert world.facts.kinds().count("InteractionArrived") == 1


async def test_a_session_that_breaks_in_conversation_leaves_the_call_alone(world: World) -> None:
    notes = os.listdir(world.info.notes_dir)
    _, interaction = await world.arrive()
    leg = await world.connect(interaction, "1001")
    call = world.switch._board.by_interaction[interaction]
    transport = world.switch._callers[call.uniqueid].session._transport
    assert transport is not None
    transport.abort()
    await world.facts.next(f.ControlLost, interaction=interaction)
    assert not leg.ended.is_set()
    world.phones.hangup(leg)
    await world.facts.next(f.AgentHungUp, interaction=interaction)
    await until(lambda: not world.switch._board.calls)  # told after the dialplan's last words
    assert os.listdir(world.info.notes_dir) == notes, "a note about a call that ctid knows"


async def test_with_the_doors_closed_callers_wait_and_none_is_dropped(world: World) -> None:
    _, interaction = await world.arrive()
    await world.switch.stop_accepting()
    late = world.callers.call("4000", caller="13900139000")
    await asyncio.wait_for(late.answered.wait(), PATIENCE_S)  # by the dialplan's loop: music
    await world.connect(interaction, "1001")  # the ones inside are served
    assert not late.ended.is_set()
    assert world.facts.kinds().count("InteractionArrived") == 1


# --- AMI away -------------------------------------------------------------------------------------


async def test_ends_that_ami_missed_are_told_when_it_is_back(
    world: World, proxy: FaultProxy
) -> None:
    back = reconnected(world.switch)
    first, one = await world.arrive()
    _, two = await world.arrive()
    await world.connect(one, "1001")
    leg = await world.connect(two, "1002")
    proxy.refuse = True
    proxy.cut()
    await until(lambda: not world.switch.connected)
    world.callers.hangup(first)
    world.phones.hangup(leg)
    # AGI tells both although AMI is away
    await world.facts.next(f.CallerHungUp, interaction=one)
    await world.facts.next(f.AgentHungUp, interaction=two)
    proxy.refuse = False
    await asyncio.wait_for(back.wait(), 30)
    assert world.switch.connected
    assert InteractionId(one) not in world.switch._board.by_interaction
    kinds = world.facts.kinds(f.PhoneStateChanged)
    assert kinds.count("CallerHungUp") == 1
    assert kinds.count("AgentHungUp") == 1
    await world.connect(two, "1003")


async def test_an_answer_that_ami_missed_is_told_when_it_is_back(
    world: World, proxy: FaultProxy
) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.ringing(leg)
    await world.facts.next(f.OfferRinging)
    proxy.refuse = True
    proxy.cut()
    world.phones.answer(leg)
    await asyncio.sleep(0.3)
    assert "OfferAnswered" not in world.facts.kinds()
    proxy.refuse = False
    await world.facts.next(f.OfferAnswered, 30, offer=offer)


async def test_a_whole_call_without_ami_is_still_told_by_agi(
    world: World, proxy: FaultProxy
) -> None:
    _, interaction = await world.arrive()
    proxy.refuse = True
    proxy.cut()
    await until(lambda: not world.switch.connected)
    offer = await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.answer(leg)
    await asyncio.wait_for(leg.answered.wait(), PATIENCE_S)
    await asyncio.sleep(0.2)
    world.phones.hangup(leg)
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1001")
    await world.facts.next(f.AgentHungUp, agent="agent-1001")
    second = await world.offer(interaction, "1001")
    world.phones.refuse_call(await world.phones.next_call(), 486, "Busy Here")
    await world.facts.next(f.OfferEnded, offer=second)
    proxy.refuse = False


async def test_garbage_from_ami_ends_that_connection_only(world: World, proxy: FaultProxy) -> None:
    back = reconnected(world.switch)
    _, interaction = await world.arrive()
    proxy.garble = b"\x00\xff\xfenonsense\r\nwithout: meaning\r\n\r\n"
    with_noise = world.callers.call("4000", caller="13900139000")  # makes AMI speak
    await asyncio.wait_for(back.wait(), 30)
    await world.connect(interaction, "1001")
    assert not with_noise.ended.is_set()
    assert world.facts.kinds().count("InteractionArrived") == 2


async def test_names_in_utf_8_survive_any_cut_of_the_stream(
    world: World, proxy: FaultProxy
) -> None:
    proxy.split = True
    call = world.callers.call("4000", caller="13800138000", name="南方都市报读者热线")
    arrived = await world.facts.next(f.InteractionArrived)
    (live,) = await world.switch.live_calls()
    assert live.caller.name == arrived.caller.name == "南方都市报读者热线"
    world.callers.hangup(call)


async def test_an_action_is_never_sent_again_after_a_reconnect(
    world: World, proxy: FaultProxy
) -> None:
    back = reconnected(world.switch)
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.ringing(leg)
    await world.facts.next(f.OfferRinging)
    proxy.refuse = True
    proxy.cut()
    await until(lambda: not world.switch.connected)
    await world.switch.execute(c.CancelOffer(interaction=interaction, offer=offer))
    proxy.refuse = False
    proxy.sent = b""
    await asyncio.wait_for(back.wait(), 30)
    assert b"Action: Hangup" not in proxy.sent

"""The adapter on a real Asterisk with real SIP phones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ctid.telephony.asterisk import caller
from ctid.telephony.asterisk.closing import is_closed
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing import facts as f
from routing.ids import RecordingId, StepId
from tests.ctid.telephony.conftest import World, until
from tests.ctid.telephony.fault_proxy import FaultProxy
from tests.ctid.telephony.hand_phones import PATIENCE_S, HandPhones

pytestmark = pytest.mark.asterisk

PHONE_NOISE = f.PhoneStateChanged


async def test_a_call_is_taken_offered_answered_and_hung_up_by_the_agent(world: World) -> None:
    call = world.callers.call("4000", caller="13800138000", name="张三")
    arrived = await world.facts.next(f.InteractionArrived)
    assert arrived.caller == f.Party(number="13800138000", name="张三")
    assert arrived.did == "4000"
    interaction = arrived.interaction
    await world.switch.execute(c.Answer(interaction=interaction))
    await world.switch.execute(c.StartMusic(interaction=interaction))
    offer = await world.offer(interaction, "1001", caller=arrived.caller)
    leg = await world.phones.next_call()
    assert "张三" in leg.remote
    assert "13800138000" in leg.remote
    world.phones.ringing(leg)
    await world.facts.next(f.OfferRinging, offer=offer, agent="agent-1001")
    world.phones.answer(leg)
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1001")
    (live,) = await world.switch.live_calls()
    assert (live.interaction, live.agent, live.agent_phone, live.controlled) == (
        interaction,
        "agent-1001",
        "1001",
        True,
    )
    world.phones.hangup(leg)
    await world.facts.next(f.AgentHungUp, agent="agent-1001")
    assert not call.ended.is_set()  # the caller is still there
    await world.switch.execute(c.Release(interaction=interaction))
    await world.facts.next(f.CallerHungUp)
    await asyncio.wait_for(call.ended.wait(), PATIENCE_S)
    assert world.facts.kinds(PHONE_NOISE) == [
        "InteractionArrived",
        "OfferRinging",
        "OfferAnswered",
        "AgentHungUp",
        "CallerHungUp",
    ]


async def test_the_caller_hangs_up_while_waiting(world: World) -> None:
    call, interaction = await world.arrive()
    world.callers.hangup(call)
    await world.facts.next(f.CallerHungUp, interaction=interaction)
    assert world.facts.kinds(PHONE_NOISE) == ["InteractionArrived", "CallerHungUp"]


async def test_the_caller_hangs_up_while_a_phone_rings(world: World) -> None:
    call, interaction = await world.arrive()
    await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.ringing(leg)
    await world.facts.next(f.OfferRinging)
    world.callers.hangup(call)
    await world.facts.next(f.CallerHungUp, interaction=interaction)
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    assert leg.ended_by == "cancelled"
    await asyncio.wait_for(call.ended.wait(), PATIENCE_S)
    assert "OfferEnded" not in world.facts.kinds()


async def test_the_caller_hangs_up_in_conversation(world: World) -> None:
    call, interaction = await world.arrive()
    leg = await world.connect(interaction, "1001")
    world.callers.hangup(call)
    gone = await world.facts.next(f.CallerHungUp, interaction=interaction)
    assert gone.cause in (0, 16)  # AGI says it without a cause, AMI with one; the first counts
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    assert "AgentHungUp" not in world.facts.kinds()


async def test_a_caller_who_gives_up_before_the_answer(world: World) -> None:
    call = world.callers.call("4000", caller="13800138000")
    arrived = await world.facts.next(f.InteractionArrived)
    world.callers.hangup(call)
    await world.facts.next(f.CallerHungUp, interaction=arrived.interaction)


@pytest.mark.parametrize(
    ("status", "reason", "cause"),
    [(486, "Busy Here", 17), (603, "Decline", 21), (480, "Temporarily Unavailable", 19)],
)
async def test_an_agent_declines(world: World, status: int, reason: str, cause: int) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.ringing(leg)
    world.phones.refuse_call(leg, status, reason)
    declined = await world.facts.next(f.OfferDeclined, offer=offer)
    assert (declined.agent, declined.cause) == ("agent-1001", cause)
    await world.facts.next(f.OfferEnded, offer=offer)
    # the same phone again at once: the old leg's events must not touch the new offer
    second = await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.answer(leg)
    await world.facts.next(f.OfferAnswered, offer=second)


async def test_a_phone_out_of_order_is_a_failure_not_a_decline(world: World) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001")
    world.phones.refuse_call(await world.phones.next_call(), 503, "Service Unavailable")
    failed = await world.facts.next(f.OfferFailed, offer=offer)
    assert failed.agent == "agent-1001"
    await world.facts.next(f.OfferEnded, offer=offer)


async def test_a_phone_that_is_not_registered_fails_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "LEGS_S", 3600)  # nothing else would end the offer
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1005")
    failed = await world.facts.next(f.OfferFailed, offer=offer)
    assert "1005" in failed.reason
    await world.facts.next(f.OfferEnded, offer=offer)


async def test_of_two_phones_one_unreachable_the_other_rings_on(world: World) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1005", "1001")
    leg = await world.phones.next_call()
    world.phones.answer(leg)
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1001")


async def test_the_first_of_several_phones_wins(world: World) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001", "1002", "1003")
    legs = await world.phones.next_calls(3)
    for leg in legs.values():
        world.phones.ringing(leg)
    for _ in range(3):
        await world.facts.next(f.OfferRinging, offer=offer)
    world.phones.refuse_call(legs["1003"], 486, "Busy Here")
    await world.facts.next(f.OfferDeclined, offer=offer, agent="agent-1003")
    world.phones.answer(legs["1002"])
    await world.facts.next(f.OfferAnswered, offer=offer, agent="agent-1002")
    await asyncio.wait_for(legs["1001"].ended.wait(), PATIENCE_S)
    assert legs["1001"].ended_by == "cancelled"
    assert "OfferEnded" not in world.facts.kinds()


async def test_a_cancelled_offer_stops_ringing(world: World) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001", "1002")
    legs = await world.phones.next_calls(2)
    for leg in legs.values():
        world.phones.ringing(leg)
        await world.facts.next(f.OfferRinging)
    await world.switch.execute(c.CancelOffer(interaction=interaction, offer=offer))
    await world.facts.next(f.OfferEnded, offer=offer)
    for leg in legs.values():
        await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
        assert leg.ended_by == "cancelled"


async def test_an_offer_cancelled_before_it_was_dialled_rings_nowhere(world: World) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001")
    await world.switch.execute(c.CancelOffer(interaction=interaction, offer=offer))
    await world.facts.next(f.OfferEnded, offer=offer)
    again = await world.offer(interaction, "1002")
    leg = await world.phones.next_call()
    while leg.number != "1002":  # a leg that was under way may have shown itself
        await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
        leg = await world.phones.next_call()
    world.phones.answer(leg)
    await world.facts.next(f.OfferAnswered, offer=again)


async def test_an_answer_faster_than_the_cancel_wins(world: World) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001")
    leg = await world.phones.next_call()
    world.phones.answer(leg)
    await world.facts.next(f.OfferAnswered, offer=offer)
    await world.switch.execute(c.CancelOffer(interaction=interaction, offer=offer))
    (live,) = await world.switch.live_calls()
    assert live.agent == "agent-1001"
    assert "OfferEnded" not in world.facts.kinds()


async def test_answer_and_cancel_at_once_end_in_one_of_the_two(world: World) -> None:
    for _ in range(10):
        call, interaction = await world.arrive()
        offer = await world.offer(interaction, "1001")
        leg = await world.phones.next_call()
        world.phones.ringing(leg)
        await world.facts.next(f.OfferRinging, offer=offer)
        world.phones.answer(leg)
        await world.switch.execute(c.CancelOffer(interaction=interaction, offer=offer))
        await until(
            lambda: any(isinstance(x, f.OfferEnded | f.OfferAnswered) for x in world.facts.facts)
        )
        world.callers.hangup(call)
        await world.facts.next(f.CallerHungUp, interaction=interaction)
        of_this = [type(x) for x in world.facts.order if getattr(x, "offer", None) == offer]
        assert of_this.count(f.OfferAnswered) + of_this.count(f.OfferEnded) == 1
        await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
        world.facts.facts.clear()


async def test_dials_own_time_out_is_a_backstop_without_blame(world: World) -> None:
    _, interaction = await world.arrive()
    offer = await world.offer(interaction, "1001", ring_timeout_s=0.1)
    leg = await world.phones.next_call()
    world.phones.ringing(leg)
    await world.facts.next(f.OfferEnded, offer=offer, timeout_s=6)
    assert {"OfferDeclined", "OfferFailed"}.isdisjoint(world.facts.kinds())
    assert leg.ended_by == "cancelled" or not leg.ended.is_set()


# --- prompts and digits ---------------------------------------------------------------------------


async def test_a_prompt_is_played_to_its_end(world: World) -> None:
    _, interaction = await world.arrive()
    step = await world.play(interaction, "beep")
    done = await world.facts.next(f.StepFinished, step=step)
    assert done.outcome is f.StepOutcome.DONE


async def test_a_missing_prompt_is_reported_and_the_rest_goes_on(world: World) -> None:
    _, interaction = await world.arrive()
    step = await world.play(interaction, "no-such-sound", "beep")
    done = await world.facts.next(f.StepFinished, step=step)
    assert done.outcome is f.StepOutcome.FAILED


async def test_an_offer_cuts_a_prompt_short(world: World) -> None:
    _, interaction = await world.arrive()
    step = await world.play(interaction, "demo-congrats", "demo-thanks")
    await asyncio.sleep(0.3)  # let it speak
    await world.offer(interaction, "1001")
    await world.facts.next(f.StepFinished, step=step)  # the two would last half a minute
    await world.phones.next_call()


async def test_keys_are_collected(world: World) -> None:
    _, interaction = await world.arrive()
    step = StepId(f"{interaction}.s1")
    await world.switch.execute(
        c.CollectDigits(
            interaction=interaction,
            step=step,
            prompts=(c.Prompt(value="demo-congrats"),),
            max_digits=2,
            timeout_s=3.0,
        )
    )
    # keys count while the prompt is spoken, which lasts half a minute
    await asyncio.sleep(1.0)
    (live,) = await world.switch.live_calls()
    channel = world.switch._board.by_interaction[live.interaction].channel
    for digit in "42":
        await world.switch._ami.action(
            "PlayDTMF", {"Channel": channel, "Digit": digit, "Receive": "true"}
        )
    done = await world.facts.next(f.StepFinished, step=step)
    assert (done.outcome, done.digits) == (f.StepOutcome.DIGITS, "42")


async def test_no_key_is_a_time_out(world: World) -> None:
    _, interaction = await world.arrive()
    step = StepId(f"{interaction}.s1")
    await world.switch.execute(
        c.CollectDigits(
            interaction=interaction,
            step=step,
            prompts=(c.Prompt(value="7", kind=c.PromptKind.NUMBER), c.Prompt(value="beep")),
            max_digits=2,
            timeout_s=0.3,
        )
    )
    done = await world.facts.next(f.StepFinished, step=step)
    assert (done.outcome, done.digits) == (f.StepOutcome.TIMED_OUT, "")


# --- recordings -----------------------------------------------------------------------------------


async def test_a_recording_holds_the_conversation_and_is_whole_when_told(world: World) -> None:
    call, interaction = await world.arrive()
    recording = RecordingId(f"{interaction}.r1")
    path = world.recordings / f"{recording}.raw"
    await world.connect(interaction, "1001", recording=recording)
    await asyncio.sleep(0.5)
    world.callers.hangup(call)
    await world.facts.next(f.RecordingEnded, recording=recording)
    assert is_closed(path)


async def test_a_recording_is_stopped_by_command(world: World) -> None:
    _, interaction = await world.arrive()
    recording = RecordingId(f"{interaction}.r1")
    await world.connect(interaction, "1001", recording=recording)
    await world.switch.execute(c.StopRecording(interaction=interaction, recording=recording))
    await world.facts.next(f.RecordingEnded, recording=recording)
    assert is_closed(world.recordings / f"{recording}.raw")


async def test_an_unanswered_offer_leaves_no_file(world: World) -> None:
    call, interaction = await world.arrive()
    recording = RecordingId(f"{interaction}.r1")
    await world.offer(interaction, "1001", recording=recording)
    world.phones.refuse_call(await world.phones.next_call(), 486, "Busy Here")
    await world.facts.next(f.OfferEnded)
    world.callers.hangup(call)
    await world.facts.next(f.CallerHungUp)
    path: Path = world.recordings / f"{recording}.raw"
    await until(lambda: not path.exists())
    assert {"RecordingEnded", "RecordingFailed"}.isdisjoint(world.facts.kinds())


async def test_a_voice_message_is_taken(world: World) -> None:
    _, interaction = await world.arrive()
    recording, step = RecordingId(f"{interaction}.m1"), StepId(f"{interaction}.s1")
    await world.switch.execute(
        c.RecordMessage(interaction=interaction, step=step, recording=recording, max_s=1.0)
    )
    await world.facts.next(f.RecordingEnded, recording=recording)
    done = await world.facts.next(f.StepFinished, step=step)
    assert done.outcome is f.StepOutcome.DONE
    assert (world.recordings / f"{recording}.wav").read_bytes()[:4] == b"RIFF"


# --- outside lines, refusals ----------------------------------------------------------------------


async def test_an_outside_number_that_nobody_answers(world: World, outside: HandPhones) -> None:
    _, interaction = await world.arrive()
    await world.switch.execute(
        c.SendTo(interaction=interaction, number="02012345678", ring_timeout_s=1.0)
    )
    outside.ringing(await outside.next_call())
    ended = await world.facts.next(f.ExternalEnded, interaction=interaction)
    assert ended.answered is False


@pytest.mark.parametrize("number", ["1001&PJSIP/1002", "1,2", "1\r\nAction: Hangup", "", "1" * 40])
async def test_a_number_that_would_change_the_dial_string_is_refused(
    world: World, number: str
) -> None:
    _, interaction = await world.arrive()
    await world.switch.execute(c.SendTo(interaction=interaction, number=number, ring_timeout_s=1.0))
    failed = await world.facts.next(f.CommandFailed, interaction=interaction)
    assert failed.command == "SendTo"


async def test_commands_for_callers_who_are_gone(world: World) -> None:
    call, interaction = await world.arrive()
    world.callers.hangup(call)
    await world.facts.next(f.CallerHungUp)
    await asyncio.wait_for(call.ended.wait(), PATIENCE_S)
    with pytest.raises(SwitchError):
        await world.offer(interaction, "1001")
    await world.switch.execute(c.Release(interaction=interaction))  # what is done is done


async def test_a_released_caller_hears_the_cause(world: World) -> None:
    call = world.callers.call("4000", caller="13800138000")
    arrived = await world.facts.next(f.InteractionArrived)
    await world.switch.execute(c.Release(interaction=arrived.interaction, cause=17))
    await world.facts.next(f.CallerHungUp)
    await asyncio.wait_for(call.ended.wait(), PATIENCE_S)
    assert call.status == 486


@pytest.mark.parametrize("when", ["left", "back"])
async def test_a_caller_whom_the_agent_has_left_is_let_go_by_the_dialplan(
    world: World, proxy: FaultProxy, when: str
) -> None:
    """Whether Dial has returned meanwhile or not; no note is written of a call that was served."""
    notes = Path(world.info.spool_dir) / "ctid" / "missed"
    before = set(notes.iterdir())
    call, interaction = await world.arrive()
    leg = await world.connect(interaction, "1001")
    caller = next(iter(world.switch._callers.values()))
    world.phones.hangup(leg)
    await world.facts.next(f.AgentHungUp, agent="agent-1001")
    if when == "back":
        await until(lambda: caller.call.offer is None and caller.session.idle)
    assert world.switch.take(c.Release(interaction=interaction))
    await world.facts.next(f.CallerHungUp)
    await asyncio.wait_for(call.ended.wait(), PATIENCE_S)
    assert call.ended_by == "them"
    await until(lambda: not world.switch._board.calls)
    assert world.switch.take(c.Release(interaction=interaction))  # what is done is done
    assert b"Action: Hangup" not in proxy.sent
    assert "ControlLost" not in world.facts.kinds()
    assert set(notes.iterdir()) == before


async def test_a_caller_who_is_let_go_while_dial_goes_on_is_hung_up_all_the_same(
    world: World, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctid.telephony.asterisk.caller.RETURNS_S", 0.05)
    call, interaction = await world.arrive()
    leg = await world.connect(interaction, "1001")
    held = world.switch._board.by_interaction[interaction]
    held.talking = None  # as if the phone had hung up, and Asterisk had missed it
    await world.switch.execute(c.Release(interaction=interaction))
    await asyncio.wait_for(call.ended.wait(), PATIENCE_S)
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    await world.facts.next(f.CallerHungUp)
    assert b"Action: Hangup" in proxy.sent


async def test_a_caller_who_talks_is_released_at_once(world: World, proxy: FaultProxy) -> None:
    call, interaction = await world.arrive()
    leg = await world.connect(interaction, "1001")
    await world.switch.execute(c.Release(interaction=interaction))
    await asyncio.wait_for(call.ended.wait(), PATIENCE_S)
    await asyncio.wait_for(leg.ended.wait(), PATIENCE_S)
    await world.facts.next(f.CallerHungUp)
    assert proxy.sent.count(b".release\r\n") == 1

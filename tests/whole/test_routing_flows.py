"""Entry and exit on a real Asterisk: overflow of every kind, menus, hours, known customers."""

from __future__ import annotations

import asyncio
import io
import wave
from array import array
from datetime import timedelta
from typing import Any

import pytest

from ctid.clock import SystemClock
from sim.house import new_password
from sim.phones.audio import power
from sim.phones.softphone import PhoneProcess, tone
from tests.whole.stage import BUSY_HERE, NEVER_S, Line, Plan, Stage
from tests.whole.watch import PATIENCE_S, until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

PLAN = Plan()
OUTSIDE, UNREACHED = "13500000001", "13500000002"
HZ = 700

# closed on the day of the test in any time zone's idea of it, open at all other times
_TODAY = SystemClock().wall().date()
_CLOSED = ", ".join(
    f'{{ date = "{_TODAY + timedelta(days=n)}", name = "停播检修" }}' for n in (-1, 0, 1)
)
PLAN.add(
    f"""
[hours.shut]
week = ["mon-sun 00:00-24:00"]
days = [{_CLOSED}]
[hours.always]
week = ["mon-sun 00:00-24:00"]
[flows]
to-helpers = [{{ do = "queue", queue = "helpers" }}]
to-outside = [{{ do = "external", number = "{OUTSIDE}" }}]
to-unreached = [{{ do = "external", number = "{UNREACHED}", otherwise = "to-helpers" }}]
say = [{{ do = "announcement", prompts = ["beep", "beep"] }}, {{ do = "release" }}]
promise = [{{ do = "callback", queue = "promised", prompts = ["beep"] }}]
rate = [{{ do = "menu", prompts = ["beep"], timeout_s = 20, attempts = 1, choices = [
  {{ digits = "2", flow = "say" }},
], otherwise = "say" }}]
message = [{{ do = "voice_message", prompts = ["beep"], max_s = 30 }}]
choose = [{{ do = "menu", prompts = ["beep"], timeout_s = 10, attempts = 2, choices = [
  {{ digits = "2", flow = "to-helpers" }},
], otherwise = "say" }}]
ask = [
  {{ do = "hours", hours = "always", closed = "say" }},
  {{ do = "menu", prompts = ["beep"], timeout_s = 1, attempts = 2, choices = [
    {{ digits = "1", flow = "say" }},
    {{ digits = "2", flow = "to-helpers" }},
  ], otherwise = "to-outside" }},
]
[skills.greek]
name = "希腊语"
[customers]
vip_priority = 1
"""
)
HELPERS = PLAN.line("helpers")
PROMISED = PLAN.line("promised", "callback = { enabled = true }", did=False)
ASK = PLAN.entry(PLAN.number(), 'flow = "ask"')
CHOOSE = PLAN.entry(PLAN.number(), 'flow = "choose"')
DOWN = PLAN.entry(PLAN.number(), 'flow = "to-unreached"')


def leads(name: str, reason: str, flow: str, settings: str = "") -> Line:
    """A queue with one way out."""
    more = {"digit": ', digit = "1"'}.get(reason, "")
    if reason in ("wait", "ewt", "length"):
        more = ", limit = 1"
    rule = f'overflow = [{{ reason = "{reason}", flow = "{flow}"{more} }}]'
    return PLAN.line(name, f"{rule}\n{settings}")


WAIT = leads("wait", "wait", "to-helpers")
EWT = leads("ewt", "ewt", "to-outside")
LENGTH = leads("length", "length", "promise")
NOBODY = leads("nobody", "no_agent", "say", 'join_empty = "available"')
CLOSED = leads("closed", "closed", "message", 'hours = "shut"')
OFFERS = leads("offers", "offers", "to-helpers", "max_offers = 1")
UNROUTABLE = leads("unroutable", "unroutable", "to-helpers", 'requires = ["greek >= 1"]')
DIGIT = leads(
    "digit", "digit", "promise", 'announcements = { first_after_s = 0.3, comfort = ["beep"] }'
)
LEAVE = PLAN.line("leave", 'leave_empty = "logged_in"')
SURVEY = PLAN.line("survey", 'survey = "rate"')
FULL = PLAN.line("full", "max_waiting = 1")
LONG = PLAN.line("long", "max_wait_s = 1")
VIP = PLAN.line("vip")
KNOWN = PLAN.line(
    "known",
    'strategy = "top_down"\npreferred = { last_agent_days = 30, patience_s = 1.5 }',
    ["position = 1", "position = 2"],
)
OWNED = PLAN.line(
    "owned",
    'strategy = "top_down"\npreferred = { owner = true, last_agent_days = 30, patience_s = 1.5 }',
    ["position = 1", "position = 2"],
)


# --- overflow ------------------------------------------------------------------------------------


async def test_waited_too_long_to_another_queue(stage: Stage) -> None:
    await stage.available(*HELPERS.phones)
    caller = stage.call(WAIT.did)
    rung = await stage.phones.rung(HELPERS.phones[0])
    assert 0.9 < rung.invite_at - caller.invite_at < 2
    await stage.waiting(caller, "talking")
    stage.callers.hangup(caller)
    record = await stage.record(caller.number)
    assert (record["outcome"], record["queue"]) == ("answered", "helpers")
    assert record["wait_s"] > 0.9, "the wait in the first queue counts"


async def test_expected_wait_too_long_to_an_outside_number(stage: Stage) -> None:
    await stage.available(*EWT.phones)
    first = stage.call(EWT.did)
    await stage.waiting(first, "talking")
    second = stage.call(EWT.did)
    outside = await stage.outside.rung(OUTSIDE)
    await asyncio.wait_for(outside.answered.wait(), PATIENCE_S)
    await stage.waiting(second, "external")
    stage.outside.hangup(outside)
    await stage.ended(second)
    assert (await stage.record(second.number))["outcome"] == "overflowed"
    assert not first.ended.is_set()


async def test_an_outside_number_that_is_not_reached(stage: Stage) -> None:
    stage.outside.refused[UNREACHED] = BUSY_HERE
    await stage.available(*HELPERS.phones)
    caller = stage.call(DOWN)
    assert (await stage.waiting(caller, "talking"))["queue"] == "helpers"
    assert stage.outside.count(UNREACHED) == 1


async def test_too_many_waiting_to_a_callback(stage: Stage) -> None:
    first = stage.call(LENGTH.did)
    await stage.waiting(first)
    second = stage.call(LENGTH.did)
    await stage.ended(second)
    assert (await stage.record(second.number))["outcome"] == "callback"
    promised = await stage.waiting(second)
    assert (promised["channel"], promised["queue"]) == ("callback", "promised")


async def test_nobody_there_on_joining_to_an_announcement(stage: Stage) -> None:
    caller = stage.call(NOBODY.did)
    await stage.ended(caller)
    assert caller.bye_at - caller.answered_at > 0.1, "nothing was said"
    assert (await stage.record(caller.number))["outcome"] == "overflowed"
    await stage.available(*NOBODY.phones)
    assert await stage.talk(NOBODY.did) == NOBODY.phones[0]


async def test_nobody_there_any_more(stage: Stage) -> None:
    [phone] = LEAVE.phones
    stage.phones.rules[phone] = NEVER_S
    await stage.available(phone)
    caller = stage.call(LEAVE.did)
    rung = await stage.phones.rung(phone)
    await stage.away(phone)
    await stage.ended(caller)
    await asyncio.wait_for(rung.ended.wait(), PATIENCE_S)
    assert rung.ended_by == "cancelled"
    record = await stage.record(caller.number)
    assert (record["outcome"], record["agent"]) == ("overflowed", None)


async def test_closed_to_a_voice_message(stage: Stage) -> None:
    number = stage.new_number()
    async with PhoneProcess.caller(stage.house.info) as phone:
        call = await phone.call(CLOSED.did, caller=number, audio=tone(HZ))
        await call.wait_for("connected")
        await asyncio.sleep(2.5)  # that long is the message
        await call.hangup()
    record = await stage.record(
        number, lambda r: bool(r["recordings"]) and r["recordings"][0]["state"] == "ready"
    )
    assert (record["outcome"], record["agent"]) == ("voice_message", None)
    path = f"/recordings/{record['recordings'][0]['id']}/audio"
    with wave.open(io.BytesIO(await stage.admin.download(path))) as wav:
        samples = array("h", wav.readframes(wav.getnframes()))[:: wav.getnchannels()]
        rate = wav.getframerate()
    assert len(samples) > rate, "shorter than a second"
    assert power(samples, HZ, rate) > 20 * power(samples, 1900, rate)


async def test_offered_too_often(stage: Stage) -> None:
    [phone] = OFFERS.phones
    stage.phones.refused[phone] = BUSY_HERE
    await stage.available(phone, *HELPERS.phones)
    caller = stage.call(OFFERS.did)
    assert (await stage.waiting(caller, "talking"))["queue"] == "helpers"
    assert stage.phones.count(phone) == 1


async def test_what_nobody_has_the_skill_for_to_another_queue(stage: Stage) -> None:
    [phone] = UNROUTABLE.phones
    await stage.available(phone, *HELPERS.phones)
    caller = stage.call(UNROUTABLE.did)
    assert (await stage.waiting(caller, "talking"))["queue"] == "helpers"
    assert stage.phones.count(phone) == 0


async def test_a_digit_while_waiting_to_a_callback(stage: Stage) -> None:
    number = stage.new_number()
    async with PhoneProcess.caller(stage.house.info) as phone:
        call = await phone.call(DIGIT.did, caller=number)
        await call.wait_for("connected")
        await asyncio.sleep(1.5)  # digits count from the announcement's beginning till 3 s after it
        await call.dtmf("1")
        await call.wait_for("disconnected")
    assert (await stage.record(number))["outcome"] == "callback"
    [promised] = (await stage.admin.get("/interactions"))["items"]
    assert (promised["channel"], promised["caller"]["number"]) == ("callback", number)


async def test_a_full_queue_refuses_with_words(stage: Stage) -> None:
    first = stage.call(FULL.did)
    await stage.waiting(first)
    second = stage.call(FULL.did)
    await stage.ended(second)
    assert (await stage.record(second.number))["outcome"] == "overflowed"
    assert not first.ended.is_set()


async def test_the_longest_wait_ends_with_words(stage: Stage) -> None:
    caller = stage.call(LONG.did)
    await stage.ended(caller)
    assert caller.bye_at - caller.answered_at > 1.0
    assert (await stage.record(caller.number))["outcome"] == "timed_out"


async def test_a_number_that_nobody_knows_gets_an_apology(stage: Stage) -> None:
    caller = stage.call("88889999")
    await stage.ended(caller)
    assert caller.bye_at - caller.answered_at > 1.0, "nothing was said"
    record = await stage.record(caller.number)
    assert (record["outcome"], record["queue"], record["did"]) == ("failed", None, "88889999")


# --- menus ---------------------------------------------------------------------------------------


async def test_a_menu_takes_a_second_try_after_a_wrong_digit(stage: Stage) -> None:
    await stage.available(*HELPERS.phones)
    number = stage.new_number()
    async with PhoneProcess.caller(stage.house.info) as phone:
        call = await phone.call(CHOOSE, caller=number)
        await call.wait_for("connected")
        await asyncio.sleep(1.0)  # as people do: after the beep
        await call.dtmf("9")
        await asyncio.sleep(1.0)
        await call.dtmf("2")
        await stage.phones.rung(HELPERS.phones[0])
        await until(stage.admin, "/interactions", lambda items: items[0]["state"] == "talking")
        await call.hangup()
    record = await stage.record(number)
    assert (record["outcome"], record["queue"]) == ("answered", "helpers")


async def test_a_menu_without_a_choice_goes_on_otherwise(stage: Stage) -> None:
    caller = stage.call(ASK)
    outside = await stage.outside.rung(OUTSIDE)
    assert 1.9 < outside.invite_at - caller.invite_at < 5, "two tries of a second each"
    stage.callers.hangup(caller)
    await asyncio.wait_for(outside.ended.wait(), PATIENCE_S)


async def test_a_survey_after_the_agent_has_hung_up(stage: Stage) -> None:
    [phone] = SURVEY.phones
    await stage.available(phone)
    number = stage.new_number()
    async with PhoneProcess.caller(stage.house.info) as caller:
        call = await caller.call(SURVEY.did, caller=number)
        rung = await stage.phones.rung(phone)
        await asyncio.wait_for(rung.answered.wait(), PATIENCE_S)
        await call.wait_for("connected")
        await until(stage.admin, "/interactions", lambda items: items[0]["state"] == "talking")
        stage.phones.hangup(rung)
        await until(stage.admin, "/interactions", lambda items: items[0]["state"] == "after_call")
        await asyncio.sleep(1.5)  # as people do: after the beep
        assert phone not in stage.phones.busy
        await call.dtmf("2")
        await call.wait_for("disconnected")
    record = await stage.record(number)
    assert (record["outcome"], record["agent"]) == ("answered", f"a{phone}")


# --- customers -----------------------------------------------------------------------------------


def by_position(item: dict[str, Any]) -> int:
    return int(item["position"])


async def customer(stage: Stage, number: str, **fields: object) -> None:
    points = [{"kind": "phone", "value": number}]
    body = {"name": "读者", "contact_points": points, **fields}
    await stage.admin.post("/customers", body)


async def test_a_vip_waits_before_the_others(stage: Stage) -> None:
    number = stage.new_number()
    await customer(stage, number, vip=True)
    others = []
    for _ in range(2):
        others.append(stage.call(VIP.did))
        await stage.waiting(others[-1])
    important = stage.call(VIP.did, number)
    await stage.waiting(important)
    numbers = [c.number for c in (important, *others)]

    def in_front(items: list[dict[str, Any]]) -> bool:
        return [i["caller"]["number"] for i in sorted(items, key=by_position)] == numbers

    await until(stage.admin, "/interactions", in_front)
    await stage.available(*VIP.phones)
    await stage.waiting(important, "talking")


async def test_a_blocked_caller_is_refused(stage: Stage) -> None:
    number = stage.new_number()
    await customer(stage, number, blocked=True)
    stage.phones.rules[VIP.phones[0]] = 1.0
    caller = stage.call(VIP.did, number)
    await asyncio.wait_for(caller.ended.wait(), PATIENCE_S)
    record = await stage.record(number)
    assert (record["outcome"], record["agent"]) == ("blocked", None)
    # the CRM is asked beside the way to the agent: a phone may have begun to ring
    assert VIP.phones[0] not in stage.phones.busy


async def test_the_last_agent_is_preferred_for_a_while(stage: Stage) -> None:
    first, second = KNOWN.phones
    number = stage.new_number()
    await customer(stage, number)
    await stage.available(second)
    assert await stage.talk(KNOWN.did, caller=number) == second
    await stage.record(number)
    await stage.available(first)
    assert await stage.talk(KNOWN.did) == first, "strangers go by position"
    assert await stage.talk(KNOWN.did, caller=number) == second, "who talked last"
    await stage.away(first)
    other = stage.call(KNOWN.did)
    await stage.waiting(other, "talking")
    await stage.available(first)
    stage.phones.forget()
    again = stage.call(KNOWN.did, number)
    rung = await stage.phones.rung(first)
    assert 1.2 < rung.invite_at - again.invite_at < 2.5, "the patience was 1.5 s"


async def test_the_account_owner_is_preferred_to_the_last_agent(stage: Stage) -> None:
    first, second = OWNED.phones
    password = new_password()
    await stage.admin.post(
        "/users", {"username": "li", "password": password, "agent": f"a{second}"}
    )
    number = stage.new_number()
    await customer(stage, number, owner="li")
    await stage.available(first)
    assert await stage.talk(OWNED.did, caller=number) == first, "the owner is not there"
    await stage.record(number)
    await stage.available(second)
    assert await stage.talk(OWNED.did, caller=number) == second
    assert await stage.talk(OWNED.did) == first, "strangers go by position"
    other = stage.call(OWNED.did, number)
    assert (await stage.waiting(other, "talking"))["agent"] == f"a{second}"
    stage.phones.forget()
    again = stage.call(OWNED.did, number)
    rung = await stage.phones.rung(first)
    assert 1.2 < rung.invite_at - again.invite_at < 2.5, "the patience was 1.5 s"

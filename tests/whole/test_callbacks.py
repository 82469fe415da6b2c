"""Callbacks on a real Asterisk: a place in line that survives, called once for each turn."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import Any

import pytest

from ctid.clock import SystemClock
from sim.phones.udp import UdpCall
from tests.whole.stage import BUSY_HERE, NEVER_S, Line, Plan, Stage
from tests.whole.watch import PATIENCE_S, until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

PLAN = Plan()


def calls_back(name: str, policy: str, settings: str = "") -> Line:
    """A queue that answers with a promise whoever dials its number."""
    line = PLAN.line(name, f"callback = {{ enabled = true, {policy} }}\n{settings}", did=False)
    PLAN.entry(line.did, f'flow = "promise-{name}"')
    PLAN.add(
        f"""
[flows.promise-{name}]
steps = [{{ do = "callback", queue = "{name}", prompts = ["beep"] }}]
[flows.wait-{name}]
steps = [{{ do = "queue", queue = "{name}" }}]
"""
    )
    return line


AGENT_FIRST = calls_back("agent-first", 'mode = "agent_first", retry_after_s = 1, attempts = 2')
CUSTOMER_FIRST = calls_back(
    "customer-first", 'mode = "customer_first", retry_after_s = 600', "max_wait_s = 30"
)
PLACE = calls_back("place", 'mode = "agent_first"')
PLACE_LINE = PLAN.entry(PLAN.number(), 'flow = "wait-place"')
ASKED = calls_back("asked", 'mode = "agent_first"')
MISSED = calls_back("missed", "after_abandon = true")
MISSED_LINE = PLAN.entry(PLAN.number(), 'flow = "wait-missed"')
KILLED = calls_back("killed", 'mode = "agent_first", retry_after_s = 6, attempts = 2')
HELD = calls_back("held", 'mode = "customer_first", retry_after_s = 600')


async def promised(stage: Stage, line: Line) -> UdpCall:
    """Somebody calls, is promised a callback, and is gone."""
    call = stage.call(line.did)
    await stage.ended(call)
    assert (await stage.record(call.number))["outcome"] == "callback"
    await stage.waiting(call)
    return call


def made(record: dict[str, Any]) -> bool:
    return bool(record["channel"] == "callback")


async def answered(call: UdpCall) -> UdpCall:
    await asyncio.wait_for(call.answered.wait(), PATIENCE_S)
    return call


async def test_agent_first(stage: Stage) -> None:
    caller = await promised(stage, AGENT_FIRST)
    [phone] = AGENT_FIRST.phones
    stage.phones.rules[phone] = 0.3
    await stage.available(phone)
    agent = await answered(await stage.phones.rung(phone))
    customer = await answered(await stage.outside.rung(caller.number))
    assert caller.number in agent.remote, "the agent sees whom it is about"
    assert AGENT_FIRST.did in customer.remote, "the customer sees the number that was dialled"
    assert customer.invite_at >= agent.answered_at
    view = await stage.waiting(caller, "talking")
    assert (view["agent"], view["recording"]) == (f"a{phone}", True)
    await asyncio.sleep(0.5)
    stage.phones.hangup(agent)
    await asyncio.wait_for(customer.ended.wait(), PATIENCE_S)
    record = await stage.record(caller.number, made)
    assert (record["outcome"], record["agent"]) == ("answered", f"a{phone}")
    assert record["talk_s"] > 0.4
    assert stage.outside.count(caller.number) == 1


async def test_a_customer_who_is_not_reached_is_tried_again_and_given_up(stage: Stage) -> None:
    caller = await promised(stage, AGENT_FIRST)
    stage.outside.refused[caller.number] = BUSY_HERE
    await stage.available(*AGENT_FIRST.phones)
    record = await stage.record(caller.number, made)
    assert (record["outcome"], record["agent"]) == ("failed", None)
    assert stage.outside.count(caller.number) == 2, "attempts = 2"
    await until(
        stage.admin,
        "/agents",
        lambda items: all(a["state"] in ("idle", "") for a in items),
    )
    # the phone was free again before the engine knew of the failure
    assert [o["outcome"] for o in record["offers"]] == ["answered", "answered"]


async def test_customer_first(stage: Stage) -> None:
    caller = await promised(stage, CUSTOMER_FIRST)
    [phone] = CUSTOMER_FIRST.phones
    stage.outside.rules[caller.number] = 0.3
    stage.phones.rules[phone] = 0.2
    await stage.available(phone)
    customer = await answered(await stage.outside.rung(caller.number))
    agent = await answered(await stage.phones.rung(phone))
    assert agent.invite_at >= customer.answered_at
    await stage.waiting(caller, "talking")
    stage.outside.hangup(customer)
    await asyncio.wait_for(agent.ended.wait(), PATIENCE_S)
    record = await stage.record(caller.number, made)
    assert (record["outcome"], record["agent"]) == ("answered", f"a{phone}")
    assert stage.outside.count(caller.number) == 1


async def test_the_place_in_line_is_kept(stage: Stage) -> None:
    caller = await promised(stage, PLACE)
    later = stage.call(PLACE_LINE)
    await stage.waiting(later)
    line = {i["channel"]: i for i in (await stage.admin.get("/interactions"))["items"]}
    assert (line["callback"]["position"], line["voice"]["position"]) == (1, 2)
    await stage.available(*PLACE.phones)
    customer = await answered(await stage.outside.rung(caller.number))
    await stage.waiting(caller, "talking")
    assert (await stage.waiting(later))["position"] == 1
    stage.outside.hangup(customer)
    await stage.waiting(later, "talking")


async def test_asked_for_over_the_api_and_not_before_a_time(stage: Stage) -> None:
    await stage.available(*ASKED.phones)
    number = stage.new_number()
    at = SystemClock().wall().astimezone(UTC) + timedelta(seconds=1.5)
    body = {"queue": "asked", "number": number, "name": "读者", "not_before": at.isoformat()}
    asked = await stage.admin.post("/callbacks", body)
    views = (await stage.admin.get("/interactions"))["items"]
    assert [v["id"] for v in views] == [asked["interaction"]]
    assert stage.phones.count(ASKED.phones[0]) == 0
    customer = await answered(await stage.outside.rung(number))
    assert SystemClock().wall().astimezone(UTC) >= at
    await until(stage.admin, "/interactions", lambda items: items[0]["state"] == "talking")
    stage.outside.hangup(customer)
    assert (await stage.record(number, made))["outcome"] == "answered"


async def test_an_abandoned_call_becomes_a_callback(stage: Stage) -> None:
    caller = stage.call(MISSED_LINE)
    await stage.waiting(caller)
    stage.callers.hangup(caller)
    assert (await stage.record(caller.number))["outcome"] == "abandoned"
    await stage.available(*MISSED.phones)
    customer = await answered(await stage.outside.rung(caller.number))
    await stage.waiting(caller, "talking")
    stage.outside.hangup(customer)
    assert (await stage.record(caller.number, made))["outcome"] == "answered"


async def restart(stage: Stage) -> None:
    await stage.house.kill_daemon()
    await stage.house.start_daemon()
    await stage.log_in()


async def test_promises_survive_a_kill_and_each_turn_calls_once(stage: Stage) -> None:
    first, second = await promised(stage, KILLED), await promised(stage, KILLED)
    [phone] = KILLED.phones
    for caller in (first, second):
        await stage.kept(caller)
    await restart(stage)
    views = {v["caller"]["number"]: v for v in (await stage.admin.get("/interactions"))["items"]}
    assert [views[c.number]["position"] for c in (first, second)] == [1, 2]

    # killed while the agent waits and the customer's phone rings
    stage.outside.rules[first.number] = NEVER_S
    await stage.available(phone)
    rings = await stage.outside.rung(first.number)
    await stage.waiting(first, "calling")
    await stage.kept(first)
    await restart(stage)
    await asyncio.wait_for(rings.ended.wait(), PATIENCE_S)
    assert rings.ended_by == "cancelled"
    # the attempt counts and is not repeated at once: the second's turn is first
    customer = await answered(await stage.outside.rung(second.number))
    assert stage.outside.count(first.number) == 1
    await stage.waiting(second, "talking")

    # killed in conversation
    await stage.kept(second)
    await restart(stage)
    view = await stage.waiting(second, "talking")
    assert view["agent"] == f"a{phone}"
    assert not customer.ended.is_set()
    del stage.outside.rules[first.number]
    stage.outside.hangup(customer)
    assert (await stage.record(second.number, made))["outcome"] == "answered"
    last = await answered(await stage.outside.rung(first.number))
    await stage.waiting(first, "talking")
    stage.outside.hangup(last)
    assert (await stage.record(first.number, made))["outcome"] == "answered"
    assert (stage.outside.count(first.number), stage.outside.count(second.number)) == (2, 1)


async def test_a_customer_who_is_held_through_a_kill_is_offered_again(stage: Stage) -> None:
    caller = await promised(stage, HELD)
    [phone] = HELD.phones
    stage.phones.rules[phone] = NEVER_S
    await stage.available(phone)
    customer = await answered(await stage.outside.rung(caller.number))
    first = await stage.phones.rung(phone)
    await stage.kept(caller)
    stage.phones.rules[phone] = 0.0  # of the next call: it may come with the end of this one
    await restart(stage)
    await asyncio.wait_for(first.ended.wait(), PATIENCE_S)
    again = await answered(await stage.phones.rung(phone))
    view = await stage.waiting(caller, "talking")
    assert view["agent"] == f"a{phone}"
    assert not customer.ended.is_set()
    stage.phones.hangup(again)
    await asyncio.wait_for(customer.ended.wait(), PATIENCE_S)
    assert (await stage.record(caller.number, made))["outcome"] == "answered"
    assert stage.outside.count(caller.number) == 1

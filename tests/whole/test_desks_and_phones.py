"""Answering from the client, hot desks, lost phones, private calls, required dispositions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sim.house import HouseError
from tests.whole.stage import NEVER_S, Plan, Stage
from tests.whole.watch import PATIENCE_S, until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

PLAN = Plan()
ASKED = PLAN.line("asked", agents=['| auto_answer = "on_request"'])
ALWAYS = PLAN.line("always", agents=['| auto_answer = "always"'])
DESKS = PLAN.line("desks", agents=2)
OWING = PLAN.line(
    "owing", "wrap_up_s = 1\nwrap_up_max_s = 4\ndisposition_required = true", agents=1
)
PLAN.add("[dispositions.tip]\n[pause_reasons.lunch]")


async def agent(stage: Stage, phone: str, test: Any = lambda a: True) -> dict[str, Any]:
    """The agent whose usual phone it is, once it fits."""
    name = f"a{phone}"

    def there(agents: list[dict[str, Any]]) -> bool:
        return any(a["id"] == name and test(a) for a in agents)

    return next(a for a in await until(stage.admin, "/agents", there) if a["id"] == name)


async def ring_past_ctid(stage: Stage, phone: str) -> None:
    """Have the PBX itself call a phone, as a colleague's call would."""
    ami = stage.house.info.ami
    reader, writer = await asyncio.open_connection(ami.host, ami.port)
    for action in (
        f"Action: Login\r\nUsername: {ami.username}\r\nSecret: {ami.secret}\r\nEvents: off",
        f"Action: Originate\r\nChannel: PJSIP/{phone}\r\nApplication: Wait\r\nData: 60",
    ):
        writer.write(f"{action}\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert b"Response: Success" in answer
    writer.close()


async def test_a_phone_that_rings_answers_when_the_client_says_so(stage: Stage) -> None:
    [phone] = ASKED.phones
    stage.phones.rules[phone] = NEVER_S
    await stage.available(phone)
    call = stage.call(ASKED.did)
    first = await stage.phones.rung(phone)
    live = await stage.waiting(call, "offering")
    await agent(stage, phone, lambda a: a["state"] == "ringing")
    await stage.admin.post(f"/interactions/{live['id']}/answer")
    second = await stage.phones.rung(phone)
    await asyncio.wait_for(second.answered.wait(), PATIENCE_S)
    assert first.ended_by == "cancelled"
    await stage.waiting(call, "talking")
    stage.callers.hangup(call)
    record = await stage.record(call.number)
    # one offer, and no missed call of it
    assert [(o["agent"], o["outcome"]) for o in record["offers"]] == [(f"a{phone}", "answered")]


async def test_a_phone_may_answer_every_call_by_itself(stage: Stage) -> None:
    [phone] = ALWAYS.phones
    stage.phones.rules[phone] = NEVER_S
    await stage.available(phone)
    call = stage.call(ALWAYS.did)
    await stage.waiting(call, "talking")
    stage.callers.hangup(call)
    await stage.nobody_left()


async def test_two_agents_at_one_phone_are_refused_and_a_free_desk_is_anybodys(
    stage: Stage,
) -> None:
    one, two = DESKS.phones
    await stage.available(one)
    with pytest.raises(HouseError, match=f"409 .*agent a{one} sits at phone {one}"):
        await stage.admin.available(f"a{two}", one)
    await stage.away(one)
    await stage.admin.available(f"a{two}", one)
    call = stage.call(DESKS.did)
    await stage.phones.rung(one)
    assert (await stage.waiting(call, "talking"))["agent"] == f"a{two}"
    stage.callers.hangup(call)
    await stage.nobody_left()


async def test_a_private_call_is_seen_and_nothing_is_offered_meanwhile(stage: Stage) -> None:
    one, two = DESKS.phones
    await stage.available(one)
    await stage.admin.put(f"/agents/a{two}/status", {"status": "logged_out"})
    # somebody calls the phone itself, past ctid
    await ring_past_ctid(stage, one)
    private = await stage.phones.rung(one)
    await agent(stage, one, lambda a: a["private_call"])
    call = stage.call(DESKS.did)
    assert (await stage.waiting(call))["ringing_agents"] == []
    stage.phones.hangup(private)
    await stage.phones.rung(one)
    assert (await stage.waiting(call, "talking"))["agent"] == f"a{one}"
    assert not (await agent(stage, one))["private_call"]
    stage.callers.hangup(call)
    await stage.nobody_left()


async def test_without_the_disposition_that_is_asked_for_there_is_no_next_call(
    stage: Stage,
) -> None:
    [phone] = OWING.phones
    await stage.available(phone)
    call = stage.call(OWING.did)
    live = await stage.waiting(call, "talking")
    stage.callers.hangup(call)
    await agent(stage, phone, lambda a: a["state"] == "wrap_up")
    with pytest.raises(HouseError, match=r"409 .*say first how"):
        await stage.admin.post(f"/agents/a{phone}/wrap-up", {"action": "finish"})
    owes = await agent(stage, phone, lambda a: a["status"] == "paused")
    assert (owes["reason"], owes["disposition_due"]) == ("disposition", live["id"])
    waits = stage.call(OWING.did)
    await stage.waiting(waits)
    # the supervisor sees it and lets the agent go on
    await stage.admin.put(f"/agents/a{phone}/status", {"status": "available", "why": "补录"})
    await stage.waiting(waits, "talking")
    stage.callers.hangup(waits)
    await stage.nobody_left()


async def test_a_supervisor_forces_an_agent_out_and_the_trail_says_why(stage: Stage) -> None:
    [phone] = ASKED.phones
    await stage.available(phone)
    for status, more in (("paused", {"reason": "lunch"}), ("logged_out", {})):
        body = {"status": status, "why": "人不在工位", **more}
        await stage.admin.put(f"/agents/a{phone}/status", body)
        await agent(stage, phone, lambda a, status=status: a["status"] == status)
    trail = (await stage.admin.get("/audit?entity=agent&limit=2"))["items"]
    assert [(e["actor"], e["after"]["status"], e["after"]["why"]) for e in trail] == [
        ("admin", "logged_out", "人不在工位"),
        ("admin", "paused", "人不在工位"),
    ]

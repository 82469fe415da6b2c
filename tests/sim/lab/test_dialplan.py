"""The contract of dialplan and ctid, with a fake ctid and real SIP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sim.lab import LabInfo
from sim.phones.udp import AgentPool, CallerPool, UdpCall

from .conftest import FakeCtid, RawAmi, Session

pytestmark = pytest.mark.asterisk

PATIENCE_S = 20.0


@pytest.fixture
async def callers(info: LabInfo) -> AsyncIterator[CallerPool]:
    async with CallerPool((info.sip_host, info.sip_port)) as pool:
        yield pool


@pytest.fixture
async def agents(info: LabInfo) -> AsyncIterator[AgentPool]:
    """1001 is an agent of ctid, 1005 the one in the fallback queue."""
    async with AgentPool(answer_after_s=0.1) as pool:
        known = {user: info.phone(user).password for user in ("1001", "1005")}
        await pool.register((info.sip_host, info.sip_port), known)
        yield pool
        await pool.register((info.sip_host, info.sip_port), known, expires_s=0)


async def over(call: UdpCall, timeout_s: float = 2 * PATIENCE_S) -> UdpCall:
    await asyncio.wait_for(call.ended.wait(), timeout_s)
    return call


async def note_of(info: LabInfo, caller: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
    """The note about ``caller``; it is written by a program that starts after the hang-up."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = [note for note in read_notes(info) if note["caller_number"] == caller]
            if found:
                return found[0]
            await asyncio.sleep(0.05)  # nothing tells when a file appears


def read_notes(info: LabInfo) -> list[dict[str, Any]]:
    return [
        json.loads(path.read_text(encoding="utf-8"))
        for path in Path(info.notes_dir).glob("call-*.json")
    ]


def notes(info: LabInfo) -> set[str]:
    return {path.name for path in Path(info.notes_dir).iterdir()}


async def test_a_caller_is_handed_over_with_number_name_and_did(
    info: LabInfo, ctid: FakeCtid, callers: CallerPool
) -> None:
    before = notes(info)

    async def script(session: Session) -> None:
        await session.send("ANSWER")
        assert await session.send("SET VARIABLE CTID_DONE 1") == "200 result=1"

    ctid.script = script
    call = await over(callers.call("4001", caller="13800138000", name='O"Brien 王'))
    assert (call.status, call.ended_by) == (200, "them")
    env = ctid.sessions[0].env
    assert env["agi_network_script"] == "in"
    assert env["agi_arg_1"] == env["agi_extension"] == env["agi_dnid"] == "4001"
    assert env["agi_arg_5"] == env["agi_uniqueid"], "the mark that its legs inherit"
    assert env["agi_callerid"] == "13800138000"
    assert env["agi_calleridname"] == r"O\"Brien 王", "Asterisk keeps the backslash of the quoting"
    await asyncio.sleep(0.5)
    assert notes(info) == before, "an orderly end leaves no note"


async def test_after_the_hang_up_ctid_can_still_say_that_it_knows(
    info: LabInfo, ctid: FakeCtid, callers: CallerPool
) -> None:
    before = notes(info)
    said: list[str] = []
    done = asyncio.Event()

    async def script(session: Session) -> None:
        await session.send("ANSWER")
        await session.send("SET MUSIC ON")
        await call.answered.wait()
        callers.hangup(call)
        said.append(await session.line())
        said.append(await session.send("SET VARIABLE CTID_DONE 1"))
        done.set()

    ctid.script = script
    call = callers.call("4001", caller="13800138001")
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    assert said == ["HANGUP", "200 result=1"]
    await over(call)
    await asyncio.sleep(0.5)
    assert notes(info) == before


async def test_a_crash_while_waiting_brings_the_same_caller_back(
    ctid: FakeCtid, callers: CallerPool
) -> None:
    back = asyncio.Event()

    async def again(session: Session) -> None:
        await session.send("SET VARIABLE CTID_DONE 1")
        back.set()

    async def crash(session: Session) -> None:
        await session.send("ANSWER")
        await session.send("SET MUSIC ON")
        ctid.script = again
        session.die()

    ctid.script = crash
    call = callers.call("4001", caller="13800138002")
    await asyncio.wait_for(back.wait(), PATIENCE_S)
    await over(call)
    first, second = ctid.sessions
    assert first.env["agi_uniqueid"] == second.env["agi_uniqueid"]
    assert second.env["agi_arg_2"] == "1", "the round is told"


async def test_a_crash_in_a_conversation_lets_them_talk_and_leaves_a_note(
    info: LabInfo, ctid: FakeCtid, callers: CallerPool, agents: AgentPool
) -> None:
    on_phone = asyncio.Event()
    agents.on_call = lambda call: on_phone.set()

    async def crash(session: Session) -> None:
        await session.send("ANSWER")
        session.writer.write(b'EXEC Dial "PJSIP/1001,15,g"\n')
        await on_phone.wait()
        talking = next(iter(agents.calls.values()))
        await asyncio.wait_for(talking.answered.wait(), PATIENCE_S)
        await asyncio.sleep(0.3)
        session.die()

    ctid.script = crash
    call = callers.call("4001", caller="13800138003")
    await asyncio.wait_for(on_phone.wait(), PATIENCE_S)
    talking = next(iter(agents.calls.values()))
    ctid.script = None  # it is back, and knows nothing of the call
    await asyncio.sleep(2.0)
    assert not call.ended.is_set(), "the conversation outlives ctid"
    assert not talking.ended.is_set()
    agents.hangup(talking)
    assert (await over(call)).ended_by == "them"
    paths = [session.env["agi_network_script"] for session in ctid.sessions]
    assert paths == ["in", "ended"], "the caller is not queued again after a conversation"
    note = await note_of(info, "13800138003")
    assert note["outcome"] == "ended_in_conversation"
    assert int(note["answered_s"]) >= 1


async def test_before_a_note_is_written_ctid_can_say_that_it_knows_the_end(
    info: LabInfo, ctid: FakeCtid, callers: CallerPool
) -> None:
    """As with a caller who was sent on by a phone and has gone before it knocks again."""
    before = notes(info)
    told = asyncio.Event()

    async def knows(session: Session) -> None:
        assert session.env["agi_network_script"] == "ended"
        assert session.env["agi_uniqueid"] == ctid.sessions[0].env["agi_uniqueid"]
        assert await session.send("SET VARIABLE CTID_DONE 1") == "200 result=1"
        told.set()

    async def leave(session: Session) -> None:
        await session.send("ANSWER")
        await call.answered.wait()
        ctid.script = knows
        callers.hangup(call)
        assert await session.line() == "HANGUP"

    ctid.script = leave
    call = callers.call("4001", caller="13800138008")
    await over(call)
    await asyncio.wait_for(told.wait(), PATIENCE_S)
    await asyncio.sleep(0.5)
    assert notes(info) == before


async def test_without_ctid_the_fallback_queue_takes_over(
    info: LabInfo, callers: CallerPool, agents: AgentPool
) -> None:
    taken: list[str] = []
    agents.on_call = lambda call: taken.append(call.number)
    agents.talk_s = 0.3
    call = await over(callers.call("4001", caller="13800138004"))
    assert call.status == 200
    assert taken == ["1005"]
    note = await note_of(info, "13800138004")
    assert note["outcome"] == "answered_in_fallback"
    assert note["queue_interface"] == "PJSIP/1005"
    assert note["did"] == "4001"


async def test_the_legs_of_the_fallback_queue_are_none_of_ctids(
    ami: RawAmi, callers: CallerPool, agents: AgentPool
) -> None:
    agents.talk_s = 1.0
    call = callers.call("4001", caller="13800138008")
    begun = await ami.event("DialBegin", CallerIDNum="13800138008")
    mark = await ami.act("Getvar", Channel=begun["DestChannel"], Variable="CTID_I")
    assert (mark["Response"], mark["Value"]) == ("Success", "")
    await over(call)


async def test_without_anybody_an_apology_and_a_note(info: LabInfo, callers: CallerPool) -> None:
    name = "\\\"x; ${SHELL(id)} 'y' & <z>" + "长" * 300
    call = await over(callers.call("4001", caller="13800138005", name=name))
    assert call.answered_at, "the caller heard something"
    note = await note_of(info, "13800138005")
    assert note["outcome"] == "missed"
    assert note["arrived_at"] < note["ended_at"]
    assert note["caller_name"].startswith('\\\\\\"x; ${SHELL(id)}')


async def test_a_caller_who_gives_up_while_ctid_is_away_is_not_forgotten(
    info: LabInfo, callers: CallerPool
) -> None:
    await over(callers.call("4001", caller="13800138006", talk_s=0.3))
    assert (await note_of(info, "13800138006"))["outcome"] == "missed"


async def test_a_moved_caller_loops_too(ami: RawAmi, ctid: FakeCtid, callers: CallerPool) -> None:
    """A leg that was redirected to ctid-caller survives a crash like any waiting caller."""
    second = asyncio.Event()

    async def finish(session: Session) -> None:
        await session.send("SET VARIABLE CTID_DONE 1")
        second.set()

    async def resumed(session: Session) -> None:
        ctid.script = finish
        session.die()

    async def first(session: Session) -> None:
        await session.send("ANSWER")
        ctid.script = resumed
        moved = await ami.act(
            "Redirect",
            Channel=session.env["agi_channel"],
            Context="ctid-caller",
            Exten="resume",
            Priority="1",
        )
        assert moved["Response"] == "Success", moved

    ctid.script = first
    call = callers.call("4001", caller="13800138007")
    await asyncio.wait_for(second.wait(), PATIENCE_S)
    await over(call)
    assert [s.env["agi_network_script"] for s in ctid.sessions] == ["in", "resume", "resume"]
    assert {s.env["agi_arg_1"] for s in ctid.sessions} == {"4001"}


async def test_trunk_callers_cannot_dial_through_ctids_own_contexts(callers: CallerPool) -> None:
    for number in ("resume", "s", "ctid-conf", "room1"):
        call = await over(callers.call(number))
        assert call.status == 404, number

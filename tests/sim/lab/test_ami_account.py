"""The AMI account of the samples: enough for ctid, nothing for a thief, little noise."""

from __future__ import annotations

import pytest

from sim.lab import LabInfo
from sim.phones.softphone import PhoneProcess, answer_policy, tone

from .conftest import FakeCtid, RawAmi, Session

pytestmark = pytest.mark.asterisk

REFUSED: list[dict[str, str]] = [
    {"action": "Command", "Command": "core show version"},
    {"action": "GetConfig", "Filename": "manager.conf"},
    {"action": "UpdateConfig", "SrcFilename": "a", "DstFilename": "a"},
    {"action": "Reload"},
    {"action": "ModuleLoad", "LoadType": "unload", "Module": "app_dial"},
    {"action": "DBPut", "Family": "a", "Key": "b", "Val": "c"},
    {"action": "MixMonitor", "Channel": "x", "File": "y", "Command": "touch z"},
    {"action": "DialplanExtensionAdd", "Context": "x", "Extension": "1", "Priority": "1",
     "Application": "System"},
    {"action": "Originate", "Channel": "Local/s@x", "Application": "System", "Data": "id"},
    {"action": "Getvar", "Variable": "SHELL(id)"},
]  # fmt: skip


@pytest.mark.parametrize("request_", REFUSED, ids=lambda r: str(r["action"]))
async def test_refused(ami: RawAmi, request_: dict[str, str]) -> None:
    fields = dict(request_)
    answer = await ami.act(fields.pop("action"), **fields)
    assert answer["Response"] == "Error", answer


@pytest.mark.parametrize(
    "action",
    ["CoreShowChannels", "Status", "DeviceStateList", "BridgeList", "QueueStatus", "Ping",
     "CoreStatus"],
)  # fmt: skip
async def test_allowed(ami: RawAmi, action: str) -> None:
    assert (await ami.act(action))["Response"] == "Success"


async def test_who_logs_in_late_is_told_that_all_is_booted(ami: RawAmi) -> None:
    await ami.event("FullyBooted")


async def test_a_call_tells_all_that_ctid_needs_and_no_noise(
    info: LabInfo, ami: RawAmi, ctid: FakeCtid
) -> None:
    """Ring, answer, hold, digits, transfer by the phone, spy: each is an event."""

    async def script(session: Session) -> None:
        await session.send("ANSWER")
        await session.send("SET MUSIC ON")
        await session.send('EXEC MixMonitor "t-events.wav"')
        await session.send('EXEC Dial "PJSIP/1002,15,g"')
        await session.send("SET VARIABLE CTID_DONE 1")

    ctid.script = script
    async with (
        PhoneProcess.agent(info, "1002", policy=answer_policy(0.1)) as agent,
        PhoneProcess.agent(info, "1101", policy=answer_policy(0.1)) as supervisor,
        PhoneProcess.caller(info) as outside,
    ):
        await ami.event("DeviceStateChange", Device="PJSIP/1002", State="NOT_INUSE")
        call = await outside.call("4001", caller="13800138000", audio=tone(500))
        leg = await agent.incoming()
        await leg.wait_for("connected")
        caller_channel = (await ami.event("DialBegin", CallerIDNum="13800138000"))["Channel"]
        answer = await ami.act(
            "Originate", Channel="PJSIP/1101", Context="ctid-spy", Exten="s", Priority="1",
            Async="true", Variable=f"CTID_SPY_CHANNEL={caller_channel},CTID_SPY_OPTIONS=qE",
        )  # fmt: skip
        assert answer["Response"] == "Success"
        await supervisor.wait_for("connected")
        await ami.event("ChanSpyStart", SpyeeChannel=caller_channel)
        await leg.hold()
        await ami.event("Hold")
        await leg.wait_for("held")
        await leg.unhold()
        await ami.event("Unhold")
        await leg.wait_for("resumed")
        await leg.dtmf("4")
        await ami.event("DTMFEnd", Digit="4", Direction="Received")
        await leg.transfer("1003")
        # the caller goes on in the loop, where ctid is told the number (tests/whole tests the rest)
        await ami.event("BlindTransfer", Extension="1003", Context="ctid-transfer")
        await call.hangup()
        await ami.event("Hangup", Channel=caller_channel)
        await supervisor.wait_for("disconnected")
    await ami.event("ContactStatus", ContactStatus="Removed", AOR="1002")
    seen = {event["Event"] for event in ami.events}
    assert seen >= {
        "DialBegin", "DialState", "DialEnd", "HangupRequest", "Hangup",
        "OriginateResponse", "DeviceStateChange", "ContactStatus", "ChanSpyStop",
    }  # fmt: skip
    noise = {
        "VarSet", "Newexten", "RTCPSent", "RTCPReceived", "AGIExecStart", "DTMFBegin",
        "Newchannel", "Newstate", "BridgeCreate", "BridgeEnter", "BridgeLeave", "BridgeDestroy",
        "MixMonitorStart", "MusicOnHoldStart", "MusicOnHoldStop",
    }  # fmt: skip
    assert not seen & noise

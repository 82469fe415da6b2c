"""What agents do at the phone itself, to be taped: real phones at a real Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from ctid.telephony.asterisk import AsteriskSwitch
from routing import commands as c
from routing import facts as f
from routing.control_facts import (
    CallerSentOn,
    ConsultAsk,
    ConsultChanged,
    ConsultPhase,
    HandedOver,
    HoldChanged,
)
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, QueueId
from sim.lab import Lab, LabInfo
from sim.phones.softphone import PhoneCall, PhoneProcess, refuse_policy
from tests.ctid.telephony.conftest import make_switch, until
from tests.ctid.telephony.hand_phones import FactLog
from tests.ctid.telephony.tape import Tape, listen

COLLEAGUE = "1002"
OUTSIDE = "013911112222"
DIALLED_OUTSIDE = OUTSIDE.removeprefix("0")
NEEDS_S = 0.3  # what a person needs at the least


@dataclass
class Phones:
    """All are worked by hand; nothing is answered by itself."""

    caller: PhoneProcess
    agent: PhoneProcess
    second: PhoneProcess
    outside: PhoneProcess


@dataclass
class Scene:
    """A caller who talks with the agent at 1001."""

    switch: AsteriskSwitch
    facts: FactLog
    tape: Tape
    phones: Phones
    interaction: InteractionId
    caller: PhoneCall
    agent: PhoneCall
    offers: int = 0

    async def offer(self, user: str, phone: PhoneProcess) -> PhoneCall:
        self.offers += 1
        offer = OfferId(f"o{self.offers}")
        agent = AgentId(f"agent-{user}")
        self.tape.act("offer", offer, f"{user}={agent}")
        await self.switch.execute(
            c.Offer(
                interaction=self.interaction,
                offer=offer,
                queue=QueueId("news"),
                targets=(c.Target(agent=agent, phone=PhoneId(user)),),
                ring_timeout_s=10.0,
                caller=f.Party(number="13800138000"),
            )
        )
        call = await phone.incoming()
        await self.facts.next(f.OfferRinging, offer=offer)
        await call.answer()
        await self.facts.next(f.OfferAnswered, offer=offer)
        await asyncio.sleep(NEEDS_S)
        return call

    async def sends_out(self) -> PhoneCall:
        """ctid connects the caller to the outside number that the phone has dialled."""
        await self.switch.execute(
            c.SendTo(interaction=self.interaction, number=DIALLED_OUTSIDE, ring_timeout_s=10.0)
        )
        call = await self.phones.outside.incoming()
        await call.answer()
        await call.wait_for("connected")
        return call

    async def asks(
        self, to: str, phone: PhoneProcess, *, held: bool = False
    ) -> tuple[PhoneCall, PhoneCall]:
        """The agent puts the caller on hold and talks with ``to``; both ends of that call.

        ``held``: ctid has the caller on hold already.
        """
        own = await self.agent.consult(to, until="ringing")
        other = await phone.incoming()
        if not held:
            await self.facts.next(HoldChanged, held=True, at_phone=True)
        await other.answer()
        await own.wait_for("connected")
        # Asterisk refuses a transfer to a call whose parties it has not joined yet
        await own.dtmf("5")
        await other.wait_for("dtmf")
        return own, other

    async def name(self) -> None:
        """ctid says whose phone the caller was handed over to."""
        agent = AgentId(f"agent-{COLLEAGUE}")
        self.tape.act("name", agent)
        await self.switch.execute(c.NameLeg(interaction=self.interaction, agent=agent))

    async def agent_leaves(self) -> None:
        await self.agent.wait_for("disconnected")

    async def under_control_again(self) -> None:
        await self.facts.next(CallerSentOn)
        await until(lambda: not self.switch._board.by_interaction[self.interaction].moving)


async def blind_to_an_agent(s: Scene) -> None:
    await s.agent.transfer(COLLEAGUE)
    await s.under_control_again()
    call = await s.offer(COLLEAGUE, s.phones.second)
    await s.agent_leaves()
    await call.hangup()
    await s.facts.next(f.AgentHungUp)


async def blind_outside(s: Scene) -> None:
    await s.agent.transfer(OUTSIDE)
    await s.under_control_again()
    call = await s.sends_out()
    await s.agent_leaves()
    await call.hangup()
    await s.facts.next(f.ExternalEnded)


async def attended_to_an_agent(s: Scene) -> None:
    own, other = await s.asks(COLLEAGUE, s.phones.second)
    await s.agent.transfer_to_call(own)
    await s.agent_leaves()
    await s.facts.next(HandedOver, phone=COLLEAGUE)
    await s.name()
    await asyncio.sleep(NEEDS_S)
    await other.hangup()
    await s.facts.next(f.AgentHungUp, agent=f"agent-{COLLEAGUE}")


async def attended_to_an_agent_who_ends_before_it_is_known_who_it_is(s: Scene) -> None:
    own, other = await s.asks(COLLEAGUE, s.phones.second)
    await s.agent.transfer_to_call(own)
    await s.agent_leaves()
    await s.facts.next(HandedOver, phone=COLLEAGUE)
    await other.hangup()
    await until(lambda: not s.switch._board.legs)
    await s.name()
    await s.facts.next(f.AgentHungUp, agent=f"agent-{COLLEAGUE}")


async def attended_outside(s: Scene) -> None:
    own, other = await s.asks(OUTSIDE, s.phones.outside)
    await s.agent.transfer_to_call(own)
    await s.agent_leaves()
    await s.facts.next(HandedOver)
    await asyncio.sleep(NEEDS_S)
    await other.hangup()
    await s.facts.next(f.ExternalEnded)


async def attended_while_ringing_at_an_agent(s: Scene) -> None:
    own = await s.agent.consult(COLLEAGUE, until="ringing")
    first = await s.phones.second.incoming()
    await s.agent.transfer_to_call(own)
    await s.under_control_again()
    await first.wait_for("disconnected")
    call = await s.offer(COLLEAGUE, s.phones.second)
    await s.agent_leaves()
    await call.hangup()
    await s.facts.next(f.AgentHungUp)


async def attended_while_ringing_outside(s: Scene) -> None:
    own = await s.agent.consult(OUTSIDE, until="ringing")
    first = await s.phones.outside.incoming()
    await s.agent.transfer_to_call(own)
    await s.under_control_again()
    await first.wait_for("disconnected")
    await s.sends_out()
    await s.agent_leaves()


async def hold_and_resume(s: Scene) -> None:
    for _ in range(2):
        await s.agent.hold()
        await s.facts.next(HoldChanged, held=True)
        await s.agent.unhold()
        await s.facts.next(HoldChanged, held=False)
    await s.agent.hangup()
    await s.facts.next(f.AgentHungUp)


async def attended_out_of_a_conference(s: Scene) -> None:
    agent, phone = AgentId(f"agent-{COLLEAGUE}"), PhoneId(COLLEAGUE)
    s.tape.act("apart")
    await s.switch.execute(c.Consult(interaction=s.interaction, agent=agent, phone=phone))
    second = await s.phones.second.incoming()
    await second.answer()
    await s.facts.next(ConsultChanged, phase=ConsultPhase.PRIVATE)
    await s.switch.execute(c.ChangeConsult(interaction=s.interaction, ask=ConsultAsk.CONFERENCE))
    await s.facts.next(ConsultChanged, phase=ConsultPhase.CONFERENCE)
    s.tape.act("conference")
    await asyncio.sleep(NEEDS_S)
    own, other = await s.asks(OUTSIDE, s.phones.outside)
    await s.agent.transfer_to_call(own)
    await s.agent_leaves()
    await s.facts.next(f.AgentHungUp)
    await other.wait_for("disconnected")


async def _out_of_a_seat(s: Scene, to: str, phone: PhoneProcess) -> PhoneCall:
    s.tape.act("apart")
    await s.switch.execute(c.Hold(interaction=s.interaction))
    await s.facts.next(HoldChanged, held=True)
    own, other = await s.asks(to, phone, held=True)
    await s.agent.transfer_to_call(own)
    await s.agent_leaves()
    await s.facts.next(HandedOver)
    return other


async def attended_out_of_a_seat(s: Scene) -> None:
    other = await _out_of_a_seat(s, COLLEAGUE, s.phones.second)
    await s.name()
    await s.facts.next(HoldChanged, held=False)
    s.tape.act("joined")
    await other.hangup()
    await s.facts.next(f.AgentHungUp, agent=f"agent-{COLLEAGUE}")


async def attended_out_of_a_seat_outside(s: Scene) -> None:
    other = await _out_of_a_seat(s, OUTSIDE, s.phones.outside)
    await until(lambda: s.switch._board.by_interaction[s.interaction].outside)
    s.tape.act("joined")
    await other.hangup()
    await s.facts.next(f.ExternalEnded)


SCENES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "phone-blind-to-agent": blind_to_an_agent,
    "phone-blind-outside": blind_outside,
    "phone-attended-to-agent": attended_to_an_agent,
    "phone-attended-to-agent-ends-unnamed": (
        attended_to_an_agent_who_ends_before_it_is_known_who_it_is
    ),
    "phone-attended-outside": attended_outside,
    "phone-attended-while-ringing-agent": attended_while_ringing_at_an_agent,
    "phone-attended-while-ringing-outside": attended_while_ringing_outside,
    "phone-hold-and-resume": hold_and_resume,
    "phone-attended-out-of-conference": attended_out_of_a_conference,
    "phone-attended-out-of-seat": attended_out_of_a_seat,
    "phone-attended-out-of-seat-outside": attended_out_of_a_seat_outside,
}


async def at_the_phone(lab: Lab, info: LabInfo) -> None:
    """Tape all scenes."""
    manual = refuse_policy("manual")
    async with (
        PhoneProcess.caller(info) as caller,
        PhoneProcess.agent(info, "1001", policy=manual) as agent,
        PhoneProcess.agent(info, COLLEAGUE, policy=manual) as second,
        PhoneProcess.outside(info, policy=manual) as outside,
    ):
        phones = Phones(caller, agent, second, outside)
        for name, play in SCENES.items():
            tape, facts = Tape(), FactLog()
            switch = make_switch(info, Path(info.recordings_dir))
            listen(switch, tape)
            await switch.start(facts)
            switch.open_doors()
            await _play(play, switch, facts, tape, phones)
            async with asyncio.timeout(10):
                # nothing tells that Asterisk has forgotten a channel but its list
                while await _channels(lab):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            await switch.close()
            tape.save(name)


async def _play(
    play: Callable[[Scene], Awaitable[None]],
    switch: AsteriskSwitch,
    facts: FactLog,
    tape: Tape,
    phones: Phones,
) -> None:
    caller = await phones.caller.call("4000", caller="13800138000")
    arrived = await facts.next(f.InteractionArrived)
    await switch.execute(c.Answer(interaction=arrived.interaction))
    await switch.execute(c.StartMusic(interaction=arrived.interaction))
    await caller.wait_for("connected")
    scene = Scene(switch, facts, tape, phones, arrived.interaction, caller, caller)
    scene.agent = await scene.offer("1001", phones.agent)
    await play(scene)
    await asyncio.sleep(NEEDS_S)
    await caller.hangup()
    await facts.next(f.CallerHungUp)
    await until(lambda: not switch._board.calls and not switch._board.legs)


async def _channels(lab: Lab) -> bool:
    said = await asyncio.to_thread(lab.cli, "core show channels")
    return "0 active channels" not in said

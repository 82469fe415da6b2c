"""A private Asterisk, phones worked by hand, and a switch on it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ctid.clock import SystemClock
from ctid.telephony.asterisk import AgiSettings, AmiSettings, AsteriskSwitch
from routing import commands as c
from routing import facts as f
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, QueueId, RecordingId, StepId
from sim.lab import Lab, LabInfo
from sim.lab.process import free_port
from sim.phones.udp import CallerPool, UdpCall
from tests.ctid.telephony.fault_proxy import FaultProxy
from tests.ctid.telephony.hand_phones import PATIENCE_S, FactLog, HandPhones

PHONES = ("1001", "1002", "1003", "1004")
PHONE_PORT = free_port("127.0.0.3", udp=True, tcp=False)  # the same for every test of a run


@pytest.fixture(scope="session")
def lab_info() -> Iterator[LabInfo]:
    contacts = {user: f"sip:{user}@127.0.0.3:{PHONE_PORT}" for user in PHONES}
    agi = free_port("127.0.0.1", udp=False, tcp=True)
    name = f"telephony-{os.getpid()}"
    lab = Lab(name, agi_port=agi, agents=8, static_phones=contacts, quiet=True)
    try:
        yield lab.up()
    finally:
        lab.remove()


@dataclass
class World:
    """Everything a test handles."""

    info: LabInfo
    switch: AsteriskSwitch
    facts: FactLog
    phones: HandPhones
    callers: CallerPool
    recordings: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def arrive(self, number: str = "4000", **how: Any) -> tuple[UdpCall, InteractionId]:
        """A caller arrives, is answered and hears music."""
        call = self.callers.call(number, caller=how.pop("caller", "13800138000"), **how)
        arrived = await self.facts.next(f.InteractionArrived)
        await self.switch.execute(c.Answer(interaction=arrived.interaction))
        await self.switch.execute(c.StartMusic(interaction=arrived.interaction))
        async with asyncio.timeout(PATIENCE_S):
            await call.answered.wait()
        return call, arrived.interaction

    async def offer(
        self, interaction: InteractionId, *phones: str, recording: str = "", **how: Any
    ) -> OfferId:
        offer = OfferId(f"{interaction}.o{next(self.numbers)}")
        await self.switch.execute(
            c.Offer(
                interaction=interaction,
                offer=offer,
                queue=QueueId("news"),
                targets=tuple(
                    c.Target(agent=AgentId(f"agent-{p}"), phone=PhoneId(p)) for p in phones
                ),
                ring_timeout_s=how.pop("ring_timeout_s", 10.0),
                caller=how.pop("caller", f.Party(number="13800138000")),
                recording=RecordingId(recording) if recording else None,
            )
        )
        return offer

    async def connect(self, interaction: InteractionId, phone: str, recording: str = "") -> UdpCall:
        """Offer to one phone, which answers."""
        offer = await self.offer(interaction, phone, recording=recording)
        call = await self.phones.next_call()
        self.phones.ringing(call)
        self.phones.answer(call)
        await self.facts.next(f.OfferAnswered, offer=offer)
        if recording:
            await self.switch.execute(
                c.StartRecording(
                    interaction=interaction,
                    recording=RecordingId(recording),
                    queue=QueueId("news"),
                    agent=AgentId(f"agent-{phone}"),
                )
            )
            await self.facts.next(f.RecordingStarted)
        return call

    async def play(self, interaction: InteractionId, *sounds: str) -> StepId:
        step = StepId(f"{interaction}.s{next(self.numbers)}")
        prompts = tuple(c.Prompt(value=s) for s in sounds)
        await self.switch.execute(c.Play(interaction=interaction, step=step, prompts=prompts))
        return step


async def until(holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Wait for what no event tells."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def make_switch(info: LabInfo, recordings: Path, agi_port: int | None = None) -> AsteriskSwitch:
    return AsteriskSwitch(
        ami=AmiSettings(
            host=info.ami.host,
            port=info.ami.port,
            username=info.ami.username,
            secret=info.ami.secret,
        ),
        agi=AgiSettings(host=info.agi_host, port=agi_port or info.agi_port),
        raw_path=lambda recording: recordings / f"{recording}.raw",
        message_path=lambda recording: recordings / f"{recording}.wav",
        clock=SystemClock(),
        rng=Random(7),  # noqa: S311 - spreads reconnects only
    )


@pytest.fixture
async def world(lab_info: LabInfo, tmp_path: Path) -> AsyncIterator[World]:
    pbx = (lab_info.sip_host, lab_info.sip_port)
    recordings = Path(lab_info.recordings_dir)
    switch = make_switch(lab_info, recordings)
    phones = HandPhones(pbx)
    phones.port = PHONE_PORT
    facts = FactLog()
    async with phones, CallerPool(pbx) as callers:
        await switch.start(facts)
        switch.open_doors()
        world = World(lab_info, switch, facts, phones, callers, recordings)
        yield world
        await callers.close()
        board = world.switch._board  # of the switch that stands at the end
        await until(lambda: not board.calls and not board.legs)
        await world.switch.close()


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[FaultProxy]:
    """AMI goes through this."""
    await world.switch.close()
    proxy = FaultProxy(world.info.ami.host, world.info.ami.port)
    port = await proxy.start()
    world.facts = FactLog()
    world.switch = make_switch(world.info, world.recordings)
    world.switch._ami._settings = AmiSettings(
        port=port, username=world.info.ami.username, secret=world.info.ami.secret
    )
    await world.switch.start(world.facts)
    world.switch.open_doors()
    yield proxy
    proxy.refuse = False
    await world.callers.close()
    await until(lambda: not world.switch._board.calls)
    await world.switch.close()
    await proxy.close()


@pytest.fixture
async def outside(world: World) -> AsyncIterator[HandPhones]:
    """The far end of the trunk."""
    phones = HandPhones((world.info.sip_host, world.info.sip_port))
    phones.host, phones.port = world.info.trunk_host, world.info.trunk_port
    async with phones:
        yield phones


def reconnected(switch: AsteriskSwitch) -> asyncio.Event:
    back = asyncio.Event()
    switch.on_reconnect(back.set)
    return back


__all__ = ["World", "make_switch", "reconnected", "until"]

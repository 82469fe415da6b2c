"""Whatever is done to a conversation, and whoever hangs up when: nothing is left behind.

Sequences are drawn from a seed that is printed with a failure; ``CTID_SEQUENCES`` says how many are
played, one after the other, on one Asterisk (default 12), ``CTID_FIRST_SEQUENCE`` which is the
first. Every third is of requests and hang-ups alone.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from ctid.tasks import spawn
from sim.house import Client, House
from sim.phones.audio import power
from sim.phones.ears import Ears
from sim.phones.softphone import PhoneProcess, answer_policy, tone
from sim.phones.udp import AgentPool, CallerPool
from tests.whole.conftest import DID, OpenHouse, queues_toml, until
from tests.whole.drawn import AGENTS, BOSS, Desk, Drawn, Player
from tests.whole.talk import HEARD, HZ, nothing_left
from tests.whole.test_phone_transfers import ENTRY, is_in

pytestmark = pytest.mark.asterisk

SEED = 20260101
SEQUENCES = int(os.environ.get("CTID_SEQUENCES", "12"))
FIRST = int(os.environ.get("CTID_FIRST_SEQUENCE", "0"))
AT_THE_PHONE = 0.7
"""In the other sequences, this share of what is not a hang-up is done at a phone."""
CALLER_HZ = 400
AGENT_HZ = {"a1001": HZ["agent"], "a1002": HZ["second"]}
TAIL_S = 0.2


@asynccontextmanager
async def desks(house: House) -> AsyncIterator[dict[str, Desk]]:
    """The agents' and the supervisor's softphones, and one outside."""
    async with AsyncExitStack() as stack:
        others = answer_policy(audio=tone(HZ["super"]))
        phones = {"outside": PhoneProcess.outside(house.info, policy=others)}
        for name in (*AGENTS, BOSS):
            hz = AGENT_HZ.get(f"a{name}", HZ["super"])
            policy = answer_policy(audio=tone(hz))
            phones[name] = PhoneProcess.agent(house.info, name, policy=policy)
        for phone in phones.values():
            await stack.enter_async_context(phone)
        admin = await house.login("admin")
        await until(admin, "/agents", lambda agents: all(a["phone_reachable"] for a in agents))
        yield {name: Desk(phone) for name, phone in phones.items()}


async def one(
    house: House,
    desks: dict[str, Desk],
    callers: CallerPool,
    trunk: Ears,
    number: int,
    drawn: Drawn,
) -> None:
    """A call, a sequence, the end; then everything must be gone, and the call on record once."""
    admin = await house.login("admin")
    for agent in AGENTS:
        policy = answer_policy(
            audio=desks[agent].phone.audio,
            lines=drawn.lines,
            leaves_after_s=drawn.leaves_after_s,
        )
        await desks[agent].phone.set_policy(policy)
        await admin.available(f"a{agent}", agent)
    caller = callers.call(DID, caller=f"139{number:08d}")
    [live] = await until(
        admin,
        "/interactions?state=live",
        lambda items: len(items) == 1 and items[0]["state"] == "talking",
    )
    trunk.speak(caller, CALLER_HZ)
    await asyncio.sleep(drawn.talk_first_s)  # the length of what is judged
    player = Player(admin, callers, caller, desks, f"/interactions/{live['id']}")
    await player.play(drawn)
    await player.end()
    await nothing_left(house)
    for desk in desks.values():  # told of no success, a phone keeps its call (RFC 5589)
        await desk.hang_up()
        await desk.is_free()
    await recorded(admin, live, drawn)


async def recorded(admin: Client, live: dict[str, Any], drawn: Drawn) -> None:
    """One contact record, with one recording of it all, whole; or a word why there is none."""
    records = await until(
        admin,
        f"/contact-records?phone={live['caller']['number']}",
        lambda items: bool(items) and all(r["state"] != "pending" for r in items[0]["recordings"]),
    )
    assert [record["interaction"] for record in records] == [live["id"]]
    assert records[0]["outcome"] in ("answered", "released")
    [recording] = records[0]["recordings"]
    if drawn.talk_first_s:
        assert recording["state"] == "ready", recording
    if recording["state"] != "ready":
        return
    audio = await admin.download(f"/recordings/{recording['id']}/audio")
    with wave.open(io.BytesIO(audio)) as wav:
        rate, frames = wav.getframerate(), wav.getnframes()
        left = array("h", wav.readframes(frames))[0::2]
    assert len(audio) == 44 + 4 * frames, "the header does not say how long it is"
    assert abs(recording["duration_s"] - frames / rate) < 0.02
    if not drawn.talk_first_s:
        return
    assert is_in(audio, CALLER_HZ, left=True)
    assert is_in(audio, AGENT_HZ[live["agent"]], left=False)
    if not drawn.asks("recording"):
        # the caller never stops talking, so that is what it ends with
        assert power(left[-int(TAIL_S * rate) :], CALLER_HZ, rate) > HEARD


async def test_nothing_is_left_whatever_is_done(open_house: OpenHouse, callers: Any) -> None:
    house = await open_house(queues_toml(list(AGENTS), extra=ENTRY), agents=3)
    pool = await callers(house)
    trunk = Ears(pool)
    async with desks(house) as there:
        for number in range(FIRST, FIRST + SEQUENCES):
            drawn = Drawn(SEED + number, at_the_phone=AT_THE_PHONE if number % 3 else 0.0)
            try:
                await one(house, there, pool, trunk, number, drawn)
            except Exception as error:
                error.add_note(f"sequence {number}: {vars(drawn)}")
                error.add_note(house.log_tail(30))
                raise
    await trunk.close()


async def test_a_consultation_that_is_given_up_at_once_leaves_nothing(
    open_house: OpenHouse, agents: AgentPool, callers: Any
) -> None:
    """In the milliseconds in which the PBX makes the leg, moves the agent's and joins the two."""
    contacts = agents.contacts((*AGENTS, BOSS))
    house = await open_house(queues_toml(list(AGENTS)), agents=3, static_phones=contacts)
    pool = await callers(house)
    admin = await house.login("admin")
    for who, after_ms in itertools.product(("agent", "caller"), (0, 1, 2, 4, 6, 8)):
        for agent in AGENTS:
            await admin.available(f"a{agent}", agent)
        caller = pool.call(DID, caller="13900000000")
        [live] = await until(
            admin,
            "/interactions?state=live",
            lambda items: [item["state"] for item in items] == ["talking"],
        )
        own, other = sorted(AGENTS, key=lambda phone: f"a{phone}" != live["agent"])
        player = Player(admin, pool, caller, {}, f"/interactions/{live['id']}")
        body = {"kind": "agent", "to": f"a{other}"}
        asked = spawn(player.ask("POST", "/consult", body), name="consult")
        await asyncio.sleep(after_ms / 1000)  # what is tried
        if who == "caller":
            pool.hangup(caller)
        else:
            agents.hangup(agents.busy[own])
        await asked
        await player.end()
        await nothing_left(house)

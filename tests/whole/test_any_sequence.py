"""Whatever is done to a conversation, and whoever hangs up when: nothing is left behind.

Sequences are drawn from a seed that is printed with a failure; ``CTID_SEQUENCES`` (default 8) says
how many are played, one after the other, on one Asterisk.
"""

from __future__ import annotations

import asyncio
import os
from random import Random
from typing import Any

import pytest

from sim.house import Client, House, HouseError
from sim.phones.ears import Ears
from sim.phones.udp import AgentPool, CallerPool, UdpCall
from tests.whole.conftest import DID, OpenHouse, queues_toml, until
from tests.whole.talk import nothing_left

pytestmark = pytest.mark.asterisk

SEED = 20260101
SEQUENCES = int(os.environ.get("CTID_SEQUENCES", "8"))
AGENTS = ("1001", "1002")
BOSS = "1003"

OPERATIONS: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/supervise", {"mode": "monitor", "phone": BOSS}),
    ("PATCH", "/supervise", {"mode": "whisper"}),
    ("PATCH", "/supervise", {"mode": "barge"}),
    ("DELETE", "/supervise", None),
    ("POST", "/intercept", {"phone": BOSS}),
    ("POST", "/release", {"what": "agent", "reason": "drawn"}),
    ("POST", "/hold", {}),
    ("POST", "/unhold", {}),
    ("POST", "/transfer", {"kind": "agent", "to": "a1002"}),
    ("POST", "/transfer", {"kind": "queue", "to": "news"}),
    ("POST", "/consult", {"kind": "agent", "to": "a1002"}),
    ("PATCH", "/consult", {"ask": "swap"}),
    ("PATCH", "/consult", {"ask": "cancel"}),
    ("PATCH", "/consult", {"ask": "complete"}),
    ("PATCH", "/consult", {"ask": "conference"}),
    ("POST", "/conference", {"kind": "agent", "to": "a1002"}),
    ("POST", "/mute", {}),
    ("POST", "/unmute", {}),
    ("POST", "/dtmf", {"digits": "12#"}),
    ("POST", "/recording", {"action": "suspend"}),
    ("POST", "/recording", {"action": "resume"}),
    ("POST", "/recording", {"action": "start"}),
)
HANG_UPS = ("caller", *AGENTS, BOSS)
PAUSES_S = (0.0, 0.0, 0.02, 0.1, 0.4)


class Drawn:
    """One sequence: operations and hang-ups with pauses between, as the seed says."""

    def __init__(self, seed: int) -> None:
        rng = Random(seed)  # noqa: S311 - draws a test, not a secret
        self.talk_first_s = rng.choice((0.0, 0.3, 0.3))
        self.steps: list[tuple[Any, float]] = []
        for _ in range(rng.randint(2, 7)):
            what = rng.choice(HANG_UPS) if rng.random() < 0.2 else rng.choice(OPERATIONS)
            self.steps.append((what, rng.choice(PAUSES_S)))


async def play(
    drawn: Drawn, admin: Client, agents: AgentPool, callers: CallerPool, caller: UdpCall, path: str
) -> None:
    """Do it all; what is impossible is refused with 404, 409 or 422, and never with 500."""
    for what, pause_s in drawn.steps:
        if isinstance(what, str):
            call = caller if what == "caller" else agents.busy.get(what)
            if call is not None:
                (callers if what == "caller" else agents).hangup(call)
        else:
            method, rest, body = what
            refused = ""
            try:
                await admin.request(method, path + rest, body)
            except HouseError as error:
                refused = str(error)
            assert not refused or any(f": {code} " in refused for code in (404, 409, 422)), refused
        await asyncio.sleep(pause_s)  # the distance between two steps is what is drawn


async def one(
    house: House, agents: AgentPool, callers: CallerPool, trunk: Ears, number: int
) -> None:
    """A call, a sequence, the end; then everything must be gone, and the call on record once."""
    admin = await house.login("admin")
    for agent in AGENTS:
        await admin.available(f"a{agent}", agent)
    said = f"139{number:08d}"
    caller = callers.call(DID, caller=said)
    [live] = await until(
        admin,
        "/interactions?state=live",
        lambda items: len(items) == 1 and items[0]["state"] == "talking",
    )
    path = f"/interactions/{live['id']}"
    trunk.speak(caller, 400)
    drawn = Drawn(SEED + number)
    await asyncio.sleep(drawn.talk_first_s)
    await play(drawn, admin, agents, callers, caller, path)
    if not caller.ended.is_set():
        callers.hangup(caller)
    await asyncio.wait_for(caller.ended.wait(), 20)
    await nothing_left(house)
    records = await until(
        admin,
        f"/contact-records?interaction={live['id']}",
        lambda items: bool(items) and all(r["state"] != "pending" for r in items[0]["recordings"]),
    )
    assert len(records) == 1
    assert records[0]["outcome"] in ("answered", "released")
    # one recording of it all, whole; or a word why not, for a conversation of a few packets
    [recording] = records[0]["recordings"]
    if drawn.talk_first_s:
        assert recording["state"] == "ready", recording
    if recording["state"] == "ready":
        wav = await admin.download(f"/recordings/{recording['id']}/audio")
        assert len(wav) > 44


async def test_nothing_is_left_whatever_is_done(
    open_house: OpenHouse, agents: AgentPool, callers: Any
) -> None:
    house = await open_house(
        queues_toml(list(AGENTS)), agents=3, static_phones=agents.contacts((*AGENTS, BOSS))
    )
    pool = await callers(house)
    trunk = Ears(pool)
    for number in range(SEQUENCES):
        try:
            await one(house, agents, pool, trunk, number)
        except Exception as error:
            error.add_note(f"sequence {number}: {Drawn(SEED + number).steps}")
            error.add_note(house.log_tail(20))
            raise
    await trunk.close()

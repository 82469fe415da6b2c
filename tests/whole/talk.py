"""A conversation whose parties each send a tone of their own, and who hears whom in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.house import Client, House
from sim.phones.audio import loud_part, power, read_wav, rms
from sim.phones.softphone import PhoneCall, PhoneProcess, answer_policy, tone
from tests.whole.conftest import DID, until
from tests.whole.watch import PATIENCE_S

HZ = {"caller": 440, "agent": 1000, "super": 1700, "second": 2300}
PASSING_S = 0.7
"""What is on its way to an ear: the softphones' jitter buffers grow to half a second here."""
LISTEN_S = 0.4
RATE_HZ = 8000
"""Of what softphones record."""
MUSIC_BEGINS_S = 1.5
"""Some of Debian's pieces begin with a second of near silence; all are loud after this."""
HEARD, NOT_HEARD = 0.08, 0.02
"""Shares of the energy of the loud part that a tone has when it is, or is not, heard."""


@dataclass
class Talk:
    """One caller in conversation; ``legs`` by the party's name."""

    house: House
    admin: Client
    folder: Path
    legs: dict[str, PhoneCall] = field(default_factory=dict)
    interaction: str = ""
    takes: int = 0

    def path(self, rest: str = "") -> str:
        return f"/interactions/{self.interaction}{rest}"

    async def heard(self, *, music: bool = False) -> dict[str, set[str]]:
        """Who hears whom now: party -> the parties whose tones reach it.

        ``music``: what is loud without a party's tone counts as ``music``.
        """
        self.takes += 1
        files = {}
        for name, leg in self.legs.items():
            files[name] = self.folder / f"{self.takes}-{name}.wav"
            await leg.record(files[name])
        passing_s = PASSING_S + (MUSIC_BEGINS_S if music else 0.0)
        for file in files.values():
            await lasts(file, passing_s + LISTEN_S)  # the length of what is judged
        for leg in self.legs.values():
            await leg.record(None)
        for leg in self.legs.values():
            await leg.wait_for("recorded")
        return {name: self._tones(name, file, music, passing_s) for name, file in files.items()}

    def _tones(self, own: str, file: Path, music: bool, passing_s: float) -> set[str]:
        samples, rate = read_wav(file)
        rest = samples[int(passing_s * rate) :]
        others = [hz for name, hz in HZ.items() if name != own]
        if music and rms(rest) > 100 and max(power(rest, hz, rate) for hz in others) < 0.3:
            return {"music"}  # which may well play an A of 440 Hz
        loud = loud_part(rest, rate)
        if len(loud) < rate // 10:
            return set()
        shares = {name: power(loud, hz, rate) for name, hz in HZ.items()}
        doubtful = {n: s for n, s in shares.items() if NOT_HEARD <= s <= HEARD}
        assert not doubtful, f"{file.name}: {shares}"
        return {name for name, share in shares.items() if share > HEARD}

    async def now(self) -> Any:
        """The interaction as the API shows it."""
        return await self.admin.get(self.path())

    async def becomes(self, test: Any, timeout_s: float = PATIENCE_S) -> Any:
        """The interaction, once it fits."""

        def one(items: list[Any]) -> Any:
            return next((i for i in items if i["id"] == self.interaction), None)

        items = await until(
            self.admin,
            "/interactions?state=live",
            lambda found: one(found) is not None and test(one(found)),
            timeout_s,
        )
        return one(items)

    async def record_of(self) -> Any:
        """The contact record, with its recording whole."""
        items = await until(
            self.admin,
            "/contact-records",
            lambda found: (
                len(found) == 1
                and bool(found[0]["recordings"])
                and all(r["state"] == "ready" for r in found[0]["recordings"])
            ),
        )
        assert items[0]["interaction"] == self.interaction
        return items[0]


def _holds(file: Path, size: int) -> bool:
    return file.exists() and file.stat().st_size >= size


async def lasts(file: Path, seconds: float) -> None:
    """Wait until a softphone has recorded so much: on a busy machine it is behind the clock."""
    size = 44 + 2 * int(RATE_HZ * seconds)
    async with asyncio.timeout(PATIENCE_S):
        # nothing tells that a file has grown
        while not _holds(file, size):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def phones_there(admin: Client, *phones: str) -> None:
    """Wait until ctid knows of these phones, or all agents': the PBX tells it later than them."""

    def there(agents: list[dict[str, Any]]) -> bool:
        return all(a["phone_reachable"] for a in agents if not phones or a["phone"] in phones)

    await until(admin, "/agents", there)


@asynccontextmanager
async def talking(
    house: House, folder: Path, *, supervisors: dict[str, str] | None = None
) -> AsyncIterator[Talk]:
    """A caller talks with the agent at 1001; more phones are up but idle."""
    admin = await house.login("admin")
    async with (
        PhoneProcess.agent(
            house.info, "1001", policy=answer_policy(0.0, audio=tone(HZ["agent"]))
        ) as agent,
        PhoneProcess.caller(house.info) as caller,
    ):
        await admin.available("a1001", "1001")
        talk = Talk(house, admin, folder)
        talk.legs["caller"] = await caller.call(DID, caller="13800138000", audio=tone(HZ["caller"]))
        talk.legs["agent"] = await agent.incoming()
        await talk.legs["agent"].wait_for("connected")
        [one] = await until(
            admin,
            "/interactions?state=live",
            lambda items: [i["state"] for i in items] == ["talking"],
        )
        talk.interaction = one["id"]
        yield talk


async def nothing_left(house: House) -> None:
    """No channel, no live interaction, no agent who is held by anything. Raises AssertionError."""
    admin = await house.login("admin")
    await until(admin, "/interactions?state=live", lambda items: not items)
    try:
        async with asyncio.timeout(6):
            # nothing tells that Asterisk has forgotten a channel but its list
            while "0 active channels" not in await _cli(house, "core show channels"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        for said in ("core show channels concise", "bridge show all", "pjsip show channels"):
            error.add_note(await _cli(house, said))
        raise
    held = [
        a["id"]
        for a in (await admin.get("/agents"))["items"]
        if a["state"] in ("reserved", "ringing", "talking")
    ]
    assert not held


async def _cli(house: House, command: str) -> str:
    return await asyncio.to_thread(house.lab.cli, command)

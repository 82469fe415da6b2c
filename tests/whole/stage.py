"""One house for many scenarios: each has its own number, queue and agents.

A module writes its lines into a :class:`Plan` while it is imported; the fixture ``stage`` opens a
house for all of them and keeps it for the module.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.house import Client, House, User, new_password
from sim.lab import Lab
from sim.phones.sipmsg import Message
from sim.phones.udp import AgentPool, CallerPool, UdpCall
from tests.whole.watch import PATIENCE_S, until

NEVER_S = 3600.0
BUSY_HERE = 486

USERS = (User(username="admin", role="admin", password=new_password()),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One scenario's queue, the number that leads to it, and its agents' phones."""

    queue: str
    did: str
    phones: tuple[str, ...]


class Plan:
    """``queues.toml``, piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[str] = ["reserve_lease_s = 1", 'sorry = ["beep"]']
        self._tables: list[str] = []
        self._phones = itertools.count(3001)
        self._dids = itertools.count(88_880_001)
        self.phones: list[str] = []

    def line(
        self, queue: str, settings: str = "", agents: int | list[str] = 1, *, did: bool = True
    ) -> Line:
        """A queue with ``settings``; ``agents``: how many, or each one's membership settings.

        The membership of an agent may be followed by further keys of the agent, after a ``|``.
        """
        number = str(next(self._dids))
        self._tables += [f"[queues.{queue}]", "ring_timeout_s = 20", settings]
        if did:
            self.entry(number, f'queue = "{queue}"')
        phones = []
        for member in agents if isinstance(agents, list) else [""] * agents:
            phone = str(next(self._phones))
            phones.append(phone)
            seat, _, more = member.partition("|")
            extra = f", {seat.strip()}" if seat.strip() else ""
            self._tables += [
                f"[agents.a{phone}]",
                f'phone = "{phone}"',
                f'queues = [{{ queue = "{queue}"{extra} }}]',
                more.strip(),
            ]
        self.phones += phones
        return Line(queue=queue, did=number, phones=tuple(phones))

    def number(self) -> str:
        """A number of its own."""
        return str(next(self._dids))

    def entry(self, did: str, leads: str) -> str:
        """A number that ``leads`` (``flow = "x"``) somewhere."""
        self._tables += ["[[entries]]", f'did = "{did}"', leads]
        return did

    def add(self, text: str) -> None:
        """Further tables."""
        self._tables.append(text)

    def text(self) -> str:
        """The file."""
        return "\n".join([*self._pieces, *self._tables]) + "\n"


class Phones(AgentPool):
    """Phones that answer at once, or after the seconds in ``rules``, or refuse (``refused``)."""

    def __init__(self) -> None:
        super().__init__("127.0.0.3", answer_after_s=self._after)
        self.rules: dict[str, float] = {}
        self.refused: dict[str, int] = {}
        self._rung: dict[str, asyncio.Queue[UdpCall]] = {}
        self.on_call = lambda call: self._calls(call.number).put_nowait(call)

    def _after(self, number: str) -> float:
        return self.rules.get(number, 0.0)

    def on_request(self, request: Message, source: tuple[str, int]) -> None:
        # the pool refuses for all or for none
        status = self.refused.get(request.user, 0) if request.method == "INVITE" else 0
        self.refuse = status
        super().on_request(request, source)
        self.refuse = 0

    def _calls(self, number: str) -> asyncio.Queue[UdpCall]:
        return self._rung.setdefault(number, asyncio.Queue())

    async def rung(self, number: str, timeout_s: float = PATIENCE_S) -> UdpCall:
        """The next call that came to ``number``."""
        try:
            return await asyncio.wait_for(self._calls(number).get(), timeout_s)
        except TimeoutError:
            seen = [who for who, _ in self.invites[-10:]]
            raise AssertionError(f"{number} did not ring in {timeout_s} s; rang: {seen}") from None

    def forget(self) -> None:
        """Only calls from now on count for :meth:`rung`."""
        self._rung.clear()

    def count(self, number: str) -> int:
        """How often it was called."""
        return sum(1 for who, _ in self.invites if who == number)

    async def free(self, *numbers: str) -> None:
        """Wait until these phones have no call: they are told of its end on another way than ctid,
        and refuse a call that comes before."""
        for number in numbers:
            if (call := self.busy.get(number)) is not None:
                await asyncio.wait_for(call.ended.wait(), PATIENCE_S)


class Stage:
    """The open house, its phones, and what a scenario needs all the time."""

    def __init__(self, house: House, phones: Phones, outside: Phones, callers: CallerPool) -> None:
        self.house = house
        self.phones = phones
        self.outside = outside
        self.callers = callers
        self._numbers = itertools.count(1)
        self.admin: Client

    async def log_in(self) -> None:
        """After a restart of the daemon, too."""
        self.admin = await self.house.login("admin")

    async def available(self, *phones: str) -> None:
        """Make the agents at these phones available, one after the other."""
        for phone in phones:
            await self.admin.available(f"a{phone}", phone)

    async def away(self, *phones: str) -> None:
        """Log them out."""
        for phone in phones:
            await self.admin.put(f"/agents/a{phone}/status", {"status": "logged_out"})

    def call(self, did: str, caller: str = "", **how: Any) -> UdpCall:
        """Somebody calls; everybody has a number of their own."""
        return self.callers.call(did, caller=caller or self.new_number(), **how)

    def new_number(self) -> str:
        """A number that nobody had yet."""
        return f"139{next(self._numbers):08d}"

    async def answered(self, call: UdpCall, timeout_s: float = PATIENCE_S) -> UdpCall:
        """Wait until Asterisk has answered the caller."""
        await asyncio.wait_for(call.answered.wait(), timeout_s)
        return call

    async def ended(self, call: UdpCall, by: str = "them", timeout_s: float = PATIENCE_S) -> None:
        """Wait for the end of the caller's call."""
        await asyncio.wait_for(call.ended.wait(), timeout_s)
        assert call.ended_by == by

    async def waiting(self, call: UdpCall, state: str = "waiting") -> dict[str, Any]:
        """The live interaction of a caller, once it is in ``state``."""

        def there(items: list[dict[str, Any]]) -> bool:
            return any(i["caller"]["number"] == call.number and i["state"] == state for i in items)

        items = await until(self.admin, "/interactions?limit=200", there)
        return next(i for i in items if i["caller"]["number"] == call.number)

    async def kept(self, call: UdpCall) -> None:
        """Wait until the store has the interaction of a caller in the state that it is in now: a
        kill before that commit is another story."""
        view = next(
            i
            for i in (await self.admin.get("/interactions?limit=200"))["items"]
            if i["caller"]["number"] == call.number
        )
        async with asyncio.timeout(PATIENCE_S):
            # a commit is told to nobody outside of the daemon
            while await asyncio.to_thread(self._kept, view["id"]) != view["state"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def _kept(self, interaction: str) -> str:
        with closing(sqlite3.connect(f"file:{self.house.store_path}?mode=ro", uri=True)) as store:
            found = store.execute(
                "SELECT json_extract(snapshot, '$.state') FROM live"
                " WHERE kind = 'interaction' AND id = ?",
                (interaction,),
            ).fetchone()
        return found[0] if found is not None else ""

    async def nobody_left(self) -> None:
        """Wait until no interaction is live."""
        await until(self.admin, "/interactions", lambda items: not items)

    async def clear(self) -> None:
        """Everybody hangs up and logs out, and all phones answer again."""
        for agent in (await self.admin.get("/agents"))["items"]:
            if agent["status"] != "logged_out":
                await self.admin.put(f"/agents/{agent['id']}/status", {"status": "logged_out"})
        for pool in (self.callers, self.outside):
            for call in list(pool.calls.values()):
                pool.hangup(call)
        for item in (await self.admin.get("/interactions"))["items"]:
            if item["channel"] == "callback":
                await self.admin.post(f"/interactions/{item['id']}/release", {"reason": "test"})
        await self.nobody_left()
        for pool in (self.phones, self.outside):
            await pool.free(*pool.busy)
            pool.rules.clear()
            pool.refused.clear()
            pool.forget()

    async def record(
        self,
        number: str,
        test: Callable[[dict[str, Any]], bool] = lambda record: True,
        timeout_s: float = PATIENCE_S,
    ) -> dict[str, Any]:
        """The contact record of somebody's call, once there is one that passes ``test``."""
        path = f"/contact-records?phone={number}"
        items = await until(self.admin, path, lambda found: any(map(test, found)), timeout_s)
        return next(filter(test, items))

    async def talk(self, did: str, talk_s: float = 0.0, caller: str = "") -> str:
        """A whole call: answered by whom? Ends when everything about it has ended."""
        before = len(self.phones.invites)
        call = self.call(did, caller)
        await self.waiting(call, "talking")
        if talk_s:
            await asyncio.sleep(talk_s)
        self.callers.hangup(call)
        await self.nobody_left()
        rung = [who for who, _ in self.phones.invites[before:]]
        assert len(rung) == 1, f"{rung} were asked"
        await self.phones.free(*rung)
        return rung[0]


@asynccontextmanager
async def open_stage(
    folder: Path, plan: Plan, name: str, *, agents: int = 1, lab: Mapping[str, Any] | None = None
) -> AsyncIterator[Stage]:
    """Open a house for ``plan``."""
    async with AsyncExitStack() as stack:
        phones = await stack.enter_async_context(Phones())
        contacts = phones.contacts(plan.phones)
        house = House(
            folder,
            Lab(name, quiet=True, agents=agents, static_phones=contacts, **(lab or {})),
            queues=plan.text(),
            users=USERS,
        )
        stack.callback(house.lab.remove)
        await stack.enter_async_context(house)
        server = (house.info.sip_host, house.info.sip_port)
        outside = Phones()
        outside.host, outside.port = house.info.trunk_host, house.info.trunk_port
        await stack.enter_async_context(outside)
        callers = await stack.enter_async_context(CallerPool(server))
        stage = Stage(house, phones, outside, callers)
        await stage.log_in()
        yield stage

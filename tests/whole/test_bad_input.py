"""Rubbish ends its own session only; a wrong file keeps ctid from starting and says why."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sim.house import House, HouseError
from sim.lab import Lab
from sim.phones.udp import AgentPool, CallerPool
from tests.whole.conftest import DID, OpenHouse, queues_toml, until
from tests.whole.watch import PATIENCE_S

pytestmark = pytest.mark.asterisk

NOISE = random.Random(7).randbytes(300_000)  # noqa: S311 - the same rubbish every time

AGI_RUBBISH = {
    "noise": NOISE,
    "endless line": b"agi_network: " + b"x" * 500_000,
    "endless header": b"".join(b"agi_%d: y\n" % n for n in range(20_000)) + b"\n",
    "no channel": b"agi_network: yes\n\n",
    "not UTF-8": b"agi_network: yes\nagi_channel: \xff\xfe\nagi_uniqueid: \xff 1\n\n",
    "nothing": b"",
    "answers to no question": b"200 result=1\n" * 1000,
}


async def throw(host: str, port: int, rubbish: bytes) -> bytes:
    """Send and close; what came back. The other side may close at any moment: that is the point."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(rubbish)
        await writer.drain()
        writer.write_eof()
        return await asyncio.wait_for(reader.read(4096), 10)
    except TimeoutError:
        raise AssertionError(f"{host}:{port} neither answers nor closes") from None
    except OSError:  # it may be gone before we have said that we are done
        return b""
    finally:
        writer.close()


async def test_calls_go_on_while_rubbish_comes_in(
    open_house: OpenHouse,
    agents: AgentPool,
    callers: Callable[[House], Awaitable[CallerPool]],
) -> None:
    house = await open_house(
        queues_toml(["1001"]), agents=1, static_phones=agents.contacts(["1001"])
    )
    admin = await house.login("admin")
    await admin.available("a1001", "1001")
    pool = await callers(house)
    talking = pool.call(DID, caller="13800138000")
    await asyncio.wait_for(talking.answered.wait(), PATIENCE_S)
    [live] = await until(
        admin, "/interactions?state=live", lambda i: [x["state"] for x in i] == ["talking"]
    )
    info = house.info
    for rubbish in AGI_RUBBISH.values():
        await throw(info.agi_host, info.agi_port, rubbish)
        await throw("127.0.0.1", house.http_port, rubbish)
    still = (await admin.get("/interactions?state=live"))["items"]
    assert [i["id"] for i in still] == [live["id"]]
    assert not talking.ended.is_set()
    pool.hangup(talking)
    after = pool.call(DID, caller="13900139000")
    await asyncio.wait_for(after.answered.wait(), PATIENCE_S)
    records = await until(admin, "/contact-records", lambda items: len(items) == 1)
    assert records[0]["caller"]["number"] == "13800138000"
    assert records[0]["outcome"] == "answered"


async def test_a_hostile_caller_is_only_text(
    open_house: OpenHouse,
    agents: AgentPool,
    callers: Callable[[House], Awaitable[CallerPool]],
) -> None:
    house = await open_house(
        queues_toml(["1001"]), agents=1, static_phones=agents.contacts(["1001"])
    )
    admin = await house.login("admin")
    await admin.available("a1001", "1001")
    pool = await callers(house)
    names = ['<script>alert("1")</script>', "a&PJSIP/1002,60", "=cmd|' /C calc'!A0", "王" * 60]
    for n, name in enumerate(names):
        call = pool.call(DID, caller=f"1390000000{n}", name=name)
        await asyncio.wait_for(call.answered.wait(), PATIENCE_S)
        await until(
            admin, "/interactions?state=live", lambda i: [x["state"] for x in i] == ["talking"]
        )
        pool.hangup(call)
        await until(admin, "/interactions?state=live", lambda i: i == [])
    records = await until(admin, "/contact-records", lambda i: len(i) == len(names))
    assert {r["outcome"] for r in records} == {"answered"}
    assert {who for who, _ in agents.invites} == {"1001"}
    shown = {r["caller"]["number"]: r["caller"]["name"] for r in records}
    assert shown["13900000001"] == names[1]
    # Asterisk keeps 79 bytes of a name; what is left of a cut character is not shown
    assert shown["13900000003"] == "王" * 26


async def test_a_wrong_file_names_every_mistake_and_nothing_starts(tmp_path: Path) -> None:
    wrong = (
        queues_toml(["1001"])
        .replace("strategy =", "stratgy =")
        .replace('queue = "news"', 'queue = "nwes"')
    )
    house = House(tmp_path, Lab("never-started", quiet=True), queues=wrong)
    (tmp_path / "queues.toml").write_text(wrong, encoding="utf-8")
    (tmp_path / "ctid.toml").write_text("", encoding="utf-8")
    with pytest.raises(HouseError, match="ctid ended with 2") as caught:
        await house.start_daemon()
    text = str(caught.value)
    assert "queues.toml:" in text
    assert "stratgy" in text
    assert "strategy" in text
    assert "nwes" in text
    assert "not started" in text

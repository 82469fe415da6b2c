"""Webhooks that really go out, reminders that come when they are due, audio that is erased."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from crmcore import privacy, tasks, webhooks
from crmcore.access import SYSTEM
from crmcore.store import Store
from ctid import crm_duties
from ctid.access import Role, Viewer
from ctid.clock import SystemClock
from ctid.crm_duties import CrmDuties
from ctid.erasure import finish_erasures
from ctid.events import EventHub
from recorder.plan import RecordingPlan
from routing.commands import InteractionAccount, Outcome
from routing.facts import Channel, Party
from routing.ids import InteractionId, RecordingId

pytestmark = pytest.mark.store


class Receiver:
    """Somebody's server: keeps what comes and answers as told."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[str, bytes, str]] = asyncio.Queue()
        self.answers: list[web.Response] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        signature = request.headers.get("X-Ctid-Signature", "")
        self.came.put_nowait((request.path, body, signature))
        return self.answers.pop(0) if self.answers else web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


class House:
    """A store with its duties."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.clock = SystemClock()
        self.hub = EventHub(self.clock)
        self.plan = RecordingPlan(intake_dir=folder / "in", library_dir=folder / "library")
        self.duties = CrmDuties(store, self.hub, self.clock, self.plan)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await Store.open(tmp_path / "ctid.db", SystemClock().now_s())
    house = House(store, tmp_path)
    house.duties.start()
    yield house
    await house.duties.close()
    await store.close()


async def customer(house: House, name: str) -> dict[str, Any]:
    given = {"name": name, "contact_points": [{"value": "13800138000"}]}
    row = await house.store.create_customer(SYSTEM, given, house.clock.now_s())
    house.duties.nudge()
    return row


async def test_a_webhook_is_signed_and_names_no_person(house: House, receiver: Receiver) -> None:
    now = house.clock.now_s()
    hook = await house.store.write(webhooks.create, SYSTEM, receiver.url, ["*"], now)
    row = await customer(house, "王小明")
    async with asyncio.timeout(30):
        _, body, signature = await receiver.came.get()
    told = json.loads(body)
    assert (told["event"], told["data"]) == ("customer.created", {"customer": row["id"]})
    assert "王小明".encode() not in body
    stamp, _, mac = signature.removeprefix("t=").partition(",v1=")
    made = hmac.new(hook["secret"].encode(), stamp.encode() + b"." + body, hashlib.sha256)
    assert mac == made.hexdigest()


async def test_a_refusal_and_a_redirect_are_tried_again_later(
    house: House, receiver: Receiver
) -> None:
    now = house.clock.now_s()
    hook = await house.store.write(webhooks.create, SYSTEM, receiver.url, ["*"], now)
    elsewhere = receiver.url.replace("/hook", "/inside")
    receiver.answers = [web.Response(status=302, headers={"Location": elsewhere})]
    await customer(house, "王小明")
    async with asyncio.timeout(30):
        path, _, _ = await receiver.came.get()
        assert path == "/hook"
        while True:
            [delivery], _ = await house.store.read(webhooks.deliveries, SYSTEM, hook["id"])
            if delivery["attempts"]:  # it is noted right after the answer
                break
    assert (delivery["state"], delivery["last_status"]) == ("pending", 302)
    assert delivery["next_at"] > house.clock.now_s() + 5
    assert receiver.came.empty()  # nobody went where the redirect pointed


async def test_a_reminder_comes_to_its_owner_alone(house: House) -> None:
    viewers = [Viewer(username=name, role=Role.AGENT) for name in ("amy", "bob")]
    amy, bob = (house.hub.subscribe(viewer, session=viewer.username) for viewer in viewers)
    await amy.take(1)
    await bob.take(1)
    now = house.clock.now_s()
    given = {"title": "回访", "owner": "amy", "remind_at": now + 0.2, "due_at": now + 60}
    task = await house.store.write(tasks.create, SYSTEM, given, now)
    house.duties.nudge()
    piece = await amy.take(30)
    assert piece is not None
    assert f'"task":"{task["id"]}"' in piece.decode()
    assert await bob.take(0.1) == b""


async def test_an_erased_person_s_audio_goes_also_after_a_crash(house: House) -> None:
    await house.duties.close()  # they would do it, too
    row = await customer(house, "王小明")
    file = house.plan.library_dir / "2023" / "r.wav"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"RIFF")
    account = InteractionAccount(
        interaction=InteractionId("i1"),
        channel=Channel.VOICE,
        caller=Party(number="13800138000"),
        did="1",
        outcome=Outcome.ABANDONED,
        arrived_at=1.7e9,
        ended_at=1.7e9 + 9,
        recordings=(RecordingId("r"),),
    )
    await house.store.file_contact_record(account, 1.7e9)
    await house.store.put_recording("r", "i1", "ready", 1.7e9, file_name="2023/r.wav", size=4)
    now = house.clock.now_s()
    done = await privacy.erase(house.store.db, SYSTEM, row["id"], "本人要求", now)
    assert (done["finished"], file.exists()) == (False, True)  # as after a crash: no port was asked
    await finish_erasures(house.store, now, house.duties.ports)
    assert not file.exists()
    assert await house.store.read(privacy.unfinished) == []


async def test_an_erasure_that_a_port_failed_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crm_duties, "ERASE_AGAIN_S", 0.01)

    class Port:
        asked = 0
        done = asyncio.Event()

        async def erase(self, recordings: Any, customer: str) -> None:
            self.asked += 1
            if self.asked < 4:
                raise OSError("disk gone")
            self.done.set()

    port = Port()
    house.duties.ports = (port,)
    row = await customer(house, "王小明")
    now = house.clock.now_s()
    done = await privacy.erase(house.store.db, SYSTEM, row["id"], "asked", now, ports=[port])
    assert not done["finished"]
    house.duties.nudge()
    async with asyncio.timeout(30):
        await port.done.wait()


async def test_old_facts_leave_the_journal_by_themselves(house: House) -> None:
    journal, now = house.store.journal, house.clock.now_s()
    for seq, age_days in enumerate((400.0, 181.0, 179.0, 0.0), 1):
        journal.append(
            seq=seq, at=now - age_days * 86400, cause=None, kind="K", interaction=None, payload="{}"
        )
    await journal.flush()
    kept = CrmDuties(house.store, house.hub, house.clock, house.plan, journal_days=0)
    assert await kept.keep_house() == 0
    duties = CrmDuties(house.store, house.hub, house.clock, house.plan, journal_days=180)
    assert await duties.keep_house() == 2
    assert [entry.seq async for entry in journal.read()] == [3, 4]
    assert await journal.verify() == 4
    assert journal.next_seq == 5

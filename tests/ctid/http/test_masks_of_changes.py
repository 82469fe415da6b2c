"""What goes out beside the answers to questions: answers to changes, events, pops, webhooks.

Every request that is not a GET is made, from the table of routes: a new one that nobody gave a body
here fails. The bodies hold the canaries of ``test_masks`` wherever a text can stand, so what
somebody has just written comes back masked as well.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from crmcore import callbacks, matching
from crmcore.access import DEFAULT_POLICY, MASKABLE, SYSTEM, Policy
from ctid.crm import Crm
from ctid.http.routes import ENDPOINTS
from ctid.screen_pop import ScreenPops
from ctid.tasks import cancel_and_wait, spawn
from routing.commands import Offer, Target
from routing.facts import Party
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, QueueId
from routing.views import Changes

from .conftest import PASSWORD
from .test_crm import file_record
from .test_masks import (
    BIRTHDAY,
    CANARIES,
    DISTRICT,
    IN_TEXT,
    LANDLINE,
    MAIL,
    MAIL_IN_TEXT,
    PHONE,
    POSTAL,
    POSTCODE,
    STREET,
    WECHAT,
    fill,
    readable,
    shown,
)

pytestmark = pytest.mark.daemon

ALL = frozenset(MASKABLE)
SAID = f"电话 {IN_TEXT}，信箱 {MAIL_IN_TEXT}"
CUSTOMER = {
    "name": f"欧阳 {IN_TEXT}",
    "title": SAID,
    "birthday": BIRTHDAY,
    "source": SAID,
    "custom": {"x": SAID},
    "tags": [IN_TEXT],
    "roles": [IN_TEXT],
    "contact_points": [
        {"value": PHONE, "label": IN_TEXT, "source": MAIL_IN_TEXT},
        {"value": LANDLINE},
        {"kind": "email", "value": MAIL},
        {"kind": "wechat", "value": WECHAT},
        {"kind": "postal", "value": POSTAL},
    ],
    "addresses": [
        {"label": IN_TEXT, "district": DISTRICT, "street": STREET, "postcode": POSTCODE},
    ],
}
TABLE = (
    f"姓名,手机,邮箱,微信,生日,地址,区,邮编,备注\n"
    f"某某,{PHONE},{MAIL},{WECHAT},{BIRTHDAY},{STREET},{DISTRICT},{POSTCODE},{SAID}\n"
)
MAPPING = ["name", "phone", "email", "wechat", "birthday", "street", "district", "postcode", ""]
AGENT = {"kind": "agent", "to": "1002"}

# path -> body; bytes are a file. Two bodies: the request is made twice.
CHANGES: dict[str, list[Any]] = {
    "PUT /agents/{id}/status": [{"status": "paused", "reason": "lunch", "why": SAID}],
    "POST /agents/{id}/wrap-up": [{"action": "finish"}],
    "PUT /interactions/{id}/disposition": [{"code": "tip", "notes": SAID}],
    "POST /interactions/{id}/supervise": [{"mode": "monitor", "reason": SAID}],
    "PATCH /interactions/{id}/supervise": [{"mode": "whisper"}],
    "DELETE /interactions/{id}/supervise": [None],
    "POST /interactions/{id}/intercept": [{"reason": SAID}],
    "POST /interactions/{id}/release": [{"reason": SAID}],
    "POST /calls": [{"to": PHONE, "name": SAID, "queue": "news"}],
    "POST /interactions/{id}/hold": [None],
    "POST /interactions/{id}/unhold": [None],
    "POST /interactions/{id}/transfer": [AGENT, {"kind": "number", "to": PHONE}],
    "POST /interactions/{id}/consult": [AGENT, {"kind": "number", "to": PHONE}],
    "PATCH /interactions/{id}/consult": [{"ask": "swap"}],
    "POST /interactions/{id}/conference": [AGENT, {"kind": "number", "to": PHONE}],
    "POST /interactions/{id}/hang-up": [None],
    "POST /interactions/{id}/answer": [None],
    "POST /interactions/{id}/mute": [None],
    "POST /interactions/{id}/unmute": [None],
    "POST /interactions/{id}/dtmf": [{"digits": PHONE}],
    "POST /interactions/{id}/recording": [{"action": "stop", "reason": SAID}],
    "POST /customers": [CUSTOMER, CUSTOMER],
    "PATCH /customers/{id}": [CUSTOMER],
    "POST /customers/{id}/numbers": [{"number": PHONE}, {"interaction": "i.live"}],
    "POST /customers/{id}/notes": [{"text": f"@amy @sue @root {SAID}"}],
    "PATCH /notes/{id}": [{"text": f"@vic {SAID}"}],
    "PUT /customers/{id}/watching": [{"watching": True}],
    "POST /mentions/{id}/read": [None],
    "POST /customers/{id}/relations": [{"kind": "household", "other": "3", "note": SAID}],
    "POST /customers/{id}/facts": [{"name": IN_TEXT, "value": SAID, "source": SAID}],
    "POST /customers/{id}/attachments": [SAID.encode()],
    "POST /customers/{id}/consents": [
        {"channel": "sms", "purpose": "any", "granted": True, "source": SAID, "proof": SAID}
    ],
    "PATCH /contact-records/{id}": [{"notes": SAID, "survey": {"a": SAID}, "disposition": IN_TEXT}],
    "POST /callbacks": [{"queue": "news", "number": PHONE, "name": SAID}],
    "POST /callbacks/{id}/take": [{"owner": "root"}],
    "POST /callbacks/{id}/result": [{"result": "busy", "note": SAID}],
    "POST /tasks": [{"title": SAID, "text": SAID}],
    "PATCH /tasks/{id}": [{"title": SAID, "text": SAID}],
    "POST /duplicates/scan": [None],
    "POST /duplicates/{id}/dismiss": [None],
    "POST /customers/{id}/merge": [{"gone": "3"}],
    "POST /merges/{id}/undo": [None],
    "POST /imports/uploads": [TABLE.encode(), TABLE.encode()],
    "POST /imports/uploads/{id}/run": [{"mapping": MAPPING, "mode": "both"}],
    "DELETE /imports/uploads/{id}": [None],
    "POST /imports/{id}/undo": [None],
    "PUT /dictionaries/{kind}/{code}": [{"label_zh": "标签"}],
    "POST /views": [{"entity": "customer", "name": SAID, "filter": {"q": SAID, "tag": IN_TEXT}}],
    "POST /webhooks": [{"url": "http://127.0.0.1:9/y", "events": ["*"]}],
    "PATCH /webhooks/{id}": [{"active": True}],
    "POST /webhooks/{id}/secret": [None],
    "POST /webhooks/{id}/test": [None],
    "POST /webhooks/{id}/deliveries/{delivery}/retry": [None],
    "POST /users": [{"username": "eve", "password": PASSWORD, "role": "agent"}],
    "PATCH /users/{id}": [{"name": "艾米"}],
    "PUT /users/{id}/password": [{"password": "secret-22"}],
    "POST /users/{id}/tokens": [{"name": "a token"}],
    "PUT /permissions/{role}/{entity}/{operation}": [{"scope": "none"}],
    "PUT /masks/{role}/{field}": [{"masked": True}],
    "PUT /config/queues": [{"text": ""}],
    "POST /config/queues/check": [{"text": ""}],
    "DELETE /notes/{id}": [None],
    "DELETE /customers/{id}/relations/{relation}": [None],
    "DELETE /customers/{id}/facts/{fact}": [None],
    "DELETE /customers/{id}/attachments/{attachment}": [None],
    "DELETE /views/{id}": [None],
    "DELETE /webhooks/{id}": [None],
    "DELETE /users/{id}/tokens/{token}": [None],
    "POST /customers/{id}/erase": [{"reason": "asked", "name": "x"}],
    "POST /login": [{"username": "root", "password": PASSWORD}],
    "POST /logout": [None],
}
IDS = {
    "agents": "1001", "users": "bob", "callbacks": "1", "duplicates": "1", "merges": "1",
    "mentions": "1", "relation": "1", "fact": "1", "views": "1", "delivery": "1", "token": "1",
    "kind": "tag", "code": "x", "role": "viewer", "entity": "customer", "operation": "export",
    "field": "phone",
}  # fmt: skip


def test_every_change_is_in_the_table() -> None:
    there = {f"{one.method} {one.path}" for one in ENDPOINTS if one.method != "GET"}
    assert set(CHANGES) == there


def path_of(route: str, ids: dict[str, str]) -> str:
    path = route.partition(" ")[2]
    for name in re.findall(r"{(\w+)}", path):
        above = path.partition(f"/{{{name}}}")[0].split("/")
        key = name if name in ids else next(p for p in reversed(above) if p in ids)
        path = path.replace(f"{{{name}}}", ids[key])
    return path


class Changer:
    """Makes every change, and keeps what came back."""

    def __init__(self, client: Any, ids: dict[str, str]) -> None:
        self.client, self.ids = client, {**ids, **IDS}
        self.done: set[str] = set()
        self.answers: list[tuple[str, int, bytes]] = []

    async def change_all(self, heard: Heard | None = None) -> None:
        for route, bodies in CHANGES.items():
            for body in bodies:
                await self.change(route, body)
            if heard and route.endswith("/run") and route in self.done:
                await heard.until("import")  # it runs beside

    async def change(self, route: str, body: Any) -> None:
        more: dict[str, Any] = {"headers": {"If-Match": "*"}}
        if isinstance(body, bytes):
            more |= {"data": body, "params": {"name": f"{IN_TEXT}.csv"}}
            more["headers"]["Content-Type"] = "text/csv"
        elif body is not None:
            more["json"] = body
        method, path = route.split()[0], path_of(route, self.ids)
        async with self.client.http.request(method, self.client.api + path, **more) as response:
            raw = await response.read()
            told = str(response.headers).encode()
        assert response.status < 500, (route, raw)
        self.answers.append((route, response.status, raw + b"\n" + told))
        if response.status < 400:
            self.done.add(route)
            if route == "POST /imports/uploads":
                self.ids["uploads"] = json.loads(raw)["id"]

    def check(self, masks: frozenset[str]) -> None:
        for route, status, raw in self.answers:
            text = raw if raw[:2] != b"PK" else b""
            assert not shown(text, masks), (route, status, shown(text, masks), readable(raw)[:2000])


class Heard:
    """What an event stream tells."""

    def __init__(self) -> None:
        self.raw = b""
        self._more = asyncio.Event()

    def hear(self, piece: bytes) -> None:
        self.raw += piece
        self._more.set()

    def _whole(self) -> bytes:
        """What has come up to its end."""
        return self.raw.rpartition(b"\n\n")[0]

    async def until(self, *events: str) -> None:
        async with asyncio.timeout(30):
            while not all(f"event: {one}\n".encode() in self._whole() for one in events):
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def listening(client: Any, **headers: str) -> AsyncIterator[Heard]:
    """What the client's event stream tells meanwhile."""
    heard = Heard()

    async def listen() -> None:
        async with client.http.get(client.api + "/events", headers=headers) as response:
            async for piece in response.content.iter_any():
                heard.hear(piece)

    task = spawn(listen(), name="listener")
    await heard.until("hello")
    yield heard
    await cancel_and_wait(task)


def mask(site: Any, role: str, masks: frozenset[str]) -> None:
    site.store.policy = Policy(DEFAULT_POLICY.rights, {role: masks})


async def prepare(site: Any, tmp_path: Path) -> dict[str, str]:
    ids = await fill(site, tmp_path)
    now = site.clock.now_s()
    await file_record(site, "i.3", number=LANDLINE, agent=None)
    await site.store.write(matching.link, SYSTEM, LANDLINE, ids["customers"], now)
    return ids


@pytest.mark.parametrize("masks", [*[frozenset((one,)) for one in MASKABLE], ALL])
async def test_the_answer_to_a_change_shows_nothing_either(
    site: Any, log_in: Any, tmp_path: Path, masks: frozenset[str]
) -> None:
    ids = await prepare(site, tmp_path)
    changer = Changer(await log_in("root"), ids)
    mask(site, "admin", masks)
    reload = site.store.reload_policy

    async def keep_the_masks() -> None:
        await reload()
        mask(site, "admin", masks)

    site.store.reload_policy = keep_the_masks
    async with listening(changer.client) as heard:
        await changer.change_all(heard)
        await heard.until("callback", "dictionary", "contact_record")
        changer.check(masks)
        assert not shown(heard.raw, masks), readable(heard.raw)
    assert len(changer.done) >= 50, sorted(set(CHANGES) - changer.done)


@pytest.mark.parametrize("person", ["amy", "sue", "vic"])
async def test_whoever_changes_something(
    site: Any, log_in: Any, tmp_path: Path, person: str
) -> None:
    changer = Changer(await log_in(person), await prepare(site, tmp_path))
    mask(site, (await changer.client.get("/me"))["role"], ALL)
    async with listening(changer.client) as heard:
        await changer.change_all(heard)
        changer.check(ALL)
        assert not shown(heard.raw, ALL), readable(heard.raw)


async def test_the_canaries_are_in_the_answers_without_masks(
    site: Any, log_in: Any, tmp_path: Path
) -> None:
    """Else the tests above would find nothing because nothing is there."""
    changer = Changer(await log_in("root"), await prepare(site, tmp_path))
    await changer.change_all()
    seen = {route for route, _, raw in changer.answers if shown(raw, ALL)}
    assert {
        "POST /customers", "PATCH /customers/{id}", "POST /customers/{id}/numbers",
        "POST /customers/{id}/notes", "PATCH /notes/{id}", "POST /customers/{id}/facts",
        "POST /customers/{id}/relations", "POST /customers/{id}/consents", "POST /tasks",
        "PATCH /tasks/{id}", "PATCH /contact-records/{id}", "POST /callbacks/{id}/take",
        "POST /callbacks/{id}/result", "POST /customers/{id}/merge", "POST /merges/{id}/undo",
        "POST /imports/uploads", "POST /views", "POST /interactions/{id}/hold",
    } <= seen  # fmt: skip
    everything = b"".join(raw for _, _, raw in changer.answers)
    assert shown(everything, ALL) == {one for group in CANARIES.values() for one in group}


# ---- events --------------------------------------------------------------------------------------


def offer() -> Offer:
    return Offer(
        interaction=InteractionId("i.live"),
        offer=OfferId("i.live.o1"),
        queue=QueueId("news"),
        targets=(Target(agent=AgentId("1001"), phone=PhoneId("1001")),),
        ring_timeout_s=15.0,
        caller=Party(number=PHONE, name=f"来电 {IN_TEXT}"),
    )


@pytest.mark.parametrize("masks", [*[frozenset((one,)) for one in MASKABLE], ALL, frozenset()])
async def test_live_calls_and_pops_show_nothing_either(
    site: Any, log_in: Any, tmp_path: Path, masks: frozenset[str]
) -> None:
    await prepare(site, tmp_path)
    amy = await log_in("amy")
    mask(site, "agent", masks)
    crm = Crm(site.store)
    await crm.know_people()
    pops = ScreenPops(
        source=crm, announcer=site.announcer, clock=site.clock, report=lambda fact: None
    )
    async with listening(amy) as heard:
        changed = frozenset((InteractionId("i.live"),))
        site.announcer.changes(
            Changes(interactions=changed, agents=frozenset(), queues=frozenset())
        )
        pops.offer(offer())
        await heard.until("interaction", "pop")
        raw = heard.raw
        assert "诸葛慕" in readable(raw)
        assert not shown(raw, masks), readable(raw)
        if not masks:
            assert {"3876543", "3912345"} <= shown(raw, ALL)
    if masks:  # a page that is loaded again gets the open pop again
        async with listening(amy) as again:
            await again.until("pop")
            assert not shown(again.raw, masks)


async def test_what_was_told_in_full_is_not_told_again_once_it_is_masked(
    site: Any, log_in: Any, tmp_path: Path
) -> None:
    ids = await prepare(site, tmp_path)
    amy, root = await log_in("amy"), await log_in("root")
    crm = Crm(site.store)
    await crm.know_people()
    pops = ScreenPops(
        source=crm, announcer=site.announcer, clock=site.clock, report=lambda fact: None
    )
    async with listening(amy) as heard:
        pops.offer(offer())
        await heard.until("pop")
        assert shown(heard.raw, ALL)
    once = {"Idempotency-Key": "k1"}
    asked = ("POST", f"/customers/{ids['customers']}/numbers", {"number": PHONE})
    _, told, _ = await amy.call(*asked, headers=once)
    assert shown(json.dumps(told).encode(), ALL)
    for field in MASKABLE:
        status, _, _ = await root.call("PUT", f"/masks/agent/{field}", {"masked": True})
        assert status == 200
    begin = {"Last-Event-ID": f"{site.hub.boot.decode()}-0"}
    async with listening(amy, **begin) as heard:
        await heard.until("reset")
        assert not shown(heard.raw, ALL), readable(heard.raw)
    _, again, _ = await amy.call(*asked, headers=once)
    assert not shown(json.dumps(again).encode(), ALL)


async def test_no_body_of_a_webhook_tells_anything_of_a_person(
    site: Any, log_in: Any, tmp_path: Path
) -> None:
    changer = Changer(await log_in("root"), await prepare(site, tmp_path))
    await changer.change("PATCH /webhooks/{id}", {"active": True})
    for route, bodies in CHANGES.items():
        if route.startswith("DELETE /webhooks"):
            continue
        for body in bodies:
            await changer.change(route, body)
    now = site.clock.now_s()
    entry = (await site.store.read(callbacks.page, SYSTEM))[0][0]["id"]
    await site.store.write(callbacks.result, SYSTEM, entry, "reached", now, note=SAID)
    sent = await site.store.db.read(
        lambda conn: conn.execute(
            "SELECT event, body, last_error FROM webhook_deliveries"
        ).fetchall()
    )
    assert {row["event"] for row in sent} >= {
        "customer.created", "customer.updated", "customer.merged", "contact_record.filed",
        "contact_record.updated", "callback.opened", "callback.closed", "task.created",
        "task.updated", "webhook.test",
    }  # fmt: skip
    for row in sent:
        assert not shown(f"{row['body']} {row['last_error']}".encode(), ALL), tuple(row)
        assert "诸葛" not in row["body"]

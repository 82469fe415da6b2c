"""No answer, export or event shows a role what its masks hide; nor can it be guessed by asking.

The endpoints come from the table of routes: a new one is asked too, and one with a parameter that
nobody knows here fails until it is told.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmcore import (
    callbacks,
    consent,
    dictionaries,
    duplicates,
    importing,
    matching,
    merge,
    notes,
    relations,
    tasks,
    webhooks,
)
from crmcore.access import (
    ACTIONS,
    DEFAULT_MASKS,
    DEFAULT_POLICY,
    ENTITIES,
    MASKABLE,
    SYSTEM,
    Policy,
    Scope,
)
from ctid import hindsight
from ctid.http.routes import ENDPOINTS
from routing.facts import Party
from routing.ids import AgentId, QueueId

from .test_crm import file_record, keep_recording

pytestmark = pytest.mark.daemon


@pytest.fixture(autouse=True)
def beside_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """An explanation is of low priority; beside tests that compute, it would wait for their end."""
    monkeypatch.setattr(hindsight, "NICE", 0)
    monkeypatch.setattr(hindsight, "LIMIT_S", 600.0)


PHONE, LANDLINE, SECOND = "13876543210", "025-87659834", "+442079467391"
IN_TEXT, MAIL_IN_TEXT = "13912345067", "secret.mouth@text.example"
MAIL, WECHAT = "murong.private@example.cn", "wx_zhuge_7788"
DISTRICT, STREET, POSTCODE, POSTAL = "白鹭洲区", "琵琶巷八十八号", "214918", "夫子庙邮局信箱九十"
BIRTHDAY = "1966-06-16"

# mask -> what no answer may hold; digits are looked for with what stands between them taken out
CANARIES = {
    "phone": ("3876543", "8765432", "7654321", "7659834"[:6], "2079467", "0794673", "3912345"),
    "email": ("murong.private", "zhuge_7788", "secret.mouth"),
    "address": (DISTRICT, STREET, POSTCODE, "邮局信箱"),
    "birthday": (BIRTHDAY, BIRTHDAY.replace("-", "")),
    "notes": ("3912345", "9123450", "secret.mouth"),
}
_BETWEEN = re.compile(r"(?<=\d)[\s\-()./·_,~‑‒―−〜～]+(?=\d)")
# drawn ids, digests and times of the clock hold any few digits by chance
_CHANCE = re.compile(r"\b(?:(?=\d*[a-f])[0-9a-f]{24,64}|1\d{9}\.\d+)\b")
_CHINESE_DIGITS = str.maketrans("〇零一二三四五六七八九幺", "001234567891")
OTHERWISE = ("139~1234~5067", "139‑1234‑5067", "一三九一二三四五〇六七", "１３９１２３４５０６７")
"""Further ways to write the number that stands in texts."""


async def fill(site: Any, tmp_path: Path) -> dict[str, str]:
    """One customer, with a canary wherever a value of the kind can stand. Ids by parameter."""
    store, now = site.store, site.clock.now_s()
    write = store.write
    hook = await write(webhooks.create, SYSTEM, "http://127.0.0.1:9/x", ["*"], now)
    told = f"电话 139-1234-5067 或 {IN_TEXT}，信箱 {MAIL_IN_TEXT}"
    given = {
        "name": f"诸葛慕容 {IN_TEXT}",
        "title": told[:60],
        "birthday": BIRTHDAY,
        "owner": "amy",
        "team": "red",
        "sex": IN_TEXT,
        "language": IN_TEXT,
        "source": told,
        "tags": [IN_TEXT, *OTHERWISE],
        "roles": [f"{IN_TEXT} 的家人"],
        "custom": {"spare": told, "mail": MAIL_IN_TEXT},
        "contact_points": [
            {"value": "138-7654-3210", "label": IN_TEXT, "source": told},
            {"value": LANDLINE},
            {"value": SECOND},
            {"kind": "email", "value": MAIL},
            {"kind": "wechat", "value": WECHAT},
            {"kind": "postal", "value": POSTAL},
        ],
        "addresses": [
            {
                "city": "南京市",
                "district": DISTRICT,
                "street": STREET,
                "postcode": POSTCODE,
                "label": IN_TEXT,
                "source": told,
            },
            {"city": f"苏州 {IN_TEXT}", "street": f"收件 {IN_TEXT}", "country": IN_TEXT},
        ],
    }
    who = (await store.create_customer(SYSTEM, given, now))["id"]
    twin = (await store.create_customer(SYSTEM, {**given, "name": "诸葛慕容"}, now))["id"]
    third = (await store.create_customer(SYSTEM, {**given, "name": "诸葛慕蓉"}, now))["id"]
    await duplicates.scan(store.db, now)
    await store.update_customer(SYSTEM, who, {"title": f"旧 {told[:50]}"}, now)
    await write(merge.merge, SYSTEM, who, twin, now)
    names = " ".join(f"@{name}" for name in ("amy", "bob", "sue", "root", "vic"))
    note = await write(notes.add, SYSTEM, who, f"{names} {told}", now)
    await write(relations.relate, SYSTEM, who, "household", third, now, note=told)
    await write(relations.state_fact, SYSTEM, who, "旧号", told, f"来电 {IN_TEXT}", now)
    file = await write(
        relations.attach, SYSTEM, who, f"{IN_TEXT}.txt", "text/plain", told.encode(), now
    )
    given = {"title": told, "text": told, "customer": who, "owner": "amy", "team": "red"}
    task = await write(tasks.create, SYSTEM, given, now)
    await write(matching.link, SYSTEM, PHONE, who, now)
    await write(
        consent.record_consent, SYSTEM, who, "sms", "any", True, f"来电 {IN_TEXT}", now, proof=told
    )
    record = await file_record(site, "i.1", number=PHONE, recording="r.1")
    await file_record(site, "i.2", number=PHONE, agent=None)
    await keep_recording(site, tmp_path, "r.1", "i.1")
    await write(callbacks.result, SYSTEM, "1", "no_answer", now, note=told)
    changed = {"notes": told, "survey": {"text": told}, "disposition": f"问 {IN_TEXT}"}
    await store.update_contact_record(SYSTEM, record, changed, now)
    await write(
        dictionaries.save_view, SYSTEM, "customer", f"他 {IN_TEXT}", {"q": told}, shared=True
    )
    await store.update_customer(SYSTEM, who, {"vip": True}, now)
    table = tmp_path / "in.csv"
    place = f"{STREET},{DISTRICT},{POSTCODE},{BIRTHDAY},{MAIL},{WECHAT},{STREET}"
    rows = f"坏行,{PHONE},{told},{place}\n新来的,{PHONE},{told},{place}\n"
    table.write_text("姓名,手机,备注,地址,区,邮编,生日,邮箱,微信,不用的\n" + rows)
    mapping = [
        "name", "phone", "custom.note", "street", "district", "postcode", "birthday", "email",
        "wechat", "",
    ]  # fmt: skip
    done = await importing.run(
        store.db, SYSTEM, table, mapping, "both", now, file_name=f"{IN_TEXT} {MAIL_IN_TEXT}.csv"
    )
    assert done.refused == 2  # the number is two customers'
    view = site.board.arrive("i.live", QueueId("news"), AgentId("1001"))
    caller = Party(number=PHONE, name=f"来电 {IN_TEXT}")
    site.board.live["i.live"] = replace(view, caller=caller, customer_name=f"诸葛慕容 {IN_TEXT}")
    return {
        "customers": str(who),
        "attachment": str(file["id"]),
        "contact-records": str(record),
        "recordings": "r.1",
        "tasks": str(task["id"]),
        "notes": str(note["id"]),
        "imports": str(done.import_id),
        "webhooks": str(hook["id"]),
        "users": "me",
        "interactions": "i.live",
        "queues": "news",
        "uploads": "unknown",
        "config": "unknown",
    }


def paths(ids: dict[str, str]) -> list[str]:
    """Every GET, with its parameters filled in."""
    found = []
    for one in ENDPOINTS:
        if one.method != "GET" or one.media == "text/event-stream":
            continue
        path = one.path
        for name in re.findall(r"{(\w+)}", one.path):
            above = path.partition(f"/{{{name}}}")[0].split("/")
            key = name if name in ids else next(p for p in reversed(above) if p in ids)
            path = path.replace(f"{{{name}}}", ids[key])
        formats = {
            "/exports/customers": ("csv", "xlsx", "vcf"),
            "/exports/contact-records": ("xlsx",),
        }
        found += [f"{path}?format={f}" for f in formats.get(path, ())] or [path]
    lists = ("/mentions?all=true", "/callbacks?state=all", "/tasks?state=all", "/audit?limit=200")
    return [*found, "/exports/contact-records", *lists]


def readable(raw: bytes) -> str:
    """The text of an answer, whatever it is packed in, with digits standing together."""
    if raw[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            raw = b"\n".join(packed.read(name) for name in packed.namelist())
    text = raw.decode("utf-8", "replace").replace("\r\n ", "")
    if "\\u" in text:
        text += json.dumps(json.loads(text), ensure_ascii=False)
    text = _CHANCE.sub("", text)
    plain = unicodedata.normalize("NFKC", text).translate(_CHINESE_DIGITS)
    return f"{text}\n{_BETWEEN.sub('', plain)}"


def shown(raw: bytes, masks: frozenset[str]) -> set[str]:
    text = readable(raw)
    return {one for mask in masks for one in CANARIES[mask] if one in text}


def guesses(mask: str) -> list[str]:
    """Words that find the customer, if what is masked is searched."""
    return {
        "phone": [PHONE[:7], PHONE[:10], PHONE[-4:], PHONE[3:], f"慕容 {IN_TEXT[:8]}", "87659834"],
        "email": [MAIL, "murong", "private@example", WECHAT, "secret.mouth"],
        "address": ["琵琶巷", DISTRICT, "八十八号", "邮局信箱"],
        "birthday": [],
        "notes": [IN_TEXT[:8], f"或 {IN_TEXT[:8]}", "或 13912", "secret.mouth", "x139"],
    }[mask]


class Asker:
    """Asks as root, whose role is given another policy each time."""

    def __init__(self, site: Any, client: Any, ids: dict[str, str]) -> None:
        self.site, self.client, self.ids = site, client, ids

    async def look(self, policy: Policy, masks: frozenset[str]) -> None:
        self.site.store.policy = policy
        answered = 0
        for path in paths(self.ids):
            status, raw = await self.get(path)
            answered += status == 200
            assert not shown(raw, masks), (path, masks, shown(raw, masks), readable(raw)[:3000])
        for mask in sorted(masks):
            for guess in guesses(mask):
                for base in ("/customers?q=", "/contact-records?q=", "/exports/contact-records?q="):
                    status, raw = await self.get(base + guess)
                    if status == 200:
                        found = (
                            json.loads(raw)["items"] if raw[:1] == b"{" else raw.split(b"\n")[1:-1]
                        )
                        assert not found, (base, guess, masks)
        self.answered = answered

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.client.http.get(self.client.api + path) as response:
            assert response.status < 500, path
            return response.status, await response.read()


@pytest.mark.parametrize("masks", [frozenset((one,)) for one in MASKABLE] + [frozenset(MASKABLE)])
async def test_who_may_do_all_but_see_a_field_sees_it_nowhere(
    site: Any, log_in: Any, tmp_path: Path, masks: frozenset[str]
) -> None:
    asker = Asker(site, await log_in("root"), await fill(site, tmp_path))
    await asker.look(Policy(DEFAULT_POLICY.rights, {"admin": masks}), masks)
    assert asker.answered > 35


async def test_the_canaries_are_seen_without_masks(site: Any, log_in: Any, tmp_path: Path) -> None:
    """Else the other tests would find nothing because nothing is there."""
    asker = Asker(site, await log_in("root"), await fill(site, tmp_path))
    for path in paths(asker.ids):
        status, raw = await asker.get(path)
        if path in ("/customers/1", "/exports/customers?format=vcf", "/audit?limit=200"):
            seen = shown(raw, frozenset(MASKABLE))
            assert {"3876543", "murong.private", STREET} <= seen, (path, status)
    for guess in ("murong", "琵琶巷", PHONE[:7], "secret.mouth"):
        assert json.loads((await asker.get(f"/customers?q={guess}"))[1])["items"], guess
    assert json.loads((await asker.get("/contact-records?q=secret.mouth"))[1])["items"]


@pytest.mark.parametrize("person", ["amy", "bob", "sue", "vic"])
async def test_the_roles_as_they_are_and_with_every_mask(
    site: Any, log_in: Any, tmp_path: Path, person: str
) -> None:
    asker = Asker(site, await log_in(person), await fill(site, tmp_path))
    role = (await asker.client.get("/me"))["role"]
    await asker.look(DEFAULT_POLICY, DEFAULT_MASKS.get(role, frozenset()))
    await asker.look(
        Policy(DEFAULT_POLICY.rights, {role: frozenset(MASKABLE)}), frozenset(MASKABLE)
    )


RIGHTS = st.dictionaries(
    st.tuples(st.just("supervisor"), st.sampled_from(ENTITIES), st.sampled_from(ACTIONS)),
    st.sampled_from(Scope),
    max_size=60,
)


async def test_any_role_that_can_be_defined(site: Any, log_in: Any, tmp_path: Path) -> None:
    asker = Asker(site, await log_in("sue"), await fill(site, tmp_path))
    loop = asyncio.get_running_loop()

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(RIGHTS, st.frozensets(st.sampled_from(MASKABLE), min_size=1))
    def check(rights: dict[tuple[str, str, str], Scope], masks: frozenset[str]) -> None:
        policy = Policy({**DEFAULT_POLICY.rights, **rights}, {"supervisor": masks})
        asyncio.run_coroutine_threadsafe(asker.look(policy, masks), loop).result(600)

    await asyncio.to_thread(check)

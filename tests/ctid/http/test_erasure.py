"""Who is erased is told again by nothing: not from memory, not by any answer, not by a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crmcore.access import SYSTEM
from crmcore.errors import NotFound
from ctid.access import Role, Viewer
from routing.ids import AgentId, InteractionId
from tests.crmcore import forms, test_forgetting

from . import test_masks
from .test_crm import keep_recording

pytestmark = pytest.mark.daemon

NUMBER = "13876543210"


async def test_an_answer_or_event_of_before_is_not_given_again(site: Any, log_in: Any) -> None:
    root = await log_in("root")
    given = {"name": "诸葛慕容", "contact_points": [{"kind": "phone", "value": NUMBER}]}
    once = {"Idempotency-Key": "k1"}
    status, made, _ = await root.call("POST", "/customers", given, headers=once)
    assert status == 200
    again = await root.call("POST", "/customers", given, headers=once)
    assert again[1] == made  # it is kept
    site.hub.publish("interaction", {"number": NUMBER}, audience=lambda viewer: True)
    viewer = Viewer(
        username="root",
        display_name="",
        role=Role.ADMIN,
        agent=None,
        teams=frozenset(),
        language="en",
    )
    before = f"{site.hub.boot.decode()}-0"

    async def told() -> bytes:
        stream = site.hub.subscribe(viewer, session="s", last_event_id=before)
        try:
            return bytes(await stream.take(1.0) or b"")
        finally:
            stream.close()

    amy = replace(viewer, username="amy", role=Role.AGENT, agent=AgentId("1001"))
    for name, who in (("i.over", made["id"]), ("i.other", "999")):
        pop = {"interaction": name, "customer": {"id": who, "name": "诸葛慕容"}}
        site.hub.pop(AgentId("1001"), InteractionId(name), pop)

    async def pops() -> bytes:
        stream = site.hub.subscribe(amy, session="s")
        try:
            return bytes(await stream.take(1.0) or b"")
        finally:
            stream.close()

    assert b"i.over" in await pops()
    assert NUMBER.encode() in await told()
    body = {"name": "诸葛慕容", "reason": "asked"}
    status, done, _ = await root.call("POST", f"/customers/{made['id']}/erase", body)
    assert status == 200, done
    again_popped = await pops()
    assert b"i.over" not in again_popped
    assert b"i.other" in again_popped
    heard = await told()
    assert NUMBER.encode() not in heard
    assert b"event: reset" in heard
    _, new, _ = await root.call("POST", "/customers", given, headers=once)
    assert new["id"] != made["id"]  # nothing is known of the first
    with pytest.raises(NotFound):
        await site.store.customer(SYSTEM, made["id"])


async def test_no_answer_export_or_file_names_who_was_erased(
    site: Any, log_in: Any, tmp_path: Path
) -> None:
    """Every GET of the route table, asked by one who sees everything."""
    who, other = await test_forgetting.fill(site.store, tmp_path)
    await keep_recording(site, tmp_path, "r.1", "i1")
    root = await log_in("root")
    ids = dict.fromkeys(
        ("attachment", "tasks", "notes", "imports", "webhooks", "contact-records"), "1"
    )
    ids |= {"recordings": "r.1", "users": "me", "interactions": "i1", "queues": "news"}
    ids |= {"uploads": "x", "config": "x"}

    async def told() -> tuple[int, set[str]]:
        answered, seen = 0, set()
        for customer in (who, other):
            for path in [*test_masks.paths({**ids, "customers": customer}), "/customers?q=诸葛"]:
                async with root.http.get(root.api + path) as response:
                    raw = await response.read()
                    answered += response.status == 200
                    seen |= forms.search(raw, test_forgetting.WANTED)
        return answered, seen

    before = await told()
    assert before[0] > 70
    people = {one.partition(":")[0] for one in before[1]}
    assert len(people) > len(test_forgetting.PERSON) - 5, people
    name = (await root.get(f"/customers/{who}"))["name"]
    status, done, _ = await root.call(
        "POST", f"/customers/{who}/erase", {"name": name, "reason": "asked"}
    )
    assert (status, done["contact_records"]) == (200, 2), done
    answered, seen = await told()
    assert answered > 55
    assert seen == set()
    assert forms.search_files(tmp_path, test_forgetting.WANTED) == {}

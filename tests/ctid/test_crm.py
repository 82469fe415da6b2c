"""The CRM's answers in the shapes that screen-pops and clients take."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmcore import rights
from crmcore.access import SYSTEM
from crmcore.store import Store
from ctid.crm import Crm
from ctid.http.crm_models import ContactRecord, Customer
from ctid.view_json import dumps
from routing.commands import InteractionAccount, Outcome
from routing.facts import Channel, Party
from routing.ids import AgentId, InteractionId, QueueId

pytestmark = pytest.mark.store

NUMBER = "13800138000"


def account(name: str) -> InteractionAccount:
    return InteractionAccount(
        interaction=InteractionId(name),
        channel=Channel.VOICE,
        caller=Party(number=NUMBER),
        did="96060",
        outcome=Outcome.ANSWERED,
        arrived_at=1.7e9,
        ended_at=1.7e9 + 60,
        queue=QueueId("news"),
        agent=AgentId("1001"),
    )


async def test_a_pop_has_the_shapes_of_the_api(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "ctid.db", 1.7e9)
    point = {"kind": "phone", "value": NUMBER}
    crm = Crm(store)
    nobody = await crm.pop(NUMBER)
    assert (nobody.customer, nobody.candidates, nobody.history) == (None, [], [])
    assert nobody.best() is None

    await store.create_customer(SYSTEM, {"name": "王小明", "contact_points": [point]}, 1.7e9)
    await store.file_contact_record(account("i.1"), 1.7e9 + 61)
    one = await crm.pop("0138 0013 8000")
    assert one.customer is not None
    assert Customer.model_validate_json(dumps(one.customer)).name == "王小明"
    assert one.customer["known"] is True
    assert one.candidates == [one.customer]
    (record,) = one.history
    assert ContactRecord.model_validate_json(dumps(record)).interaction == "i.1"
    assert one.best() == (one.customer["id"], "王小明", True, one.attributes)
    assert one.attributes["last_agent"] == "1001"

    await store.create_customer(SYSTEM, {"name": "王小红", "contact_points": [point]}, 1.7e9)
    shared = await crm.pop(NUMBER)
    assert shared.customer is None  # nobody is taken silently
    assert {c["name"] for c in shared.candidates} == {"王小明", "王小红"}
    assert all(c["id"] and c["known"] for c in shared.candidates)
    first = shared.candidates[0]
    assert shared.best() == (first["id"], first["name"], False, {})
    await store.close()


async def test_a_pop_is_masked_for_those_who_see_masked(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "ctid.db", 1.7e9)
    point = {"kind": "phone", "value": NUMBER}
    await store.create_customer(SYSTEM, {"name": "王小明", "contact_points": [point]}, 1.7e9)
    await store.file_contact_record(account("i.1"), 1.7e9 + 61)
    person = {"username": "amy", "role": "agent", "agent": "1001"}
    await store.users.create(SYSTEM, person, "long enough", 1.7e9)
    crm, agent = Crm(store), AgentId("1001")
    assert not crm.sees_all(agent)  # nobody is known yet: rather nothing than unmasked
    assert (await crm.pop_as(Party(number=NUMBER), agent))[1] == Party()
    await crm.know_people()
    assert crm.sees_all(agent)
    await store.write(rights.set_mask, SYSTEM, "agent", "phone", True, 1.7e9)
    await store.reload_policy()
    assert not crm.sees_all(agent)
    pop, caller = await crm.pop_as(Party(number=NUMBER, name="来电 13800138000"), agent)
    shown = dumps([pop.customer, pop.candidates, pop.history, caller.number, caller.name])
    assert pop.customer is not None
    assert len(pop.history) == 1
    assert NUMBER not in shown.decode()
    assert "138 0013 8000" not in shown.decode()
    nobody, unseen = await crm.pop_as(Party(number=NUMBER), AgentId("9999"))
    assert (nobody.customer, nobody.candidates, unseen.number) == (None, [], "")
    await store.close()

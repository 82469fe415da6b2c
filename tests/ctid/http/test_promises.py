"""Putting somebody in line to be called back."""

from __future__ import annotations

from typing import Any

import pytest

from crmcore import audit as trail
from crmcore.access import SYSTEM
from routing.facts import CallbackRequested

pytestmark = pytest.mark.daemon

BODY = {"queue": "news", "number": "13800138000", "name": "王先生"}


async def test_a_promise_becomes_a_fact_once(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    body = BODY | {"not_before": "2026-11-22T08:00:00+08:00"}
    key = {"Idempotency-Key": "k1"}
    status, answer, _ = await client.call("POST", "/callbacks", body, headers=key)
    assert status == 200
    again = await client.call("POST", "/callbacks", body, headers=key)
    assert again[1] == answer
    [fact] = site.board.facts
    assert isinstance(fact, CallbackRequested)
    assert (fact.callback, fact.queue, fact.number, fact.name) == (
        answer["interaction"],
        "news",
        "13800138000",
        "王先生",
    )
    assert (fact.not_before, fact.by, fact.interaction) == (1795305600.0, "amy", None)
    entries = await site.store.read(trail.entries, SYSTEM, username="amy")
    assert [e["action"] for e in entries].count("promise") == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"queue": "nope"}, "body.queue"),
        ({"number": ""}, "body.number"),
        ({"number": "139&PJSIP/1001"}, "body.number"),
        ({"number": "1" * 40}, "body.number"),
        ({"name": "a\r\nb"}, "body.name"),
        ({"not_before": "2026-11-22T08:00:00"}, "body.not_before"),
    ],
)
async def test_a_wrong_promise_names_the_field(
    site: Any, log_in: Any, change: dict[str, str], field: str
) -> None:
    client = await log_in("root")
    status, problem, _ = await client.call("POST", "/callbacks", BODY | change)
    assert (status, problem["errors"][0]["field"]) == (422, field)
    assert site.board.facts == []


async def test_only_for_ones_own_queues(site: Any, log_in: Any) -> None:
    client = await log_in("bob")
    status, problem, _ = await client.call("POST", "/callbacks", BODY)
    assert (status, problem["code"]) == (403, "forbidden")
    status, _, _ = await client.call("POST", "/callbacks", BODY | {"queue": "ads"})
    assert status == 200

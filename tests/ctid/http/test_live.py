"""Agents, queues, interactions and what people do with them, role by role."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from crmcore import audit as trail
from crmcore.access import SYSTEM
from routing.facts import (
    AgentStatus,
    AgentStatusSet,
    DispositionSet,
    ReleaseRequested,
    WrapUpExtended,
    WrapUpFinished,
)
from routing.ids import AgentId, QueueId

pytestmark = pytest.mark.daemon


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page["items"]]


@pytest.mark.parametrize(
    ("user", "agents", "queues"),
    [
        ("amy", ["1001", "1002"], ["news"]),
        ("bob", ["2001"], ["ads"]),
        ("sue", ["1001", "1002"], ["ads", "news"]),
        ("root", ["1001", "1002", "2001"], ["ads", "news"]),
    ],
)
async def test_everyone_sees_the_own_part(
    log_in: Any, user: str, agents: list[str], queues: list[str]
) -> None:
    client = await log_in(user)
    assert ids(await client.get("/agents")) == agents
    assert ids(await client.get("/queues")) == queues


async def test_a_viewer_sees_figures_only(site: Any, log_in: Any) -> None:
    site.board.arrive("i1")
    client = await log_in("vic")
    assert ids(await client.get("/queues")) == ["ads", "news"]
    for path in ("/agents", "/interactions", "/interactions/i1", "/config/queues"):
        status, problem, _ = await client.call("GET", path)
        assert (status, problem["code"]) == (403, "forbidden")


async def test_one_queue_has_its_figures(site: Any, log_in: Any) -> None:
    site.board.arrive("i1")
    client = await log_in("amy")
    queue = await client.get("/queues/news")
    assert (queue["name"], queue["waiting"]) == ("新闻热线", 1)
    for other in ("ads", "nope", "%00", "..%2F..%2Fetc", "%F0%9F%93%9E", "x" * 300):
        status, problem, _ = await client.call("GET", f"/queues/{other}")
        assert (status, problem["code"]) == (404, "not_found")


async def test_an_agent_sets_the_own_status(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    status, agent, _ = await client.call(
        "PUT", "/agents/me/status", {"status": "available", "phone": "1002"}
    )
    assert status == 200
    assert (agent["id"], agent["status"], agent["phone"]) == ("1001", "available", "1002")
    assert site.board.facts == [
        AgentStatusSet(agent=AgentId("1001"), status=AgentStatus.AVAILABLE, phone="1002")
    ]
    status, agent, _ = await client.call(
        "PUT", "/agents/1001/status", {"status": "paused", "reason": "lunch"}
    )
    assert (status, agent["reason"]) == (200, "lunch")


@pytest.mark.parametrize(
    ("body", "field", "choices"),
    [
        ({"status": "paused", "reason": "nap"}, "body.reason", ["lunch"]),
        ({"status": "paused"}, "body.reason", ["lunch"]),
        ({"status": "available", "reason": "lunch"}, "body.reason", None),
        ({"status": "available", "phone": "9999"}, "body.phone", ["1001", "1002", "2001"]),
        ({"status": "asleep"}, "body.status", None),
        ({}, "body.status", None),
        ({"status": "available", "x": 1}, "body.x", None),
        ({"status": "available", "phone": "1\r\n2"}, "body.phone", None),
        ({"status": None}, "body.status", None),
        ({"status": "available", "reason": "r" * 300}, "body.reason", None),
    ],
)
async def test_a_wrong_status_names_field_and_choices(
    site: Any, log_in: Any, body: Any, field: str, choices: list[str] | None
) -> None:
    client = await log_in("amy")
    status, problem, _ = await client.call("PUT", "/agents/me/status", body)
    assert (status, problem["code"]) == (422, "invalid")
    assert problem["errors"][0]["field"] == field
    assert problem["errors"][0].get("choices") == choices
    assert site.board.facts == []


@pytest.mark.parametrize(
    ("user", "agent", "expected"),
    [
        ("amy", "1001", 200),
        ("amy", "1002", 403),  # a colleague is seen, not commanded
        ("amy", "2001", 403),
        ("sue", "1001", 200),
        ("sue", "2001", 403),
        ("sue", "me", 403),
        ("root", "2001", 200),
        ("root", "nobody", 404),
        ("vic", "1001", 403),
    ],
)
async def test_who_may_set_whose_status(
    site: Any, log_in: Any, user: str, agent: str, expected: int
) -> None:
    client = await log_in(user)
    status, _, _ = await client.call("PUT", f"/agents/{agent}/status", {"status": "available"})
    assert status == expected
    assert len(site.board.facts) == (expected == 200)
    if expected == 200 and user != "amy":
        assert site.board.facts[0].by == user
    entries = await site.store.read(trail.entries, SYSTEM, username=user)
    if expected == 403:
        assert [(e["action"], e["entity_id"]) for e in entries] == [("refused", agent)]
    elif expected == 200 and user != "amy":
        assert [(e["action"], e["entity_id"]) for e in entries] == [("set_status", agent)]
    else:
        assert entries == []


async def test_wrap_up_is_finished_or_extended(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    assert (await client.call("POST", "/agents/me/wrap-up", {"action": "finish"}))[0] == 200
    body = {"action": "extend", "extra_s": 90}
    assert (await client.call("POST", "/agents/me/wrap-up", body))[0] == 200
    assert site.board.facts == [
        WrapUpFinished(agent=AgentId("1001")),
        WrapUpExtended(agent=AgentId("1001"), extra_s=90.0),
    ]
    for wrong in (-1, 0, 1e9, "x", None):
        body = {"action": "extend", "extra_s": wrong}
        assert (await client.call("POST", "/agents/me/wrap-up", body))[0] == 422


async def test_what_the_engine_refuses_is_409_with_its_words(site: Any, log_in: Any) -> None:
    site.board.refuse_with = "no wrap-up is running"
    client = await log_in("amy")
    status, problem, _ = await client.call("POST", "/agents/me/wrap-up", {"action": "finish"})
    assert (status, problem["code"]) == (409, "refused")
    assert problem["detail"] == "no wrap-up is running"


async def test_an_engine_that_does_not_answer_is_504(make_site: Any, log_in: Any) -> None:
    site = await make_site(submit_timeout_s=0.05)
    site.board.stuck = asyncio.Event()
    client = await log_in("amy", site.api)
    status, problem, _ = await client.call("POST", "/agents/me/wrap-up", {"action": "finish"})
    assert (status, problem["code"]) == (504, "timeout")


@pytest.mark.parametrize(
    ("user", "seen"),
    [
        ("amy", ["mine"]),
        ("bob", []),
        ("sue", ["mine", "waiting"]),
        ("root", ["mine", "waiting", "other"]),
    ],
)
async def test_live_interactions_by_role(
    site: Any, log_in: Any, user: str, seen: list[str]
) -> None:
    site.board.arrive("waiting", at=2.0)
    site.board.arrive("mine", agent=AgentId("1001"), at=1.0)
    site.board.arrive("other", QueueId("ads"), at=3.0)
    client = await log_in(user)
    assert ids(await client.get("/interactions?state=live")) == seen
    for name in ("mine", "waiting", "other"):
        status, _, _ = await client.call("GET", f"/interactions/{name}")
        assert status == (200 if name in seen else 404)
        status, _, _ = await client.call("GET", f"/interactions/{name}/explain")
        allowed = user in ("sue", "root")
        assert status == (403 if not allowed else 200 if name in seen else 404)


async def test_pages_are_whole_and_do_not_shift(site: Any, log_in: Any) -> None:
    names = [f"i{n:02}" for n in range(25)]
    for n, name in enumerate(names):
        site.board.arrive(name, at=float(n // 2))
    client = await log_in("root")
    found, cursor = [], ""
    while True:
        page = await client.get(f"/interactions?limit=4&cursor={cursor}")
        found += ids(page)
        site.board.live.pop(found[0], None)  # one that was shown ends meanwhile
        if page["next"] is None:
            break
        cursor = page["next"]
    assert found == names


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=W10",
        "cursor=WyJhIl0",
        "cursor=%00",
        "cursor=W251bGwsbnVsbF0",
        "cursor=" + "W1tb" * 100,
        "limit=0",
        "limit=1001",
        "limit=x",
        "state=ended",
        "nonsense=1",
        "limit=1&limit=2",
        "queue=%0a",
    ],
)
async def test_a_wrong_query_is_422(log_in: Any, query: str) -> None:
    client = await log_in("root")
    status, problem, _ = await client.call("GET", f"/interactions?{query}")
    assert (status, problem["code"]) == (422, "invalid"), problem


async def test_the_disposition_is_the_agents_word(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    body = {"code": "tip", "notes": "第一行\n第二行"}
    status, _, _ = await client.call("PUT", "/interactions/171.5/disposition", body)
    assert status == 204
    assert site.board.facts == [
        DispositionSet(
            interaction="171.5", agent=AgentId("1001"), code="tip", notes="第一行\n第二行"
        )
    ]
    status, problem, _ = await client.call(
        "PUT", "/interactions/171.5/disposition", {"code": "nope"}
    )
    assert (status, problem["errors"][0]["choices"]) == (422, ["tip", "other"])
    status, _, _ = await client.call(
        "PUT", "/interactions/171.5/disposition", {"code": "tip", "notes": "\x00"}
    )
    assert status == 422
    for user in ("sue", "vic"):
        other = await log_in(user)
        status, _, _ = await other.call("PUT", "/interactions/171.5/disposition", {"code": "tip"})
        assert status == 403


@pytest.mark.parametrize(
    ("user", "interaction", "expected"),
    [
        ("amy", "mine", 403),
        ("sue", "mine", 204),
        ("sue", "other", 403),
        ("root", "other", 204),
        ("root", "gone", 404),
    ],
)
async def test_release_is_authorised_and_audited(
    site: Any, log_in: Any, user: str, interaction: str, expected: int
) -> None:
    site.board.arrive("mine", agent=AgentId("1001"))
    site.board.arrive("other", QueueId("ads"))
    client = await log_in(user)
    body = {"reason": "卡住", "to_queue": "news"}
    status, _, _ = await client.call("POST", f"/interactions/{interaction}/release", body)
    assert status == expected
    entries = await site.store.read(trail.entries, SYSTEM, username=user)
    if expected == 204:
        assert site.board.facts == [
            ReleaseRequested(interaction=interaction, by=user, reason="卡住", to_queue="news")
        ]
        assert entries[0]["action"] == "release"
        assert entries[0]["source"] == "127.0.0.1"
        assert entries[0]["after"]["reason"] == "卡住"
    else:
        assert site.board.facts == []
        assert len(entries) == (expected == 403)
    status, _, _ = await client.call(
        "POST", f"/interactions/{interaction}/release", {"to_queue": "nowhere"}
    )
    assert status in ((422,) if expected == 204 else (expected,))


async def test_the_same_action_with_the_same_key_is_done_once(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    path, body = "/agents/me/wrap-up", {"action": "finish"}
    headers = {"Idempotency-Key": "k-1"}
    site.board.stuck = asyncio.Event()
    both = [
        asyncio.get_running_loop().create_task(client.call("POST", path, body, headers=headers))
        for _ in range(2)
    ]
    await site.board.submitted.wait()
    site.board.stuck.set()
    first, second = await asyncio.gather(*both)
    third = await client.call("POST", path, body, headers=headers)
    assert first[:2] == second[:2] == third[:2]
    assert first[0] == 200
    assert len(site.board.facts) == 1
    status, problem, _ = await client.call("POST", path, {"action": "extend"}, headers=headers)
    assert (status, problem["code"]) == (422, "idempotency_key_reused")
    await client.call("POST", path, body, headers={"Idempotency-Key": "k-2"})
    other = await log_in("root")
    await other.call("POST", "/agents/1001/wrap-up", body, headers=headers)
    assert len(site.board.facts) == 3
    status, _, _ = await client.call("POST", path, body, headers={"Idempotency-Key": "k" * 300})
    assert status == 400


async def test_a_refusal_is_replayed_and_a_failure_is_not(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    path, body, headers = "/agents/me/wrap-up", {"action": "finish"}, {"Idempotency-Key": "k"}
    site.board.fail_with = RuntimeError("boom")
    assert (await client.call("POST", path, body, headers=headers))[0] == 500
    site.board.fail_with = None
    site.board.refuse_with = "no"
    assert (await client.call("POST", path, body, headers=headers))[0] == 409
    site.board.refuse_with = ""
    assert (await client.call("POST", path, body, headers=headers))[0] == 409


async def test_the_client_gets_its_choices(log_in: Any) -> None:
    client, root = await log_in("amy"), await log_in("root")

    async def choices(kind: str) -> dict[str, Any]:
        return {one["code"]: one for one in (await client.get("/config/ui"))[kind]}

    lunch = {"code": "lunch", "name": "午餐", "name_zh": "午餐", "offered": True}
    reasons = await choices("pause_reasons")
    assert reasons["lunch"] == lunch
    # what only the dictionary has is there for its names
    assert reasons["meal"] == {"code": "meal", "name": "Meal", "name_zh": "用餐", "offered": False}
    ui = await client.get("/config/ui")
    assert [(d["code"], d["queues"]) for d in ui["dispositions"] if d["offered"]] == [
        ("tip", ["news"]),
        ("other", []),
    ]
    assert ui["phones"] == ["1001", "1002", "2001"]

    # the dictionary's names go before the configuration's one name, its places order the list
    for code, names in (("tip", ("线索", "News tip")), ("other", ("其他", "Other"))):
        entry = {"label_zh": names[0], "label_en": names[1], "position": 5 if code == "tip" else 4}
        assert (await root.call("PUT", f"/dictionaries/disposition/{code}", entry))[0] == 200
    ui = await client.get("/config/ui")
    assert [(d["code"], d["name"], d["name_zh"]) for d in ui["dispositions"] if d["offered"]] == [
        ("other", "Other", "其他"),
        ("tip", "News tip", "线索"),
    ]
    await root.call("PUT", "/dictionaries/disposition/tip", {"active": False})
    retired = (await choices("dispositions"))["tip"]
    assert (retired["offered"], retired["name"], retired["queues"]) == (False, "News tip", ["news"])

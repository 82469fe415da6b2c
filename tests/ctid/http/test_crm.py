"""Customers, contact records and recordings over the real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crmcore import audit as trail
from crmcore.access import SYSTEM
from routing.commands import InteractionAccount, OfferAccount, Outcome
from routing.facts import Channel, Party
from routing.ids import AgentId, InteractionId, OfferId, QueueId, RecordingId

pytestmark = pytest.mark.daemon

SOUND = bytes(range(256)) * 40


async def make_customer(site: Any, name: str, number: str, **more: Any) -> str:
    row = await site.store.create_customer(
        SYSTEM,
        {"name": name, "contact_points": [{"kind": "phone", "value": number}], **more},
        site.clock.now_s(),
    )
    return str(row["id"])


async def file_record(
    site: Any,
    name: str,
    *,
    number: str = "13800138000",
    agent: str | None = "1001",
    queue: str = "news",
    at: float = 1_700_000_000.0,
    recording: str = "",
) -> str:
    account = InteractionAccount(
        interaction=InteractionId(name),
        channel=Channel.VOICE,
        caller=Party(number=number, name="来电"),
        did="96060",
        outcome=Outcome.ANSWERED if agent else Outcome.ABANDONED,
        arrived_at=at,
        ended_at=at + 60,
        answered_at=at + 10 if agent else None,
        queue=QueueId(queue),
        queues=(QueueId(queue),),
        agent=AgentId(agent) if agent else None,
        agents=(AgentId(agent),) if agent else (),
        offers=(
            OfferAccount(
                offer=OfferId(f"{name}.o1"),
                agent=AgentId(agent or "1002"),
                offered_at=at + 5,
                ended_at=at + 10,
                outcome="answered" if agent else "ring_timeout",
            ),
        ),
        recordings=(RecordingId(recording),) if recording else (),
    )
    record, _ = await site.store.file_contact_record(account, at + 61)
    return str(record)


async def keep_recording(site: Any, tmp_path: Path, recording: str, interaction: str) -> None:
    (tmp_path / f"{recording}.wav").write_bytes(SOUND)
    await site.store.put_recording(
        recording, interaction, "ready", 1.7e9, file_name="x.wav", size=len(SOUND), duration_s=6.5
    )


async def test_a_number_finds_every_candidate_in_any_spelling(site: Any, log_in: Any) -> None:
    first = await make_customer(site, "王小明", "13800138000")
    second = await make_customer(site, "王小红", "+86 138 0013 8000")
    client = await log_in("amy")
    for spelling in (
        "13800138000",
        "+8613800138000",
        "0086-138-0013-8000",
        "１３８００１３８０００",
    ):
        page = await client.get("/customers", params={"phone": spelling})
        assert {c["id"] for c in page["items"]} == {first, second}
        assert all(c["known"] for c in page["items"])
    for nobody in ("95588", "anonymous", "'; DROP TABLE customers; --", "+" * 60):
        assert (await client.get("/customers", params={"phone": nobody}))["items"] == []


async def test_words_find_customers_and_pages_list_them(site: Any, log_in: Any) -> None:
    for n in range(5):
        await make_customer(site, f"读者{n}号", f"1390000000{n}")
    client = await log_in("amy")
    found = await client.get("/customers", params={"q": "读者3"})
    assert found["items"][0]["name"] == "读者3号"
    names, cursor = [], ""
    while True:
        page = await client.get("/customers", params={"limit": "2", "cursor": cursor})
        names += [c["name"] for c in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert sorted(names) == [f"读者{n}号" for n in range(5)]
    for query in ('"', "*", "a OR b", "NEAR(", "-", "'", "()", "😀", "%", "\\"):
        await client.get("/customers", params={"q": query})


async def test_one_customer_and_what_was_before(site: Any, log_in: Any) -> None:
    customer = await make_customer(site, "王小明", "13800138000", vip=True)
    await file_record(site, "i.1", at=1.7e9)
    await file_record(site, "i.2", agent="2001", queue="ads", at=1.7e9 + 1000)
    client = await log_in("amy")
    one = await client.get(f"/customers/{customer}")
    assert (one["name"], one["vip"]) == ("王小明", True)
    assert one["created_at"].endswith("Z")
    path = f"/customers/{customer}/timeline"
    whole = await client.get(path)
    assert {e["type"] for e in whole["items"]} == {"contact_record", "change"}
    calls = await client.get(path + "?type=contact_record")
    assert [e["record"]["interaction"] for e in calls["items"]] == ["i.2", "i.1"]
    found, cursor = [], ""
    while cursor is not None:
        page = await client.get(path, params={"limit": "1", "cursor": cursor})
        found += page["items"]
        cursor = page["next"]
    assert found == whole["items"]
    for query in ("type=x", "cursor=nan", "cursor=inf", "cursor=1~%27", "limit=0"):
        assert (await client.call("GET", f"{path}?{query}"))[0] == 422
    for nobody in ("999", "x", "-1", "9" * 30, "1%20OR%201"):
        for path in (f"/customers/{nobody}", f"/customers/{nobody}/timeline"):
            assert (await client.call("GET", path))[0] == 404


async def test_a_contact_record_says_what_became_of_it(site: Any, log_in: Any) -> None:
    customer = await make_customer(site, "王小明", "13800138000")
    record = await file_record(site, "i.1")
    client = await log_in("amy")
    one = await client.get(f"/contact-records/{record}")
    assert one == await client.get("/contact-records/i.1")
    assert one["caller"] == {"number": "13800138000", "name": "来电"}
    assert (one["customer"], one["customer_name"]) == (customer, "王小明")
    assert (one["agent"], one["agent_name"]) == ("1001", "坐席1001")
    assert one["arrived_at"] == "2023-11-14T22:13:20.000Z"
    assert one["offers"] == [
        {
            "id": "i.1.o1",
            "agent": "1001",
            "agent_name": "坐席1001",
            "outcome": "answered",
            "at": "2023-11-14T22:13:25.000Z",
            "ring_s": 5.0,
        }
    ]
    assert one["recording"] is None
    assert "number_key" not in one


async def test_agents_list_their_own_or_a_customers(site: Any, log_in: Any) -> None:
    customer = await make_customer(site, "王小明", "13800138000")
    await file_record(site, "mine")
    await file_record(site, "theirs", agent="2001", queue="ads")
    await file_record(site, "strange", agent="2001", queue="ads", number="13900139000")

    async def listed(user: str, **query: str) -> tuple[int, list[str]]:
        client = await log_in(user)
        status, page, _ = await client.call("GET", "/contact-records", params=query)
        return status, sorted(r["interaction"] for r in page.get("items", []))

    assert await listed("amy") == (200, ["mine"])
    assert await listed("amy", agent="1001") == (200, ["mine"])
    assert await listed("amy", agent="2001") == (403, [])
    assert await listed("amy", customer=customer) == (200, ["mine", "theirs"])
    assert await listed("amy", phone="138 0013 8000") == (200, ["mine", "theirs"])
    assert await listed("amy", interaction="mine") == (200, ["mine"])
    assert await listed("amy", interaction="nothing") == (200, [])
    assert await listed("amy", interaction="strange") == (200, [])
    assert await listed("sue") == (200, ["mine", "strange", "theirs"])
    assert await listed("root", queue="ads") == (200, ["strange", "theirs"])
    assert await listed("root", outcome="abandoned") == (200, [])
    amy = await log_in("amy")
    assert (await amy.call("GET", "/contact-records/strange"))[0] == 404
    assert (await amy.call("GET", "/contact-records/theirs"))[0] == 200  # a customer's history


async def test_records_by_time_and_by_pages(site: Any, log_in: Any) -> None:
    for n in range(7):
        await file_record(site, f"i.{n}", at=1.7e9 + n // 2)
    client = await log_in("root")
    query = {"from": "2023-11-15T06:13:21+08:00", "to": "2023-11-14T22:13:23Z", "limit": "3"}
    found: list[str] = []
    cursor = ""
    while True:
        page = await client.get("/contact-records", params={**query, "cursor": cursor})
        found += [r["interaction"] for r in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert found == ["i.5", "i.4", "i.3", "i.2"]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"from": "2023-11-14T22:13:20"},
        {"cursor": "nan_1"},
        {"cursor": "1e9_99999999999999999999"},
        {"cursor": "inf_1"},
        {"cursor": "1_1; --"},
        {"limit": "201"},
        {"phone": ""},
        {"q": "\x00"},
        {"customer": "1e3"},
        {"has_recording": "perhaps"},
        {"unknown": "1"},
    ],
)
async def test_a_wrong_query_is_422(log_in: Any, query: dict[str, str]) -> None:
    client = await log_in("root")
    status, problem, _ = await client.call("GET", "/contact-records", params=query)
    assert (status, problem["code"]) == (422, "invalid"), problem


async def test_a_recording_plays_whole_and_in_ranges(
    site: Any, log_in: Any, tmp_path: Path
) -> None:
    await file_record(site, "i.1", recording="rec-1")
    client = await log_in("amy")
    record = await client.get("/contact-records/i.1")
    assert (record["recording"], record["recordings"][0]["state"]) == (None, "pending")
    status, problem, _ = await client.call("GET", "/recordings/rec-1/audio")
    assert (status, problem["code"]) == (404, "no_audio")
    await keep_recording(site, tmp_path, "rec-1", "i.1")
    assert (await client.get("/contact-records/i.1"))["recording"] == "rec-1"
    status, sound, response = await client.call("GET", "/recordings/rec-1/audio")
    assert (status, sound) == (200, SOUND)
    assert response.content_type == "audio/wav"
    assert response.headers["Accept-Ranges"] == "bytes"
    for ask, part in (
        ("bytes=0-99", SOUND[:100]),
        ("bytes=100-", SOUND[100:]),
        ("bytes=-50", SOUND[-50:]),
        ("bytes=10000-99999", SOUND[10000:]),
    ):
        status, sound, response = await client.call(
            "GET", "/recordings/rec-1/audio", headers={"Range": ask}
        )
        assert (status, sound) == (206, part)
        assert response.headers["Content-Range"].endswith(f"/{len(SOUND)}")
    entries = await site.store.read(trail.entries, SYSTEM, entity="recording")
    assert [(e["action"], e["actor"], e["entity_id"]) for e in entries] == [
        ("listen", "amy", "rec-1")
    ]
    site.clock.ahead_s = 700
    await client.call("GET", "/recordings/rec-1/audio", headers={"Range": "bytes=5-9"})
    entries = await site.store.read(trail.entries, SYSTEM, entity="recording")
    assert len(entries) == 2


@pytest.mark.parametrize("ask", ["bytes=99999-", "bytes=5-1", "lines=1-2", "bytes=x", "bytes="])
async def test_an_impossible_range_is_416(site: Any, log_in: Any, tmp_path: Path, ask: str) -> None:
    await file_record(site, "i.1", recording="rec-1")
    await keep_recording(site, tmp_path, "rec-1", "i.1")
    client = await log_in("amy")
    status, problem, _ = await client.call("GET", "/recordings/rec-1/audio", headers={"Range": ask})
    assert (status, problem["code"]) == (416, "range_not_satisfiable")


@pytest.mark.parametrize(
    ("user", "own_team", "other_team"),
    [("amy", 200, 404), ("sue", 200, 403), ("root", 200, 200), ("vic", 403, 403)],
)
async def test_who_may_listen(
    site: Any, log_in: Any, tmp_path: Path, user: str, own_team: int, other_team: int
) -> None:
    for name, agent in (("red", "1001"), ("blue", "2001")):
        await file_record(site, name, agent=agent, recording=f"rec-{name}")
        await keep_recording(site, tmp_path, f"rec-{name}", name)
    client = await log_in(user)
    assert (await client.call("GET", "/recordings/rec-red/audio"))[0] == own_team
    assert (await client.call("GET", "/recordings/rec-blue/audio"))[0] == other_team


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2fsecret",
        "rec-1%00.wav",
        "a%0d%0aX-Evil:%201",
        "x" * 5000,
        "录音",
    ],
)
async def test_a_made_up_recording_is_not_found(log_in: Any, name: str) -> None:
    client = await log_in("root")
    status, problem, response = await client.call("GET", f"/recordings/{name}/audio")
    assert (status, problem["code"]) == (404, "not_found")
    assert "X-Evil" not in response.headers

"""The event stream over a real connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from crmcore.access import SYSTEM
from ctid.http.auth import COOKIE
from ctid.http.events_models import HelloEvent, PopEvent
from ctid.http.models import Agent
from routing.ids import AgentId, InteractionId
from routing.views import Changes

pytestmark = pytest.mark.daemon

R1 = AgentId("1001")
POP = {
    "interaction": "i1",
    "offer": "i1.o1",
    "queue": "news",
    "caller": {"number": "13800138000", "name": ""},
    "did": "96060",
    "arrived_at": "2026-01-01T00:00:00.000Z",
    "customer": None,
    "candidates": [],
    "history": [],
    "at": "2026-01-01T00:00:00.000Z",
}


class Stream:
    """A browser's EventSource."""

    def __init__(self, client: Any, last: str = "") -> None:
        self.client = client
        self.last = last
        self.response: Any = None

    async def __aenter__(self) -> Stream:
        headers = {"Last-Event-ID": self.last} if self.last else {}
        self.response = await self.client.http.get(self.client.api + "/events", headers=headers)
        assert self.response.status == 200
        assert await self.response.content.readuntil(b"\n\n") == b"retry: 1000\n\n"
        return self

    async def __aexit__(self, *error: object) -> None:
        self.response.close()

    async def event(self) -> tuple[str, Any]:
        async with asyncio.timeout(30):
            while True:
                block = (await self.response.content.readuntil(b"\n\n")).decode().strip()
                if not block.startswith(":"):
                    break
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        self.last = fields.get("id", self.last)
        return fields["event"], json.loads(fields["data"])


def changed(*agents: AgentId) -> Changes:
    return Changes(interactions=frozenset(), agents=frozenset(agents), queues=frozenset())


async def test_hello_then_what_happens(site: Any, log_in: Any) -> None:
    async with Stream(await log_in("amy")) as stream:
        assert stream.response.content_type == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "no-store"
        event, hello = await stream.event()
        assert (event, HelloEvent(**hello).resumed) == ("hello", False)
        site.announcer.changes(changed(R1))
        event, agent = await stream.event()
        assert (event, Agent(**agent).id) == ("agent", "1001")
        site.announcer.pop([R1], POP)
        event, pop = await stream.event()
        assert (event, PopEvent(**pop).interaction) == ("pop", "i1")


async def test_what_was_missed_while_away_comes_after_the_return(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    async with Stream(client) as stream:
        await stream.event()
        site.announcer.notice(R1, "first", {})
        await stream.event()
        last = stream.last
    for n in range(3):
        site.announcer.notice(R1, f"missed-{n}", {})
        site.announcer.notice(AgentId("2001"), "not yours", {})
    async with Stream(client, last) as stream:
        assert (await stream.event())[1]["resumed"] is True
        assert [(await stream.event())[1]["code"] for _ in range(3)] == [
            "missed-0",
            "missed-1",
            "missed-2",
        ]
    for wrong in ("x" * 5000, "abc-1", last + "9999", "😀"):
        async with Stream(client, wrong.encode().decode("latin-1")) as stream:
            assert (await stream.event())[1]["resumed"] is False
            assert (await stream.event())[0] == "reset"


async def test_each_pop_reaches_the_socket_by_itself(site: Any, log_in: Any) -> None:
    async with Stream(await log_in("amy")) as stream:
        await stream.event()
        for n in range(3):
            site.hub.pop(R1, InteractionId(f"i{n}"), {**POP, "interaction": f"i{n}"})
            event, pop = await stream.event()
            assert (event, pop["interaction"]) == ("pop", f"i{n}")


async def test_a_client_that_does_not_read_is_dropped(make_site: Any, log_in: Any) -> None:
    site = await make_site(stream_write_timeout_s=0.3)
    client = await log_in("root", site.api)
    token = next(iter(client.http.cookie_jar)).value
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port, limit=1024)
    writer.write(
        f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nCookie: {COOKIE}={token}\r\n\r\n".encode()
    )
    await reader.readuntil(b"hello")
    writer.transport.pause_reading()
    big = {"text": "x" * 100_000}
    async with asyncio.timeout(30):
        while site.hub.streams:
            site.hub.publish("n", big, audience=lambda viewer: True)
            await asyncio.sleep(0.01)
    writer.transport.abort()
    await client.get("/me")  # nobody else was harmed


async def test_a_quiet_stream_is_pinged_and_ends_with_its_session(
    make_site: Any, log_in: Any
) -> None:
    site = await make_site(stream_ping_s=0.05)
    client = await log_in("amy", site.api)
    async with Stream(client) as stream, asyncio.timeout(30):
        await stream.event()
        assert await stream.response.content.readuntil(b"\n\n") == b":\n\n"
        site.clock.ahead_s = site.services.settings.session_ttl_s + 1
        await stream.response.content.read()


async def test_a_user_whose_rights_change_gets_a_new_stream(make_site: Any, log_in: Any) -> None:
    site = await make_site(stream_ping_s=0.05)
    client = await log_in("sue", site.api)
    async with Stream(client) as stream, asyncio.timeout(30):
        await stream.event()
        await site.store.users.update(SYSTEM, "sue", {"teams": ["blue"]}, site.clock.now_s())
        site.clock.ahead_s = 6
        await stream.response.content.read()
    async with Stream(client, stream.last) as stream:
        await stream.event()


async def test_streams_are_bounded_per_user(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    streams = [await client.http.get(client.api + "/events") for _ in range(20)]
    status, problem, _ = await client.call("GET", "/events")
    assert (status, problem["code"]) == (429, "too_many_streams")
    for stream in streams:
        stream.close()
    await (await log_in("sue")).get("/me")


async def test_stopping_ends_streams_and_refuses(make_site: Any, log_in: Any) -> None:
    site = await make_site(drain_s=30.0)
    client = await log_in("amy", site.api)
    async with Stream(client) as stream:
        await stream.event()
        await client.get("/me")  # leaves a kept-alive connection behind
        site.server.refuse()
        status, problem, _ = await client.call("GET", "/me")
        assert (status, problem["code"]) == (503, "stopping")
        assert await site.server.drain()
        async with asyncio.timeout(30):
            await stream.response.content.read()


async def test_nobody_gets_events_without_a_session(log_in: Any) -> None:
    client = await log_in(None)
    status, problem, _ = await client.call("GET", "/events")
    assert (status, problem["code"]) == (401, "not_logged_in")

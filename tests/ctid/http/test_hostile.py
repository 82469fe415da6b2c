"""Bad bytes: nothing from outside may give a 500, hang, leak or reach beyond what is served."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ctid.http.auth import COOKIE
from ctid.http.errors import PROBLEMS

pytestmark = pytest.mark.daemon

Raw = tuple[int, dict[str, str], bytes]


async def send(site: Any, raw: bytes, *, timeout_s: float = 30.0) -> Raw:
    """Send bytes as they are; the first answer, or status 0 for a closed connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(raw)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0, {}, b""
            lines = head.decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in lines[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            return int(lines[0].split()[1]), headers, body
    finally:
        writer.close()


def code(body: bytes) -> str:
    return str(json.loads(body)["code"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b"\xff\xfe",
        b'{"username": "a", "password": "\xff"}',
        b'{"username": "\\ud800", "password": "x"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"username": NaN, "password": Infinity}',
        b"1" * 10_000,
        b'{"username": "a", "password": "b"} x',
    ],
)
async def test_what_is_no_json_is_400_or_422(log_in: Any, body: bytes) -> None:
    client = await log_in(None)
    status, problem, _ = await client.call(
        "POST", "/login", data=body, headers={"Content-Type": "application/json"}
    )
    assert (status, problem["code"]) in ((400, "malformed_json"), (422, "invalid"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ("text", "body"),
        (None, "body.username"),
        ({"username": 1, "password": "x"}, "body.username"),
        ({"username": ["a"], "password": "x"}, "body.username"),
        ({"username": "a" * 129, "password": "x"}, "body.username"),
        ({"username": "", "password": "x"}, "body.username"),
        ({"username": "a", "password": "x" * 1025}, "body.password"),
        ({"username": "a", "password": "x", "\x1b[31m": 1}, "body.?[31m"),
        ({"username": 10**400, "password": "x"}, "body.username"),
    ],
)
async def test_wrong_shapes_name_the_field(log_in: Any, body: Any, field: str) -> None:
    client = await log_in(None)
    status, problem, _ = await client.call(
        "POST",
        "/login",
        data=json.dumps(body if body is not None else {}),
        headers={"Content-Type": "application/json"},
    )
    assert (status, problem["code"]) == (422, "invalid")
    assert problem["errors"][0]["field"] == field
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize(
    "username", ["amy\x00", "a' OR '1'='1", "\u202eyma", "𝒶𝓂𝓎", "amy\r\nSet-Cookie: x=1", "\ud83d"]
)
async def test_odd_names_do_not_log_in(log_in: Any, username: str) -> None:
    client = await log_in(None)
    status, _, response = await client.call(
        "POST", "/login", {"username": username, "password": "secret-1"}
    )
    assert status in (400, 401, 422)
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "\\"},
    ],
)
async def test_only_plain_json_is_taken(log_in: Any, headers: dict[str, str]) -> None:
    client = await log_in(None)
    status, problem, _ = await client.call("POST", "/login", data=b"{}", headers=headers)
    assert (status, problem["code"]) == (415, "unsupported_media_type")


async def test_a_body_beyond_the_limit_is_413(site: Any, log_in: Any) -> None:
    client = await log_in(None)
    headers = {"Content-Type": "application/json"}
    status, problem, _ = await client.call(
        "POST", "/login", data=b" " * (2 * 1024 * 1024), headers=headers
    )
    assert (status, problem["code"]) == (413, "body_too_large")
    head = (
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 99999999999\r\n\r\n"
    )
    status, _, body = await send(site, head)
    assert (status, code(body)) == (413, "body_too_large")


async def test_a_body_that_never_comes_is_408(make_site: Any) -> None:
    site = await make_site(body_timeout_s=0.1)
    head = (
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    status, _, body = await send(site, head)
    assert (status, code(body)) == (408, "body_timeout")


async def drip(site: Any, begin: bytes) -> None:
    """Begin a header and never end it, until the server has had enough."""
    _, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    async with asyncio.timeout(30):
        writer.write(begin)
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.02)


async def test_a_header_that_never_ends_is_cut_off(make_site: Any) -> None:
    site = await make_site(header_timeout_s=0.2)
    for begin in (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"\r\n\r\n\r\nGET /", b"\r\n\r\n", b""):
        with pytest.raises(ConnectionError):
            await drip(site, begin)


async def test_a_whole_header_in_two_pieces_cut_within_its_end_is_fine(make_site: Any) -> None:
    site = await make_site(header_timeout_s=2.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r")
    await asyncio.sleep(0.05)
    writer.write(b"\n")
    assert b"200 OK" in await reader.readuntil(b"\r\n")
    await asyncio.sleep(2.2)  # and the connection stays for the next request
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b'{"status":"ok"}')
    assert b"200 OK" in await reader.readuntil(b"\r\n")
    writer.close()


async def test_connections_are_bounded(make_site: Any) -> None:
    site = await make_site(max_connections=5)
    held = [await asyncio.open_connection("127.0.0.1", site.server.port) for _ in range(5)]
    ask = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert (await send(site, ask))[0] == 0
    for _, writer in held:
        writer.close()
        await writer.wait_closed()
    # the server sees them go before it takes the next one: they were closed before it came
    assert (await send(site, ask))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/nothing", 404, "not_found"),
        ("POST", "/agents", 405, "method_not_allowed"),
        ("DELETE", "/me", 405, "method_not_allowed"),
        ("PATCH", "/agents/me/status", 405, "method_not_allowed"),
        ("OPTIONS", "/login", 405, "method_not_allowed"),
        ("GET", "/", 404, "not_found"),
        ("GET", "", 404, "not_found"),
        ("GET", "/agents/", 404, "not_found"),
        ("GET", "/queues/%2e%2e", 404, "not_found"),
    ],
)
async def test_wrong_places_and_methods_are_problems_too(
    log_in: Any, method: str, path: str, status: int, expected: str
) -> None:
    client = await log_in("root")
    got, problem, response = await client.call(method, path)
    assert (got, problem["code"]) == (status, expected)
    assert response.content_type == "application/problem+json"
    assert (got != 405) or response.headers["Allow"]


@pytest.mark.parametrize(
    "line",
    [
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 20_000,
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\nHost: x",
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nBad Header: 1",
        b"GET /api/v1/me\r\n\r\nHTTP/1.1\r\nHost: x",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 5",
        b"\r\n" * 100,
    ],
)
async def test_what_is_no_http_is_refused_and_the_server_lives(make_site: Any, line: bytes) -> None:
    site = await make_site(header_timeout_s=0.5)
    status, _, _ = await send(site, line + b"\r\n\r\n")
    assert status in (0, 400, 401, 404, 411, 413, 414, 415, 431, 503)
    assert (await send(site, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200


@pytest.mark.parametrize("evil", ["x%0d%0aSet-Cookie:%20a=1", "x%0aX-Evil:%201", "%E2%80%A8"])
async def test_nothing_of_an_address_becomes_a_header(site: Any, evil: str) -> None:
    for path in (f"/{evil}", f"/api/v1/queues/{evil}", f"/api/v1/agents?cursor={evil}"):
        status, headers, _ = await send(site, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert status in (400, 401, 404, 503)
        assert "set-cookie" not in headers
        assert "x-evil" not in headers


async def test_every_refusal_says_what_it_is(site: Any) -> None:
    """The codes are stable: a client's texts depend on them."""
    assert {c: PROBLEMS[c][0] for c in ("csrf", "refused", "invalid", "too_many_attempts")} == {
        "csrf": 403,
        "refused": 409,
        "invalid": 422,
        "too_many_attempts": 429,
    }
    status, headers, body = await send(
        site,
        f"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nCookie: {COOKIE}=nope\r\n\r\n".encode(),
    )
    assert status == 401
    problem = json.loads(body)
    assert set(problem) == {"type", "title", "status", "code", "detail"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


async def test_a_bug_is_500_without_its_inside(site: Any, log_in: Any) -> None:
    site.board.fail_with = RuntimeError("the inside")
    client = await log_in("amy")
    status, problem, _ = await client.call("POST", "/agents/me/wrap-up", {"action": "finish"})
    assert (status, problem["code"]) == (500, "internal")
    assert "inside" not in json.dumps(problem)


async def test_a_busy_store_is_503(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    await site.store.close()
    status, problem, _ = await client.call("GET", "/contact-records")
    assert (status, problem["code"]) == (503, "stopping")

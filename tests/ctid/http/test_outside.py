"""What lies outside ``/api/v1``: the client's files, health, metrics, and the description."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ctid.access import PERMISSIONS, Role
from ctid.http.endpoint import CONTEXT
from ctid.http.errors import PROBLEMS
from ctid.http.openapi import BASE
from ctid.http.routes import ENDPOINTS

pytestmark = pytest.mark.daemon


@pytest.fixture
def built(tmp_path: Path) -> Path:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>客户端</title>", "utf-8")
    (web / "assets" / "app-1a2b.js").write_text("1")
    (web / ".env").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    (web / "link.txt").symlink_to(tmp_path / "secret.txt")
    return web


async def fetch(site: Any, path: str, method: str = "GET") -> tuple[int, Any, bytes]:
    """With the path exactly as written."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    async with asyncio.timeout(30):
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        raw = await reader.read()
    writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, body


async def test_the_client_is_served_with_its_own_addresses(site: Any, built: Path) -> None:
    for path in ("/", "/login", "/records/1.", "/深/链接", "/a/b?c=d"):
        status, headers, body = await fetch(site, path if path.isascii() else "/%E6%B7%B1/x")
        assert status == (404 if path.endswith(".") else 200)
        if status == 200:
            assert "客户端" in body.decode()
            assert headers["cache-control"] == "no-cache"
            assert headers["content-type"].startswith("text/html")
    status, headers, body = await fetch(site, "/assets/app-1a2b.js")
    assert (status, body) == (200, b"1")
    assert "immutable" in headers["cache-control"]
    assert "javascript" in headers["content-type"]
    assert (await fetch(site, "/assets/old-9z.js"))[0] == 404
    assert (await fetch(site, "/", "HEAD"))[:1] == (200,)
    assert (await fetch(site, "/", "POST"))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/assets/../../secret.txt",
        "/assets/..%5c..%5csecret.txt",
        "//etc/passwd.txt",
        "/%2fetc%2fpasswd.txt",
        "/link.txt",
        "/.env",
        "/secret.txt%00",
        "/%00.txt",
        "/" + "a" * 300 + ".txt",
        "/%ff%fe.txt",
    ],
)
async def test_nothing_outside_the_client_is_served(site: Any, built: Path, path: str) -> None:
    status, _, body = await fetch(site, path)
    assert status in (400, 404)
    assert b"secret" not in body


async def test_a_client_that_was_not_built_says_what_to_do(site: Any) -> None:
    status, headers, body = await fetch(site, "/")
    assert status == 503
    assert b"make web" in body
    assert headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/", "/api/v1/me", "/api/v1/nothing", "/healthz", "/metrics"])
async def test_security_headers_are_everywhere(site: Any, built: Path, path: str) -> None:
    _, headers, _ = await fetch(site, path)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["server"] == "ctid"


async def test_health_and_readiness(site: Any) -> None:
    assert (await fetch(site, "/healthz"))[0] == 200
    assert (await fetch(site, "/readyz"))[0] == 200
    site.board.readiness = {"pbx": False, "store": True}
    status, _, body = await fetch(site, "/readyz")
    assert status == 503
    assert b'"pbx":false' in body
    assert (await fetch(site, "/healthz"))[0] == 200


async def test_metrics_are_what_prometheus_reads(site: Any, log_in: Any) -> None:
    site.board.arrive("i1")
    client = await log_in("amy")
    await client.get("/agents")
    await client.call("GET", "/queues/secret-name")
    status, headers, body = await fetch(site, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(body.decode())
        for s in family.samples
    }
    assert samples["ctid_queue_waiting", (("queue", "news"),)] == 1
    assert samples["ctid_ready", (("part", "pbx"),)] == 1
    route = (("method", "GET"), ("route", "/api/v1/queues/{id}"), ("status", "404"))
    assert samples["ctid_http_requests_total", route] == 1
    assert b"secret-name" not in body  # labels are bounded


async def test_routes_and_description_agree_both_ways(site: Any, log_in: Any) -> None:
    client = await log_in(None)
    described = await client.get("/openapi.json")
    told = {
        (method.upper(), path)
        for path, operations in described["paths"].items()
        for method in operations
    }
    app = site.server.app
    served = {
        (route.method, route.resource.canonical.removeprefix(BASE))
        for route in app.router.routes()
        if route.resource.canonical.startswith(BASE) and route.method != "HEAD"
    }
    assert told == served - {("GET", "/openapi.json")}
    assert told == {(e.method, e.path) for e in ENDPOINTS}
    assert app[CONTEXT].services is site.services


async def test_the_description_is_whole(log_in: Any) -> None:
    described = await (await log_in(None)).get("/openapi.json")
    assert described["openapi"] == "3.1.0"
    schemas = described["components"]["schemas"]
    refs = set(re.findall(r"#/components/schemas/([^'\"]+)", str(described)))
    assert refs <= set(schemas)
    names = [
        o["operationId"] for operations in described["paths"].values() for o in operations.values()
    ]
    assert len(names) == len(set(names))
    for path, operations in described["paths"].items():
        for operation in operations.values():
            declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))
            assert operation["summary"]
            assert any(s in operation["responses"] for s in ("200", "204"))
            assert "500" in operation["responses"]
    for name in ("Agent", "Queue", "Interaction", "ContactRecord", "PopEvent", "HelloEvent"):
        assert name in schemas
    used = {e.action for e in ENDPOINTS if e.action is not None}
    assert used == set(PERMISSIONS)


def test_the_page_about_the_api_tells_every_operation_right_and_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
    for endpoint in ENDPOINTS:
        assert f"|{endpoint.method} `{endpoint.path}`|{endpoint.summary}|" in page
    for code, (status, title) in PROBLEMS.items():
        assert f"|{status}|`{code}`|{title}|" in page
    for action, row in PERMISSIONS.items():
        roles = (Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.VIEWER)
        assert f"|`{action.value}`|{'|'.join(row[role].value for role in roles)}|" in page

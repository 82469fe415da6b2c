"""Logging in and out, and every way in which that is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from crmcore.access import SYSTEM
from ctid.http.auth import COOKIE

pytestmark = pytest.mark.daemon


async def test_log_in_gives_a_hardened_cookie_and_me(log_in: Any) -> None:
    client = await log_in(None)
    status, me, response = await client.call(
        "POST", "/login", {"username": "amy", "password": "secret-1"}
    )
    assert status == 200
    rights = me.pop("rights")
    assert rights["customer"] == ["read", "create", "update"]
    assert me.pop("masks") == []
    assert (rights["webhook"], rights["dictionary"]) == ([], ["read"])
    assert me == {
        "username": "amy",
        "display_name": "王艾米",
        "role": "agent",
        "agent": "1001",
        "teams": ["red"],
        "language": "zh-CN",
    }
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie
    assert await client.get("/me") == {**me, "rights": rights, "masks": []}


@pytest.mark.parametrize(
    ("username", "password"), [("amy", "wrong"), ("nobody", "secret-1"), ("ill", "secret-1")]
)
async def test_wrong_credentials_all_look_alike(log_in: Any, username: str, password: str) -> None:
    client = await log_in(None)
    status, problem, response = await client.call(
        "POST", "/login", {"username": username, "password": password}
    )
    assert status == 401
    assert problem["code"] == "wrong_credentials"
    assert response.content_type == "application/problem+json"
    assert "Set-Cookie" not in response.headers


async def test_log_out_ends_the_session_and_its_streams(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    token = next(iter(client.http.cookie_jar)).value
    stream = await client.http.get(site.api + "/events")
    await stream.content.readuntil(b"hello")
    status, _, _ = await client.call("POST", "/logout")
    assert status == 204
    async with asyncio.timeout(30):
        await stream.content.read()  # ends
    stolen = {"Cookie": f"{COOKIE}={token}"}
    fresh = await log_in(None)
    status, problem, _ = await fresh.call("GET", "/me", headers=stolen)
    assert (status, problem["code"]) == (401, "not_logged_in")


async def test_a_session_expires(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    site.clock.ahead_s = site.services.settings.session_ttl_s - 10
    await client.get("/me")
    site.clock.ahead_s += 20
    status, problem, _ = await client.call("GET", "/me")
    assert (status, problem["code"]) == (401, "not_logged_in")


async def test_a_disabled_user_is_out_within_seconds(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    await site.store.users.update(SYSTEM, "amy", {"disabled": True}, site.clock.now_s())
    site.clock.ahead_s = 6
    status, _, _ = await client.call("GET", "/me")
    assert status == 401


async def test_a_new_log_in_replaces_the_session_before(log_in: Any) -> None:
    client = await log_in("amy")
    before = next(iter(client.http.cookie_jar)).value
    await client.call("POST", "/login", {"username": "amy", "password": "secret-1"})
    await client.get("/me")
    fresh = await log_in(None)
    status, _, _ = await fresh.call("GET", "/me", headers={"Cookie": f"{COOKIE}={before}"})
    assert status == 401


@pytest.mark.parametrize(
    "cookie", ["", "x", "a" * 5000, "é", "' OR 1=1 --", "a\tb", "=;=", "ctid_session"]
)
async def test_a_made_up_cookie_is_no_session(log_in: Any, cookie: str) -> None:
    client = await log_in(None)
    status, problem, _ = await client.call(
        "GET", "/me", headers={"Cookie": f"{COOKIE}={cookie}".encode().decode("latin-1")}
    )
    assert (status, problem["code"]) == (401, "not_logged_in")


async def test_too_many_failures_have_to_wait(site: Any, log_in: Any) -> None:
    client = await log_in(None)
    wrong = {"username": "amy", "password": "wrong"}
    right = {"username": "AMY ", "password": "secret-1"}
    for _ in range(5):
        assert (await client.call("POST", "/login", wrong))[0] == 401
    status, problem, response = await client.call("POST", "/login", right)
    assert (status, problem["code"]) == (429, "too_many_attempts")
    assert 0 < int(response.headers["Retry-After"]) <= 301
    # somebody else from the same place still can
    status, _, _ = await client.call("POST", "/login", {**right, "username": "sue"})
    assert status == 200
    site.clock.ahead_s = 301
    status, _, _ = await client.call("POST", "/login", {**right, "username": "amy"})
    assert status == 200


async def test_attempts_at_the_same_moment_do_not_escape_the_count(log_in: Any) -> None:
    client = await log_in(None)
    wrong = {"username": "amy", "password": "wrong"}
    answers = await asyncio.gather(*(client.call("POST", "/login", wrong) for _ in range(30)))
    tried = [status for status, _, _ in answers if status == 401]
    assert 1 <= len(tried) <= 6
    assert {status for status, _, _ in answers} == {401, 429}


async def test_an_address_that_guesses_names_has_to_wait(make_site: Any, log_in: Any) -> None:
    site = await make_site(address_failures=6)
    client = await log_in(None, site.api)
    for n in range(6):
        body = {"username": f"guess{n}", "password": "x"}
        assert (await client.call("POST", "/login", body))[0] == 401
    status, problem, _ = await client.call(
        "POST", "/login", {"username": "sue", "password": "secret-1"}
    )
    assert (status, problem["code"]) == (429, "too_many_attempts")


async def test_a_flood_of_log_ins_is_bounded(make_site: Any, log_in: Any) -> None:
    site = await make_site(logins_at_once=3, address_failures=1000)
    client = await log_in(None, site.api)
    answers = await asyncio.gather(
        *(client.call("POST", "/login", {"username": f"u{n}", "password": "x"}) for n in range(20))
    )
    codes = {problem["code"] for _, problem, _ in answers}
    assert codes == {"wrong_credentials", "busy"}


async def test_changes_by_cookie_need_the_header(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    body = {"status": "available"}
    path = "/agents/me/status"
    for headers in ({"X-Requested-With": "other"}, {"Sec-Fetch-Site": "cross-site"}):
        status, problem, _ = await client.call("PUT", path, body, headers=headers)
        assert (status, problem["code"]) == (403, "csrf")
    assert site.board.facts == []
    assert (await client.call("PUT", path, body))[0] == 200


async def test_an_api_token_needs_no_cookie_and_no_header(site: Any, log_in: Any) -> None:
    _, token = await site.store.users.create_token(SYSTEM, "root", "job", site.clock.now_s())
    client = await log_in(None)
    bearer = {"Authorization": f"Bearer {token}", "X-Requested-With": ""}
    status, me, _ = await client.call("GET", "/me", headers=bearer)
    assert (status, me["role"]) == (200, "admin")
    status, _, _ = await client.call(
        "PUT", "/agents/1001/status", {"status": "available"}, headers=bearer
    )
    assert status == 200


@pytest.mark.parametrize("header", ["Bearer", "Bearer nope", "Basic YTpi", "x" * 5000, "Bearer  "])
async def test_a_wrong_token_is_refused(log_in: Any, header: str) -> None:
    client = await log_in("amy")  # a valid cookie does not help a wrong token
    status, problem, _ = await client.call("GET", "/me", headers={"Authorization": header})
    assert (status, problem["code"]) == (401, "invalid_token")


async def test_a_session_token_is_no_api_token(log_in: Any) -> None:
    client = await log_in("amy")
    await client.get("/me")  # it is remembered as a session now
    token = next(iter(client.http.cookie_jar)).value
    other = await log_in(None)
    status, _, _ = await other.call("GET", "/me", headers={"Authorization": f"Bearer {token}"})
    assert status == 401


async def test_who_logs_in_is_made_known(site: Any, log_in: Any) -> None:
    told: list[str] = []
    object.__setattr__(site.services, "users_changed", lambda: told.append("again"))
    client = await log_in("amy")
    assert told == ["again"]
    await client.call("POST", "/users/me/tokens", {"name": "wallboard"})
    assert told == ["again", "again"]


async def test_a_login_that_was_ended_answers_no_more(site: Any, log_in: Any) -> None:
    root, nobody = await log_in("root"), await log_in(None)
    amy, bob = await log_in("amy"), await log_in("bob")
    _, made, _ = await amy.call("POST", "/users/me/tokens", {"name": "script"})
    bearer = {"Authorization": f"Bearer {made['token']}"}
    for client, headers in ((nobody, bearer), (amy, {}), (bob, {})):
        await client.get("/me", headers=headers)  # known from now on
    assert (await root.call("DELETE", f"/users/amy/tokens/{made['id']}"))[0] == 204
    assert (await nobody.call("GET", "/me", headers=bearer))[0] == 401
    body = {"password": "another one", "present": "secret-1"}
    assert (await amy.call("PUT", "/users/me/password", body))[0] == 204
    assert (await amy.call("GET", "/me"))[0] == 401
    anyhow = {"If-Match": "*"}
    assert (await root.call("PATCH", "/users/bob", {"teams": ["red"]}, headers=anyhow))[0] == 200
    assert (await bob.get("/me"))["teams"] == ["red"]
    assert (await root.call("PATCH", "/users/bob", {"disabled": True}, headers=anyhow))[0] == 200
    assert (await bob.call("GET", "/me"))[0] == 401


async def test_who_is_being_recognised_while_the_token_is_revoked_is_not_remembered(
    site: Any, log_in: Any
) -> None:
    """The answer of the store is on its way when the token is revoked."""
    amy, nobody = await log_in("amy"), await log_in(None)
    _, made, _ = await amy.call("POST", "/users/me/tokens", {"name": "script"})
    bearer = {"Authorization": f"Bearer {made['token']}"}
    users = site.store.users
    read, revoked = asyncio.Event(), asyncio.Event()
    token = users.token

    async def slow(given: str, now: float) -> Any:
        found = await token(given, now)
        read.set()
        await revoked.wait()
        return found

    users.token = slow
    asked = asyncio.ensure_future(nobody.call("GET", "/me", headers=bearer))  # noqa: TID251
    await read.wait()
    assert (await amy.call("DELETE", f"/users/me/tokens/{made['id']}"))[0] == 204
    revoked.set()
    assert (await asked)[0] == 200  # it was asked before
    assert (await nobody.call("GET", "/me", headers=bearer))[0] == 401

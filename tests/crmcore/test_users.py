"""Users: hashed, throttled, sessions and tokens that end when they should."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmcore.access import SYSTEM, Actor
from crmcore.errors import Conflict, Forbidden, Invalid, NotFound
from crmcore.store import Store
from crmcore.users import FREE_FAILURES, LoginRefused, LoginThrottled

pytestmark = pytest.mark.store

PASSWORD = "正确的密码123"


async def make(store: Store, username: str = "li", **more: object) -> None:
    await store.users.create(SYSTEM, {"username": username, **more}, PASSWORD, 1.0)


async def test_log_in_session_log_out(store: Store, tmp_path: Path) -> None:
    await make(store, role="supervisor", agent="a1", teams=["news", "ads"])
    user, token = await store.users.log_in("LI", PASSWORD, 10.0, ttl_s=100.0)
    assert (user.username, user.role, user.agent, user.teams) == (
        "li",
        "supervisor",
        "a1",
        ("ads", "news"),
    )
    assert await store.users.session(token, 50.0) == user
    assert await store.users.session(token, 111.0) is None
    assert await store.users.session(token + "x", 50.0) is None
    await store.users.log_out(token)
    assert await store.users.session(token, 50.0) is None
    await store.db.truncate_wal()
    content = (tmp_path / "ctid.db").read_bytes()
    assert token.encode() not in content
    assert PASSWORD.encode() not in content


async def test_wrong_passwords_are_throttled_and_forgiven(store: Store) -> None:
    await make(store)
    for n in range(FREE_FAILURES):
        with pytest.raises(LoginRefused):
            await store.users.log_in("li", "wrong", 10.0 + n, address="10.0.0.1")
    with pytest.raises(LoginThrottled) as caught:
        await store.users.log_in("li", PASSWORD, 15.0, address="10.0.0.1")
    assert 0 < caught.value.retry_after_s <= 5
    with pytest.raises(LoginThrottled):  # the address is held back for other names too
        await store.users.log_in("nobody", PASSWORD, 15.0, address="10.0.0.1")
    await store.users.log_in("li", PASSWORD, 30.0, address="10.0.0.2")
    with pytest.raises(LoginRefused, match="user name or password"):
        await store.users.log_in("nobody", PASSWORD, 60.0, address="10.0.0.3")


async def test_a_disabled_user_is_out_at_once(store: Store) -> None:
    await make(store)
    _, session = await store.users.log_in("li", PASSWORD, 10.0)
    _, token = await store.users.create_token(SYSTEM, "li", "robot", 10.0)
    changed = await store.users.update(SYSTEM, "li", {"disabled": True}, 11.0, version=1)
    assert changed.disabled
    assert await store.users.session(session, 12.0) is None
    assert await store.users.token(token, 12.0) is None
    with pytest.raises(LoginRefused):
        await store.users.log_in("li", PASSWORD, 13.0)
    with pytest.raises(Conflict):
        await store.users.update(SYSTEM, "li", {"disabled": False}, 14.0, version=1)


async def test_the_last_administrator_stays(store: Store) -> None:
    await make(store, "root", role="admin")
    for change in ({"disabled": True}, {"role": "agent"}):
        with pytest.raises(Conflict, match="last administrator"):
            await store.users.update(SYSTEM, "root", change, 2.0)
    await make(store, "other", role="admin")
    await store.users.update(SYSTEM, "root", {"role": "agent"}, 3.0)


async def test_a_new_password_ends_the_sessions(store: Store) -> None:
    await make(store)
    user, token = await store.users.log_in("li", PASSWORD, 10.0)
    mine = store.actor(user)
    await store.users.set_password(mine, "li", "another one", 11.0)
    assert await store.users.session(token, 12.0) is None
    await store.users.log_in("li", "another one", 13.0)
    with pytest.raises(Forbidden):
        await store.users.set_password(mine, "root", "another one", 14.0)
    with pytest.raises(Invalid):
        await store.users.set_password(mine, "li", "short", 15.0)


async def test_tokens_are_shown_once_and_can_be_revoked(store: Store) -> None:
    await make(store)
    key, token = await store.users.create_token(SYSTEM, "li", "export", 1.0, expires_at=100.0)
    found = await store.users.token(token, 50.0)
    assert found is not None
    assert found.username == "li"
    assert await store.users.token(token, 100.0) is None
    listed = await store.users.tokens(SYSTEM, "li")
    assert [(t["id"], t["name"]) for t in listed] == [(key, "export")]
    assert token not in repr(listed)
    await store.users.revoke_token(SYSTEM, "li", key, 60.0)
    assert await store.users.token(token, 70.0) is None
    with pytest.raises(NotFound):
        await store.users.revoke_token(SYSTEM, "li", key, 61.0)


async def test_what_cannot_be_a_user(store: Store) -> None:
    for given in ({"username": "a b"}, {"username": ""}, {"username": "li", "role": "king"}):
        with pytest.raises(Invalid):
            await store.users.create(SYSTEM, given, PASSWORD, 1.0)
    await make(store, agent="a1")
    with pytest.raises(Conflict):
        await make(store, "LI")
    with pytest.raises(Conflict):
        await make(store, "wu", agent="a1")
    with pytest.raises(Forbidden):
        await store.users.create(
            Actor(username="x", role="agent"), {"username": "y"}, PASSWORD, 1.0
        )
    assert await store.users.count() == 1

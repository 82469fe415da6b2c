"""Users: who may log in, as what; passwords and API tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from crmcore.users import LoginRefused, LoginThrottled, User
from ctid.access import Action
from ctid.http import crm
from ctid.http.audit import actor_of
from ctid.http.crm_models import Code
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem
from ctid.http.locking import check_version
from ctid.http.models import In, Line, Out, Time

Role = Literal["agent", "supervisor", "admin", "viewer"]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class UserBody(In):
    """A new user. `agent`: the agent of queues.toml whom the user is."""

    username: Code
    password: Password
    name: Line = ""
    role: Role = "agent"
    agent: Code | None = None
    teams: list[Code] = Field(default_factory=list, max_length=20)
    language: Code | None = None


class UserPatch(In):
    """What changes of a user. A disabled one is logged out."""

    name: Line = ""
    role: Role = "agent"
    agent: Code | None = None
    teams: list[Code] = Field(default_factory=list, max_length=20)
    language: Code | None = None
    disabled: bool = False


class UserOut(Out):
    """A user."""

    id: str
    username: str
    name: str
    role: Role
    agent: str | None
    teams: list[str]
    language: str
    disabled: bool
    created_at: Time
    version: int


class UserPage(Out):
    """All users, by name."""

    items: list[UserOut]
    next: None


class PasswordBody(In):
    """A new password; who sets their own gives the present one, too."""

    password: Password
    present: Password | None = None


class TokenBody(In):
    """What the token is for, and how long."""

    name: Annotated[Line, StringConstraints(min_length=1, max_length=100)]
    expires_at: AwareDatetime | None = None


class Token(Out):
    """An API token, without the token."""

    id: str
    name: str
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None


class TokenPage(Out):
    """A user's tokens."""

    items: list[Token]
    next: None


class NewToken(Out):
    """The token, shown this once."""

    id: str
    token: str


async def list_users(call: Call) -> Result:
    """All users, by name."""
    users = await call.services.store.users.all(actor_of(call))
    return {"items": [_shape(user) for user in users], "next": None}


async def create_user(call: Call) -> Result:
    """Somebody who may log in."""
    given = crm.given(call.body(UserBody))
    password = given.pop("password")
    users = call.services.store.users
    user = await users.create(actor_of(call), given, password, call.now)
    call.services.users_changed()
    return _shape(user)


async def update_user(call: Call) -> Result:
    """Change a user; the last administrator stays one."""
    users, actor, username = call.services.store.users, actor_of(call), _whom(call)
    actor.require("user", "update")
    given = crm.given(call.body(UserPatch))
    present = await users.get(username)
    check_version(present.shape(), call.expected)
    user = await users.update(actor, username, given, call.now, version=present.version)
    call.services.users_changed()
    return _shape(user)


async def set_password(call: Call) -> Result:
    """`me` is oneself. Ends the user's sessions, also the one that asks."""
    body, username = call.body(PasswordBody), _whom(call)
    users, actor = call.services.store.users, actor_of(call)
    if username == actor.username:
        try:
            _, token = await users.log_in(username, body.present or "", call.now)
        except LoginRefused:
            raise Problem("wrong_credentials", "`present` is not your password") from None
        except LoginThrottled as error:
            wait_s = int(error.retry_after_s) + 1
            headers = {"Retry-After": str(wait_s)}
            raise Problem("too_many_attempts", str(error), headers=headers) from None
        await users.log_out(token)
    await users.set_password(actor, username, body.password, call.now)
    return None


async def list_tokens(call: Call) -> Result:
    """`me` is oneself."""
    return crm.items(await call.services.store.users.tokens(actor_of(call), _whom(call)))


async def create_token(call: Call) -> Result:
    """For programs: `Authorization: Bearer`. Shown this once. `me` is oneself."""
    body = call.body(TokenBody)
    key, token = await call.services.store.users.create_token(
        actor_of(call),
        _whom(call),
        body.name,
        call.now,
        expires_at=body.expires_at.timestamp() if body.expires_at else None,
    )
    call.services.users_changed()  # the user may have been made at the command line since
    return {"id": key, "token": token}


async def revoke_token(call: Call) -> Result:
    """Make a token useless."""
    await call.services.store.users.revoke_token(
        actor_of(call), _whom(call), call.path_id("token"), call.now
    )
    return None


def _whom(call: Call) -> str:
    name = call.path_id()
    return call.viewer.username if name == "me" else name


def _shape(user: User) -> crm.Row:
    return crm.timed(user.shape())


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/users",
        summary="Who may log in",
        handler=list_users,
        action=Action.CRM,
        answer=UserPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/users",
        summary="Add a user",
        handler=create_user,
        action=Action.CRM,
        body=UserBody,
        answer=UserOut,
        problems=("forbidden", "conflict"),
        versioned=True,
        audited=True,
    ),
    Endpoint(
        method="PATCH",
        path="/users/{id}",
        summary="Change or disable a user",
        handler=update_user,
        action=Action.CRM,
        body=UserPatch,
        answer=UserOut,
        problems=("forbidden", "conflict"),
        versioned=True,
        lock="required",
        audited=True,
    ),
    Endpoint(
        method="PUT",
        path="/users/{id}/password",
        summary="Set a password; ends the user's sessions",
        handler=set_password,
        action=Action.CRM,
        body=PasswordBody,
        problems=("forbidden", "wrong_credentials", "too_many_attempts"),
        audited=True,
    ),
    Endpoint(
        method="GET",
        path="/users/{id}/tokens",
        summary="A user's API tokens",
        handler=list_tokens,
        action=Action.CRM,
        answer=TokenPage,
        problems=("forbidden",),
    ),
    Endpoint(
        method="POST",
        path="/users/{id}/tokens",
        summary="Make an API token",
        handler=create_token,
        action=Action.CRM,
        body=TokenBody,
        answer=NewToken,
        problems=("forbidden",),
        audited=True,
    ),
    Endpoint(
        method="DELETE",
        path="/users/{id}/tokens/{token}",
        summary="Revoke an API token",
        handler=revoke_token,
        action=Action.CRM,
        problems=("forbidden",),
        audited=True,
    ),
)

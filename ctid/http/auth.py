"""Who is asking: sessions by cookie, API tokens, log-in, and the guard against forged requests."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from crmcore.users import LoginRefused, LoginThrottled, User, Users
from ctid.access import Role, Viewer
from ctid.clock import Clock
from ctid.http.errors import Problem
from ctid.http.services import HttpSettings
from ctid.http.throttle import Throttle
from routing.ids import AgentId

log = structlog.get_logger(__name__)

COOKIE = "ctid_session"
CSRF_HEADER = "X-Requested-With"
CSRF_VALUE = "ctid"
MAX_TOKEN = 256
REMEMBER_S = 5.0
"""How long a login is taken as known; a change made by another process (the command line) counts
no later than this, one made here at once."""
REMEMBER_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who asks. ``key`` names the session or token (a hash); ``by_cookie``: needs CSRF proof."""

    viewer: Viewer
    key: str
    by_cookie: bool
    token: str = field(repr=False)


class Authenticator:
    """Logs people in and out, and recognises them."""

    def __init__(self, users: Users, clock: Clock, settings: HttpSettings) -> None:
        self._users = users
        self._clock = clock
        self._settings = settings
        self._by_address = Throttle(
            clock, limit=settings.address_failures, window_s=settings.failure_window_s
        )
        self._entering: set[str] = set()
        # recognised a moment ago: spares the store a read for each of a page's requests
        self._recent: OrderedDict[tuple[bool, str], tuple[float, int, Viewer]] = OrderedDict()

    async def log_in(self, username: str, password: str, address: str) -> tuple[str, Viewer]:
        """A new session's token and its viewer.

        Raises ``too_many_attempts``, ``busy`` or ``wrong_credentials``; the last one is the same,
        and takes as long, for a wrong password, an unknown and a disabled user. The store counts
        failures by user name; those by address are counted here, because a whole house may sit
        behind one. One attempt at a time for each name, or parallel ones would escape the count.
        """
        name = username.strip()
        key = name.casefold()
        wait_s = self._by_address.wait_s(address)
        if wait_s > 0:
            log.warning("login_throttled", user=name, address=address)
            raise _wait(wait_s)
        if key in self._entering:
            raise _wait(1.0)
        if len(self._entering) >= self._settings.logins_at_once:
            raise Problem("busy", headers={"Retry-After": "2"})
        self._entering.add(key)
        self._by_address.charge(address)
        try:
            user, token = await self._users.log_in(
                name, password, self._clock.now_s(), ttl_s=self._settings.session_ttl_s
            )
        except LoginThrottled as error:
            self._by_address.refund(address)
            log.warning("login_throttled", user=name, address=address)
            raise _wait(error.retry_after_s) from None
        except LoginRefused:
            log.info("login_failed", user=name, address=address)
            raise Problem("wrong_credentials") from None
        finally:
            self._entering.discard(key)
        self._by_address.refund(address)
        log.info("logged_in", user=user.username, address=address)
        return token, _viewer(user)

    async def log_out(self, token: str) -> str:
        """End a session; its key, so that its streams can be closed."""
        key = _key(token)
        await self._users.log_out(token)
        return key

    async def identify(self, request: web.Request) -> Login:
        """Who sent this. Raises ``not_logged_in`` or ``invalid_token``."""
        header = request.headers.get("Authorization", "")
        if header:
            kind, _, token = header.partition(" ")
            token = token.strip()
            login = None
            if kind.casefold() == "bearer" and 0 < len(token) <= MAX_TOKEN:
                login = await self._recognise(token, by_cookie=False)
            if login is None:
                raise Problem("invalid_token", headers={"WWW-Authenticate": "Bearer"})
            return login
        cookie = request.cookies.get(COOKIE, "")
        if not 0 < len(cookie) <= MAX_TOKEN:
            raise Problem("not_logged_in")
        login = await self._recognise(cookie, by_cookie=True)
        if login is None:
            raise Problem("not_logged_in", "The session has ended; log in again")
        return login

    def check_csrf(self, request: web.Request, login: Login) -> None:
        """Refuse a changing request that another site may have made a browser send."""
        if not login.by_cookie:
            return
        foreign = request.headers.get("Sec-Fetch-Site", "same-origin") == "cross-site"
        if foreign or request.headers.get(CSRF_HEADER, "") != CSRF_VALUE:
            raise Problem("csrf")

    async def still_valid(self, login: Login) -> bool:
        """Whether a stream's session or token still counts, and for the same viewer."""
        again = await self._recognise(login.token, by_cookie=login.by_cookie)
        return again is not None and again.viewer == login.viewer

    def set_cookie(self, response: web.StreamResponse, token: str) -> None:
        """Give the browser its session."""
        self._cookie(response, token, int(self._settings.session_ttl_s))

    def clear_cookie(self, response: web.StreamResponse) -> None:
        """Take the session from the browser."""
        self._cookie(response, "", 0)

    def _cookie(self, response: web.StreamResponse, value: str, max_age: int) -> None:
        response.set_cookie(
            COOKIE,
            value,
            max_age=max_age,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._settings.cookie_secure,
        )

    async def _recognise(self, token: str, *, by_cookie: bool) -> Login | None:
        now = self._clock.now_s()
        # taken before the store is read: what was read while a change was committed is forgotten
        changes = self._users.changes
        key = _key(token)
        slot = (by_cookie, key)
        known = self._recent.get(slot)
        if known is not None and now - known[0] < REMEMBER_S and known[1] == changes:
            return Login(viewer=known[2], key=key, by_cookie=by_cookie, token=token)
        find = self._users.session if by_cookie else self._users.token
        user = await find(token, now)
        if user is None:
            self._recent.pop(slot, None)
            return None
        viewer = _viewer(user)
        self._recent[slot] = (now, changes, viewer)
        self._recent.move_to_end(slot)
        while len(self._recent) > REMEMBER_MAX:
            self._recent.popitem(last=False)
        return Login(viewer=viewer, key=key, by_cookie=by_cookie, token=token)


def _key(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _wait(seconds: float) -> Problem:
    whole = int(seconds) + 1
    return Problem(
        "too_many_attempts",
        f"Try again in {whole} seconds",
        headers={"Retry-After": str(whole)},
    )


def _viewer(user: User) -> Viewer:
    return Viewer(
        username=user.username,
        display_name=user.name,
        role=Role(user.role),
        agent=AgentId(user.agent) if user.agent else None,
        teams=frozenset(user.teams),
        language=user.language,
    )

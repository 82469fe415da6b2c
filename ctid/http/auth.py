"""Who is asking: sessions by cookie, API tokens, log-in, and the guard against forged requests.

Only SHA-256 hashes of session and API tokens are kept: who reads the store cannot log in with it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

import structlog
from aiohttp import web

from ctid.access import Role, Viewer
from ctid.clock import Clock
from ctid.http.errors import Problem
from ctid.http.passwords import Passwords
from ctid.http.services import HttpSettings
from ctid.http.throttle import Throttle
from ctid.http.users import UserDirectory, UserRow
from routing.ids import AgentId

log = structlog.get_logger(__name__)

COOKIE = "ctid_session"
CSRF_HEADER = "X-Requested-With"
CSRF_VALUE = "ctid"
MAX_TOKEN = 256
REMEMBER_S = 5.0
REMEMBER_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who asks. ``key`` names the session or token (a hash); ``by_cookie``: needs CSRF proof."""

    viewer: Viewer
    key: str
    by_cookie: bool


class Authenticator:
    """Logs people in and out, and recognises them."""

    def __init__(
        self, users: UserDirectory, passwords: Passwords, clock: Clock, settings: HttpSettings
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._clock = clock
        self._settings = settings
        window_s = settings.failure_window_s
        self._by_user = Throttle(clock, limit=settings.user_failures, window_s=window_s)
        self._by_address = Throttle(clock, limit=settings.address_failures, window_s=window_s)
        # recognised a moment ago: spares the store a read for each of a page's requests
        self._recent: OrderedDict[tuple[bool, bytes], tuple[float, Viewer]] = OrderedDict()

    async def log_in(self, username: str, password: str, address: str) -> tuple[str, Viewer]:
        """A new session's token and its viewer.

        Raises ``too_many_attempts``, ``busy`` or ``wrong_credentials``; the last one is the same,
        and takes as long, for a wrong password, an unknown and a disabled user.
        """
        name = username.strip().casefold()
        wait_s = max(self._by_user.wait_s(name), self._by_address.wait_s(address))
        if wait_s > 0:
            log.warning("login_throttled", user=username, address=address)
            raise Problem(
                "too_many_attempts",
                f"Try again in {int(wait_s) + 1} seconds",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )
        self._by_user.charge(name)
        self._by_address.charge(address)
        user = await self._users.find_user(username.strip())
        try:
            fits = await self._passwords.verify(password, user.password_hash if user else None)
        except Problem:
            self._by_user.refund(name)
            self._by_address.refund(address)
            raise
        if user is None or user.disabled or not fits:
            log.info("login_failed", user=username, address=address)
            raise Problem("wrong_credentials")
        self._by_user.forgive(name)
        self._by_address.refund(address)
        token = secrets.token_urlsafe(32)
        now = self._clock.now_s()
        await self._users.add_session(
            _hash(token),
            user.username,
            now=now,
            expires_at=now + self._settings.session_ttl_s,
            address=address,
        )
        log.info("logged_in", user=user.username, address=address)
        return token, _viewer(user)

    async def log_out(self, token: str) -> str:
        """End a session; its key, so that its streams can be closed."""
        token_hash = _hash(token)
        self._recent.pop((True, token_hash), None)
        await self._users.end_session(token_hash)
        return token_hash.hex()

    async def identify(self, request: web.Request) -> Login:
        """Who sent this. Raises ``not_logged_in`` or ``invalid_token``."""
        header = request.headers.get("Authorization", "")
        if header:
            kind, _, token = header.partition(" ")
            token = token.strip()
            if kind.casefold() != "bearer" or not token or len(token) > MAX_TOKEN:
                raise Problem("invalid_token", headers={"WWW-Authenticate": "Bearer"})
            token_hash = _hash(token)
            viewer = await self._recognise(token_hash, is_session=False)
            if viewer is None:
                raise Problem("invalid_token", headers={"WWW-Authenticate": "Bearer"})
            return Login(viewer=viewer, key=token_hash.hex(), by_cookie=False)
        cookie = request.cookies.get(COOKIE, "")
        if not cookie or len(cookie) > MAX_TOKEN:
            raise Problem("not_logged_in")
        token_hash = _hash(cookie)
        viewer = await self._recognise(token_hash, is_session=True)
        if viewer is None:
            raise Problem("not_logged_in", "The session has ended; log in again")
        return Login(viewer=viewer, key=token_hash.hex(), by_cookie=True)

    def check_csrf(self, request: web.Request, login: Login) -> None:
        """Refuse a changing request that another site may have made a browser send."""
        if not login.by_cookie:
            return
        foreign = request.headers.get("Sec-Fetch-Site", "same-origin") == "cross-site"
        if foreign or request.headers.get(CSRF_HEADER, "") != CSRF_VALUE:
            raise Problem("csrf")

    async def still_valid(self, login: Login) -> bool:
        """Whether a stream's session or token still counts, and for the same viewer."""
        token_hash = bytes.fromhex(login.key)
        viewer = await self._recognise(token_hash, is_session=login.by_cookie)
        return viewer == login.viewer

    def set_cookie(self, response: web.StreamResponse, token: str) -> None:
        """Give the browser its session."""
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(self._settings.session_ttl_s),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._settings.cookie_secure,
        )

    def clear_cookie(self, response: web.StreamResponse) -> None:
        """Take the session from the browser."""
        response.set_cookie(
            COOKIE,
            "",
            max_age=0,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._settings.cookie_secure,
        )

    async def _recognise(self, token_hash: bytes, *, is_session: bool) -> Viewer | None:
        now = self._clock.now_s()
        slot = (is_session, token_hash)
        known = self._recent.get(slot)
        if known is not None and now - known[0] < REMEMBER_S:
            return known[1]
        if is_session:
            user = await self._users.user_of_session(token_hash, now)
        else:
            user = await self._users.user_of_token(token_hash, now)
        if user is None or user.disabled:
            self._recent.pop(slot, None)
            return None
        viewer = _viewer(user)
        self._recent[slot] = (now, viewer)
        self._recent.move_to_end(slot)
        while len(self._recent) > REMEMBER_MAX:
            self._recent.popitem(last=False)
        return viewer


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _viewer(user: UserRow) -> Viewer:
    return Viewer(
        username=user.username,
        display_name=user.display_name,
        role=Role(user.role),
        agent=AgentId(user.agent) if user.agent else None,
        teams=frozenset(user.teams),
        language=user.language,
    )

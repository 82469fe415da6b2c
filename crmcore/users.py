"""Users: who may log in, as what, with which agent and teams; sessions, API tokens, throttling.

A user as answered: ``{id, username, name, role, agent, teams: [..], language, disabled: bool,
created_at, version}``. Passwords are stored as argon2id hashes (RFC 9106) made in a thread, at most
two at a time; of sessions and tokens only the SHA-256 is stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from crmcore import audit, text
from crmcore.access import ROLES, Actor, Policy
from crmcore.db import Database
from crmcore.errors import Conflict, Invalid, NotFound, StoreError, Wrong, one_of

Row = dict[str, Any]
T = TypeVar("T")

MIN_PASSWORD = 8
MAX_PASSWORD = 256
SESSION_S = 12 * 3600.0
FREE_FAILURES = 5
FIRST_BLOCK_S = 5.0
LONGEST_BLOCK_S = 900.0
FORGET_FAILURES_S = 3600.0
_USERNAME = re.compile(r"^[\w.@-]{1,64}$")


class LoginRefused(StoreError):
    """User name or password is wrong, or the user is disabled. It does not say which."""

    code = "login_refused"


class LoginThrottled(StoreError):
    """Too many failures; ``retry_after_s`` says how long to wait."""

    code = "login_throttled"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many failed logins; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may log in."""

    id: int
    username: str
    name: str
    role: str
    agent: str | None
    teams: tuple[str, ...]
    language: str
    disabled: bool
    created_at: float
    version: int

    def actor(self, source: str, policy: Policy) -> Actor:
        """On whose behalf the CRM acts. ``source``: network address."""
        return Actor(
            username=self.username,
            role=self.role,
            agent=self.agent,
            teams=self.teams,
            source=source,
            policy=policy,
        )

    def shape(self) -> Row:
        return {
            "id": str(self.id),
            "username": self.username,
            "name": self.name,
            "role": self.role,
            "agent": self.agent,
            "teams": list(self.teams),
            "language": self.language,
            "disabled": self.disabled,
            "created_at": self.created_at,
            "version": self.version,
        }


def _user(row: sqlite3.Row) -> User:
    return User(
        id=row["id"],
        username=row["username"],
        name=row["name"],
        role=row["role"],
        agent=row["agent"],
        teams=tuple(json.loads(row["teams"])),
        language=row["language"],
        disabled=row["disabled_at"] is not None,
        created_at=row["created_at"],
        version=row["version"],
    )


def _token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _checked(given: Mapping[str, Any], *, new: bool) -> Row:
    errors: dict[str, str] = {}
    out: Row = {}
    if new:
        out["username"] = str(given.get("username", ""))
        if not _USERNAME.match(out["username"]):
            errors["username"] = Wrong("1 to 64 letters, digits, '.', '_', '-' or '@'", "user_name")
    if "name" in given:
        out["name"] = text.clean(str(given["name"] or ""), 100)
    if "role" in given or new:
        out["role"] = str(given.get("role", "agent"))
        if out["role"] not in ROLES:
            errors["role"] = one_of(ROLES)
    if "agent" in given:
        out["agent"] = text.clean(str(given["agent"]), 64) if given["agent"] else None
    if "teams" in given:
        teams = [text.clean(str(one), 64) for one in (given["teams"] or ())][:20]
        out["teams"] = audit.text(sorted({one for one in teams if one}))
    if "language" in given:
        out["language"] = text.clean(str(given["language"] or ""), 16)
    if errors:
        raise Invalid(errors)
    return out


def check_password(password: str) -> None:
    """Raise Invalid unless the password has a sensible length (NIST SP 800-63B, 5.1.1.1)."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        length = f"must have {MIN_PASSWORD} to {MAX_PASSWORD} characters"
        raise Invalid({"password": Wrong(length, "length", min=MIN_PASSWORD, max=MAX_PASSWORD)})


class Users:
    """The users of one store. ``now``: Unix seconds."""

    def __init__(self, db: Database, hasher: PasswordHasher | None = None) -> None:
        self._db = db
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=32768, parallelism=1)
        self._hashing = asyncio.Semaphore(2)
        self._nobody: str | None = None
        self.changes = 0
        """Grows with each change of a user, session or token, before its caller is answered: what
        was remembered of them at a smaller figure no longer counts."""

    async def _change(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._db.write(fn)
        finally:
            self.changes += 1

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _verify(self, stored: str, password: str) -> bool:
        def check() -> bool:
            try:
                return self._hasher.verify(stored, password)
            except (VerificationError, InvalidHashError):
                return False

        async with self._hashing:
            return await asyncio.to_thread(check)

    # ---- keeping ------------------------------------------------------------------------------

    async def create(
        self, actor: Actor, given: Mapping[str, Any], password: str, now: float
    ) -> User:
        """``given``: username, name, role, agent, teams, language. Invalid, Conflict, Forbidden."""
        actor.require("user", "create")
        values = _checked(given, new=True)
        check_password(password)
        hashed = await self._hash(password)

        def write(conn: sqlite3.Connection) -> User:
            names = ("username", "name", "role", "agent", "teams", "language")
            values.setdefault("name", values["username"])
            defaults = {"agent": None, "teams": "[]", "language": ""}
            row = [values.get(n, defaults.get(n)) for n in names]
            try:
                cursor = conn.execute(
                    f"INSERT INTO users({', '.join(names)}, password_hash, created_at,"
                    " password_at) VALUES (?,?,?,?,?,?,?,?,?)",
                    (*row, hashed, now, now),
                )
            except sqlite3.IntegrityError as error:
                raise Conflict("a user of that name, or for that agent, exists") from error
            after = dict(values)
            audit.note(conn, actor, "create", "user", values["username"], now, after=after)
            return _user(
                conn.execute("SELECT * FROM users WHERE id = ?", (cursor.lastrowid,)).fetchone()
            )

        return await self._db.write(write)

    async def update(
        self,
        actor: Actor,
        username: str,
        given: Mapping[str, Any],
        now: float,
        *,
        version: int | None = None,
    ) -> User:
        """Change name, role, agent, teams, language or ``disabled``. A disabled user is logged out.

        The last enabled administrator can be neither disabled nor given another role (Conflict).
        """
        actor.require("user", "update")
        values = _checked({k: v for k, v in given.items() if k != "username"}, new=False)

        def write(conn: sqlite3.Connection) -> User:
            row = self._row(conn, username)
            if version is not None and version != row["version"]:
                raise Conflict(f"the user has version {row['version']} now; read it again")
            if "disabled" in given:
                values["disabled_at"] = (row["disabled_at"] or now) if given["disabled"] else None
            loses = values.get("disabled_at") or values.get("role", "admin") != "admin"
            if row["role"] == "admin" and row["disabled_at"] is None and loses:
                others = conn.execute(
                    "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL"
                    " AND id <> ?",
                    (row["id"],),
                ).fetchone()[0]
                if not others:
                    raise Conflict("this is the last administrator; make another one first")
            sets = "".join(f", {name} = ?" for name in values)
            try:
                conn.execute(
                    f"UPDATE users SET version = version + 1{sets} WHERE id = ?",
                    (*values.values(), row["id"]),
                )
            except sqlite3.IntegrityError as error:
                raise Conflict("another user has that agent") from error
            if values.get("disabled_at"):
                conn.execute("DELETE FROM sessions WHERE user = ?", (row["id"],))
            before = {k: row[k] for k in values}
            audit.note(
                conn, actor, "update", "user", row["username"], now, before=before, after=values
            )
            return _user(self._row(conn, username))

        return await self._change(write)

    async def set_password(self, actor: Actor, username: str, password: str, now: float) -> None:
        """Users change their own, administrators anybody's. Ends the user's sessions."""
        if actor.username != username:
            actor.require("user", "update")
        check_password(password)
        hashed = await self._hash(password)

        def write(conn: sqlite3.Connection) -> None:
            row = self._row(conn, username)
            conn.execute(
                "UPDATE users SET password_hash = ?, password_at = ?, version = version + 1"
                " WHERE id = ?",
                (hashed, now, row["id"]),
            )
            conn.execute("DELETE FROM sessions WHERE user = ?", (row["id"],))
            audit.note(conn, actor, "set_password", "user", row["username"], now)

        await self._change(write)

    async def all(self, actor: Actor) -> list[User]:
        """All users, by name."""
        actor.require("user", "read")
        return await self._db.read(
            lambda conn: [_user(r) for r in conn.execute("SELECT * FROM users ORDER BY username")]
        )

    async def get(self, username: str) -> User:
        """One user by name. Raises NotFound."""
        return await self._db.read(lambda conn: _user(self._row(conn, username)))

    async def count(self) -> int:
        """How many users there are (a new store has none)."""
        return await self._db.read(
            lambda conn: int(conn.execute("SELECT count(*) FROM users").fetchone()[0])
        )

    @staticmethod
    def _row(conn: sqlite3.Connection, username: str) -> sqlite3.Row:
        row = conn.execute("SELECT * FROM users WHERE username = ?", (username,)).fetchone()
        if row is None:
            raise NotFound(f"there is no user {username[:64]!r}")
        found: sqlite3.Row = row
        return found

    # ---- logging in ---------------------------------------------------------------------------

    async def log_in(
        self,
        username: str,
        password: str,
        now: float,
        *,
        address: str = "",
        ttl_s: float = SESSION_S,
    ) -> tuple[User, str]:
        """Check the password; answers the user and a new session's token.

        Raises LoginRefused or LoginThrottled: after five failures of one user name or from one
        address each further one doubles the wait, up to 15 minutes.
        """
        subjects = [f"user:{username[:64].casefold()}"]
        if address:
            subjects.append(f"address:{address[:64]}")

        def look(conn: sqlite3.Connection) -> tuple[float, sqlite3.Row | None]:
            until = conn.execute(
                f"SELECT max(blocked_until) FROM login_failures WHERE subject IN"
                f" ({','.join('?' * len(subjects))})",
                subjects,
            ).fetchone()[0]
            row = conn.execute("SELECT * FROM users WHERE username = ?", (username,)).fetchone()
            return until or 0.0, row

        until, row = await self._db.read(look)
        if until > now:
            raise LoginThrottled(until - now)
        if self._nobody is None:
            self._nobody = await self._hash(secrets.token_hex(8))
        # an unknown name costs as much time as a known one
        stored = row["password_hash"] if row is not None else self._nobody
        fits = len(password) <= MAX_PASSWORD and await self._verify(stored, password)
        if row is None or not fits or row["disabled_at"] is not None:
            await self._db.write(lambda conn: _failed(conn, subjects, now))
            raise LoginRefused("user name or password is wrong")
        rehashed = await self._hash(password) if self._hasher.check_needs_rehash(stored) else None
        token = secrets.token_urlsafe(32)

        def enter(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM login_failures WHERE subject = ?", (subjects[0],))
            conn.execute("DELETE FROM sessions WHERE expires_at < ?", (now,))
            conn.execute(
                "INSERT INTO sessions(token_hash, user, created_at, expires_at, address)"
                " VALUES (?,?,?,?,?)",
                (_token_hash(token), row["id"], now, now + ttl_s, address[:64]),
            )
            if rehashed:
                conn.execute(
                    "UPDATE users SET password_hash = ? WHERE id = ?", (rehashed, row["id"])
                )

        await self._db.write(enter)
        return _user(row), token

    async def session(self, token: str, now: float) -> User | None:
        """The user of a session's token; None when it is unknown, over, or the user disabled."""

        def read(conn: sqlite3.Connection) -> User | None:
            row = conn.execute(
                "SELECT u.* FROM sessions s JOIN users u ON u.id = s.user"
                " WHERE s.token_hash = ? AND s.expires_at > ? AND u.disabled_at IS NULL",
                (_token_hash(token), now),
            ).fetchone()
            return _user(row) if row else None

        return await self._db.read(read)

    async def log_out(self, token: str) -> None:
        """End a session; an unknown token is nothing to worry about."""
        hashed = _token_hash(token)
        await self._change(
            lambda conn: (
                conn.execute("DELETE FROM sessions WHERE token_hash = ?", (hashed,)).rowcount
            )
        )

    # ---- API tokens ---------------------------------------------------------------------------

    async def create_token(
        self, actor: Actor, username: str, name: str, now: float, *, expires_at: float | None = None
    ) -> tuple[str, str]:
        """``(id, token)``; never shown again. For oneself, or with the right over users."""
        if actor.username != username:
            actor.require("user", "update")
        token = "ctid_" + secrets.token_urlsafe(32)

        def write(conn: sqlite3.Connection) -> str:
            row = self._row(conn, username)
            cursor = conn.execute(
                "INSERT INTO api_tokens(token_hash, user, name, created_at, expires_at)"
                " VALUES (?,?,?,?,?)",
                (_token_hash(token), row["id"], text.clean(name, 100), now, expires_at),
            )
            after = {"name": text.clean(name, 100), "expires_at": expires_at}
            audit.note(conn, actor, "create_token", "user", row["username"], now, after=after)
            return str(cursor.lastrowid)

        return await self._db.write(write), token

    async def token(self, token: str, now: float) -> User | None:
        """The user of an API token that is neither revoked nor over."""

        def read(conn: sqlite3.Connection) -> User | None:
            row = conn.execute(
                "SELECT u.* FROM api_tokens t JOIN users u ON u.id = t.user WHERE t.token_hash = ?"
                " AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?)"
                " AND u.disabled_at IS NULL",
                (_token_hash(token), now),
            ).fetchone()
            return _user(row) if row else None

        return await self._db.read(read)

    async def tokens(self, actor: Actor, username: str) -> list[Row]:
        """``[{id, name, created_at, expires_at, revoked_at}]`` without the tokens themselves."""
        if actor.username != username:
            actor.require("user", "read")
        return await self._db.read(
            lambda conn: [
                {**dict(row), "id": str(row["id"])}
                for row in conn.execute(
                    "SELECT t.id, t.name, t.created_at, t.expires_at, t.revoked_at"
                    " FROM api_tokens t"
                    " JOIN users u ON u.id = t.user WHERE u.username = ? ORDER BY t.id",
                    (username,),
                )
            ]
        )

    async def revoke_token(self, actor: Actor, username: str, token_id: str, now: float) -> None:
        """Make a token useless. Raises NotFound."""
        if actor.username != username:
            actor.require("user", "update")

        def write(conn: sqlite3.Connection) -> None:
            row = self._row(conn, username)
            changed = conn.execute(
                "UPDATE api_tokens SET revoked_at = ? WHERE id = ? AND user = ?"
                " AND revoked_at IS NULL",
                (now, token_id, row["id"]),
            ).rowcount
            if not changed:
                raise NotFound("there is no such token")
            audit.note(conn, actor, "revoke_token", "user", row["username"], now)

        await self._change(write)


def _failed(conn: sqlite3.Connection, subjects: list[str], now: float) -> None:
    for subject in subjects:
        row = conn.execute(
            "SELECT failures, last_at FROM login_failures WHERE subject = ?", (subject,)
        ).fetchone()
        failures = 1
        if row is not None and now - row["last_at"] < FORGET_FAILURES_S:
            failures = row["failures"] + 1
        over = failures - FREE_FAILURES
        wait_s = min(FIRST_BLOCK_S * 2**over, LONGEST_BLOCK_S) if 0 <= over < 30 else 0.0
        wait_s = LONGEST_BLOCK_S if over >= 30 else wait_s
        conn.execute(
            "INSERT INTO login_failures(subject, failures, last_at, blocked_until) VALUES (?,?,?,?)"
            " ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures,"
            " last_at = excluded.last_at, blocked_until = excluded.blocked_until",
            (subject, failures, now, now + wait_s),
        )
    conn.execute("DELETE FROM login_failures WHERE last_at < ?", (now - 2 * FORGET_FAILURES_S,))

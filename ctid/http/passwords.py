"""Checks passwords with argon2id (RFC 9106) beside the loop, a bounded number at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from ctid.http.errors import Problem


class Passwords:
    """Verifies at most ``threads`` passwords at once; ``waiting`` more may queue.

    One check costs 64 MiB and tens of milliseconds by design, so the bound is also what keeps a
    flood of log-ins from taking the machine.
    """

    def __init__(self, *, threads: int, waiting: int) -> None:
        self._hasher = PasswordHasher()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._limit = threads + waiting
        self._busy = 0
        # A user who does not exist is checked against this, and so takes as long to refuse.
        self._nobody = self._hasher.hash("nobody has this password")

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password fits. ``None``: no such user. Raises ``busy`` when full."""
        if self._busy >= self._limit:
            raise Problem("busy", headers={"Retry-After": "2"})
        self._busy += 1
        try:
            loop = asyncio.get_running_loop()
            fits = await loop.run_in_executor(
                self._pool, self._check, password, password_hash or self._nobody
            )
        finally:
            self._busy -= 1
        return fits and password_hash is not None

    def close(self) -> None:
        """Take nothing more; running checks end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password.encode("utf-8", "surrogatepass"))
        except (Argon2Error, InvalidHashError):
            return False

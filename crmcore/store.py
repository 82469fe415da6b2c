"""The store as the daemon holds it: the file, the journal, the users and the CRM, one open door.

Thin on purpose: each method runs one function of this package as one read or one transaction.
Nothing here asks a clock; ``now`` is Unix seconds, given by the caller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from crmcore import (
    access,
    contact_records,
    customers,
    import_undo,
    matching,
    pop,
    search,
    timeline,
)
from crmcore.access import SYSTEM, Actor, Policy
from crmcore.db import Database
from crmcore.journal import Journal
from crmcore.migrate import migrate
from crmcore.numbers import HOME, NumberPlan
from crmcore.pop import PopData
from crmcore.users import User, Users
from routing.commands import AmendContactRecord, InteractionAccount

Row = dict[str, Any]
T = TypeVar("T")
P = ParamSpec("P")
_TIDY_AT_ONCE = 25_000


class Store:
    """Open with :meth:`open`; close with :meth:`close`, which finishes everything accepted."""

    def __init__(self, db: Database, journal: Journal, policy: Policy, plan: NumberPlan) -> None:
        self.db = db
        self.journal = journal
        self.users = Users(db)
        self.policy = policy
        self.plan = plan

    @classmethod
    async def open(
        cls,
        path: Path | str,
        now: float,
        *,
        plan: NumberPlan = HOME,
        readers: int = 3,
        tidy: bool = True,
    ) -> Store:
        """Open or create the store at ``path`` and bring it to this version.

        ``plan`` is where numbers are at home. ``tidy`` false: beside a running daemon, whose import
        must not be taken for an interrupted one. Raises StoreIncompatible for a newer store or
        another program's file, ``sqlite3.DatabaseError`` for a file that is no database.
        """
        db = await Database.open(path, readers=readers)
        try:
            await migrate(db, now)
            if tidy and await db.read(import_undo.staged_rows) <= _TIDY_AT_ONCE:
                await import_undo.recover(db, now)
            journal = await Journal.open(db)
            policy = await db.read(access.load_policy)
        except BaseException:
            await db.close()
            raise
        return cls(db, journal, policy, plan)

    async def tidy(self, now: float) -> int:
        """Remove what interrupted imports left staged. Nobody sees it, so calls need not wait.

        ``open`` does it when it is little; after a crash within a large import let a task do it.
        """
        return await import_undo.recover(self.db, now)

    async def close(self) -> None:
        """Flush the journal and close the file. Idempotent."""
        await self.journal.close()
        await self.db.close()

    # ---- any function of this package ---------------------------------------------------------

    async def read(
        self, fn: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """``await store.read(tasks.page, actor, state="open")``: run a reading function."""
        return await self.db.read(lambda conn: fn(conn, *args, **kwargs))

    async def write(
        self, fn: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """``await store.write(tasks.create, actor, {..}, now)``: run it as one transaction."""
        return await self.db.write(lambda conn: fn(conn, *args, **kwargs))

    def actor(self, user: User, source: str = "") -> Actor:
        """The user with the rights in force. ``source``: network address, for the audit."""
        return user.actor(source, self.policy)

    async def reload_policy(self) -> None:
        """Take up changed permissions and masks."""
        self.policy = await self.db.read(access.load_policy)

    # ---- the voice path -----------------------------------------------------------------------

    async def match(
        self, number: str, actor: Actor = SYSTEM, *, customer: object = None
    ) -> PopData:
        """Who calls: customer, candidates, history; see :class:`crmcore.pop.PopData`."""
        return await self.db.read(
            lambda conn: pop.pop(conn, actor, number, plan=self.plan, customer=customer),
            urgent=True,
        )

    async def file_contact_record(
        self,
        account: InteractionAccount,
        now: float,
        *,
        team: str | None = None,
    ) -> tuple[str, bool]:
        """Write the record once and drop the live snapshot with it: ``(id, new)``."""
        self.journal.forget_staged("interaction", account.interaction)
        return await self.db.write(
            lambda conn: contact_records.file(conn, account, now, team=team, plan=self.plan),
            soon=True,
        )

    async def amend_contact_record(self, command: AmendContactRecord, now: float) -> bool:
        """Add disposition, notes or wrap-up time; kept for later if the record is not there yet."""
        return await self.db.write(
            lambda conn: contact_records.amend(conn, command, now), soon=True
        )

    async def put_recording(
        self,
        recording: str,
        interaction: str,
        state: str,
        now: float,
        *,
        file_name: str = "",
        sha256: str = "",
        size: int = 0,
        duration_s: float = 0.0,
        reason: str = "",
    ) -> None:
        """State of a recording: ``pending``, ``ready`` (file, hash, size, length) or ``failed``."""
        await self.db.write(
            lambda conn: contact_records.put_recording(
                conn,
                recording,
                interaction,
                state,
                now,
                file_name=file_name,
                sha256=sha256,
                size=size,
                duration_s=duration_s,
                reason=reason,
            ),
            soon=True,
        )

    async def recording(self, actor: Actor, recording: str) -> Row:
        """One recording, if the actor may hear it."""
        return await self.read(contact_records.recording, actor, recording)

    async def pending_recordings(self) -> list[Row]:
        """Recordings that were never finalised."""
        return await self.read(contact_records.pending_recordings)

    # ---- contact records ----------------------------------------------------------------------

    async def contact_records(
        self,
        actor: Actor,
        filters: Mapping[str, str] | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[Row], str | None]:
        """One page, newest arrival first; see :func:`crmcore.contact_records.page`."""
        return await self.db.read(
            lambda conn: contact_records.page(
                conn, actor, filters, cursor=cursor, limit=limit, plan=self.plan
            )
        )

    async def contact_record(self, actor: Actor, record: str) -> Row:
        """One, by its id or by the interaction's."""
        return await self.read(contact_records.get, actor, record)

    async def update_contact_record(
        self,
        actor: Actor,
        record: str,
        given: Mapping[str, Any],
        now: float,
        *,
        version: int | None = None,
    ) -> Row:
        """Disposition, notes, customer, survey by a person."""
        return await self.write(contact_records.update, actor, record, given, now, version=version)

    # ---- customers ----------------------------------------------------------------------------

    async def customer(self, actor: Actor, customer: str) -> Row:
        """One customer (a merged id answers its survivor)."""
        return await self.read(customers.get, actor, customer)

    async def create_customer(self, actor: Actor, given: Mapping[str, Any], now: float) -> Row:
        """Make one; see :mod:`crmcore.customers` for the fields."""
        return await self.write(customers.create, actor, given, now, plan=self.plan)

    async def update_customer(
        self,
        actor: Actor,
        customer: str,
        given: Mapping[str, Any],
        now: float,
        *,
        version: int | None = None,
    ) -> Row:
        """Change the fields given, under an optimistic lock."""
        return await self.write(
            customers.update, actor, customer, given, now, version=version, plan=self.plan
        )

    async def link_number(self, actor: Actor, number: str, customer: str, now: float) -> Row:
        """A person says whose number this is; answers ``{customer, relinked}``."""
        return await self.write(matching.link, actor, number, customer, now, plan=self.plan)

    async def customers(
        self,
        actor: Actor,
        *,
        query: str = "",
        filters: Mapping[str, str] | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[Row], str | None]:
        """A search (ranked, one page) when ``query`` is given, else a filtered list by pages."""
        limit = max(1, min(limit, 200))
        after = int(cursor) if cursor and cursor.isdigit() and len(cursor) < 19 else 0

        def fetch(conn: sqlite3.Connection) -> tuple[list[Row], str | None]:
            if query.strip():
                ids = search.find(conn, actor, query, filters, limit=limit, plan=self.plan)
                return customers.load(conn, actor, ids), None
            ids, more = search.page(conn, actor, filters or {}, after=after, limit=limit)
            return customers.load(conn, actor, ids), str(more) if more else None

        return await self.db.read(fetch)

    async def timeline(
        self,
        actor: Actor,
        customer: str,
        *,
        types: Sequence[str] = (),
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[Row], str | None]:
        """Everything that happened with a customer; see :mod:`crmcore.timeline`."""
        return await self.read(
            timeline.page, actor, customer, types=types, cursor=cursor, limit=limit
        )

"""The journal of facts and commands, and the last snapshot of everything that is live.

``append`` and ``put_live`` only put things into memory and never wait. :meth:`Journal.run` (one
background task) writes what has gathered as one transaction: the first append wakes it, it lets a
few hundredths of a second gather and commits. A hash chain (SHA-256) runs over the entries, so two
runs can be compared by one value and a changed entry is found.

**Back-pressure.** From ``soft_limit`` entries in memory on, :attr:`pressed` is true and
``on_overflow`` is told once: the daemon should take in less. At ``hard_limit`` the new entries are
counted instead of kept, ``on_overflow`` is told at each, and an entry of kind ``gap`` with the
count stands in the journal as soon as there is room. Live snapshots replace each other and need no
limit of their own: there are never more than live interactions and agents.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from crmcore.db import Database
from crmcore.errors import StoreError

GATHER_S = 0.05
"""Lets the facts of one moment share a commit; the PBX knows what a crash within it loses."""
_RETRY_FIRST_S = 0.1
_RETRY_LAST_S = 5.0
_PAGE = 1000
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class JournalEntry(NamedTuple):
    """One fact or command. ``payload`` is JSON text, ``at`` Unix seconds, ``cause`` a ``seq``."""

    seq: int
    at: float
    cause: int | None
    kind: str
    interaction: str | None
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRow:
    """The last snapshot of one live thing; ``kind`` is ``interaction`` or ``agent``."""

    kind: str
    id: str
    snapshot: dict[str, Any]


def _link(chain: bytes, entry: JournalEntry, digest: bytes) -> bytes:
    head = f"{entry.seq}|{entry.at!r}|{entry.cause}|{entry.kind}|{entry.interaction}|"
    return hashlib.sha256(chain + head.encode() + digest).digest()


def _digest(payload: str) -> bytes:
    return hashlib.sha256(payload.encode("utf-8", "surrogatepass")).digest()


class Journal:
    """See the module. Make it with :meth:`open`; ``run`` wants a task of the caller's."""

    def __init__(
        self,
        db: Database,
        head_seq: int,
        head_chain: bytes,
        *,
        gather_s: float = GATHER_S,
        soft_limit: int = 20_000,
        hard_limit: int = 100_000,
        on_overflow: Callable[[int], None] | None = None,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._db = db
        self._seq = head_seq
        self._written_seq = head_seq
        self._chain = head_chain
        self._gather_s = gather_s
        self._soft_limit = soft_limit
        self._hard_limit = hard_limit
        self.on_overflow = on_overflow
        self.on_error = on_error
        self.before_commit: Callable[[], None] | None = None
        """Called right before a commit takes what has gathered: the moment to ``put_live``."""
        self._buffer: list[JournalEntry] = []
        self._live: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        self._lost = 0
        self._told = False
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        db: Database,
        *,
        gather_s: float = GATHER_S,
        soft_limit: int = 20_000,
        hard_limit: int = 100_000,
        on_overflow: Callable[[int], None] | None = None,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> Journal:
        """Take up the chain where the store left it."""
        row = await db.read(
            lambda conn: conn.execute("SELECT head_seq, head_chain FROM journal_state").fetchone()
        )
        return cls(
            db,
            row["head_seq"],
            bytes(row["head_chain"]),
            gather_s=gather_s,
            soft_limit=soft_limit,
            hard_limit=hard_limit,
            on_overflow=on_overflow,
            on_error=on_error,
        )

    # ---- writing ------------------------------------------------------------------------------

    @property
    def next_seq(self) -> int:
        """The number that the next entry must carry (also right after a restart)."""
        return self._seq + 1

    @property
    def written_seq(self) -> int:
        """The last entry that is safely on the disk."""
        return self._written_seq

    @property
    def hash(self) -> str:
        """The chain after the last written entry, as hex."""
        return self._chain.hex()

    @property
    def pressed(self) -> bool:
        """True while more waits in memory than the soft limit."""
        return len(self._buffer) >= self._soft_limit

    def append(
        self,
        seq: int,
        at: float,
        cause: int | None,
        kind: str,
        interaction: str | None,
        payload: str,
    ) -> None:
        """Take one entry. Never waits. ``seq`` must be :attr:`next_seq`, else ``ValueError``."""
        if seq != self._seq + 1:
            raise ValueError(f"journal entry {seq} out of order; {self._seq + 1} is next")
        self._seq = seq
        if len(self._buffer) >= self._hard_limit:
            self._lost += 1
            if self.on_overflow is not None:
                self.on_overflow(len(self._buffer) + self._lost)
            return
        if self._lost:
            # the gap takes the number of the last entry that found no room
            gap = json.dumps({"lost": self._lost})
            self._buffer.append(JournalEntry(seq - 1, at, None, "gap", None, gap))
            self._lost = 0
        self._buffer.append(JournalEntry(seq, at, cause, kind, interaction, payload))
        if not self._told and self.pressed:
            self._told = True
            if self.on_overflow is not None:
                self.on_overflow(len(self._buffer))
        self._wake.set()

    def wake(self) -> None:
        """Have a commit follow, though nothing is appended. Never waits."""
        self._wake.set()

    def put_live(self, kind: str, id: str, snapshot: Mapping[str, Any]) -> None:
        """Keep this as the last snapshot, in the same commit as the entries. Never waits.

        The mapping must not be changed afterwards. A snapshot of an interaction whose contact
        record stands already is not kept.
        """
        self._live[kind, id] = snapshot
        self._wake.set()

    def drop_live(self, kind: str, id: str) -> None:
        """Forget the snapshot with the next commit. Never waits."""
        self._live[kind, id] = None
        self._wake.set()

    def forget_staged(self, kind: str, id: str) -> None:
        """Take back what was staged by put_live: the row goes in another transaction."""
        self._live.pop((kind, id), None)

    async def run(self) -> None:
        """Write what gathers, until cancelled. A failing disk is reported and tried again."""
        pause_s = _RETRY_FIRST_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._gather_s)
            try:
                await self._commit()
                pause_s = _RETRY_FIRST_S
            except (StoreError, sqlite3.Error) as error:
                if self.on_error is not None:
                    self.on_error(error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _RETRY_LAST_S)

    async def flush(self) -> None:
        """Return when everything that was appended before is on the disk."""
        await self._commit()

    async def close(self) -> None:
        """Write what is left; entries that come later are refused."""
        self._hard_limit = 0
        await self._commit()

    async def _commit(self) -> None:
        async with self._lock:
            if self.before_commit is not None:
                self.before_commit()
            entries, self._buffer = self._buffer, []
            live, self._live = self._live, {}
            self._wake.clear()  # nothing is left; telling the changes has just set it
            if not entries and not live:
                return
            chain = self._chain
            try:
                chain = await self._db.write(lambda conn: _write(conn, chain, entries, live))
            except BaseException:
                # what came meanwhile is newer: it stays behind, and wins among the snapshots
                self._buffer[:0] = entries
                self._live = live | self._live
                self._wake.set()
                raise
            self._chain = chain
            if entries:
                self._written_seq = entries[-1].seq
            if len(self._buffer) < self._soft_limit:
                self._told = False

    # ---- reading ------------------------------------------------------------------------------

    async def read_live(self) -> list[LiveRow]:
        """Everything that was live at the last commit, interactions before agents."""

        def rows(conn: sqlite3.Connection) -> list[LiveRow]:
            found = conn.execute("SELECT kind, id, snapshot FROM live ORDER BY kind DESC, id")
            return [LiveRow(kind=k, id=i, snapshot=json.loads(s)) for k, i, s in found]

        return await self._db.read(rows)

    async def read(
        self, from_seq: int = 0, *, interaction: str | None = None, page: int = _PAGE
    ) -> AsyncIterator[JournalEntry]:
        """Entries from ``from_seq`` on, in order, a page at a time (written ones only)."""
        where = "seq >= ?" if interaction is None else "seq >= ? AND interaction = ?"
        sql = (
            "SELECT seq, at, cause, kind, interaction, payload FROM journal"
            f" WHERE {where} ORDER BY seq LIMIT ?"
        )
        while True:
            values = (from_seq, page) if interaction is None else (from_seq, interaction, page)

            def fetch(
                conn: sqlite3.Connection, values: tuple[object, ...] = values
            ) -> list[JournalEntry]:
                return [JournalEntry(*row) for row in conn.execute(sql, values)]

            entries = await self._db.read(fetch)
            for entry in entries:
                yield entry
            if len(entries) < page:
                return
            from_seq = entries[-1].seq + 1

    async def verify(self) -> int | None:
        """Recompute the chain. Returns the head's ``seq`` if it holds, else ``None``."""
        return await self._db.read(_verify, timeout_s=600)

    async def compact(self, before_at: float, *, chunk: int = 500) -> int:
        """Delete entries older than ``before_at`` (Unix seconds), in short transactions.

        Stops before the first entry of an interaction that is still live, and lets every other
        write go first. Returns how many went.
        """
        gone = 0
        while True:
            count = await self._db.write(lambda conn: _compact(conn, before_at, chunk), bulk=True)
            gone += count
            if count < chunk:
                return gone


def _write(
    conn: sqlite3.Connection,
    chain: bytes,
    entries: list[JournalEntry],
    live: Mapping[tuple[str, str], Mapping[str, Any] | None],
) -> bytes:
    for entry in entries:
        chain = _link(chain, entry, _digest(entry.payload))
    if entries:
        conn.executemany(
            "INSERT INTO journal(seq, at, cause, kind, interaction, payload) VALUES (?,?,?,?,?,?)",
            entries,
        )
        conn.execute(
            "UPDATE journal_state SET head_seq = ?, head_chain = ?", (entries[-1].seq, chain)
        )
    for (kind, id_), snapshot in live.items():
        if snapshot is None:
            conn.execute("DELETE FROM live WHERE kind = ? AND id = ?", (kind, id_))
        else:
            conn.execute(
                "INSERT INTO live(kind, id, snapshot) SELECT ?1, ?2, ?3 WHERE ?1 <> 'interaction'"
                " OR NOT EXISTS (SELECT 1 FROM contact_records WHERE interaction = ?2)"
                " ON CONFLICT (kind, id) DO UPDATE SET snapshot = excluded.snapshot",
                (kind, id_, _encode(snapshot)),
            )
    return chain


def _chained(row: sqlite3.Row, chain: bytes) -> bytes:
    entry = JournalEntry(*tuple(row)[:6])
    return _link(chain, entry, bytes(row["digest"]) if row["digest"] else _digest(entry.payload))


def _verify(conn: sqlite3.Connection) -> int | None:
    state = conn.execute("SELECT * FROM journal_state").fetchone()
    chain = bytes(state["base_chain"])
    last = state["base_seq"]
    for row in conn.execute(
        "SELECT seq, at, cause, kind, interaction, payload, digest FROM journal ORDER BY seq"
    ):
        chain = _chained(row, chain)
        last = row["seq"]
    return last if chain == bytes(state["head_chain"]) else None


def _compact(conn: sqlite3.Connection, before_at: float, chunk: int) -> int:
    state = conn.execute("SELECT * FROM journal_state").fetchone()
    chain = bytes(state["base_chain"])
    last = None
    count = 0
    for row in conn.execute(
        "SELECT seq, at, cause, kind, interaction, payload, digest FROM journal"
        " ORDER BY seq LIMIT ?",
        (chunk,),
    ):
        if row["at"] >= before_at:
            break
        if (
            row["interaction"] is not None
            and conn.execute(
                "SELECT 1 FROM live WHERE kind = 'interaction' AND id = ?", (row["interaction"],)
            ).fetchone()
        ):
            break
        chain = _chained(row, chain)
        last = row["seq"]
        count += 1
    if last is not None:
        conn.execute("DELETE FROM journal WHERE seq <= ?", (last,))
        conn.execute("UPDATE journal_state SET base_seq = ?, base_chain = ?", (last, chain))
    return count


def redact(conn: sqlite3.Connection, seqs: list[int], payloads: list[str]) -> None:
    """Replace payloads; the digest of the original stays, so the chain still holds."""
    for seq, payload in zip(seqs, payloads, strict=True):
        row = conn.execute("SELECT payload, digest FROM journal WHERE seq = ?", (seq,)).fetchone()
        if row is not None:
            digest = row["digest"] or _digest(row["payload"])
            conn.execute(
                "UPDATE journal SET payload = ?, digest = ? WHERE seq = ?", (payload, digest, seq)
            )

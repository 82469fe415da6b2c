"""A whole store in a file, and a bare connection with the whole schema."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from crmcore import migrate
from crmcore.store import Store


def copy(template: sqlite3.Connection) -> sqlite3.Connection:
    """Another store in memory with the same content."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    template.backup(conn)
    conn.row_factory = sqlite3.Row
    conn.execute("PRAGMA foreign_keys=ON")
    return conn


def schema() -> sqlite3.Connection:
    """A connection to a new store in memory, as the functions of crmcore get it."""
    return copy(_template())


@functools.cache
def _template() -> sqlite3.Connection:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.row_factory = sqlite3.Row
    conn.execute("PRAGMA foreign_keys=ON")
    for one in migrate.known_migrations():
        migrate._apply(conn, one, 0.0)
    return conn


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    connection = schema()
    yield connection
    connection.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "ctid.db", 1000.0)
    yield opened
    await opened.close()

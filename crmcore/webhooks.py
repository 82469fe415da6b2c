"""Webhooks: who is told of what, signed, tried again, with a log of every delivery.

This is the data side. Sending over HTTP is given from outside (``Send``), so that nothing here
opens a connection. The body is JSON ``{id, event, at, data}``; ``data`` names rows by id, without
personal data: who may know more asks the API; the header ``X-Ctid-Signature`` is
``t=<Unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" with the secret, hex>`` (RFC 2104). A receiver
answers 2xx within the sender's time-out; otherwise the delivery is tried again after the waits of
:data:`WAITS_S`, then given up as ``failed``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from crmcore import audit, text
from crmcore.access import Actor
from crmcore.db import Database
from crmcore.errors import Conflict, Invalid, NotFound, StoreError, Wrong, one_of

Row = dict[str, Any]
Send = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]
"""``status = await send(url, headers, body)``; raises on a network error or a time-out."""

EVENTS = (
    "customer.created",
    "customer.updated",
    "customer.merged",
    "customer.erased",
    "contact_record.filed",
    "contact_record.updated",
    "callback.opened",
    "callback.closed",
    "task.created",
    "task.updated",
)
TEST = "webhook.test"
"""The event that a person sends to see whether the receiver answers; nobody subscribes to it."""
WAITS_S = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0, 86400.0)
KEEP_S = 30 * 86400.0
GATHER_S = 0.5


def create(conn: sqlite3.Connection, actor: Actor, url: str, events: list[str], now: float) -> Row:
    """Make a webhook; the answer holds the ``secret``, which is not shown again."""
    actor.require("webhook", "create")
    address, wanted = _checked(url, events)
    secret = secrets.token_urlsafe(32)
    cursor = conn.execute(
        "INSERT INTO webhooks(url, secret, events, created_by, created_at) VALUES (?,?,?,?,?)",
        (address, secret, audit.text(wanted), actor.username, now),
    )
    after = {"url": address, "events": wanted}
    audit.note(conn, actor, "create", "webhook", cursor.lastrowid, now, after=after)
    return {**_get(conn, int(cursor.lastrowid or 0)), "secret": secret}


def _checked(url: str, events: list[str]) -> tuple[str, list[str]]:
    parts = urlsplit(text.clean(url, 1000))
    errors: dict[str, str] = {}
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        errors["url"] = Wrong("must be http(s)://host/... without a user name", "url")
    unknown = [one for one in events if one not in EVENTS and one != "*"]
    if unknown or not events:
        errors["events"] = one_of((*EVENTS, "*"))
    if errors:
        raise Invalid(errors)
    return parts.geturl(), sorted(set(events))


def get(conn: sqlite3.Connection, actor: Actor, webhook: object) -> Row:
    """One, as in :func:`page`. Raises NotFound, Forbidden."""
    actor.require("webhook", "read")
    return _get(conn, _key(webhook))


def _get(conn: sqlite3.Connection, key: int) -> Row:
    row = conn.execute("SELECT * FROM webhooks WHERE id = ?", (key,)).fetchone()
    if row is None:
        raise NotFound("there is no such webhook")
    one = dict(row)
    one.pop("secret")
    return {
        **one,
        "id": str(key),
        "active": bool(one["active"]),
        "events": json.loads(one["events"]),
    }


def page(conn: sqlite3.Connection, actor: Actor) -> list[Row]:
    """All: ``{id, url, events, active, created_by, created_at, version}``."""
    actor.require("webhook", "read")
    return [_get(conn, r[0]) for r in conn.execute("SELECT id FROM webhooks ORDER BY id")]


def _key(value: object) -> int:
    return int(str(value)) if str(value).isdigit() and len(str(value)) < 19 else 0


def update(
    conn: sqlite3.Connection, actor: Actor, webhook: object, given: Mapping[str, Any], now: float
) -> Row:
    """Change ``url``, ``events`` or ``active``, as far as they are given.

    What waits for delivery goes to the new address; while it is switched off, it waits.
    """
    actor.require("webhook", "update")
    before = _get(conn, _key(webhook))
    wanted = {**before, **given}
    address, events = _checked(wanted["url"], wanted["events"])
    conn.execute(
        "UPDATE webhooks SET url = ?, events = ?, active = ?, version = version + 1 WHERE id = ?",
        (address, audit.text(events), int(wanted["active"]), before["id"]),
    )
    after = _get(conn, _key(webhook))
    audit.note(conn, actor, "update", "webhook", webhook, now, before=before, after=after)
    return after


def renew_secret(conn: sqlite3.Connection, actor: Actor, webhook: object, now: float) -> Row:
    """A new ``secret``, shown this once; the old one signs nothing from now on."""
    actor.require("webhook", "update")
    key = int(_get(conn, _key(webhook))["id"])
    secret = secrets.token_urlsafe(32)
    conn.execute(
        "UPDATE webhooks SET secret = ?, version = version + 1 WHERE id = ?", (secret, key)
    )
    audit.note(conn, actor, "renew_secret", "webhook", webhook, now)
    return {**_get(conn, key), "secret": secret}


def send_test(conn: sqlite3.Connection, actor: Actor, webhook: object, now: float) -> Row:
    """Queue a delivery of :data:`TEST` to this webhook alone. Raises Conflict when it is off."""
    actor.require("webhook", "update")
    hook = _get(conn, _key(webhook))
    if not hook["active"]:
        raise Conflict("the webhook is switched off; switch it on first")
    delivery = _queue(conn, int(hook["id"]), TEST, {"webhook": hook["id"]}, now)
    return _delivery(conn, hook["id"], delivery)


def retry(
    conn: sqlite3.Connection, actor: Actor, webhook: object, delivery: object, now: float
) -> Row:
    """Send a delivery again now. One that was given up is tried this once.

    Raises NotFound, and Conflict for one that arrived or whose content was erased.
    """
    actor.require("webhook", "update")
    hook = _get(conn, _key(webhook))
    row = conn.execute(
        "SELECT state, body FROM webhook_deliveries WHERE id = ? AND webhook = ?",
        (_key(delivery), hook["id"]),
    ).fetchone()
    if row is None:
        raise NotFound("there is no such delivery")
    if row["state"] == "delivered":
        raise Conflict("this was delivered")
    if not row["body"]:
        raise Conflict("the person that it was about was erased, and its content with it")
    conn.execute(
        "UPDATE webhook_deliveries SET state = 'pending', next_at = ? WHERE id = ?",
        (now, _key(delivery)),
    )
    return _delivery(conn, hook["id"], _key(delivery))


def delete(conn: sqlite3.Connection, actor: Actor, webhook: object, now: float) -> None:
    """Delete a webhook with its delivery log."""
    actor.require("webhook", "delete")
    before = _get(conn, _key(webhook))
    conn.execute("DELETE FROM webhooks WHERE id = ?", (before["id"],))
    audit.note(conn, actor, "delete", "webhook", webhook, now, before=before)


def emit(
    conn: sqlite3.Connection,
    event: str,
    data: Mapping[str, Any],
    now: float,
    *,
    customer: int | None = None,
) -> int:
    """Queue an event for everybody who wants it, in the transaction in which it happened."""
    queued = 0
    for hook in conn.execute("SELECT id, events FROM webhooks WHERE active").fetchall():
        events = json.loads(hook["events"])
        if event not in events and "*" not in events:
            continue
        _queue(conn, hook["id"], event, data, now, customer)
        queued += 1
    return queued


def _queue(
    conn: sqlite3.Connection,
    webhook: int,
    event: str,
    data: Mapping[str, Any],
    now: float,
    customer: int | None = None,
) -> int:
    body = audit.text({"id": secrets.token_hex(12), "event": event, "at": now, "data": dict(data)})
    cursor = conn.execute(
        "INSERT INTO webhook_deliveries(webhook, event, customer, body, next_at, created_at)"
        " VALUES (?,?,?,?,?,?)",
        (webhook, event, customer, body, now, now),
    )
    return int(cursor.lastrowid or 0)


def signature(secret: str, body: bytes, now: float) -> str:
    """The header's value; see the module."""
    at = str(int(now))
    mac = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def due(
    conn: sqlite3.Connection, now: float, limit: int = 20
) -> tuple[list[tuple[int, str, str, str]], float | None]:
    """``([(delivery, url, secret, body)], when the next is due)``."""
    rows = conn.execute(
        "SELECT d.id, w.url, w.secret, d.body FROM webhook_deliveries d"
        " JOIN webhooks w ON w.id = d.webhook AND w.active"
        " WHERE d.state = 'pending' AND d.next_at <= ? ORDER BY d.next_at, d.id LIMIT ?",
        (now, limit),
    ).fetchall()
    following = conn.execute(
        "SELECT min(d.next_at) FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook"
        " AND w.active WHERE d.state = 'pending' AND d.next_at > ?",
        (now,),
    ).fetchone()[0]
    return [tuple(row) for row in rows], following


def settle(
    conn: sqlite3.Connection, delivery: int, status: int | None, error: str, now: float
) -> Row | None:
    """Note how one attempt ended. Answers ``{id, webhook, state}``, or None if it is gone."""
    row = conn.execute(
        "SELECT webhook, attempts FROM webhook_deliveries WHERE id = ?", (delivery,)
    ).fetchone()
    if row is None:
        return None
    attempts = row["attempts"] + 1
    good = status is not None and 200 <= status < 300
    over = attempts > len(WAITS_S)
    state = "delivered" if good else "failed" if over else "pending"
    conn.execute(
        "UPDATE webhook_deliveries SET state = ?, attempts = ?, next_at = ?, last_status = ?,"
        " last_error = ?, delivered_at = ? WHERE id = ?",
        (
            state,
            attempts,
            now if state != "pending" else now + WAITS_S[attempts - 1],
            status,
            text.clean(error, 500),
            now if good else None,
            delivery,
        ),
    )
    conn.execute(
        "DELETE FROM webhook_deliveries WHERE state <> 'pending' AND created_at < ?",
        (now - KEEP_S,),
    )
    return {"id": str(delivery), "webhook": str(row["webhook"]), "state": state}


_LOGGED = (
    "SELECT id, event, state, attempts, next_at, last_status, last_error, created_at, delivered_at"
    " FROM webhook_deliveries WHERE webhook = ?"
)


def _logged(row: sqlite3.Row) -> Row:
    return {**dict(row), "id": str(row["id"])}


def _delivery(conn: sqlite3.Connection, webhook: object, delivery: int) -> Row:
    return _logged(conn.execute(f"{_LOGGED} AND id = ?", (webhook, delivery)).fetchone())


def deliveries(
    conn: sqlite3.Connection,
    actor: Actor,
    webhook: object,
    *,
    state: str | None = None,
    cursor: int = 0,
    limit: int = 50,
) -> tuple[list[Row], int | None]:
    """The log, newest first: ``({id, event, state, attempts, next_at, last_status, last_error,
    created_at, delivered_at}, the next page's cursor)``; ``state`` leaves only those."""
    actor.require("webhook", "read")
    limit = max(1, min(limit, 200))
    rows = conn.execute(
        f"{_LOGGED} AND (?2 = 0 OR id < ?2) AND (?3 IS NULL OR state = ?3)"
        " ORDER BY id DESC LIMIT ?4",
        (_key(webhook), cursor, state, limit + 1),
    ).fetchall()
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    return [_logged(row) for row in rows[:limit]], following


class Dispatcher:
    """Sends what is due. ``run`` wants a task of the caller's; ``nudge`` after anything queued.

    ``settled`` is told of each attempt that ended, as :func:`settle` answers it.
    """

    def __init__(
        self,
        db: Database,
        send: Send,
        now: Callable[[], float],
        settled: Callable[[Row], None] = lambda told: None,
    ) -> None:
        self._db = db
        self._send = send
        self._now = now
        self._settled = settled
        self._wake = asyncio.Event()
        self._wake.set()

    def nudge(self) -> None:
        """Something was queued: look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Sleep until the next delivery is due or something is queued, until cancelled."""
        while True:
            following = await self.send_due()
            timeout_s = None if following is None else max(0.0, following - self._now())
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER_S)  # records of a busy moment share one look
            self._wake.clear()

    async def send_due(self) -> float | None:
        """Send everything that is due now. Answers when the next will be."""
        while True:
            now = self._now()
            batch, following = await self._db.read(lambda conn, now=now: due(conn, now))  # type: ignore[misc]
            if not batch:
                return following
            await asyncio.gather(*(self._one(*delivery) for delivery in batch))

    async def _one(self, delivery: int, url: str, secret: str, body: str) -> None:
        content = body.encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Ctid-Signature": signature(secret, content, self._now()),
        }
        status: int | None = None
        error = ""
        try:
            status = await self._send(url, headers, content)
        except StoreError:
            raise
        except Exception as problem:  # whatever the network does, the delivery waits
            error = f"{type(problem).__name__}: {problem}"
        now = self._now()
        told = await self._db.write(lambda conn: settle(conn, delivery, status, error, now))
        if told is not None:
            self._settled(told)

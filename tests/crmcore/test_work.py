"""Notes with mentions, tasks with reminders, relations, dictionaries, views and webhooks."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Mapping

import pytest

from crmcore import customers, dictionaries, notes, relations, tasks, webhooks
from crmcore.access import SYSTEM, Actor
from crmcore.errors import Conflict, Forbidden, Invalid, NotFound
from crmcore.store import Store

from .test_contact_records import account

pytestmark = pytest.mark.store

LI = Actor(username="li", role="agent", teams=("news",))
WU = Actor(username="wu", role="agent")


def customer(conn: sqlite3.Connection, name: str = "甲") -> str:
    return str(customers.create(conn, SYSTEM, {"name": name}, 1.0)["id"])


def users(conn: sqlite3.Connection, *names: str) -> None:
    for name in names:
        conn.execute(
            "INSERT INTO users(username, password_hash, role, created_at, password_at)"
            " VALUES (?, '', 'agent', 1, 1)",
            (name,),
        )


def test_mentions_and_watchers_are_told_once(conn: sqlite3.Connection) -> None:
    users(conn, "li", "wu", "hu")
    who = customer(conn)
    notes.watch(conn, LI, who)
    note = notes.add(conn, WU, who, "请 @li 和 @hu 跟进，抄送 a@wu.cn @nobody", 2.0)
    assert note["mentions"] == ["hu", "li"]
    told = notes.mentions(conn, LI)
    assert [m["note"]["id"] for m in told] == [note["id"]]
    with pytest.raises(NotFound):
        notes.read_mention(conn, WU, told[0]["id"], 3.0)
    notes.read_mention(conn, LI, told[0]["id"], 3.0)
    assert notes.mentions(conn, LI) == []
    with pytest.raises(Forbidden):
        notes.update(conn, LI, note["id"], 4.0, content="x")
    with pytest.raises(Conflict):
        notes.update(conn, WU, note["id"], 4.0, content="x", version=7)
    assert note["may"] == ["update", "delete"]
    assert notes.get(conn, LI, note["id"])["may"] == []
    assert notes.watchers(conn, WU, who) == ["li"]
    notes.delete(conn, WU, note["id"], 5.0)
    assert notes.of_customer(conn, LI, who) == []


def test_a_name_is_found_without_spaces_around_it(conn: sqlite3.Connection) -> None:
    users(conn, "li", "wu", "j.doe", "小明")
    note = notes.add(conn, WU, customer(conn), "Ask @li. Or @j.doe, or @li.wu.", 2.0)
    assert note["mentions"] == ["j.doe", "li"]
    note = notes.add(conn, WU, customer(conn), "请@li回电，抄送@小明。", 2.0)
    assert note["mentions"] == ["li", "小明"]


def test_colleagues_are_those_who_may_read_notes(conn: sqlite3.Connection) -> None:
    users(conn, "li", "hu", "gone", "vic")
    conn.execute("UPDATE users SET name = '李娜' WHERE username = 'li'")
    conn.execute("UPDATE users SET disabled_at = 2 WHERE username = 'gone'")
    conn.execute("UPDATE users SET role = 'viewer' WHERE username = 'vic'")
    assert notes.colleagues(conn, WU) == [
        {"username": "hu", "name": "hu"},
        {"username": "li", "name": "李娜"},
    ]
    viewer = Actor(username="vic", role="viewer")
    with pytest.raises(Forbidden):
        notes.colleagues(conn, viewer)
    with pytest.raises(Forbidden):
        notes.mentions(conn, viewer)


def test_tasks_remind_once_and_say_when_to_look_again(conn: sqlite3.Connection) -> None:
    first = tasks.create(conn, LI, {"title": "回访", "due_at": 90.0, "remind_at": 50.0}, 1.0)
    tasks.create(conn, LI, {"title": "稿件", "due_at": 20.0, "remind_at": 70.0}, 1.0)
    due, following = tasks.due_reminders(conn, 60.0)
    assert ([t["id"] for t in due], following) == ([first["id"]], 70.0)
    assert tasks.due_reminders(conn, 61.0) == ([], 70.0)
    assert [t["title"] for t in tasks.page(conn, LI)[0]] == ["稿件", "回访"]
    assert tasks.page(conn, WU)[0] == []
    with pytest.raises(NotFound):
        tasks.get(conn, WU, first["id"])
    done = tasks.update(conn, LI, first["id"], {"state": "done"}, 62.0, version=1)
    assert done["closed_at"] == 62.0
    with pytest.raises(Conflict):
        tasks.update(conn, LI, first["id"], {"state": "open"}, 63.0, version=1)
    with pytest.raises(Invalid):
        tasks.create(conn, LI, {"title": "", "state": "odd", "due_at": "tomorrow"}, 1.0)


def test_relations_are_seen_from_both_sides(conn: sqlite3.Connection) -> None:
    person, firm = customer(conn, "张三"), customer(conn, "现代快报")
    relations.relate(conn, SYSTEM, person, "works_for", firm, 2.0)
    seen = relations.of_customer(conn, SYSTEM, firm)
    assert [(r["direction"], r["name"]) for r in seen] == [("from", "张三")]
    with pytest.raises(Invalid):
        relations.relate(conn, SYSTEM, person, "eats", firm, 2.0)
    relations.unrelate(conn, SYSTEM, firm, seen[0]["id"], 3.0)
    assert relations.of_customer(conn, SYSTEM, person) == []


def test_facts_keep_source_and_date_and_the_latest_counts(conn: sqlite3.Connection) -> None:
    who = customer(conn)
    for at, value in ((1.0, "教师"), (5.0, "校长")):
        relations.state_fact(conn, SYSTEM, who, "职业", value, "来电", at)
    assert [(f["value"], f["source"], f["at"]) for f in relations.facts(conn, SYSTEM, who)] == [
        ("校长", "来电", 5.0)
    ]


def test_a_fact_taken_back_takes_its_earlier_values_along(conn: sqlite3.Connection) -> None:
    who, other = customer(conn), customer(conn)
    for at, value in ((1.0, "教师"), (5.0, "校长")):
        last = relations.state_fact(conn, SYSTEM, who, "职业", value, "来电", at)
    kept = relations.state_fact(conn, SYSTEM, who, "爱好", "摄影", "来电", 6.0)
    with pytest.raises(NotFound):
        relations.retract_fact(conn, SYSTEM, other, last["id"], 7.0)
    relations.retract_fact(conn, SYSTEM, who, last["id"], 7.0)
    assert [f["id"] for f in relations.facts(conn, SYSTEM, who)] == [kept["id"]]
    with pytest.raises(NotFound):
        relations.retract_fact(conn, SYSTEM, who, last["id"], 8.0)


def test_attachments(conn: sqlite3.Connection) -> None:
    who, other = customer(conn), customer(conn)
    kept = relations.attach(conn, SYSTEM, who, "../合同.pdf", "application/pdf", b"%PDF", 2.0)
    assert (kept["name"], kept["bytes"]) == (".._合同.pdf", 4)
    assert relations.attachment(conn, LI, who, kept["id"])[2] == b"%PDF"
    with pytest.raises(NotFound):
        relations.attachment(conn, LI, other, kept["id"])
    with pytest.raises(Invalid):
        relations.attach(conn, SYSTEM, who, "x", "y", b"", 2.0)
    relations.detach(conn, SYSTEM, who, kept["id"], 3.0)
    assert relations.attachments(conn, SYSTEM, who) == []


def test_dictionaries_and_views(conn: sqlite3.Connection) -> None:
    assert "meal" in {e["code"] for e in dictionaries.entries(conn, LI, "pause_reason")}
    with pytest.raises(Forbidden):
        dictionaries.put(conn, LI, "pause_reason", "nap", {}, 1.0)
    put = dictionaries.put(conn, SYSTEM, "pause_reason", "meal", {"active": False}, 1.0)
    assert (put["label_zh"], put["active"]) == ("用餐", False)
    assert "meal" not in {e["code"] for e in dictionaries.entries(conn, LI, "pause_reason")}
    with pytest.raises(Invalid):
        dictionaries.put(conn, SYSTEM, "pause_reason", "No Blank", {}, 1.0)
    field = {"extra": {"type": "choice", "choices": ["早报", "晚报"], "personal": False}}
    made = dictionaries.put(conn, SYSTEM, "custom_field", "edition-wanted", field, 1.0)
    assert made["extra"]["choices"] == ["早报", "晚报"]
    for wrong in ({"type": "colour"}, {"type": "choice"}):
        with pytest.raises(Invalid):
            dictionaries.put(conn, SYSTEM, "custom_field", "x", {"extra": wrong}, 1.0)
    view = dictionaries.save_view(conn, LI, "customer", "贵宾", {"vip": "true"}, shared=True)
    assert dictionaries.views(conn, WU, "customer")[0]["filter"] == {"vip": "true"}
    with pytest.raises(Conflict):
        dictionaries.delete_view(conn, WU, view["id"])
    dictionaries.delete_view(conn, LI, view["id"])
    assert dictionaries.views(conn, LI) == []


class Receiver:
    """A receiver that fails as often as it is told, and checks each signature."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.secret = ""
        self.got: list[str] = []
        self.arrived = asyncio.Event()

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        at, mac = (part.partition("=")[2] for part in headers["X-Ctid-Signature"].split(","))
        expected = hmac.new(self.secret.encode(), at.encode() + b"." + body, hashlib.sha256)
        assert hmac.compare_digest(mac, expected.hexdigest())
        self.arrived.set()
        if self.failures:
            self.failures -= 1
            raise OSError("unreachable")
        self.got.append(json.loads(body)["event"])
        return 204


async def test_webhooks_are_signed_tried_again_and_logged(store: Store) -> None:
    receiver = Receiver(failures=2)
    now = 100.0
    hook = await store.write(
        webhooks.create, SYSTEM, "https://example.cn/hook", ["customer.created"], now
    )
    receiver.secret = hook["secret"]
    await store.create_customer(SYSTEM, {"name": "甲"}, now)
    await store.file_contact_record(account(1), now)  # not asked for
    sender = webhooks.Dispatcher(store.db, receiver.send, lambda: now)
    assert await sender.send_due() == 110.0
    now = 110.0
    assert await sender.send_due() == 170.0
    now = 170.0
    assert await sender.send_due() is None
    assert receiver.got == ["customer.created"]
    log, _ = await store.read(webhooks.deliveries, SYSTEM, hook["id"])
    assert [(d["state"], d["attempts"], d["last_status"]) for d in log] == [("delivered", 3, 204)]
    assert hook["secret"] not in repr(await store.read(webhooks.page, SYSTEM))
    assert "甲" not in repr(log)


async def test_a_delivery_is_given_up_in_the_end(store: Store) -> None:
    receiver = Receiver(failures=99)
    hook = await store.write(webhooks.create, SYSTEM, "http://127.0.0.1:1/x", ["*"], 0.0)
    receiver.secret = hook["secret"]
    now = 0.0
    await store.file_contact_record(account(1), now)
    sender = webhooks.Dispatcher(store.db, receiver.send, lambda: now)
    following = await sender.send_due()
    while following is not None:
        now = following
        following = await sender.send_due()
    log, _ = await store.read(webhooks.deliveries, SYSTEM, hook["id"])
    assert (log[0]["state"], log[0]["attempts"]) == ("failed", len(webhooks.WAITS_S) + 1)
    assert "unreachable" in log[0]["last_error"]
    # a person may have it tried once more; what arrived is not sent twice
    receiver.failures = 0
    again = await store.write(webhooks.retry, SYSTEM, hook["id"], log[0]["id"], now)
    assert (again["state"], again["next_at"]) == ("pending", now)
    await sender.send_due()
    assert receiver.got == ["contact_record.filed"]
    with pytest.raises(Conflict):
        await store.write(webhooks.retry, SYSTEM, hook["id"], log[0]["id"], now)


async def test_the_dispatcher_wakes_when_nudged(store: Store) -> None:
    receiver = Receiver()
    hook = await store.write(webhooks.create, SYSTEM, "http://127.0.0.1:1/x", ["*"], 0.0)
    receiver.secret = hook["secret"]
    sender = webhooks.Dispatcher(store.db, receiver.send, lambda: 1.0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(sender.run())
        await asyncio.sleep(0)
        await store.create_customer(SYSTEM, {"name": "甲"}, 1.0)
        sender.nudge()
        await asyncio.wait_for(receiver.arrived.wait(), 30)
        running.cancel()


@pytest.mark.parametrize("url", ["ftp://x/", "javascript:1", "http://", "https://u:p@host/"])
def test_what_cannot_be_a_webhook(conn: sqlite3.Connection, url: str) -> None:
    with pytest.raises(Invalid):
        webhooks.create(conn, SYSTEM, url, ["*"], 1.0)

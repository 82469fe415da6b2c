"""Rights and masks: no answer to anybody shows what the role may not see."""

from __future__ import annotations

import functools
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore import (
    access,
    audit,
    callbacks,
    consent,
    contact_records,
    customers,
    dictionaries,
    exporting,
    importing,
    matching,
    merge,
    notes,
    pop,
    privacy,
    relations,
    rights,
    search,
    tasks,
    timeline,
)
from crmcore.access import ACTIONS, DEFAULT_POLICY, MASKABLE, ROLES, SYSTEM, Actor, Policy, Scope
from crmcore.errors import Conflict, Forbidden, Invalid, NotFound, StoreError
from routing.commands import Outcome

from .conftest import copy, schema
from .test_contact_records import account

pytestmark = pytest.mark.store

ALL_MASKED = frozenset(MASKABLE)
SECRETS = {
    "phone": ("13812345678", "138 1234 5678", "138-1234-5678", "86138123456"),
    "email": ("zhang.secret@example.cn",),
    "address": ("秘密路77号",),
    "birthday": ("1977-07-17",),
}


def filled() -> tuple[sqlite3.Connection, str]:
    """A store in which the secrets stand wherever they can."""
    conn, who = _filled()
    return copy(conn), who


@functools.cache
def _filled() -> tuple[sqlite3.Connection, str]:
    conn = schema()
    number = SECRETS["phone"][0]
    mail = SECRETS["email"][0]
    given = {
        "name": f"张三 {number}",
        "title": f"电话{number}",
        "birthday": "1977-07-17",
        "owner": "li",
        "team": "news",
        "tags": [f"t{number}"],
        "custom": {"other": f"{number} {mail}", "phone": number},
        "contact_points": [
            {"value": "138-1234-5678"},
            {"kind": "email", "value": mail},
            {"kind": "wechat", "value": number},
        ],
        "addresses": [{"city": "南京市", "street": "秘密路77号"}],
    }
    who = customers.create(conn, SYSTEM, given, 1.0)["id"]
    twin = customers.create(conn, SYSTEM, {"name": f"{number}"}, 1.0)["id"]
    other = customers.create(conn, SYSTEM, {"name": "乙", "owner": "li", "team": "news"}, 1.0)["id"]
    notes.add(conn, SYSTEM, who, f"请拨 138 1234 5678 或 {mail}", 2.0)
    relations.state_fact(conn, SYSTEM, who, "手机", number, f"来电{number}", 2.0)
    relations.relate(conn, SYSTEM, who, "household", other, 2.0, note=f"同 {number}")
    relations.attach(conn, SYSTEM, who, f"{number}.txt", "text/plain", number.encode(), 2.0)
    consent.record_consent(conn, SYSTEM, who, "sms", "any", True, "call", 2.0, proof=number)
    for n, outcome in ((1, Outcome.ANSWERED), (2, Outcome.ABANDONED)):
        contact_records.file(conn, account(n, outcome, "+86" + number), 3.0, team="news")
    contact_records.update(
        conn, SYSTEM, "1", {"notes": f"回拨{number}", "survey": {"q": number}}, 4.0
    )
    tasks.create(
        conn, SYSTEM, {"title": f"打{number}", "customer": who, "owner": "li", "team": "news"}, 4.0
    )
    callbacks.take(conn, SYSTEM, "1", 5.0, owner="li")
    callbacks.result(conn, SYSTEM, "1", "no_answer", 5.0, note=f"{number} 未接")
    merge.merge(conn, SYSTEM, who, twin, 6.0)
    conn.execute(
        "INSERT INTO imports(id, file_name, mode, mapping, state, actor, at)"
        " VALUES (1, 'x', 'both', '[]', 'done', 'li', 1.0)"
    )
    conn.execute(
        "INSERT INTO import_refusals VALUES (1, 2, ?, ?)",
        (audit.text(Invalid({"phone": number}).details()), audit.text([number, mail])),
    )
    return conn, who


def everything(conn: sqlite3.Connection, actor: Actor, who: str) -> list[Any]:
    """Every answer that this package gives to a person."""
    calls: list[Any] = [
        lambda: customers.get(conn, actor, who),
        lambda: customers.load(conn, actor, [1, 2, 3]),
        lambda: customers.load(conn, actor, search.find(conn, actor, "张三")),
        lambda: customers.load(conn, actor, search.page(conn, actor, {})[0]),
        lambda: contact_records.page(conn, actor),
        lambda: contact_records.get(conn, actor, "1"),
        lambda: callbacks.page(conn, actor, state="all"),
        lambda: timeline.page(conn, actor, who),
        lambda: notes.of_customer(conn, actor, who),
        lambda: tasks.page(conn, actor, state="all"),
        lambda: relations.of_customer(conn, actor, who),
        lambda: relations.facts(conn, actor, who),
        lambda: relations.attachments(conn, actor, who),
        lambda: str(relations.attachment(conn, actor, who, "1")),
        lambda: consent.ledger(conn, actor, who),
        lambda: privacy.export(conn, actor, who, 9.0),
        lambda: merge.merges_of(conn, actor, who),
        lambda: audit.entries(conn, actor, limit=200),
        lambda: importing.refusals(conn, actor, "1"),
        lambda: pop.pop(conn, actor, "13812345678"),
        lambda: matching.link(conn, actor, "13812345678", who, 8.0),
        lambda: customers.update(conn, actor, who, {"vip": True}, 8.0),
        lambda: contact_records.update(conn, actor, "1", {"disposition": "x"}, 8.0),
        lambda: notes.add(conn, actor, who, "又打 13812345678", 9.0),
        lambda: tasks.create(conn, actor, {"title": "13812345678", "customer": who}, 9.0),
    ]
    out = []
    for call in calls:
        try:
            out.append(call())
        except StoreError as refused:
            out.append(str(refused))
    return out


def exports(conn: sqlite3.Connection, actor: Actor, folder: Path) -> str:
    content = ""
    for entity in ("customer", "contact_record"):
        for kind in ("csv", "vcf"):
            path = folder / f"{entity}.{kind}"
            path.unlink(missing_ok=True)
            try:
                exporting.write(conn, actor, entity, kind, path)
            except (Forbidden, Invalid):
                continue
            content += path.read_text("utf-8-sig").replace("\r\n ", "")
    return content


def policies() -> st.SearchStrategy[Policy]:
    scopes = st.sampled_from(list(Scope))
    rights_of = st.fixed_dictionaries(
        {
            (role, entity, action): scopes
            for role in ("agent",)
            for entity in access.ENTITIES
            for action in access.ACTIONS
        }
    )
    masks = st.sets(st.sampled_from(MASKABLE)).map(lambda names: {"agent": frozenset(names)})
    return st.builds(Policy, rights_of, masks)


@settings(max_examples=40, deadline=None)
@given(policies())
def test_no_policy_lets_a_masked_field_out(policy: Policy) -> None:
    conn, who = filled()
    actor = Actor(username="li", role="agent", agent="a1", teams=("news",), policy=policy)
    shown = repr(everything(conn, actor, who))
    for group in policy.masks["agent"] & SECRETS.keys():
        for secret in SECRETS[group]:
            assert secret not in shown, (group, secret)
    conn.close()


@pytest.mark.parametrize("group", sorted(SECRETS))
def test_the_test_can_fail_and_exports_are_masked_too(group: str, tmp_path: Path) -> None:
    conn, who = filled()
    every = {(r, e, a): Scope.ALL for r in ROLES for e in access.ENTITIES for a in access.ACTIONS}
    open_ = Actor(username="li", role="agent", policy=Policy(every, {}))
    closed = Actor(
        username="li", role="agent", policy=Policy(every, {"agent": frozenset(MASKABLE)})
    )
    secret = SECRETS[group][0]
    assert secret in repr(everything(conn, open_, who))
    assert secret in exports(conn, open_, tmp_path)
    assert secret not in exports(conn, closed, tmp_path)
    conn.close()


def test_masked_as_people_know_it() -> None:
    conn, who = filled()
    viewer = Actor(username="v", role="viewer", teams=("news",))
    one = customers.get(conn, viewer, who)
    assert [p["value"] for p in one["contact_points"]] == [
        "138****5678",
        "z****@example.cn",
        "13****",
    ]
    assert one["birthday"] == "1977-**-**"
    assert one["name"] == "张三 138****5678"
    # what was shown masked and comes back masked changes nothing
    editor = Actor(
        username="v", role="viewer", policy=Policy(
            {("viewer", "customer", a): Scope.ALL for a in ("read", "update")},
            {"viewer": frozenset(MASKABLE)},
        ),
    )  # fmt: skip
    customers.update(conn, editor, who, {"contact_points": one["contact_points"]}, 9.0)
    assert customers.get(conn, SYSTEM, who)["contact_points"][0]["value"] == "138-1234-5678"
    # part of a number must not be an oracle
    assert search.find(conn, viewer, "5678") == []
    assert search.find(conn, viewer, "13812345678") == [int(who)]
    conn.close()


PIECES = st.lists(
    st.sampled_from(
        ["13912345067", "13998765067", "139-1234-5067", "一三九一二三四五〇六七", "a.b@x.cn",
         "13912345067@qq.com", "电话", "，", " 或 ", "2024-01-02", "****", "9", "+44 20 7946 7391"]
    ),
    max_size=8,
)  # fmt: skip


@given(PIECES, st.frozensets(st.sampled_from(MASKABLE)), st.text("甲乙 ", max_size=3))
def test_what_was_shown_masked_and_comes_back_is_what_it_hides(
    pieces: list[str], masks: frozenset[str], more: str
) -> None:
    actor = Actor(username="x", role="viewer", policy=Policy({}, {"viewer": masks}))
    stored = "".join(pieces)
    assert actor.sent_back(actor.text(stored), stored) == stored
    assert actor.sent_back(f"{more}{actor.text(stored)}{more}", stored) == f"{more}{stored}{more}"
    assert actor.sent_back(more, stored) == more


def test_an_editor_who_sees_masked_changes_only_what_is_changed(conn: sqlite3.Connection) -> None:
    said = "电话 13912345067，信箱 a.b@x.cn"
    given = {
        "name": f"张三 {said}", "title": said, "sex": said, "language": said, "source": said,
        "birthday": "1977-01-02", "custom": {"x": said, "phone": "13912345067", "n": 1},
        "roles": [said], "tags": [said, "13912345067"],
        "contact_points": [{"value": "13812345678", "label": said},
                           {"kind": "wechat", "value": "wx_7788", "label": "x"}],
        "addresses": [{"city": said, "street": said, "label": said, "postcode": "210000"}],
    }  # fmt: skip
    who = customers.create(conn, SYSTEM, given, 1.0)["id"]
    editor = Actor(
        username="root", role="admin", policy=Policy(DEFAULT_POLICY.rights, {"admin": ALL_MASKED})
    )
    before = customers.snapshot(conn, int(who))
    fields = (*given, "contact_points")
    shown = {name: customers.get(conn, editor, who)[name] for name in fields}
    assert "13912345067" not in json.dumps(shown)
    customers.update(conn, editor, who, shown, 2.0)
    assert customers.snapshot(conn, int(who)) == before
    shown["tags"] = [*shown["tags"], "新"]
    shown["title"] = f"改 {shown['title']}"
    shown["addresses"][0]["label"] = "公司"
    shown["addresses"][0]["district"] = "鼓楼区"
    customers.update(conn, editor, who, shown, 3.0)
    after = customers.snapshot(conn, int(who))
    assert after["tags"] == sorted([*before["tags"], "新"])
    assert after["title"] == f"改 {said}"
    place = {**before["addresses"][0], "label": "公司", "district": "鼓楼区"}
    assert after["addresses"] == [place]
    note = notes.add(conn, SYSTEM, who, said, 2.0)
    changed = notes.get(conn, editor, note["id"])["text"] + "！"
    notes.update(conn, editor, note["id"], 3.0, content=changed)
    assert notes.get(conn, SYSTEM, note["id"])["text"] == f"{said}！"
    task = tasks.create(conn, SYSTEM, {"title": said, "text": said}, 2.0)
    seen = {name: tasks.get(conn, editor, task["id"])[name] for name in ("title", "text")}
    tasks.update(conn, editor, task["id"], seen, 3.0)
    assert tasks.get(conn, SYSTEM, task["id"])["text"] == said
    contact_records.file(conn, account(1), 2.0)
    texts = {"notes": said, "survey": {"a": said, "n": 1}, "disposition": "x 13912345067"}
    contact_records.update(conn, SYSTEM, "i1", texts, 3.0)
    seen = {name: contact_records.get(conn, editor, "i1")[name] for name in texts}
    contact_records.update(conn, editor, "i1", seen, 4.0)
    kept = contact_records.get(conn, SYSTEM, "i1")
    assert {name: kept[name] for name in texts} == texts


def test_scopes(conn: sqlite3.Connection) -> None:
    for name, owner, team in (("甲", "li", None), ("乙", None, "news"), ("丙", "wu", "ads")):
        customers.create(conn, SYSTEM, {"name": name, "owner": owner, "team": team}, 1.0)

    def reads(scope: Scope) -> list[str]:
        policy = Policy({("agent", "customer", "read"): scope}, {})
        actor = Actor(username="li", role="agent", teams=("news",), policy=policy)
        ids = search.page(conn, actor, {})[0]
        one_by_one = []
        for who in (1, 2, 3):
            try:
                one_by_one.append(customers.get(conn, actor, who)["name"])
            except (NotFound, Forbidden):
                continue
        assert sorted(one_by_one) == sorted(c["name"] for c in customers.load(conn, actor, ids))
        return one_by_one

    assert reads(Scope.ALL) == ["甲", "乙", "丙"]
    assert reads(Scope.TEAM) == ["甲", "乙"]
    assert reads(Scope.OWN) == ["甲"]
    with pytest.raises(Forbidden):
        reads(Scope.NONE)


def test_rights_are_kept_in_the_store_and_an_admin_cannot_lock_all_out(
    conn: sqlite3.Connection,
) -> None:
    agent = Actor(username="li", role="agent")
    with pytest.raises(Forbidden):
        rights.set_right(conn, agent, "agent", "customer", "export", "all", 1.0)
    rights.set_right(conn, SYSTEM, "agent", "customer", "read", "own", 1.0)
    rights.set_mask(conn, SYSTEM, "agent", "phone", True, 1.0)
    policy = access.load_policy(conn)
    assert policy.scope("agent", "customer", "read") is Scope.OWN
    assert policy.masks["agent"] == {"phone"}
    shown = rights.matrix(conn, SYSTEM)
    assert shown["rights"]["agent"]["customer"]["read"] == "own"
    assert [e["entity_id"] for e in audit.entries(conn, SYSTEM)] == [
        "agent/phone",
        "agent/customer/read",
    ]
    with pytest.raises(Conflict):
        rights.set_right(conn, SYSTEM, "admin", "permission", "update", "none", 2.0)


def test_the_audit_is_append_only(conn: sqlite3.Connection) -> None:
    customers.create(conn, SYSTEM, {"name": "甲"}, 1.0)
    for statement in (
        "DELETE FROM audit",
        "UPDATE audit SET actor = 'x'",
        "UPDATE audit SET after = '{}'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            conn.execute(statement)
    assert json.loads(conn.execute("SELECT after FROM audit").fetchone()[0])["name"] == "甲"


@pytest.mark.parametrize(
    ("words", "mask", "shown"),
    [
        ("secret.mouth", "email", "****"),
        ("张三", "email", "张三"),
        ("琵琶巷", "address", "****"),
        ("琵琶巷", "birthday", "琵琶巷"),
    ],
)
def test_words_that_others_searched_by_are_as_secret_as_what_they_find(
    conn: sqlite3.Connection, words: str, mask: str, shown: str
) -> None:
    audit.note(conn, SYSTEM, "export", "customer", "list", 1.0, after={"filters": {"q": words}})
    dictionaries.save_view(conn, SYSTEM, "customer", "甲", {"q": words}, shared=True)
    rights_ = {("supervisor", e, a): Scope.ALL for e in ("audit", "view") for a in ACTIONS}
    policy = Policy(rights_, {"supervisor": frozenset({mask})})
    masked = Actor(username="sue", role="supervisor", policy=policy)
    assert audit.entries(conn, masked)[0]["after"] == {"filters": {"q": shown}}
    [view] = dictionaries.views(conn, masked)
    assert view["filter"] == {"q": shown}
    own = dictionaries.save_view(conn, masked, "customer", "乙", {"q": words})
    assert own["filter"] == {"q": words if masked.may_search(words) else "****"}

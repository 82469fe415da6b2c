"""Customers, matching and search."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmcore import audit, contact_records, customers, matching, pop, search, text
from crmcore.access import SYSTEM, Actor
from crmcore.errors import Conflict, Invalid, NotFound
from crmcore.numbers import NumberPlan

from .conftest import schema
from .test_contact_records import account

pytestmark = pytest.mark.store


def make(conn: sqlite3.Connection, name: str, *phones: str, **more: Any) -> str:
    points = [{"value": phone} for phone in phones] + more.pop("contact_points", [])
    given = {"name": name, "contact_points": points, **more}
    return str(customers.create(conn, SYSTEM, given, 1.0)["id"])


def found(conn: sqlite3.Connection, query: str, actor: Actor = SYSTEM) -> list[str]:
    ids = search.find(conn, actor, query)
    return [one["name"] for one in customers.load(conn, actor, ids)]


def test_update_keeps_ids_of_contact_points_and_audits_both_sides(
    conn: sqlite3.Connection,
) -> None:
    who = make(conn, "张三", "13800138000", "010-84701234", tags=["b", "a"])
    one = customers.get(conn, SYSTEM, who)
    keep = one["contact_points"][1]
    changed = customers.update(
        conn,
        SYSTEM,
        who,
        {"contact_points": [{"id": keep["id"], "value": "010-84701235", "opt_out": True}]},
        2.0,
        version=1,
    )
    assert [(p["id"], p["value"], p["opt_out"]) for p in changed["contact_points"]] == [
        (keep["id"], "010-84701235", True)
    ]
    assert changed["tags"] == ["a", "b"]
    entry = audit.entries(conn, SYSTEM, entity="customer")[0]
    assert list(entry["before"]) == ["contact_points"]
    with pytest.raises(Conflict):
        customers.update(conn, SYSTEM, who, {"name": "x"}, 3.0, version=1)


def test_who_is_given_the_same_address_twice_has_it_once(conn: sqlite3.Connection) -> None:
    mails = [
        {"kind": "email", "value": v, "label": w} for v, w in (("A@b.cn", "私"), ("a@B.cn", ""))
    ]
    who = int(make(conn, "张三", contact_points=mails))
    points = customers.get(conn, SYSTEM, who)["contact_points"]
    assert [(p["value"], p["label"]) for p in points] == [("a@B.cn", "私")]
    index = conn.execute("SELECT name, rest FROM customer_fts").fetchone()
    assert tuple(index) == search.stored_documents(conn, who)


def test_a_masked_value_makes_no_new_customer(conn: sqlite3.Connection) -> None:
    for point in ({"value": "138****8000"}, {"id": "1", "value": "138****8000"}):
        with pytest.raises(Invalid, match="masked"):
            customers.create(conn, SYSTEM, {"name": "x", "contact_points": [point]}, 1.0)


def test_all_problems_are_told_at_once(conn: sqlite3.Connection) -> None:
    given = {
        "kind": "ghost",
        "birthday": "1990-13-01",
        "colour": "red",
        "contact_points": [{"kind": "email", "value": "no mail"}, {"value": "anonymous"}],
    }
    with pytest.raises(Invalid) as caught:
        customers.create(conn, SYSTEM, given, 1.0)
    assert set(caught.value.errors) == {
        "kind",
        "birthday",
        "colour",
        "contact_points.0.value",
        "contact_points.1.value",
    }
    with pytest.raises(NotFound):
        customers.get(conn, SYSTEM, "1 OR 1=1")


def test_hostile_text_is_cleaned_not_run(conn: sqlite3.Connection) -> None:
    who = make(conn, "a\x00b\x1b[31m'); DROP TABLE customers;--\u202e")
    assert customers.get(conn, SYSTEM, who)["name"] == "ab[31m'); DROP TABLE customers;--"


def test_shared_numbers_show_everybody_and_remember_the_choice(conn: sqlite3.Connection) -> None:
    wife = make(conn, "王芳", "025-84701234")
    husband = make(conn, "李强", "02584701234")
    contact_records.file(conn, account(1, number="02584701234"), 1.0)
    data = pop.pop(conn, SYSTEM, "+862584701234")
    assert data.customer is None
    assert {c["customer"]["id"] for c in data.candidates} == {wife, husband}
    assert {c["level"] for c in data.candidates} == {"known"}
    fact = pop.match_fact(data)
    assert fact is not None
    assert fact[2] is False
    linked = matching.link(conn, SYSTEM, "02584701234", husband, 2.0)
    assert linked["relinked"] == 1
    data = pop.pop(conn, SYSTEM, "025-84701234")
    assert data.customer is not None
    assert data.customer["id"] == husband
    assert [c["chosen"] for c in data.candidates] == [True, False]


def test_a_number_without_area_is_a_maybe_until_somebody_links_it(
    conn: sqlite3.Connection,
) -> None:
    who = make(conn, "王芳", "025-84701234")
    make(conn, "别人", "0512-84709999")
    data = pop.pop(conn, SYSTEM, "84701234")
    assert data.customer is None
    assert [(c["customer"]["id"], c["level"], c["reason"]) for c in data.candidates] == [
        (who, "maybe", "without_area")
    ]
    home = pop.pop(conn, SYSTEM, "84701234", plan=NumberPlan("CN", "25"))
    assert home.known
    matching.link(conn, SYSTEM, "84701234", who, 2.0)
    assert pop.pop(conn, SYSTEM, "84701234").known


def test_mobiles_with_the_same_end_are_not_mixed_up(conn: sqlite3.Connection) -> None:
    make(conn, "甲", "13800138000")
    assert pop.pop(conn, SYSTEM, "13900138000").candidates == []
    assert pop.pop(conn, SYSTEM, "00138000").candidates == []


def test_an_invalid_point_is_only_a_maybe(conn: sqlite3.Connection) -> None:
    make(conn, "甲", contact_points=[{"value": "13800138000", "invalid": True}])
    data = pop.pop(conn, SYSTEM, "13800138000")
    assert [(c["level"], c["reason"]) for c in data.candidates] == [("maybe", "invalid_point")]


# ---- search -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "欧阳", "阳震", "震华", "欧阳震华", "歐陽", "歐陽震華", "oyzh", "oy",
        "ouyang", "ouyangzhenhua",
        "中山路", "山路", "南京市", "VIP", "ｖｉｐ", "vip客", "zhenhua@example.cn", "example",
        "8000", "13800", "138 0013 8000", "+8613800138000", "高级编辑", "集邮", "爱好集", "集郵",
        "欧阳 南京", "喜欢晨报",
    ],
)  # fmt: skip
def test_found_by(conn: sqlite3.Connection, query: str) -> None:
    from crmcore import notes

    who = make(
        conn,
        "欧阳震华",
        "13800138000",
        title="高级编辑",
        tags=["VIP客户"],
        custom={"hobby": "爱好集邮"},
        contact_points=[{"kind": "email", "value": "Zhenhua@example.cn"}],
        addresses=[{"city": "南京市", "street": "中山路12号"}],
    )
    notes.add(conn, SYSTEM, who, "喜欢晨报", 2.0)
    for n in range(30):
        make(conn, f"路人{n}", f"1590000{n:04d}")
    assert found(conn, query) == ["欧阳震华"]


@pytest.mark.parametrize("query", ["阳华", "欧震", '"', "*", "a OR b", "NEAR(", "' OR 1=1", "路山"])
def test_not_found_by(conn: sqlite3.Connection, query: str) -> None:
    make(conn, "欧阳震华", addresses=[{"street": "中山路12号"}])
    assert found(conn, query) == []


def test_names_come_before_other_text(conn: sqlite3.Connection) -> None:
    make(conn, "甲", addresses=[{"street": "王伟路1号"}])
    make(conn, "李王伟")
    make(conn, "王伟业")
    make(conn, "王伟")
    assert found(conn, "王伟") == ["王伟", "王伟业", "李王伟", "甲"]


def test_filters_and_pages(conn: sqlite3.Connection) -> None:
    for n in range(12):
        make(conn, f"客{n}", roles=["reader"] if n % 2 else ["advertiser"], vip=n == 3)
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        ids, after = search.page(conn, SYSTEM, {"role": "reader"}, after=after, limit=4)
        seen += ids
    assert seen == [12, 10, 8, 6, 4, 2]
    assert search.page(conn, SYSTEM, {"vip": "true"})[0] == [4]


HAN = st.text(alphabet="王伟张芳中山路南京北东西报社记者读", min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(HAN, min_size=1, max_size=12), st.data())
def test_any_two_characters_in_a_row_find_it(names: list[str], data: st.DataObject) -> None:
    conn = schema()
    for name in names:
        make(conn, name)
    name = data.draw(st.sampled_from(names))
    start = data.draw(st.integers(0, max(0, len(name) - 2)))
    part = name[start : start + data.draw(st.integers(2, 8))]
    result = found(conn, part)
    if len(part) >= 2:
        assert name in result
        assert all(part in one for one in result if text.initials(one) != [part])
    conn.close()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_no_query_breaks_the_search(query: str) -> None:
    found(SHARED, query)


SHARED = schema()
make(SHARED, "欧阳震华", "13800138000")

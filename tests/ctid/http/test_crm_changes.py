"""Changing the customer base over HTTP: locks, rights, work lists, merging, privacy, webhooks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from crmcore import rights
from crmcore.access import SYSTEM
from ctid.access import Role, Viewer
from tests.ctid.http.test_crm import file_record, make_customer

pytestmark = pytest.mark.daemon


async def test_a_customer_is_made_changed_and_guarded_against_stale_changes(log_in: Any) -> None:
    amy, sue = await log_in("amy"), await log_in("sue")
    body = {"name": "周建国", "contact_points": [{"value": "138-0013-8001"}], "tags": ["常客"]}
    status, made, response = await amy.call("POST", "/customers", body)
    assert (status, response.headers["ETag"]) == (200, '"1"')
    path = f"/customers/{made['id']}"
    assert (await amy.call("PATCH", path, {"title": "先生"}))[:1] == (428,)
    for stale in ('"7"', 'W/"1"', "1", '""', '"x"'):
        status, problem, response = await amy.call(
            "PATCH", path, {"title": "先生"}, headers={"If-Match": stale}
        )
        assert (status, problem["code"]) == (412, "precondition_failed")
        assert response.headers["ETag"] == '"1"'
    status, changed, response = await amy.call(
        "PATCH", path, {"title": "先生"}, headers={"If-Match": '"1"'}
    )
    assert (status, changed["title"], changed["name"]) == (200, "先生", "周建国")
    assert response.headers["ETag"] == '"2"'
    assert changed["contact_points"] == made["contact_points"]
    status, _, response = await sue.call("PATCH", path, {"vip": True}, headers={"If-Match": '"1"'})
    assert (status, response.headers["ETag"]) == (412, '"2"')
    assert (await sue.call("PATCH", path, {"vip": True}, headers={"If-Match": "*"}))[0] == 200
    status, _, response = await sue.call("GET", path)
    assert response.headers["ETag"] == '"3"'


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x\r\ny"},
        {"name": "x" * 257},
        {"name": "a", "owner": "x" * 65},
        {"name": "a", "nonsense": 1},
        {"name": "a", "id": "1"},
        {"name": "a", "birthday": "31.12.1999"},
        {"name": "a", "custom": {"a": {"b": 1}}},
        {"name": "a", "tags": ["t"] * 51},
        {"contact_points": [{"value": "anonymous"}]},
        {"contact_points": [{"kind": "email", "value": "no mail"}]},
        {"contact_points": [{"kind": "fax", "value": "1"}]},
        {"contact_points": [{"value": "\u0000"}]},
        {"name": "a", "contact_points": [{"value": str(n)} for n in range(51)]},
    ],
)
async def test_what_is_no_customer_is_refused(log_in: Any, body: dict[str, Any]) -> None:
    client = await log_in("amy")
    status, problem, _ = await client.call("POST", "/customers", body)
    assert (status, problem["code"]) == (422, "invalid")


async def test_figures_that_are_none_never_reach_the_store(site: Any, log_in: Any) -> None:
    client = await log_in("amy")
    for figure in (b"NaN", b"Infinity", b"1e999"):
        raw = b'{"name": "a", "custom": {"x": ' + figure + b"}}"
        headers = {"Content-Type": "application/json"}
        assert (await client.call("POST", "/customers", data=raw, headers=headers))[0] == 422
    assert (await client.get("/customers"))["items"] == []


async def test_filters_and_saved_views(site: Any, log_in: Any) -> None:
    await make_customer(site, "甲", "13800000001", tags=["热"], roles=["reader"], owner="amy")
    await make_customer(site, "乙", "13800000002", kind="organisation", vip=True)
    client = await log_in("amy")
    for query, names in (
        ({"tag": "热"}, ["甲"]),
        ({"role": "reader"}, ["甲"]),
        ({"kind": "organisation"}, ["乙"]),
        ({"vip": "true"}, ["乙"]),
        ({"owner": "amy", "vip": "false"}, ["甲"]),
        ({"tag": "' OR 1=1 --"}, []),
    ):
        page = await client.get("/customers", params=query)
        assert [c["name"] for c in page["items"]] == names
    view = {"entity": "customer", "name": "热门", "filter": {"tag": "热"}, "shared": True}
    status, saved, _ = await client.call("POST", "/views", view)
    assert (status, saved["filter"]) == (200, {"tag": "热"})
    bob = await log_in("bob")
    assert [v["name"] for v in (await bob.get("/views?entity=customer"))["items"]] == ["热门"]
    assert (await bob.call("DELETE", f"/views/{saved['id']}"))[0] == 409
    assert (await client.call("DELETE", f"/views/{saved['id']}"))[0] == 204


async def test_one_click_links_a_maybe_and_relinks_its_history(site: Any, log_in: Any) -> None:
    await file_record(site, "i.1", number="02584701003")
    customer = await make_customer(site, "金陵家居", "84701003")
    client = await log_in("amy")
    [maybe] = (await client.get("/customers", params={"phone": "02584701003"}))["items"]
    assert (maybe["id"], maybe["known"]) == (customer, False)
    for body in ({}, {"number": "1", "interaction": "i.1"}):
        assert (await client.call("POST", f"/customers/{customer}/numbers", body))[0] == 422
    path = f"/customers/{customer}/numbers"
    status, linked, _ = await client.call("POST", path, {"interaction": "i.1"})
    assert (status, linked["relinked"]) == (200, 1)
    [known] = (await client.get("/customers", params={"phone": "02584701003"}))["items"]
    assert (known["known"], known["chosen"]) == (True, True)
    assert (await client.get("/contact-records/i.1"))["customer"] == customer
    assert (await client.call("POST", path, {"interaction": "nobody"}))[0] == 404


async def test_linking_during_a_call_tells_the_engine(site: Any, log_in: Any) -> None:
    site.board.arrive("i.9", agent="1001")
    customer = await make_customer(site, "王小明", "13900000001")
    client = await log_in("amy")
    path = f"/customers/{customer}/numbers"
    assert (await client.call("POST", path, {"interaction": "i.9"}))[0] == 200
    [fact] = site.board.facts
    assert (fact.customer, fact.known, fact.name) == (customer, True, "王小明")
    bob = await log_in("bob")  # not bob's call
    assert (await bob.call("POST", path, {"interaction": "i.9"}))[0] == 404


async def test_a_contact_record_is_amended_by_those_who_may(site: Any, log_in: Any) -> None:
    record = await file_record(site, "i.1")
    path = f"/contact-records/{record}"
    amy, bob, vic = await log_in("amy"), await log_in("bob"), await log_in("vic")
    anything = {"If-Match": "*"}
    status, row, _ = await amy.call("PATCH", path, {"notes": "照片\n两张"}, headers=anything)
    assert (status, row["notes"]) == (200, "照片\n两张")
    assert (await bob.call("PATCH", path, {"notes": "x"}, headers=anything))[0] == 403
    assert (await vic.call("PATCH", path, {"notes": "x"}, headers=anything))[0] in (403, 404)
    assert (await amy.call("PATCH", path, {"outcome": "x"}, headers=anything))[0] == 422
    assert (await amy.call("PATCH", path, {"customer": "99"}, headers=anything))[0] == 404
    assert (await amy.call("PATCH", path, {"notes": "y"}, headers={"If-Match": '"0"'}))[0] == 412


async def test_the_call_back_list_is_worked_off(site: Any, log_in: Any) -> None:
    await file_record(site, "i.1", agent=None)
    await file_record(site, "i.2", agent=None, at=1.7e9 + 100)
    amy, bob = await log_in("amy"), await log_in("bob")
    [entry] = (await amy.get("/callbacks"))["items"]
    assert (entry["missed"], entry["state"], entry["display"]) == (2, "open", "138 0013 8000")
    path = f"/callbacks/{entry['id']}"
    stale = {"If-Match": f'"{entry["version"] + 5}"'}
    assert (await amy.call("POST", f"{path}/take", {}, headers=stale))[0] == 412
    status, taken, _ = await amy.call("POST", f"{path}/take", {})
    assert (status, taken["owner"]) == (200, "amy")
    status, problem, _ = await bob.call("POST", f"{path}/take", {})
    assert (status, problem["code"]) == (409, "conflict")
    assert (await bob.get("/callbacks?owner=me"))["items"] == []
    later = {"result": "no_answer", "due_at": "2030-01-01T08:00:00+08:00"}
    status, tried, _ = await amy.call("POST", f"{path}/result", later)
    assert (tried["attempts"], tried["state"]) == (1, "taken")
    assert tried["due_at"] == "2030-01-01T00:00:00.000Z"
    status, done, _ = await amy.call("POST", f"{path}/result", {"result": "reached"})
    assert done["state"] == "done"
    assert (await amy.get("/callbacks"))["items"] == []
    assert len((await amy.get("/callbacks?state=done"))["items"]) == 1
    assert (await amy.call("POST", f"{path}/result", {"result": "x"}))[0] == 422
    assert (await amy.call("POST", f"{path}/take", {}))[0] == 409
    assert (await amy.call("POST", "/callbacks/%27/take", {}))[0] == 404


async def test_duplicates_are_found_merged_and_parted_again(site: Any, log_in: Any) -> None:
    sue = await log_in("sue")
    first = {"name": "欧阳明", "contact_points": [{"value": "13800138001"}]}
    second = {"name": "欧阳明", "contact_points": [{"value": "13800138001"}], "title": "先生"}
    one = (await sue.call("POST", "/customers", first))[1]
    other = (await sue.call("POST", "/customers", second))[1]
    [pair] = (await sue.get("/duplicates"))["items"]
    assert {pair["one"]["id"], pair["other"]["id"]} == {one["id"], other["id"]}
    assert "same_phone" in pair["reasons"]
    amy = await log_in("amy")
    assert (await amy.call("GET", "/duplicates"))[0] == 403
    path = f"/customers/{one['id']}/merge"
    assert (await amy.call("POST", path, {"gone": other["id"]}))[0] == 403
    assert (await sue.call("POST", path, {"gone": one["id"]}))[0] == 422
    status, merged, _ = await sue.call("POST", path, {"gone": other["id"]})
    assert (status, merged["customer"]["title"]) == (200, "先生")
    assert (await sue.get(f"/customers/{other['id']}"))["id"] == one["id"]
    [made] = (await sue.get(f"/customers/{one['id']}/merges"))["items"]
    assert made["undoable"] is True
    assert (await sue.get("/merges"))["items"] == [made]
    assert (await amy.call("GET", "/merges"))[0] == 403
    status, both, _ = await sue.call("POST", f"/merges/{made['id']}/undo")
    assert [c["title"] for c in both["items"]] == ["", "先生"]
    assert (await sue.call("POST", f"/merges/{made['id']}/undo"))[0] == 409
    [undone] = (await sue.get("/merges?limit=1"))["items"]
    assert (undone["undoable"], undone["undone_at"] is None) == (False, False)
    assert (await sue.get(f"/merges?cursor={undone['id']}"))["items"] == []
    assert (await sue.call("POST", "/duplicates/scan"))[1]["found"] == 0
    [pair] = (await sue.get("/duplicates"))["items"]
    assert (await sue.call("POST", f"/duplicates/{pair['id']}/dismiss"))[0] == 204
    assert (await sue.get("/duplicates"))["items"] == []


async def test_notes_mentions_relations_facts_and_files(site: Any, log_in: Any) -> None:
    customer = await make_customer(site, "王小明", "13900000001")
    firm = await make_customer(site, "先锋广告", "02584701003", kind="organisation")
    amy, bob = await log_in("amy"), await log_in("bob")
    base = f"/customers/{customer}"
    status, note, _ = await amy.call("POST", f"{base}/notes", {"text": "请 @bob 回电"})
    assert (status, note["mentions"]) == (200, ["bob"])
    people = (await amy.get("/colleagues"))["items"]
    assert {"amy", "bob"} <= {one["username"] for one in people}
    [mention] = (await bob.get("/mentions"))["items"]
    assert mention["customer_name"] == "王小明"
    assert (mention["note"]["may"], note["may"]) == ([], ["update", "delete"])
    assert mention["note"]["text"] == "请 @bob 回电"
    assert (await bob.call("POST", f"/mentions/{mention['id']}/read"))[0] == 204
    assert (await bob.get("/mentions"))["items"] == []
    path = f"/notes/{note['id']}"
    assert (await bob.call("PATCH", path, {"text": "x"}, headers={"If-Match": "*"}))[0] == 403
    status, note, _ = await amy.call("PATCH", path, {"pinned": True}, headers={"If-Match": '"1"'})
    assert (note["pinned"], note["version"]) == (True, 2)
    assert (await amy.call("DELETE", path))[0] == 204
    assert (await amy.call("PUT", f"{base}/watching", {"watching": True}))[1]["items"] == ["amy"]
    assert (await bob.get(f"{base}/watching"))["items"] == ["amy"]

    relation = {"kind": "works_for", "other": firm}
    status, related, _ = await amy.call("POST", f"{base}/relations", relation)
    assert [r["name"] for r in related["items"]] == ["先锋广告"]
    [back] = (await amy.get(f"/customers/{firm}/relations"))["items"]
    assert back["direction"] == "from"
    assert (await amy.call("DELETE", f"/customers/{firm}/relations/{back['id']}"))[0] == 204
    fact = {"name": "employer", "value": "先锋", "source": "电话"}
    assert (await amy.call("POST", f"{base}/facts", fact))[0] == 200
    [fact] = (await amy.get(f"{base}/facts"))["items"]
    assert fact["value"] == "先锋"
    assert (await amy.call("DELETE", f"{base}/facts/{fact['id']}"))[0] == 204
    assert (await amy.get(f"{base}/facts"))["items"] == []

    evil = "稿件\"; x='<script>.html"
    status, kept, _ = await amy.call(
        "POST",
        f"{base}/attachments",
        params={"name": evil},
        data=b"<script>",
        headers={"Content-Type": "text/html"},
    )
    assert (status, kept["bytes"]) == (200, 8)
    status, raw, response = await amy.call("GET", f"{base}/attachments/{kept['id']}")
    assert (status, raw) == (200, b"<script>")
    assert response.content_type == "application/octet-stream"
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename*=UTF-8''")
    assert '"' not in disposition
    assert "<" not in disposition
    names = ("a\r\nSet-Cookie: x=1", "", "a\0b")
    for name in names:
        params = {"name": name}
        status, _, _ = await amy.call("POST", f"{base}/attachments", params=params, data=b"x")
        assert status == 422
    large = b"x" * (10 * 1024 * 1024 + 1)
    status, problem, _ = await amy.call(
        "POST", f"{base}/attachments", params={"name": "large"}, data=large
    )
    assert (status, problem["code"]) == (413, "body_too_large")
    assert (await amy.call("DELETE", f"{base}/attachments/{kept['id']}"))[0] == 204


async def test_tasks_belong_to_somebody(site: Any, log_in: Any) -> None:
    amy, bob = await log_in("amy"), await log_in("bob")
    body = {"title": "回访", "due_at": "2030-01-01T00:00:00Z"}
    status, task, _ = await amy.call("POST", "/tasks", body)
    assert (status, task["owner"], task["team"]) == (200, "amy", "red")
    assert [t["title"] for t in (await amy.get("/tasks?owner=me"))["items"]] == ["回访"]
    assert (await bob.get("/tasks"))["items"] == []
    assert (await bob.call("GET", f"/tasks/{task['id']}"))[0] == 404
    path = f"/tasks/{task['id']}"
    status, task, _ = await amy.call("PATCH", path, {"state": "done"}, headers={"If-Match": '"1"'})
    assert (task["state"], task["title"]) == ("done", "回访")
    for wrong in ({"title": ""}, {"title": "a", "due_at": "tomorrow"}, {"title": "a\nb"}):
        assert (await amy.call("POST", "/tasks", wrong))[0] == 422
    assert (await amy.call("GET", "/tasks?due_before=2030-01-01"))[0] == 422


async def test_dictionaries_are_kept_by_those_who_may(log_in: Any) -> None:
    amy, sue = await log_in("amy"), await log_in("sue")
    entry = {"label_zh": "回访", "label_en": "Follow-up", "position": 3}
    path = "/dictionaries/disposition/call_again"
    assert (await amy.call("PUT", path, entry))[0] == 403
    status, made, _ = await sue.call("PUT", path, entry)
    assert (status, made["label_zh"]) == (200, "回访")
    page = await amy.get("/dictionaries?kind=disposition")
    assert "call_again" in [e["code"] for e in page["items"]]
    await sue.call("PUT", path, {"active": False})
    page = await amy.get("/dictionaries?kind=disposition")
    assert "call_again" not in [e["code"] for e in page["items"]]
    for wrong in ("/dictionaries/x/y", "/dictionaries/tag/A%20B", "/dictionaries/tag/%22"):
        assert (await sue.call("PUT", wrong, entry))[0] == 422


async def test_consent_export_and_erasure_of_one_person(site: Any, log_in: Any) -> None:
    customer = await make_customer(site, "王小明", "13800138000")
    await file_record(site, "i.1")
    amy, sue, root = await log_in("amy"), await log_in("sue"), await log_in("root")
    base = f"/customers/{customer}"
    consent = {"channel": "sms", "purpose": "marketing", "granted": True, "source": "电话"}
    assert (await amy.call("POST", f"{base}/consents", consent))[1]["state"] == "granted"
    assert (await amy.call("GET", f"{base}/personal-data"))[0] == 403
    status, data, response = await sue.call("GET", f"{base}/personal-data")
    assert (status, data["customer"]["name"]) == (200, "王小明")
    assert "attachment" in response.headers["Content-Disposition"]
    assert len(data["contact_records"]) == 1
    body = {"reason": "本人要求", "name": "王小明"}
    assert (await sue.call("POST", f"{base}/erase", body))[0] == 403
    wrong = {**body, "name": "王大明"}
    assert (await root.call("POST", f"{base}/erase", wrong))[0] == 422
    assert (await root.get(base))["name"] == "王小明"
    status, done, _ = await root.call("POST", f"{base}/erase", body)
    assert (status, done["contact_records"], done["finished"]) == (200, 1, True)
    assert (await root.call("GET", base))[0] == 404
    assert (await root.get("/customers", params={"phone": "13800138000"}))["items"] == []


async def test_users_are_kept_by_administrators(site: Any, log_in: Any) -> None:
    amy, root = await log_in("amy"), await log_in("root")
    assert (await amy.call("GET", "/users"))[0] == 403
    names = [u["username"] for u in (await root.get("/users"))["items"]]
    assert "amy" in names
    new = {"username": "new", "password": "long enough", "role": "agent", "teams": ["red"]}
    status, user, response = await root.call("POST", "/users", new)
    assert (status, user["teams"]) == (200, ["red"])
    assert "password" not in json.dumps(user)
    assert (await root.call("POST", "/users", new))[0] == 409
    for wrong in ({"password": "short"}, {"role": "boss"}, {"username": "a b"}, {"username": ""}):
        assert (await root.call("POST", "/users", {**new, **wrong}))[0] == 422
    stale = {"If-Match": '"9"'}
    assert (await root.call("PATCH", "/users/new", {"disabled": True}, headers=stale))[0] == 412
    tag = {"If-Match": response.headers["ETag"]}
    status, user, _ = await root.call("PATCH", "/users/new", {"disabled": True}, headers=tag)
    assert user["disabled"] is True
    status, problem, _ = await root.call(
        "PATCH", "/users/root", {"role": "agent"}, headers={"If-Match": "*"}
    )
    assert (status, problem["code"]) == (409, "conflict")
    assert (await amy.call("PATCH", "/users/bob", {"role": "admin"}, headers=tag))[0] == 403

    own = "/users/me/password"
    status, problem, _ = await amy.call("PUT", own, {"password": "another one"})
    assert (status, problem["code"]) == (401, "wrong_credentials")
    body = {"password": "another one", "present": "secret-1"}
    assert (await amy.call("PUT", "/users/bob/password", body))[0] == 403
    status, token, _ = await amy.call("POST", "/users/me/tokens", {"name": "script"})
    assert token["token"].startswith("ctid_")
    assert (await amy.call("PUT", own, body))[0] == 204
    nobody = await log_in(None)
    bearer = {"Authorization": f"Bearer {token['token']}"}
    [listed] = (await nobody.get("/users/me/tokens", headers=bearer))["items"]
    path = f"/users/amy/tokens/{listed['id']}"
    assert (await root.call("DELETE", path))[0] == 204
    trail = await root.get("/audit?entity=user")
    assert {"create", "update", "set_password"} <= {e["action"] for e in trail["items"]}
    assert "refused" in {e["action"] for e in (await root.get("/audit?username=amy"))["items"]}
    refused = (await root.get("/audit?refused=true"))["items"]
    assert refused
    assert {e["action"] for e in refused} == {"refused"}
    made = (await root.get("/audit?action=create&entity=user"))["items"]
    assert {e["action"] for e in made} == {"create"}
    assert (await amy.call("GET", "/audit"))[0] in (401, 403)


async def test_the_audit_trail_pages(site: Any, log_in: Any) -> None:
    for n in range(5):
        await make_customer(site, f"客户{n}", f"1380000000{n}")
    root = await log_in("root")
    seen: list[str] = []
    cursor = ""
    while True:
        query = {"entity": "customer", "limit": "2", "cursor": cursor}
        page = await root.get("/audit", params=query)
        seen += [e["after"]["name"] for e in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert seen == [f"客户{n}" for n in reversed(range(5))]
    for cursor in ("x", "-1", "1e3", "9" * 30, "1 OR 1"):
        assert (await root.call("GET", "/audit", params={"cursor": cursor}))[0] == 422


async def test_cursors_from_outside_are_checked(log_in: Any) -> None:
    sue = await log_in("sue")
    for path in ("/customers", "/callbacks", "/tasks", "/duplicates", "/contact-records"):
        for cursor in ("x", "-1", "0x10", "1.5", "9" * 19, "1;DROP TABLE customers"):
            assert (await sue.call("GET", path, params={"cursor": cursor}))[0] == 422
        assert (await sue.call("GET", path, params={"limit": "100000"}))[0] == 422
        assert (await sue.call("GET", path, params={"surprise": "1"}))[0] == 422


async def test_rights_and_masks_are_in_force_at_once(site: Any, log_in: Any) -> None:
    customer = await make_customer(site, "王小明", "13800138000")
    await file_record(site, "i.1")
    amy, sue, root = await log_in("amy"), await log_in("sue"), await log_in("root")
    assert (await sue.call("GET", "/permissions"))[0] == 403
    assert "13800138000" in json.dumps(await amy.get(f"/customers/{customer}"))
    status, matrix, _ = await root.call("PUT", "/masks/agent/phone", {"masked": True})
    assert (status, matrix["masks"]["agent"]) == (200, ["phone"])
    for path in (
        f"/customers/{customer}",
        f"/customers/{customer}/timeline",
        "/customers?phone=13800138000",
        "/customers?q=王小",
        "/contact-records?phone=13800138000",
        "/contact-records/i.1",
    ):
        text = json.dumps(await amy.get(path))
        assert "13800138000" not in text
        assert "138 0013 8000" not in text
    right = "/permissions/agent/customer/create"
    assert (await root.call("PUT", right, {"scope": "none"}))[0] == 200
    assert (await amy.call("POST", "/customers", {"name": "x"}))[0] == 403
    assert (await root.call("PUT", "/permissions/admin/permission/update", {"scope": "none"}))[
        0
    ] == 409
    assert (await root.call("PUT", "/permissions/x/y/z", {"scope": "all"}))[0] == 422
    assert (await sue.call("PUT", right, {"scope": "all"}))[0] == 403
    assert site.store.policy.scope("agent", "customer", "create") == 0
    matrix = await site.store.read(rights.matrix, SYSTEM)
    assert matrix["rights"]["agent"]["customer"]["create"] == "none"


async def test_a_viewer_changes_nothing(site: Any, log_in: Any) -> None:
    customer = await make_customer(site, "王小明", "13800138000")
    vic = await log_in("vic")
    anything = {"If-Match": "*"}
    for method, path, body in (
        ("POST", "/customers", {"name": "x"}),
        ("PATCH", f"/customers/{customer}", {"name": "x"}),
        ("POST", f"/customers/{customer}/numbers", {"number": "13900000000"}),
        ("POST", f"/customers/{customer}/notes", {"text": "x"}),
        ("POST", f"/customers/{customer}/erase", {"reason": "x", "name": "王小明"}),
        ("GET", "/callbacks", None),
        ("GET", "/exports/customers", None),
        ("GET", "/webhooks", None),
        ("GET", "/imports", None),
        ("POST", "/duplicates/scan", None),
        ("PUT", "/masks/viewer/phone", {"masked": False}),
    ):
        status, _, _ = await vic.call(method, path, body, headers=anything)
        assert status in (403, 404), path


async def test_webhooks_are_made_and_their_secret_shown_once(site: Any, log_in: Any) -> None:
    root = await log_in("root")
    hook = {"url": "https://example.org/hook", "events": ["customer.created"]}
    status, made, _ = await root.call("POST", "/webhooks", hook)
    assert status == 200
    assert len(made["secret"]) > 30
    assert "secret" not in json.dumps(await root.get("/webhooks"))
    await make_customer(site, "王小明", "13800138000")
    [delivery] = (await root.get(f"/webhooks/{made['id']}/deliveries"))["items"]
    assert (delivery["event"], delivery["state"]) == ("customer.created", "pending")
    for url in ("ftp://x/", "http://", "http://a:b@host/", "javascript:alert(1)", "http://x/ y"):
        assert (await root.call("POST", "/webhooks", {**hook, "url": url}))[0] == 422
    assert (await root.call("POST", "/webhooks", {**hook, "events": ["x"]}))[0] == 422
    path = f"/webhooks/{made['id']}"
    other = {"url": "https://example.org/other", "events": ["task.created"]}
    status, changed, _ = await root.call("PATCH", path, other, headers={"If-Match": '"1"'})
    assert (status, changed["url"], changed["version"]) == (200, other["url"], 2)
    assert (await root.call("PATCH", path, hook, headers={"If-Match": '"1"'}))[0] == 412
    assert (await root.call("PATCH", path, {"url": "http://a:b@host/"}))[0] == 422
    renewed = (await root.call("POST", path + "/secret"))[1]["secret"]
    assert renewed != made["secret"]
    sent = (await root.call("POST", path + "/test"))[1]
    assert (sent["event"], sent["state"]) == ("webhook.test", "pending")
    page = await root.get(path + "/deliveries?limit=1")
    assert page["items"] == [sent]
    assert (await root.get(f"{path}/deliveries?cursor={page['next']}"))["items"] == [delivery]
    assert (await root.get(path + "/deliveries?state=failed"))["items"] == []
    assert (await root.call("POST", f"{path}/deliveries/{sent['id']}/retry"))[0] == 200
    assert (await root.call("POST", path + "/deliveries/99/retry"))[0] == 404
    assert (await root.call("PATCH", path, {"active": False}))[1]["active"] is False
    assert (await root.call("POST", path + "/test"))[0] == 409
    assert (await root.call("DELETE", path))[0] == 204
    assert (await root.call("DELETE", path))[0] == 404


async def test_live_calls_are_masked_for_those_who_see_masked(site: Any, log_in: Any) -> None:
    view = site.board.arrive("i.9", agent="1001")
    amy, root = await log_in("amy"), await log_in("root")
    assert (await root.call("PUT", "/masks/agent/phone", {"masked": True}))[0] == 200
    [live] = (await amy.get("/interactions"))["items"]
    assert live["caller"]["number"] == "138****8000"
    assert (await amy.get("/interactions/i.9"))["caller"]["number"] == "138****8000"
    assert (await root.get("/interactions/i.9"))["caller"]["number"] == "13800138000"
    async with amy.http.get(amy.api + "/events") as stream:
        await stream.content.readuntil(b"hello")
        site.hub.publish_to_agent(view.agent, "interaction", view)
        async with asyncio.timeout(30):
            told = await stream.content.readuntil(b"i.9")
            told += await stream.content.readuntil(b"\n\n")
    assert b"138****8000" in told
    assert b"13800138000" not in told


async def test_who_is_mentioned_is_told_once_and_nobody_else(site: Any, log_in: Any) -> None:
    customer = await make_customer(site, "王小明", "13900000001")
    amy = await log_in("amy")
    viewers = [Viewer(username=name, role=Role.AGENT) for name in ("amy", "bob")]
    mine, bobs = (site.services.hub.subscribe(one, session=one.username) for one in viewers)
    await mine.take(1)
    await bobs.take(1)
    _, note, _ = await amy.call("POST", f"/customers/{customer}/notes", {"text": "记录"})
    path, anything = f"/notes/{note['id']}", {"If-Match": "*"}
    await amy.call("PATCH", path, {"text": "请 @bob 回电"}, headers=anything)
    piece = await bobs.take(30)
    assert piece is not None
    assert f'"note":"{note["id"]}"' in piece.decode()
    await amy.call("PATCH", path, {"text": "请 @bob 明天回电"}, headers=anything)
    assert await bobs.take(0.1) == b""
    assert await mine.take(0.1) == b""

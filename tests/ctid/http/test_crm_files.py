"""Tables in and out over HTTP: every encoding, hostile cells, too large, all or nothing."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from crmcore import import_map
from tests.ctid.http.test_crm import make_customer

pytestmark = pytest.mark.daemon

TABLE = "姓名,手机,标签\n周建国,13800138001,常客\n吴秀英,13912345602,\n,,\n坏行,不是号码,\n"


async def upload(client: Any, content: bytes, name: str = "读者.csv") -> tuple[int, Any]:
    status, data, _ = await client.call(
        "POST",
        "/imports/uploads",
        params={"name": name},
        data=content,
        headers={"Content-Type": "application/octet-stream"},
    )
    return status, data


async def run(client: Any, file: Any, **more: Any) -> Any:
    """Run it and wait for its end by the event stream."""
    async with client.http.get(client.api + "/events") as stream:
        await stream.content.readuntil(b"hello")
        body = {"mapping": file["preview"]["mapping"], "mode": "create", **more}
        path = f"/imports/uploads/{file['id']}/run"
        status, data, _ = await client.call("POST", path, body)
        assert status == 200, data
        async with asyncio.timeout(30):
            while True:
                line = await stream.content.readline()
                if line.startswith(b"data:") and file["id"].encode() in line:
                    told = json.loads(line[5:])
                    if told["state"] in ("done", "failed"):
                        return told


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
async def test_a_table_is_looked_at_imported_and_undone(log_in: Any, encoding: str) -> None:
    sue = await log_in("sue")
    status, file = await upload(sue, TABLE.encode(encoding))
    assert status == 200
    assert file["preview"]["mapping"] == ["name", "phone", "tags"]
    assert file["preview"]["rows"][0] == ["周建国", "13800138001", "常客"]
    told = await run(sue, file)
    assert (told["state"], told["progress"]["created"], told["progress"]["refused"]) == (
        "done", 2, 1,
    )  # fmt: skip
    assert (await sue.get("/customers?q=建国"))["items"][0]["tags"] == ["常客"]
    [made] = (await sue.get("/imports"))["items"]
    assert (made["state"], made["created"], made["file_name"]) == ("done", 2, "读者.csv")
    status, raw, _ = await sue.call("GET", f"/imports/{made['id']}/errors")
    lines = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert lines[0] == ["line", "problem", "name", "phone", "tags"]
    assert lines[1][0] == "5"
    assert "坏行" in lines[1]
    status, undone, _ = await sue.call("POST", f"/imports/{made['id']}/undo")
    assert (status, undone["removed"]) == (200, 2)
    assert (await sue.get("/customers"))["items"] == []
    assert (await sue.call("POST", f"/imports/{made['id']}/undo"))[0] == 409
    # the file itself is gone, its outcome stays for a while
    gone = await sue.get(f"/imports/uploads/{file['id']}")
    assert (gone["state"], gone["preview"]) == ("done", None)


async def test_workbooks_and_vcards_go_the_same_way(log_in: Any) -> None:
    sue = await log_in("sue")
    book = openpyxl.Workbook()
    book.active.append(["姓名", "手机"])
    book.active.append(["工作簿", 13800138007])
    buffer = io.BytesIO()
    book.save(buffer)
    status, file = await upload(sue, buffer.getvalue(), "a.xlsx")
    assert (status, file["preview"]["kind"]) == (200, "xlsx")
    assert (await run(sue, file))["progress"]["created"] == 1
    cards = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:名片\r\nTEL:13800138008\r\nTEL:02584701003\r\n"
        "EMAIL:a@example.org\r\nEND:VCARD\r\n"
    )
    status, file = await upload(sue, cards.encode(), "a.vcf")
    assert status == 200
    assert (await run(sue, file))["progress"]["created"] == 1
    [card] = (await sue.get("/customers?q=名片"))["items"]
    assert len(card["contact_points"]) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0\0",
        b"\xd0\xcf\x11\xe0 old excel",
        b"PK\x03\x04 no archive",
        b"\n\n\n",
        b"BEGIN:VCARD\r\nEND:VCARD\r\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    ],
)
async def test_what_is_no_table_is_refused(log_in: Any, content: bytes) -> None:
    sue = await log_in("sue")
    status, problem = await upload(sue, content)
    assert (status, problem["code"]) == (422, "invalid")
    assert (await sue.get("/imports/uploads"))["items"] == []


async def test_a_workbook_that_explodes_is_refused(log_in: Any) -> None:
    sue = await log_in("sue")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        info = zipfile.ZipInfo("xl/sharedStrings.xml")
        archive.writestr(info, b"x")
    raw = bytearray(buffer.getvalue())
    at = raw.rindex(b"PK\x01\x02")  # the directory claims 2 GiB
    raw[at + 24 : at + 28] = (2**31).to_bytes(4, "little")
    status, problem = await upload(sue, bytes(raw), "bomb.xlsx")
    assert (status, problem["code"]) == (422, "invalid")


async def test_files_are_bounded_in_size_and_number(make_site: Any, log_in: Any) -> None:
    site = await make_site(upload_limit=1000)
    sue = await log_in("sue", site.api)
    status, problem = await upload(sue, b"x" * 1001)
    assert (status, problem["code"]) == (413, "body_too_large")

    async def endless() -> Any:
        while True:
            yield b"x" * 400

    status, problem = await upload(sue, endless())
    assert (status, problem["code"]) == (413, "body_too_large")
    for _ in range(5):
        assert (await upload(sue, b"name\na\n"))[0] == 200
    status, problem = await upload(sue, b"name\na\n")
    assert (status, problem["code"]) == (409, "conflict")
    [one, *_] = (await sue.get("/imports/uploads"))["items"]
    assert (await sue.call("DELETE", f"/imports/uploads/{one['id']}"))[0] == 204
    assert (await upload(sue, b"name\na\n"))[0] == 200
    site.clock.ahead_s = 3601.0
    assert (await sue.get("/imports/uploads"))["items"] == []


async def test_only_those_who_may_import_do_and_only_their_own(log_in: Any) -> None:
    amy, sue, root = await log_in("amy"), await log_in("sue"), await log_in("root")
    status, problem = await upload(amy, TABLE.encode())
    assert (status, problem["code"]) == (403, "forbidden")
    _, file = await upload(sue, TABLE.encode())
    path = f"/imports/uploads/{file['id']}"
    assert (await root.call("GET", path))[0] == 404
    assert (await root.call("POST", f"{path}/run", {"mapping": ["name"]}))[0] == 404
    for mapping in ([], ["", ""], ["password"], ["custom."], ["custom.a\nb"], ["name"] * 300):
        status, problem, _ = await sue.call("POST", f"{path}/run", {"mapping": mapping})
        assert status == 422, mapping
    assert (await sue.call("POST", f"{path}/run", {"mapping": ["name"] * 9}))[0] == 422
    status, _, _ = await sue.call("POST", f"{path}/run", {"mapping": ["name"], "mode": "all"})
    assert status == 422
    assert (await sue.get(path))["state"] == "ready"
    assert (await upload(sue, b"name\na\n", "a\r\nb"))[0] == 422


async def test_exports_are_guarded_against_formulas(site: Any, log_in: Any) -> None:
    evil = '=HYPERLINK("http://x","y")'
    await make_customer(site, evil, "+8613800138001", tags=["@SUM(1)"])
    await make_customer(site, "乙", "13800138002", vip=True)
    sue, amy = await log_in("sue"), await log_in("amy")
    assert (await amy.call("GET", "/exports/customers"))[0] == 403
    status, raw, response = await sue.call("GET", "/exports/customers")
    assert (status, response.content_type) == (200, "text/csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="customers.csv"'
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert len(rows) == 3
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    status, raw, _ = await sue.call("GET", "/exports/customers?format=xlsx&vip=true")
    sheet = openpyxl.load_workbook(io.BytesIO(raw)).active
    assert [row[2] for row in sheet.iter_rows(values_only=True)] == ["name", "乙"]
    status, raw, _ = await sue.call("GET", "/exports/customers?format=vcf")
    assert raw.decode().count("BEGIN:VCARD") == 2
    assert (await sue.call("GET", "/exports/customers?format=exe"))[0] == 422
    status, raw, _ = await sue.call("GET", "/exports/contact-records?phone=13800138000")
    assert raw.decode("utf-8-sig").startswith("id,interaction")
    root = await log_in("root")
    entries = (await root.get("/audit?username=sue"))["items"]
    assert [e["after"]["count"] for e in entries if e["action"] == "export"] == [0, 2, 1, 2]


async def test_files_lie_beside_the_store_and_nothing_outlives_a_crash(
    make_site: Any, log_in: Any, tmp_path: Path
) -> None:
    def there() -> dict[str, int]:
        return {str(p.relative_to(tmp_path)): p.stat().st_mode & 0o777 for p in folder.rglob("*")}

    folder = tmp_path / "1.db.passage"  # of the second site
    (folder / "export-x").mkdir(parents=True)  # as a crash leaves it
    (folder / "export-x" / "out.csv").write_text("周建国")
    site = await make_site()
    assert not folder.exists()
    sue = await log_in("sue", site.api)
    status, file = await upload(sue, TABLE.encode())
    assert (status, len(there()), folder.stat().st_mode & 0o777) == (200, 1, 0o700)
    assert (await sue.call("GET", "/exports/customers"))[0] == 200
    assert len(there()) == 1  # what went out is gone
    assert (await sue.call("DELETE", f"/imports/uploads/{file['id']}"))[0] == 204
    assert there() == {}
    await upload(sue, TABLE.encode())
    await site.server.stop()
    assert not folder.exists()


WRONG = """姓名,手机号,邮箱,类型,生日,备忘,custom.region
两处错,13800138001,nobody,宠物,昨天,=1+1,华东
,,,,,空空,
没号码,不详,,,,,
旧客,13800138002,,,,,
新客,13800138009,,,,,
"""


async def test_what_was_refused_is_told_in_the_readers_language_and_can_be_imported_again(
    log_in: Any,
) -> None:
    sue = await log_in("sue")
    for name in ("甲", "乙"):  # two with one number
        body = {"name": name, "contact_points": [{"kind": "phone", "value": "13800138002"}]}
        assert (await sue.call("POST", "/customers", body))[0] == 200
    _, file = await upload(sue, WRONG.encode())
    assert (await run(sue, file, mode="update"))["progress"]["refused"] == 5
    [made] = (await sue.get("/imports"))["items"]

    async def told(language: str) -> list[list[str]]:
        path = f"/imports/{made['id']}/errors?language={language}"
        status, raw, _ = await sue.call("GET", path)
        assert status == 200
        return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))

    head, *rows = await told("zh-CN")
    assert head == ["行", "问题", "姓名", "电话", "邮箱", "类型", "生日", "", "custom.region"]
    assert [row[:2] for row in rows] == [
        ["2", "类型：不在可选范围内；生日：须为日期（年-月-日）；联系方式：不是邮箱地址"],
        ["3", "姓名：请填写姓名或至少一种联系方式"],
        ["4", "联系方式：不是电话号码；未显示的号码请留空"],
        ["5", "此号码或邮箱属于 2 位客户，无法确定是哪一位"],
        ["6", "没有客户使用此号码或邮箱"],
    ]
    assert rows[0][7] == "'=1+1"
    head, *rows = await told("en")
    assert head == [
        "line",
        "problem",
        "name",
        "phone",
        "email",
        "kind",
        "birthday",
        "",
        "custom.region",
    ]
    assert rows[4][1] == "no customer has this number or mail address"
    for language in ("en", "zh-CN"):
        text = (await sue.call("GET", f"/imports/{made['id']}/errors?language={language}"))[1]
        again = (await upload(sue, text))[1]
        assert again["preview"]["mapping"] == [
            "", "", "name", "phone", "email", "kind", "birthday", "", "custom.region",
        ]  # fmt: skip
    assert (await sue.call("GET", f"/imports/{made['id']}/errors?language=tlh"))[0] == 422
    assert (await sue.call("GET", "/imports/999/errors"))[0] == 404


@pytest.mark.parametrize("name", [*import_map.FIELDS, "custom.region", "custom.发行 区"])
def test_each_heading_is_recognised_again(name: str) -> None:
    headings = [import_map.heading(name, chinese=chinese) for chinese in (False, True)]
    assert import_map.guess(headings) == [name, name]

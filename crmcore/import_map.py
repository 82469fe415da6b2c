"""From a table's columns to a customer's fields: guessing by the header, and one row's values."""

from __future__ import annotations

import re
from typing import Any

from crmcore import customer_input, numbers
from crmcore.errors import Invalid, Wrong
from crmcore.numbers import NumberPlan

Row = dict[str, Any]

FIELDS = (
    "name", "kind", "title", "sex", "birthday", "language", "owner", "team", "vip", "source",
    "tags", "roles", "phone", "email", "wechat", "qq", "weibo", "province", "city", "district",
    "street", "postcode",
)  # fmt: skip
"""What a column can be mapped to; besides ``custom.<code>``. Several columns may be phones."""
_HEADERS = {
    "name": "name 姓名 名称 客户 客户名称 客户姓名 联系人 读者姓名 单位名称 公司名称 fullname",
    "kind": "kind type 类型 客户类型",
    "title": "title 称呼 职务 职位 头衔",
    "sex": "sex gender 性别",
    "birthday": "birthday 生日 出生日期 出生年月",
    "language": "language 语言",
    "owner": "owner 负责人 归属 客户经理",
    "team": "team 团队 部门",
    "vip": "vip 贵宾",
    "source": "source 来源",
    "tags": "tags tag 标签",
    "roles": "roles role 角色 身份",
    "phone": "phone mobile tel telephone cell 电话 手机 手机号 手机号码 联系电话 电话号码 固话"
    " 座机 家庭电话 办公电话 号码 phonenumber mobilephone",
    "email": "email mail 邮箱 电子邮箱 邮件 电子邮件",
    "wechat": "wechat 微信 微信号",
    "qq": "qq qq号",
    "weibo": "weibo 微博",
    "province": "province 省 省份",
    "city": "city 市 城市",
    "district": "district 区 区县",
    "street": "street address 地址 详细地址 家庭住址 通讯地址 住址 送报地址",
    "postcode": "postcode zip 邮编 邮政编码",
}
_BY_HEADER = {word: name for name, words in _HEADERS.items() for word in words.split()}
_CUSTOM = "custom."
_LIST = re.compile(r"[,，;；、|]")
_DATE = re.compile(r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$")


def is_field(name: str) -> bool:
    """Whether a column can be mapped to ``name``."""
    return name in FIELDS or _is_custom(name)


def _is_custom(name: str) -> bool:
    return name.startswith(_CUSTOM) and name != _CUSTOM and name.isprintable()


def guess(header: list[str]) -> list[str]:
    """For each column the field it looks like, or an empty text."""
    found = []
    for cell in header:
        if _is_custom(cell):  # as :func:`heading` says it
            found.append(cell)
            continue
        word = re.sub(r"[\s_\-*:：()（）]+", "", cell).casefold().rstrip("0123456789")
        found.append(_BY_HEADER.get(word, ""))
    return found


def heading(name: str, *, chinese: bool) -> str:
    """What stands above the column of a field, such that :func:`guess` finds the field again."""
    words = _HEADERS[name].split() if name in _HEADERS else [name]
    return next((word for word in words if not (chinese and word.isascii())), name)


def values(row: list[str], mapping: list[str], plan: NumberPlan) -> Row:
    """One row as checked customer values. Raises Invalid."""
    given: Row = {}
    points: list[Row] = []
    place: Row = {}
    custom: Row = {}
    for cell, name in zip(row, mapping, strict=False):
        cell = cell.strip()
        if not cell or not name:
            continue
        if name == "phone":
            points += [{"kind": "phone", "value": one} for one in numbers.split(cell)]
        elif name in ("email", "wechat", "qq", "weibo"):
            points.append({"kind": name, "value": cell})
        elif name in ("province", "city", "district", "street", "postcode"):
            place[name] = f"{place.get(name, '')}{cell}"
        elif name in ("tags", "roles"):
            given[name] = [*given.get(name, ()), *_LIST.split(cell)]
        elif name == "vip":
            given[name] = cell.casefold() in ("1", "true", "yes", "y", "是", "vip")
        elif name == "kind":
            given[name] = _KINDS.get(cell.casefold(), cell)
        elif name == "birthday":
            date = _DATE.match(cell)
            given[name] = f"{date[1]}-{int(date[2]):02d}-{int(date[3]):02d}" if date else cell
        elif name.startswith(_CUSTOM):
            custom[name.removeprefix(_CUSTOM)] = cell
        else:
            given[name] = cell
    if points:
        given["contact_points"] = points
    if place:
        given["addresses"] = [place]
    if custom:
        given["custom"] = custom
    if not given.get("name") and not points:
        raise Invalid({"name": Wrong("neither a name nor a contact point", "name_or_contact")})
    values = customer_input.checked(given, plan, new=True)
    if "kind" not in given:
        del values["kind"]
    return values


_KINDS = {
    "个人": "person",
    "person": "person",
    "单位": "organisation",
    "公司": "organisation",
    "企业": "organisation",
    "机构": "organisation",
    "organisation": "organisation",
    "organization": "organisation",
    "company": "organisation",
}

"""The error file of an import: the rows that were not taken, and why, to mend and import again.

The headings are such that the columns are recognised again (:func:`crmcore.import_map.guess`).
Pages say a problem by its code; this is a file, so its words are here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any, Literal

from crmcore import import_map, tabular

Language = Literal["en", "zh-CN"]

_FIRST = {"en": ("line", "problem"), "zh-CN": ("行", "问题")}
_CONTACT_POINT = {"en": "contact point", "zh-CN": "联系方式"}
_BETWEEN = {"en": (": ", "; "), "zh-CN": ("：", "；")}
_WORDS_ZH = {
    "required": "不能为空",
    "choice": "不在可选范围内",
    "mail": "不是邮箱地址",
    "number": "不是电话号码；未显示的号码请留空",
    "date": "须为日期（年-月-日）",
    "masked": "显示的是遮蔽值，请填写完整内容",
    "name_or_contact": "请填写姓名或至少一种联系方式",
    "length": "须为 {min} 至 {max} 个字符",
    "shared": "此号码或邮箱属于 {customers} 位客户，无法确定是哪一位",
    "nobody": "没有客户使用此号码或邮箱",
}
"""What is wrong, by the code; for what has no words here the English sentence stands."""


def table(mapping: list[str], rows: Iterable[dict[str, Any]], language: Language) -> str:
    """The whole file as CSV; ``rows`` as of :func:`crmcore.importing.refusals`."""
    text = io.StringIO()
    writer = csv.writer(text)
    headings = [import_map.heading(name, chinese=language == "zh-CN") for name in mapping]
    writer.writerow([*_FIRST[language], *map(tabular.guarded, headings)])
    of_field, next_one = _BETWEEN[language]
    for row in rows:
        problem = next_one.join(_sentence(one, language, of_field) for one in row["problems"])
        writer.writerow(map(tabular.guarded, (row["line"], problem, *row["cells"])))
    return text.getvalue()


def _sentence(problem: dict[str, Any], language: Language, of_field: str) -> str:
    words = problem["detail"]
    if language == "zh-CN" and problem["code"] in _WORDS_ZH:
        words = _WORDS_ZH[problem["code"]].format(**problem["params"])
    field = problem["field"].partition(".")[0]
    if field == "contact_points":
        named = _CONTACT_POINT[language]
    else:
        named = import_map.heading(field, chinese=language == "zh-CN")
    return f"{named}{of_field}{words}" if named else words

"""What comes in as a customer, checked and made into what is stored.

Everything from outside is hostile here: control characters go, lengths are cut, unknown fields and
wrong values are told all at once (:class:`crmcore.errors.Invalid`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crmcore import audit, numbers, text
from crmcore.errors import REQUIRED, Invalid, Wrong, one_of
from crmcore.numbers import HOME, NumberPlan

Row = dict[str, Any]

CONTACT_KINDS = ("phone", "email", "postal", "wechat", "weibo", "qq", "douyin", "website", "other")
PLAIN = (
    "kind",
    "name",
    "title",
    "sex",
    "birthday",
    "language",
    "vip",
    "blocked",
    "owner",
    "team",
    "custom",
    "source",
)
TEXTS = ("name", "title", "sex", "language", "source")
ADDRESS = ("label", "country", "province", "city", "district", "street", "postcode")
_FIELDS = frozenset((*PLAIN, "roles", "tags", "contact_points", "addresses"))
_BIRTHDAY = re.compile(r"^(?:18|19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$")
_MAIL = re.compile(r"^[^\s@<>,;]{1,64}@[^\s@<>,;]+\.[^\s@<>,;]{2,}$")
_MAX_LIST = 50


def contact_key(kind: str, value: str, plan: NumberPlan = HOME) -> tuple[str, str | None]:
    """``(key, tail)`` of a contact point; the key is empty for a value that names nobody."""
    if kind == "phone":
        number = numbers.parse(value, plan)
        return number.key, number.tail
    if kind == "email":
        return text.fold(value).strip(), None
    return text.name_key(value) or text.fold(value).strip(), None


def checked_point(given: Mapping[str, Any], plan: NumberPlan, where: str) -> Row:
    """One contact point as it will be stored. Raises Invalid."""
    kind = str(given.get("kind", "phone"))
    value = text.clean(str(given.get("value", "")), 256)
    if kind not in CONTACT_KINDS:
        raise Invalid({f"{where}.kind": one_of(CONTACT_KINDS)})
    if not value:
        raise Invalid({f"{where}.value": REQUIRED})
    if kind == "email" and not _MAIL.match(value):
        mail = Wrong("is no mail address; it looks like name@host.tld", "mail")
        raise Invalid({f"{where}.value": mail})
    key, tail = contact_key(kind, value, plan)
    if not key:
        number = Wrong("is no number; leave a withheld number out", "number")
        raise Invalid({f"{where}.value": number})
    return {
        "kind": kind,
        "value": value,
        "key": key,
        "tail": tail,
        "label": text.clean(str(given["label"]), 64) if given.get("label") else "",
        "preferred": int(bool(given.get("preferred"))),
        "opt_out": int(bool(given.get("opt_out"))),
        "invalid": int(bool(given.get("invalid"))),
        "source": text.clean(str(given["source"]), 64) if given.get("source") else "",
    }


def checked(given: Mapping[str, Any], plan: NumberPlan = HOME, *, new: bool) -> Row:
    """The fields of ``given`` as they will be stored. Raises Invalid with all problems at once."""
    errors: dict[str, str] = {}
    for name in given:
        if name not in _FIELDS and name not in ("version", "id"):
            errors[name] = "is not a field of a customer"
    out: Row = {}
    for name in TEXTS:
        if name in given:
            out[name] = text.clean(str(given[name] or ""), 200).replace("\n", " ")
    for name in ("owner", "team"):
        if name in given:
            out[name] = text.clean(str(given[name]), 64) or None if given[name] else None
    for name in ("vip", "blocked"):
        if name in given:
            out[name] = int(bool(given[name]))
    if "kind" in given or new:
        out["kind"] = str(given.get("kind") or "person")
        if out["kind"] not in ("person", "organisation"):
            errors["kind"] = one_of(("person", "organisation"))
    if "birthday" in given and (new or "**" not in str(given["birthday"])):  # shown masked
        out["birthday"] = str(given["birthday"]) if given["birthday"] else None
        if out["birthday"] and not _BIRTHDAY.match(out["birthday"]):
            errors["birthday"] = Wrong("must be a date YYYY-MM-DD", "date")
    if "custom" in given:
        custom = given["custom"] or {}
        if not isinstance(custom, Mapping) or len(audit.text(custom)) > 20_000:
            large = "must be an object of at most 20,000 characters"
            errors["custom"] = Wrong(large, "length", min=0, max=20_000)
        else:
            out["custom"] = audit.text({text.clean(str(k), 64): v for k, v in custom.items()})
    for name in ("roles", "tags"):
        if name in given:
            values = [text.clean(str(one), 64) for one in given[name] or ()]
            out[name] = sorted({one for one in values if one})[:_MAX_LIST]
    if "contact_points" in given:
        points = []
        for n, one in enumerate((given["contact_points"] or ())[:_MAX_LIST]):
            if "***" in str(one.get("value", "")):  # shown masked, sent back as it was shown
                if not new and str(one.get("id") or "").isdigit():
                    points.append({"id": one["id"], "unseen": True})
                else:
                    whole = Wrong("is masked; send the whole value", "masked")
                    errors[f"contact_points.{n}.value"] = whole
                continue
            try:
                point = checked_point(one, plan, f"contact_points.{n}")
            except Invalid as error:
                errors.update(error.errors)
            else:
                points.append({**point, "id": one.get("id")})
        out["contact_points"] = points
    if "addresses" in given:
        out["addresses"] = [
            {
                **{f: text.clean(str(one[f]), 200) if one.get(f) else "" for f in ADDRESS},
                "opt_out": int(bool(one.get("opt_out"))),
                "invalid": int(bool(one.get("invalid"))),
                "source": text.clean(str(one["source"]), 64) if one.get("source") else "",
                "id": one.get("id"),
            }
            for one in (given["addresses"] or ())[:_MAX_LIST]
        ]
    if errors:
        raise Invalid(errors)
    return out

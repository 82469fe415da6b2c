"""One canonical key for each spelling of a telephone number.

The key is what is compared, never shown: ``+8613800138000`` (E.164, ITU-T E.164) for a number that
can be dialled from anywhere, ``short:95588`` for service numbers and internal extensions,
``local:84701234`` for a number without an area code where no home area is configured,
``sip:alice`` for a SIP user that is no number, ``raw:...`` for digits of no known plan. A withheld
number has no key.

Numbers of the Chinese plan are recognised here (Numbering Plan of China, MIIT: mobile 1[3-9] and
nine digits; landline 0, area code of two or three digits, seven or eight digits; service numbers
95xxx and 950xx with what follows, 100xx, 1010xxxx, 106 for messages); everything else goes to
phonenumbers (Google's libphonenumber metadata).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

import phonenumbers

MAX_INPUT = 128
BETWEEN_DIGITS = " \t\r\n()（）/.·_-－~〜～ー‐‑‒–—―−"
"""What people write between the digits of a number within a text."""
WRITTEN_DIGITS = {
    str(n): written
    for n, written in enumerate(
        (
            "0０〇零",
            "1１一幺",
            "2２二",
            "3３三",
            "4４四",
            "5５五",
            "6６六",
            "7７七",
            "8８八",
            "9９九",
        )
    )
}
"""Each digit as people write it."""
TAIL_DIGITS = 7

_WITHHELD = frozenset(
    (
        "",
        "anonymous",
        "unknown",
        "restricted",
        "unavailable",
        "private",
        "withheld",
        "blocked",
        "asterisk",
        "none",
        "null",
        "n/a",
        "-",
        "未知",
        "匿名",
        "未知号码",
        "隐藏号码",
        "私人号码",
        "无",
        "无号码",
    )
)
# Prefixes dialled before a number to choose a carrier or hide a call's price (China).
_CARRIER = re.compile(
    r"^(?:179(?:00|01|08|09|10|11|20|30|31|48|50|51|61|69|80|90|91)|125(?:20|93)|10193|11808|11888|96688)"
)
_EXTENSION = re.compile(
    r"(?:转接?|轉接?|分机号?|分機號?|內線|内线|;?ext(?:ension|n)?[.:=]?|(?<=\d)\s*x|#|[,;pw]{2,}|;postd=)"
    r"\s*[:：]?\s*(\d{1,8})\D*$",
    re.IGNORECASE,
)
_DASH_EXTENSION = re.compile(
    r"^(\(?0\d{2,3}\)?[-\s]?\d{7,8}|\d{3}-\d{3}-\d{4}|1[3-9]\d{9}|9[56]\d{3})[-*](\d{1,6})$"
)
# what stands behind a number that is whole without it
_BEHIND = re.compile(r"^(.*\d)([^\d]*?)(?<!\d)(\d{1,6})(?:\s*[/、]\s*\d{1,6})?[^\d]*$")
_EXTENSION_SIGNS = re.compile(r"^[\s)]*(?:[-*,;#/xXpPwW]+|[转轉分按]+)\s*$")
# *31#, #31#: show or hide the caller (3GPP TS 22.030); *67: the same in North America
_SERVICE_CODE = re.compile(r"^\s*(?:[*#]{1,2}\d{2,3}[*#]|\*67(?=\d{10}))")
_CHINESE_VALUES = {ord(c): n for n, written in WRITTEN_DIGITS.items() for c in written[2:]}
_CHINESE_DIGITS = re.compile(f"[{''.join(map(chr, _CHINESE_VALUES))}]{{3,}}")
# letters on the keys (ITU-T E.161): 400-CALL-NOW, 1-800-FLOWERS
_LETTERED = re.compile(
    r"^(?:\+?1[-. ]?)?(?:400|8\d\d)[-. ]?(?=[\d. -]*[A-Z])(?:[-. ]?[A-Z\d]){7,10}$", re.I
)
_TOLL_FREE_ABROAD = re.compile(r"^1[-. ]8(?:00|33|44|55|66|77|88)[-. ]")
_CONTEXT = re.compile(r";phone-context=(\+\d{1,7})\b", re.IGNORECASE)
_PARAMETER = re.compile(r";(?:ext|postd)=(\d{1,8})\b", re.IGNORECASE)
_OUTSIDE_LINE = re.compile(r"^\s*[0-9]{1,2}\s*[,;pw~]+\s*(?=[\d+(])", re.IGNORECASE)
_SIP = re.compile(r"^(?:.*<)?\s*(?:sips?|tel):([^@;>?]*)", re.IGNORECASE)
_CHINA_MOBILE_KEY = re.compile(r"^\+861[3-9]\d{9}$")
_MOBILE = re.compile(r"^1[3-9]\d{9}$")
_AREA = r"(?:10|2[0-57-9]|[3-9]\d\d)"
_LANDLINE = re.compile(rf"^0({_AREA})([2-8]\d{{6,7}})$")
_SERVICE_WITH_AREA = re.compile(rf"^0({_AREA})((?:9[56]\d{{3,4}}|1\d{{2,5}}))$")
_FREEPHONE = re.compile(r"^[48]00\d{7}$")
# of more than six digits: a bank's or firm's number with what it appended, virtual operators
_LONG_SERVICE = re.compile(r"^(?:100\d{4,6}|1010\d{4}|106\d{5,17}|95\d{5,14})$")
_VIRTUAL_OPERATOR = re.compile(r"^950\d{3,14}$")
_NEIGHBOUR = re.compile(r"^(?:85[23]\d{8}|886\d{8,9})$")
_LOCAL = re.compile(r"^[2-8]\d{6,7}$")


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """Where we are: ``region`` (ISO 3166) and the home area code without its 0 (``25``), if any."""

    region: str = "CN"
    area: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """What was understood. ``key`` is empty for a withheld number.

    ``kind``: mobile, landline, service, local, international, sip, raw, withheld.
    """

    key: str
    kind: str
    extension: str = ""

    @property
    def digits(self) -> str:
        """Digits of the key without the country code of China."""
        text = self.key.partition(":")[2] or self.key
        if text.startswith("+86"):
            text = text[3:]
        return text if text.isdigit() else "".join(c for c in text if c.isdigit())

    @property
    def tail(self) -> str | None:
        """The last digits, by which numbers with and without area code find each other."""
        digits = self.digits
        return digits[-TAIL_DIGITS:] if len(digits) >= TAIL_DIGITS else None


HOME = NumberPlan()
_NOBODY = Number("", "withheld")


def _clean(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text[:MAX_INPUT])
    # control and format characters: contacts copied from a phone carry invisible marks
    kept = "".join(_digit(c) for c in folded if unicodedata.category(c) not in _INVISIBLE)
    return kept.translate(_DASHES).strip()


def _digit(char: str) -> str:
    return str(unicodedata.digit(char)) if char.isdecimal() and not char.isascii() else char


_INVISIBLE = frozenset(("Cc", "Cf", "Co", "Cs"))


_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−－ー〜～~"), "-")


@lru_cache(maxsize=20_000)
def parse(text: str, plan: NumberPlan = HOME) -> Number:
    """Understand one number as it really arrives. Never raises."""
    if plan.region == "CN" and _MOBILE.match(text) and text.isascii():
        return Number(f"+86{text}", "mobile")
    text = _clean(text)
    sip = _SIP.match(text)
    parameter = _PARAMETER.search(text)
    context = _CONTEXT.search(text) if sip else None
    if sip:
        text = unquote(sip[1]).strip()
        if context and text[:1].isdigit():
            text = context[1] + text  # RFC 3966, 5.1.5
    if text.casefold() in _WITHHELD:
        return _NOBODY
    if plan.region == "CN":
        text = _CHINESE_DIGITS.sub(lambda m: m[0].translate(_CHINESE_VALUES), text)
    if not sip:
        text = _lettered(_SERVICE_CODE.sub("", text))
    text = _OUTSIDE_LINE.sub("", text)
    extension = parameter[1] if parameter else ""
    dashed = _DASH_EXTENSION.match(text)
    found = _EXTENSION.search(text)
    if dashed:
        text, extension = dashed[1], dashed[2]
    elif found and found.start() > 0:
        text, extension = text[: found.start()], found[1]
    plus = text.lstrip("( ").startswith("+")
    digits = "".join(c for c in text if c in "0123456789")
    letters = sum(c.isalpha() for c in text)
    if not digits or (sip and letters):
        name = re.sub(r"[^\w.+-]", "", text).casefold()
        return Number(f"sip:{name}", "sip") if sip and name else _NOBODY
    if len(digits) > 1 and not digits.strip("0"):
        return _NOBODY
    number: Number | None = _china(digits, plus, plan) if plan.region == "CN" else None
    if number is None:
        number = _world(digits, plus, plan)
    if number.kind == "raw" and not sip and not extension:
        number = _without_what_is_behind(text, plan) or number
    return Number(number.key, number.kind, extension) if extension else number


def _without_what_is_behind(text: str, plan: NumberPlan) -> Number | None:
    """``010-8470-1234-802``, ``13800138000(2)``: a whole number, a sign, and a few digits more."""
    found = _BEHIND.match(text)
    if found is None or not found[2].strip():
        return None
    whole = parse(found[1], plan)
    if whole.kind not in ("mobile", "landline", "international"):
        return None
    extension = found[3] if _EXTENSION_SIGNS.match(found[2]) else ""
    extension = whole.extension or extension
    return Number(whole.key, whole.kind, extension)


def _lettered(text: str) -> str:
    if _TOLL_FREE_ABROAD.match(text):
        text = "+" + text
    if _LETTERED.match(text):
        return phonenumbers.convert_alpha_characters_in_number(text)
    return text


def _china(digits: str, plus: bool, plan: NumberPlan) -> Number | None:
    national = _without_country(digits, plus)
    if national is None:
        return None
    if not national:
        return _NOBODY
    found = _national(national, plan)
    if found is None and not plus:
        carrier = _CARRIER.match(national)
        if carrier and len(national) >= carrier.end() + 3:
            after = _without_country(national[carrier.end() :], False)
            found = _national(after, plan) if after else None
        elif national[0] in "09" and len(national) >= 10 and not _VIRTUAL_OPERATOR.match(national):
            # an outside-line digit that the exchange left in front
            inner = _without_country(national[1:], False)
            number = _national(inner, plan) if inner else None
            if number is not None and number.kind in ("mobile", "landline"):
                found = number
    if found is None and _LONG_SERVICE.match(national):
        return Number(f"short:{national}", "service")
    if found is None and not plus and _NEIGHBOUR.match(digits):
        abroad = _world(digits, True, plan)
        return abroad if abroad.kind == "international" else None
    if found is None and digits.startswith("01186") and not plus:
        # a call home as it is dialled in North America
        number = _national(_after_86(digits[3:]) or "", plan)
        return number if number and number.kind in ("mobile", "landline") else None
    if found is None and national != digits and plus:
        return Number(f"+86{national}", "raw")
    return found


def _without_country(digits: str, plus: bool) -> str | None:
    """The national part, or ``None`` when the number belongs to another country."""
    if plus:
        return _after_86(digits.lstrip("0"))
    if digits.startswith("00"):
        rest = digits.lstrip("0")
        if rest.startswith("86"):
            return _after_86(rest)
        # "0013800138000": a trunk zero too many, not a call to North America
        return rest if _MOBILE.match(rest) else None
    if digits.startswith(("86", "086")) and len(digits.lstrip("0")) > 11:
        national = _after_86(digits.lstrip("0"))
        if national and (_MOBILE.match(national) or _LANDLINE.match(national)):
            return national
    return digits


def _after_86(digits: str) -> str | None:
    if not digits.startswith("86"):
        return None
    rest = digits[2:]
    if rest.startswith("86") and len(rest) > 11:  # the country code twice
        rest = rest[2:]
    bare = rest.lstrip("0")
    if _MOBILE.match(bare) or _FREEPHONE.match(bare):
        return bare
    if _LANDLINE.match("0" + bare):
        return "0" + bare
    if len(bare) > 6 and not _LONG_SERVICE.match(bare) and _SERVICE_WITH_AREA.match("0" + bare):
        return "0" + bare
    return rest


def _national(digits: str, plan: NumberPlan) -> Number | None:
    bare = digits[1:] if digits.startswith("0") else digits
    if _MOBILE.match(bare):
        return Number(f"+86{bare}", "mobile")
    landline = _LANDLINE.match(digits)
    if landline:
        return Number(f"+86{landline[1]}{landline[2]}", "landline")
    if _FREEPHONE.match(bare):
        return Number(f"+86{bare}", "service")
    service = _SERVICE_WITH_AREA.match(digits)
    if service:
        return Number(f"short:{service[2]}@{service[1]}", "service")
    if len(digits) <= 6:
        return Number(f"short:{digits}", "service")
    if _LOCAL.match(digits):
        if plan.area:
            return Number(f"+86{plan.area}{digits}", "landline")
        return Number(f"local:{digits}", "local")
    if _NEIGHBOUR.match(digits) and digits[0] == "8":
        # Hong Kong and Macau: 0852 and 0853 have not been area codes since 2014
        return None
    without_zero = _LANDLINE.match("0" + digits)
    if without_zero and len(digits) >= 10:
        return Number(f"+86{digits}", "landline")
    return None


def _world(digits: str, plus: bool, plan: NumberPlan) -> Number:
    if not plus and len(digits) <= 6:
        return Number(f"short:{digits}", "service")
    if not plus and plan.region == "CN" and digits.startswith("00"):
        plus, digits = True, digits.lstrip("0")
    try:
        parsed = phonenumbers.parse(("+" if plus else "") + digits, plan.region)
    except phonenumbers.NumberParseException:
        return Number(f"raw:{digits[:32]}", "raw")
    if not phonenumbers.is_possible_number(parsed) or not (
        plus or phonenumbers.is_valid_number(parsed)
    ):
        return Number(f"raw:{digits[:32]}", "raw")
    key = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.region_code_for_country_code(parsed.country_code or 0) == plan.region:
        mobile = phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.MOBILE
        return Number(key, "mobile" if mobile else "landline")
    return Number(key, "international")


def key(text: str, plan: NumberPlan = HOME) -> str:
    """The canonical key of one spelling; empty when the number is withheld."""
    return parse(text, plan).key


def may_be_same(one: Number, other: Number) -> bool:
    """Whether two different keys may be one line: one lacks the area code that the other has."""
    shorter, longer = sorted((one.digits, other.digits), key=len)
    if "local" not in (one.kind, other.kind) or not longer.endswith(shorter):
        return False
    return re.fullmatch(_AREA, longer.removesuffix(shorter)) is not None


_SPLIT = re.compile(r"[、;；|\n]|\s{2,}|[/,，](?=\s*(?:\+|0\d{2}|1[3-9]\d{9}))|\s(?=1[3-9]\d{9}\b)")


def split(text: str) -> list[str]:
    """Several numbers in one cell (``010-84701234、13800138000``) as they stand, one by one.

    ``010/84701234`` and ``9,13800138000`` are one number: a part of fewer than seven digits is not
    cut off.
    """
    if text.isdigit():
        return [text]
    parts = [part.strip() for part in _SPLIT.split(_clean_lines(text))]
    parts = [part for part in parts if part]
    if any(sum(c.isdigit() for c in part) < 7 for part in parts[:-1] or parts):
        return [text.strip()] if text.strip() else []
    return parts


def _clean_lines(text: str) -> str:
    return unicodedata.normalize("NFKC", text[: MAX_INPUT * 8])


@lru_cache(maxsize=5_000)
def display(number_key: str) -> str:
    """The key as people write it: ``138 0013 8000``, ``010 8470 1234``, ``+44 20 7946 0000``."""
    if _CHINA_MOBILE_KEY.match(number_key):
        return f"{number_key[3:6]} {number_key[6:10]} {number_key[10:]}"
    if not number_key.startswith("+"):
        text = number_key.partition(":")[2]
        service, _, area = text.partition("@")
        return f"0{area} {service}" if area else text
    try:
        parsed = phonenumbers.parse(number_key)
    except phonenumbers.NumberParseException:
        return number_key
    style = phonenumbers.PhoneNumberFormat
    home = parsed.country_code == 86
    return str(phonenumbers.format_number(parsed, style.NATIONAL if home else style.INTERNATIONAL))


def masked(text: str) -> str:
    """A number for those who may not see it: ``138****8000``. Keeps at most three and four digits.

    Works on keys and on numbers as typed; anything else loses all but its ends in the same way.
    """
    number = parse(text) if not text.startswith(("short:", "local:", "raw:")) else None
    digits = number.digits if number else "".join(c for c in text if c.isdigit())
    if number is not None and number.kind == "landline":
        digits = "0" + digits
    if number is not None and number.kind == "international":
        digits = number.key
    if len(digits) >= 10:
        return f"{digits[:3]}****{digits[-4:]}"
    if len(digits) >= 7:
        return f"****{digits[-3:]}"
    return "****"

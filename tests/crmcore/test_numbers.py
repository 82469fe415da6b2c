"""Every spelling that really arrives, against its key."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore import customers, matching, numbers
from crmcore.access import SYSTEM
from crmcore.numbers import NumberPlan

pytestmark = pytest.mark.unit

MOBILE = "+8613800138000"
BEIJING = "+861084701234"
SUZHOU = "+8651265221234"
NANJING = NumberPlan("CN", "25")

SPELLINGS = [
    # mobile
    ("13800138000", MOBILE, ""),
    ("013800138000", MOBILE, ""),
    ("0013800138000", MOBILE, ""),
    ("+8613800138000", MOBILE, ""),
    ("008613800138000", MOBILE, ""),
    ("8613800138000", MOBILE, ""),
    ("08613800138000", MOBILE, ""),
    ("+86 138-0013-8000", MOBILE, ""),
    ("+86 (0)138 0013 8000", MOBILE, ""),
    ("(+86)13800138000", MOBILE, ""),
    ("+86 86 13800138000", MOBILE, ""),
    ("+86013800138000", MOBILE, ""),
    ("１３８００１３８０００", MOBILE, ""),
    ("＋８６１３８００１３８０００", MOBILE, ""),
    ("138 0013 8000", MOBILE, ""),
    ("138.0013.8000", MOBILE, ""),
    ("138—0013—8000", MOBILE, ""),
    ("  13800138000\r\n", MOBILE, ""),
    ("\u202a13800138000\u202c", MOBILE, ""),
    ("\ufeff138\u200b0013\u200b8000", MOBILE, ""),
    ("17951 13800138000", MOBILE, ""),
    ("1795113800138000", MOBILE, ""),
    ("17909013800138000", MOBILE, ""),
    ("1791113800138000", MOBILE, ""),
    ("12593013800138000", MOBILE, ""),
    ("17951+8613800138000", MOBILE, ""),
    ("9,13800138000", MOBILE, ""),
    ("0,,13800138000", MOBILE, ""),
    ("9p013800138000", MOBILE, ""),
    ("9013800138000", MOBILE, ""),
    ("913800138000", MOBILE, ""),
    ("sip:+8613800138000@10.0.0.1:5060;user=phone", MOBILE, ""),
    ('"张三" <sip:13800138000@pbx>', MOBILE, ""),
    ("tel:+86-138-0013-8000", MOBILE, ""),
    ("手机：13800138000", MOBILE, ""),
    ("13800138000转802", MOBILE, "802"),
    # landline
    ("010-84701234", BEIJING, ""),
    ("010/84701234", BEIJING, ""),
    ("(010)84701234", BEIJING, ""),
    ("（010）8470 1234", BEIJING, ""),
    ("01084701234", BEIJING, ""),
    ("1084701234", BEIJING, ""),
    ("+86 10 84701234", BEIJING, ""),
    ("+86(010)84701234", BEIJING, ""),
    ("0086-010-84701234", BEIJING, ""),
    ("86-10-84701234", BEIJING, ""),
    ("1795101084701234", BEIJING, ""),
    ("9,010-84701234", BEIJING, ""),
    ("901084701234", BEIJING, ""),
    ("０１０－８４７０１２３４", BEIJING, ""),
    ("010-84701234转802", BEIJING, "802"),
    ("010-84701234-802", BEIJING, "802"),
    ("010-84701234 分机 802", BEIJING, "802"),
    ("010-84701234轉分機802", BEIJING, "802"),
    ("010-84701234 ext. 802", BEIJING, "802"),
    ("010-84701234x802", BEIJING, "802"),
    ("010-84701234#802", BEIJING, "802"),
    ("010-84701234,,802", BEIJING, "802"),
    ("tel:+861084701234;ext=802", BEIJING, "802"),
    ("0512-65221234", SUZHOU, ""),
    ("0512 6522 1234", SUZHOU, ""),
    ("+8651265221234", SUZHOU, ""),
    # service numbers and extensions
    ("95588", "short:95588", ""),
    ("12345", "short:12345", ""),
    ("110", "short:110", ""),
    ("1002", "short:1002", ""),
    ("025-96060", "short:96060@25", ""),
    ("400-800-1234", "+864008001234", ""),
    ("800 810 0000", "+868008100000", ""),
    # abroad
    ("+44 20 7946 0000", "+442079460000", ""),
    ("00442079460000", "+442079460000", ""),
    ("+852 2345 6789", "+85223456789", ""),
    ("0085223456789", "+85223456789", ""),
    ("+1 (212) 555-0100", "+12125550100", ""),
    # the newer mobile ranges: 16x, 17x and 19x, virtual operators, data cards
    ("199 1234 5678", "+8619912345678", ""),
    ("+86 166 1234 5678", "+8616612345678", ""),
    ("017012345678", "+8617012345678", ""),
    ("14600123456", "+8614600123456", ""),
    # what people and programs put around a number
    ("++86 138 0013 8000", MOBILE, ""),
    ("+0086 13800138000", MOBILE, ""),
    ("【86】13800138000", MOBILE, ""),
    ("+86-138-0013-8000-", MOBILE, ""),
    ("13800138000(张三)", MOBILE, ""),
    ("13800138000（2）", MOBILE, ""),
    ("13800138000 妈妈2号", MOBILE, ""),
    ("📱13800138000", MOBILE, ""),
    ("٠١٣٨٠٠١٣٨٠٠٠", MOBILE, ""),
    ("一三八零零一三八零零零", MOBILE, ""),
    ("幺三八〇〇幺三八〇〇〇", MOBILE, ""),
    ("零一零84701234", BEIJING, ""),
    ("#31#13800138000", MOBILE, ""),
    ("*31#13800138000", MOBILE, ""),
    ("*6713800138000", MOBILE, ""),
    ("**21*13800138000#", MOBILE, ""),
    ("99,13800138000", MOBILE, ""),
    ("9-13800138000", MOBILE, ""),
    ("011 86 138 0013 8000", MOBILE, ""),
    ("1252013800138000", MOBILE, ""),
    ("+8613800138000@c.us", MOBILE, ""),
    ("sip:%2B8613800138000@pbx", MOBILE, ""),
    ("<sip:+8613800138000@ims.mnc000.mcc460.3gppnetwork.org;user=phone>", MOBILE, ""),
    ("sip:+8613800138000;npdi;rn=+8613900000000@host", MOBILE, ""),
    ("tel:13800138000;phone-context=+86", MOBILE, ""),
    ("tel:84701234;phone-context=+8610", BEIJING, ""),
    ("0086(0)10-84701234", BEIJING, ""),
    ("17951 00 852 91234567", "+85291234567", ""),
    # extensions behind every way of writing the number
    ("138-0013-8000-802", MOBILE, "802"),
    ("+8613800138000,802#", MOBILE, "802"),
    ("+86-10-84701234-802", BEIJING, "802"),
    ("01084701234-802", BEIJING, "802"),
    ("010-8470-1234-802", BEIJING, "802"),
    ("(010)84701234-802", BEIJING, "802"),
    ("010-84701234,802", BEIJING, "802"),
    ("010-84701234 p802", BEIJING, "802"),
    ("010-84701234 按2", BEIJING, "2"),
    ("010-84701234总机转802", BEIJING, "802"),
    ("010-84701234-801/802", BEIJING, "801"),
    ("010-84701234 转人工", BEIJING, ""),
    ("400 800 1234转1", "+864008001234", "1"),
    ("400-800-1234-5", "+864008001234", "5"),
    ("95588-1", "short:95588", "1"),
    # area codes of three digits with seven or eight, of two with eight
    ("0311-8470123", "+863118470123", ""),
    ("0898 66661234", "+8689866661234", ""),
    ("755 83501234", "+8675583501234", ""),
    # service numbers: alone, behind an area code, the country code or a carrier's prefix
    ("+8695588", "short:95588", ""),
    ("008695588", "short:95588", ""),
    ("010-95588", "short:95588@10", ""),
    ("+86 10 95588", "short:95588@10", ""),
    ("+8610086", "short:10086", ""),
    ("17951 10086", "short:10086", ""),
    ("12593110", "short:110", ""),
    ("021-962288", "short:962288@21", ""),
    ("0571-118114", "short:118114@571", ""),
    ("1008611", "short:1008611", ""),
    ("1010 8888", "short:10108888", ""),
    ("+86 1010 8888", "short:10108888", ""),
    ("106901234567", "short:106901234567", ""),
    ("+86 1069 0123 4567", "short:106901234567", ""),
    ("95588123", "short:95588123", ""),
    ("950131234567", "short:950131234567", ""),
    ("95013123456", "short:95013123456", ""),
    ("0400-800-1234", "+864008001234", ""),
    ("400-CALL-NOW", "+864002255669", ""),
    ("1-800-FLOWERS", "+18003569377", ""),
    # Hong Kong, Macau, Taiwan, also without the 00
    ("(852) 2345 6789", "+85223456789", ""),
    ("852-91234567", "+85291234567", ""),
    ("+853 6612 3456", "+85366123456", ""),
    ("+886 (0)912 345 678", "+886912345678", ""),
    ("+886-02-2345-6789", "+886223456789", ""),
    ("886912345678", "+886912345678", ""),
    ("0044 (0)20 7946 0000", "+442079460000", ""),
    # nobody
    ("00000000000", "", ""),
    ("+86", "", ""),
    ("No Caller ID", "", ""),
    ("保密", "", ""),
    ("👻", "", ""),
    ("", "", ""),
    ("anonymous", "", ""),
    ("Anonymous", "", ""),
    ("sip:anonymous@anonymous.invalid", "", ""),
    ("Restricted", "", ""),
    ("未知号码", "", ""),
    ("-", "", ""),
    ("sip:alice@pbx", "sip:alice", ""),
]


@pytest.mark.parametrize(("spelling", "key", "extension"), SPELLINGS)
def test_spelling(spelling: str, key: str, extension: str) -> None:
    found = numbers.parse(spelling)
    assert (found.key, found.extension) == (key, extension)


@pytest.mark.parametrize(("spelling", "key", "extension"), SPELLINGS)
def test_a_spelling_matches_who_has_the_number(
    conn: sqlite3.Connection, spelling: str, key: str, extension: str
) -> None:
    """Both ways round: the customer was entered by this spelling, or by any other of the table."""
    for other in {one for one, same, _ in SPELLINGS if same == key}:
        wanted = [{"kind": "phone", "value": other}]
        if not key or key.startswith("sip:"):
            assert matching.ranked(conn, numbers.parse(spelling)) == []
            return
        who = customers.create(conn, SYSTEM, {"name": other, "contact_points": wanted}, 1.0)["id"]
        found = matching.ranked(conn, numbers.parse(spelling))
        assert (int(who), "known") in [(one, level) for one, level, _, _ in found], other
        stranger = numbers.parse("13700000000" if key != "+8613700000000" else "13711111111")
        assert matching.ranked(conn, stranger) == []


def test_the_table_is_long_enough() -> None:
    assert len(SPELLINGS) >= 60


def test_a_number_without_area_code() -> None:
    assert numbers.key("84701234") == "local:84701234"
    assert numbers.key("84701234", NANJING) == "+862584701234"
    assert numbers.key("025-84701234", NANJING) == "+862584701234"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("84701234", "025-84701234", True),
        ("84701234", "010-84701234", True),
        ("025-84701234", "010-84701234", False),
        ("13800138000", "13900138000", False),
        ("00138000", "13800138000", False),
        ("4701234", "0512-84701234", False),
    ],
)
def test_numbers_that_may_be_one(one: str, other: str, same: bool) -> None:
    assert numbers.may_be_same(numbers.parse(one), numbers.parse(other)) is same


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("13800138000", "138****8000"),
        ("+8613800138000", "138****8000"),
        ("010-84701234", "010****1234"),
        ("95588", "****"),
        ("84701234", "****234"),
    ],
)
def test_masked(text: str, shown: str) -> None:
    assert numbers.masked(text) == shown


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("010-84701234、13800138000", ["010-84701234", "13800138000"]),
        ("13800138000/13900139000", ["13800138000", "13900139000"]),
        ("13800138000 13900139000", ["13800138000", "13900139000"]),
        ("010/84701234", ["010/84701234"]),
        ("9,13800138000", ["9,13800138000"]),
        ("", []),
    ],
)
def test_several_numbers_in_one_cell(cell: str, parts: list[str]) -> None:
    assert numbers.split(cell) == parts


@given(st.text(max_size=200))
def test_nothing_breaks_it_and_a_key_is_its_own_key(text: str) -> None:
    found = numbers.parse(text)
    assert found.key.isprintable()
    assert len(found.key) <= 200
    if found.key.startswith("+") and found.kind in ("mobile", "landline", "service"):
        assert numbers.key(found.key) == found.key
    numbers.display(found.key)
    numbers.masked(text)


@given(st.integers(3, 9), st.integers(0, 999_999_999))
def test_every_mobile_number_has_one_key_in_all_spellings(second: int, rest: int) -> None:
    plain = f"1{second}{rest:09d}"
    for prefix in ("", "0", "+86", "0086", "86", "17951", "17951 0", "9,", "+86 "):
        assert numbers.key(prefix + plain) == "+86" + plain, prefix
    assert plain not in numbers.masked(plain)

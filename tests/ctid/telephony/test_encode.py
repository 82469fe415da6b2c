"""What goes out to Asterisk cannot be made to mean something else."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctid.telephony.asterisk import encode
from routing.commands import Target
from routing.facts import Party
from routing.ids import AgentId, InteractionId, PhoneId

pytestmark = pytest.mark.unit

ANYTHING = st.text(max_size=300)


def asterisk_splits(line: str) -> list[str]:
    """How ``res_agi.c`` (parse_args) splits a line: quotes group, a backslash takes the next."""
    words: list[str] = []
    current = ""
    quoted = escaped = begun = False
    for char in line:
        if escaped:
            current, escaped = current + char, False
        elif char == "\\":
            escaped = begun = True
        elif char == '"':
            quoted, begun = not quoted, True
        elif char in " \t" and not quoted:
            if begun:
                words.append(current)
            current, begun = "", False
        else:
            current, begun = current + char, True
    if begun:
        words.append(current)
    return words


@given(ANYTHING)
def test_an_agi_argument_arrives_as_it_is_or_is_refused(value: str) -> None:
    try:
        line = encode.set_variable("CALLERID(name)", value)
    except encode.EncodeError:
        assert not value.isprintable() or len(value.encode()) > encode.MAX_VALUE
        return
    assert "\n" not in line
    assert "\r" not in line
    assert asterisk_splits(line) == ["SET", "VARIABLE", "CALLERID(name)", value]


@given(ANYTHING)
def test_an_ami_value_cannot_start_a_header(value: str) -> None:
    try:
        headers = encode.ami_action("Setvar", "id", {"Value": value})
    except encode.EncodeError:
        return
    text = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    assert text.count("\r\n") == 3
    assert text.count("\n") == 3


@pytest.mark.parametrize(
    "value", ["a\r\nAction: Originate", "a\nb", "a\x00b", "a\u2028b", "\x1b[2J", "x" * 2000]
)
def test_control_characters_are_refused_by_name(value: str) -> None:
    with pytest.raises(encode.EncodeError, match="AMI header Channel"):
        encode.ami_action("Hangup", "1", {"Channel": value})


@given(st.text(max_size=40))
def test_a_phone_cannot_extend_the_dial_string(phone: str) -> None:
    target = Target(agent=AgentId("a"), phone=PhoneId(phone))
    try:
        line = encode.dial_targets([target], 10, "default")
    except encode.EncodeError:
        return
    data = asterisk_splits(line)[2]
    assert data.count("&") == 0
    assert data.count(",") == 2
    assert data.count("/") == 1


@pytest.mark.parametrize("number", ["1&PJSIP/2", "1,5,G(x)", "1/2", "(1)", "", "+", "1 2", "１２"])
def test_an_outside_number_is_digits(number: str) -> None:
    with pytest.raises(encode.EncodeError):
        encode.dial_number(number, "trunk", 20)


def test_an_outside_number_is_dialled_through_the_trunk() -> None:
    line = encode.dial_number("+8613800138000", "trunk", 20.4)
    assert asterisk_splits(line) == ["EXEC", "Dial", "PJSIP/+8613800138000@trunk,20,mg"]


@pytest.mark.parametrize(
    "path", ["/a/../etc/x.raw", "/a,b.raw", "relative.raw", "/a b.raw", "/a\n"]
)
def test_a_path_is_plain(path: str) -> None:
    with pytest.raises(encode.EncodeError):
        encode.mix_monitor(Path(path))


@pytest.mark.parametrize("sound", ["a&b", "../../etc/passwd", "a,b", "", "a b", "a|b", "${X}"])
def test_a_sound_is_one_file(sound: str) -> None:
    with pytest.raises(encode.EncodeError):
        encode.stream_file(sound, "#")


@pytest.mark.parametrize("channel", ["/^PJSIP/", "PJSIP/1001-1,x", "", "a b/c", "PJSIP/1\n"])
def test_a_channel_is_never_a_pattern(channel: str) -> None:
    with pytest.raises(encode.EncodeError):
        encode.channel_name(channel)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=60))
def test_a_mark_comes_back_whole(interaction: str) -> None:
    words = asterisk_splits(encode.mark(InteractionId(interaction)))
    assert words[:3] == ["SET", "VARIABLE", "__CTID_I"]
    assert encode.unmark(words[3]) == encode.clean(interaction)
    assert encode.is_marked({"agi_arg_5": words[3]}, InteractionId(interaction))
    assert not encode.is_marked({"agi_arg_5": words[3] + "0"}, InteractionId(interaction))
    assert not encode.is_marked({}, InteractionId(interaction))


@given(st.binary(max_size=300))
def test_any_bytes_become_text_that_a_fact_can_hold(raw: bytes) -> None:
    text = encode.decode_text(raw)
    party = encode.party(text, text)
    assert party.number.isprintable()
    assert len(party.name) <= 128


def test_names_from_old_gateways_are_read() -> None:
    assert encode.decode_text("读者热线".encode("gb18030")) == "读者热线"
    assert encode.decode_text("读者热线".encode()) == "读者热线"


def test_withheld_is_empty() -> None:
    assert encode.party("unknown", "<unknown>") == Party()
    assert encode.party("anonymous", "Anonymous") == Party()


def test_the_quoting_is_what_a_shell_like_reader_sees() -> None:
    line = encode.set_variable("X", 'a "b" \\ c')
    assert shlex.split(line) == ["SET", "VARIABLE", "X", 'a "b" \\ c']

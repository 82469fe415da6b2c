"""The one place that turns values into text for Asterisk.

AMI is a line protocol (a CR or LF in a value starts a header of the sender's choice), AGI splits
its lines at white space, and Dial gives ``& , ( ) /`` a meaning. So everything that goes out is
built here, from typed parts, and what could mean something else is refused.
Sources: Asterisk documentation, "AMI v2 Specification", "AGI Commands", application Dial;
``res_agi.c`` (parse_args) for the quoting rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from ctid.telephony.port import SwitchError
from routing.commands import Target
from routing.facts import MAX_TEXT, Party
from routing.ids import InteractionId, PhoneId

MAX_VALUE = 1024
"""Asterisk reads an AMI header line into 1024 bytes and an AGI line into 2048."""

_PHONE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_SOUND = re.compile(r"/?[\w][\w./-]{0,200}")
_CLASS = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{1,8}){0,3}")
_PATH = re.compile(r"/[\w./@+-]{1,500}")
_CHANNEL = re.compile(r"[A-Za-z0-9]+/[\w.@+;:/-]{1,120}")
_DIGITS = re.compile(r"[0-9]{1,32}")
ANSWER_AT_ONCE = (
    ("Call-Info", "<sip:ctid>;answer-after=0"),
    ("Alert-Info", "<sip:ctid>;info=alert-autoanswer;delay=0"),
)
"""Headers that ask phones to answer by themselves; ``ctid-answer`` of the dialplan has the
same. Call-Info: Snom, Yealink, Grandstream, Linphone; Alert-Info: Cisco, Polycom, Mitel."""

_TRUNK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class EncodeError(SwitchError):
    """A value must not be sent to Asterisk as it is."""


def _matches(pattern: re.Pattern[str], what: str, value: str) -> str:
    if not pattern.fullmatch(value) or ".." in value:
        raise EncodeError(f"{what} {value[:60]!r} holds characters that Asterisk would misread")
    return value


def header_value(what: str, value: str) -> str:
    """A value of an AMI header or an AGI argument: printable, one line, of bounded length."""
    if len(value.encode()) > MAX_VALUE:
        raise EncodeError(f"{what} is longer than {MAX_VALUE} bytes")
    if not value.isprintable():
        raise EncodeError(f"{what} {value[:60]!r} holds a control character")
    return value


def channel_name(channel: str) -> str:
    """A channel's name, as Asterisk told it. Never a pattern (AMI Hangup takes ``/regex/``)."""
    return _matches(_CHANNEL, "channel", channel)


def file_path(path: Path) -> str:
    """An absolute path for MixMonitor or RECORD FILE (a comma would start the next argument)."""
    return _matches(_PATH, "file path", str(path))


def ami_action(name: str, action_id: str, fields: Mapping[str, str]) -> dict[str, str]:
    """The headers of an AMI action."""
    headers = {"Action": name, "ActionID": action_id, **fields}
    for key, value in headers.items():
        header_value(f"AMI header {key}", value)
        if not key.isascii() or not key.isalnum():
            raise EncodeError(f"AMI header name {key!r} is not one")
    return headers


# --- AGI -----------------------------------------------------------------------------------------


def _argument(value: str) -> str:
    escaped = header_value("AGI argument", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def agi(command: str, *arguments: str) -> str:
    """An AGI line. ``command`` is a constant of ours; the arguments are quoted."""
    return " ".join([command, *(_argument(a) for a in arguments)])


def answer() -> str:
    """Answer at once. Plain ANSWER waits up to 500 ms for the caller's first audio packet.

    Source: application Answer, option ``i``; measured: 1 ms.
    """
    return agi("EXEC Answer", ",i")


def music_on(music_class: str) -> str:
    return f"SET MUSIC ON {_matches(_CLASS, 'music class', music_class)}"


def music_off() -> str:
    return "SET MUSIC OFF"


def stream_file(sound: str, escape: str) -> str:
    return agi("STREAM FILE", _matches(_SOUND, "sound", sound), escape)


def say_number(number: str, escape: str) -> str:
    return agi("SAY NUMBER", _matches(_DIGITS, "number", number), escape)


def say_digits(digits: str, escape: str) -> str:
    return agi("SAY DIGITS", _matches(_DIGITS, "digits", digits), escape)


def get_data(sound: str, timeout_s: float, max_digits: int) -> str:
    """Play ``sound`` and read digits; ``#`` ends early."""
    file = _matches(_SOUND, "sound", sound)
    if not 1 <= max_digits <= 32:
        raise EncodeError(f"cannot collect {max_digits} digits")
    return agi("GET DATA", file, str(max(1, round(timeout_s * 1000))), str(max_digits))


def set_language(language: str) -> str:
    return agi("SET VARIABLE", "CHANNEL(language)", _matches(_LANGUAGE, "language", language))


def set_variable(name: str, value: str) -> str:
    return agi("SET VARIABLE", name, value)


def record_message(path: Path, max_s: float) -> str:
    """RECORD FILE: WAV, ended by ``#``, hang-up, ``max_s``, or 5 s of silence; beeps first."""
    stem = file_path(path.with_suffix(""))
    return agi("RECORD FILE", stem, "wav", "#", str(round(max_s * 1000)), "BEEP", "s=5")


def dial_outcome() -> str:
    """Read what Dial left behind, in one round trip: ``STATUS,cause,channel``."""
    return agi("GET FULL VARIABLE", "${DIALSTATUS},${HANGUPCAUSE},${DIALEDPEERNAME}")


def dial_targets(
    targets: Iterable[Target], ring_timeout_s: float, music_class: str, *, auto_answer: bool = False
) -> str:
    """EXEC Dial to agents' phones: music meanwhile, and back to us when the agent hangs up.

    ``auto_answer``: each phone is asked to answer by itself (by ``ctid-answer`` of the dialplan).
    """
    phones = "&".join(f"PJSIP/{_matches(_PHONE, 'phone', t.phone)}" for t in targets)
    if not phones:
        raise EncodeError("an offer without a target")
    music = _matches(_CLASS, "music class", music_class)
    asked = "b(ctid-answer^s^1)" if auto_answer else ""
    return agi("EXEC Dial", f"{phones},{max(1, round(ring_timeout_s))},m({music})g{asked}")


def dial_number(number: str, trunk: str, ring_timeout_s: float) -> str:
    """EXEC Dial to an outside number."""
    to = _matches(_NUMBER, "number", number)
    via = _matches(_TRUNK, "trunk", trunk)
    return agi("EXEC Dial", f"PJSIP/{to}@{via},{max(1, round(ring_timeout_s))},mg")


def originate(
    uniqueid: str,
    target: Target,
    caller: Party,
    interaction: InteractionId,
    *,
    auto_answer: bool = False,
) -> dict[str, str]:
    """Fields of AMI Originate: ring a further phone beside a Dial that runs."""
    variable = f"__{VAR_INTERACTION}={quote(interaction, safe='')}"
    if auto_answer:
        variable += "".join(f",PJSIP_HEADER(add,{name})={value}" for name, value in ANSWER_AT_ONCE)
    name = "".join(c for c in caller.name if c not in '"<>\\')
    return {
        "Channel": f"PJSIP/{_matches(_PHONE, 'phone', target.phone)}",
        "Context": "ctid-agi",
        "Exten": "extend",
        "Priority": "1",
        "Timeout": "120000",  # the engine withdraws it long before
        "CallerID": f'"{name}" <{caller.number}>',
        "ChannelId": _matches(_PHONE, "unique id", uniqueid),
        "Variable": variable,
        "Async": "true",
    }


def originate_customer(
    uniqueid: str,
    number: str,
    trunk: str,
    ring_timeout_s: float,
    interaction: InteractionId,
    show: str,
) -> dict[str, str]:
    """Fields of AMI Originate: call a customer, who becomes a caller like any other."""
    to = _matches(_NUMBER, "number", number)
    variables = {f"__{VAR_INTERACTION}": quote(interaction, safe=""), VAR_PATH: CALLBACK}
    if _NUMBER.fullmatch(show):
        variables["CTID_DID"] = show
    return {
        "Channel": f"PJSIP/{to}@{_matches(_TRUNK, 'trunk', trunk)}",
        "Context": "ctid-caller",
        "Exten": CALLBACK,
        "Priority": "1",
        "Timeout": str(max(1, round(ring_timeout_s * 1000))),
        **({"CallerID": show} if show else {}),
        "ChannelId": _matches(_PHONE, "unique id", uniqueid),
        "Variable": ",".join(f"{name}={value}" for name, value in variables.items()),
        "Async": "true",
    }


def _phone_leg(uniqueid: str, phone: PhoneId, shown: Party) -> dict[str, str]:
    name = "".join(c for c in shown.name if c not in '"<>\\')
    return {
        "Channel": f"PJSIP/{_matches(_PHONE, 'phone', phone)}",
        "Priority": "1",
        "Timeout": "45000",
        "CallerID": f'"{name}" <{shown.number}>',
        "ChannelId": _matches(_PHONE, "unique id", uniqueid),
        "Async": "true",
    }


def originate_spy(
    uniqueid: str, phone: PhoneId, shown: Party, channel: str, options: str
) -> dict[str, str]:
    """Fields of AMI Originate: ring a supervisor's phone, then ChanSpy on ``channel``."""
    variables = f"CTID_SPY_CHANNEL={channel_name(channel)},CTID_SPY_OPTIONS={options}"
    leg = _phone_leg(uniqueid, phone, shown)
    return {**leg, "Context": "ctid-spy", "Exten": "s", "Variable": variables}


SEAT = {"Context": "ctid-agi", "Exten": "seat"}
"""Where a leg has an AGI session of its own, apart from the caller."""


def originate_seat(uniqueid: str, phone: PhoneId, shown: Party) -> dict[str, str]:
    """Fields of AMI Originate: ring a phone and seat it in an AGI session of its own."""
    return {**_phone_leg(uniqueid, phone, shown), **SEAT}


def originate_outside(uniqueid: str, number: str, trunk: str) -> dict[str, str]:
    """Fields of AMI Originate: call an outside number and seat it when it answers."""
    to = f"{_matches(_NUMBER, 'number', number)}@{_matches(_TRUNK, 'trunk', trunk)}"
    return {
        "Channel": f"PJSIP/{to}",
        **SEAT,
        "Priority": "1",
        "Timeout": "45000",
        "ChannelId": _matches(_PHONE, "unique id", uniqueid),
        "Async": "true",
    }


def originate_signal(channel: str) -> dict[str, str]:
    """Fields of AMI Originate: a short tone into ``channel``, which nobody else hears.

    A Local channel whose one end plays the tone and whose other end whispers it (ChanSpy).
    """
    options = f"CTID_SPY_CHANNEL={channel_name(channel)},CTID_SPY_OPTIONS=qESw"
    return {
        "Channel": "Local/s@ctid-signal/n",
        "Context": "ctid-spy",
        "Exten": "s",
        "Priority": "1",
        "Timeout": "5000",
        "Variable": options,
        "Async": "true",
    }


def mute(channel: str, muted: bool) -> dict[str, str]:
    """Fields of AMI Setvar: keep back what ``channel`` sends to the PBX, or let it through.

    AMI MuteAudio does the same and needs the right ``system`` (measured, Asterisk 22.10).
    """
    state = "on" if muted else "off"
    return {"Channel": channel_name(channel), "Variable": "MUTEAUDIO(in)", "Value": state}


def digit(channel: str, digit: str) -> dict[str, str]:
    """Fields of AMI PlayDTMF: a digit as if ``channel`` had sent it."""
    if len(digit) != 1 or digit not in "0123456789ABCD*#":
        raise EncodeError(f"{digit!r} is no digit")
    return {"Channel": channel_name(channel), "Digit": digit, "Receive": "true"}


def sent_on(number: str, *, outside: bool) -> tuple[str, str]:
    """Context and extension that lead a caller back to ctid, which is told ``number`` there."""
    context = "ctid-transfer-outside" if outside else "ctid-transfer"
    return context, _matches(_NUMBER, "number", number)


def whereabouts() -> str:
    """Read which channel a session holds, and whether a phone has sent it on from there."""
    return agi("GET FULL VARIABLE", "${CHANNEL(uniqueid)},${TRANSFER_CONTEXT},${BLINDTRANSFER}")


def confer(room: str) -> str:
    """EXEC ConfBridge on the caller's own session."""
    return agi("EXEC ConfBridge", f"{_matches(_CLASS, 'room', room)},ctid_bridge,ctid_user")


def bridge(channel: str) -> str:
    """EXEC Bridge: connect the caller to a channel that is up."""
    return agi("EXEC Bridge", channel_name(channel))


def mix_monitor(path: Path) -> str:
    """EXEC MixMonitor: raw stereo (D), and only while the caller is connected to somebody (b)."""
    return agi("EXEC MixMonitor", f"{file_path(path)},Db")


def mix_monitor_again(path: Path) -> str:
    """EXEC MixMonitor, to go on (a) in a file that another one has begun."""
    return agi("EXEC MixMonitor", f"{file_path(path)},Dba")


def silence(ms: int) -> tuple[str, str]:
    """Send the caller that much silence, whoever listens; takes the place of music."""
    return agi("EXEC PlayTones", f"!0/{ms}"), agi("WAIT FOR DIGIT", str(ms))


# --- what the legs carry, so that a channel list alone tells who is who after a restart -----------

VAR_INTERACTION = "CTID_I"
VAR_PATH = "CTID_PATH"  # set by the dialplan on callers' channels, not inherited
CALLBACK = "callback"  # its value for customers who are called back
TRANSFER = "transfer"  # its value for callers whom a phone has sent on, until ctid has taken note
ENDED = "ended"  # asked about a call that has ended without ctid's word: does ctid know it?
VAR_DONE = "CTID_DONE"  # "1": ctid is done with the caller, or knows how the call ended


def mark(interaction: InteractionId) -> str:
    """Set the variable that every leg which Dial makes for this caller inherits."""
    return set_variable(f"__{VAR_INTERACTION}", quote(interaction, safe=""))


def is_marked(headers: Mapping[str, str], interaction: InteractionId) -> bool:
    """Whether the dialplan has set the variable already, which it says in the AGI header."""
    return headers.get("agi_arg_5") == quote(interaction, safe="")


def unmark(value: str) -> str:
    """The interaction, from the value that :func:`mark` wrote."""
    return clean(unquote(value))


# --- what comes in -------------------------------------------------------------------------------


def decode_text(raw: bytes) -> str:
    """Text from the network: UTF-8, else GB 18030 (names from Chinese gateways), else marked."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("gb18030")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


def clean(value: str, limit: int = MAX_TEXT) -> str:
    """What a fact may hold: printable characters only, of bounded length."""
    if not value.isprintable():
        value = "".join(c for c in value if c.isprintable())
    return value[:limit].strip()


_NOBODY = frozenset({"", "unknown", "<unknown>", "anonymous", "Anonymous"})


def dialled_on(headers: Mapping[str, str]) -> tuple[str, bool]:
    """What was dialled for a caller whom a phone has sent on, and whether it is outside."""
    return clean(headers.get("agi_arg_3", ""), 64) or "?", headers.get("agi_arg_4") == "1"


def party(number: str, name: str) -> Party:
    """The caller as a fact holds it; Asterisk's words for "withheld" become empty."""
    number, name = clean(number, 64), clean(name, 128)
    return Party(number="" if number in _NOBODY else number, name="" if name in _NOBODY else name)

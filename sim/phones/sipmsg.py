"""Just enough of SIP messages (RFC 3261) and SDP for the scripted phones on asyncio."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact"}


@dataclass(slots=True)
class Message:
    """A request (``method`` set) or a response (``status`` set)."""

    method: str = ""
    uri: str = ""
    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Message | None:
        """None for what is not SIP (keep-alives, noise)."""
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        message = cls(body=body)
        parts = first.split(" ", 2)
        if len(parts) != 3:
            return None
        if parts[0] == "SIP/2.0" and parts[1].isdigit():
            message.status, message.reason = int(parts[1]), parts[2]
        elif parts[2] == "SIP/2.0":
            message.method, message.uri = parts[0], parts[1]
        else:
            return None
        for line in lines:
            name, separator, value = line.partition(":")
            if separator:
                message.headers.append((name.strip(), value.strip()))
        return message

    def build(self) -> bytes:
        if self.method:
            first = f"{self.method} {self.uri} SIP/2.0"
        else:
            first = f"SIP/2.0 {self.status} {self.reason}"
        body = self.body.encode()
        lines = [first, *(f"{n}: {v}" for n, v in self.headers), f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def all(self, name: str) -> list[str]:
        """Values of every header of this name, in order."""
        wanted = name.lower()
        return [v for n, v in self.headers if COMPACT.get(n.lower(), n.lower()) == wanted]

    def get(self, name: str) -> str:
        """The first value, or an empty string."""
        values = self.all(name)
        return values[0] if values else ""

    @property
    def call_id(self) -> str:
        return self.get("call-id")

    @property
    def cseq(self) -> tuple[int, str]:
        number, _, method = self.get("cseq").partition(" ")
        return int(number or 0), method.strip()

    @property
    def user(self) -> str:
        """User part of the request URI."""
        found = re.match(r"sips?:([^@;>]+)@", self.uri)
        return found.group(1) if found else ""

    @property
    def branch(self) -> str:
        return param(self.get("via"), "branch")


def param(value: str, name: str) -> str:
    """``;name=x`` of a header value."""
    found = re.search(rf";\s*{name}=([^;\s>]+)", value, flags=re.I)
    return found.group(1) if found else ""


def addr(value: str) -> str:
    """The URI of a name-addr, or of a bare one."""
    found = re.search(r"<([^>]+)>", value)
    return found.group(1) if found else value.split(";")[0].strip()


def respond(
    request: Message, status: int, reason: str, *, tag: str = "",
    extra: Iterable[tuple[str, str]] = (), body: str = "",
) -> Message:  # fmt: skip
    """A response with what RFC 3261 section 8.2.6 has copied from the request."""
    to = request.get("to")
    if tag and not param(to, "tag"):
        to += f";tag={tag}"
    headers = [("Via", via) for via in request.all("via")]
    headers += [("Record-Route", route) for route in request.all("record-route")]
    headers += [
        ("From", request.get("from")), ("To", to), ("Call-ID", request.call_id),
        ("CSeq", request.get("cseq")), *extra,
    ]  # fmt: skip
    return Message(status=status, reason=reason, headers=headers, body=body)


def sdp(address: str, port: int) -> str:
    """An audio offer or answer: A-law, mu-law, telephone events."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def media_address(body: str) -> tuple[str, int] | None:
    """Where the other side wants its audio."""
    port = re.search(r"^m=audio (\d+)", body, flags=re.M)
    host = re.search(r"^c=IN IP4 (\S+)", body, flags=re.M)
    return (host.group(1), int(port.group(1))) if port and host else None


def digest(challenge: str, user: str, password: str, method: str, uri: str) -> str:
    """Value of Authorization for a digest challenge (RFC 2617, MD5, qop auth or none)."""

    def field_of(name: str) -> str:
        found = re.search(rf'{name}="?([^",]+)"?', challenge)
        return found.group(1) if found else ""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    realm, nonce = field_of("realm"), field_of("nonce")
    ha1, ha2 = md5(f"{user}:{realm}:{password}"), md5(f"{method}:{uri}")
    value = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}"'
    value += ", algorithm=MD5"
    if "auth" in field_of("qop"):
        count, cnonce = "00000001", md5(nonce + user)[:16]
        response = md5(f"{ha1}:{nonce}:{count}:{cnonce}:auth:{ha2}")
        value += f', qop=auth, nc={count}, cnonce="{cnonce}"'
    else:
        response = md5(f"{ha1}:{nonce}:{ha2}")
    opaque = field_of("opaque")
    if opaque:
        value += f', opaque="{opaque}"'
    return value + f', response="{response}"'

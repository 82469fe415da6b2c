"""Enough of SIP, and nothing that noise can break."""

from __future__ import annotations

import pytest

from sim.phones.sipmsg import Message, addr, digest, media_address, param, respond, sdp

pytestmark = pytest.mark.unit

INVITE = (
    b"INVITE sip:1001@127.0.0.3:5072 SIP/2.0\r\nv: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bKx;rport\r\n"
    b'Via: SIP/2.0/UDP 2.2.2.2;branch=z9hG4bKy\r\nf: "A; tag=no" <sip:a@b>;tag=f1\r\n'
    b"t: <sip:1001@127.0.0.3>\r\ni: abc\r\nCSeq: 7 INVITE\r\n\r\n"
    b"c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 8\r\n"
)


def test_a_request_is_read_with_compact_names() -> None:
    message = Message.parse(INVITE)
    assert message is not None
    assert (message.method, message.user, message.call_id) == ("INVITE", "1001", "abc")
    assert message.cseq == (7, "INVITE")
    assert message.branch == "z9hG4bKx"
    assert len(message.all("via")) == 2
    assert media_address(message.body) == ("127.0.0.1", 4000)


def test_a_response_copies_what_it_must_and_adds_one_tag() -> None:
    message = Message.parse(INVITE)
    assert message is not None
    answer = Message.parse(respond(message, 180, "Ringing", tag="t9").build())
    assert answer is not None
    assert answer.status == 180
    assert answer.all("via") == message.all("via")
    assert param(answer.get("to"), "tag") == "t9"
    assert respond(answer, 200, "OK", tag="other").get("to").count("tag=") == 1


def test_length_counts_bytes() -> None:
    raw = Message(status=200, reason="OK", body="王").build()
    assert b"Content-Length: 3\r\n" in raw


@pytest.mark.parametrize(
    "noise", [b"", b"\r\n\r\n", b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", b"a b"]
)
def test_noise_is_not_a_message(noise: bytes) -> None:
    assert Message.parse(noise) is None


def test_addresses() -> None:
    assert addr('"x" <sip:a@b:5;lr>;tag=1') == "sip:a@b:5;lr"
    assert addr("sip:a@b;tag=1") == "sip:a@b"
    assert media_address(sdp("127.0.0.3", 4002)) == ("127.0.0.3", 4002)


def test_digest_of_rfc_2617() -> None:
    challenge = (
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    # the RFC's example of section 3.5 without qop, as RFC 2069 reckons it
    value = digest(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in value
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in value

"""The FastAGI server against peers of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctid.telephony.asterisk.fastagi import (
    MAX_HEADERS,
    MAX_LINE,
    AgiError,
    AgiReply,
    AgiServer,
    AgiSession,
    AgiSettings,
    parse_reply,
)

pytestmark = pytest.mark.unit

HEADER = b"agi_network_script: in\nagi_uniqueid: 1.1\nagi_channel: PJSIP/trunk-00000001\n\n"


class House:
    """A server and the sessions it handed over."""

    def __init__(self, **settings: object) -> None:
        self.sessions: asyncio.Queue[AgiSession] = asyncio.Queue()
        self.server = AgiServer(
            AgiSettings(port=0, **settings),  # type: ignore[arg-type]
            self.sessions.put_nowait,
        )

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.port)

    async def session(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, AgiSession]:
        reader, writer = await self.connect()
        writer.write(HEADER)
        return reader, writer, await asyncio.wait_for(self.sessions.get(), 30)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    await house.server.start()
    yield house
    house.server.close()


async def closed_by_peer(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(30):
            while await reader.read(1024):
                pass
    except ConnectionResetError:
        pass
    return True


async def test_a_session_carries_a_command_and_its_reply(house: House) -> None:
    reader, writer, session = await house.session()
    asked = asyncio.ensure_future(session.command("EXEC Answer"))  # noqa: TID251
    assert await reader.readline() == b"EXEC Answer\n"
    writer.write(b"100 result=0 Trying...\n200 resu")
    writer.write(b"lt=1 (speech)\n")
    assert await asked == AgiReply(200, "1", "speech")


async def test_wrong_usage_is_one_reply(house: House) -> None:
    reader, writer, session = await house.session()
    asked = asyncio.ensure_future(session.command("GET DATA"))  # noqa: TID251
    await reader.readline()
    writer.write(b"520-Invalid command syntax.  Proper usage follows:\nUsage: GET DATA\n")
    writer.write(b"520 End of proper usage.\n")
    assert (await asked).code == 520


async def test_the_line_hangup_is_told_while_idle(house: House) -> None:
    _, writer, session = await house.session()
    told = asyncio.Event()
    session.on_hangup = told.set
    writer.write(b"HANGUP\n")
    await asyncio.wait_for(told.wait(), 30)
    assert session.hung_up
    assert not session.closed  # a last command still works


async def test_a_peer_that_closes_fails_the_running_command(house: House) -> None:
    reader, writer, session = await house.session()
    closed = asyncio.Event()
    session.on_close = closed.set
    asked = asyncio.ensure_future(session.command("EXEC Dial", None))  # noqa: TID251
    await reader.readline()
    writer.close()
    with pytest.raises(AgiError):
        await asked
    await asyncio.wait_for(closed.wait(), 30)
    with pytest.raises(AgiError):
        await session.command("ANSWER")
    assert house.server.sessions == 0


async def test_a_command_without_answer_ends_the_session(house: House) -> None:
    reader, _, session = await house.session()
    with pytest.raises(AgiError, match="in time"):
        await session.command("ANSWER", 0.05)
    assert session.closed
    assert await closed_by_peer(reader)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\n",
        b"agi_uniqueid: 1\n\n",
        b"\x00\xff\xfe\n",
        b"a" * (MAX_LINE + 2),
        b"".join(b"agi_%d: x\n" % n for n in range(MAX_HEADERS + 2)),
    ],
    ids=["http", "empty", "no channel", "binary", "endless line", "many headers"],
)
async def test_nonsense_in_the_header_ends_that_session_only(house: House, sent: bytes) -> None:
    _, other_writer, other = await house.session()
    reader, writer = await house.connect()
    writer.write(sent)
    assert await closed_by_peer(reader)
    assert house.sessions.empty()
    assert not other.closed
    other_writer.close()


async def test_a_peer_that_says_nothing_is_sent_away() -> None:
    house = House(header_timeout_s=0.2)
    await house.server.start()
    reader, _ = await house.connect()
    assert await closed_by_peer(reader)
    house.server.close()


@pytest.mark.parametrize("line", [b"200 result=0\n", b"hello\n", b"b" * (MAX_LINE + 2)])
async def test_nonsense_after_the_header_ends_that_session(house: House, line: bytes) -> None:
    reader, writer, session = await house.session()
    writer.write(line)
    assert await closed_by_peer(reader)
    assert session.closed


async def test_the_first_header_of_a_name_counts(house: House) -> None:
    _, writer = await house.connect()
    writer.write(HEADER[:-1] + b"agi_calleridname: x\nagi_uniqueid: forged\n\n")
    session = await asyncio.wait_for(house.sessions.get(), 30)
    assert session.headers["agi_uniqueid"] == "1.1"


async def test_who_is_not_on_the_list_is_refused() -> None:
    house = House(allow=("192.0.2.0/24",))
    await house.server.start()
    reader, writer = await house.connect()
    writer.write(HEADER)
    assert await closed_by_peer(reader)
    assert house.sessions.empty()
    house.server.close()


async def test_the_number_of_sessions_is_bounded() -> None:
    house = House(max_sessions=2)
    await house.server.start()
    kept = [await house.session() for _ in range(2)]
    reader, writer = await house.connect()
    writer.write(HEADER)
    assert await closed_by_peer(reader)
    kept[0][2].close()
    await house.session()
    house.server.close()


async def test_no_new_sessions_after_stop_but_the_old_go_on(house: House) -> None:
    reader, writer, session = await house.session()
    house.server.stop_accepting()
    asked = asyncio.ensure_future(session.command("ANSWER"))  # noqa: TID251
    await reader.readline()
    writer.write(b"200 result=0\n")
    assert (await asked).ok
    with pytest.raises((OSError, RuntimeError)):
        await house.connect()


@given(st.text(max_size=200))
def test_any_line_is_a_reply_or_an_agi_error(line: str) -> None:
    try:
        reply = parse_reply(line)
    except AgiError:
        return
    assert 0 <= reply.code <= 999

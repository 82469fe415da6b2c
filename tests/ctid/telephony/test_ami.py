"""The AMI link against a server that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctid.tasks import cancel_and_wait, spawn
from ctid.telephony.asterisk.ami import BACKOFF_CAP_S, AmiLink, AmiSettings, backoff_s
from ctid.telephony.asterisk.ami_protocol import AmiConnection, AmiError, parse_event
from ctid.telephony.asterisk.encode import EncodeError

pytestmark = pytest.mark.unit

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
RIGHTS = ["Hangup", "PlayDTMF", "StopMixMonitor", "Originate", "Status", "DeviceStateList"]


class FakePbx:
    """An AMI server; ``answers`` decides per action (None: say nothing)."""

    def __init__(self) -> None:
        self.got: list[dict[str, str]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.banner = BANNER
        self.login = "Success"
        self.rights = list(RIGHTS)
        self.answer: Callable[[dict[str, str]], str | None] = lambda _: "Response: Success\r\n"
        self.server: asyncio.Server | None = None
        self.port = 0
        self.heard = asyncio.Event()  # anything but what every log-in needs
        self.left = asyncio.Event()  # who was here has come again

    async def start(self) -> None:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        if len(self.writers) > 1:
            self.left.set()
        writer.write(self.banner)
        try:
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                action = parse_event(raw.decode().strip())
                self.got.append(action)
                self.reply(writer, action)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def reply(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> None:
        name = action["Action"]
        if name == "Login":
            text = f"Response: {self.login}\r\nMessage: Authentication\r\n"
        elif name == "ListCommands":
            text = "Response: Success\r\n" + "".join(f"{r}: does it\r\n" for r in self.rights)
        else:
            self.heard.set()
            answer = self.answer(action)
            if answer is None:
                return
            text = answer
        writer.write(f"{text}ActionID: {action['ActionID']}\r\n\r\n".encode())
        if name == "Login" and self.login == "Success":
            writer.write(b"Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n")

    def actions(self, name: str) -> list[dict[str, str]]:
        return [a for a in self.got if a["Action"] == name]

    def say(self, data: bytes) -> None:
        self.writers[-1].write(data)

    def close(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        if self.server is not None:
            self.server.close()


class House:
    def __init__(self, pbx: FakePbx) -> None:
        self.pbx = pbx
        self.events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.down = asyncio.Event()
        self.again = asyncio.Event()
        self.raising = False
        self.link = AmiLink(
            AmiSettings(port=pbx.port, username="ctid", secret="s3cret"),
            wanted=frozenset({"Hangup"}),
            on_event=self.take,
            on_down=self.down.set,
            rng=Random(3),  # noqa: S311 - spreads reconnects only
        )
        self.link.on_up(lambda first: None if first else self.again.set())

    def take(self, event: object) -> None:
        if self.raising:
            raise ValueError("a bug")
        self.events.put_nowait(dict(event))  # type: ignore[call-overload]

    async def next_event(self) -> dict[str, str]:
        return await asyncio.wait_for(self.events.get(), 30)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    pbx = FakePbx()
    await pbx.start()
    house = House(pbx)
    await asyncio.wait_for(house.link.start(), 30)
    yield house
    await house.link.close()
    pbx.close()


async def test_actions_are_answered(house: House) -> None:
    answer = await house.link.action("Hangup", {"Channel": "PJSIP/1"}, intent="release")
    assert answer.success
    (sent,) = house.pbx.actions("Hangup")
    assert sent["ActionID"].endswith(".release")


async def test_a_refusal_is_an_error_with_its_reason(house: House) -> None:
    house.pbx.answer = lambda _: "Response: Error\r\nMessage: No such channel\r\n"
    with pytest.raises(AmiError, match="No such channel") as caught:
        await house.link.action("Hangup", {"Channel": "PJSIP/1"})
    assert not caught.value.unknown


async def test_no_answer_in_time_is_an_error_of_unknown_effect(house: House) -> None:
    house.pbx.answer = lambda _: None
    with pytest.raises(AmiError) as caught:
        await house.link.action("Hangup", {"Channel": "PJSIP/1"}, timeout_s=0.05)
    assert caught.value.unknown
    assert house.link.connected


async def test_a_late_answer_disturbs_nobody(house: House) -> None:
    house.pbx.answer = lambda _: None
    with pytest.raises(AmiError):
        await house.link.action("Hangup", {"Channel": "PJSIP/1"}, timeout_s=0.05)
    await asyncio.wait_for(house.pbx.heard.wait(), 30)
    late = house.pbx.actions("Hangup")[0]["ActionID"]
    house.pbx.say(f"Response: Success\r\nActionID: {late}\r\n\r\n".encode())
    house.pbx.answer = lambda _: "Response: Success\r\nPing: Pong\r\n"
    assert (await house.link.action("Ping")).ping == "Pong"


async def test_a_broken_connection_fails_what_waits_and_repeats_nothing(house: House) -> None:
    house.pbx.answer = lambda _: None
    waiting = asyncio.ensure_future(  # noqa: TID251
        house.link.action("Originate", {"Channel": "PJSIP/1"})
    )
    await asyncio.wait_for(house.pbx.heard.wait(), 30)
    house.pbx.writers[-1].transport.abort()
    with pytest.raises(AmiError) as caught:
        await waiting
    assert caught.value.unknown
    await asyncio.wait_for(house.again.wait(), 30)
    assert house.down.is_set()
    house.pbx.answer = lambda _: "Response: Success\r\n"
    await house.link.action("Ping")
    assert len(house.pbx.actions("Originate")) == 1


@pytest.mark.parametrize("value", ["x\r\nAction: Originate\r\n", "x\n", "\x00"])
async def test_a_value_cannot_bring_a_header(house: House, value: str) -> None:
    with pytest.raises(EncodeError):
        await house.link.action("Hangup", {"Channel": value})
    assert house.pbx.actions("Hangup") == []


async def test_text_cut_anywhere_arrives_whole(house: House) -> None:
    for byte in "Event: Hangup\r\nCallerIDName: 南方都市报\r\n\r\n".encode():
        house.pbx.say(bytes([byte]))
        await asyncio.sleep(0)
    assert (await house.next_event())["CallerIDName"] == "南方都市报"


async def test_a_callback_that_raises_costs_one_event(house: House) -> None:
    house.raising = True
    house.pbx.say(b"Event: Hangup\r\nN: 1\r\n\r\n")
    house.pbx.say(b"Event: Hangup\r\nN: 2\r\n\r\n")
    await house.link.action("Ping")
    house.raising = False
    house.pbx.say(b"Event: Hangup\r\nN: 3\r\n\r\n")
    assert (await house.next_event())["N"] == "3"


async def test_events_that_nobody_wants_are_not_handed_on(house: House) -> None:
    house.pbx.say(b"Event: RTCPSent\r\nN: 1\r\n\r\nEvent: Hangup\r\nN: 2\r\n\r\n")
    assert (await house.next_event())["N"] == "2"


@pytest.mark.parametrize(
    "noise",
    [b"neither one nor the other\r\n\r\n", b"\x00" * 600_000],
    ids=["words", "no end"],
)
async def test_garbage_ends_the_connection_and_it_is_made_anew(house: House, noise: bytes) -> None:
    house.pbx.say(noise)
    await asyncio.wait_for(house.again.wait(), 30)
    assert (await house.link.action("Ping")).success


async def test_a_list_is_given_whole(house: House) -> None:
    def listed(action: dict[str, str]) -> str:
        rest = f"ActionID: {action['ActionID']}\r\n\r\n"
        return (
            f"Response: Success\r\nEventList: start\r\nMessage: follows\r\n{rest}"
            f"Event: Status\r\nChannel: a\r\n{rest}Event: Status\r\nChannel: b\r\n{rest}"
            "Event: StatusComplete\r\nEventList: Complete\r\n"
        )

    house.pbx.answer = listed
    answer = await house.link.action("Status")
    assert [m.channel for m in answer] == ["", "a", "b", ""]


async def test_words_of_a_message_are_not_taken_for_a_list(house: House) -> None:
    house.pbx.answer = lambda _: "Response: Success\r\nMessage: DTMF successfully queued\r\n"
    assert (await house.link.action("PlayDTMF", {"Channel": "PJSIP/1"})).success


async def start_and_read_log(pbx: FakePbx, *, up: bool) -> list[str]:
    await pbx.start()
    house = House(pbx)
    with capture_logs() as logs:
        if up:
            await asyncio.wait_for(house.link.start(), 30)
        else:
            starting = spawn(house.link.start(), name="start")
            await asyncio.wait_for(pbx.left.wait(), 30)
            assert not starting.done()
            await cancel_and_wait(starting)
    await house.link.close()
    pbx.close()
    return [f"{entry['event']} {entry.get('rights', '')} {entry.get('hint', '')}" for entry in logs]


async def test_a_refused_login_names_the_files_to_look_at() -> None:
    pbx = FakePbx()
    pbx.login = "Error"
    logs = await start_and_read_log(pbx, up=False)
    assert any(e.startswith("ami_login_refused") and "manager.conf" in e for e in logs)
    assert any("ctid.toml" in e for e in logs)


async def test_a_peer_that_is_no_asterisk_is_left() -> None:
    pbx = FakePbx()
    pbx.banner = b"220 mail.example ESMTP\r\n"
    logs = await start_and_read_log(pbx, up=False)
    assert any(e.startswith("ami_dropped") for e in logs)


async def test_too_many_rights_are_told_loudly() -> None:
    pbx = FakePbx()
    pbx.rights += ["Command", "ModuleLoad"]
    logs = await start_and_read_log(pbx, up=True)
    assert any(e.startswith("ami_too_many_rights ['command', 'system']") for e in logs)


async def test_missing_rights_are_told() -> None:
    pbx = FakePbx()
    pbx.rights.remove("Originate")
    logs = await start_and_read_log(pbx, up=True)
    assert any(e.startswith("ami_rights_missing ['originate']") for e in logs)


async def test_the_secret_is_in_no_log() -> None:
    assert "s3cret" not in repr(AmiSettings(secret="s3cret"))


@given(st.integers(1, 10_000), st.integers())
def test_waits_between_tries_grow_and_are_capped(attempt: int, seed: int) -> None:
    wait_s = backoff_s(attempt, Random(seed))  # noqa: S311
    assert 0 < wait_s <= BACKOFF_CAP_S


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_stream_makes_the_protocol_raise(chunks: list[bytes]) -> None:
    async def feed() -> None:
        connection = AmiConnection(frozenset({"Hangup"}), lambda _: None)
        connection.connection_made(_Deaf())
        connection.data_received(BANNER)
        for chunk in chunks:
            connection.data_received(chunk)
            connection.data_received(b"\r\n\r\n")

    asyncio.run(feed())


class _Deaf(asyncio.Transport):
    def write(self, data: object) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...

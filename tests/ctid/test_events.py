"""The hub: order, audiences, resuming without a gap, slow clients, screen-pops first."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctid.access import Role, Viewer
from ctid.clock import SystemClock
from ctid.events import EventHub, Subscription, TooManyStreams, everyone
from routing.ids import AgentId, InteractionId

pytestmark = pytest.mark.unit

AMY = Viewer(username="amy", role=Role.AGENT, agent=AgentId("1001"))
SUE = Viewer(username="sue", role=Role.SUPERVISOR)
Event = tuple[str, str, Any]


def parse(raw: bytes) -> list[Event]:
    """``(id, event, data)`` of each frame, as a browser would read them."""
    events = []
    for block in raw.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return events


async def taken(subscription: Subscription) -> list[Event]:
    raw = await subscription.take(0.0)
    assert raw is not None
    return parse(raw)


def subscribe(hub: EventHub, viewer: Viewer, last: str = "", session: str = "s") -> Subscription:
    return hub.subscribe(viewer, session=session, last_event_id=last)


async def test_events_come_in_order_to_those_who_may_see_them() -> None:
    hub = EventHub(SystemClock())
    amy, sue = subscribe(hub, AMY), subscribe(hub, SUE)
    hub.publish("a", {"n": 1}, audience=everyone)
    hub.publish("b", {"n": 2}, audience=lambda v: v.role is Role.SUPERVISOR)
    hub.publish_to_agent(AgentId("1001"), "c", {"text": "两\n行 \u2028 \ud800"})
    assert [e for _, e, _ in await taken(amy)] == ["hello", "a", "c"]
    events = await taken(sue)
    assert [e for _, e, _ in events] == ["hello", "a", "b"]
    assert events[0][2]["resumed"] is False


async def test_one_resumes_where_one_was_without_a_gap_and_without_a_double() -> None:
    hub = EventHub(SystemClock())
    first = subscribe(hub, SUE)
    for n in range(5):
        hub.publish("n", {"n": n}, audience=everyone)
    events = await taken(first)
    middle = events[3][0]
    first.close()
    hub.publish("n", {"n": 5}, audience=everyone)
    again = await taken(subscribe(hub, SUE, middle))
    assert again[0][1] == "hello"
    assert again[0][2]["resumed"] is True
    assert [d["n"] for _, e, d in again[1:]] == [3, 4, 5]
    # a break right after hello must lose nothing either
    assert again[0][0] == middle


@pytest.mark.parametrize(
    "last", ["other-3", "x", "-", "{boot}-99999", "{boot}--1", "{boot}-１", "é-1"]
)
async def test_what_cannot_be_resumed_is_told_to_reset(last: str) -> None:
    hub = EventHub(SystemClock())
    hub.publish("n", {}, audience=everyone)
    last = last.replace("{boot}", hub.boot.decode())
    assert [e for _, e, _ in await taken(subscribe(hub, SUE, last))] == ["hello", "reset"]


async def test_a_ring_that_has_moved_on_means_reset() -> None:
    hub = EventHub(SystemClock(), ring=10)
    for n in range(30):
        hub.publish("n", {"n": n}, audience=everyone)
    boot = hub.boot.decode()
    assert [e for _, e, _ in await taken(subscribe(hub, SUE, f"{boot}-19"))] == ["hello", "reset"]
    events = await taken(subscribe(hub, SUE, f"{boot}-20"))
    assert [d["n"] for _, e, d in events if e == "n"] == list(range(20, 30))


async def test_a_slow_client_is_told_to_reset_and_memory_is_bounded() -> None:
    hub = EventHub(SystemClock(), client_limit=20)
    slow, fast = subscribe(hub, SUE), subscribe(hub, SUE)
    got = []
    for n in range(50):
        hub.publish("n", {"n": n}, audience=everyone)
        got += [d["n"] for _, e, d in await taken(fast) if e == "n"]
        assert len(slow._pending) <= 20
    assert got == list(range(50))
    events = await taken(slow)
    assert [e for _, e, _ in events][:2] == ["hello", "reset"]
    rest = [d["n"] for _, e, d in events[2:]]
    assert rest == list(range(50 - len(rest), 50))
    number = int(events[1][0].split("-")[1])
    assert number + len(rest) == 50  # resuming from the reset loses nothing


async def test_a_pop_overtakes_what_waits_and_a_break_after_it_loses_nothing() -> None:
    hub = EventHub(SystemClock())
    amy = subscribe(hub, AMY)
    await taken(amy)
    for n in range(3):
        hub.publish("n", {"n": n}, audience=everyone)
    hub.pop(AgentId("1001"), InteractionId("i1"), {"interaction": "i1"})
    events = await taken(amy)
    assert [e for _, e, _ in events] == ["pop", "n", "n", "n"]
    assert events[0][0] == ""  # else a resume from it would skip the three
    hub.pop(AgentId("1001"), InteractionId("i2"), {"interaction": "i2"})
    assert [i != "" for i, _, _ in await taken(amy)] == [True]


async def test_pops_go_to_their_agent_only() -> None:
    hub = EventHub(SystemClock())
    sue = subscribe(hub, SUE)
    bob = subscribe(hub, Viewer(username="bob", role=Role.AGENT, agent=AgentId("1002")))
    hub.pop(AgentId("1001"), InteractionId("i1"), {"interaction": "i1"})
    assert [e for _, e, _ in await taken(sue)] == ["hello"]
    assert [e for _, e, _ in await taken(bob)] == ["hello"]
    # nor by claiming to have missed something
    late = subscribe(hub, SUE, f"{hub.boot.decode()}-0")
    assert [e for _, e, _ in await taken(late)] == ["hello"]


async def test_a_reloaded_page_gets_its_open_pop_with_what_came_late() -> None:
    hub = EventHub(SystemClock())
    agent, interaction = AgentId("1001"), InteractionId("i1")
    hub.pop(agent, interaction, {"interaction": "i1", "customer": None})
    hub.update_pop(agent, interaction, {"interaction": "i1", "customer": {"name": "王"}})
    events = await taken(subscribe(hub, AMY))
    assert [(e, d.get("customer")) for _, e, d in events][1:] == [("pop", {"name": "王"})]
    hub.forget_pop(agent, interaction)
    assert [e for _, e, _ in await taken(subscribe(hub, AMY))] == ["hello"]
    hub.update_pop(agent, interaction, {"interaction": "i1"})  # too late: not said
    assert hub.published == 2


async def test_closing_a_session_ends_its_streams_only() -> None:
    hub = EventHub(SystemClock())
    mine, other = subscribe(hub, SUE, session="a"), subscribe(hub, SUE, session="b")
    hub.close_session("a")
    assert await mine.take(1) is None
    assert await mine.take(1) is None
    assert await taken(other)
    assert hub.streams == 1


async def test_streams_of_one_user_are_bounded() -> None:
    hub = EventHub(SystemClock(), user_streams=2)
    first, _ = subscribe(hub, SUE), subscribe(hub, SUE)
    with pytest.raises(TooManyStreams):
        subscribe(hub, SUE)
    first.close()
    subscribe(hub, SUE)
    subscribe(hub, AMY)


async def test_a_waiting_client_is_woken_in_the_next_turn_of_the_loop() -> None:
    hub = EventHub(SystemClock())
    amy = subscribe(hub, AMY)
    await taken(amy)
    waiting = asyncio.get_running_loop().create_task(amy.take(60))
    await asyncio.sleep(0)
    hub.pop(AgentId("1001"), InteractionId("i1"), {"interaction": "i1"})
    turns = 0
    while not waiting.done() and turns < 10:
        await asyncio.sleep(0)
        turns += 1
    assert turns <= 4
    assert b"event: pop" in (waiting.result() or b"")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("say"), st.integers(0, 2)),
            st.tuples(st.just("take"), st.just(0)),
            st.tuples(st.just("break"), st.integers(0, 3)),
        ),
        max_size=60,
    )
)
def test_any_order_of_events_breaks_and_resumes_shows_everything_or_says_reset(
    steps: list[tuple[str, int]],
) -> None:
    """A client that breaks anywhere within what it was sent has seen all since the last reset."""

    async def run() -> None:
        hub = EventHub(SystemClock(), ring=8, client_limit=5)
        stream = subscribe(hub, AMY)
        said: list[int] = []
        seen: set[int] = set()
        last = ""

        async def read(cut: int | None) -> None:
            nonlocal last
            events = await taken(stream)
            for event_id, event, data in events[:cut]:
                last = event_id or last
                if event == "reset":
                    seen.update(said)  # the client loads everything
                elif event in ("n", "pop"):
                    seen.add(data["n"])

        for step, value in steps:
            if step == "say":
                said.append(len(said))
                data = {"n": said[-1]}
                if value == 0:
                    hub.publish_to_agent(AgentId("1001"), "pop", data, urgent=True)
                elif value == 1:
                    hub.publish("n", data, audience=everyone)
                else:
                    hub.publish_to_agent(AgentId("1001"), "n", data)
            elif step == "take":
                await read(None)
            else:
                await read(value)
                stream.close()
                stream = subscribe(hub, AMY, last)
                if not last:
                    seen.update(said)  # a fresh client loads everything
        await read(None)
        assert seen == set(said)

    asyncio.run(run())

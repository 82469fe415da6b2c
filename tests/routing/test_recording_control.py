"""Recordings that people start, stop, suspend and resume, and what the record says of it."""

from __future__ import annotations

import pytest

from routing.commands import FileContactRecord, RecordingGap
from routing.engine import Engine
from routing.facts import InteractionRestored
from routing.ids import InteractionId, RecordingId
from routing.model import RecordingPolicy
from tests.routing.playbook import play
from tests.routing.samples import NOON, agent, open_house, queue

pytestmark = pytest.mark.unit

I = InteractionId("i")  # noqa: E741
R1 = RecordingId("i.r1")
SUSPENDED = """
    at 10
    >> RecordingRequested interaction=i by=li action=suspend
    << SuspendRecording recording=i.r1 suspend=True
    >> RecordingSuspended interaction=i recording=i.r1 suspended=yes
"""


def talking(text: str = "", policy: RecordingPolicy = RecordingPolicy.ALWAYS) -> Engine:
    engine = open_house((queue(recording=policy),), (agent("1"), agent("2")))
    recorded = "<< StartRecording recording=i.r1\n" if policy is RecordingPolicy.ALWAYS else ""
    play(
        engine,
        """
        >> InteractionArrived interaction=i caller=1 did=news
        << Offer targets=1
        >> OfferAnswered interaction=i offer=i.o1 agent=1
        """
        + recorded
        + text,
    )
    return engine


def filed(engine: Engine, text: str) -> FileContactRecord:
    commands = play(engine, text)
    [record] = [c for c in commands if isinstance(c, FileContactRecord)]
    return record


def test_the_record_says_what_was_kept_out_and_by_whom() -> None:
    engine = talking(SUSPENDED)
    assert engine.interaction_view(I).recording_suspended
    record = filed(
        engine,
        """
        at 11
        >> RecordingRequested interaction=i by=li action=suspend !!
        >> RecordingSuspended interaction=i recording=i.r1 suspended=yes
        >> RecordingSuspended interaction=i recording=i.r9 suspended=no
        at 25
        >> RecordingRequested interaction=i by=sue action=resume
        << SuspendRecording recording=i.r1 suspend=False
        >> RecordingSuspended interaction=i recording=i.r1 suspended=no
        >> RecordingRequested interaction=i by=sue action=resume !!
        at 30
        >> RecordingRequested interaction=i by=sue action=suspend
        << SuspendRecording recording=i.r1 suspend=True
        >> RecordingSuspended interaction=i recording=i.r1 suspended=yes
        at 40
        >> CallerHungUp interaction=i
        << FileContactRecord account.outcome=answered
        """,
    )
    assert record.account.recording_gaps == (
        RecordingGap(recording=R1, by="li", since_at=NOON + 10, until_at=NOON + 25),
        RecordingGap(recording=R1, by="sue", since_at=NOON + 30),
    )


def test_the_next_agent_is_recorded_again() -> None:
    talking(
        SUSPENDED
        + """
        >> TransferRequested interaction=i by=1 kind=agent to=2
        << BringBack interaction=i
        >> CallerReturned interaction=i
        << Offer targets=2
        >> OfferAnswered interaction=i offer=i.o2 agent=2
        << SuspendRecording recording=i.r1 suspend=False
        """
    )


def test_a_restart_remembers_what_is_suspended() -> None:
    snapshot = talking(SUSPENDED).snapshot(I)
    engine = open_house((queue(),), (agent("1"), agent("2")))
    engine.handle(
        InteractionRestored(interaction=I, present=True, agent=None, snapshot=snapshot),
        NOON + 20,
    )
    assert engine.interaction_view(I).recording_suspended


def test_stopped_and_started_again_there_are_two() -> None:
    record = filed(
        talking(
            """
            >> RecordingRequested interaction=i by=li action=start !!
            >> RecordingRequested interaction=i by=sue action=stop
            << StopRecording recording=i.r1
            >> RecordingEnded interaction=i recording=i.r1
            >> RecordingRequested interaction=i by=sue action=stop !!
            >> RecordingRequested interaction=i by=sue action=start
            << StartRecording recording=i.r2 agent=1
            """
        ),
        """
        >> CallerHungUp interaction=i
        << FileContactRecord account.recordings=i.r1,i.r2
        """,
    )
    assert record.account.causes[:2] == ("recording stopped by sue", "recording started by sue")


def test_on_demand_begins_when_somebody_says_so() -> None:
    talking(
        """
        >> RecordingRequested interaction=i by=li action=suspend !!
        >> HoldChanged interaction=i held=yes
        >> RecordingRequested interaction=i by=li action=start !!
        >> HoldChanged interaction=i held=no
        >> RecordingRequested interaction=i by=li action=start
        << StartRecording recording=i.r1 agent=1
        """,
        RecordingPolicy.ON_DEMAND,
    )


def test_a_queue_that_never_records_does_not_on_demand_either() -> None:
    talking(">> RecordingRequested interaction=i by=li action=start !!\n", RecordingPolicy.NEVER)

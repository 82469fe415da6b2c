"""Contact records and recordings reach the store even when it fails at first."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from ctid import recordings, records
from ctid.recordings import RecordingKeeper
from ctid.records import RecordWriter
from recorder.plan import RecordingPlan
from routing.commands import (
    AmendContactRecord,
    FileContactRecord,
    InteractionAccount,
    Outcome,
)
from routing.facts import Channel, Party, RecordingEnded, RecordingFailed
from routing.ids import AgentId, InteractionId, RecordingId
from tests.ctid.virtual import StillClock

pytestmark = pytest.mark.unit

A = InteractionId("a")
B = InteractionId("b")
AGENT = AgentId("1001")
REC = RecordingId("a.r1")


def filing(interaction: InteractionId) -> FileContactRecord:
    return FileContactRecord(
        account=InteractionAccount(
            interaction=interaction,
            channel=Channel.VOICE,
            caller=Party(number="13800138000"),
            did="88886666",
            outcome=Outcome.ANSWERED,
            arrived_at=1.0,
            ended_at=2.0,
        )
    )


class Store:
    """Fails for interaction ``a`` until ``heal``."""

    def __init__(self) -> None:
        self.broken = True
        self.tried = asyncio.Event()
        self.done: list[tuple[str, InteractionId]] = []

    async def file_contact_record(self, account: InteractionAccount, now: float) -> None:
        if self.broken and account.interaction == A:
            self.tried.set()
            raise OSError("disk full")
        self.done.append(("file", account.interaction))

    async def amend_contact_record(self, amendment: AmendContactRecord, now: float) -> None:
        self.done.append(("amend", amendment.interaction))


async def test_a_record_that_cannot_be_written_waits_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "FIRST_RETRY_S", 0.001)
    store = Store()
    written: list[object] = []
    writer = RecordWriter(store, StillClock(), written.append)
    writer.put(filing(A))
    writer.put(AmendContactRecord(interaction=A, agent=AGENT, disposition="tip"))
    writer.put(filing(B))
    await store.tried.wait()
    assert ("amend", A) not in store.done
    store.broken = False
    await writer.drained()
    assert [d for d in store.done if d[1] == A] == [("file", A), ("amend", A)]
    assert ("file", B) in store.done
    assert len(written) == 3
    assert len(writer) == 0


class Index:
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    async def recording_ready(
        self,
        recording: RecordingId,
        interaction: InteractionId,
        *,
        path: str,
        sha256: str,
        size_bytes: int,
        duration_s: float,
        now: float,
    ) -> None:
        self.calls.append(("ready", recording, path, duration_s))

    async def recording_failed(
        self, recording: RecordingId, interaction: InteractionId, reason: str, now: float
    ) -> None:
        self.calls.append(("failed", recording, reason))


@pytest.fixture
def plan(tmp_path: Path) -> RecordingPlan:
    (tmp_path / "in").mkdir()
    return RecordingPlan(intake_dir=tmp_path / "in", library_dir=tmp_path / "lib")


async def test_a_recording_that_ended_is_ready(plan: RecordingPlan) -> None:
    index = Index()
    settled: list[InteractionId] = []
    keeper = RecordingKeeper(plan, index, StillClock(), settled.append)
    plan.intake_path(REC).write_bytes(struct.pack("<hh", 100, -100) * 8000)
    keeper.on_fact(RecordingEnded(interaction=A, recording=REC), 1_750_000_000.0)
    await keeper.drained()
    assert index.calls == [
        ("ready", REC, "2025/06/15/a.r1.wav", 1.0),
    ]
    assert settled == [A]
    assert (plan.library_dir / "2025/06/15/a.r1.wav").stat().st_size == 44 + 32000


async def test_a_recording_without_a_file_has_an_entry_that_says_why(plan: RecordingPlan) -> None:
    index = Index()
    settled: list[InteractionId] = []
    keeper = RecordingKeeper(plan, index, StillClock(), settled.append)
    keeper.on_fact(RecordingEnded(interaction=A, recording=REC), 1.0)
    keeper.on_fact(RecordingFailed(interaction=A, recording=REC, reason="no disk"), 1.0)
    await keeper.drained()
    assert index.calls == [
        ("failed", REC, "the PBX left no recording file"),
        ("failed", REC, "no disk"),
    ]
    assert settled == [A, A]


async def test_recordings_of_one_moment_are_brought_in_together_and_one_holds_up_no_other(
    plan: RecordingPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "TOGETHER", 2)
    bad, gone = RecordingId("bad.r1"), RecordingId("gone.r1")

    class Picky(Index):
        async def recording_ready(
            self, recording: RecordingId, interaction: InteractionId, **facts: object
        ) -> None:
            if recording == bad:
                raise RuntimeError("no disk")
            self.calls.append(("ready", recording))

    index = Picky()
    settled: list[InteractionId] = []
    keeper = RecordingKeeper(plan, index, StillClock(), settled.append)
    for recording in (bad, REC):
        plan.intake_path(recording).write_bytes(struct.pack("<hh", 100, -100) * 80)
    for recording, interaction in ((bad, A), (gone, B), (REC, B)):
        keeper.finish(recording, interaction, 1.0)
    assert len(keeper) == 3
    await keeper.drained()
    assert index.calls == [
        ("failed", gone, "the PBX left no recording file"),
        ("ready", REC),
    ]
    assert settled == [B, B]
    assert len(keeper) == 0
    keeper.finish(REC, B, 1.0)  # and it goes on
    await keeper.drained()
    assert index.calls[-1] == ("ready", REC)


async def test_more_recordings_than_the_limit_are_refused_and_stay_where_they_are(
    plan: RecordingPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "LIMIT", 1)
    index = Index()
    keeper = RecordingKeeper(plan, index, StillClock(), lambda interaction: None)
    plan.intake_path(REC).write_bytes(struct.pack("<hh", 100, -100) * 80)
    keeper.finish(RecordingId("first.r1"), A, 1.0)
    with pytest.raises(recordings.RecordingsFull):
        keeper.finish(REC, B, 1.0)
    await keeper.drained()
    assert plan.intake_path(REC).exists()
    assert [call[1] for call in index.calls] == ["first.r1"]

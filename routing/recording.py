"""The recording of a conversation: when it is due, and what people ask of it."""

from __future__ import annotations

from dataclasses import replace

from routing import control_facts as cf
from routing import facts as f
from routing.agent_records import AgentRecord
from routing.commands import RecordingGap, StartRecording, StopRecording, SuspendRecording
from routing.control_facts import RecordingAction
from routing.draws import share_of
from routing.errors import UnknownTransition
from routing.facts import Channel
from routing.floor import Floor
from routing.ids import RecordingId
from routing.model import RecordingPolicy
from routing.pool import Pool
from routing.records import Interaction


def due(live: Interaction, pool: Pool) -> bool:
    """Whether the queue's policy wants this conversation recorded."""
    policy = pool.queue.recording
    if live.running_recordings or live.channel not in (Channel.VOICE, Channel.CALLBACK):
        return False
    if policy is RecordingPolicy.SAMPLE:
        return share_of(live.id) < pool.queue.record_share
    return policy is RecordingPolicy.ALWAYS


def next_id(live: Interaction) -> RecordingId:
    """What the next recording will be called."""
    return RecordingId(f"{live.id}.r{live.recording_no + 1}")


def begin(floor: Floor, live: Interaction, pool: Pool, agent: AgentRecord) -> None:
    """Record from now on."""
    recording = next_id(live)
    live.recording_no += 1
    live.recordings.append(recording)
    live.running_recordings.add(recording)
    floor.emit(
        StartRecording(
            interaction=live.id, recording=recording, queue=pool.queue.id, agent=agent.id
        )
    )


def resume(floor: Floor, live: Interaction) -> None:
    """Write voices again."""
    _suspend(floor, live, suspend=False)


def _suspend(floor: Floor, live: Interaction, *, suspend: bool) -> None:
    for recording in sorted(live.running_recordings):
        floor.emit(SuspendRecording(interaction=live.id, recording=recording, suspend=suspend))


# --- what people ask -----------------------------------------------------------------------------


def requested(floor: Floor, live: Interaction, fact: cf.RecordingRequested) -> None:
    """Start, stop, suspend or resume. What it means for the record is noted with who asked."""
    if fact.action is RecordingAction.START:
        _start(floor, live, fact)
        return
    if not live.running_recordings:
        raise UnknownTransition(f"{live.id} is not being recorded")
    if fact.action is RecordingAction.STOP:
        live.note_cause(f"recording stopped by {fact.by}")
        for recording in sorted(live.running_recordings):
            floor.emit(StopRecording(interaction=live.id, recording=recording))
        return
    suspend = fact.action is RecordingAction.SUSPEND
    if live.suspended is suspend:
        raise UnknownTransition(f"the recording is {'' if suspend else 'not '}suspended")
    if suspend:
        live.suspender = fact.by
    _suspend(floor, live, suspend=suspend)


def _start(floor: Floor, live: Interaction, fact: cf.RecordingRequested) -> None:
    pool, agent = live.pool, live.agent
    if pool is None or pool.queue.recording is RecordingPolicy.NEVER:
        raise UnknownTransition("its queue never records")
    if live.running_recordings:
        raise UnknownTransition(f"{live.id} is being recorded already")
    if live.held or live.taker or live.consult is not None:
        raise UnknownTransition(f"{live.id} is on hold, taken over or in a consultation")
    assert agent is not None
    live.note_cause(f"recording started by {fact.by}")
    begin(floor, live, pool, agent)
    floor.touch(live)


# --- what the PBX tells --------------------------------------------------------------------------


def started(floor: Floor, live: Interaction, fact: f.RecordingStarted) -> None:
    """It runs."""
    live.running_recordings.add(fact.recording)
    floor.touch(live)


def ended(floor: Floor, live: Interaction, fact: f.RecordingEnded) -> None:
    """It is closed."""
    live.running_recordings.discard(fact.recording)
    floor.touch(live)


def failed(floor: Floor, live: Interaction, fact: f.RecordingFailed) -> None:
    """There is none; the contact record will say why."""
    live.running_recordings.discard(fact.recording)
    live.recording_failures.append(f"{fact.recording}: {fact.reason}"[: f.MAX_TEXT])
    floor.touch(live)


def suspended(floor: Floor, live: Interaction, fact: cf.RecordingSuspended) -> None:
    """Silence is written, or the voices again: the record will say from when to when."""
    if live.suspended is fact.suspended or fact.recording not in live.running_recordings:
        return
    if fact.suspended:
        live.recording_gaps.append(
            RecordingGap(recording=fact.recording, by=live.suspender, since_at=floor.now)
        )
    else:
        live.recording_gaps[-1] = replace(live.recording_gaps[-1], until_at=floor.now)
    floor.touch(live)

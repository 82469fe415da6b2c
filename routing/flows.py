"""What happens before (and after) the queue: flows, step by step."""

from __future__ import annotations

from routing import audio, ending, waiting
from routing.commands import Outcome, RecordMessage, SendTo
from routing.facts import Channel, StepFinished, StepOutcome
from routing.floor import Floor, Promise
from routing.ids import FlowId, InteractionId, QueueId, RecordingId, StepId
from routing.interaction_state import State
from routing.model import Entry, MenuChoice, Requirement, Step, StepKind
from routing.records import Interaction

MAX_STEPS = 100
"""Steps taken without waiting for anybody: more than that is a flow that never ends."""


def entry_for(floor: Floor, did: str) -> Entry | None:
    """The entry for a dialled number: exact, else the longest beginning that matches."""
    found = floor.entries.get(did)
    if found is not None:
        return found
    return next((e for e in floor.wild_entries if did.startswith(e.did[:-1])), None)


def start(floor: Floor, live: Interaction) -> None:
    """Where the dialled number leads; else the default queue; else an apology. Never silence."""
    entry = entry_for(floor, live.did)
    queue = floor.config.default_queue
    if entry is not None:
        live.language = live.language or entry.language
        live.priority += entry.priority
        live.requirements += entry.skills
        if entry.flow is not None:
            go(live, entry.flow)
            run(floor, live)
            return
        queue = entry.queue
    else:
        live.note_cause("unknown number")
    if queue is None or queue not in floor.pools:
        ending.say_then_release(floor, live, floor.config.apology, Outcome.FAILED, 1)
    else:
        to_queue(floor, live, queue)


def go(live: Interaction, flow: FlowId | None) -> None:
    """On with the beginning of ``flow``."""
    live.flow = flow
    live.step_index = 0
    live.attempts = 0


def run(floor: Floor, live: Interaction) -> None:
    """Take steps until one has to be waited for."""
    for _ in range(MAX_STEPS):
        flow = floor.flows.get(live.flow) if live.flow is not None else None
        if flow is None or live.step_index >= len(flow.steps):
            ending.release(floor, live, "released", _outcome(live))
            return
        if _take(floor, live, flow.steps[live.step_index]):
            floor.touch(live)
            return
    live.note_cause(f"flow {live.flow} never ends")
    ending.say_then_release(floor, live, floor.config.sorry, Outcome.FAILED, 41)


def _take(floor: Floor, live: Interaction, step: Step) -> bool:
    """Take one step; true if the flow has to wait (or is over)."""
    match step.kind:
        case StepKind.HOURS:
            _hours(floor, live, step)
            return False
        case StepKind.SET:
            _set(live, step.language, step.priority, step.skills)
            live.step_index += 1
            return False
        case StepKind.GO:
            go(live, step.flow)
            return False
        case StepKind.ANNOUNCEMENT:
            audio.play(floor, live, step.prompts, "step")
        case StepKind.MENU:
            audio.collect(floor, live, step.prompts, "menu", step.max_digits, step.timeout_s)
        case StepKind.SURVEY:
            live.survey.setdefault(step.question, None)
            audio.collect(floor, live, step.prompts, "survey", 1, step.timeout_s)
        case StepKind.QUEUE:
            _set(live, step.language, step.priority, step.skills)
            to_queue(floor, live, step.queue)
        case StepKind.EXTERNAL:
            _external(floor, live, step)
        case StepKind.VOICE_MESSAGE:
            if step.prompts and live.after != "beep":
                audio.play(floor, live, step.prompts, "beep")
            else:
                _record_message(floor, live, step)
        case StepKind.CALLBACK:
            return _callback(floor, live, step)
        case _:
            assert step.kind is StepKind.RELEASE
            ending.say_then_release(floor, live, step.prompts, _outcome(live), step.cause)
    return True


def _outcome(live: Interaction) -> Outcome:
    """How it ends if a flow ends it."""
    if live.answered_at is not None:
        return Outcome.ANSWERED
    return live.leaving or Outcome.RELEASED


def _hours(floor: Floor, live: Interaction, step: Step) -> None:
    schedule = floor.schedules[step.hours]
    if schedule.is_open(floor.now):
        live.step_index += 1
        return
    live.leaving = Outcome.CLOSED
    holiday = step.holiday is not None and schedule.holiday(floor.now)
    go(live, step.holiday if holiday else step.closed)


def _set(
    live: Interaction, language: str, priority: int | None, skills: tuple[Requirement, ...]
) -> None:
    if language:
        live.language = language
    if priority is not None:
        live.priority = priority
    live.requirements += skills


def to_queue(floor: Floor, live: Interaction, queue: QueueId | None) -> None:
    """Join the queue, after a short wait for the CRM where the queue asks who was there last."""
    pool = floor.pools.get(queue) if queue is not None else None
    if pool is None or live.state is State.AFTER_CALL:
        ending.release(floor, live, "released", live.leaving or Outcome.FAILED)
        return
    policy = pool.queue.preferred
    left_s = floor.config.customers.lookup_deadline_s - (floor.now - live.arrived_at)
    if (policy.owner or policy.last_agent_days) and not live.identified and left_s > 0:
        live.after = "identify"
        live.pool = pool
        floor.start_own_timer(live, "identify", left_s, lambda floor: identified(floor, live))
        return
    live.move("sent_on", State.WAITING)
    waiting.enter(floor, live, pool)


def identified(floor: Floor, live: Interaction) -> None:
    """The CRM has spoken, or its time is over."""
    live.identified = True
    floor.cancel_own_timer(live, "identify")
    if live.after == "identify" and live.pool is not None:
        live.after = ""
        to_queue(floor, live, live.pool.queue.id)


def _external(floor: Floor, live: Interaction, step: Step) -> None:
    if live.state is State.AFTER_CALL:
        ending.release(floor, live, "released", Outcome.ANSWERED)
        return
    live.leaving = live.leaving or Outcome.OVERFLOWED
    audio.answer(floor, live)
    live.move("sent_on", State.EXTERNAL)
    floor.emit(SendTo(interaction=live.id, number=step.number, ring_timeout_s=step.ring_timeout_s))


def external_over(floor: Floor, live: Interaction, event: str, answered: bool) -> None:
    """Back from an outside number: on with the flow if it was not reached, else the end."""
    live.move(event, State.ENTERING)
    if answered:
        ending.release(floor, live, "released", live.leaving or Outcome.OVERFLOWED)
        return
    live.note_cause("external number not reached")
    step = current(floor, live)
    if step is not None:
        _else(live, step)
    run(floor, live)


def current(floor: Floor, live: Interaction) -> Step | None:
    """The step at which the flow stands."""
    flow = floor.flows.get(live.flow) if live.flow is not None else None
    if flow is None or live.step_index >= len(flow.steps):
        return None
    return flow.steps[live.step_index]


def _else(live: Interaction, step: Step) -> None:
    if step.otherwise is not None:
        go(live, step.otherwise)
    else:
        live.step_index += 1
        live.attempts = 0


def _record_message(floor: Floor, live: Interaction, step: Step) -> None:
    audio.answer(floor, live)
    live.recording_no += 1
    recording = RecordingId(f"{live.id}.r{live.recording_no}")
    live.recordings.append(recording)
    live.after = "message"
    live.leaving = Outcome.VOICE_MESSAGE
    live.step_no += 1
    live.step = StepId(f"{live.id}.s{live.step_no}")
    if step.queue is not None and (not live.queues or live.queues[-1] != step.queue):
        live.queues.append(step.queue)
    floor.emit(
        RecordMessage(interaction=live.id, step=live.step, recording=recording, max_s=step.max_s)
    )


def _callback(floor: Floor, live: Interaction, step: Step) -> bool:
    number = live.caller.number
    if step.queue is None or not number or live.channel is not Channel.VOICE:
        live.note_cause("no number to call back")
        _else(live, step)
        return False
    if not live.handed_over:
        live.handed_over = True
        floor.promises.append(
            Promise(
                id=InteractionId(f"{live.id}.cb"),
                queue=step.queue,
                number=number,
                name=live.caller.name,
                waiting_since=live.waiting_since if live.waiting_since is not None else floor.now,
                like=live,
            )
        )
    live.leaving = Outcome.CALLBACK
    ending.say_then_release(floor, live, step.prompts, Outcome.CALLBACK)
    return True


def step_finished(floor: Floor, live: Interaction, fact: StepFinished) -> None:
    """A prompt, a menu or a message has ended: what was to follow?"""
    if fact.step != live.step:
        return  # an older one, cut short
    after = live.after
    if after.startswith("release"):
        live.after = ""
        cause = int(after.partition(":")[2] or ending.NORMAL_CLEARING)
        ending.release(floor, live, "released", _outcome(live), cause)
    elif after == "music":
        live.after = ""
        if live.state is State.WAITING and not _pressed(floor, live, fact.digits):
            audio.music(floor, live)
    elif after == "beep":
        run(floor, live)
    elif after in ("step", "menu", "survey", "message"):
        live.after = ""
        step = current(floor, live)
        if step is None:
            run(floor, live)
        elif after == "menu":
            _menu(floor, live, step, fact)
        elif after == "survey":
            _survey(floor, live, step, fact)
        else:
            if after == "message" and fact.outcome is StepOutcome.FAILED:
                live.note_cause("message not recorded")
                _else(live, step)
            else:
                live.step_index += 1
            run(floor, live)


def _pressed(floor: Floor, live: Interaction, digits: str) -> bool:
    pool = live.pool
    if not digits or pool is None:
        return False
    rule = next((o for o in pool.queue.overflow if o.digit and o.digit == digits), None)
    if rule is None:
        return False
    waiting.send_on(floor, live, rule.reason, rule)
    return True


def _menu(floor: Floor, live: Interaction, step: Step, fact: StepFinished) -> None:
    choice: MenuChoice | None = next((c for c in step.choices if c.digits == fact.digits), None)
    if choice is not None:
        _set(live, choice.language, choice.priority, choice.skills)
        go(live, choice.flow)
        run(floor, live)
    else:
        _again(floor, live, step, fact)


def _survey(floor: Floor, live: Interaction, step: Step, fact: StepFinished) -> None:
    if len(fact.digits) == 1 and fact.digits in step.keys:
        live.survey[step.question] = fact.digits
        live.step_index += 1
        live.attempts = 0
        run(floor, live)
    else:
        _again(floor, live, step, fact)


def _again(floor: Floor, live: Interaction, step: Step, fact: StepFinished) -> None:
    """Ask once more, as often as the step allows."""
    live.attempts += 1
    if live.attempts >= step.attempts:
        live.note_cause(f"{step.kind} without a choice")
        _else(live, step)
        run(floor, live)
        return
    first = step.invalid if fact.digits else step.silence
    prompts = (*first, *step.prompts)
    audio.collect(floor, live, prompts, step.kind.value, step.max_digits, step.timeout_s)

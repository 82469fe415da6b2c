"""What a caller hears: prompts, menus, music and announcements while waiting."""

from __future__ import annotations

from routing.commands import Answer, CollectDigits, Play, Prompt, PromptKind, StartMusic
from routing.facts import Channel
from routing.floor import Floor
from routing.ids import StepId
from routing.interaction_state import State
from routing.model import Announcements, OverflowReason
from routing.pool import Pool
from routing.records import Announced, Interaction


def hears(live: Interaction) -> bool:
    """Whether somebody is on the line who can be spoken to."""
    return live.customer_here and (live.channel is Channel.VOICE or live.answer_sent)


def answer(floor: Floor, live: Interaction) -> None:
    """Take the call, once."""
    if not live.answer_sent and live.customer_here and live.channel is Channel.VOICE:
        live.answer_sent = True
        floor.emit(Answer(interaction=live.id))


def _next_step(live: Interaction) -> StepId:
    live.step_no += 1
    live.step = StepId(f"{live.id}.s{live.step_no}")
    live.music = False
    return live.step


def play(floor: Floor, live: Interaction, prompts: tuple[Prompt, ...], after: str) -> None:
    """Play prompts; ``after`` says what follows when they have ended."""
    answer(floor, live)
    live.after = after
    floor.emit(
        Play(
            interaction=live.id,
            step=_next_step(live),
            prompts=prompts,
            language=live.language or floor.config.language,
        )
    )


def collect(
    floor: Floor,
    live: Interaction,
    prompts: tuple[Prompt, ...],
    after: str,
    max_digits: int,
    timeout_s: float,
) -> None:
    """Play prompts and collect digits."""
    answer(floor, live)
    live.after = after
    floor.emit(
        CollectDigits(
            interaction=live.id,
            step=_next_step(live),
            prompts=prompts,
            max_digits=max_digits,
            timeout_s=timeout_s,
            language=live.language or floor.config.language,
        )
    )


def hold(floor: Floor, live: Interaction) -> None:
    """Begin to entertain someone who waits: the welcome once, then music and announcements."""
    pool = live.pool
    assert pool is not None
    if live.music or live.after == "music" or not hears(live):
        return
    rules = pool.queue.announcements
    if rules.welcome and not live.welcomed:
        live.welcomed = True
        play(floor, live, rules.welcome, "music")
    else:
        music(floor, live)
    _schedule(floor, live, rules)


def music(floor: Floor, live: Interaction) -> None:
    """Music from now on."""
    assert live.pool is not None
    live.after = ""
    live.music = True
    answer(floor, live)
    floor.emit(StartMusic(interaction=live.id, music=live.pool.queue.music))


def _schedule(floor: Floor, live: Interaction, rules: Announcements) -> None:
    if f"{live.id}:say" in live.timers or not (
        rules.position or rules.comfort or rules.expected_wait
    ):
        return
    first_s = rules.first_after_s - (floor.now - live.queued_at)
    if first_s > 0:
        floor.start_own_timer(live, "say", first_s, lambda floor: _announce(floor, live))
    elif rules.every_s > 0:
        floor.start_own_timer(live, "say", rules.every_s, lambda floor: _announce(floor, live))


def _announce(floor: Floor, live: Interaction) -> None:
    if live.state is not State.WAITING or live.pool is None:
        return
    pool = live.pool
    rules = pool.queue.announcements
    prompts = _words(floor, live, pool, rules)
    digits = any(o.reason is OverflowReason.DIGIT for o in pool.queue.overflow)
    if live.after != "music":
        if digits:
            collect(floor, live, prompts, "music", 1, 3.0)
        else:
            play(floor, live, prompts, "music")
    _schedule(floor, live, rules)


def _words(floor: Floor, live: Interaction, pool: Pool, rules: Announcements) -> tuple[Prompt, ...]:
    """Asterisk's own queue sounds (queues.conf: queue-youarenext and so on), then the comfort."""
    assert live.entry is not None
    words: list[Prompt] = []
    position = pool.order.position(live.entry) + 1
    if rules.position:
        if position == 1:
            words.append(Prompt(value="queue-youarenext"))
        elif position <= rules.position_up_to:
            words += [
                Prompt(value="queue-thereare"),
                Prompt(value=str(position), kind=PromptKind.NUMBER),
                Prompt(value="queue-callswaiting"),
            ]
        else:
            words += [
                Prompt(value="queue-quantity1"),
                Prompt(value=str(rules.position_up_to), kind=PromptKind.NUMBER),
                Prompt(value="queue-quantity2"),
            ]
    if rules.expected_wait:
        expected = pool.expected_wait(live.entry)
        if expected is not None:
            live.announced = Announced(floor.now, expected)
            low, high = (max(1, round(s / 60)) for s in (expected.low_s, expected.high_s))
            words.append(Prompt(value="queue-holdtime"))
            if high > low:
                words += [
                    Prompt(value=str(low), kind=PromptKind.NUMBER),
                    Prompt(value="ctid/to"),
                ]
            words += [
                Prompt(value=str(high), kind=PromptKind.NUMBER),
                Prompt(value="queue-minutes" if high > 1 else "queue-minute"),
            ]
    return (*words, *rules.comfort)

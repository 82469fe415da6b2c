"""What a caller hears and keys in: prompts, numbers, digits, and how an offer cuts them short."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog

from ctid.telephony.asterisk import encode
from ctid.telephony.asterisk.fastagi import AgiReply, AgiSession
from ctid.telephony.port import SwitchError
from routing import commands as c
from routing.commands import PromptKind
from routing.facts import StepFinished, StepOutcome
from routing.ids import InteractionId, StepId

log = structlog.get_logger(__name__)

SILENCE = "silence/1"
PROMPT_S = 300.0
"""Longest single prompt."""
CUT = "D"
"""A digit that no caller's keypad has ends a prompt at once (AMI PlayDTMF, measured: < 1 ms)."""
KEYS = "0123456789*#" + CUT


class Speaker:
    """Speaks on one session. ``before`` runs before anything is heard; ``inject(digit)`` presses a
    key in the caller's place."""

    def __init__(
        self,
        session: AgiSession,
        interaction: InteractionId,
        language: str,
        before: Callable[[], Awaitable[None]],
        inject: Callable[[str], None],
    ) -> None:
        self._session = session
        self._interaction = interaction
        self._language = language
        self._before = before
        self._inject = inject
        self._cut: set[StepId] = set()
        self._step: StepId | None = None
        self._cut_with = ""

    def cut_short(self, waiting: Iterable[c.Command]) -> None:
        """End the step that runs and those that wait; each is still reported."""
        self._cut.update(w.step for w in waiting if isinstance(w, c.Play | c.CollectDigits))
        if self._step is not None and self._step not in self._cut:
            self._cut.add(self._step)
            if self._cut_with:
                self._inject(self._cut_with)

    async def play(self, command: c.Play) -> StepFinished | None:
        """Play to the end, or until cut. None: the caller hung up. Raises AgiError."""
        self._step = command.step
        outcome = StepOutcome.DONE
        try:
            await self._begin(command.step, command.language)
            for prompt in command.prompts:
                if command.step in self._cut or self._session.hung_up:
                    break
                if not (await self._prompt(prompt, CUT)).ok:
                    outcome = StepOutcome.FAILED
        except SwitchError as error:
            outcome = self._refused(error)
        finally:
            self._end(command.step)
        return self._finished(command.step, outcome)

    async def collect(self, command: c.CollectDigits) -> StepFinished | None:
        """Play and read keys. None: the caller hung up. Raises AgiError."""
        self._step = command.step
        outcome, digits = StepOutcome.TIMED_OUT, ""
        try:
            await self._begin(command.step, command.language)
            if command.step not in self._cut:
                digits = await self._gather(command)
        except SwitchError as error:
            outcome = self._refused(error)
        finally:
            self._end(command.step)
        return self._finished(command.step, StepOutcome.DIGITS if digits else outcome, digits)

    async def _begin(self, step: StepId, language: str) -> None:
        if step in self._cut:
            return
        await self._before()
        if language and language != self._language:
            await self._session.command(encode.set_language(language))
            self._language = language

    async def _prompt(self, prompt: c.Prompt, keys: str) -> AgiReply:
        if prompt.kind is PromptKind.NUMBER:
            line = encode.say_number(prompt.value, keys)
        elif prompt.kind is PromptKind.DIGITS:
            line = encode.say_digits(prompt.value, keys)
        else:
            line = encode.stream_file(prompt.value, keys)
        reply = await self._interruptible(line, CUT, PROMPT_S)
        if not reply.ok and not self._session.hung_up:
            log.error("prompt_not_played", prompt=prompt.value, interaction=self._interaction)
        return reply

    async def _interruptible(self, line: str, cut_with: str, timeout_s: float) -> AgiReply:
        self._cut_with = cut_with
        try:
            return await self._session.command(line, timeout_s)
        finally:
            self._cut_with = ""

    async def _gather(self, command: c.CollectDigits) -> str:
        """One command for each prompt, the last of them by GET DATA, which takes one sound only.

        Several joined by ``&`` end at once with -1 (measured, Asterisk 22.10).
        """
        *first, last = command.prompts or (c.Prompt(value=SILENCE),)
        if last.kind is not PromptKind.SOUND:
            first, last = [*first, last], c.Prompt(value=SILENCE)
        digits = ""
        for prompt in first:
            reply = await self._prompt(prompt, KEYS)
            key = chr(int(reply.result)) if reply.result.isdigit() else ""
            if key in (CUT, "#") or command.step in self._cut or self._session.hung_up:
                return ""
            if key and key in KEYS:
                digits = key
                break
        if len(digits) >= command.max_digits:
            return digits
        sound = SILENCE if digits else last.value
        line = encode.get_data(sound, command.timeout_s, command.max_digits - len(digits))
        reply = await self._interruptible(line, "#", PROMPT_S + command.timeout_s)
        more = reply.result if reply.ok else ""
        return digits + "".join(k for k in more if k in KEYS and k != CUT)

    def _refused(self, error: SwitchError) -> StepOutcome:
        log.error("prompt_refused", why=str(error), interaction=self._interaction)
        return StepOutcome.FAILED

    def _end(self, step: StepId) -> None:
        self._step = None
        self._cut.discard(step)

    def _finished(
        self, step: StepId, outcome: StepOutcome, digits: str = ""
    ) -> StepFinished | None:
        if self._session.hung_up:
            return None
        return StepFinished(
            interaction=self._interaction, step=step, outcome=outcome, digits=digits
        )

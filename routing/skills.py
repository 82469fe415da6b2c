"""What an interaction asks of an agent, how that relaxes with waiting, how well an agent fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

from routing.ids import SkillId
from routing.model import LanguageMatch, LevelAdvance, Queue, Requirement, Skill

MAX_LEVEL = 10
ANY_LEVEL = 1 << 30
"""As ``rounds``: agents of every level may be asked."""

Score = tuple[int, int]


@dataclass(frozen=True)
class Need:
    """What is asked for at one moment of the wait. Equal needs share one line in the queue."""

    requirements: tuple[Requirement, ...] = ()
    min_penalty: int = 0
    max_penalty: int | None = None

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.requirements, self.min_penalty, self.max_penalty))


@dataclass(frozen=True, slots=True)
class Ask:
    """All that an interaction asks in a queue, and how that relaxes: needs by time waited."""

    requirements: tuple[Requirement, ...]
    needs: tuple[tuple[float, Need], ...]  # from so many seconds on; the first from 0

    def need_at(self, wait_s: float) -> tuple[Need, float]:
        """What is asked after ``wait_s``, and after how much waiting that changes (inf: never)."""
        found = self.needs[0][1]
        for after_s, need in self.needs[1:]:
            if wait_s < after_s:
                return found, after_s
            found = need
        return found, inf


def merged(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """One requirement for each skill, sorted: required beats preferred, then the higher level."""
    best: dict[SkillId, Requirement] = {}
    for r in requirements:
        other = best.get(r.skill)
        if other is None or (r.required, r.level, r.weight) > (
            other.required,
            other.level,
            other.weight,
        ):
            best[r.skill] = r
    return tuple(best[skill] for skill in sorted(best))


def asked_by(
    queue: Queue, skills: Iterable[Skill], language: str, own: Iterable[Requirement]
) -> tuple[Requirement, ...]:
    """All that an interaction asks in ``queue``: its own, the queue's, its language."""
    asked = [*own, *queue.requires]
    if language and queue.language_match is not LanguageMatch.OFF:
        required = queue.language_match is LanguageMatch.REQUIRED
        asked += [
            Requirement(skill=s.id, required=required) for s in skills if s.language == language
        ]
    return merged(asked)


def ask(queue: Queue, skills: Iterable[Skill], language: str, own: Iterable[Requirement]) -> Ask:
    """What an interaction with these requirements asks in ``queue``, now and later."""
    asked = asked_by(queue, skills, language, own)
    moments = {0.0, *(r.after_s for r in queue.relax), *(p.after_s for p in queue.penalty_steps)}
    needs: list[tuple[float, Need]] = []
    for after_s in sorted(m for m in moments if m >= 0):
        need = _need_after(queue, asked, after_s)
        if not needs or needs[-1][1] != need:
            needs.append((after_s, need))
    return Ask(asked, tuple(needs))


def _need_after(queue: Queue, asked: tuple[Requirement, ...], wait_s: float) -> Need:
    requirements = asked
    for relax in queue.relax:
        if wait_s >= relax.after_s:
            requirements = tuple(
                replace(r, level=relax.levels[r.skill]) if r.skill in relax.levels else r
                for r in requirements
                if not (r.required and (relax.drop_all or r.skill in relax.drop))
            )
    min_penalty, max_penalty = 0, None
    for step in queue.penalty_steps:
        if wait_s >= step.after_s:
            min_penalty, max_penalty = step.min_penalty, step.max_penalty
    return Need(requirements, min_penalty, max_penalty)


def rounds_at(queue: Queue, wait_s: float, levels: int) -> tuple[int, float]:
    """How many levels beyond the first may be asked after ``wait_s``, and when one more may."""
    if queue.level_advance is not LevelAdvance.AFTER_WAIT or queue.level_wait_s <= 0:
        return ANY_LEVEL, inf
    rounds = int(wait_s / queue.level_wait_s + 1e-9)
    if rounds >= levels - 1:
        return ANY_LEVEL, inf
    return rounds, (rounds + 1) * queue.level_wait_s


def score(
    need: Need, skills: Mapping[SkillId, int], penalty: int, by_proficiency: bool
) -> Score | None:
    """How well an agent fits, least first; ``None``: not at all."""
    if penalty < need.min_penalty:
        return None
    if need.max_penalty is not None and penalty > need.max_penalty:
        return None
    preferred = proficiency = 0
    for r in need.requirements:
        level = skills.get(r.skill)
        if r.required:
            if level is None or level < r.level:
                return None
        elif level is not None and level >= r.level:
            preferred += r.weight
        if by_proficiency and level is not None:
            proficiency += level * r.weight
    return (-preferred, -proficiency)

"""What an interaction asks of an agent, how that relaxes with waiting, how well an agent fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from routing.ids import SkillId
from routing.model import LanguageMatch, LevelAdvance, Queue, Requirement, Skill

MAX_LEVEL = 10
ANY_LEVEL = 1 << 30
"""As ``rounds``: agents of every level may be asked."""

Score = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Need:
    """What is asked for at one moment of the wait. Equal needs share one line in the queue."""

    requirements: tuple[Requirement, ...] = ()
    min_penalty: int = 0
    max_penalty: int | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A need, the levels reached, and after how much waiting the next stage begins."""

    need: Need
    rounds: int
    next_after_s: float  # inf: never


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


def stage_at(queue: Queue, asked: tuple[Requirement, ...], wait_s: float, levels: int) -> Stage:
    """What holds after ``wait_s`` in a ``queue`` of ``levels`` levels, and when that changes."""
    next_after = inf
    requirements = asked
    for relax in queue.relax:
        if wait_s < relax.after_s:
            next_after = min(next_after, relax.after_s)
            continue
        requirements = tuple(
            Requirement(
                skill=r.skill, level=relax.levels[r.skill], required=r.required, weight=r.weight
            )
            if r.skill in relax.levels
            else r
            for r in requirements
            if not (r.required and (relax.drop_all or r.skill in relax.drop))
        )
    min_penalty, max_penalty = 0, None
    for step in queue.penalty_steps:
        if wait_s < step.after_s:
            next_after = min(next_after, step.after_s)
        else:
            min_penalty, max_penalty = step.min_penalty, step.max_penalty
    rounds = ANY_LEVEL
    if queue.level_advance is LevelAdvance.AFTER_WAIT and queue.level_wait_s > 0:
        rounds = int(wait_s / queue.level_wait_s + 1e-9)
        if rounds < levels - 1:
            next_after = min(next_after, (rounds + 1) * queue.level_wait_s)
        else:
            rounds = ANY_LEVEL
    return Stage(Need(requirements, min_penalty, max_penalty), rounds, next_after)


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

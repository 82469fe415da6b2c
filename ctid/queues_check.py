"""What a sound ``queues.toml`` may still have wrong: things that can be said, but not meant.

Queues that no one serves, skills that no one has, agents who are never asked, callers who are
always overtaken, hours that never open, flows that never end, and the calls each queue can carry.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ctid import calendars
from ctid.queues_file import LoadedQueues
from ctid.queues_flows import flow_findings
from ctid.toml_file import Problem, TomlDoc, nearest
from ctid.toml_lines import TomlPath
from routing.erlang import carries_per_s, erlang_a
from routing.hours import Schedule
from routing.model import (
    Agent,
    Joining,
    LanguageMatch,
    LevelAdvance,
    Queue,
    Requirement,
    RoutingConfig,
)

ASSUMED_TALK_S = 180.0
ASSUMED_PATIENCE_S = 120.0
TARGET_SHARE = 0.8
_LONG_OVERTAKING_S = 900.0
_CALENDAR_AHEAD_DAYS = 45


def findings(loaded: LoadedQueues, now: float) -> list[Problem]:
    """Everything found, by line. ``warning`` tells what may be meant; the rest never is."""
    doc, config = loaded.doc, loaded.config
    members = _members(config)
    found = [
        *_hours(doc, config, now),
        *_queues(doc, config, members),
        *_skills(doc, config, members),
        *_never_asked(doc, config),
        *_starvation(doc, config, members),
        *_agents(doc, config),
        *flow_findings(doc, config),
    ]
    return sorted(found, key=lambda p: (p.line, p.key))


def _hours(doc: TomlDoc, config: RoutingConfig, now: float) -> Iterator[Problem]:
    used = {q.hours for q in config.queues} | {q.callback.hours for q in config.queues}
    used |= {s.hours for f in config.flows for s in f.steps}
    for hours in config.hours:
        path: TomlPath = ("hours", hours.id)
        if Schedule(hours, config.calendars).never_opens(now):
            yield doc.problem(
                path, "never opens", "add a week or days to come", warning=hours.id not in used
            )
        if hours.id not in used:
            yield doc.problem(path, "is used nowhere", "remove it", warning=True)
        known = calendars.known_until(hours.holidays)
        own = {c.id for c in config.calendars} - set(calendars.BUILT_IN)
        today = datetime.fromtimestamp(now, tz=UTC).date()
        if known is not None and hours.holidays not in own and _ends_soon(known, today):
            yield doc.problem(
                (*path, "holidays"),
                f'the calendar "{hours.holidays}" is known until {known.isoformat()} only',
                "update the package chinesecalendar, or add [[hours.x.days]]",
                warning=True,
            )


def _ends_soon(known: date, today: date) -> bool:
    return (known - today).days < _CALENDAR_AHEAD_DAYS


_Members = dict[str, list[Agent]]


def _members(config: RoutingConfig) -> _Members:
    """The agents of each queue, in the order of the file."""
    members: _Members = {q.id: [] for q in config.queues}
    for agent in config.agents:
        for membership in agent.memberships:
            if membership.queue in members:
                members[membership.queue].append(agent)
    return members


def _queues(doc: TomlDoc, config: RoutingConfig, members: _Members) -> Iterator[Problem]:
    reached = _queues_reached(config)
    for queue in config.queues:
        path: TomlPath = ("queues", queue.id)
        if not members[queue.id]:
            way_out = queue.overflow or queue.join_empty is not Joining.ALWAYS
            yield doc.problem(
                path,
                "is served by no one",
                f'give an agent queues = ["{queue.id}"]',
                warning=bool(way_out) or queue.id not in reached,
            )
        if queue.id not in reached:
            yield doc.problem(
                path,
                "is reached by no entry and no flow",
                "add an entry or remove it",
                warning=True,
            )
        if queue.disposition_required and not (queue.dispositions or config.dispositions):
            yield doc.problem(
                (*path, "disposition_required"),
                "requires a disposition, but there are none",
                "add [dispositions]",
            )
        if (
            0 < queue.max_wait_s <= queue.announcements.first_after_s
            and queue.announcements.every_s
        ):
            yield doc.problem(
                (*path, "max_wait_s"),
                "ends the wait before the first announcement",
                "lower announcements.first_after_s",
                warning=True,
            )


def _queues_reached(config: RoutingConfig) -> set[str]:
    reached: set[str] = {e.queue for e in config.entries if e.queue}
    if config.default_queue:
        reached.add(config.default_queue)
    reached |= {s.queue for f in config.flows for s in f.steps if s.queue}
    return reached


def _skills(doc: TomlDoc, config: RoutingConfig, members: _Members) -> Iterator[Problem]:
    best: dict[str, int] = {}
    for agent in config.agents:
        for had, level in agent.skills.items():
            best[had] = max(best.get(had, level), level)
    for skill in config.skills:
        if skill.id not in best:
            near = nearest(skill.id, best)
            yield doc.problem(
                ("skills", skill.id), "no agent has it", near or "give it to an agent", warning=True
            )
    for queue in config.queues:
        people = members[queue.id]
        for n, requirement in enumerate(queue.requires):
            if people and not _anybody(people, requirement):
                yield doc.problem(
                    ("queues", queue.id, "requires", n),
                    f'none of its {len(people)} agents has "{requirement.skill}"'
                    f" at level {requirement.level}",
                    "callers wait for ever unless relax drops it",
                    warning=not requirement.required or _dropped(queue, requirement),
                )
        for skill in config.skills:
            speakers = [a for a in people if skill.id in a.skills]
            needed = queue.language_match is LanguageMatch.REQUIRED
            if needed and skill.language and people and not speakers:
                yield doc.problem(
                    ("queues", queue.id, "language_match"),
                    f"none of its agents speaks {skill.language} ({skill.id})",
                    "add an overflow with reason unroutable",
                    warning=True,
                )


def _anybody(agents: list[Agent], requirement: Requirement) -> bool:
    return any(a.skills.get(requirement.skill, -1) >= requirement.level for a in agents)


def _dropped(queue: Queue, requirement: Requirement) -> bool:
    return any(r.drop_all or requirement.skill in r.drop for r in queue.relax)


def _never_asked(doc: TomlDoc, config: RoutingConfig) -> Iterator[Problem]:
    queues = {q.id: q for q in config.queues}
    in_use: dict[str, set[int]] = {q.id: set() for q in config.queues}
    for agent in config.agents:
        for membership in agent.memberships:
            in_use[membership.queue].add(membership.level)
    levels = {queue: sorted(found) for queue, found in in_use.items()}
    for agent in config.agents:
        for n, membership in enumerate(agent.memberships):
            queue = queues[membership.queue]
            path: TomlPath = ("agents", agent.id, "queues", n)
            first = queue.penalty_steps[0].after_s if queue.penalty_steps else 0.0
            allowed = [
                s
                for s in queue.penalty_steps
                if s.min_penalty <= membership.penalty
                and (s.max_penalty is None or membership.penalty <= s.max_penalty)
            ]
            if queue.penalty_steps and first <= 0 and not allowed:
                yield doc.problem(
                    path,
                    f"is never asked: no penalty step of {queue.id} allows {membership.penalty}",
                    "raise max_penalty in a later step",
                    warning=True,
                )
            after_s = levels[queue.id].index(membership.level) * queue.level_wait_s
            limit_s = _longest_wait_s(queue)
            if queue.level_advance is LevelAdvance.AFTER_WAIT and 0 < limit_s <= after_s:
                yield doc.problem(
                    path,
                    f"is never asked: level {membership.level} comes after {after_s:g} s, "
                    f"callers leave after {limit_s:g} s",
                    "lower level_wait_s",
                    warning=True,
                )


def _longest_wait_s(queue: Queue) -> float:
    limits = [queue.max_wait_s, *(r.limit for r in queue.overflow if r.reason == "wait")]
    return min((limit for limit in limits if limit > 0), default=0.0)


def _head_start_s(config: RoutingConfig, queue: Queue, priority: int) -> float:
    asked = (queue.priority + priority) * queue.priority_step_s + queue.head_start_s
    most = config.max_head_start_s
    return max(-most, min(most, asked + queue.sl_boost_s))


def _starvation(doc: TomlDoc, config: RoutingConfig, members: _Members) -> Iterator[Problem]:
    """Callers who are overtaken for long by those of another queue with the same agents."""
    served_by = {queue: {a.id for a in people} for queue, people in members.items()}
    highest = max((e.priority for e in config.entries), default=0)
    for queue in config.queues:
        limit_s = _longest_wait_s(queue) or _LONG_OVERTAKING_S
        mine = served_by[queue.id]
        worst, by = 0.0, ""
        for other in config.queues:
            if other is queue or not mine or not mine <= served_by[other.id]:
                continue
            ahead = _head_start_s(config, other, 0) - _head_start_s(config, queue, 0)
            if ahead > worst:
                worst, by = ahead, other.id
        if worst >= limit_s:
            yield doc.problem(
                ("queues", queue.id),
                f"may starve: everyone who enters {by} up to {worst:g} s later is served first, "
                "by the same agents",
                "lower the other's priority or head_start_s, or give this queue agents of its own",
                warning=True,
            )
        within = _head_start_s(config, queue, highest) - _head_start_s(config, queue, 0)
        if within > _LONG_OVERTAKING_S:
            yield doc.problem(
                ("queues", queue.id),
                f"callers of priority {highest} overtake those who came up to {within:g} s earlier",
                "lower priority_step_s or the entries' priority",
                warning=True,
            )


def _agents(doc: TomlDoc, config: RoutingConfig) -> Iterator[Problem]:
    at: dict[str, str] = {}
    for agent in config.agents:
        if not agent.memberships:
            yield doc.problem(("agents", agent.id), "serves no queue", "add queues", warning=True)
        if agent.phone and agent.phone in at:
            yield doc.problem(
                ("agents", agent.id, "phone"),
                f'"{agent.phone}" is also the phone of {at[agent.phone]}',
                "they can not work at the same time",
                warning=True,
            )
        if agent.phone:
            at.setdefault(agent.phone, agent.id)


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """What a queue can carry. ``agents`` counts one who serves k queues as 1/k in each."""

    queue: str
    agents: float
    listed: int
    handle_s: float
    calls_per_hour: float
    abandonment: float


def loads(
    config: RoutingConfig,
    *,
    talk_s: float = ASSUMED_TALK_S,
    patience_s: float = ASSUMED_PATIENCE_S,
    share: float = TARGET_SHARE,
) -> list[QueueLoad]:
    """For each queue, the calls an hour at which ``share`` are answered within its threshold.

    Erlang A (:mod:`routing.erlang`) with everybody logged in. Shared agents are cut into equal
    parts, which errs on the careful side: pooled agents carry more.
    """
    out = []
    members = _members(config)

    @functools.cache  # many queues are alike, and it takes a while
    def carried(agents: int, handle_s: float, within_s: float) -> float:
        return carries_per_s(agents, handle_s, patience_s, within_s=within_s, share=share)

    for queue in config.queues:
        people = members[queue.id]
        agents = sum(1 / len(a.memberships) for a in people)
        handle_s = talk_s + queue.wrap_up_s
        low = int(agents)
        part = agents - low

        within_s = queue.service_level_s
        per_s = (1 - part) * carried(low, handle_s, within_s)
        per_s += part * carried(low + 1, handle_s, within_s) if part > 0 else 0.0
        lost = erlang_a(max(1, round(agents)), per_s, handle_s, patience_s).abandons if per_s else 0
        out.append(QueueLoad(queue.id, agents, len(people), handle_s, per_s * 3600, lost))
    return out

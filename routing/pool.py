"""One queue's index: idle agents and waiting interactions, sorted, and found without scanning.

Idle agents stand in *buckets*: those of one level and penalty whom every need of the queue scores
alike, sorted by the strategy's rank. Waiting interactions stand in *lines*: those with one need and
one number of level rounds, sorted by urgency. To find the best agent for an interaction is to
compare the heads of a few buckets, and the other way round the heads of a few lines.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from math import inf

from routing.agent_records import Seat
from routing.draws import Draws
from routing.estimate import ExpectedWait, WaitModel
from routing.ids import AgentId, SkillId
from routing.line import Entry, Line
from routing.model import Queue, Requirement, Skill
from routing.records import Interaction
from routing.sharing import Crew, Neighbourhood, outlook
from routing.skills import ANY_LEVEL, Ask, Need, Score, ask, score
from routing.strategies import Reach, Strategy, strategy

Prefix = tuple[int, int, Score]
Head = tuple[Entry, int, int]
"""The first of a line, and the line's need and rounds."""

MAX_ASKS = 1000
"""So many combinations of language and requirements are remembered."""
MAX_GAVE_UP = 1000
"""So many who may come back to their place are remembered."""
MAX_NEEDS = 64
"""Above this, needs that nobody waits with are forgotten."""


class Bucket:
    """Idle agents who are alike for every need of the queue."""

    __slots__ = ("clock", "level", "line", "penalty", "prefixes")

    def __init__(self, level: int, penalty: int, scores: tuple[Score | None, ...]) -> None:
        self.level = level
        self.penalty = penalty
        self.prefixes = tuple((level, penalty, s) if s is not None else None for s in scores)
        """For each need: what comes before the strategy's rank; None: not at all."""
        self.line = Line()
        self.clock = 0.0  # of a race


class Figures:
    """Counts of one queue since the day began."""

    __slots__ = ("abandoned", "answered", "entered", "in_time", "wait_sum_s")

    def __init__(self) -> None:
        self.entered = 0
        self.answered = 0
        self.abandoned = 0
        self.in_time = 0
        self.wait_sum_s = 0.0


class Pool:
    """The agents and the waiting interactions of one queue."""

    __slots__ = (
        "_asked_for",
        "_bucket_by_skills",
        "_buckets",
        "_draws",
        "_filled",
        "_forget_at",
        "_heads",
        "_needs",
        "_version",
        "asks",
        "available",
        "capacity",
        "crews",
        "day",
        "empty_since",
        "figures",
        "gave_up",
        "idle",
        "level_index",
        "lines",
        "logged_in",
        "near",
        "order",
        "possible",
        "queue",
        "seats",
        "staffed",
        "strategy",
        "talking",
        "turn",
        "waits",
    )

    def __init__(self, queue: Queue, draws: Draws) -> None:
        self.queue = queue
        self.strategy: Strategy = strategy(queue.strategy)
        self.seats: dict[AgentId, Seat] = {}
        self.lines: dict[tuple[int, int], Line] = {}
        self._heads: list[Head] = []  # of the lines, the most urgent first
        self.order = Line()  # everyone in the queue, also while offered
        self.idle = 0  # how many agents stand idle here
        self.asks: dict[tuple[str, tuple[Requirement, ...]], Ask] = {}
        self.staffed: dict[int, int] = {}  # level -> agents logged in
        self.level_index: dict[int, int] = {}
        self.logged_in = 0
        self.available = 0  # logged in and not paused, busy or not
        self.empty_since = 0.0  # as ``leave_empty`` counts
        self.gave_up: dict[str, tuple[float, float]] = {}  # number -> virtual arrival, when it left
        self.capacity = 0  # interactions that these can have at once
        self.crews: list[Crew] = []
        self.near: Neighbourhood | None = None  # worked out when first asked for
        self.waits = WaitModel()
        self.possible: dict[Need, bool] = {}  # could anybody ever take it
        self.talking = 0
        self.turn = 0
        self.day = -1
        self.figures = Figures()
        self._draws = draws
        self._needs: dict[Need, int] = {}
        self._forget_at = MAX_NEEDS
        self._buckets: dict[tuple[int, int, tuple[Score | None, ...]], Bucket] = {}
        self._filled: dict[Bucket, None] = {}  # those in which somebody stands
        self._asked_for: list[SkillId] = []  # every skill that some need names
        self._bucket_by_skills: dict[tuple[int | None, ...], Bucket] = {}
        self._version = 0

    # --- agents ------------------------------------------------------------------------------

    def staff(self, seat: Seat, change: int) -> bool:
        """Count an agent as logged in (+1) or out (-1); whether the levels now count otherwise."""
        self.logged_in += change
        self.staffed[seat.level] = self.staffed.get(seat.level, 0) + change
        before = self.level_index
        self.number_levels()
        return before != self.level_index

    def number_levels(self) -> None:
        """Number the levels in the order in which they are asked."""
        skip = self.queue.level_skip_unstaffed
        levels = sorted(level for level, n in self.staffed.items() if n > 0 or not skip)
        self.level_index = {level: index for index, level in enumerate(levels)}

    def open(self, seat: Seat) -> None:
        """The agent stands idle in this queue from now on."""
        bucket = self.bucket_of(seat)
        if self.strategy.race:
            seat.draw = self._draws.exponential()
            rank: tuple[float, ...] = (bucket.clock + self.strategy.rank(seat)[0],)
        else:
            rank = self.strategy.rank(seat)
        seat.entry = (*rank, seat.order, seat)
        if bucket.line.head is None:
            self._filled[bucket] = None
        bucket.line.add(seat.entry)
        self.idle += 1

    def close(self, seat: Seat) -> None:
        """The agent no longer stands idle in this queue."""
        if seat.entry is not None:
            bucket = seat.bucket
            assert bucket is not None
            bucket.line.remove(seat.entry)
            if bucket.line.head is None:
                del self._filled[bucket]
            seat.entry = None
            self.idle -= 1

    def bucket_of(self, seat: Seat) -> Bucket:
        """The bucket for the agent; kept until the needs change."""
        if seat.bucket is None or seat.version != self._version:
            skills = seat.agent.config.skills
            alike = (seat.level, seat.penalty, *[skills.get(s) for s in self._asked_for])
            bucket = self._bucket_by_skills.get(alike)
            if bucket is None:
                by_proficiency = self.strategy.by_proficiency
                scores = tuple(score(n, skills, seat.penalty, by_proficiency) for n in self._needs)
                key = (seat.level, seat.penalty, scores)
                bucket = self._buckets.get(key)
                if bucket is None:
                    bucket = self._buckets[key] = Bucket(*key)
                self._bucket_by_skills[alike] = bucket
            seat.bucket = bucket
            seat.version = self._version
        return seat.bucket

    def reached(self, level: int, rounds: int) -> bool:
        """Whether agents of ``level`` may be asked after ``rounds`` advances."""
        return rounds == ANY_LEVEL or self.level_index.get(level, 0) <= rounds

    def best(self, key: tuple[int, int]) -> list[Seat]:
        """The idle agents whom an offer for this need and these rounds asks, best first."""
        if not self.idle:
            return []
        need, rounds = key
        fitting = [
            (prefix, b)
            for b in self._filled
            if (prefix := b.prefixes[need]) is not None
            and (rounds == ANY_LEVEL or self.reached(b.level, rounds))
        ]
        if not fitting:
            return []
        least = min(fitting, key=_prefix)[0]
        if self.strategy.reach is Reach.ALL:
            asked = [b for prefix, b in fitting if prefix[:2] == least[:2]]
            entries = sorted(entry for b in asked for entry in b.line)
            return [entry[-1] for entry in entries]
        alike = [b for prefix, b in fitting if prefix == least]
        if not self.strategy.race:
            seat: Seat = min(_head(b) for b in alike)[-1]
            return [seat]
        chosen = min(alike, key=_lead)
        lead = _lead(chosen)[0]
        for bucket in alike:
            bucket.clock += lead
        seat = _head(chosen)[-1]
        return [seat]

    # --- waiting interactions ----------------------------------------------------------------

    def lead(self, seat: Seat) -> tuple[float, ...]:
        """In a race: how long until this idle agent's clock rings."""
        if seat.entry is None or seat.bucket is None:
            return (0.0,)
        return (seat.entry[0] - seat.bucket.clock,)

    def ask(self, skills: tuple[Skill, ...], language: str, own: tuple[Requirement, ...]) -> Ask:
        """What an interaction of this language and these requirements asks here."""
        key = (language, own)
        known = self.asks.get(key)
        if known is None:
            if len(self.asks) >= MAX_ASKS:
                self.asks.clear()
            known = self.asks[key] = ask(self.queue, skills, language, own)
        return known

    def expect(
        self, skills: tuple[Skill, ...], language: str, own: tuple[Requirement, ...]
    ) -> None:
        """Such an interaction may come: know its needs beforehand."""
        for _, need in self.ask(skills, language, own).needs:
            if len(self._needs) < MAX_NEEDS // 2:
                self.need(need)

    def need(self, need: Need) -> int:
        """The number by which the lines know this need."""
        number = self._needs.get(need)
        if number is None:
            if len(self._needs) >= self._forget_at:
                self._forget_needs()
            number = self._needs[need] = len(self._needs)
            self._sort_again()
        return number

    def _forget_needs(self) -> None:
        """Keep only needs that somebody waits with."""
        known = list(self._needs)
        used = sorted({number for number, _ in self.lines})
        renumbered = {old: new for new, old in enumerate(used)}
        self._needs = {known[old]: new for old, new in renumbered.items()}
        lines = {}
        for (old, rounds), line in self.lines.items():
            key = (renumbered[old], rounds)
            lines[key] = line
            for entry in line:
                entry[-1].line_key = key
        self.lines = lines
        self._heads = sorted((line.head, *key) for key, line in lines.items() if line.head)
        # where most of them are waited with, not again with the very next one
        self._forget_at = max(MAX_NEEDS, 2 * len(used))

    def _sort_again(self) -> None:
        """Put the idle agents into the buckets of the changed needs."""
        before = list(self._filled)
        self._buckets = {}
        self._filled = {}
        self._bucket_by_skills = {}
        self._asked_for = sorted({r.skill for n in self._needs for r in n.requirements})
        self._version += 1
        for old in before:
            for entry in old.line:
                seat: Seat = entry[-1]
                bucket = self.bucket_of(seat)
                if self.strategy.race:
                    entry = (entry[0] - old.clock, *entry[1:])
                    seat.entry = entry
                bucket.line.add(entry)
                self._filled[bucket] = None

    def park(self, live: Interaction, key: tuple[int, int]) -> None:
        """The interaction waits in the line of this need and these rounds."""
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = Line()
        assert live.entry is not None
        head = line.head
        line.add(live.entry)
        live.line = line
        live.line_key = key
        if line.head is not head:
            self._new_head(key, head, line.head)

    def unpark(self, live: Interaction) -> None:
        """The interaction waits no longer in its line (but keeps its place in ``order``)."""
        if live.line is not None:
            assert live.entry is not None
            line = live.line
            head = line.head
            line.remove(live.entry)
            if line.head is not head:
                self._new_head(live.line_key, head, line.head)
                if line.head is None:
                    del self.lines[live.line_key]
            live.line = None

    def _new_head(self, key: tuple[int, int], before: Entry | None, after: Entry | None) -> None:
        heads = self._heads
        if before is not None:
            del heads[bisect_left(heads, (before,))]
        if after is not None:
            insort(heads, (after, *key))

    def head_for(self, seat: Seat, before: float = inf) -> Entry | None:
        """The most urgent waiting interaction that this agent may take.

        None also when it is not at least as urgent as ``before``: there is no need to look further.
        """
        bucket = seat.bucket
        if bucket is None or seat.version != self._version:
            bucket = self.bucket_of(seat)
        prefixes = bucket.prefixes
        for entry, need, rounds in self._heads:
            if entry[0] > before:
                return None
            if prefixes[need] is not None and (
                rounds == ANY_LEVEL or self.reached(seat.level, rounds)
            ):
                return entry
        return None

    def keep_place(self, number: str, arrival: float, now: float) -> None:
        """Somebody gave up; ``arrival``: since when the wait counts."""
        if number and self.queue.keep_place_s > 0:
            self._forget(now)
            self.gave_up[number] = (arrival, now)

    def came_back(self, number: str, now: float) -> float:
        """How much earlier than now somebody who calls again has begun to wait."""
        self._forget(now)
        arrival, _ = self.gave_up.pop(number, (now, now))
        return now - arrival

    def _forget(self, now: float) -> None:
        gone = self.gave_up
        # in the order of leaving
        while gone:
            number, (_, left_at) = next(iter(gone.items()))
            if now - left_at <= self.queue.keep_place_s and len(gone) < MAX_GAVE_UP:
                return
            del gone[number]

    def expected_wait(self, entry: Entry) -> ExpectedWait | None:
        """The wait of whoever stands, or would stand, at ``entry``; None when nobody serves."""
        ahead = outlook(self, entry)
        return None if ahead is None else self.waits.expect(*ahead)

    def waiting(self) -> Iterator[Interaction]:
        """Everyone in the queue, the most urgent first."""
        return (entry[-1] for entry in self.order)


def _prefix(item: tuple[Prefix, Bucket]) -> Prefix:
    return item[0]


def _head(bucket: Bucket) -> Entry:
    head = bucket.line.head
    assert head is not None
    return head


def _lead(bucket: Bucket) -> tuple[float, int]:
    head = _head(bucket)
    return (head[0] - bucket.clock, head[1])

"""Agents who serve several lines: how much of their time one line gets while callers wait.

The least virtual arrival is served first, across the queues of the agent who frees
(docs/routing.md). So a caller has to see off whoever is ahead in *any* line that draws on the same
agents; the estimate for one line alone (``estimate``) does not know these.

Agents who serve the same lines are one :class:`Crew`. Their time is split so that the lines a crew
works for reach the caller's virtual arrival together; a line that is quicker with other crews gets
none of it. This is the equilibrium of a Fisher market in which lines spend the work ahead of the
caller on the crews' time; "bid in proportion to what you got" leads there (L. Zhang, "Proportional
response dynamics in the Fisher market", Theoretical Computer Science 412 (2011) 2691-2698). It is
exact, as a mean, for lines apart and for lines that share all their agents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from routing.facts import Channel

if TYPE_CHECKING:
    from routing.line import Entry
    from routing.pool import Pool

MAX_CREWS = 8
"""So many crews are looked at, the nearest and biggest first; the rest is taken to be like them."""
ROUNDS = 6
"""Of bidding: mostly within a few per cent of the equilibrium, at worst 15 %. More of both took
time and made announced waits no truer."""


class Crew:
    """Agents who serve the same lines of one channel; all of them together one pool of time."""

    __slots__ = ("channel", "members", "pools", "size")

    def __init__(self, channel: Channel, pools: tuple[Pool, ...]) -> None:
        self.channel = channel
        self.pools = pools
        self.members = 0  # logged in or not
        self.size = 0
        """Interactions that those of them who are available can have at once."""


class Neighbourhood(NamedTuple):
    """The crews around one line, which is line 0, and the lines that they serve."""

    lines: list[Pool]
    crews: list[tuple[Crew, list[int]]]  # with the numbers of its lines
    alone: bool  # its agents serve no other line


class Share(NamedTuple):
    """What a line gets. ``agents``: full-time equivalents. ``part``: of its crews' time, 0..1."""

    agents: float
    part: float


class Outlook(NamedTuple):
    """What stands between a caller and an agent.

    ``steps`` callers (this one included) are served meanwhile by ``agents``, ``each_s`` long.
    """

    steps: int
    agents: float
    each_s: float


def neighbourhood(pool: Pool) -> Neighbourhood:
    """The crews of ``pool``, then those of the lines they serve, and so on up to ``MAX_CREWS``."""
    lines = [pool]
    number = {pool: 0}
    crews: dict[Crew, list[int]] = {}
    for line in lines:
        for crew in sorted(line.crews, key=lambda crew: -crew.members):
            if len(crews) == MAX_CREWS or crew in crews:
                continue
            for other in crew.pools:
                if other not in number:
                    number[other] = len(lines)
                    lines.append(other)
            crews[crew] = [number[other] for other in crew.pools]
    return Neighbourhood(lines, list(crews.items()), len(lines) == 1)


def split(crews: Sequence[tuple[float, Sequence[int]]], work: Sequence[float]) -> Share:
    """What line 0 gets of ``crews`` (size, lines served), with ``work`` ahead in each line."""
    # flat lists, one place for each crew and line: this is the costly part of an announcement
    of_line: list[int] = []
    of_crew: list[int] = []
    times: list[float] = []
    for crew, (size, lines) in enumerate(crews):
        wanted = [line for line in lines if work[line] > 0]
        of_line += wanted
        of_crew += [crew] * len(wanted)
        times += [size / len(wanted) for _ in wanted]
    sizes = [size for size, _ in crews]
    for _ in range(ROUNDS):
        total = [0.0] * len(work)
        for line, time in zip(of_line, times, strict=True):
            total[line] += time
        price = [w / t if t else 0.0 for w, t in zip(work, total, strict=True)]
        bids = [price[line] * time for line, time in zip(of_line, times, strict=True)]
        spent = [0.0] * len(sizes)
        for crew, bid in zip(of_crew, bids, strict=True):
            spent[crew] += bid
        rate = [size / s if s else 0.0 for size, s in zip(sizes, spent, strict=True)]
        times = [rate[crew] * bid for crew, bid in zip(of_crew, bids, strict=True)]
    mine = [
        (sizes[crew], time)
        for crew, line, time in zip(of_crew, of_line, times, strict=True)
        if line == 0
    ]
    agents = sum(time for _, time in mine)
    return Share(agents, sum(time * time / size for size, time in mine) / agents)


def outlook(pool: Pool, entry: Entry) -> Outlook | None:
    """For a caller who stands, or would stand, at ``entry`` in ``pool``; None: nobody serves.

    What each caller ahead takes is the handle time of that line; the last step is the rest of a
    conversation that runs now, of whichever line.
    """
    ahead = pool.order.before(entry)
    handle_s = max(pool.waits.handle.mean, 0.1)
    if pool.capacity <= 0:
        return None
    if pool.near is None:
        pool.near = neighbourhood(pool)
    lines, crews, alone = pool.near
    if alone:
        return Outlook(ahead + 1, pool.capacity, handle_s)
    present = [(crew.size, numbers) for crew, numbers in crews if crew.size > 0]
    found_in = [0.0] * len(lines)  # how many of each line's agents
    with_us = [0.0] * len(lines)  # how many of these serve us too
    for size, numbers in present:
        ours = 0 in numbers
        for line in numbers:
            found_in[line] += size
            if ours:
                with_us[line] += size
    if not found_in[0]:
        return Outlook(ahead + 1, pool.capacity, handle_s)
    work = [0.0] * len(lines)
    running = running_rate = 0.0
    for line, other in enumerate(lines):
        if found_in[line]:
            other_s = max(other.waits.handle.mean, 0.1)
            if other.order.head is not None:
                work[line] = other.order.before(entry) * other_s * found_in[line] / other.capacity
            talking = other.talking * with_us[line] / found_in[line]
            running += talking
            running_rate += talking / other_s
    seen = found_in[0] / pool.capacity
    work[0] += seen * (running / running_rate if running_rate else handle_s)
    agents, part = split(present, work)
    steps = max(1, round((ahead + 1) / part))
    served_by = agents / part / seen
    return Outlook(steps, served_by, work[0] / agents * served_by / steps)

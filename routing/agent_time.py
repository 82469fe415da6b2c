"""Agents' time by state and interval: a pure fold over state changes that leaves no gap.

An agent is in exactly one state from each change to the next, so the states partition the time
logged in, whatever midnights and changes of clocks lie between (invariant T).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from routing.ids import AgentId
from routing.stats import AgentTime, Intervals, spread

LOGGED_OUT = "logged_out"
"""The state in which no time is counted."""


@dataclass(slots=True)
class _Since:
    state: str
    productive: bool
    at: float


@dataclass(slots=True)
class StateTimes:
    """``cells``: the time of each agent in each interval, by the interval's start."""

    intervals: Intervals
    cells: dict[tuple[AgentId, float], AgentTime] = field(default_factory=dict)
    _now: dict[AgentId, _Since] = field(default_factory=dict)

    def enter(self, agent: AgentId, state: str, at: float, *, productive: bool = False) -> None:
        """From ``at`` on the agent is in ``state`` (of ``agent_state``, ``paused``, logged_out).

        ``productive``: a pause that counts as work. Time before the last change is never rewritten:
        an ``at`` that lies before it counts as the moment of that change.
        """
        before = self._now.get(agent)
        if before is not None:
            at = max(at, before.at)
            self._close(agent, before, at)
        self._now[agent] = _Since(state, productive, at)

    def until(self, at: float) -> None:
        """Count up to ``at`` what still lasts, for a report in the middle of the day."""
        for agent, since in self._now.items():
            if since.at < at:
                self._close(agent, since, at)
                since.at = at

    def total(self, agent: AgentId) -> AgentTime:
        """All intervals of an agent together."""
        total = AgentTime()
        for (found, _), time in self.cells.items():
            if found == agent:
                total = total + time
        return total

    def _close(self, agent: AgentId, since: _Since, at: float) -> None:
        if since.state == LOGGED_OUT:
            return
        for start, seconds in spread(self.intervals, since.at, at):
            cell = self.cells.setdefault((agent, start), AgentTime())
            cell.add(since.state, seconds, productive=since.productive)

"""The floor: everything the engine knows at one moment, and the means to change it.

Modules that decide (agents, matching, offers, flows, waiting, ending) are functions over it. They
do not call each other in circles: what has to be looked at next is put on a work list, and
``engine`` works these off before it returns the commands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from routing.agent_records import AgentRecord, Seat
from routing.commands import CancelTimer, Command, StartTimer
from routing.draws import Draws
from routing.errors import ConfigError
from routing.facts import Channel, PhoneState
from routing.foresight import foreseen
from routing.hours import Schedule, instant, zone
from routing.ids import AgentId, FlowId, InteractionId, PhoneId, QueueId, TimerId
from routing.model import Entry, Flow, RoutingConfig
from routing.pool import Figures, Pool
from routing.records import Interaction
from routing.sharing import Crew

DAY_S = 86400.0

Due = Callable[["Floor"], None]
"""What to do when a timer fires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A callback that is due: who, for which queue, and whose place it takes."""

    id: InteractionId
    queue: QueueId
    number: str
    name: str = ""
    waiting_since: float
    not_before: float = 0.0
    priority: int = 0
    like: Interaction | None = None


class Floor:
    """All state of one engine. ``now`` and ``out`` belong to the ``handle`` call that runs."""

    def __init__(self, config: RoutingConfig, seed: int) -> None:
        self.now = 0.0
        self.out: list[Command] = []
        self.draws = Draws(seed)
        self.live: dict[InteractionId, Interaction] = {}
        self.agents: dict[AgentId, AgentRecord] = {}
        self.pools: dict[QueueId, Pool] = {}
        self.timers: dict[TimerId, Due] = {}
        self.phones: dict[PhoneId, AgentId] = {}  # who sits where
        self.phone_states: dict[PhoneId, PhoneState] = {}
        self.seq = 0
        # what is to be looked at before the handle call ends
        self.freed: list[AgentRecord] = []
        self.seekers: list[Interaction] = []
        self.movers: list[Interaction] = []
        self.promises: list[Promise] = []
        # what was touched since the last take_changes
        self.changed_interactions: set[InteractionId] = set()
        self.ended: dict[InteractionId, Interaction] = {}  # until their last views were told
        self.changed_agents: set[AgentId] = set()
        self.changed_queues: set[QueueId] = set()
        self._day = 0
        self._day_from = self._day_until = 0.0
        self.adopt(config)

    # --- configuration -----------------------------------------------------------------------

    def adopt(self, config: RoutingConfig) -> None:
        """Put a configuration in force. ConfigError (and nothing changed) if it cannot be."""
        try:
            schedules = {h.id: Schedule(h, config.calendars) for h in config.hours}
            day_zone = zone(config.timezone)
        except ValueError as error:
            raise ConfigError([str(error)]) from error
        pools = {q.id: Pool(q, self.draws) for q in config.queues}
        problems = [
            f"agent {a.id}: queue {m.queue!r} is not defined"
            for a in config.agents
            for m in a.memberships
            if m.queue not in pools
        ]
        problems += [
            f"queue {q.id}: hours {q.hours!r} are not defined"
            for q in config.queues
            if q.hours and q.hours not in schedules
        ]
        if problems:
            raise ConfigError(problems)
        agents = {}
        crews: dict[tuple[Pool, ...], Crew] = {}
        for order, agent in enumerate(config.agents):
            record = self.agents.get(agent.id) or AgentRecord(agent, order)
            record.config = agent
            record.order = order
            record.seats = {}
            agents[agent.id] = record
            for membership in agent.memberships:
                pool = pools[membership.queue]
                seat = Seat(record, pool, membership)
                record.seats[membership.queue] = seat
                pool.seats[agent.id] = seat
                pool.staffed.setdefault(membership.level, 0)
            by_channel: dict[Channel, list[Seat]] = {}
            for seat in record.seats.values():
                by_channel.setdefault(seat.pool.queue.channel, []).append(seat)
            record.seats_by_channel = list(by_channel.items())
            record.crews = [
                _crew(crews, channel, tuple(seat.pool for seat in seats))
                for channel, seats in record.seats_by_channel
            ]
        for pool in pools.values():
            pool.number_levels()
        for queue, language, skills in foreseen(config):
            if queue in pools:
                pools[queue].expect(config.skills, language or config.language, skills)
        self.config = config
        self.schedules = schedules
        self.day_zone = day_zone
        self.pools = pools
        self.agents = agents
        self.flows: dict[FlowId, Flow] = {f.id: f for f in config.flows}
        self.entries: dict[str, Entry] = {
            e.did: e for e in config.entries if not e.did.endswith("*")
        }
        self.wild_entries = sorted(
            (e for e in config.entries if e.did.endswith("*")), key=lambda e: -len(e.did)
        )
        self._day_until = 0.0

    # --- commands and timers -----------------------------------------------------------------

    def emit(self, command: Command) -> None:
        """Have ``command`` carried out."""
        self.out.append(command)

    def start_timer(self, timer: TimerId, after_s: float, due: Due) -> None:
        """Call ``due`` in ``after_s`` seconds; replaces a timer of the same id."""
        self.timers[timer] = due
        self.out.append(StartTimer(timer=timer, after_s=max(0.0, after_s)))

    def cancel_timer(self, timer: TimerId) -> None:
        """Forget the timer if it runs."""
        if self.timers.pop(timer, None) is not None:
            self.out.append(CancelTimer(timer=timer))

    def start_own_timer(self, live: Interaction, name: str, after_s: float, due: Due) -> None:
        """A timer that ends with the interaction, at the latest."""
        timer = TimerId(f"{live.id}:{name}")
        live.timers.add(timer)
        self.start_timer(timer, after_s, due)

    def cancel_own_timer(self, live: Interaction, name: str) -> None:
        """Forget the interaction's timer ``name`` if it runs."""
        if live.timers:
            timer = TimerId(f"{live.id}:{name}")
            live.timers.discard(timer)
            self.cancel_timer(timer)

    # --- changes -----------------------------------------------------------------------------

    def touch(self, live: Interaction) -> None:
        """The interaction's view (and its queue's) is worth sending again."""
        self.changed_interactions.add(live.id)
        if live.pool is not None:
            self.changed_queues.add(live.pool.queue.id)

    def touch_agent(self, agent: AgentRecord) -> None:
        """The agent's view (and that of the agent's queues) is worth sending again."""
        self.changed_agents.add(agent.id)
        self.changed_queues.update(agent.seats)

    # --- the day -----------------------------------------------------------------------------

    def day(self) -> int:
        """The local day's number; figures of another day are set to zero when next used."""
        if not self._day_from <= self.now < self._day_until:
            local = datetime.fromtimestamp(self.now, tz=UTC).astimezone(self.day_zone)
            midnight = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
            self._day = midnight.toordinal()
            self._day_from = instant(midnight.replace(tzinfo=self.day_zone))
            self._day_until = self._day_from + DAY_S  # wrong by an hour at most, twice a year
        return self._day

    def figures(self, pool: Pool) -> Figures:
        """The queue's counts of today."""
        day = self.day()
        if pool.day != day:
            pool.day = day
            pool.figures = Figures()
        return pool.figures


def _crew(crews: dict[tuple[Pool, ...], Crew], channel: Channel, pools: tuple[Pool, ...]) -> Crew:
    """The crew of those who serve ``pools``, one member more."""
    key = tuple(sorted(pools, key=lambda pool: pool.queue.id))
    crew = crews.get(key)
    if crew is None:
        crew = crews[key] = Crew(channel, key)
        for pool in key:
            pool.crews.append(crew)
    crew.members += 1
    return crew

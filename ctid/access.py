"""Who may see and do what: one literal table, and the rules that turn a scope into yes or no.

Used by the HTTP handlers and by the event stream, so that both show a person the same things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from routing.ids import AgentId, QueueId
from routing.model import RoutingConfig
from routing.views import InteractionView


class Role(StrEnum):
    """What a user is in the house."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    VIEWER = "viewer"  # figures, and of the CRM what its own table shows, masked


class Scope(StrEnum):
    """How far a right reaches. Each includes what the ones before it include."""

    NONE = "none"
    OWN = "own"  # the user's own agent, and what that agent handles or handled
    QUEUES = "queues"  # the agents and queues of the user's own memberships
    TEAM = "team"  # agents of the user's teams, and the queues those teams supervise
    ALL = "all"


class Action(StrEnum):
    """What is asked for."""

    SELF = "self"
    EVENTS = "events"
    AGENTS_VIEW = "agents.view"
    AGENT_STATUS = "agents.status"
    AGENT_WRAP_UP = "agents.wrap_up"
    QUEUES_VIEW = "queues.view"
    INTERACTIONS_VIEW = "interactions.view"
    INTERACTIONS_EXPLAIN = "interactions.explain"
    INTERACTIONS_DISPOSITION = "interactions.disposition"
    INTERACTIONS_RELEASE = "interactions.release"
    INTERACTIONS_SUPERVISE = "interactions.supervise"
    INTERACTIONS_INTERCEPT = "interactions.intercept"
    INTERACTIONS_CONTROL = "interactions.control"
    INTERACTIONS_RECORDING = "interactions.recording"
    CALLS_MAKE = "calls.make"
    CALLBACKS_PROMISE = "callbacks.promise"
    CUSTOMERS_VIEW = "customers.view"
    CRM = "crm"
    CONTACT_RECORDS_VIEW = "contact_records.view"
    RECORDINGS_LISTEN = "recordings.listen"
    CONFIG_UI = "config.ui"
    CONFIG_QUEUES_VIEW = "config.queues.view"
    CONFIG_QUEUES_CHANGE = "config.queues.change"


def _row(agent: Scope, supervisor: Scope, admin: Scope, viewer: Scope) -> Mapping[Role, Scope]:
    return {
        Role.AGENT: agent,
        Role.SUPERVISOR: supervisor,
        Role.ADMIN: admin,
        Role.VIEWER: viewer,
    }


NONE, OWN, QUEUES, TEAM, ALL = Scope

# fmt: off
PERMISSIONS: Mapping[Action, Mapping[Role, Scope]] = {
    #                                     agent   supervisor admin viewer
    Action.SELF:                     _row(ALL,    ALL,       ALL,  ALL),
    Action.EVENTS:                   _row(ALL,    ALL,       ALL,  ALL),   # by its audience
    Action.AGENTS_VIEW:              _row(QUEUES, TEAM,      ALL,  NONE),
    Action.AGENT_STATUS:             _row(OWN,    TEAM,      ALL,  NONE),
    Action.AGENT_WRAP_UP:            _row(OWN,    TEAM,      ALL,  NONE),
    Action.QUEUES_VIEW:              _row(QUEUES, ALL,       ALL,  ALL),   # names no person
    Action.INTERACTIONS_VIEW:        _row(OWN,    TEAM,      ALL,  NONE),
    Action.INTERACTIONS_EXPLAIN:     _row(NONE,   TEAM,      ALL,  NONE),  # names colleagues
    Action.INTERACTIONS_DISPOSITION: _row(OWN,    OWN,       OWN,  NONE),
    Action.INTERACTIONS_RELEASE:     _row(NONE,   TEAM,      ALL,  NONE),
    Action.INTERACTIONS_SUPERVISE:   _row(NONE,   TEAM,      ALL,  NONE),
    Action.INTERACTIONS_INTERCEPT:   _row(NONE,   TEAM,      ALL,  NONE),
    Action.INTERACTIONS_CONTROL:     _row(OWN,    TEAM,      ALL,  NONE),  # hold, transfer
    Action.INTERACTIONS_RECORDING:   _row(OWN,    TEAM,      ALL,  NONE),
    Action.CALLBACKS_PROMISE:        _row(QUEUES, TEAM,      ALL,  NONE),
    Action.CALLS_MAKE:               _row(OWN,    OWN,       OWN,  NONE),
    Action.CONFIG_UI:                _row(ALL,    ALL,       ALL,  ALL),
    Action.CONFIG_QUEUES_VIEW:       _row(NONE,   ALL,       ALL,  NONE),
    Action.CONFIG_QUEUES_CHANGE:     _row(NONE,   NONE,      ALL,  NONE),
    # The CRM has its own table (crmcore.access), which narrows what these let through.
    Action.CUSTOMERS_VIEW:           _row(ALL,    ALL,       ALL,  ALL),
    Action.CRM:                      _row(ALL,    ALL,       ALL,  ALL),
    Action.CONTACT_RECORDS_VIEW:     _row(OWN,    ALL,       ALL,  ALL),   # and customers' history
    Action.RECORDINGS_LISTEN:        _row(OWN,    TEAM,      ALL,  NONE),
}
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A user who is asking. ``agent``: the agent of queues.toml whom the user is, if any."""

    username: str
    role: Role
    display_name: str = ""
    agent: AgentId | None = None
    teams: frozenset[str] = frozenset()
    language: str = ""

    def scope(self, action: Action) -> Scope:
        """How far the user's right to ``action`` reaches."""
        return PERMISSIONS[action][self.role]


class House:
    """Who belongs to what, indexed from one routing configuration.

    What has no teams, queue or agent, may be supervised by every supervisor
    (``routing.model.Queue.teams``).
    """

    def __init__(self, config: RoutingConfig) -> None:
        self.config = config
        self._names = {str(a.id): a.name or a.id for a in config.agents}
        self.teams_of_agent: dict[AgentId, frozenset[str]] = {}
        self.queues_of_agent: dict[AgentId, frozenset[QueueId]] = {}
        self.teams_of_queue = {q.id: frozenset(q.teams) for q in config.queues}
        served: dict[QueueId, set[AgentId]] = {q.id: set() for q in config.queues}
        for agent in config.agents:
            self.teams_of_agent[agent.id] = frozenset(agent.teams)
            self.queues_of_agent[agent.id] = frozenset(m.queue for m in agent.memberships)
            for membership in agent.memberships:
                served.setdefault(membership.queue, set()).add(agent.id)
        self.agents_of_queue = {q: frozenset(a) for q, a in served.items()}
        self.colleagues = {
            agent: frozenset[AgentId]().union(*(self.agents_of_queue[q] for q in queues)) | {agent}
            for agent, queues in self.queues_of_agent.items()
        }

    def agent_name(self, agent: str) -> str:
        """An agent's name; empty for one who is gone."""
        return self._names.get(agent, "")

    def may_see_agent(self, viewer: Viewer, scope: Scope, agent: AgentId) -> bool:
        """Whether ``agent`` is within ``scope`` for ``viewer``."""
        if scope is Scope.ALL:
            return True
        if scope is Scope.NONE:
            return False
        if viewer.agent is not None and viewer.agent == agent:
            return True
        if scope is Scope.OWN:
            return False
        if viewer.agent is not None and agent in self.colleagues.get(viewer.agent, ()):
            return True
        return scope is Scope.TEAM and self.supervises_agent(viewer, agent)

    def may_command_agent(self, viewer: Viewer, scope: Scope, agent: AgentId) -> bool:
        """As ``may_see_agent``, but sharing a queue with somebody gives no say over them."""
        if scope is Scope.ALL or (
            scope is not Scope.NONE and viewer.agent is not None and viewer.agent == agent
        ):
            return True
        return scope is Scope.TEAM and self.supervises_agent(viewer, agent)

    def may_see_queue(self, viewer: Viewer, scope: Scope, queue: QueueId) -> bool:
        """Whether ``queue`` is within ``scope`` for ``viewer``."""
        if scope is Scope.ALL:
            return True
        if scope in (Scope.NONE, Scope.OWN):
            return False
        if viewer.agent is not None and queue in self.queues_of_agent.get(viewer.agent, ()):
            return True
        return scope is Scope.TEAM and self.supervises_queue(viewer, queue)

    def supervises_agent(self, viewer: Viewer, agent: AgentId) -> bool:
        """Whether the agent is in one of the viewer's teams."""
        teams = self.teams_of_agent.get(agent)
        return teams is not None and (not teams or not viewer.teams.isdisjoint(teams))

    def supervises_queue(self, viewer: Viewer, queue: QueueId) -> bool:
        """Whether the queue is one that the viewer's teams supervise."""
        teams = self.teams_of_queue.get(queue)
        return teams is not None and (not teams or not viewer.teams.isdisjoint(teams))

    def may_see_matter(
        self, viewer: Viewer, scope: Scope, agents: Iterable[AgentId], queue: QueueId | None
    ) -> bool:
        """Whether an interaction, contact record or recording is within ``scope``.

        ``agents`` are those who handle or handled it. Where nobody has yet (or ever), its queue
        says which teams it belongs to; with neither, it belongs to every supervisor.
        """
        if scope is Scope.ALL:
            return True
        if scope is Scope.NONE:
            return False
        agents = tuple(agents)
        if viewer.agent is not None and viewer.agent in agents:
            return True
        if scope is not Scope.TEAM:
            return False
        if agents:
            return any(self.supervises_agent(viewer, a) for a in agents)
        return queue is None or self.supervises_queue(viewer, queue)

    def may_see_interaction(self, viewer: Viewer, scope: Scope, view: InteractionView) -> bool:
        """``may_see_matter`` of a live interaction."""
        return self.may_see_matter(viewer, scope, agents_of(view), view.queue)


class HouseOf:
    """The :class:`House` of the configuration now in force, rebuilt only when that has changed."""

    def __init__(self) -> None:
        self._house = House(RoutingConfig())

    def __call__(self, config: RoutingConfig) -> House:
        if self._house.config is not config:
            self._house = House(config)
        return self._house


def agents_of(view: InteractionView) -> tuple[AgentId, ...]:
    """The agents who handle a live interaction now, or whose phones ring for it."""
    return view.ringing_agents if view.agent is None else (view.agent, *view.ringing_agents)

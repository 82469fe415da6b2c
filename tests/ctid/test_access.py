"""The table of rights, role by role, on a house with two teams."""

from __future__ import annotations

import pytest

from ctid.access import PERMISSIONS, Action, House, Role, Scope, Viewer
from routing.ids import AgentId, PhoneId, QueueId
from routing.model import Agent, Membership, Queue, RoutingConfig

pytestmark = pytest.mark.unit

NEWS, ADS, SHARED, OPEN = (QueueId(q) for q in ("news", "ads", "shared", "open"))


def agent(name: str, teams: tuple[str, ...], *queues: QueueId) -> Agent:
    return Agent(
        id=AgentId(name),
        phone=PhoneId(name),
        teams=teams,
        memberships=tuple(Membership(queue=q) for q in queues),
    )


HOUSE = House(
    RoutingConfig(
        queues=(
            Queue(id=NEWS, teams=("red",)),
            Queue(id=ADS, teams=("blue",)),
            Queue(id=SHARED, teams=("red", "blue")),
            Queue(id=OPEN),
        ),
        agents=(
            agent("r1", ("red",), NEWS, SHARED),
            agent("r2", ("red",), NEWS),
            agent("b1", ("blue",), ADS, SHARED),
            agent("free", (), OPEN),
        ),
    )
)
R1 = Viewer(username="r1", role=Role.AGENT, agent=AgentId("r1"), teams=frozenset({"red"}))
RED = Viewer(username="red", role=Role.SUPERVISOR, teams=frozenset({"red"}))
LONE = Viewer(username="lone", role=Role.SUPERVISOR)
ADMIN = Viewer(username="admin", role=Role.ADMIN)
LOOKER = Viewer(username="looker", role=Role.VIEWER)
EVERYBODY = ("r1", "r2", "b1", "free")


def test_the_table_says_something_for_every_action_and_role() -> None:
    assert set(PERMISSIONS) == set(Action)
    for row in PERMISSIONS.values():
        assert set(row) == set(Role)
        assert row[Role.ADMIN] in (Scope.ALL, Scope.OWN)


@pytest.mark.parametrize(
    ("viewer", "seen"),
    [
        (R1, {"r1", "r2", "b1"}),  # colleagues of the own queues
        (RED, {"r1", "r2", "free"}),
        (LONE, {"free"}),
        (ADMIN, set(EVERYBODY)),
        (LOOKER, set()),
    ],
)
def test_agents_seen(viewer: Viewer, seen: set[str]) -> None:
    scope = viewer.scope(Action.AGENTS_VIEW)
    assert {a for a in EVERYBODY if HOUSE.may_see_agent(viewer, scope, AgentId(a))} == seen


@pytest.mark.parametrize(
    ("viewer", "commanded"),
    [
        (R1, {"r1"}),
        (RED, {"r1", "r2", "free"}),
        (LONE, {"free"}),
        (ADMIN, set(EVERYBODY)),
        (LOOKER, set()),
    ],
)
def test_agents_commanded(viewer: Viewer, commanded: set[str]) -> None:
    scope = viewer.scope(Action.AGENT_STATUS)
    assert {a for a in EVERYBODY if HOUSE.may_command_agent(viewer, scope, AgentId(a))} == commanded


@pytest.mark.parametrize(
    ("viewer", "seen"),
    [
        (R1, {NEWS, SHARED}),
        (RED, {NEWS, ADS, SHARED, OPEN}),
        (ADMIN, {NEWS, ADS, SHARED, OPEN}),
        (LOOKER, {NEWS, ADS, SHARED, OPEN}),
    ],
)
def test_queue_figures_seen(viewer: Viewer, seen: set[QueueId]) -> None:
    scope = viewer.scope(Action.QUEUES_VIEW)
    assert {q for q in HOUSE.teams_of_queue if HOUSE.may_see_queue(viewer, scope, q)} == seen


@pytest.mark.parametrize("action", [Action.INTERACTIONS_VIEW, Action.INTERACTIONS_RELEASE])
@pytest.mark.parametrize(
    ("agents", "queue", "red"),
    [
        ((), NEWS, True),
        ((), ADS, False),
        ((), SHARED, True),
        ((), OPEN, True),
        ((), None, True),
        ((), QueueId("gone"), False),
        (("r2",), NEWS, True),
        (("b1",), SHARED, False),  # it is the agent's team that counts once there is one
        (("b1", "r1"), SHARED, True),
        (("gone",), NEWS, False),
        (("free",), OPEN, True),  # in no team: every supervisor's
    ],
)
def test_a_supervisor_reaches_the_matters_of_the_own_team(
    action: Action, agents: tuple[str, ...], queue: QueueId | None, red: bool
) -> None:
    ids = tuple(AgentId(a) for a in agents)
    assert HOUSE.may_see_matter(RED, RED.scope(action), ids, queue) is red
    assert HOUSE.may_see_matter(ADMIN, ADMIN.scope(action), ids, queue)
    assert not HOUSE.may_see_matter(LOOKER, LOOKER.scope(action), ids, queue)


def test_an_agent_sees_the_own_matter_only() -> None:
    scope = R1.scope(Action.INTERACTIONS_VIEW)
    assert HOUSE.may_see_matter(R1, scope, (AgentId("r1"),), NEWS)
    assert not HOUSE.may_see_matter(R1, scope, (AgentId("r2"),), NEWS)
    assert not HOUSE.may_see_matter(R1, scope, (), NEWS)
    assert R1.scope(Action.INTERACTIONS_RELEASE) is Scope.NONE
    assert R1.scope(Action.INTERACTIONS_EXPLAIN) is Scope.NONE
    assert R1.scope(Action.CONFIG_QUEUES_CHANGE) is Scope.NONE
    assert RED.scope(Action.CONFIG_QUEUES_CHANGE) is Scope.NONE

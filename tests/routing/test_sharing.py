"""What one line gets of agents who serve several: the split against closed forms, and the edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import facts as f
from routing.engine import Engine
from routing.ids import AgentId, InteractionId, PhoneId, QueueId
from routing.line import Line
from routing.model import Agent, Entry, Membership, Queue, RoutingConfig
from routing.pool import Pool
from routing.sharing import MAX_CREWS, split

pytestmark = pytest.mark.unit

AT = 1_800_000_000.0


@given(st.integers(1, 50), st.lists(st.floats(0, 5000), min_size=1, max_size=4))
def test_lines_that_share_everybody_are_one_line(agents: int, ahead: list[float]) -> None:
    work = [60.0, *ahead]
    found = split([(agents, range(len(work)))], work)
    assert work[0] / found.agents == pytest.approx(sum(work) / agents)
    assert found.part == pytest.approx(work[0] / sum(work))


def test_lines_apart_know_nothing_of_each_other() -> None:
    assert split([(3, [0]), (5, [1])], [60.0, 9000.0]) == (3.0, 1.0)


@given(
    st.integers(1, 20), st.integers(0, 20), st.integers(1, 20), st.floats(1, 9e3), st.floats(1, 9e3)
)
def test_two_lines_with_some_agents_in_common(
    own: int, theirs: int, both: int, mine: float, other: float
) -> None:
    """Three crews, solved by hand: whichever line is slower with everybody takes the shared crew.

    If one line is slower even with all of the shared crew, it has all of it; else both fronts
    arrive together, after all the work over all the agents.
    """
    alone, helped = mine / own, mine / (own + both)
    if helped > (other / theirs if theirs else float("inf")):
        expected = helped
    elif theirs + both and other / (theirs + both) > alone:
        expected = alone
    else:
        expected = (mine + other) / (own + theirs + both)
    crews = [(own, [0]), (both, [0, 1]), (theirs, [1])]
    found = split([c for c in crews if c[0]], [mine, other])
    # six rounds are not for ever: nearest to a change of case the bidding is slowest
    assert mine / found.agents == pytest.approx(expected, rel=0.16)


def test_a_crew_in_a_ring_goes_where_the_work_is() -> None:
    even = split([(2, [0, 1]), (2, [1, 2]), (2, [2, 0])], [100.0, 100.0, 100.0])
    assert even.agents == pytest.approx(2.0)
    alone = split([(2, [0, 1]), (2, [1, 2]), (2, [2, 0])], [100.0, 0.0, 0.0])
    assert alone == (4.0, 1.0)


@given(st.lists(st.floats(0, 9), max_size=3000, unique=True), st.floats(-1, 10))
def test_how_many_stand_before(values: list[float], at: float) -> None:
    line = Line()
    for value in values:
        line.add((value, "x"))
    assert line.before((at,)) == sum(value < at for value in values)


def _engine(crews: dict[str, int], **chat: f.Channel) -> Engine:
    """``crews``: for "ab", so many agents in queues a and b. All but "..!" are available."""
    names = sorted(set("".join(crews)) - {"!"})
    agents = tuple(
        Agent(
            id=AgentId(f"{lines}{n}"),
            phone=PhoneId(f"p-{lines}{n}"),
            memberships=tuple(Membership(queue=QueueId(q)) for q in lines.strip("!")),
        )
        for lines, size in crews.items()
        for n in range(size)
    )
    engine = Engine(
        RoutingConfig(
            queues=tuple(Queue(id=QueueId(q), channel=chat.get(q, f.Channel.VOICE)) for q in names),
            entries=tuple(Entry(did=q, queue=QueueId(q)) for q in names),
            agents=agents,
        )
    )
    for agent in agents:
        if "!" not in agent.id:
            engine.handle(f.AgentStatusSet(agent=agent.id, status=f.AgentStatus.AVAILABLE), AT)
    return engine


def _arrive(engine: Engine, queue: str, at: float = AT, channel: str = "voice") -> None:
    engine.handle(
        f.InteractionArrived(
            interaction=InteractionId(f"{queue}-{at}"),
            caller=f.Party(),
            did=queue,
            channel=f.Channel(channel),
        ),
        at,
    )


def _pool(engine: Engine, queue: str) -> Pool:
    return engine._floor.pools[QueueId(queue)]


def _mid_s(engine: Engine, queue: str, at: float) -> float:
    expected = _pool(engine, queue).expected_wait((at,))
    assert expected is not None
    return expected.mid_s


def test_callers_of_another_line_who_came_before_are_ahead() -> None:
    engine = _engine({"ab": 4})
    for n in range(10):
        _arrive(engine, "b", AT + n)
    nobody, ten = _mid_s(engine, "a", AT - 1), _mid_s(engine, "a", AT + 60)
    assert nobody == pytest.approx(180 / 4)
    # before anything was learnt, handle time and patience are taken to be 180 s
    assert ten == pytest.approx(sum(180 / (4 + ahead) for ahead in range(11)))
    assert _mid_s(engine, "b", AT + 60) == pytest.approx(ten)


def test_nobody_or_somebody_of_whom_nothing_is_known() -> None:
    engine = _engine({"ab!": 3, "c": 1})
    assert _pool(engine, "a").expected_wait((AT,)) is None
    engine.handle(f.AgentStatusSet(agent=AgentId("ab!0"), status=f.AgentStatus.AVAILABLE), AT)
    assert _mid_s(engine, "a", AT) == pytest.approx(180)
    engine.handle(f.AgentStatusSet(agent=AgentId("ab!0"), status=f.AgentStatus.PAUSED), AT)
    assert _pool(engine, "a").expected_wait((AT,)) is None


def test_a_line_whose_agents_have_all_gone_takes_nothing() -> None:
    engine = _engine({"ab": 1, "ac!": 1})
    for n in range(5):
        _arrive(engine, "c", AT + n)
    assert _mid_s(engine, "a", AT + 60) == pytest.approx(180)


def test_more_crews_than_are_looked_at() -> None:
    """The biggest crews stand for the rest, also where none of these is at work."""
    several = "bcdefghijklmnopqrstuvwxyz"[: MAX_CREWS + 4]
    engine = _engine({f"a{q}!": 2 for q in several} | {"az": 1})
    assert _pool(engine, "a").capacity == 1
    _arrive(engine, "a")
    assert _mid_s(engine, "a", AT - 1) == pytest.approx(180)
    some = _engine({f"a{q}": 1 for q in several})
    assert _mid_s(some, "a", AT) == pytest.approx(180 / len(several))


def test_an_agent_with_three_chats_counts_three_times() -> None:
    engine = _engine({"a": 2}, a=f.Channel.CHAT)
    assert _mid_s(engine, "a", AT) == pytest.approx(180 / 6)

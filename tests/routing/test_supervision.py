"""Supervision, take-over, forced release, transfer and hold in the engine, step by step."""

from __future__ import annotations

import pytest

from routing import commands as c
from routing import control_facts as cf
from routing import facts as f
from routing.control_facts import SuperviseMode, TransferKind
from routing.engine import Engine
from routing.errors import RoutingError
from routing.facts import PhoneState
from routing.ids import AgentId, InteractionId, OfferId, PhoneId, QueueId, SupervisionId
from tests.routing.playbook import picture
from tests.routing.samples import NOON, agent, open_house, queue

pytestmark = pytest.mark.unit

I1 = InteractionId("i1")
V1 = SupervisionId("v1")
ONE = AgentId("1")
BOSS = PhoneId("boss")


class Scene:
    """An engine whose time goes on a second with each fact."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = NOON

    def tell(self, fact: f.Fact) -> list[str]:
        """The kinds of the commands, without timers and music."""
        self.now += 1
        self.last = self.engine.handle(fact, self.now)
        quiet = (c.StartTimer, c.CancelTimer, c.StartMusic, c.Answer, c.LookUpCustomer)
        return [type(x).__name__ for x in self.last if not isinstance(x, quiet)]

    def refused(self, fact: f.Fact) -> None:
        before = picture(self.engine)
        with pytest.raises(RoutingError):
            self.engine.handle(fact, self.now)
        assert picture(self.engine) == before

    @property
    def view(self) -> object:
        return self.engine.interaction_view(I1)


@pytest.fixture
def scene() -> Scene:
    """Agent 1 talks in i1; agent 2 is logged out; the supervisor's phone is idle."""
    engine = open_house(
        (queue(wrap_up_s=30), queue("ads")), (agent("1"), agent("2", "news")), available="1"
    )
    scene = Scene(engine)
    scene.tell(f.PhoneStateChanged(phone=BOSS, state=PhoneState.IDLE))
    scene.tell(f.InteractionArrived(interaction=I1, caller=f.Party(number="138"), did="news"))
    scene.tell(f.OfferAnswered(interaction=I1, offer=OfferId("i1.o1"), agent=ONE))
    return scene


def supervise(by: str = "sue", phone: PhoneId = BOSS, name: str = "v1") -> cf.SuperviseRequested:
    return cf.SuperviseRequested(
        interaction=I1,
        supervision=SupervisionId(name),
        mode=SuperviseMode.MONITOR,
        phone=phone,
        by=by,
    )


def test_modes_are_what_the_pbx_says(scene: Scene) -> None:
    assert scene.tell(supervise()) == ["Supervise"]
    barge = cf.SuperviseModeRequested(interaction=I1, supervision=V1, mode=SuperviseMode.BARGE)
    scene.refused(barge)  # the phone has not answered yet
    scene.tell(cf.SupervisionStarted(interaction=I1, supervision=V1))
    assert scene.tell(barge) == ["SwitchSupervision"]
    [before] = scene.engine.interaction_view(I1).supervisors
    assert before.mode is SuperviseMode.MONITOR
    scene.tell(cf.SupervisionModeChanged(interaction=I1, supervision=V1, mode=SuperviseMode.BARGE))
    [after] = scene.engine.interaction_view(I1).supervisors
    assert (after.mode, after.active) == (SuperviseMode.BARGE, True)
    ends = scene.tell(f.CallerHungUp(interaction=I1))
    assert ends.index("EndSupervision") < ends.index("FileContactRecord")


def test_several_supervise_but_nobody_twice_and_no_phone_that_cannot(scene: Scene) -> None:
    scene.tell(supervise())
    scene.refused(supervise(name="v2"))
    scene.refused(supervise(by="tom", phone=PhoneId("nobody's"), name="v2"))
    scene.tell(f.PhoneStateChanged(phone=PhoneId("p9"), state=PhoneState.UNREACHABLE))
    scene.refused(supervise(by="tom", phone=PhoneId("p9"), name="v2"))
    scene.refused(supervise(by="tom", phone=PhoneId("p1"), name="v2"))  # the agent's own
    scene.tell(f.PhoneStateChanged(phone=PhoneId("p9"), state=PhoneState.IDLE))
    scene.tell(supervise(by="tom", phone=PhoneId("p9"), name="v2"))
    assert len(scene.engine.interaction_view(I1).supervisors) == 2
    scene.tell(cf.SupervisionEnded(interaction=I1, supervision=V1, reason="busy"))
    assert [s.by for s in scene.engine.interaction_view(I1).supervisors] == ["tom"]


def test_a_take_over_frees_the_agent_and_its_end_is_the_callers(scene: Scene) -> None:
    ask = cf.InterceptRequested(interaction=I1, by="sue", phone=BOSS, reason="vip")
    assert scene.tell(ask) == ["Intercept"]
    scene.refused(ask)
    assert scene.engine.interaction_view(I1).state == "talking"
    scene.tell(cf.TakenOver(interaction=I1))
    view = scene.engine.interaction_view(I1)
    assert (view.state, view.taken_over_by, view.agent) == ("taken_over", "sue", None)
    assert scene.engine.agent_view(ONE).state == "wrap_up"
    scene.now += 50
    assert scene.tell(cf.TakeoverEnded(interaction=I1, connected=True)) == ["Release"]
    scene.tell(f.CallerHungUp(interaction=I1))
    account = next(x.account for x in scene.last if isinstance(x, c.FileContactRecord))
    assert account.outcome is c.Outcome.ANSWERED
    assert account.talk_s == pytest.approx(53)


def test_a_take_over_that_nobody_answers_changes_nothing(scene: Scene) -> None:
    scene.tell(cf.InterceptRequested(interaction=I1, by="sue", phone=BOSS))
    scene.tell(cf.TakeoverEnded(interaction=I1, connected=False, reason="no answer"))
    assert scene.engine.interaction_view(I1).state == "talking"
    scene.tell(cf.InterceptRequested(interaction=I1, by="sue", phone=BOSS))


def test_a_released_agent_leaves_the_caller_at_the_head_of_the_queue(scene: Scene) -> None:
    for n in (2, 3):  # who came later has waited for long
        scene.tell(
            f.InteractionArrived(interaction=InteractionId(f"i{n}"), caller=f.Party(), did="news")
        )
    released = cf.AgentReleaseRequested(interaction=I1, by="sue", reason="asleep")
    assert scene.tell(released) == ["BringBack"]
    assert scene.engine.agent_view(ONE).state == "wrap_up"
    scene.tell(f.CallerReturned(interaction=I1))
    view = scene.engine.interaction_view(I1)
    assert (view.state, view.position, view.queue) == ("waiting", 1, "news")
    scene.tell(f.AgentStatusSet(agent=AgentId("2"), status=f.AgentStatus.AVAILABLE))
    assert [x.interaction for x in scene.last if isinstance(x, c.Offer)] == [I1]


def test_a_caller_who_does_not_come_back_is_released(scene: Scene) -> None:
    scene.tell(cf.AgentReleaseRequested(interaction=I1, by="sue", to_queue=QueueId("ads")))
    assert scene.tell(f.CommandFailed(command="BringBack", reason="gone", interaction=I1)) == [
        "Release"
    ]


def test_transfers(scene: Scene) -> None:
    def to(kind: TransferKind, name: str) -> cf.TransferRequested:
        return cf.TransferRequested(interaction=I1, by="1", kind=kind, to=name)

    scene.refused(to(TransferKind.AGENT, "2"))  # logged out
    scene.refused(to(TransferKind.AGENT, "1"))  # oneself
    scene.refused(to(TransferKind.QUEUE, "nowhere"))
    scene.tell(f.AgentStatusSet(agent=AgentId("2"), status=f.AgentStatus.AVAILABLE))
    assert scene.tell(to(TransferKind.AGENT, "2")) == ["BringBack"]
    assert scene.tell(f.CallerReturned(interaction=I1)) == ["Offer"]
    scene.tell(f.OfferAnswered(interaction=I1, offer=OfferId("i1.o2"), agent=AgentId("2")))
    scene.tell(to(TransferKind.NUMBER, "13900001111"))
    assert scene.tell(f.CallerReturned(interaction=I1)) == ["SendTo"]
    scene.tell(f.ExternalEnded(interaction=I1, answered=False, cause=17))
    view = scene.engine.interaction_view(I1)
    assert (view.state, view.position) == ("waiting", 1)


def test_hold_is_what_the_pbx_says_and_ends_with_the_conversation(scene: Scene) -> None:
    hold = cf.HoldRequested(interaction=I1, by="1", hold=True)
    scene.refused(cf.HoldRequested(interaction=I1, by="1", hold=False))
    assert scene.tell(hold) == ["Hold"]
    scene.tell(cf.HoldChanged(interaction=I1, held=True))
    assert scene.engine.interaction_view(I1).on_hold
    scene.refused(hold)
    assert scene.tell(f.AgentHungUp(interaction=I1, agent=ONE)) == ["Release"]

"""Whatever happens in whatever order: the invariants hold, and everything ends exactly once."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from routing import control_facts as cf
from routing import facts as f
from routing.commands import Prompt
from routing.errors import RoutingError
from routing.ids import (
    AgentId,
    CustomerId,
    FlowId,
    InteractionId,
    OfferId,
    PhoneId,
    QueueId,
    SkillId,
)
from routing.model import (
    Announcements,
    CallbackMode,
    CallbackPolicy,
    Entry,
    Flow,
    Joining,
    LevelAdvance,
    Membership,
    MenuChoice,
    NoAnswer,
    Overflow,
    OverflowReason,
    PenaltyStep,
    PreferredAgent,
    Queue,
    RelaxStep,
    Requirement,
    RoutingConfig,
    Skill,
    Step,
    StepKind,
)
from routing.strategies import STRATEGIES
from tests.routing.playbook import picture
from tests.routing.samples import agent
from tests.routing.world import World

pytestmark = pytest.mark.sim

POLITE = Skill(id=SkillId("polite"))
CHINESE = Skill(id=SkillId("chinese"), language="zh-CN")
HELLO = (Prompt(value="hello"),)


def queues(strategy: str, mode: CallbackMode) -> tuple[Queue, ...]:
    """One of every kind of queue."""
    return (
        Queue(
            id=QueueId("plain"),
            strategy=strategy,
            wrap_up_s=10,
            announcements=Announcements(position=True, expected_wait=True, every_s=20),
            callback=CallbackPolicy(enabled=True, mode=mode, attempts=2, after_abandon=True),
            preferred=PreferredAgent(owner=True, last_agent_days=5),
            no_answer=NoAnswer(pause_after=2),
            keep_place_s=60,
        ),
        Queue(
            id=QueueId("skilled"),
            strategy=strategy,
            requires=(Requirement(skill=POLITE.id, level=3),),
            relax=(
                RelaxStep(after_s=10, levels={POLITE.id: 1}),
                RelaxStep(after_s=30, drop_all=True),
            ),
            penalty_steps=(PenaltyStep(after_s=0, max_penalty=2), PenaltyStep(after_s=20)),
            level_advance=LevelAdvance.AFTER_WAIT,
            level_wait_s=7,
            disposition_required=True,
            priority=1,
        ),
        Queue(
            id=QueueId("strict"),
            strategy=strategy,
            max_wait_s=60,
            max_waiting=3,
            max_offers=2,
            join_empty=Joining.LOGGED_IN,
            leave_empty=Joining.AVAILABLE,
            leave_empty_after_s=5,
            overflow=(
                Overflow(reason=OverflowReason.WAIT, limit=30, flow=FlowId("to_plain")),
                Overflow(reason=OverflowReason.NO_AGENT, flow=FlowId("message")),
                Overflow(reason=OverflowReason.LENGTH, limit=2, flow=FlowId("external")),
                Overflow(reason=OverflowReason.RATIO, limit=2, flow=FlowId("message")),
                Overflow(reason=OverflowReason.OFFERS, flow=FlowId("call_me")),
                Overflow(reason=OverflowReason.DIGIT, digit="1", flow=FlowId("call_me")),
            ),
            announcements=Announcements(comfort=HELLO, every_s=20, welcome=HELLO),
            survey=FlowId("survey"),
            sl_boost_s=30,
        ),
    )


FLOWS = (
    Flow(
        id=FlowId("menu"),
        steps=(
            Step(kind=StepKind.ANNOUNCEMENT, prompts=HELLO),
            Step(
                kind=StepKind.MENU,
                prompts=HELLO,
                attempts=2,
                choices=(
                    MenuChoice(
                        digits="1",
                        flow=FlowId("to_plain"),
                        priority=1,
                        skills=(Requirement(skill=POLITE.id, required=False),),
                    ),
                    MenuChoice(digits="2", flow=FlowId("message"), language="en"),
                ),
                otherwise=FlowId("external"),
            ),
        ),
    ),
    Flow(id=FlowId("to_plain"), steps=(Step(kind=StepKind.QUEUE, queue=QueueId("plain")),)),
    Flow(
        id=FlowId("message"),
        steps=(Step(kind=StepKind.VOICE_MESSAGE, prompts=HELLO, queue=QueueId("plain")),),
    ),
    Flow(
        id=FlowId("external"),
        steps=(
            Step(kind=StepKind.EXTERNAL, number="12345", otherwise=FlowId("message")),
            Step(kind=StepKind.RELEASE, prompts=HELLO),
        ),
    ),
    Flow(
        id=FlowId("call_me"),
        steps=(Step(kind=StepKind.CALLBACK, queue=QueueId("plain"), prompts=HELLO),),
    ),
    Flow(id=FlowId("survey"), steps=(Step(kind=StepKind.MENU, prompts=HELLO, attempts=1),)),
)


def configuration(strategy: str, mode: CallbackMode) -> RoutingConfig:
    """A small house with everything in it."""
    return RoutingConfig(
        queues=queues(strategy, mode),
        agents=(
            agent("1", "plain", "skilled", skills={POLITE.id: 3}),
            agent(
                "2", "plain", Membership(queue=QueueId("skilled"), level=2), skills={POLITE.id: 1}
            ),
            agent("3", "skilled", Membership(queue=QueueId("strict"), penalty=3)),
            agent("4", "strict", "plain", Membership(queue=QueueId("skilled"), penalty=4, level=3)),
        ),
        skills=(POLITE, CHINESE),
        flows=FLOWS,
        entries=(
            *(Entry(did=q, queue=QueueId(q)) for q in ("plain", "skilled", "strict")),
            Entry(did="menu", flow=FlowId("menu")),
            Entry(did="vip*", queue=QueueId("plain"), priority=2),
        ),
        max_live=12,
    )


AGENTS = st.sampled_from(["1", "2", "3", "4"]).map(AgentId)
NUMBERS = st.integers(min_value=0, max_value=10_000)


class House(RuleBasedStateMachine):
    """The world in any order."""

    world: World

    @initialize(
        strategy=st.sampled_from(sorted(STRATEGIES)),
        mode=st.sampled_from(CallbackMode),
        who=st.sets(AGENTS),
    )
    def begin(self, strategy: str, mode: CallbackMode, who: set[AgentId]) -> None:
        self.world = World(configuration(strategy, mode))
        for name in sorted(who):
            self.world.feed(f.AgentStatusSet(agent=name, status=f.AgentStatus.AVAILABLE))

    @rule(did=st.sampled_from(["plain", "skilled", "strict", "menu", "vip1", "none"]))
    def arrive(self, did: str) -> None:
        self.world.arrive(did)

    @rule(pick=NUMBERS)
    def something(self, pick: int) -> None:
        facts = self.world.possible()
        if facts:
            self.world.happens(facts[pick % len(facts)])

    @rule(pick=NUMBERS)
    def call_goes_on(self, pick: int) -> None:
        wanted = (
            f.OfferRinging,
            f.OfferAnswered,
            f.AgentHungUp,
            f.CustomerAnswered,
            f.CallerReturned,
        )
        facts = [x for x in self.world.possible() if isinstance(x, wanted)]
        if facts:
            self.world.happens(facts[pick % len(facts)])

    @rule(seconds=st.floats(min_value=0, max_value=40))
    def time_passes(self, seconds: float) -> None:
        until = self.world.now + seconds
        while self.world.timers:
            timer, due = min(self.world.timers.items(), key=lambda item: item[1])
            if due > until:
                break
            self.world.happens(f.TimerFired(timer=timer))
        self.world.now = max(self.world.now, until)

    @rule(name=AGENTS, status=st.sampled_from(f.AgentStatus))
    def status(self, name: AgentId, status: f.AgentStatus) -> None:
        self.world.feed(f.AgentStatusSet(agent=name, status=status, reason="x"))

    @rule(name=AGENTS)
    def available(self, name: AgentId) -> None:
        self.world.feed(f.AgentStatusSet(agent=name, status=f.AgentStatus.AVAILABLE))

    @rule(name=AGENTS, state=st.sampled_from(f.PhoneState))
    def phone(self, name: AgentId, state: f.PhoneState) -> None:
        self.world.feed(f.PhoneStateChanged(phone=PhoneId(f"p{name}"), state=state))

    @rule(
        pick=NUMBERS,
        said=st.fixed_dictionaries(
            {},
            optional={
                "vip": st.just("1"),
                "blocked": st.sampled_from(["1", "0"]),
                "owner": AGENTS,
                "language": st.just("en"),
                "skill.polite": st.sampled_from(["1", "5", "x"]),
            },
        ),
    )
    def customer(self, pick: int, said: dict[str, str]) -> None:
        live = self.world.engine.live_interactions()
        if live:
            view = live[pick % len(live)]
            self._try(
                f.CustomerMatched(
                    interaction=view.id, customer=CustomerId("c"), name="张三", attributes=said
                )
                if pick % 3
                else f.CustomerNotFound(interaction=view.id)
            )

    @rule(name=AGENTS, pick=NUMBERS)
    def after_work(self, name: AgentId, pick: int) -> None:
        view = self.world.engine.agent_view(name)
        if view.state == "wrap_up" and view.interaction is not None:
            fact = (
                f.WrapUpFinished(agent=name),
                f.WrapUpExtended(agent=name, extra_s=5),
                f.DispositionSet(interaction=view.interaction, agent=name, code="ok"),
            )[pick % 3]
            self._try(fact)  # refused while the queue's disposition is owed

    @rule(pick=NUMBERS)
    def call_me_back(self, pick: int) -> None:
        self.world.count += 1
        live = [v for v in self.world.engine.live_interactions() if v.channel == "voice"]
        self._try(
            f.CallbackRequested(
                callback=InteractionId(f"b{self.world.count}"),
                queue=QueueId("plain"),
                number="13800000000",
                interaction=live[pick % len(live)].id if live and pick % 2 else None,
            )
        )

    @rule(pick=NUMBERS, name=AGENTS)
    def away(self, pick: int, name: AgentId) -> None:
        live = [v for v in self.world.engine.live_interactions() if v.state == "talking"]
        if not live:
            return
        i = live[pick % len(live)].id
        kind = cf.TransferKind
        where = {kind.AGENT: name, kind.QUEUE: "strict", kind.NUMBER: "110"}
        asked = (
            *(
                cf.TransferRequested(interaction=i, by="x", kind=k, to=to)
                for k, to in where.items()
            ),
            cf.AgentReleaseRequested(interaction=i, by="boss"),
            cf.HangUpRequested(interaction=i, by="x"),
        )
        self._try(asked[pick % len(asked)])

    @rule(name=AGENTS)
    def call(self, name: AgentId) -> None:
        self.world.count += 1
        self._try(
            f.CallRequested(
                callback=InteractionId(f"o{self.world.count}"),
                agent=name,
                queue=QueueId("plain"),
                number="110",
            )
        )

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(strategy=st.sampled_from(sorted(STRATEGIES)), fewer=st.booleans())
    def reload(self, strategy: str, fewer: bool) -> None:
        config = configuration(strategy, CallbackMode.AGENT_FIRST)
        if fewer:
            config = RoutingConfig(
                queues=config.queues[:2],
                agents=tuple(
                    agent(a.id, *(m for m in a.memberships if m.queue != "strict"))
                    for a in config.agents[:3]
                ),
                entries=config.entries[:2],
                flows=config.flows,
                skills=config.skills,
            )
        self.world.feed(f.ConfigChanged(config=config.to_data(), version="2"))
        self.world.feed(f.ConfigChanged(config=self.world.config.to_data(), version="3"))

    @rule(
        fact=st.sampled_from(
            [
                f.OfferAnswered(
                    interaction=InteractionId("c1"), offer=OfferId("c1.o99"), agent=AgentId("1")
                ),
                f.OfferDeclined(
                    interaction=InteractionId("c1"), offer=OfferId("c1.o1"), agent=AgentId("9")
                ),
                f.AgentHungUp(interaction=InteractionId("c1"), agent=AgentId("9")),
                f.AgentStatusSet(agent=AgentId("9"), status=f.AgentStatus.AVAILABLE),
                f.CallerHungUp(interaction=InteractionId("nobody")),
                f.WrapUpFinished(agent=AgentId("9")),
                f.DispositionSet(interaction=InteractionId("c1"), agent=AgentId("9"), code="ok"),
                f.ConfigChanged(config={"queues": [{"id": "x", "strategy": "none"}]}, version="4"),
            ]
        )
    )
    def nonsense(self, fact: f.Fact) -> None:
        before = picture(self.world.engine)
        try:
            self.world.feed(fact)
        except RoutingError:
            assert picture(self.world.engine) == before

    def _try(self, fact: f.Fact) -> None:
        before = picture(self.world.engine)
        try:
            self.world.feed(fact)
        except RoutingError:
            assert picture(self.world.engine) == before

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def holds(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        for _ in range(500):
            live = [
                v.id
                for v in world.engine.live_interactions()
                if v.id in world.legs and world.legs[v.id].here
            ]
            if not live:
                break
            world.happens(f.CallerHungUp(interaction=live[0], cause=16))
            world.check()
        callbacks = {v.id for v in world.engine.live_interactions()}
        for timer in world.timers:
            owner = timer.rpartition(":")[0]
            assert timer.startswith("agent:") or owner in callbacks
        for i in world.entered - callbacks:
            assert i in world.filed


House.TestCase.settings = settings(
    max_examples=int(os.environ.get("CTID_EXAMPLES", "100")),
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
)
TestHouse = House.TestCase

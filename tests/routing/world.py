"""Everybody outside the engine, honest but in any order: callers, phones, the PBX, the clock.

``World.obey`` takes commands as the adapter would, and asserts what no command may do: ring an
agent who is in another conversation, offer a caller twice at once, speak of a caller who has gone,
file a contact record twice. ``World.possible`` lists every fact that could come next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from routing import commands as c
from routing import facts as f
from routing.engine import Engine
from routing.ids import AgentId, InteractionId, OfferId, StepId, TimerId
from routing.model import RoutingConfig


@dataclass
class Leg:
    """A caller's leg as the PBX knows it."""

    here: bool = True  # there is a caller's leg
    controlled: bool = True
    offer: OfferId | None = None
    ringing: dict[AgentId, bool] = field(default_factory=dict)  # and whether ringing was told
    agent: AgentId | None = None
    steps: list[StepId] = field(default_factory=list)
    external: bool = False
    calling: bool = False
    cancelling: bool = False
    releasing: bool = False
    recordings: list[str] = field(default_factory=list)


class World:
    """One engine and all that it talks to."""

    def __init__(self, config: RoutingConfig, seed: int = 0) -> None:
        self.config = config
        self.engine = Engine(config, seed=seed)
        self.now = 1_000_000.0
        self.legs: dict[InteractionId, Leg] = {}
        self.timers: dict[TimerId, float] = {}
        self.filed: dict[InteractionId, c.InteractionAccount] = {}
        self.entered: set[InteractionId] = set()
        self.log: list[str] = []
        self.count = 0
        self.last: f.Fact | None = None

    # --- in and out --------------------------------------------------------------------------

    def feed(self, fact: f.Fact) -> list[c.Command]:
        """The engine takes a fact; its commands are obeyed."""
        self.last = fact
        commands = self.engine.handle(fact, self.now)
        self.log.append(f"{self.now:.3f} {fact} -> {commands}")
        for command in commands:
            self.obey(command)
        return commands

    def obey(self, command: c.Command) -> None:
        """What the adapter does with a command."""
        match command:
            case c.StartTimer():
                assert command.after_s >= 0
                self.timers[command.timer] = self.now + command.after_s
            case c.CancelTimer():
                self.timers.pop(command.timer, None)
            case c.FileContactRecord():
                account = command.account
                assert account.interaction not in self.filed, "filed twice"
                assert account.interaction in self.entered
                self.filed[account.interaction] = account
                assert account.wait_s >= 0
                assert account.talk_s >= 0
                self.legs.pop(account.interaction, None)
            case c.AmendContactRecord():
                assert command.interaction in self.filed, "amended before it was filed"
            case c.NotifyAgent() | c.LookUpCustomer():
                pass
            case c.CallCustomer():
                leg = self.legs.setdefault(command.interaction, Leg(here=False))
                self.entered.add(command.interaction)
                assert not leg.here
                assert not leg.calling
                leg.calling = True
            case c.Offer():
                leg = self.legs.setdefault(command.interaction, Leg(here=False))
                self.entered.add(command.interaction)
                self._ring(leg, command)
            case _:
                self._to_leg(command)

    def _ring(self, leg: Leg, command: c.Offer) -> None:
        assert leg.offer is None, "two offers at once"
        assert leg.agent is None
        assert not leg.calling
        assert leg.here or command.channel is f.Channel.CALLBACK
        assert leg.controlled
        assert command.targets
        leg.offer = command.offer
        leg.cancelling = False
        for target in command.targets:
            self._free(target.agent)
            assert target.phone
            leg.ringing[target.agent] = False

    def _free(self, agent: AgentId) -> None:
        for other in self.legs.values():
            assert agent not in other.ringing, "an agent holds two voice offers"
            assert other.agent != agent or other.releasing, "offered to an agent who talks"

    def _to_leg(self, command: c.Command) -> None:
        leg = self.legs.get(command.interaction)  # type: ignore[attr-defined]
        assert leg is not None, f"{command} speaks of a caller who has gone"
        match command:
            case c.ExtendOffer():
                assert leg.offer == command.offer
                for target in command.targets:
                    self._free(target.agent)
                    leg.ringing[target.agent] = False
            case c.CancelOffer():
                assert leg.offer in (command.offer, None)
                leg.cancelling = True
            case c.Play() | c.CollectDigits() | c.RecordMessage():
                assert leg.here
                assert leg.offer is None, "speaks into an offer"
                leg.steps.append(command.step)
            case c.SendTo():
                leg.external = True
            case c.BringBack():
                assert leg.agent is not None
                leg.agent = None
                leg.controlled = False
            case c.StartRecording():
                assert leg.agent == command.agent
                assert command.recording not in leg.recordings
                leg.recordings.append(command.recording)
            case c.Release():
                leg.releasing = True
                leg.ringing.clear()
                leg.offer = None
            case c.Answer() | c.StartMusic() | c.StopMusic() | c.StopRecording():
                assert leg.here
            case _:
                raise AssertionError(f"nobody obeys {command}")

    # --- what may happen next ----------------------------------------------------------------

    def possible(self) -> list[f.Fact]:
        """Every fact about calls and timers that an honest world could report now."""
        return [
            *(f.TimerFired(timer=timer) for timer in self.timers),
            *(fact for id_, leg in self.legs.items() for fact in self._about(id_, leg)),
        ]

    def _about(self, i: InteractionId, leg: Leg) -> Iterator[f.Fact]:
        if leg.here:
            yield f.CallerHungUp(interaction=i, cause=16)
            if not leg.controlled:
                yield f.CallerReturned(interaction=i)
            elif not leg.releasing:
                yield f.ControlLost(interaction=i)
                yield f.ReleaseRequested(interaction=i, by="boss")
        if leg.calling:
            yield f.CustomerAnswered(interaction=i)
            yield f.CustomerCallFailed(interaction=i, cause=19)
        if leg.external:
            yield f.ExternalEnded(interaction=i, answered=True)
            yield f.ExternalEnded(interaction=i, answered=False)
        for step in leg.steps[:1]:
            for digits in ("", "1", "2", "9"):
                outcome = f.StepOutcome.DIGITS if digits else f.StepOutcome.DONE
                yield f.StepFinished(interaction=i, step=step, outcome=outcome, digits=digits)
            yield f.StepFinished(interaction=i, step=step, outcome=f.StepOutcome.FAILED)
        if leg.offer is not None:
            for agent, told in leg.ringing.items():
                offer = leg.offer
                if not told:
                    yield f.OfferRinging(interaction=i, offer=offer, agent=agent)
                yield f.OfferAnswered(interaction=i, offer=offer, agent=agent)
                yield f.OfferDeclined(interaction=i, offer=offer, agent=agent, cause=17)
                yield f.OfferFailed(interaction=i, offer=offer, agent=agent, reason="gone")
            yield f.OfferEnded(interaction=i, offer=leg.offer)
            yield f.CommandFailed(command="Offer", reason="no", interaction=i, offer=leg.offer)
        if leg.agent is not None and not leg.releasing:
            yield f.AgentHungUp(interaction=i, agent=leg.agent)
        for recording in leg.recordings:
            yield f.RecordingStarted(interaction=i, recording=recording)  # type: ignore[arg-type]
            yield f.RecordingFailed(
                interaction=i,
                recording=recording,  # type: ignore[arg-type]
                reason="full",
            )

    def happens(self, fact: f.Fact) -> None:
        """One of the possible facts: the world changes, and the engine is told."""
        i = getattr(fact, "interaction", None)
        leg = self.legs.get(i) if i is not None else None
        match fact:
            case f.TimerFired():
                due = self.timers.pop(fact.timer)
                self.now = max(self.now, due)
                self._lease_over(fact.timer)
            case f.CallerHungUp():
                assert leg is not None
                del self.legs[fact.interaction]
            case f.ControlLost():
                assert leg is not None
                leg.controlled = leg.agent is not None
                leg.offer = None
                leg.ringing.clear()
                leg.steps.clear()
            case f.CallerReturned():
                assert leg is not None
                leg.controlled = True
                leg.offer = None
                leg.ringing.clear()
            case f.CustomerAnswered():
                assert leg is not None
                leg.calling = False
                leg.here = True
            case f.CustomerCallFailed():
                assert leg is not None
                leg.calling = False
                leg.agent = None
            case f.ExternalEnded():
                assert leg is not None
                leg.external = False
            case f.StepFinished():
                assert leg is not None
                leg.steps.remove(fact.step)
            case f.OfferRinging():
                assert leg is not None
                leg.ringing[fact.agent] = True
            case f.OfferAnswered():
                assert leg is not None
                leg.agent = fact.agent
                leg.offer = None
                leg.ringing.clear()
                leg.steps.clear()
            case f.OfferDeclined() | f.OfferFailed():
                assert leg is not None
                del leg.ringing[fact.agent]
            case f.OfferEnded() | f.CommandFailed():
                assert leg is not None
                leg.offer = None
                leg.ringing.clear()
            case f.AgentHungUp():
                assert leg is not None
                leg.agent = None
                leg.calling = False
            case f.RecordingFailed():
                assert leg is not None
                leg.recordings.remove(fact.recording)
            case _:
                pass
        self.feed(fact)

    def _lease_over(self, timer: TimerId) -> None:
        """The adapter never told how an offer or a call ended: it has forgotten it."""
        owner, _, name = timer.rpartition(":")
        leg = self.legs.get(InteractionId(owner))
        if leg is not None and name.startswith("ring") and leg.cancelling:
            leg.offer = None
            leg.ringing.clear()
        elif leg is not None and name == "call":
            leg.calling = False
            leg.agent = None

    def arrive(self, did: str, channel: f.Channel = f.Channel.VOICE) -> InteractionId:
        """Somebody calls."""
        self.count += 1
        i = InteractionId(f"c{self.count}")
        self.legs[i] = Leg()
        self.entered.add(i)
        caller = f.Party(number=f"1380000{self.count:04}")
        self.feed(f.InteractionArrived(interaction=i, caller=caller, did=did, channel=channel))
        return i

    def restart(self) -> None:
        """The daemon dies and comes back: only snapshots and the PBX's truth are left."""
        for view in self.engine.live_interactions():
            self.entered.add(view.id)
        kept = {
            v.id: json.loads(json.dumps(self.engine.snapshot(v.id)))
            for v in self.engine.live_interactions()
        }
        agents = {
            a.id: json.loads(json.dumps(self.engine.snapshot_agent(a.id)))
            for a in self.engine.agents()
        }
        self.engine = Engine(self.config)
        self.timers.clear()
        for leg in self.legs.values():
            leg.offer = None
            leg.ringing.clear()
            leg.steps.clear()
            if leg.releasing:
                leg.agent = None
            leg.external = leg.calling = leg.releasing = False
            leg.controlled = leg.agent is not None
        for agent, snapshot in agents.items():
            self.feed(f.AgentRestored(agent=agent, snapshot=snapshot))
        for i, snapshot in kept.items():
            leg = self.legs.get(i, Leg(here=False))
            if not leg.here:
                leg.agent = None  # the agent's leg of a callback whose customer was being called
                leg.controlled = True
            self.feed(
                f.InteractionRestored(
                    interaction=i, snapshot=snapshot, present=leg.here, agent=leg.agent
                )
            )

    # --- invariants --------------------------------------------------------------------------

    def check(self) -> None:
        """What holds between any two facts."""
        engine = self.engine
        live = {v.id: v for v in engine.live_interactions()}
        self.entered |= set(live)
        assert not live.keys() & self.filed.keys(), "both live and filed"
        for i in self.entered:
            assert (i in live) != (i in self.filed), f"{i} is lost"
        talking: dict[AgentId, InteractionId] = {}
        asked: dict[AgentId, InteractionId] = {}
        for view in live.values():
            if view.state == "talking":
                assert view.agent is not None
                assert view.agent not in talking, "an agent talks twice"
                talking[view.agent] = view.id
            for agent in view.ringing_agents:
                assert agent not in asked, "an agent holds two voice offers"
                asked[agent] = view.id
        for agent_view in engine.agents():
            held = agent_view.interaction
            if agent_view.state in ("reserved", "ringing"):
                assert asked.get(agent_view.id) == held, "held by an offer that is over"
            elif agent_view.state == "talking":
                assert held in live, "an agent is held by an ended interaction"
        for timer in self.timers:
            owner = timer.rpartition(":")[0]
            if not owner.startswith("agent:"):
                assert owner in live, f"{timer} outlives its interaction"
        for queue in engine.queues(self.now):
            in_queue = [v for v in live.values() if v.queue == queue.id and v.position is not None]
            assert len(in_queue) == queue.waiting
            assert sorted(v.position or 0 for v in in_queue) == list(range(1, len(in_queue) + 1))
            assert queue.talking == sum(
                v.state == "talking" and v.queue == queue.id for v in live.values()
            )
        self._nobody_waits_for_an_idle_agent(live)

    def _nobody_waits_for_an_idle_agent(self, live: dict[InteractionId, object]) -> None:
        for i, view in live.items():
            if getattr(view, "state", "") != "waiting":
                continue
            told = self.engine.explain(i, self.now)
            snapshot = self.engine.snapshot(i)
            if snapshot["not_before"] > self.now:
                continue
            overdue = [self.timers.get(TimerId(f"{i}:{name}")) for name in ("stage", "due")]
            if any(due is not None and due <= self.now for due in overdue):
                continue  # about to relax, or to be due, in this very moment
            free = [cand.agent for cand in told.candidates if not cand.reasons]
            assert not free, f"{i} waits although {free} could take it"

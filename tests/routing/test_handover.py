"""What phones do with a caller by themselves: sent on, handed over, held. Every turn of it."""

from __future__ import annotations

import pytest

from routing.commands import FileContactRecord
from routing.control_facts import CallerSentOn, DialledOn, HandedOver
from routing.facts import CallerHungUp, InteractionRestored
from routing.ids import AgentId, InteractionId
from routing.model import Queue
from tests.routing.playbook import play
from tests.routing.samples import NOON, queue
from tests.routing.test_control_branches import SUPERVISED, I, talking

pytestmark = pytest.mark.unit

SENT = """
    >> CallerSentOn interaction=i
"""
WRAPS: tuple[Queue, ...] = (queue(wrap_up_s=60), queue("sport"))


@pytest.mark.parametrize("lost", [False, True])
def test_sent_on_to_a_colleague(lost: bool) -> None:
    engine = talking("" if lost else SENT)
    play(
        engine,
        """
        >> DialledOn interaction=i to=p2
        << Offer interaction=i targets=2
        >> OfferAnswered interaction=i offer=i.o2 agent=2
        """,
    )
    view = engine.interaction_view(I)
    assert (view.agent, view.state) == ("2", "talking")


def test_sent_on_to_a_queue_and_outside() -> None:
    play(talking(SENT), ">> DialledOn interaction=i to=sport\n<< Offer queue=sport targets=2")
    play(
        talking(SENT),
        """
        >> DialledOn interaction=i to=139 outside=yes
        << SendTo interaction=i number=139
        >> ExternalEnded interaction=i answered=yes cause=16
        << Release interaction=i
        """,
    )


@pytest.mark.parametrize("to", ["nowhere", "p1", "chatter"])
def test_sent_on_to_nowhere_goes_back_to_the_agent_who_wraps_up_no_more(to: str) -> None:
    engine = talking(SENT, *WRAPS)
    play(engine, f">> DialledOn interaction=i to={to}\n<< Offer interaction=i targets=1")
    assert engine.agent_view(AgentId("1")).state == "reserved"


def test_sent_on_to_a_colleague_who_talks_already() -> None:
    engine = talking(
        """
        >> InteractionArrived interaction=j caller=2 did=news
        << Offer targets=2
        >> OfferAnswered interaction=j offer=j.o1 agent=2
        << StartRecording
        """
        + SENT,
        *WRAPS,
    )
    play(engine, ">> DialledOn interaction=i to=p2\n<< Offer interaction=i targets=1")


def test_an_agent_who_has_paused_gets_nobody_back() -> None:
    engine = talking(">> AgentStatusSet agent=1 status=paused" + SENT)
    play(engine, ">> DialledOn interaction=i to=nowhere\n<< Offer interaction=i targets=2")


def test_a_colleague_of_no_queue_for_calls() -> None:
    engine = talking(">> AgentStatusSet agent=3 status=available phone=p3" + SENT)
    play(engine, ">> DialledOn interaction=i to=p3\n<< Offer interaction=i targets=1")


def test_nobody_said_where_to() -> None:
    play(talking(SENT, *WRAPS), ">> CallerReturned interaction=i\n<< Offer interaction=i targets=2")


def test_sent_on_by_a_supervisor_who_had_taken_over() -> None:
    engine = talking(
        SUPERVISED
        + """
        >> InterceptRequested interaction=i by=sue phone=boss supervision=v
        << Intercept interaction=i
        >> TakenOver interaction=i
        << NotifyAgent agent=1
        """
        + SENT
        + """
        >> DialledOn interaction=i to=nowhere
        << Offer interaction=i targets=1
        """
    )
    assert engine.interaction_view(I).taken_over_by == ""


def test_sent_on_in_the_midst_of_a_consultation_ends_it() -> None:
    play(
        talking(""),
        """
        >> ConsultRequested interaction=i by=1 kind=number to=139
        << Consult number=139
        >> ConsultChanged interaction=i phase=private
        >> CallerSentOn interaction=i
        << ChangeConsult ask=cancel
        >> ConsultChanged interaction=i phase=ended
        >> DialledOn interaction=i to=p2
        << Offer targets=2
        """,
    )


def test_a_caller_who_is_let_go_meanwhile() -> None:
    play(
        talking(SENT),
        """
        >> ReleaseRequested interaction=i by=sue
        << Release interaction=i
        >> DialledOn interaction=i to=p2
        << Release interaction=i
        """,
    )
    engine = talking(SENT + ">> CallerHungUp interaction=i\n<< FileContactRecord")
    for late in (
        CallerSentOn(interaction=I),
        DialledOn(interaction=I, to="p2"),
        HandedOver(interaction=I, phone=I, number=""),  # type: ignore[arg-type]
    ):
        assert engine.handle(late, NOON + 99) == []


def test_facts_that_come_too_late_change_nothing() -> None:
    engine = talking(
        SENT
        + """
        >> CallerSentOn interaction=i
        >> HandedOver interaction=i phone=p2 number=
        >> DialledOn interaction=i to=p2
        << Offer targets=2
        >> DialledOn interaction=i to=p2
        """
    )
    assert engine.interaction_view(I).state == "offering"


def test_sent_on_while_nobody_was_there_to_see_it() -> None:
    before = talking("", *WRAPS)
    snapshot = before.snapshot(I)
    for agents, wanted in ((["1"], "1"), ([], "2")):
        after = talking(
            ">> CallerHungUp interaction=i\n<< FileContactRecord\n"
            ">> WrapUpFinished agent=1\n<< AmendContactRecord",
            *WRAPS,
        )
        restored = InteractionRestored(
            interaction=InteractionId("j"),
            snapshot={**snapshot, "agents": agents},
            present=True,
        )
        after.handle(restored, NOON + 50)
        commands = after.handle(DialledOn(interaction=InteractionId("j"), to="none"), NOON + 51)
        [offer] = [c for c in commands if type(c).__name__ == "Offer"]
        assert offer.targets[0].agent == wanted  # type: ignore[attr-defined]


# --- handed over ---------------------------------------------------------------------------------


def test_handed_over_to_a_colleague() -> None:
    engine = talking(
        SUPERVISED
        + """
        >> HoldChanged interaction=i held=yes at_phone=yes
        >> HandedOver interaction=i phone=p2 number=
        << NameLeg interaction=i agent=2
        << FollowSupervision listen_only=False
        """,
        *WRAPS,
    )
    view = engine.interaction_view(I)
    assert (view.agent, view.state, view.on_hold) == ("2", "talking", False)
    assert engine.agent_view(AgentId("1")).state == "wrap_up"
    assert engine.agent_view(AgentId("2")).state == "talking"
    end = ">> AgentHungUp interaction=i agent=2\n<< Release interaction=i"
    play(engine, end)
    commands = play_end(engine)
    assert commands.account.agents == ("1", "2")


def play_end(engine: object) -> FileContactRecord:
    commands = engine.handle(CallerHungUp(interaction=I), NOON + 60)  # type: ignore[attr-defined]
    [filed] = [c for c in commands if isinstance(c, FileContactRecord)]
    return filed


@pytest.mark.parametrize(("phone", "number"), [("", "139"), ("p9", ""), ("p3", "")])
def test_handed_over_to_nobody_we_know(phone: str, number: str) -> None:
    engine = talking(
        f"""
        >> HandedOver interaction=i phone={phone} number={number}
        << NameLeg interaction=i agent=None
        """
    )
    assert engine.interaction_view(I).state == "external"
    play(
        engine,
        """
        >> HandedOver interaction=i phone=p2 number=
        << NameLeg interaction=i agent=2
        >> HandedOver interaction=i phone= number=139
        << NameLeg interaction=i agent=None
        >> ExternalEnded interaction=i answered=yes cause=16
        << Release interaction=i
        """,
    )


def test_handed_over_by_a_supervisor_who_had_taken_over() -> None:
    engine = talking(
        SUPERVISED
        + """
        >> InterceptRequested interaction=i by=sue phone=boss supervision=v
        << Intercept interaction=i
        >> TakenOver interaction=i
        << NotifyAgent agent=1
        >> HandedOver interaction=i phone=p2 number=
        << NameLeg interaction=i agent=2
        """
    )
    assert engine.interaction_view(I).agent == AgentId("2")


# --- hold at the phone ---------------------------------------------------------------------------


def test_hold_at_the_phone_moves_no_supervisor_and_ends_there() -> None:
    engine = talking(
        SUPERVISED
        + """
        >> HoldChanged interaction=i held=yes at_phone=yes
        >> HoldRequested interaction=i by=1 hold=no !!
        >> HoldRequested interaction=i by=1 hold=yes !!
        """
    )
    assert engine.interaction_view(I).on_hold
    play(engine, ">> HoldChanged interaction=i held=no at_phone=yes")
    assert not engine.interaction_view(I).on_hold
    play(engine, ">> HoldRequested interaction=i by=1 hold=yes\n<< Hold interaction=i")

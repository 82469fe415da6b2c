"""Feature codes at the phone: as if asked for in the client, or told why not."""

from __future__ import annotations

import pytest

from routing.control_facts import FeatureCodeDialled, PhoneAct
from routing.errors import FactError
from routing.ids import AgentId, InteractionId
from tests.routing.playbook import play
from tests.routing.test_control_branches import I, talking

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("to", "follows"),
    [
        ("to=p2", ">> CallerReturned interaction=i\n<< Offer interaction=i targets=2"),
        ("to=sport", ">> CallerReturned interaction=i\n<< Offer interaction=i queue=sport"),
        ("to=139 outside=yes", ">> CallerReturned interaction=i\n<< SendTo number=139"),
    ],
)
def test_transfer(to: str, follows: str) -> None:
    play(
        talking(""),
        f"""
        >> FeatureCodeDialled interaction=i agent=1 act=transfer {to}
        << BringBack interaction=i
        {follows}
        """,
    )


def test_a_whole_consultation() -> None:
    engine = talking(">> PhoneStateChanged phone=p2 state=idle")
    play(
        engine,
        """
        >> FeatureCodeDialled interaction=i agent=1 act=consult to=p2
        << Consult interaction=i agent=2 phone=p2
        >> ConsultChanged interaction=i phase=private
        >> FeatureCodeDialled interaction=i agent=1 act=swap
        << ChangeConsult interaction=i ask=swap
        >> ConsultChanged interaction=i phase=swapped
        >> FeatureCodeDialled interaction=i agent=1 act=conference
        << ChangeConsult interaction=i ask=conference
        >> ConsultChanged interaction=i phase=conference
        >> FeatureCodeDialled interaction=i agent=1 act=complete
        << ChangeConsult interaction=i ask=complete
        >> ConsultChanged interaction=i phase=transferred
        """,
    )
    assert engine.interaction_view(I).agent == "2"


def test_hold_and_resume_have_one_code() -> None:
    play(
        talking(""),
        """
        >> FeatureCodeDialled interaction=i agent=1 act=hold
        << Hold interaction=i
        >> HoldChanged interaction=i held=yes
        >> FeatureCodeDialled interaction=i agent=1 act=hold
        << Unhold interaction=i
        """,
    )


@pytest.mark.parametrize(
    "asked",
    ["act=cancel", "act=transfer to=p1", "act=transfer to=p9", "act=consult to=sport"],
)
def test_what_cannot_be_done_the_agent_hears_and_reads(asked: str) -> None:
    engine = talking("")
    play(
        engine,
        f"""
        >> FeatureCodeDialled interaction=i agent=1 {asked}
        << SignalAgent interaction=i
        << NotifyAgent agent=1 code=code_refused
        """,
    )
    assert engine.interaction_view(I).state == "talking"


def test_only_the_agent_who_has_the_caller_is_obeyed() -> None:
    play(talking(""), ">> FeatureCodeDialled interaction=i agent=2 act=hold !!")


def test_a_code_with_a_number_needs_one() -> None:
    with pytest.raises(FactError):
        FeatureCodeDialled(interaction=InteractionId("i"), agent=AgentId("1"), act=PhoneAct.CONSULT)

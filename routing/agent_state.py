"""What the system sees of an agent, per interaction: ``state x event -> state``, one literal table.

An agent has one *engagement* for each interaction held (voice is exclusive, chats may be several);
the agent's state is that of the foremost engagement, ``idle`` without any. Events are class names
of facts and, in lower case, what the engine brings about: ``reserved`` (an offer goes out),
``withdrawn`` (the offer is over for this agent: somebody else answered, the caller left, the agent
paused), ``adopted`` (found connected after a restart), ``talk_over``, ``wrap_up_over``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class AgentState(StrEnum):
    """What an agent does, as the system sees it."""

    IDLE = "idle"
    RESERVED = "reserved"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"

    __hash__ = str.__hash__  # enum's own is written in Python, and this is looked up all the time


I, R, G, T, W = AgentState  # noqa: E741

TABLE: Final[dict[AgentState, dict[str, AgentState]]] = {
    AgentState.IDLE: {
        "reserved": R,
        "adopted": T,
        "OfferAnswered": T,  # faster than the cancel that had freed the agent
        "restored": W,
    },
    AgentState.RESERVED: {
        "OfferRinging": G,
        "OfferAnswered": T,
        "OfferDeclined": I,
        "OfferFailed": I,
        "OfferEnded": I,
        "withdrawn": I,
        "adopted": T,
    },
    AgentState.RINGING: {
        "OfferRinging": G,
        "OfferAnswered": T,
        "OfferDeclined": I,
        "OfferFailed": I,
        "OfferEnded": I,
        "withdrawn": I,
        "adopted": T,
    },
    AgentState.TALKING: {
        "talk_over": W,
        "adopted": T,
        "CustomerAnswered": T,  # of a callback: the agent was there first
        "call_over": I,  # of a callback: the customer was not reached
    },
    AgentState.WRAP_UP: {
        "wrap_up_over": I,
        "adopted": T,
    },
}

FOREMOST: Final = (T, G, R, W, I)
"""Which engagement gives the agent's state when there are several, first wins."""


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {AgentState.IDLE}"]
    arrows: dict[tuple[AgentState, AgentState], list[str]] = {}
    for state, row in TABLE.items():
        for event, target in row.items():
            if target is not state:
                arrows.setdefault((state, target), []).append(event)
    lines += [f"    {a} --> {b}: {', '.join(events)}" for (a, b), events in arrows.items()]
    return "\n".join(lines)

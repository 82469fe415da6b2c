"""The life of an interaction: ``state x event -> states that may follow``, as one literal table.

Events are the class names of facts and, in lower case, what the engine itself brings about:
``agent_found`` (an offer goes out), ``sent_on`` (a rule moves it out of its queue), ``released``
(somebody or a flow ends it), ``adopted`` (found connected after a restart). A fact that is not in
the row of the state is an error that changes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an interaction stands."""

    ENTERING = "entering"  # a flow runs: prompts, menus, identification
    WAITING = "waiting"  # in a queue, free to be offered
    OFFERING = "offering"  # one or more agents are asked
    WITHDRAWING = "withdrawing"  # the offer was cancelled, its end is not reported yet
    CALLING = "calling"  # a callback: the customer's phone rings
    TALKING = "talking"
    AFTER_CALL = "after_call"  # the agent has left, the caller is still there
    EXTERNAL = "external"  # connected to an outside number
    MOVING = "moving"  # taken out of a conversation, not under control yet
    TAKEN_OVER = "taken_over"  # talks with a supervisor
    RELEASING = "releasing"  # hung up by us, not confirmed yet
    ADRIFT = "adrift"  # keeps its place, but is not under control until CallerReturned
    ENDED = "ended"

    __hash__ = str.__hash__  # enum's own is written in Python, and this is looked up all the time


E, W, O, X = State.ENTERING, State.WAITING, State.OFFERING, State.WITHDRAWING  # noqa: E741
C, T, A = State.CALLING, State.TALKING, State.AFTER_CALL
M, V = State.MOVING, State.TAKEN_OVER
P, R, D, Z = State.EXTERNAL, State.RELEASING, State.ADRIFT, State.ENDED

TABLE: Final[dict[State, dict[str, tuple[State, ...]]]] = {
    State.ENTERING: {
        "StepFinished": (E, W, P, R),
        "CustomerMatched": (E, W, P, R),
        "CustomerNotFound": (E, W, P, R),
        "TimerFired": (E, W, P, R, Z),
        "CommandFailed": (E, W, P, R, Z),
        "CallerHungUp": (Z,),
        "ControlLost": (D,),
        "CallerReturned": (E,),
        "CallbackRequested": (R,),
        "ReleaseRequested": (R,),
        "RecordingStarted": (E,),
        "RecordingEnded": (E,),
        "RecordingFailed": (E,),
        "DispositionSet": (E,),
        "released": (R, Z),
        "sent_on": (E, W, P),
    },
    State.WAITING: {
        "agent_found": (O, C),
        "StepFinished": (W, E, R),
        "CustomerMatched": (W, R),
        "CustomerNotFound": (W,),
        "TimerFired": (W, E, R, Z),
        "CommandFailed": (W, Z),
        "CallerHungUp": (Z,),
        "ControlLost": (D,),
        "CallerReturned": (W,),
        "CallbackRequested": (R,),
        "ReleaseRequested": (R, W, Z),
        "sent_on": (E,),
        "released": (R, Z),
        "RecordingStarted": (W,),
        "RecordingEnded": (W,),
        "RecordingFailed": (W,),
        "AgentHungUp": (W,),
    },
    State.OFFERING: {
        "AnswerRequested": (O,),
        "OfferRinging": (O,),
        "OfferAnswered": (T, C),
        "OfferDeclined": (O,),
        "OfferFailed": (O,),
        "OfferEnded": (W, E, R, Z),
        "StepFinished": (O,),
        "CustomerMatched": (O, X),
        "CustomerNotFound": (O,),
        "TimerFired": (O, X),
        "CommandFailed": (O, W, Z),
        "CallerHungUp": (Z,),
        "ControlLost": (D,),
        "CallerReturned": (W,),
        "CallbackRequested": (R,),
        "ReleaseRequested": (R, Z),
        "sent_on": (X,),
        "released": (R, Z),
        "RecordingStarted": (O,),
        "RecordingEnded": (O,),
        "RecordingFailed": (O,),
        "AgentHungUp": (O,),
    },
    State.WITHDRAWING: {
        "OfferRinging": (X,),
        "OfferAnswered": (T, C),
        "OfferDeclined": (X,),
        "OfferFailed": (X,),
        "OfferEnded": (W, E, R, Z),
        "StepFinished": (X,),
        "CustomerMatched": (X,),
        "CustomerNotFound": (X,),
        "TimerFired": (X, W, E, R, Z),
        "CommandFailed": (X, W, E, Z),
        "CallerHungUp": (Z,),
        "ControlLost": (D,),
        "CallerReturned": (W, E),
        "CallbackRequested": (R,),
        "ReleaseRequested": (R, Z),
        "released": (R, Z),
        "RecordingStarted": (X,),
        "RecordingEnded": (X,),
        "RecordingFailed": (X,),
        "AgentHungUp": (X,),
    },
    State.CALLING: {
        "CustomerAnswered": (T, O),
        "CustomerCallFailed": (W, Z),
        "AgentHungUp": (W, R, Z),
        "CallerHungUp": (W, Z),
        "TimerFired": (W, Z),
        "CommandFailed": (W, Z),
        "CustomerMatched": (C,),
        "CustomerNotFound": (C,),
        "ReleaseRequested": (R,),
        "released": (R,),
    },
    State.TALKING: {
        "AgentHungUp": (A, M),
        "CallerHungUp": (Z,),
        "StepFinished": (T,),
        "CustomerMatched": (T,),
        "CustomerNotFound": (T,),
        "OfferRinging": (T,),
        "OfferDeclined": (T,),
        "OfferFailed": (T,),
        "OfferEnded": (T,),
        "TimerFired": (T,),
        "CommandFailed": (T,),
        "ControlLost": (T,),
        "CallerReturned": (A,),
        "ReleaseRequested": (R, W),
        "SuperviseRequested": (T,),
        "InterceptRequested": (T,),
        "TakenOver": (V,),
        "AgentReleaseRequested": (M,),
        "TransferRequested": (M,),
        "HangUpRequested": (R, M),
        "MuteRequested": (T,),
        "DigitsRequested": (T,),
        "FeatureCodeDialled": (T, M),
        "RecordingRequested": (T,),
        "ConsultRequested": (T,),
        "ConsultAsked": (T, M),
        "HoldRequested": (T,),
        "CallerSentOn": (M,),
        "DialledOn": (M,),
        "HandedOver": (T, P),
        "RecordingStarted": (T,),
        "RecordingEnded": (T,),
        "RecordingFailed": (T,),
        "DispositionSet": (T,),
    },
    State.AFTER_CALL: {
        "CallerHungUp": (Z,),
        "AgentHungUp": (A,),
        "StepFinished": (A, R),
        "CustomerMatched": (A,),
        "CustomerNotFound": (A,),
        "TimerFired": (A, R, Z),
        "CommandFailed": (A, R, Z),
        "ControlLost": (A,),
        "CallerReturned": (A,),
        "ReleaseRequested": (R,),
        "RecordingStarted": (A,),
        "RecordingEnded": (A,),
        "RecordingFailed": (A,),
        "DispositionSet": (A,),
        "released": (R,),
    },
    State.EXTERNAL: {
        "ExternalEnded": (E, W, P, R),
        "CallerHungUp": (Z,),
        "StepFinished": (P,),
        "CustomerMatched": (P,),
        "CustomerNotFound": (P,),
        "TimerFired": (P,),
        "CommandFailed": (E, W, P, R),
        "ControlLost": (P,),
        "CallerReturned": (E, W, P, R),
        "CallerSentOn": (M,),
        "DialledOn": (M,),
        "HandedOver": (T, P),
        "ReleaseRequested": (R,),
        "RecordingStarted": (P,),
        "RecordingEnded": (P,),
        "RecordingFailed": (P,),
        "AgentHungUp": (P,),
    },
    State.MOVING: {
        "CallerReturned": (W, P, A),
        "DialledOn": (W, P),
        "ConsultChanged": (M, T, P),
        "CallerHungUp": (Z,),
        "AgentHungUp": (M,),
        "StepFinished": (M,),
        "OfferRinging": (M,),
        "OfferDeclined": (M,),
        "OfferFailed": (M,),
        "OfferEnded": (M,),
        "CustomerMatched": (M,),
        "CustomerNotFound": (M,),
        "TimerFired": (M, R),
        "CommandFailed": (M, R),
        "ControlLost": (M,),
        "ReleaseRequested": (R,),
        "RecordingStarted": (M,),
        "RecordingEnded": (M,),
        "RecordingFailed": (M,),
        "DispositionSet": (M,),
    },
    State.TAKEN_OVER: {
        "TakeoverEnded": (R,),
        "CallerSentOn": (M,),
        "DialledOn": (M,),
        "HandedOver": (T, P),
        "CallerHungUp": (Z,),
        "AgentHungUp": (V,),
        "StepFinished": (V,),
        "CustomerMatched": (V,),
        "CustomerNotFound": (V,),
        "TimerFired": (V,),
        "CommandFailed": (V,),
        "ControlLost": (V,),
        "CallerReturned": (V,),
        "ReleaseRequested": (R,),
        "RecordingStarted": (V,),
        "RecordingEnded": (V,),
        "RecordingFailed": (V,),
        "DispositionSet": (V,),
    },
    State.RELEASING: {
        "CallerHungUp": (Z,),
        "AgentHungUp": (R,),
        "StepFinished": (R,),
        "OfferRinging": (R,),
        "OfferAnswered": (R,),
        "OfferDeclined": (R,),
        "OfferFailed": (R,),
        "OfferEnded": (R,),
        "CustomerMatched": (R,),
        "CustomerNotFound": (R,),
        "CustomerAnswered": (R,),
        "CustomerCallFailed": (Z,),
        "ExternalEnded": (R,),
        "TimerFired": (R, Z),
        "CommandFailed": (R, Z),
        "ControlLost": (R,),
        "CallerReturned": (R,),
        "ReleaseRequested": (R,),
        "RecordingStarted": (R,),
        "RecordingEnded": (R,),
        "RecordingFailed": (R,),
        "DispositionSet": (R,),
    },
    State.ADRIFT: {
        "adopted": (T,),
        "CallerReturned": (W, E, R),
        "DialledOn": (M,),
        "CallerHungUp": (Z,),
        "OfferAnswered": (T,),
        "OfferRinging": (D,),
        "OfferDeclined": (D,),
        "OfferFailed": (D,),
        "OfferEnded": (D,),
        "AgentHungUp": (D,),
        "StepFinished": (D,),
        "CustomerMatched": (D,),
        "CustomerNotFound": (D,),
        "TimerFired": (D, Z),
        "CommandFailed": (D,),
        "ControlLost": (D,),
        "ReleaseRequested": (R,),
        "RecordingStarted": (D,),
        "RecordingEnded": (D,),
        "RecordingFailed": (D,),
        "DispositionSet": (D,),
    },
    State.ENDED: {},
}


STAYS: Final = (
    "SuperviseModeRequested",
    "SuperviseStopRequested",
    "SupervisionStarted",
    "SupervisionModeChanged",
    "SupervisionEnded",
    "TakeoverEnded",
    "HoldChanged",
    "ConsultChanged",
    "MuteChanged",
    "RecordingSuspended",
    "CallerSentOn",
    "DialledOn",
    "HandedOver",
)
"""What the PBX tells of legs, mute, recordings and phones' own transfers may be overtaken by
anything: such a fact is taken in every state in which nothing else is said of it above, and leaves
it."""

for _state, _row in TABLE.items():
    for _event in STAYS if _state is not State.ENDED else ():
        _row.setdefault(_event, (_state,))


def diagram() -> str:
    """The table as a Mermaid state diagram (self-loops left out)."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.ENTERING}"]
    arrows: dict[tuple[State, State], list[str]] = {}
    for state, row in TABLE.items():
        for event, targets in row.items():
            for target in targets:
                if target is not state:
                    arrows.setdefault((state, target), []).append(event)
    lines += [f"    {a} --> {b}: {', '.join(events)}" for (a, b), events in arrows.items()]
    lines.append(f"    {State.ENDED} --> [*]")
    return "\n".join(lines)

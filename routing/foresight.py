"""What callers will ask of each queue, read from the configuration before the first one comes.

Agents are sorted by what is asked (``pool``). To know it beforehand means that no call pays for
sorting them again; what is overlooked here (skills that only the CRM knows) is learnt on the way.
"""

from __future__ import annotations

from collections.abc import Iterator

from routing.ids import FlowId, QueueId
from routing.model import Requirement, RoutingConfig, Step, StepKind
from routing.skills import merged

MAX_PATHS = 1000
"""So many ways through the flows are followed."""

Ask = tuple[QueueId, str, tuple[Requirement, ...]]


def foreseen(config: RoutingConfig) -> Iterator[Ask]:
    """Queue, language and requirements of every way from a number into a queue."""
    flows = {flow.id: flow for flow in config.flows}
    seen: set[tuple[FlowId, str, tuple[Requirement, ...]]] = set()
    paths: list[tuple[FlowId | None, str, tuple[Requirement, ...]]] = []
    for entry in config.entries:
        if entry.queue is not None:
            yield entry.queue, entry.language, entry.skills
        paths.append((entry.flow, entry.language, entry.skills))
    if config.default_queue is not None:
        yield config.default_queue, "", ()
    for queue in config.queues:
        paths += [(rule.flow, "", ()) for rule in queue.overflow]
    while paths and len(seen) < MAX_PATHS:
        name, language, skills = paths.pop()
        flow = flows.get(name) if name is not None else None
        key = (name or FlowId(""), language, merged(skills))
        if flow is None or key in seen:
            continue
        seen.add(key)
        for step in flow.steps:
            language = step.language or language
            skills = (*skills, *step.skills)
            if step.kind is StepKind.QUEUE and step.queue is not None:
                yield step.queue, language, skills
            paths += [(target, language, skills) for target in _onwards(step)]
            paths += [(c.flow, c.language or language, (*skills, *c.skills)) for c in step.choices]


def _onwards(step: Step) -> tuple[FlowId | None, ...]:
    return (step.flow, step.otherwise, step.closed, step.holiday)

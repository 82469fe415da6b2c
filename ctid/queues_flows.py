"""Flows that never end, and flows that nobody reaches: a walk over the graph of steps.

Edges are of two kinds. *At once*: nothing is heard and nobody decides (hours, set, go, a queue that
refuses on entry); a circle of these alone would spin. *After something*: a prompt, a failed menu, a
waiting time. A caller's own choice (a digit) is an edge too, but a circle through it is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ctid.toml_file import Problem, TomlDoc
from ctid.toml_lines import TomlPath
from routing.model import Flow, OverflowReason, Queue, RoutingConfig, Step, StepKind

Node = tuple[str, int]
"""A flow's id and the number of a step in it."""

_ON_ENTRY = {
    OverflowReason.EWT,
    OverflowReason.LENGTH,
    OverflowReason.RATIO,
    OverflowReason.NO_AGENT,
    OverflowReason.CLOSED,
    OverflowReason.UNROUTABLE,
}


@dataclass(frozen=True, slots=True)
class _Edge:
    to: Node | None  # None: the interaction ends, or waits for an agent
    at_once: bool
    chosen: bool = False


class FlowGraph:
    """The steps of all flows and what may follow each."""

    def __init__(self, config: RoutingConfig) -> None:
        self._flows = {f.id: f for f in config.flows}
        self._queues = {q.id: q for q in config.queues}
        self._config = config
        self.edges: dict[Node, list[_Edge]] = {}
        for flow in config.flows:
            for n in range(len(flow.steps)):
                self.edges[flow.id, n] = list(self._after(flow, n))

    def _enter(self, flow: str | None) -> Node | None:
        found = self._flows.get(flow) if flow else None  # type: ignore[call-overload]
        return (found.id, 0) if found is not None and found.steps else None

    def _after(self, flow: Flow, n: int) -> Iterator[_Edge]:
        step = flow.steps[n]
        following = (flow.id, n + 1) if n + 1 < len(flow.steps) else None
        otherwise = self._enter(step.otherwise) if step.otherwise else following
        match step.kind:
            case StepKind.HOURS:
                yield _Edge(following, True)
                yield _Edge(self._enter(step.closed) if step.closed else following, True)
                if step.holiday:
                    yield _Edge(self._enter(step.holiday), True)
            case StepKind.MENU:
                yield from (_Edge(self._enter(c.flow), False, True) for c in step.choices)
                yield _Edge(otherwise, False)
            case StepKind.QUEUE:
                yield _Edge(None, False)
                yield from self._out_of(self._queues.get(step.queue) if step.queue else None)
            case StepKind.EXTERNAL:
                yield _Edge(None, False)
                yield _Edge(otherwise, False)
            case StepKind.VOICE_MESSAGE | StepKind.SURVEY:
                yield _Edge(following, False)
                yield _Edge(otherwise, False)
            case StepKind.CALLBACK:
                yield _Edge(None, False)
                if step.otherwise:
                    yield _Edge(otherwise, True)
            case StepKind.GO:
                yield _Edge(self._enter(step.flow), True)
            case StepKind.RELEASE:
                yield _Edge(None, True)
            case StepKind.ANNOUNCEMENT:
                yield _Edge(following, False)
            case _:
                yield _Edge(following, True)

    def _out_of(self, queue: Queue | None) -> Iterator[_Edge]:
        for rule in queue.overflow if queue else ():
            to = self._enter(rule.flow)
            yield _Edge(to, rule.reason in _ON_ENTRY, rule.reason is OverflowReason.DIGIT)

    def starts(self) -> list[Node]:
        """Where interactions come in: entries, and what queues do after or instead of waiting."""
        flows: list[str | None] = [e.flow for e in self._config.entries]
        for queue in self._config.queues:
            flows += [rule.flow for rule in queue.overflow]
            flows.append(queue.survey)
        return [node for node in (self._enter(flow) for flow in flows) if node]

    def reached(self) -> set[Node]:
        """Every step that an interaction can come to."""
        return _closure(self.starts(), {n: [e.to for e in es] for n, es in self.edges.items()})

    def endless(self) -> list[Node]:
        """Steps from which no end and no agent can be reached whatever happens."""
        before: dict[Node, list[Node | None]] = {}
        ends = []
        for node, edges in self.edges.items():
            for edge in edges:
                if edge.to is None:
                    ends.append(node)
                else:
                    before.setdefault(edge.to, []).append(node)
        finite = _closure(ends, before)
        return [node for node in self.edges if node not in finite]

    def circles(self, *, at_once: bool) -> list[list[Node]]:
        """Circles that go round by themselves: silently (``at_once``), or hearing something."""
        ahead = {
            node: [e.to for e in edges if e.to and not e.chosen and (e.at_once or not at_once)]
            for node, edges in self.edges.items()
            if at_once or self._step(node).kind is not StepKind.QUEUE
        }
        return _circles(ahead)

    def _step(self, node: Node) -> Step:
        return self._flows[node[0]].steps[node[1]]  # type: ignore[index]


def _closure(start: Iterable[Node], ahead: dict[Node, list[Node | None]]) -> set[Node]:
    seen: set[Node] = set()
    todo = list(start)
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += [n for n in ahead.get(node, ()) if n is not None]
    return seen


def _circles(ahead: dict[Node, list[Node]]) -> list[list[Node]]:
    """One circle for each knot of the graph (depth first, without recursion)."""
    found: list[list[Node]] = []
    done: set[Node] = set()
    for root in ahead:
        path: list[Node] = []
        on_path: set[Node] = set()
        stack = [(root, iter(ahead.get(root, ())))] if root not in done else []
        if stack:
            path.append(root)
            on_path.add(root)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                path.pop()
                on_path.discard(node)
                done.add(node)
            elif following in on_path:
                found.append([*path[path.index(following) :], following])
            elif following not in done and following in ahead:
                stack.append((following, iter(ahead[following])))
                path.append(following)
                on_path.add(following)
    return found


def flow_findings(doc: TomlDoc, config: RoutingConfig) -> Iterator[Problem]:
    """Errors for what would spin or never end, warnings for what only may, or is never reached."""
    graph = FlowGraph(config)
    spinning: set[Node] = set()
    for circle in graph.circles(at_once=True):
        spinning.update(circle)
        yield doc.problem(
            step_path(doc, circle[0]),
            f"goes round for ever without a word: {_shown(circle)}",
            "let one of these flows end in an announcement, a message or release",
        )
    for node in graph.endless():
        if node not in spinning and node[1] == 0:
            yield doc.problem(
                step_path(doc, node),
                "never ends: no agent, no message and no release can be reached from here",
                'end it with a "queue", "voice_message" or "release" step',
            )
            spinning.add(node)
    for circle in graph.circles(at_once=False):
        if not spinning.intersection(circle):
            yield doc.problem(
                step_path(doc, circle[0]),
                f"a silent caller goes round for ever: {_shown(circle)}",
                "lead the way out of the menu somewhere else",
                warning=True,
            )
    reached = graph.reached()
    for flow in config.flows:
        if flow.steps and not any((flow.id, n) in reached for n in range(len(flow.steps))):
            yield doc.problem(
                ("flows", flow.id),
                "is reached by no entry, menu or queue",
                "remove it or lead somebody there",
                warning=True,
            )
        elif not flow.steps:
            yield doc.problem(("flows", flow.id), "has no steps: callers are hung up on")
        for n in range(1, len(flow.steps)):
            if (flow.id, n) not in reached and (flow.id, n - 1) in reached:
                yield doc.problem(
                    step_path(doc, (flow.id, n)),
                    "is never reached: the step before does not go on",
                    "remove it",
                    warning=True,
                )


def step_path(doc: TomlDoc, node: Node) -> TomlPath:
    """Where a step stands; a flow may be the list of its steps."""
    listed = isinstance(doc.data.get("flows", {}).get(node[0]), list)
    return ("flows", node[0], node[1]) if listed else ("flows", node[0], "steps", node[1])


def _shown(circle: list[Node]) -> str:
    names: list[str] = []
    for flow, _ in circle:
        if not names or names[-1] != flow:
            names.append(flow)
    return " -> ".join(names if len(names) > 1 else [*names, names[0]])

"""The event hub: what the daemon publishes reaches every client that may see it, once, in order.

Publishing is synchronous and cheap: a frame goes into a bounded ring and into the bounded queues of
the clients whose viewer may see it; each client's own task is woken and writes in the loop's next
turn. A frame is serialised at most once, when the first client takes it. A client that is too slow
loses its queue and is told ``reset`` (load everything again), so memory never grows.

Wire format: server-sent events (WHATWG HTML, section 9.2). ``id`` is ``<boot>-<n>``; a client that
comes back with ``Last-Event-ID`` gets everything since, or ``reset`` when the ring no longer
reaches back so far or the daemon was restarted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ctid.access import Viewer
from ctid.clock import Clock
from ctid.view_json import View, dumps, iso, view_json
from routing.ids import AgentId, InteractionId
from routing.views import InteractionView

Audience = Callable[[Viewer], bool]
Veil = Callable[[View], dict[str, Any]]
"""An interaction's view as somebody may see it who sees fields masked."""


def no_veil(viewer: Viewer) -> Veil | None:
    """Everybody sees everything in full."""
    return None


def everyone(viewer: Viewer) -> bool:
    """The audience of all who are logged in."""
    return True


class TooManyStreams(Exception):
    """No further event stream for this user or this daemon; close one first."""


class Frame:
    """One event. ``data`` must not be changed after it was published."""

    __slots__ = ("_body", "_data", "_view", "agent", "audience", "event", "n")

    def __init__(
        self,
        n: int,
        event: str,
        data: Mapping[str, Any] | View,
        audience: Audience | None,
        agent: AgentId | None,
    ) -> None:
        self.n = n
        self.event = event
        self.audience = audience
        self.agent = agent
        self._data: Mapping[str, Any] | View | None = data
        self._view = data if isinstance(data, InteractionView) else None
        self._body = b""

    def visible_to(self, viewer: Viewer) -> bool:
        """Whether ``viewer`` may see this event."""
        if self.audience is None:
            return self.agent is not None and viewer.agent == self.agent
        return self.audience(viewer)

    def body(self, veil: Veil | None = None) -> bytes:
        """The event without its id; ``veil``: what its reader does not see in full."""
        if veil is not None and self._view is not None:
            return _body(self.event, veil(self._view))
        if self._data is not None:
            data = self._data if isinstance(self._data, Mapping) else view_json(self._data)
            self._body = _body(self.event, data)
            self._data = None
        return self._body


def _body(event: str, data: Mapping[str, Any]) -> bytes:
    # JSON escapes every line break, so the data is always one line
    return b"event: %s\ndata: %s\n\n" % (event.encode("ascii"), dumps(data))


class Subscription:
    """One client's stream. ``take`` waits for frames; ``close`` ends it from outside."""

    def __init__(self, hub: EventHub, viewer: Viewer, session: str) -> None:
        self.viewer = viewer
        self.session = session
        self._hub = hub
        self._pending: deque[Frame] = deque()
        self._urgent: deque[Frame] = deque()
        self._head: list[bytes] = []
        self._reset_at: int | None = None
        self._closed = False
        self._wake = asyncio.Event()

    def close(self) -> None:
        """End the stream: the next ``take`` returns ``None``."""
        self._closed = True
        self._wake.set()
        self._hub._forget(self)

    async def take(self, timeout_s: float) -> bytes | None:
        """Everything that waits, as one piece; ``b""`` after ``timeout_s``; ``None``: closed."""
        if not self._wake.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return b""
        self._wake.clear()
        if self._closed:
            self._wake.set()
            return None
        return b"".join(self._drain())

    def _drain(self) -> Iterator[bytes]:
        boot, veil = self._hub.boot, self._hub.veil(self.viewer)
        yield from self._head
        self._head = []
        # An urgent frame overtakes the others. It carries its id only when nothing is overtaken:
        # otherwise a break right after it would make the overtaken ones look delivered.
        overtakes = bool(self._pending) or self._reset_at is not None
        for frame in self._urgent:
            yield frame.body(veil) if overtakes else _with_id(boot, frame, veil)
        self._urgent.clear()
        if self._reset_at is not None:
            yield b"id: %s-%d\n" % (boot, self._reset_at) + _body("reset", {})
            yield from self._hub._open_pops(self.viewer)
            self._reset_at = None
        for frame in self._pending:
            yield _with_id(boot, frame, veil)
        self._pending.clear()

    def _push(self, frame: Frame, urgent: bool) -> None:
        waiting = self._urgent if urgent else self._pending
        if len(waiting) >= self._hub.client_limit:
            self._urgent.clear()
            self._pending.clear()
            self._reset_at = frame.n
            self._hub.resets += 1
        else:
            waiting.append(frame)
        self._wake.set()

    def _begin(self, head: list[bytes], replay: list[Frame]) -> None:
        self._head = head
        self._pending.extend(replay)
        self._wake.set()


def _with_id(boot: bytes, frame: Frame, veil: Veil | None) -> bytes:
    return b"id: %s-%d\n" % (boot, frame.n) + frame.body(veil)


class EventHub:
    """Publishes events to subscribed clients.

    ``ring``: how many events can be resumed from. ``client_limit``: how many may wait for one
    client. ``user_streams`` and ``all_streams``: how many streams one user and all together have.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ring: int = 8192,
        client_limit: int = 1024,
        user_streams: int = 20,
        all_streams: int = 5000,
        veil: Callable[[Viewer], Veil | None] = no_veil,
    ) -> None:
        self._clock = clock
        self.veil = veil
        self.boot = b"%x" % int(clock.now_s() * 1000)
        self.client_limit = client_limit
        self.resets = 0
        self._n = 0
        self._ring: deque[Frame] = deque(maxlen=ring)
        self._user_streams = user_streams
        self._all_streams = all_streams
        self._subscriptions: set[Subscription] = set()
        self._by_agent: dict[AgentId, set[Subscription]] = {}
        self._pops: dict[AgentId, dict[InteractionId, Frame]] = {}

    # --- publishing ---------------------------------------------------------------------------

    def publish(self, event: str, data: Mapping[str, Any] | View, *, audience: Audience) -> None:
        """Send ``event`` to every client whose viewer is in ``audience``."""
        frame = self._frame(event, data, audience, None)
        for subscription in self._subscriptions:
            if audience(subscription.viewer):
                subscription._push(frame, urgent=False)

    def publish_to_agent(
        self,
        agent: AgentId,
        event: str,
        data: Mapping[str, Any] | View,
        *,
        urgent: bool = False,
    ) -> None:
        """Send ``event`` to the clients of one agent; ``urgent``: ahead of all that waits."""
        frame = self._frame(event, data, None, agent)
        self._to_agent(agent, frame, urgent)

    def pop(self, agent: AgentId, interaction: InteractionId, data: Mapping[str, Any]) -> None:
        """Send a screen-pop, ahead of all that waits, and keep it open until ``forget_pop``.

        A client that (re)loads its page gets the open pops of its agent again.
        """
        frame = self._frame("pop", data, None, agent)
        self._pops.setdefault(agent, {})[interaction] = frame
        self._to_agent(agent, frame, urgent=True)

    def update_pop(
        self, agent: AgentId, interaction: InteractionId, data: Mapping[str, Any]
    ) -> None:
        """Send what became known later, as ``pop_update``; nothing when the pop is not open."""
        pops = self._pops.get(agent)
        if pops is None or interaction not in pops:
            return
        pops[interaction] = Frame(0, "pop", data, None, agent)
        self.publish_to_agent(agent, "pop_update", data, urgent=True)

    def forget_pop(self, agent: AgentId, interaction: InteractionId) -> None:
        """The pop is over: not sent again to clients that reload."""
        pops = self._pops.get(agent)
        if pops is not None and pops.pop(interaction, None) is not None and not pops:
            del self._pops[agent]

    def keep_pops(self, agent: AgentId, held: Collection[InteractionId | None]) -> None:
        """All pops of the agent are over but those of the interactions ``held``."""
        pops = self._pops.get(agent)
        for over in [i for i in pops or () if i not in held]:
            self.forget_pop(agent, over)

    def _frame(
        self,
        event: str,
        data: Mapping[str, Any] | View,
        audience: Audience | None,
        agent: AgentId | None,
    ) -> Frame:
        self._n += 1
        frame = Frame(self._n, event, data, audience, agent)
        self._ring.append(frame)
        return frame

    def _to_agent(self, agent: AgentId, frame: Frame, urgent: bool) -> None:
        for subscription in self._by_agent.get(agent, ()):
            subscription._push(frame, urgent)

    # --- subscribing --------------------------------------------------------------------------

    def subscribe(self, viewer: Viewer, *, session: str, last_event_id: str = "") -> Subscription:
        """A stream for ``viewer``, from ``last_event_id`` on where that is possible.

        It starts with ``hello``; where it could not be resumed, ``reset`` and the agent's open
        pops follow. ``session`` names what ends it (see ``close_session``). Raises TooManyStreams.
        """
        mine = sum(1 for s in self._subscriptions if s.viewer.username == viewer.username)
        if mine >= self._user_streams or len(self._subscriptions) >= self._all_streams:
            raise TooManyStreams
        subscription = Subscription(self, viewer, session)
        since = self._resume_point(last_event_id)
        replay: list[Frame] = []
        at = self._n if since is None else since
        hello = {"server_time": iso(self._clock.now_s()), "resumed": since is not None}
        head = [b"id: %s-%d\n" % (self.boot, at) + _body("hello", hello)]
        if since is not None:
            replay = [f for f in self._ring if f.n > since and f.visible_to(viewer)]
        if since is None or len(replay) > self.client_limit:
            if last_event_id:
                head.append(b"id: %s-%d\n" % (self.boot, self._n) + _body("reset", {}))
            head.extend(self._open_pops(viewer))
            replay = []
        subscription._begin(head, replay)
        self._subscriptions.add(subscription)
        if viewer.agent is not None:
            self._by_agent.setdefault(viewer.agent, set()).add(subscription)
        return subscription

    def close_session(self, session: str) -> None:
        """End the streams of a session that was logged out or has expired."""
        for subscription in [s for s in self._subscriptions if s.session == session]:
            subscription.close()

    def close(self) -> None:
        """End every stream; clients come back by themselves after their retry time."""
        for subscription in list(self._subscriptions):
            subscription.close()

    def forget_past(self, customer: str | None = None) -> None:
        """Keep nothing to be told again: who comes back loads everything anew.

        With a ``customer`` open pops stay, but for those that may be about this one (a wrap-up that
        still runs).
        """
        self._ring.clear()
        if customer is None:
            self._pops.clear()
            return
        named = f'"id":"{customer}"'.encode()
        for agent, pops in list(self._pops.items()):
            for interaction in [i for i, frame in pops.items() if named in frame.body()]:
                self.forget_pop(agent, interaction)

    def reset(self) -> None:
        """Tell every client to load everything again (a new configuration is in force)."""
        self.publish("reset", {}, audience=everyone)

    @property
    def published(self) -> int:
        """How many events were published since the start."""
        return self._n

    @property
    def streams(self) -> int:
        """How many clients are connected."""
        return len(self._subscriptions)

    def _resume_point(self, last_event_id: str) -> int | None:
        boot, _, number = last_event_id.partition("-")
        if boot.encode("utf-8", "replace") != self.boot:
            return None
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            return None
        n = int(number)
        oldest = self._ring[0].n if self._ring else self._n + 1
        return n if oldest - 1 <= n <= self._n else None

    def _open_pops(self, viewer: Viewer) -> Iterator[bytes]:
        if viewer.agent is not None:
            for frame in self._pops.get(viewer.agent, {}).values():
                yield frame.body()

    def _forget(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
        agent = subscription.viewer.agent
        if agent is not None and agent in self._by_agent:
            self._by_agent[agent].discard(subscription)
            if not self._by_agent[agent]:
                del self._by_agent[agent]

"""``/metrics``: what a Prometheus server reads (text exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from ctid.http.services import Services

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
AGENT_STATES = ("idle", "reserved", "ringing", "talking", "wrap_up")


class _Live(Collector):
    """Figures taken from the engine and the hub at the moment of the scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        engine = self._services.engine
        waiting = GaugeMetricFamily("ctid_queue_waiting", "Waiting interactions", labels=["queue"])
        longest = GaugeMetricFamily(
            "ctid_queue_longest_wait_seconds", "Longest wait of those waiting", labels=["queue"]
        )
        idle = GaugeMetricFamily("ctid_queue_agents_available", "Idle agents", labels=["queue"])
        entered = CounterMetricFamily("ctid_queue_entered", "Entered today", labels=["queue"])
        answered = CounterMetricFamily("ctid_queue_answered", "Answered today", labels=["queue"])
        abandoned = CounterMetricFamily("ctid_queue_abandoned", "Abandoned today", labels=["queue"])
        now = self._services.clock.now_s()
        for queue in engine.queues(now):
            label = [queue.id]
            since = queue.longest_wait_since
            waiting.add_metric(label, queue.waiting)
            longest.add_metric(label, 0.0 if since is None else max(0.0, now - since))
            idle.add_metric(label, queue.agents_available)
            entered.add_metric(label, queue.entered)
            answered.add_metric(label, queue.answered)
            abandoned.add_metric(label, queue.abandoned)
        yield from (waiting, longest, idle, entered, answered, abandoned)
        states = dict.fromkeys(AGENT_STATES, 0)
        for agent in engine.agents():
            if agent.state:
                states[agent.state] = states.get(agent.state, 0) + 1
        agents = GaugeMetricFamily("ctid_agents", "Logged-in agents by state", labels=["state"])
        for state, count in states.items():
            agents.add_metric([state], count)
        yield agents
        hub = self._services.hub
        yield GaugeMetricFamily("ctid_event_streams", "Connected event streams", hub.streams)
        yield CounterMetricFamily("ctid_events_published", "Published events", hub.published)
        yield CounterMetricFamily("ctid_event_resets", "Clients told to reload", hub.resets)
        ready = GaugeMetricFamily("ctid_ready", "1: this part is ready", labels=["part"])
        for part, fine in self._services.readiness().items():
            ready.add_metric([part], float(fine))
        yield ready


class Metrics:
    """The registry of one server."""

    def __init__(self, services: Services) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Live(services))
        self._requests = Counter(
            "ctid_http_requests",
            "Answered HTTP requests",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "ctid_http_request_seconds",
            "Time to answer, by route",
            ["route"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. ``route`` is the template, never the address itself."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)

"""``Metrics``: what a server counts, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from joyvasa_lib.integrations.server.web import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        """Everything is 0."""
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter(
            "joyvasa_requests", "Answers to HTTP requests.", ["status"], registry=registry
        )
        self.jobs = Counter("joyvasa_jobs", "Jobs that ended.", ["state"], registry=registry)
        self.job_seconds = Histogram(
            "joyvasa_job_seconds", "Seconds of work.", buckets=_SECONDS, registry=registry
        )
        self.job_frames = Counter("joyvasa_job_frames", "Frames of videos.", registry=registry)
        self.live_sessions = Counter(
            "joyvasa_live_sessions", "Live avatars that began.", registry=registry
        )
        self.live_refused = Counter(
            "joyvasa_live_refused", "Live clients for whom there was no room.", registry=registry
        )
        self.live_frames = Counter("joyvasa_live_frames", "Live frames sent.", registry=registry)
        self.live_dropped = Counter(
            "joyvasa_live_dropped", "Live frame periods without a frame.", registry=registry
        )

    def watch(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Adds a number that is asked for when somebody looks.

        Args:
            name: of the metric.
            help: what it is.
            value: gives it.
        """
        Gauge(name, help, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of them."""
        return bytes(generate_latest(self._registry))

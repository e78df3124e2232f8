"""What Prometheus reads at /metrics, summed over the workers."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus-client lets processes share their numbers
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
_TOKENS = (64, 256, 1024, 2048, 4096, 8192, 16_384)


class Metrics:
    """The service's counters, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "relsearch_requests", "Requests by path and status.", ["path", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "relsearch_request_seconds", "Time to answer.", ["path"], buckets=_SECONDS, registry=self._registry
        )
        self.documents = Counter("relsearch_documents", "Documents ranked.", registry=self._registry)
        self.unread = Counter(
            "relsearch_unread_documents", "Of these, left unread by a request's budget.", registry=self._registry
        )
        self.distinct = Counter(
            "relsearch_distinct_documents", "Documents scored, duplicates of a request once.", registry=self._registry
        )
        self.tokens = Counter("relsearch_tokens", "Tokens read by the model.", registry=self._registry)
        self.truncated = Counter("relsearch_truncated_texts", "Texts cut to the model.", registry=self._registry)
        self.dropped = Counter(
            "relsearch_dropped_requests", "Requests whose client left or whose time was up.", registry=self._registry
        )
        self.batch_tokens = Histogram(
            "relsearch_batch_tokens", "Tokens scored at once.", buckets=_TOKENS, registry=self._registry
        )
        self.batch_seconds = Histogram(
            "relsearch_batch_seconds", "Time a batch took.", buckets=_SECONDS, registry=self._registry
        )
        self.waiting_requests = Gauge(
            "relsearch_waiting_requests",
            "Requests accepted and unanswered.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.waiting_tokens = Gauge(
            "relsearch_waiting_tokens",
            "Tokens accepted and not yet scored.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def exposition(self) -> bytes:
        """Return the numbers in Prometheus' text format."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        every_worker = CollectorRegistry()
        multiprocess.MultiProcessCollector(every_worker)  # type: ignore[no-untyped-call]  # untyped there
        return generate_latest(every_worker)

    def close(self) -> None:
        """Take this process out of the sums of what is going on now."""
        if SHARED_FOLDER in os.environ:
            multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]  # untyped there

"""What became of the searches: counted for Prometheus, and a warning in the log when most are not reranked."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from relsearch.live.gateway.scoring.scoring import Scoring

METRICS_PATH = "/_relsearch/metrics"  # no index begins with an underscore
_log = logging.getLogger(__name__)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.2, 2.4, 5.0, 10.0)
_MARK = re.compile(
    r"(?P<what>\w+)(?:; reason=(?P<reason>\w+))?(?:; read=(?P<read>\d+)/(?P<of>\d+))?(?:; searches=(?P<n>\d+))?"
)
# Nothing was to be reranked there, whatever the reranker does.
_NO_LOSS = frozenset({"no_hits", "no_hits_wanted", "beyond_window", "no_query", "engine_error"})
_LATEST = 50
_QUIET_S = 600.0


def attributes(mark: str) -> dict[str, str | bool | int]:
    """Return what a search's header X-Relsearch says, for its span; of many searches only whether any was reranked."""
    found = _MARK.fullmatch(mark)
    if found is None:
        return {"relsearch.reranked": "reranked" in mark}
    read = {} if found["read"] is None else {"relsearch.read": int(found["read"]), "relsearch.window": int(found["of"])}
    return {"relsearch.reranked": found["what"] == "reranked", "relsearch.reason": found["reason"] or "", **read}


class Metrics:
    """The gateway's counters, in a registry of their own."""

    def __init__(self, scorers: Mapping[Path | None, Scoring], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = CollectorRegistry()
        self._searches = Counter(
            "relsearch_gateway_searches",
            "Searches that were to be reranked, by what became of them.",
            ["outcome", "reason"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "relsearch_gateway_search_seconds",
            "Time to answer such a search, the engine's included.",
            ["outcome"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Scorers(scorers))
        self._latest: deque[str] = deque(maxlen=_LATEST)
        self._clock = clock
        self._quiet_until = 0.0

    def count(self, mark: str, seconds: float) -> None:
        """Count an answer by its header X-Relsearch, which names one search or sums up many."""
        for found in map(_MARK.fullmatch, mark.split(", ")):
            if found is None:
                continue
            partly = found["read"] is not None and found["read"] != found["of"]
            outcome, reason = "partly" if partly else found["what"], found["reason"] or ""
            number = int(found["n"] or 1)
            self._searches.labels(outcome, reason).inc(number)
            self._seconds.labels(outcome).observe(seconds)
            if reason not in _NO_LOSS:
                self._latest.extend([reason] * min(number, _LATEST))
        self._warn()

    def exposition(self) -> bytes:
        """Return the numbers in Prometheus' text format."""
        return generate_latest(self._registry)

    def _warn(self) -> None:
        reasons = Tally(reason for reason in self._latest if reason)
        if len(self._latest) < _LATEST or reasons.total() <= _LATEST / 2 or self._clock() < self._quiet_until:
            return
        self._quiet_until = self._clock() + _QUIET_S
        why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(3))
        _log.warning(
            "%d of the last %d searches kept the engine's order (%s); for deadline and overloaded raise budget_ms, "
            "or read the documents before with relsearch precompute",
            reasons.total(),
            _LATEST,
            why,
        )


class _Scorers(Collector):
    """What each bundle's threads and breaker say of themselves."""

    def __init__(self, scorers: Mapping[Path | None, Scoring]) -> None:
        self._scorers = {id(each): (str(name or "default"), each) for name, each in reversed(list(scorers.items()))}

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        documents = CounterMetricFamily(
            "relsearch_gateway_documents", "Documents that searches got scored.", labels=["bundle", "how"]
        )
        read = CounterMetricFamily(
            "relsearch_gateway_read_documents", "Documents read, for a search or later.", labels=["bundle"]
        )
        backlog = GaugeMetricFamily(
            "relsearch_gateway_backlog_documents", "Documents that wait to be read.", labels=["bundle"]
        )
        active = GaugeMetricFamily(
            "relsearch_gateway_reading_searches", "Searches that documents are read for.", labels=["bundle"]
        )
        breaker = GaugeMetricFamily(
            "relsearch_gateway_breaker_open", "1 while nothing is asked of the reranker.", labels=["bundle", "kind"]
        )
        for name, scoring in self._scorers.values():
            documents.add_metric([name, "held"], scoring.held_documents)
            documents.add_metric([name, "read"], scoring.read_documents)
            read.add_metric([name], scoring.reading.read)
            backlog.add_metric([name], scoring.reading.backlog)
            active.add_metric([name], scoring.reading.active)
            breaker.add_metric([name, "error"], scoring.breaker.state != "closed")
            breaker.add_metric([name, "stalled"], scoring.reading.stalled)
        yield from (documents, read, backlog, active, breaker)

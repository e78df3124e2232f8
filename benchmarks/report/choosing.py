"""What the docs say of time, hardware and size: a row a measurement, with the processor that it was made on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.record import recorded
from benchmarks.report.markdown import table

Figures = dict[str, Any]
Row = tuple[str, str, str]


def times() -> str:
    """Return a table: what was done, how long it took or how much came of it, and on what."""
    rows = [
        (*row, f"{figures['cpu']}, {figures['date']}")
        for name, part in _PARTS.items()
        if (figures := recorded(name))
        for row in part(figures)
    ]
    return table(["what", "how much", "time", "processor, day"], rows) + "\n"


def _demo(figures: Figures) -> Iterator[Row]:
    counts, parts = figures["counts"], figures["parts"]
    for label, name, much in (
        ("train the default reranker", "all-labels: train-human", "all labels of the demo"),
        ("train it in three folds", "ten-labels: train-human", f"{counts['labelled_queries']} labelled queries"),
        ("judge by the first reranker", "ten-labels: judge", f"{counts['unlabelled_queries']} pools of 100"),
        ("export with its gates", "ten-labels: export", "two bundles"),
    ):
        yield label, much, f"{parts[name][0]:.0f} s"


def _judge_exported(figures: Figures) -> Iterator[Row]:
    yield "grade with the ready judge", "an hour", f"{3600 * figures['pairs_per_s']['onnx']:,.0f} labels"


def _judge_speed(figures: Figures) -> Iterator[Row]:
    much = figures["labels_per_hour"]["relsearch"]["value"]
    yield "grade with a tuned SmolLM2-135M", "an hour", f"{much:,.0f} labels"


def _reads(figures: Figures) -> Iterator[Row]:
    for way, much in (("all", f"{figures['depth']} candidates"), ("read", f"the {figures['read']} most promising")):
        yield "rerank what nobody read before", much, f"{figures[f'cpu_seconds_{way}']:.1f} s of one core"


def _gateway_cold(figures: Figures) -> Iterator[Row]:
    much = f"{figures['documents_read']:.0f} of 100 hits read, budget {figures['budget_ms']} ms"
    yield "search through a cold gateway", much, f"p50 {figures['p50_ms']:.0f} ms, p95 {figures['p95_ms']:.0f} ms"


def _stored_vectors(figures: Figures) -> Iterator[Row]:
    for engine, found in figures["engines"].items():
        for way, ms in found["ms"].items():
            if way != "folder" or engine == "elasticsearch":  # the same folder twice
                yield "score a search's candidates", f"{figures['candidates']} documents, {way}", f"{ms:,.1f} ms"


def _serve_load(figures: Figures) -> Iterator[Row]:
    per_request, found = figures["documents_per_request"], figures["relsearch"]
    alone = found["clients"][0]
    yield (
        f"service with a cross-encoder, {figures['cores']} cores",
        f"1 client, {per_request} documents a request",
        f"p50 {alone['p50_ms']:.0f} ms, p95 {alone['p95_ms']:.0f} ms",
    )
    saturated = f"{found['saturated_per_s']:.1f} requests a second"
    yield "the same, saturated", f"{per_request} documents a request", saturated


_PARTS: dict[str, Callable[[Figures], Iterator[Row]]] = {
    "demo": _demo,
    "judge_exported": _judge_exported,
    "judge_speed": _judge_speed,
    "reads": _reads,
    "gateway_cold": _gateway_cold,
    "stored_vectors": _stored_vectors,
    "serve_load": _serve_load,
}

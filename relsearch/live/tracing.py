"""Spans by OpenTelemetry's API: they cost nothing without the extra `otel`, or where its SDK is not set up.

A search is a span with children for the engine, for reading documents and for scoring; it continues the trace that the
client's headers name, and the engine is told of it. What a client sends never stands in a span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

Attributes = Mapping[str, str | bool | int]


@cache
def _tracer() -> Tracer | None:
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:
        return None
    return trace.get_tracer("relsearch")


@contextmanager
def search_span(name: str, headers: Mapping[str, str]) -> Iterator[Callable[[Attributes], None]]:
    """Trace a search in the trace that its headers name; yield what sets attributes."""
    if (tracer := _tracer()) is None:
        yield lambda _: None
        return
    from opentelemetry import propagate, trace

    # A span that is open already is that of a server instrumented from outside, which has read the headers.
    nested = trace.get_current_span().is_recording()
    context = None if nested else propagate.extract({key.lower(): value for key, value in headers.items()})
    with tracer.start_as_current_span(
        name, context, trace.SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span.set_attributes


@contextmanager
def child_span(name: str, sent: MutableMapping[str, str] | None = None) -> Iterator[None]:
    """Trace a part of a search, if a search is traced; headers that are `sent` to the engine then name it."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    from opentelemetry import propagate, trace

    if not trace.get_current_span().is_recording():  # what the client's headers say goes on to the engine as it came
        yield
        return
    kind = trace.SpanKind.INTERNAL if sent is None else trace.SpanKind.CLIENT
    with tracer.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False):
        if sent is not None:
            propagate.inject(sent)
        yield

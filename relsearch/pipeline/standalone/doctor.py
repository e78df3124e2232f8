"""What this machine can do: its processor, the extras that are installed, models, Java, an engine, and the speed."""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from statistics import median
from typing import Any

from relsearch import __version__
from relsearch.core.display.text_table import WIDTH
from relsearch.core.errors import RelsearchError
from relsearch.data.collection import load_collection
from relsearch.encoders.model_source import KNOWN_PACKAGES, PACKAGE_PREFIX, located
from relsearch.exporters.bundle.cpu import cpu_flags, cpu_name
from relsearch.index.java import find_java
from relsearch.index.registry import open_server
from relsearch.rerank.reranker import Reranker
from relsearch.runtime.engine import available_cores

# What cannot be done without an extra.
NEEDED_FOR: Mapping[str, str] = {
    "train": "tune, judge, train, run, grade --qrels, and the searcher dense",
    "export": "export, run",
    "export-optimum": "export by optimum, in an environment of its own with transformers 4.57",
    "openvino": "bundles that were exported for OpenVINO",
    "export-openvino": "export for OpenVINO",
    "serve": "serve",
    "gateway": "gateway",
    "charts": "to_chart() of results",
    "otel": "spans of serve and gateway",
    "elasticsearch": "search, ingest, fetch, sample, attach, and the searchers elasticsearch and opensearch",
    "lucene": "the searcher lucene",
    "datasets": "collections ir_datasets:ID",
    "remote": "the judge remote",
    "optimize": "optimize",
    "ray": "grade, judge, synthesize, run, rerank and precompute with --on ray",
}
_DOCUMENTS, _QUERY = 100, "how do I remove duplicates from a list and keep its order"
_BATCH, _MEASURING_S = 10, 3.0  # documents that are read at once, for so many seconds at most
_WHOLE: Mapping[str, Any] = {"break_long_words": False, "break_on_hyphens": False}  # paths and options can be pasted
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?[^;]*(?:;.*extra == [\"']([\w-]+)[\"'].*)?")


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found. `absent` names the packages that each extra lacks; a text says why something is not there.

    `load` is the average number of running processes in the last minute, `rerank_ms` the time for 100 documents.
    """

    version: str
    python: str
    processor: str
    cores: int
    instructions: tuple[str, ...]
    memory_gib: float | None
    absent: Mapping[str, tuple[str, ...]]
    models: Mapping[str, str]
    java: str
    engine: str | None
    load: float | None
    rerank_ms: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "absent": {extra: list(names) for extra, names in self.absent.items()}}

    def to_text(self) -> str:
        """Return a line for each thing, and what to do about what is absent."""
        memory = f"{self.memory_gib:.1f} GiB" if self.memory_gib is not None else "unknown"
        lines = [
            ("relsearch", f"{self.version}, Python {self.python}"),
            ("processor", f"{self.processor}, {self.cores} cores, {memory} of memory"),
            ("instructions", " ".join(self.instructions) or "none that relsearch looks for"),
            ("reranking", f"{_DOCUMENTS} documents in {self.rerank_ms:.0f} ms, by the ready bundle{self._busy()}"),
            ("Java", self.java),
            ("engine", self.engine or "not asked; pass --url or set RELSEARCH_URL"),
            *((f"model {name}", found) for name, found in self.models.items()),
        ]
        for extra, names in self.absent.items():
            lacks = f"absent ({', '.join(names)}), needed for {NEEDED_FOR[extra]}: pip install 'relsearch[{extra}]'"
            lines.append((f"extra {extra}", lacks if names else "installed"))
        return "\n".join(
            textwrap.fill(f"{name}: {text}", WIDTH, subsequent_indent="  ", **_WHOLE) for name, text in lines
        )

    def _busy(self) -> str:
        over = self.load is not None and self.load > self.cores
        return f"; measured on a busy machine, load {self.load:.1f}" if over else ""


def examine(url: str | None = None) -> Examination:
    """Return what this machine can do; takes some 5 s, most of them to measure reranking."""
    return Examination(
        version=__version__,
        python=".".join(map(str, sys.version_info[:3])),
        processor=cpu_name(),
        cores=available_cores(),
        instructions=cpu_flags(),
        memory_gib=_memory_gib(),
        absent={extra: tuple(absent_packages(extra)) for extra in NEEDED_FOR},
        models={name: _found(name) for name in KNOWN_PACKAGES},
        java=_java(),
        engine=None if url is None else _engine(url),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        rerank_ms=_rerank_ms(),
    )


def absent_packages(extra: str) -> Iterator[str]:
    """Yield the packages of an extra that are not installed, by what relsearch's own metadata asks for."""
    for line in metadata.requires("relsearch") or ():
        found = _REQUIREMENT.match(line)
        if found is None or found[3] != extra:
            continue
        if found[1] == "relsearch":
            for inner in found[2].split(","):
                yield from absent_packages(inner)
        elif not _installed(found[1]):
            yield found[1]


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):  # no POSIX
        return None


def _found(package: str) -> str:
    try:
        return str(located(f"{PACKAGE_PREFIX}{package}"))
    except RelsearchError as exc:
        return f"absent: {exc}"


def _java() -> str:
    try:
        return str(find_java())
    except RelsearchError as exc:
        return f"absent: {exc}"


def _engine(url: str) -> str:
    try:
        server = open_server(None, url)
        version = server.ask("GET", "/")["version"]
    except RelsearchError as exc:
        return f"not reached: {exc}"
    number = version.get("number", "") if isinstance(version, dict) else version
    return f"{server.name} {number} at {url}"


def _rerank_ms() -> float:
    """What 100 documents take that were not read before, by the median of some batches of the demo's."""
    reranker = Reranker("ready")
    texts = [reranker.render(each.fields) for each in islice(load_collection("demo").documents(), _DOCUMENTS + _BATCH)]
    reranker.score_pool(_QUERY, texts[:_BATCH])  # the first batch is slower
    times: list[float] = []
    started = time.perf_counter()
    for start in range(_BATCH, len(texts), _BATCH):
        before = time.perf_counter()
        reranker.score_pool(_QUERY, texts[start : start + _BATCH])
        times.append(time.perf_counter() - before)
        if time.perf_counter() - started > _MEASURING_S:
            break
    return median(times) * 1000 * _DOCUMENTS / _BATCH

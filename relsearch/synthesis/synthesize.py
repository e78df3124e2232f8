"""Queries out of documents: which documents, what their own structure asks, and what a query must pass to be kept.

Order of the filters: distinct and unlike every held-out query → finds its own document → the judge calls that document
relevant. Its negatives come from its own pool and from anywhere, without what the judge calls relevant:
false negatives teach the opposite of what is true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.errors import MissingExtraError
from relsearch.core.settings.config import SynthesizeConfig
from relsearch.core.tables import first_per_query
from relsearch.core.types import Scale
from relsearch.data.duplicates import first_of_each, repeats

_PREFIX = "synthetic-"


@dataclass(frozen=True, slots=True)
class Written:
    """One query, the document that it was written from, and what wrote it."""

    query_id: str
    text: str
    doc_id: str
    source: str


@dataclass(frozen=True, slots=True)
class FilterCounts:
    """How many queries of one source were written, and how many each filter left."""

    source: str
    written: int
    distinct: int
    round_trip: int
    relevant: int


def sample(doc_ids: Iterable[str], count: int, *, seed: int) -> list[str]:
    """Return at most `count` of the ids, drawn by a hash of seed and id, in the order of the ids."""
    drawn = sorted(doc_ids, key=lambda doc_id: hashlib.sha256(f"{seed}:{doc_id}".encode()).hexdigest())
    return sorted(drawn[:count])


def diverse(vectors: NDArray[np.float32], count: int, *, seed: int) -> list[int]:
    """Return the rows nearest to the centres of `count` clusters (k-means), each once, in order."""
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as exc:
        raise MissingExtraError("clustering documents", "train") from exc
    if len(vectors) <= count:
        return list(range(len(vectors)))
    clusters = MiniBatchKMeans(n_clusters=count, random_state=seed, n_init=1, batch_size=1024).fit(vectors)
    distances = np.linalg.norm(vectors - clusters.cluster_centers_[clusters.labels_], axis=1)
    nearest: dict[int, int] = {}
    for row in np.argsort(distances, kind="stable"):
        nearest.setdefault(int(clusters.labels_[row]), int(row))
    return sorted(nearest.values())


def identified(queries: Iterable[tuple[str, str, str]]) -> list[Written]:
    """Return queries from (text, doc_id, source); the id is a hash of text and document."""
    return [Written(_query_id(text, doc_id), text, doc_id, source) for text, doc_id, source in queries]


def distinct(written: Sequence[Written], known: Iterable[str], *, threshold: float) -> list[Written]:
    """Return the queries that neither an earlier one nor a known query equals or nearly repeats."""
    texts = {query.query_id: query.text for query in written}
    kept = set(first_of_each(texts, threshold=threshold))
    kept -= repeats({key: texts[key] for key in kept}, known, threshold=threshold)
    found: dict[str, Written] = {}
    for query in written:
        found.setdefault(query.query_id, query)
    return [query for query_id, query in found.items() if query_id in kept]


def round_trip(written: Sequence[Written], pool: pl.DataFrame, *, depth: int) -> list[Written]:
    """Return the queries that find their own document among the first `depth` of the pool."""
    found = set(pool.filter(pl.col("rank") <= depth).select("query_id", "doc_id").iter_rows())
    return [query for query in written if (query.query_id, query.doc_id) in found]


def to_judge(
    written: Sequence[Written], pool: pl.DataFrame, doc_ids: Sequence[str], config: SynthesizeConfig, *, seed: int
) -> pl.DataFrame:
    """Return query_id, doc_id and role ("source" | "hard" | "random") of the pairs to judge, each pair once."""
    rows = [(query.query_id, query.doc_id, "source") for query in written]
    pooled = dict(pool.sort("query_id", "rank").group_by("query_id", maintain_order=True).agg("doc_id").iter_rows())
    for query in written:
        candidates = [doc_id for doc_id in pooled.get(query.query_id, []) if doc_id != query.doc_id]
        # Some of them will turn out relevant and go: twice as many are judged as are wanted.
        hard = candidates[: 2 * config.hard_negatives]
        rows += [(query.query_id, doc_id, "hard") for doc_id in hard]
        known = {query.doc_id, *candidates}
        rows += [(query.query_id, doc_id, "random") for doc_id in _random(query, doc_ids, known, config, seed=seed)]
    return pl.DataFrame(rows, schema=dict.fromkeys(("query_id", "doc_id", "role"), pl.String), orient="row")


def passed(judged: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Return the judgments of those queries whose own document the judge calls relevant.

    `judged` is a judgments table with a column `role`, in the order of the pool.
    """
    own = judged.filter((pl.col("role") == "source") & (pl.col("grade") >= scale.relevant))
    return judged.join(own, on="query_id", how="semi", maintain_order="left")


def labelled(judged: pl.DataFrame, config: SynthesizeConfig, scale: Scale) -> pl.DataFrame:
    """Return each query's own document, and the first hard and random ones that the judge does not call relevant.

    `judged` is what `passed` returned.
    """
    negatives = judged.filter((pl.col("role") != "source") & (pl.col("grade") < scale.relevant))
    parts = [judged.filter(pl.col("role") == "source")]
    for role, limit in (("hard", config.hard_negatives), ("random", config.random_negatives)):
        parts.append(first_per_query(negatives.filter(pl.col("role") == role), limit))
    return pl.concat(parts).sort("query_id", "doc_id")


def filter_counts(steps: Sequence[Sequence[Written]], *, sources: Iterable[str] = ()) -> list[FilterCounts]:
    """Count what was written and what each of the three filters left, a source a row and all together last.

    A source of `sources` that wrote nothing has a row too.
    """
    written, unlike, found, relevant = ([query.source for query in step] for step in steps)
    rows = [
        FilterCounts(name, written.count(name), unlike.count(name), found.count(name), relevant.count(name))
        for name in sorted({*sources, *written})
    ]
    return [*rows, FilterCounts("all", len(written), len(unlike), len(found), len(relevant))]


def texts_of(written: Iterable[Written]) -> Mapping[str, str]:
    """Return query text by id."""
    return {query.query_id: query.text for query in written}


def _random(
    query: Written, doc_ids: Sequence[str], known: set[str], config: SynthesizeConfig, *, seed: int
) -> list[str]:
    number = int.from_bytes(hashlib.sha256(f"{seed}:{query.query_id}".encode()).digest()[:8], "big")
    rng = np.random.default_rng(number)
    size = min(len(doc_ids), len(known) + config.random_negatives)
    drawn = (doc_ids[place] for place in rng.choice(len(doc_ids), size=size, replace=False))
    return [doc_id for doc_id in drawn if doc_id not in known][: config.random_negatives]


def _query_id(text: str, doc_id: str) -> str:
    return _PREFIX + hashlib.sha256(f"{doc_id}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:12]

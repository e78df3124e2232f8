"""Queries that the pipeline writes from the passages of TREC Deep Learning, graded by the ready judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from relsearch.core.settings.config import Config
from relsearch.labels import augment as policy
from relsearch.pipeline.order import run_verb
from relsearch.pipeline.stages.inputs import Artefacts, Pools
from relsearch.pipeline.stages.label import synthetic

DOCUMENTS = 150


@dataclass(frozen=True)
class Written:
    """The training examples of written queries, and their texts by id."""

    examples: pl.DataFrame
    queries: Mapping[str, str]


def written_examples(base: Config, pools: Pools) -> Written:
    """Return the written queries that passed all filters, with everything that the judge graded beside them.

    They are kept in OUTPUT/written. Their pools are of an index of the gathered passages, which no run holds.
    """
    config = Config.model_validate(_config(base))
    for verb in ("collect", "index", "synthesize"):
        list(run_verb(verb, config))
    queries, labels = synthetic(config, Artefacts(config.output))
    ids = set(queries["query_id"])
    examples = policy.augment(
        pools.labels, labels, queries=ids, scale=config.scale, config=config.augment, synthetic=ids
    )
    return Written(examples, dict(queries.select("query_id", "text").iter_rows()))


def _config(base: Config) -> dict[str, Any]:
    return base.model_dump() | {
        "output": base.output / "written",
        "index": {"searchers": ["embedded"]},
        "pool": {"depth": 100},
        "synthesize": {"documents": DOCUMENTS, "sources": ["llm", "phrases"]},
        "augment": {"policies": ["synthetic"], "beside_source": "graded"},
    }

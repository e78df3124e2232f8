"""What stages read: each asks for inputs that there are, and what searches for settings sees no test query."""

from __future__ import annotations

from inspect import Parameter, signature
from pathlib import Path

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.settings.config import Config
from relsearch.core.types import Candidate, Document, Judgment
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.order import STAGES, Stage
from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools, open_pools


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A pipeline with a training and a test query, one candidate and one label each."""
    collect, pool = tmp_path / "collect", tmp_path / "pool"
    queries = pl.DataFrame({"query_id": ["a", "z"], "text": ["tea", "coffee"], "split": ["train", "test"]})
    labels = tables.judgments_table(Judgment(query, "d", 1, "human") for query in "az")
    candidates = tables.candidates_table(Candidate(query, "d", 1.0, 1, "bm25") for query in "az")
    tables.write(tables.documents_table([Document("d", {"text": "a hot drink"})]), collect / "documents.parquet", {})
    tables.write(queries, collect / "queries.parquet", tables.QUERIES)
    tables.write(labels, collect / "qrels.parquet", tables.JUDGMENTS)
    tables.write(labels, pool / "labels.parquet", tables.JUDGMENTS)
    for name in ("candidates", "first_stage"):
        tables.write(candidates, pool / f"{name}.parquet", tables.CANDIDATES)
    return Config(output=tmp_path)


def _queries_seen(pools: Pools) -> set[str]:
    collected = pools.collected
    found = (collected.queries, collected.human, pools.labels, pools.candidates, pools.first_stage)
    by_split = collected.split("train", "test") | {*collected.human_in("test")["query_id"]}
    return set(pl.concat(table["query_id"] for table in found)) | by_split | set(collected.query_texts)


def test_without_test_no_table_holds_a_test_query(config: Config) -> None:
    """Neither queries nor labels, pools, runs or texts; with it, all do."""
    assert _queries_seen(open_pools(config)) == {"a", "z"}
    assert _queries_seen(open_pools(config).without_test()) == {"a"}


def test_a_pair_of_a_hidden_query_has_no_text(config: Config) -> None:
    """It is an error, not an empty text."""
    pools = open_pools(config)
    assert [pair.query for pair in pools.collected.pairs(pools.candidates)] == ["tea", "coffee"]
    with pytest.raises(DataError, match="query 'z' is labelled or retrieved but not in the collection"):
        pools.without_test().collected.pairs(pools.candidates)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: str(stage.name))
def test_a_stage_reads_only_inputs_that_there_are(stage: Stage) -> None:
    """Config and directory by place, then inputs by keyword."""
    first, second, *inputs = signature(stage.function).parameters.values()
    assert [first.name, second.name] == ["config", "work"]
    assert {each.name for each in inputs} <= {"artefacts", "collected", "pools"}
    assert {each.kind for each in inputs} <= {Parameter.KEYWORD_ONLY}


def test_a_stage_is_given_the_inputs_that_it_names(config: Config, tmp_path: Path) -> None:
    """Of this pipeline, and no other."""
    given = []

    def read(config: Config, work: Building, *, collected: Collected, artefacts: Artefacts) -> None:
        given.extend([config, work, collected.split("test"), artefacts.path("pool")])

    work = Building(tmp_path)
    Stage("any", read, ()).run(config, work)
    assert given == [config, work, {"z"}, tmp_path / "pool"]

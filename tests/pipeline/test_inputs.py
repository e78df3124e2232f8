"""What stages read: each asks for inputs that there are, and what searches for settings sees no test query."""

from __future__ import annotations

from inspect import Parameter, signature
from pathlib import Path

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.core.errors import DataError
from relsearch.core.settings.config import Config, LabelConfig
from relsearch.core.types import Candidate, Document, Judgment
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.order import STAGES, Stage
from relsearch.pipeline.stages import folds
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


def test_what_repeats_a_query_is_left_out_with_it(tmp_path: Path) -> None:
    """Equal but for case and marks, or nearly; whatever its id and split."""
    texts = {"a": "how do cats sleep at night", "b": "How do cats sleep at night?", "c": "tides", "d": "cats"}
    splits = ["train", "unlabelled", "train", "train"]
    queries = pl.DataFrame({"query_id": [*texts], "text": [*texts.values()], "split": splits})
    tables.write(queries, tmp_path / "queries.parquet", tables.QUERIES)
    collected = Collected(tmp_path, "{text}")
    assert folds.with_repeats(Config(), collected, {"a"}) == {"a", "b"}
    assert folds.with_repeats(Config(), collected, {"c"}) == {"c"}


@pytest.mark.parametrize("judge", ["tuned + ready", "reranker + ready", "ready"])
def test_a_judge_is_tested_on_queries_that_it_did_not_learn_from(judge: str, tmp_path: Path) -> None:
    """Without a dev split: of a tuned one the first fold, alone or in an average; of the reranker all folds."""
    ids = [f"q{number}" for number in range(12)]
    queries = pl.DataFrame({"query_id": ids, "text": ids, "split": ["train"] * 12})
    labels = tables.judgments_table(Judgment(query, "d", 0 if query == "q11" else 3, "human") for query in ids)
    tables.write(queries, tmp_path / "queries.parquet", tables.QUERIES)
    tables.write(labels, tmp_path / "qrels.parquet", tables.JUDGMENTS)
    config, collected = Config(label=LabelConfig(judge=judge)), Collected(tmp_path, "{text}")
    wanted = {
        "tuned + ready": folds.folds(config, collected)[0],
        "reranker + ready": {*ids} - {"q11"},  # in no fold: nobody can tell a good ranking of it
        "ready": {*ids},
    }
    assert folds.testing_the_judge(config, collected) == wanted[judge]


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

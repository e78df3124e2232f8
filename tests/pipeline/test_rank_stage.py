"""The stage that measures: its measures and gains are those of the collection's scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.core.settings.config import Config
from relsearch.core.types import Candidate, Judgment
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages import rank
from relsearch.pipeline.stages.inputs import Artefacts, open_collected

QUERIES = ["q1", "q2", "q3"]


def _measured(folder: Path, scale: str, grades: tuple[int, int, int]) -> dict[str, Any]:
    """The stage's figures, where BM25 ranks three documents of these grades in turn and the last reranker backwards."""
    settings = {"output": folder, "collection": {"scale": scale}, "evaluate": {"resamples": 100}}
    config, artefacts = Config.model_validate(settings), Artefacts(folder)
    queries = pl.DataFrame({"query_id": QUERIES, "text": QUERIES, "split": ["test"] * 3})
    tables.write(queries, artefacts.path("collect", "queries.parquet"), tables.QUERIES)
    labels = [Judgment(query, f"d{place}", grade, "human") for query in QUERIES for place, grade in enumerate(grades)]
    tables.write(tables.judgments_table(labels), artefacts.path("collect", "qrels.parquet"), tables.JUDGMENTS)
    for name in rank.measured(config):
        order = (2, 1, 0) if name == "augmented_reranker" else (0, 1, 2)
        run = tables.candidates_table(
            Candidate(query, f"d{place}", -float(turn), turn, "t")
            for query in QUERIES
            for turn, place in enumerate(order, 1)
        )
        tables.write(run, artefacts.path("rerank", f"{name}.parquet"), tables.CANDIDATES)
    work = Building(folder / "evaluate")
    rank.evaluate(config, work, collected=open_collected(config), artefacts=artefacts)
    return work.figures


@pytest.mark.parametrize(
    ("scale", "grades", "measures"),
    [
        ("0-3", (0, 1, 3), ["nDCG@10", "RR(rel=2)@10"]),
        ("1-4", (1, 2, 4), ["nDCG@10", "RR(rel=2)@10"]),
        ("binary", (0, 0, 1), ["nDCG@10", "RR@10"]),
    ],
)
def test_the_table_follows_the_scale(
    tmp_path: Path, scale: str, grades: tuple[int, int, int], measures: list[str]
) -> None:
    """The relevant document first has 1, third a third; recall at the pools' depth is not in the table."""
    figures = _measured(tmp_path, scale, grades)
    runs = figures["result"]["runs"]
    assert list(runs["bm25"]) == measures
    assert runs["augmented_reranker"][measures[1]]["mean"] == 1
    assert runs["bm25"][measures[1]]["mean"] == pytest.approx(1 / 3)
    assert runs["augmented_reranker"]["nDCG@10"]["mean"] == 1
    assert runs["bm25"]["nDCG@10"]["mean"] < 0.7
    assert "R" not in {name.split("@")[0] for name in measures}


def test_a_level_that_no_label_reaches_is_a_dash_with_its_reason(tmp_path: Path) -> None:
    """In the stage's table too."""
    figures = _measured(tmp_path, "0-3", (0, 0, 1))
    assert figures["result"]["runs"]["bm25"]["RR(rel=2)@10"]["mean"] is None
    assert figures["table"].splitlines()[-1].startswith("RR(rel=2)@10 is not defined")

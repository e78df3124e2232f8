"""Five labelled queries make a reranker: cross-validation does what a dev split would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from relsearch.core.settings.config import Config
from relsearch.core.types import Document
from relsearch.pipeline.order import run_all
from relsearch.rerank.families import open_card

LABELLED = {
    "why does a cat purr": "cat",
    "food for cats": "cat",
    "how to steep green tea": "tea",
    "why are there tides": "sea",
    "why is the sky blue": "sky",
}


@pytest.mark.slow
def test_five_labelled_queries_run_through(tmp_path: Path, documents: list[Document], tiny_bert: Path) -> None:
    """Every stage is done; what was too few is said, the judge is tested on the queries that its models left out."""
    folder = tmp_path / "collection"
    folder.mkdir()
    corpus = [{"_id": document.doc_id, **document.fields} for document in documents]
    queries = [{"_id": f"q{place}", "text": text} for place, text in enumerate([*LABELLED, "waves and wind at sea"])]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    labels = [
        f"q{place} 0 {document.doc_id} {3 if document.doc_id.startswith(topic) else 0}\n"
        for place, topic in enumerate(LABELLED.values())
        for document in documents
    ]
    (folder / "qrels.tsv").write_text("".join(labels), encoding="utf-8")
    settings: dict[str, Any] = {
        "output": tmp_path / "out",
        "collection": {"source": str(folder)},
        "pool": {"depth": 8},
        "encoder": {"model": str(tiny_bert)},
        "augment": {"force": True},
        "train": {"dimension": 8, "max_length": 64, "max_steps": 2},
        "export": {"quality_gate": "report", "force": True},
        "evaluate": {"resamples": 200},
    }
    done = {result.name: result.figures for result in run_all(Config.model_validate(settings))}
    assert done["collect"]["queries"] == {"test": 2, "train": 3, "unlabelled": 1}
    gate = done["export"]["quality_gate"]
    assert isinstance(gate, dict)
    assert (gate["kind"], gate["queries"], done["export"]["shipped"]) == ("cross-validated", 3, "none")
    assert "3 cross-validated queries cannot tell" in str(done["export"]["refused"])
    assert "force = true says so" in " ".join(str(done["augment"]["table"]).split())
    output = tmp_path / "out"
    split = dict(pl.read_parquet(output / "collect" / "queries.parquet").select("query_id", "split").iter_rows())
    judged = pl.read_parquet(output / "judge" / "judgments.parquet")
    assert {split[query] for query in judged["query_id"]} == {"train", "test", "unlabelled"}
    start, end = open_card(output / "train-human").history
    folds = [open_card(output / "train-human" / "folds" / str(number)).history for number in range(3)]
    assert start.ndcg10 == pytest.approx(sum(each[0].ndcg10 for each in folds) / 3)
    assert end.ndcg10 == pytest.approx(sum(each[-1].ndcg10 for each in folds) / 3)

"""Five labelled queries make a reranker: cross-validation does what a dev split would."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import polars as pl
import pytest

from relsearch.core.settings.config import Config
from relsearch.core.types import Document
from relsearch.pipeline.order import run_all
from relsearch.pipeline.stages import folds
from relsearch.pipeline.stages.inputs import open_pools
from relsearch.pipeline.stages.training import human_examples, train_on
from relsearch.rerank.families import open_card

LABELLED = {
    "why does a cat purr": "cat",
    "food for cats": "cat",
    "how to steep green tea": "tea",
    "why are there tides": "sea",
    "why is the sky blue": "sky",
}


@pytest.mark.slow
def test_five_labelled_queries_run_through(
    tmp_path: Path, documents: list[Document], tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stage is done; what was too few is said, the judge is tested on the queries that its models left out.

    The folds' models are of the weights that were chosen, and finished ones are not trained again.
    """
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
    config = Config.model_validate(settings)
    done = {result.name: result.figures for result in run_all(config)}
    assert done["collect"]["queries"] == {"test": 2, "train": 3, "unlabelled": 1}
    gate = done["export"]["quality_gate"]
    assert isinstance(gate, dict)
    assert (gate["kind"], gate["queries"], done["export"]["shipped"]) == ("cross-validated", 3, "none")
    assert "3 cross-validated queries cannot tell" in str(done["export"]["refused"])
    assert "Judged labels are used since" in " ".join(str(done["augment"]["table"]).split())
    output = tmp_path / "out"
    split = dict(pl.read_parquet(output / "collect" / "queries.parquet").select("query_id", "split").iter_rows())
    judged = pl.read_parquet(output / "judge" / "judgments.parquet")
    assert {split[query] for query in judged["query_id"]} == {"train", "test", "unlabelled"}
    card, folded = open_card(output / "train-human"), output / "train-human" / "folds"
    tested = [json.loads((folded / f"{number}-end.json").read_text("utf-8")) for number in range(3)]
    start, end = card.history
    assert start.ndcg10 == pytest.approx(sum(each["start"] for each in tested) / 3)
    assert end.ndcg10 == pytest.approx(sum(each["end"] for each in tested) / 3)
    assert card.dev_ndcg10 == max(start.ndcg10, end.ndcg10)
    trained = end.ndcg10 > start.ndcg10
    assert {open_card(folded / str(number)).best_step > 0 for number in range(3)} == {trained} == {card.best_step > 0}
    learning = Mock(side_effect=train_on)
    monkeypatch.setattr(folds, "train_on", learning)
    shutil.copytree(folded, tmp_path / "again" / "folds")
    pools = open_pools(config)
    report = folds.cross_validate(
        config,
        human_examples(config, "train", pools=pools),
        {},
        pools=pools,
        vectors=tmp_path / "vectors",
        output=tmp_path / "again",
    )
    assert [call.kwargs["output"] for call in learning.call_args_list] == [tmp_path / "again"]
    assert (report.card.calibration, report.card.history[0]) == (card.calibration, card.history[0])

"""The benchmarks of reranking: every figure is there, on a tiny model."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.rerankers.budget import measure as measure_budgets
from benchmarks.rerankers.speed.__main__ import QUERY, QUICK, Load, measure, random_head, show, texts_of_length
from benchmarks.rerankers.speed.ways import FLASHRANK, FP32, INT8, NAIVE, RERANKERS, TORCH, Floats, check_same
from relsearch.core.types import Document, Query
from relsearch.rerank.calibrated import Request
from relsearch.runtime.tokenising import PairTokenizer


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the peers' own exporters
def test_every_figure_is_measured(tiny_reranker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All ways are timed on all loads; ratios are those of the first; the tables print."""
    found = measure(tiny_reranker, tmp_path, QUICK, rounds=2, max_length=64, threads=1)
    gc.collect()  # optimum leaves its temporary folders to the collector, which warns of each
    first = found["loads"][0]
    assert found["int8_ratio"] == first["ratio"][found["int8_way"]]["value"]
    assert found["fp32_ratio"] == first["ratio"][FP32]["value"]
    assert first["ratio"][NAIVE]["value"] == 1
    assert set(first["seconds"]) == set(found["difference"]) >= {NAIVE, FP32, INT8, RERANKERS, TORCH, FLASHRANK}
    assert found["difference"][FP32] < 1e-3
    show(found)
    assert "FlashRank" in capsys.readouterr().out


def test_a_way_that_computes_something_else_is_refused() -> None:
    """An exact way that differs is named; int8 may differ."""
    texts = ["a", "bb", "cccc"]

    def lengths(request: Request) -> Floats:
        return np.array([float(len(text)) for text in request[1]])

    def other(request: Request) -> Floats:
        return np.asarray(lengths(request) + np.array([0, 1, 0]))

    assert check_same({NAIVE: lengths, INT8: other}, (QUERY, texts))[INT8] > 0.5
    with pytest.raises(AssertionError, match="other computes something else"):
        check_same({NAIVE: lengths, "other": other}, (QUERY, texts))


@pytest.mark.slow
def test_texts_have_the_wanted_mean_length(tiny_bundles: dict[str, Path]) -> None:
    """All are distinct, their lengths differ, and the mean is near what was asked for."""
    reader = PairTokenizer(tiny_bundles["fp32"] / "tokenizer.json", max_length=512)
    texts = texts_of_length(reader, Load(60, 120))
    lengths = [len(row.ids) for (row,) in reader.rows([(QUERY, text) for text in texts])]
    assert len(set(texts)) == 60
    assert np.mean(lengths) == pytest.approx(120, rel=0.25)
    assert max(lengths) > 1.5 * min(lengths)


def test_more_time_reaches_more(
    tiny_bundles: dict[str, Path], tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """Without time nothing is reached, in a minute everything."""
    (tmp_path / "runs").mkdir()
    rows = [{"_id": doc.doc_id, **doc.fields} for doc in documents]
    pl.DataFrame(rows).write_ndjson(tmp_path / "corpus.jsonl")
    pl.DataFrame([{"_id": q.query_id, "text": q.text} for q in queries]).write_ndjson(tmp_path / "queries.jsonl")
    (tmp_path / "qrels.tsv").write_text("".join(f"{q.query_id} 0 cat-1 2\n" for q in queries))
    run = [f"{q.query_id} Q0 {d.doc_id} {n} {20 - n} bm25" for q in queries for n, d in enumerate(documents, start=1)]
    (tmp_path / "runs" / "bm25.trec").write_text("\n".join(run) + "\n")
    found = measure_budgets(tiny_bundles["fp32"], tmp_path, budgets=[0, 60_000], depth=10)
    assert [row["reached"] for row in found["curve"]] == [0, 10]
    assert found["queries"] == 4


@pytest.mark.slow
def test_the_head_of_the_benchmark_tells_texts_apart(tmp_path: Path) -> None:
    """A model that adds nothing could not be compared."""
    from relsearch.rerank.cross.torch_scorer import load_model, residuals

    model = load_model(random_head(tmp_path / "model", max_length=64), max_length=64)
    assert residuals(model, [(QUERY, "a cat"), (QUERY, "the sea")]).std() > 0

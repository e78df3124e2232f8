"""The verbs `rerank` and `precompute` on a real Ray cluster: the results of one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.cluster.ray_workers import RayWorkers
from relsearch.core.files.journal import Journal
from relsearch.data.collection import load_collection
from relsearch.data.trec import read_run
from relsearch.pipeline.standalone.precompute import precompute
from relsearch.rerank import document_workers
from relsearch.rerank.vectors.folder import META, VectorFolder
from relsearch.rerank.vectors.store import StoreFacts

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]


def _run(*command: object) -> None:
    result = CliRunner().invoke(app, list(map(str, command)))
    assert result.exit_code == 0, result.exception or result.output


def test_reranking_on_ray_gives_the_run_of_one_machine(
    cluster: Any, small_collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row for row; each query's order is kept once."""
    appended = Journal.append
    orders: list[str] = []

    def counted(journal: Journal, row: Any) -> None:
        orders.append(row["key"])
        appended(journal, row)

    run = small_collection / "run.trec"
    verb = ("rerank", run, "--bundle", "ready", "--collection", small_collection, "-o")
    _run(*verb, tmp_path / "plain.trec")
    monkeypatch.setattr(Journal, "append", counted)
    _run(*verb, tmp_path / "ray.trec", "--on", "ray")
    plain, spread = (read_run(tmp_path / name) for name in ("plain.trec", "ray.trec"))
    assert_frame_equal(spread, plain, rel_tol=0, abs_tol=1e-4)
    assert len(orders) == len(set(orders)) == plain["query_id"].n_unique()


def test_precomputing_on_ray_stores_the_vectors_of_one_machine(
    cluster: Any, small_collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each document's once; a second run reads none."""
    monkeypatch.setattr(document_workers, "BATCH", 6)
    workers = RayWorkers(1, 0)
    plain = precompute(small_collection, "ready", tmp_path / "plain")
    assert precompute(small_collection, "ready", tmp_path / "ray", workers=workers) == plain
    assert precompute(small_collection, "ready", tmp_path / "ray", workers=workers) == {**plain, "added": 0}
    texts = [document.fields["text"] for document in load_collection(small_collection).documents()]
    facts = StoreFacts.model_validate_json((tmp_path / "ray" / META).read_bytes())
    expected, found = (VectorFolder(tmp_path / name, facts).lookup(texts) for name in ("plain", "ray"))
    assert found.keys() == expected.keys() == set(texts)
    for text in texts:
        assert found[text].pooled == pytest.approx(expected[text].pooled, abs=1e-3)
        assert np.abs(found[text].tokens.astype(int) - expected[text].tokens).max() <= 1  # rounded to a byte

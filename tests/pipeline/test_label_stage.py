"""The stages that label: the gate measures the grades that are used, whatever judge gave them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relsearch.core import tables
from relsearch.core.errors import GateError
from relsearch.core.settings.config import Config
from relsearch.core.types import Document, Judgment, Query
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages import label
from relsearch.pipeline.stages.inputs import Artefacts, Pools, open_pools
from tests.pipeline.tiny_pipeline import LABELLED, lay_out


@pytest.fixture
def pools(tmp_path: Path, documents: Sequence[Document], queries: Sequence[Query]) -> Pools:
    """Pools of four training queries whose judge orders documents as people do, and gives all of them grade 1."""
    splits = {query.query_id: "train" for query in queries}
    artefacts = lay_out(tmp_path, splits, documents, queries)
    labels = []
    for query_id in splits:
        for place, document in enumerate(documents[:LABELLED]):
            shares = (0.35 - 0.03 * place, 0.45, 0.15 + 0.01 * place, 0.05 + 0.02 * place)
            expected = float(np.dot(shares, range(4)))
            labels.append(Judgment(query_id, document.doc_id, 1, "judge", "mean", shares, expected, shares[1]))
    tables.write(tables.judgments_table(labels), artefacts.path("judge", "judgments.parquet"), tables.JUDGMENTS)
    return open_pools(Config(output=tmp_path))


def _kappa(pools: Pools, **settings: Any) -> float:
    """The judge's kappa that the stage shows; the gate passes with it, or refuses."""
    output = pools.folder.parent
    config = Config.model_validate({"output": output, "label": settings, "evaluate": {"resamples": 100}})
    work = Building(output / "work")
    label.agree(config, work, pools=pools, artefacts=Artefacts(output))
    kappa = work.figures["kappa_dev"]
    assert isinstance(kappa, float)
    if kappa > 0:
        label.augment(config, work, pools=pools, artefacts=Artefacts(output))
    else:
        with pytest.raises(GateError, match="no better than the majority class"):
            label.augment(config, work, pools=pools, artefacts=Artefacts(output))
    return kappa


@pytest.mark.parametrize("judge", ["reranker + ready", "tuned + ready", "reranker:ready + ready"])
def test_rounded_means_are_measured_as_they_are(pools: Pools, judge: str) -> None:
    """An average has no cuts: where it gives every document one grade, order alone does not pass the gate."""
    assert _kappa(pools, judge=judge) == 0


def test_cuts_of_the_tested_queries_are_fitted_anew(pools: Pools) -> None:
    """A single judge's grades come from cuts that other queries choose."""
    assert _kappa(pools, judge="reranker") == 1


def test_the_mean_of_windows_is_measured_as_it_is(pools: Pools) -> None:
    """Documents longer than a window are graded by rounding, the others by cuts."""
    windows = {"window_characters": 10, "window_combine": "mean"}
    assert _kappa(pools, judge="tuned", **windows) == 0
    assert _kappa(pools, judge="tuned", **{**windows, "window_characters": 500}) == 1
    assert _kappa(pools, judge="tuned", **{**windows, "window_combine": "max"}) == 1

"""The quality gate by cross-validation says what its figures do not show."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from relsearch.core.settings.config import Config
from relsearch.core.types import Document, Query
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages.folds import FOLDS, folds
from relsearch.pipeline.stages.inputs import Artefacts, open_pools
from relsearch.pipeline.stages.ship import judged_at_gate
from tests.pipeline.tiny_pipeline import lay_out


@pytest.mark.parametrize(
    ("arm", "judge", "taught"),
    [
        ("augmented", "reranker", True),
        ("augmented", "ready + tuned", True),
        ("augmented", "ready", False),
        ("human", "reranker", False),
    ],
)
def test_a_judge_that_learnt_from_the_held_out_labels_is_named(
    arm: str,
    judge: str,
    taught: bool,
    tmp_path: Path,
    documents: Sequence[Document],
    queries: Sequence[Query],
    tiny_bert: Path,
    tiny_reranker: Path,
) -> None:
    """Only the augmented arm learns from the judge, and only these judges from the pipeline's labels."""
    artefacts = lay_out(tmp_path, {query.query_id: "train" for query in queries}, documents, queries)
    settings = {"encoder": {"model": str(tiny_bert)}, "label": {"judge": judge}, "train": {"family": "cross"}}
    config = Config.model_validate({"output": tmp_path, **settings})
    pools, work = open_pools(config), Building(tmp_path / "work")
    for number in range(len(folds(config, pools.collected))):
        shutil.copytree(tiny_reranker, artefacts.path(f"train-{arm}", FOLDS, str(number)))
    verdict = judged_at_gate(config, work, arm, pools=pools, artefacts=Artefacts(tmp_path))
    assert (verdict.kind, verdict.queries) == ("cross-validated", 4)
    assert ("taught the judge" in verdict.to_table()) == ("taught the judge" in str(verdict.to_json())) == taught

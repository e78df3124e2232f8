"""Cross-validation in place of a dev split: the folder tells of what was measured on queries that were left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relsearch.core.settings.config import Config
from relsearch.core.types import Document, Query
from relsearch.exporters.model_card import model_card
from relsearch.pipeline.stages.folds import cross_validate
from relsearch.pipeline.stages.inputs import open_pools
from relsearch.pipeline.stages.training import human_examples
from relsearch.rerank.bundle import MODEL_CARD
from relsearch.rerank.families import open_card
from tests.pipeline.tiny_pipeline import lay_out


def _config(folder: Path, bert: Path) -> Config:
    settings = {
        "output": folder,
        "encoder": {"model": str(bert)},
        "train": {"family": "cross", "base": str(bert), "max_length": 64, "max_steps": 1},
    }
    return Config.model_validate(settings)


def test_the_model_card_has_the_cross_validated_figures(
    tmp_path: Path, documents: Sequence[Document], queries: Sequence[Query], tiny_bert: Path
) -> None:
    """README.md is that of reranker.json, not of the training on all queries, which knows the answers."""
    lay_out(tmp_path, {query.query_id: "train" for query in queries}, documents, queries)
    config, output = _config(tmp_path, tiny_bert), tmp_path / "train-human"
    pools = open_pools(config)
    examples = human_examples(config, "train", pools=pools)
    report = cross_validate(config, examples, {}, pools=pools, vectors=tmp_path / "vectors", output=output)
    assert report.card.model_dump_json() == open_card(output).model_dump_json()  # a base's folder has its name alone
    assert (output / MODEL_CARD).read_text("utf-8") == model_card(output)

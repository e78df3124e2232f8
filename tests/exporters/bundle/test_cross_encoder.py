"""Any cross-encoder becomes a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.core.errors import DataError, ModelError
from relsearch.core.settings.config import ExportConfig
from relsearch.core.types import Document, Judgment, Query
from relsearch.exporters.bundle.cross_encoder import export_foreign, write_foreign
from relsearch.rerank.bundle import open_bundle
from relsearch.rerank.card import CARD
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.cross.torch_scorer import load_model, residuals

pytestmark = pytest.mark.slow

TEXTS = ["a cat purrs", "sea water holds salt", ""]


class Labelled:
    """The ten documents, each topic's relevant to its query."""

    def __init__(self, documents: list[Document], queries: list[Query], *, labels: int) -> None:
        self._documents = documents
        self._queries = queries
        self._labels = labels

    def documents(self, read: Container[str] = ()) -> Iterator[Document]:
        """Every document."""
        yield from self._documents

    def queries(self) -> list[Query]:
        """Every query."""
        return self._queries

    def has_qrels(self) -> bool:
        """Whether anything is labelled."""
        return self._labels > 0

    def qrels(self) -> list[Judgment]:
        """Cats are relevant."""
        pairs = [(query.query_id, doc.doc_id) for query in self._queries for doc in self._documents]
        return [
            Judgment(query_id, doc_id, 2 if doc_id.startswith("cat") else 1, source="human")
            for query_id, doc_id in pairs[: self._labels]
        ]

    def sources(self) -> list[Path | str]:
        """Nothing on disk."""
        return []


def test_a_cross_encoder_without_card_scores_as_torch(tiny_reranker: Path, tmp_path: Path) -> None:
    """Logits are the model's own; there is no encoder, and length is what the model can read."""
    manifest = write_foreign(str(tiny_reranker), tmp_path / "bundle", max_length=512)
    assert (manifest.prior, manifest.encoder, manifest.format) == (None, None, 2)
    assert manifest.max_length <= 128
    assert set(open_bundle(tmp_path / "bundle").manifest.files) == {"model.onnx", "tokenizer.json"}
    wanted = residuals(load_model(tiny_reranker, max_length=64), [("why", text) for text in TEXTS])
    scorer = OnnxScorer.open(tmp_path / "bundle")
    assert scorer.logits("why", TEXTS) == pytest.approx(wanted, abs=1e-4)
    assert scorer.rerank("why", TEXTS, budget_ms=60_000).reached == 3


@pytest.fixture
def foreign(tiny_reranker: Path, tmp_path: Path) -> Path:
    """A cross-encoder that relsearch knows nothing of."""
    return Path(shutil.copytree(tiny_reranker, tmp_path / "foreign", ignore=shutil.ignore_patterns(CARD)))


def test_it_is_held_to_the_gate_and_written_in_half_precision_too(
    foreign: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """The report tells of quality and speed; the fp16 bundle scores as fp32 within its rounding."""
    collection = Labelled(documents, queries, labels=40)
    report = export_foreign(
        str(foreign), tmp_path / "b", collection=collection, config=ExportConfig(half=True), max_length=64
    )
    assert report.exact.max_difference < 1e-3
    assert report.tried is not None
    assert report.tried.pairs == 40
    assert (report.recipe == "fp32") == (report.variant == "fp32")
    manifest = open_bundle(tmp_path / "b").manifest
    assert manifest.figures["last_layer"] == "first token"
    assert manifest.mix == 0.0  # its own scores: nothing is known of it
    half = OnnxScorer.open(tmp_path / "b-fp16")
    assert half.manifest.variant == "fp16"
    whole = residuals(load_model(foreign, max_length=64), [("why", text) for text in TEXTS])
    assert half.logits("why", TEXTS) == pytest.approx(whole, abs=0.02)


def test_without_labels_there_is_nothing_to_hold_it_to(
    foreign: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """An unlabelled collection is refused."""
    with pytest.raises(DataError, match="name one with qrels"):
        export_foreign(
            str(foreign),
            tmp_path / "b",
            collection=Labelled(documents, queries, labels=0),
            config=ExportConfig(),
        )


def test_the_command_needs_a_place_to_write() -> None:
    """A model without --output is wrong usage."""
    result = CliRunner().invoke(app, ["export", "--model", "somewhere"])
    assert result.exit_code == 2
    assert "--output" in result.output


def test_one_of_relsearchs_own_is_refused(
    tiny_reranker: Path,
    tmp_path: Path,
    documents: list[Document],
    queries: list[Query],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the prior that it was trained on its scores would mean nothing, by whatever name it is found."""
    collection = Labelled(documents, queries, labels=40)
    (tmp_path / "own").symlink_to(tiny_reranker)
    monkeypatch.setenv("RELSEARCH_MODELS", str(tmp_path))
    for name in (str(tiny_reranker), "somebody/own"):
        with pytest.raises(ModelError, match="on a prior"):
            export_foreign(name, tmp_path / "b", collection=collection, config=ExportConfig())

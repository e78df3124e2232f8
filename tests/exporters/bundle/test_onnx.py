"""Exporting a trained reranker to a bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relsearch.core.errors import ArtifactError, ModelError
from relsearch.core.settings.config import EncoderConfig, ExportConfig
from relsearch.core.types import SCALES, Document, Query
from relsearch.encoders.encoder import load_encoder
from relsearch.exporters.bundle.onnx import Labelled, export_bundle, write_fp32
from relsearch.exporters.graphs.checked import export_cross_encoder, export_encoder
from relsearch.rerank.bundle import open_bundle
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.cross.torch_scorer import TorchScorer
from relsearch.runtime.engine import Engine
from relsearch.runtime.tokenising import TextTokenizer
from tests.rerank.tiny_reranker import dev_pairs, examples_of

pytestmark = pytest.mark.slow


@pytest.fixture
def qrels(documents: list[Document]) -> pl.DataFrame:
    """Grades of the dev pairs."""
    return examples_of(["q3", "q4"], documents)


def test_fp32_equals_torch(
    tiny_reranker: Path, tmp_path: Path, queries: list[Query], documents: list[Document], qrels: pl.DataFrame
) -> None:
    """Where int8 may lose nothing and cannot be faster, fp32 ships, says why, and scores as torch."""
    config = ExportConfig(max_ndcg_loss=0, min_top10_overlap=10)
    pairs = dev_pairs(queries, documents)
    report = export_bundle(
        tiny_reranker, tmp_path / "bundle", labelled=Labelled.from_pairs(pairs, qrels, SCALES["0-3"]), config=config
    )
    assert report.exact.max_difference < 1e-3
    manifest = open_bundle(tmp_path / "bundle").manifest
    assert manifest.variant == report.variant
    assert manifest.figures["reason"] == report.reason
    if report.variant == "fp32":
        assert report.reason.startswith("int8 was refused: ")
        texts = [pair.text for pair in pairs]
        torch = TorchScorer.open(tiny_reranker).score("why is the sky blue", texts)
        assert OnnxScorer.open(tmp_path / "bundle").score("why is the sky blue", texts) == pytest.approx(
            torch, abs=1e-4
        )


def test_force_ships_int8(
    tiny_reranker: Path, tmp_path: Path, queries: list[Query], documents: list[Document], qrels: pl.DataFrame
) -> None:
    """Forced by name, int8 ships whatever the gate says, and replaces the bundle that was there."""
    write_fp32(tiny_reranker, tmp_path / "bundle")
    labelled = Labelled.from_pairs(dev_pairs(queries, documents), qrels, SCALES["0-3"])
    config = ExportConfig(force=True)
    report = export_bundle(tiny_reranker, tmp_path / "bundle", labelled=labelled, config=config)
    assert report.variant == open_bundle(tmp_path / "bundle").manifest.variant == "int8"
    assert report.figures()["tried_fp32_pairs"] == 20
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    (tmp_path / "bundle" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"notes\.txt: relsearch did not make it"):
        export_bundle(tiny_reranker, tmp_path / "bundle", labelled=labelled, config=config)
    assert (tmp_path / "bundle" / "notes.txt").read_text() == "mine"
    with pytest.raises(ArtifactError, match="relsearch did not make it"):
        export_bundle(tiny_reranker, tiny_reranker, labelled=labelled, config=config)
    assert (tiny_reranker / "model.safetensors").is_file()


def test_the_encoder_graph_pools_as_the_encoder(tiny_bert: Path, tmp_path: Path) -> None:
    """The exported encoder's normalised output is the encoder's vector."""
    config = EncoderConfig(model=str(tiny_bert))
    facts = export_encoder(config, tmp_path / "encoder.onnx", tokenizer=tmp_path / "tokenizer.json")
    engine = Engine(tmp_path / "encoder.onnx", outputs=("sentence_embedding",))
    texts = ["a cat", "green tea is steeped at 80 degrees", ""]
    vectors = engine.run(TextTokenizer(tmp_path / "tokenizer.json", max_length=facts.max_length).rows(texts))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    # Against double precision the graph is off by 5e-8 and torch's fused attention by 3e-5.
    assert vectors == pytest.approx(load_encoder(config).encode_documents(texts), abs=1e-4)
    assert facts.pooling == "mean"


def test_an_untrained_folder_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    """A model without reranker.json is not exported."""
    with pytest.raises(ArtifactError, match=r"reranker\.json"):
        export_bundle(tiny_bert, tmp_path / "b", labelled=Labelled([], pl.DataFrame()), config=ExportConfig())


def test_a_model_of_another_kind_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    """A base that the exporter has no recipe for is our error, naming the folder."""
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    (folder / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(ModelError, match=r"model cannot be loaded \(.*no-such-model"):
        export_cross_encoder(folder, tmp_path / "model.onnx", tokenizer=tmp_path / "tokenizer.json")

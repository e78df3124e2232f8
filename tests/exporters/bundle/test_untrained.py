"""Any encoder becomes a bundle that needs no labels."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.core.errors import ArtifactError, DataError, ModelError
from relsearch.core.settings.config import EncoderConfig, ExportConfig
from relsearch.core.types import Document, Judgment, Query
from relsearch.data.collection import Collection
from relsearch.exporters.bundle.untrained import export_untrained
from relsearch.rerank.bundle import SHIPPED
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.reranker import Reranker
from relsearch.rerank.vectors.interaction import cosines, maxsims
from tests.exporters.bundle.test_cross_encoder import Labelled
from tests.odd_models import edit
from tests.tiny_models import save_tiny_bert

pytestmark = pytest.mark.slow

LENGTH = 64  # the tiny encoder reads 128 tokens


class OneEach(Labelled):
    """One labelled document a query, as where only the relevant ones were written down."""

    def qrels(self) -> list[Judgment]:
        """Relevant, but the last."""
        first = zip(self.queries(), self.documents(), strict=False)
        labels = [Judgment(query.query_id, doc.doc_id, 1, source="human") for query, doc in first]
        return [*labels[:-1], replace(labels[-1], grade=0)]


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> EncoderConfig:
    """A tiny encoder that expects prefixes."""
    return EncoderConfig(model=str(tiny_bert), query_prefix="sea ", document_prefix="sky ")


@pytest.fixture(scope="module")
def bundle(
    tmp_path_factory: pytest.TempPathFactory, encoder: EncoderConfig, documents: list[Document], queries: list[Query]
) -> Path:
    """Its bundle, in fp32, so that nothing is rounded."""
    folder = tmp_path_factory.mktemp("untrained") / "bundle"
    collection = Labelled(documents, queries, labels=40)
    export_untrained(
        encoder,
        folder,
        collection=collection,
        config=ExportConfig(min_top10_overlap=10.0, max_ndcg_loss=0.0),
        max_length=LENGTH,
    )
    return folder


def test_the_head_sees_what_the_ready_reranker_sees(
    bundle: Path, documents: list[Document], queries: list[Query]
) -> None:
    """On the labelled documents each similarity has the ready one's mean, and its deviation within a query."""
    texts = [f"{each.fields['title']}\n{each.fields['text']}".strip() for each in documents]
    found = []
    for scorer in (LateOnnxScorer.open(bundle), LateOnnxScorer.open(SHIPPED)):
        head, read = scorer.manifest.head, scorer.document_vectors(texts)
        for compared, standard in ((cosines, head.cosine), (maxsims, head.maxsim)):
            each = [compared(scorer.encode_queries([query.text])[0], read) for query in queries]
            seen = (np.array(each, dtype=np.float64) - standard.mean) / standard.deviation
            found.append((seen.mean(), np.sqrt(seen.var(axis=1).mean())))
    assert np.array(found[:2]) == pytest.approx(np.array(found[2:]), abs=0.02)


def test_it_asks_for_what_the_ready_reranker_asks_for(bundle: Path, encoder: EncoderConfig) -> None:
    """Weights of head, first stage and feedback, lengths and calibration; prefixes are the encoder's."""
    own, ready = (LateOnnxScorer.open(each).manifest for each in (bundle, SHIPPED))
    for name in ("cosine_weight", "maxsim_weight", "bias"):
        assert getattr(own.head, name) == pytest.approx(getattr(ready.head, name))
    assert (own.mix, own.feedback, own.calibration) == (ready.mix, ready.feedback, ready.calibration)
    assert own.documents.max_length == LENGTH
    assert (own.queries.prefix, own.documents.prefix) == (encoder.query_prefix, encoder.document_prefix)
    assert own.training_data.startswith("nothing")
    ranked = Reranker(str(bundle)).rank("the sea", ["a blue sky", "the sea is deep"])
    assert all(0 < each.score < 1 for each in ranked)


def _export(encoder: EncoderConfig, output: Path, collection: Collection) -> None:
    export_untrained(encoder, output, collection=collection, config=ExportConfig(), max_length=LENGTH)


def test_a_reranker_is_no_encoder(
    tiny_reranker: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """Its own vectors would be nobody's; the error names the other option."""
    with pytest.raises(ModelError, match="--model"):
        _export(EncoderConfig(model=str(tiny_reranker)), tmp_path / "b", Labelled(documents, queries, labels=40))
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("head", ["LlamaForCausalLM", "BertForSequenceClassification"])
def test_a_language_model_or_a_classifier_is_no_encoder(
    head: str, tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """Its states rank nothing, and no comparison with torch would tell; one that was trained to pool is an encoder."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    edit(folder, architectures=[head], id2label={"0": "bad", "1": "good"})
    encoder = EncoderConfig(model=str(folder))
    with pytest.raises(ModelError, match=f"model.: is a {head}; name a sentence encoder"):
        _export(encoder, tmp_path / "b", Labelled(documents, queries, labels=40))
    (folder / "1_Pooling").mkdir()
    with pytest.raises(DataError, match="no labelled document"):
        _export(encoder, tmp_path / "b", Labelled(documents, queries, labels=0))


def test_where_nothing_can_be_written_is_said_before_anything_is_read(
    encoder: EncoderConfig, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """Reading takes minutes; the collection without labels would be an error too."""
    (tmp_path / "b").write_text("mine")
    with pytest.raises(ArtifactError, match="is a file"):
        _export(encoder, tmp_path / "b", Labelled(documents, queries, labels=0))


def test_an_error_of_the_encoder_names_it_as_the_command_does(
    tiny_bert: Path, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """No setting of a pipeline is what to change."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"encoder .*model.*; name a sentence encoder"):
        _export(EncoderConfig(model=str(folder)), tmp_path / "b", Labelled(documents, queries, labels=40))


def test_documents_that_are_all_alike_set_no_head(
    encoder: EncoderConfig, tmp_path: Path, documents: list[Document], queries: list[Query]
) -> None:
    """Nothing can be scaled by a deviation of zero; nor where each query has one, as in many test collections."""
    same = [replace(each, fields={"title": "", "text": "the sea"}) for each in documents]
    for collection in (Labelled(same, queries, labels=40), OneEach(documents, queries, labels=40)):
        with pytest.raises(DataError, match="no two labelled documents of a query differ"):
            _export(encoder, tmp_path / "b", collection)


def test_the_command_takes_one_kind_of_model(tmp_path: Path) -> None:
    """Two at once are wrong usage."""
    result = CliRunner().invoke(app, ["export", "--model", "a", "--encoder", "b", "-o", str(tmp_path / "c")])
    assert result.exit_code == 2
    assert "--encoder" in result.output


@pytest.mark.parametrize(
    ("asked", "idle"),
    [
        (["-o", "a"], "--output"),
        (["--force"], "--force"),
        (["--model", "a", "-o", "b", "--query-prefix", "q: "], "--query-prefix"),
        (["--judge", "a", "-o", "b", "--max-length", "64"], "--max-length"),
        (["--judge", "a", "-o", "b", "--runtime", "openvino"], "--runtime"),
    ],
)
def test_the_command_takes_no_option_that_it_would_not_use(asked: list[str], idle: str) -> None:
    """Whoever gives one believes that it counts."""
    result = CliRunner().invoke(app, ["export", *asked])
    assert result.exit_code == 2
    assert idle in result.output
    assert "has no effect" in result.output


def test_the_command_writes_a_bundle_that_reranks(tmp_path: Path) -> None:
    """By the packaged demo; texts are cut where the encoder's positions end."""
    base = save_tiny_bert(tmp_path / "base", ["the sea"], spread=0.3)
    asked = ["export", "--encoder", str(base), "--query-prefix", "sea "]
    result = CliRunner().invoke(app, [*asked, "-o", str(tmp_path / "b")])
    assert result.exit_code == 0, result.output
    manifest = LateOnnxScorer.open(tmp_path / "b").manifest
    assert (manifest.queries.prefix, manifest.documents.max_length) == ("sea ", 128)

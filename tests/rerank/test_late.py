"""Late interaction on a tiny model: training, export, precomputed documents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from relsearch.core.errors import ArtifactError, ConfigError, SearchEngineError
from relsearch.core.settings.config import EncoderConfig, ExportConfig, TrainConfig
from relsearch.core.tables import CANDIDATES
from relsearch.core.types import SCALES, Document, Query
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.prf import leave_one_out_mean
from relsearch.exporters.bundle.late_interaction import export_late
from relsearch.exporters.bundle.onnx import Labelled
from relsearch.pipeline.standalone.precompute import precompute
from relsearch.rerank.abilities import warn_of_store
from relsearch.rerank.card import read_card
from relsearch.rerank.families import open_card, open_model, open_scorer
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.late import model as late
from relsearch.rerank.late import torch_scorer
from relsearch.rerank.late.card import LateCard
from relsearch.rerank.late.fit import Step
from relsearch.rerank.late.model import load_late
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.late.start import fit_head
from relsearch.rerank.late.torch_scorer import LateTorchScorer
from relsearch.rerank.reorder import rerank_run, rerank_run_within
from relsearch.rerank.reranker import Reranker
from relsearch.rerank.vectors.folder import VectorFolder
from relsearch.rerank.vectors.interaction import STEP, DocumentVectors, TextVectors, compress, cosines, maxsims
from relsearch.rerank.vectors.store import StoreFacts
from tests.rerank.tiny_reranker import dev_pairs, examples_of

TEXTS = ["the sea is deep", "a blue sky over the town", "", "the sea " * 100]
_BY_ID = {str(place): text for place, text in enumerate(TEXTS)}
_RUN = pl.DataFrame(
    [("q", doc, rank, 9.0 - rank, "bm25") for rank, doc in enumerate(_BY_ID, 1)], schema=dict(CANDIDATES), orient="row"
)


def test_training_beats_the_untrained_start(late_model: Path) -> None:
    """What the lists teach is learnt, and the card tells from where to where."""
    card = read_card(late_model, LateCard)
    assert card.best_step > 0
    assert card.dev_ndcg10 > card.dev_ndcg10_cosine
    assert open_card(late_model) == card


def test_the_graph_scores_as_torch_does(late_model: Path, late_bundle: Path) -> None:
    """A bundle opened without torch gives torch's logits, for empty and for cut texts too."""
    expected = open_model(late_model).logits("how deep is the sea", TEXTS)
    assert open_scorer(late_bundle, workers=2).logits("how deep is the sea", TEXTS) == pytest.approx(expected, abs=2e-3)


def test_a_score_does_not_depend_on_its_company(late_bundle: Path) -> None:
    """A document alone gets the score that it gets among others, but for a kept number that rounds the other way."""
    together = open_scorer(late_bundle).logits("sea", TEXTS)
    alone = [float(open_scorer(late_bundle).logits("sea", [text])[0]) for text in TEXTS]
    assert together == pytest.approx(alone, abs=2e-4)


def test_precomputed_documents_score_the_same(late_bundle: Path, tmp_path: Path) -> None:
    """Vectors read at indexing time give the very score that reading the document now gives."""
    scorer = open_scorer(late_bundle, vectors=partial(VectorFolder, tmp_path / "vectors"))
    assert isinstance(scorer, LateOnnxScorer)
    assert scorer.store is not None
    assert scorer.store.add([*TEXTS, TEXTS[0]], scorer.document_vectors) == len(TEXTS)
    again = open_scorer(late_bundle, vectors=partial(VectorFolder, tmp_path / "vectors"))
    assert again.logits("sea", TEXTS).tolist() == open_scorer(late_bundle).logits("sea", TEXTS).tolist()
    assert isinstance(again, LateOnnxScorer)
    assert again.store is not None
    assert len(again.store) == len(TEXTS)


class _AwayStore(VectorFolder):
    lookups = 0

    def lookup(self, texts: Sequence[str]) -> dict[str, DocumentVectors]:
        """Raise."""
        self.lookups += 1
        raise SearchEngineError("away")


def test_a_store_that_is_away_changes_no_score(
    late_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Documents are read instead, and a line of the log says so, once; the store is left alone for a while."""
    warn_of_store.cache_clear()
    scorer = open_scorer(late_bundle, vectors=partial(_AwayStore, tmp_path / "vectors"))
    assert isinstance(scorer, LateOnnxScorer)
    assert isinstance(scorer.store, _AwayStore)
    assert scorer.logits("sea", TEXTS).tolist() == open_scorer(late_bundle).logits("sea", TEXTS).tolist()
    scorer.logits("sea", ["another"])
    assert (scorer.save(TEXTS), scorer.store.lookups) == (0, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "stored vectors cannot be looked up (SearchEngineError); documents are read instead"
    ]


def test_an_interrupted_append_is_dropped(late_bundle: Path, tmp_path: Path) -> None:
    """Bytes of a batch whose keys were not written are cut off, and the batch is read again."""
    scorer = open_scorer(late_bundle, vectors=partial(VectorFolder, tmp_path))
    assert isinstance(scorer, LateOnnxScorer)
    assert scorer.store is not None
    scorer.store.add(TEXTS[:2], scorer.document_vectors)
    with (tmp_path / "tokens.i8").open("ab") as stream:
        stream.write(b"half a document")
    before = (tmp_path / "tokens.i8").read_bytes()
    store = VectorFolder(tmp_path, scorer.store.facts)
    assert (tmp_path / "tokens.i8").read_bytes() == before  # who only reads changes nothing
    assert store.add(TEXTS, scorer.document_vectors) == 2
    assert store.lookup(TEXTS)[TEXTS[3]].tokens.tolist() == scorer.document_vectors([TEXTS[3]])[0].tokens.tolist()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
def test_what_is_looked_up_keeps_no_file_open(tmp_path: Path) -> None:
    """However often a folder is looked into and added to, and whatever of it is cached."""
    store = VectorFolder(tmp_path, StoreFacts(encoder="e", tokens=4, pooled=2))
    kept, opened = [], []
    for text in map(str, range(20)):
        store.add([text], lambda texts: [DocumentVectors(np.ones(2, np.float16), np.ones((3, 4), np.int8))])
        kept.append(store.lookup([text]))
        opened.append(len(list(Path("/proc/self/fd").iterdir())))
    assert opened[-1] == opened[0]
    assert all(each.tokens.tolist() == np.ones((3, 4)).tolist() for found in kept for each in found.values())


def test_vectors_of_another_bundle_are_refused(late_bundle: Path, tmp_path: Path) -> None:
    """Vectors that another encoder gave are never mixed in."""
    scorer = open_scorer(late_bundle, vectors=partial(VectorFolder, tmp_path))
    assert isinstance(scorer, LateOnnxScorer)
    assert scorer.store is not None
    with pytest.raises(ArtifactError, match="another bundle"):
        VectorFolder(tmp_path, scorer.store.facts.model_copy(update={"encoder": "other"}))


def test_a_cross_encoder_takes_no_vectors(tiny_bundles: dict[str, Path], tmp_path: Path) -> None:
    """A cross-encoder reads both texts together, so precomputed vectors are refused by name."""
    with pytest.raises(ConfigError, match="cross-encoder"):
        open_scorer(tiny_bundles["fp32"], vectors=partial(VectorFolder, tmp_path))


def test_nothing_is_lost_without_time(late_bundle: Path) -> None:
    """With no budget every text still has a place, in the order in which it came."""
    scorer = open_scorer(late_bundle)
    assert scorer.rerank("sea", TEXTS, budget_ms=0).order == (0, 1, 2, 3)
    assert sorted(scorer.rerank("sea", TEXTS, budget_ms=5000).order) == [0, 1, 2, 3]
    assert scorer.rerank("sea", TEXTS, budget_ms=5000).reached == len(TEXTS)


def test_truncation_is_counted(late_bundle: Path) -> None:
    """Only the text that is longer than the model reads counts as cut, be it a single word."""
    scorer = open_scorer(late_bundle)
    assert scorer.truncated("sea", TEXTS) == 1
    assert scorer.truncated("sea", ["x" * 60_000, " " * 60_000, f"the sea{' ' * 60_000}is deep"]) == 1


def test_blanks_before_a_text_are_not_read(late_model: Path, late_bundle: Path) -> None:
    """In torch as in a bundle, kept or not; and blanks do not make a text one that is read in part."""
    for scorer in (open_model(late_model), open_scorer(late_bundle)):
        assert isinstance(scorer, LateTorchScorer | LateOnnxScorer)
        padded, plain, empty = scorer.logits("sea", [" " * 60_000 + TEXTS[0], TEXTS[0], ""])
        assert padded == pytest.approx(plain, abs=1e-5)
        assert padded != pytest.approx(empty, abs=1e-3)
        assert scorer.truncated("sea", [" " * 60_000 + TEXTS[0], "x" * 60_000]) == 1


def test_export_holds_int8_to_the_gate(
    late_model: Path, queries: list[Query], documents: list[Document], tmp_path: Path
) -> None:
    """Export ships a bundle that opens, and says what it chose; the one for GPUs ranks by the same weights."""
    qrels = examples_of(["q3", "q4"], documents).select("query_id", "doc_id", pl.col("grade").cast(pl.Int64))
    labelled = Labelled.from_pairs(dev_pairs(queries, documents), qrels, SCALES["0-3"])
    config = ExportConfig(force=True, half=True)
    report = export_late(late_model, tmp_path / "bundle", labelled=labelled, config=config)
    assert report.variant == "int8"
    assert 0 < open_scorer(tmp_path / "bundle").score("sea", ["the sea"])[0] < 1
    assert open_scorer(tmp_path / "bundle").manifest.interpolation == Interpolation(0.2, 0.5)
    half = open_scorer(tmp_path / "bundle-fp16").manifest
    assert (half.variant, half.interpolation) == ("fp16", Interpolation(0.2, 0.5))
    assert half.figures.items() >= read_card(late_model, LateCard).figures().items()
    assert "(fp16)" in (tmp_path / "bundle-fp16" / "README.md").read_text("utf-8")


def test_maxsim_is_the_mean_of_the_largest_products() -> None:
    """Each query token counts the document token that is nearest to it."""
    query = TextVectors(np.array([1, 0], np.float32), np.array([[1, 0], [0, 1]], np.float32))
    near = TextVectors(np.array([0.6, 0.8], np.float32), np.array([[0.5, 0.0], [0.0, 0.25]], np.float32))
    documents = [compress(near), compress(query)]
    assert cosines(query, documents) == pytest.approx([0.6, 1.0], abs=1e-3)
    assert maxsims(query, documents[:1]) == pytest.approx([(0.5 + 0.25) / 2], abs=STEP)


def test_the_start_has_the_scale_that_the_loss_prefers() -> None:
    """It is steeper where the similarities tell the gains; how these share it is the same everywhere."""
    rng = np.random.default_rng(1)
    heads = []
    for told in (0.0, 0.5, 2.0):
        steps, similarities = [], []
        for _ in range(40):
            gains = rng.integers(0, 2, 10).astype(float)
            steps.append(Step("q", ("d",) * 10, tuple(gains), (1.0,) * 10))
            similarities.append(torch.tensor(told * gains[:, None] + rng.normal(size=(10, 2))))
        heads.append(fit_head(similarities, steps, TrainConfig(family="late")))
    assert 0 < heads[0].cosine_weight < 0.2 < heads[1].cosine_weight < heads[2].cosine_weight < 4
    assert {round(each.maxsim_weight / each.cosine_weight, 9) for each in heads} == {0.35}


def test_learning_rounds_the_encoder_alone(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 the scores move a little, and what is learnt is float32, in much the same direction."""
    monkeypatch.setattr(late, "fast_dtype", lambda: torch.bfloat16)
    encoder = EncoderConfig(model=str(tiny_bert))
    gradients, found = [], []
    for learning in (False, True):
        model = load_late(encoder.model, encoder, max_length=32, dimension=8, learning=learning)
        with torch.no_grad():
            model.projection.weight.copy_(torch.eye(8, model.encoder.config.hidden_size))
        similarities = model.similarities("the sea", TEXTS)
        torch.cat(similarities).sum().backward()
        assert all(each.dtype is torch.float32 for each in similarities)
        found.append(torch.cat(similarities).detach())
        gradients.append(torch.cat([p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None]))
    assert not torch.equal(found[0], found[1])
    assert found[1].numpy() == pytest.approx(found[0].numpy(), abs=0.02)
    assert float(torch.cosine_similarity(gradients[0], gradients[1], dim=0)) > 0.99


@pytest.mark.parametrize("prefix", ["query: ", "query:", "", " "])
def test_the_first_word_behind_a_prefix_counts(tiny_bert: Path, tiny_llama: Path, prefix: str) -> None:
    """Also where its first token has the blank that ends the prefix, as in byte-level BPE."""
    for base in (tiny_bert, tiny_llama):
        model = load_late(str(base), EncoderConfig(model=str(base), query_prefix=prefix), max_length=32, dimension=8)
        ids = model.tokenizer(model.queries.text("sea water"))["input_ids"]
        assert model.tokenizer.decode(ids[model.queries.words(len(ids))]).strip() == "sea water"


def test_texts_are_read_as_the_card_says(late_model: Path) -> None:
    """Which tokens are words was decided in training, by whatever version."""
    card = read_card(late_model, LateCard)
    changed = card.documents.model_copy(update={"skip": card.documents.skip + 1})
    model = torch_scorer.open_model(late_model, card.model_copy(update={"documents": changed}))
    assert (model.queries, model.documents) == (card.queries, changed)


def test_what_need_not_be_exact_is_rounded(late_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scorer opened so differs from the exact one by no more than bfloat16 does."""
    monkeypatch.setattr(torch_scorer, "fast_dtype", lambda: torch.bfloat16)
    exact, rounded = (LateTorchScorer.open(late_model, exact=each).logits("the sea", TEXTS) for each in (True, False))
    assert not np.array_equal(exact, rounded)
    assert rounded == pytest.approx(exact, abs=0.05)


def test_a_collection_is_precomputed_once(late_bundle: Path, tmp_path: Path) -> None:
    """The verb reads every document once; a second run finds nothing to do."""
    first = precompute("demo", late_bundle, tmp_path / "vectors")
    again = precompute("demo", late_bundle, tmp_path / "vectors")
    assert first["added"] == first["documents"] > 0
    assert again == {**first, "added": 0}


def test_the_trained_model_is_an_encoder_too(late_model: Path) -> None:
    """Its folder, named as [encoder] model, gives the pooled vectors: a dense searcher from the same training."""
    scorer = LateTorchScorer.open(late_model)
    encoder = load_encoder(EncoderConfig(model=str(late_model)), exact=True)
    pooled = np.stack([vectors.pooled for vectors in scorer.encode_documents(TEXTS[:2])])
    assert encoder.encode_documents(TEXTS[:2]) == pytest.approx(pooled, abs=1e-4)


def test_a_bundle_asks_for_feedback(late_bundle: Path) -> None:
    """Late interaction has the vectors that it takes: the order follows what the best candidates have in common."""
    scorer = LateOnnxScorer.open(late_bundle)
    found = rerank_run(_RUN, {"q": "sea"}, _BY_ID, Reranker(scorer, interpolation=Interpolation(prf=50.0)), depth=9)
    scores = np.array(scorer.score("sea", TEXTS))
    logits, vectors = np.log(scores / (1 - scores)), scorer.mean_vectors(TEXTS)
    likeness = np.einsum("nh,nh->n", vectors, leave_one_out_mean(vectors, logits))
    assert found["doc_id"].to_list() == [str(place) for place in np.argsort(-likeness)]
    assert scorer.manifest.interpolation == Interpolation(0.0, 0.0)


def test_a_budget_keeps_what_is_mixed_in(late_bundle: Path) -> None:
    """With time for all, a budget changes nothing; with none, the run's order stands, whatever is mixed in."""

    def opened() -> Reranker:
        return Reranker(LateOnnxScorer.open(late_bundle), interpolation=Interpolation(0.2, 0.3))

    within = partial(rerank_run_within, _RUN, {"q": "sea"}, _BY_ID, depth=9)
    whole, reached = within(opened(), budget_ms=60_000)
    assert reached == len(TEXTS)
    expected = rerank_run(_RUN, {"q": "sea"}, _BY_ID, opened(), depth=9)
    assert whole["doc_id"].equals(expected["doc_id"])
    assert whole["score"].to_list() == pytest.approx(expected["score"].to_list(), abs=2e-4)
    assert within(opened(), budget_ms=0)[0]["doc_id"].to_list() == list(_BY_ID)

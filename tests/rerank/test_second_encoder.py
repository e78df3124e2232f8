"""A second encoder beside the one that learns: how its cosine counts, and that every form of the model has it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from relsearch.core.errors import ConfigError, ModelError
from relsearch.core.settings.config import EncoderConfig, TrainConfig
from relsearch.core.types import Document, Query
from relsearch.encoders.encoder import load_encoder
from relsearch.exporters.bundle.late_interaction import write_late
from relsearch.exporters.model_card import model_card
from relsearch.rerank.bundle import seal
from relsearch.rerank.card import read_card
from relsearch.rerank.families import open_model, open_scorer
from relsearch.rerank.late.card import LateCard
from relsearch.rerank.late.fit import Step
from relsearch.rerank.late.model import LateModel, load_late
from relsearch.rerank.late.second import WEIGHT
from relsearch.rerank.late.start import start_late
from relsearch.rerank.late.torch_scorer import LateTorchScorer
from relsearch.rerank.late.train import load_trained
from relsearch.rerank.train_job import begin
from tests.rerank.tiny_reranker import train_tiny
from tests.tiny_models import save_tiny_bert

TEXTS = ["the sea is deep", "a blue sky over the town", "", "the sea " * 100]
_QUERIES = ("the sea", "blue sky", "town")


@pytest.fixture(scope="module")
def second_base(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    """An encoder of the tiny model's vocabulary with other weights."""
    folder = tmp_path_factory.mktemp("second") / "model"
    config = BertConfig.from_pretrained(tiny_bert)
    config.hidden_size, config.num_hidden_layers = 16, 1
    torch.manual_seed(1)
    BertModel(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_bert: Path,
    second_base: Path,
    queries: Sequence[Query],
    documents: Sequence[Document],
) -> Path:
    """A reranker of both encoders, trained."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    train_tiny(
        tiny_bert,
        folder,
        queries=queries,
        documents=documents,
        family="late",
        dimension=8,
        second_encoder=str(second_base),
    )
    return folder


def test_the_second_cosine_deviates_by_its_weight(tiny_bert: Path, second_base: Path) -> None:
    """Whatever the encoders' own deviations; joint vectors have length 1, and their product is the weighed sum."""
    model = _loaded(tiny_bert, second_base)
    start_late(model, [_step(query) for query in _QUERIES], TrainConfig(family="late"))
    assert model.second is not None
    ((_, query, _),) = model.vectors(["the sea"], model.queries)
    pooled = torch.stack([each for _, each, _ in sorted(model.vectors(TEXTS, model.documents), key=lambda row: row[0])])
    assert pooled.norm(dim=1).tolist() == pytest.approx([1.0] * len(TEXTS), abs=1e-5)
    first, own = model.second.cosines(query, pooled)
    share = float(model.second.share)
    assert (pooled @ query).tolist() == pytest.approx(((1 - share) * first + share * own).tolist(), abs=1e-5)
    for encoder, cosines in ((tiny_bert, first), (second_base, own)):
        untrained = load_encoder(EncoderConfig(model=str(encoder), max_tokens=64), exact=True)
        expected = untrained.encode_documents(TEXTS) @ untrained.encode_queries(["the sea"])[0]
        assert cosines.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    found = [_cosines(model, step.query, step.documents) for step in map(_step, _QUERIES)]
    deviations = [float(torch.cat(part).std()) for part in zip(*found, strict=True)]
    assert share * deviations[1] == pytest.approx(WEIGHT * (1 - share) * deviations[0], rel=1e-3)


def test_the_graph_has_both(trained: Path, tmp_path: Path) -> None:
    """The bundle needs neither torch nor a second file, and scores as the model does."""
    manifest = write_late(trained, tmp_path / "bundle")
    assert manifest.pooled == 32 + 16
    assert manifest.second == read_card(trained, LateCard).second
    expected = open_model(trained).logits("how deep is the sea", TEXTS)
    scorer = open_scorer(tmp_path / "bundle")
    assert scorer.logits("how deep is the sea", TEXTS) == pytest.approx(expected, abs=2e-3)
    assert "- **Second encoder**: `model`" in model_card(tmp_path / "bundle")


def test_the_second_learns_nothing(trained: Path, second_base: Path) -> None:
    """The encoder of the folder is another one than it started from, the second one is as it was."""
    kept, base = (
        load_encoder(EncoderConfig(model=str(each)), exact=True) for each in (trained / "second", second_base)
    )
    assert np.array_equal(kept.encode_documents(TEXTS), base.encode_documents(TEXTS))
    scorer = LateTorchScorer.open(trained)
    first = load_encoder(EncoderConfig(model=str(trained)), exact=True).encode_documents(TEXTS[:1])[0]
    (vectors,) = scorer.encode_documents(TEXTS[:1])
    assert vectors.pooled[:32] / np.linalg.norm(vectors.pooled[:32]) == pytest.approx(first, abs=1e-4)


def test_what_is_written_at_each_look_leaves_the_second_out(tiny_bert: Path, second_base: Path, tmp_path: Path) -> None:
    """It never changes, and is as large as the encoder that learns."""
    model = _loaded(tiny_bert, second_base)
    model.save_pretrained(str(tmp_path))
    assert not (tmp_path / "second").exists()
    model.save_second(tmp_path)
    assert (tmp_path / "second" / "model.safetensors").is_file()


def test_a_second_of_other_tokens_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    """One graph reads the tokens of a text once; an encoder that would take them for others is told by name."""
    other = save_tiny_bert(tmp_path / "other", ["other words"])
    with pytest.raises(ConfigError, match=r"second_encoder .*other.* reads other tokens"):
        _loaded(tiny_bert, other)
    with pytest.raises(ModelError, match=r"nowhere.*no such folder"):
        _loaded(tiny_bert, tmp_path / "nowhere")


def test_a_second_that_does_not_take_the_mean_is_refused(tiny_bert: Path, second_base: Path, tmp_path: Path) -> None:
    """It does not learn, so that its states would be read as nobody trained them."""
    folder = tmp_path / "cls"
    shutil.copytree(second_base, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}'
    )
    with pytest.raises(ConfigError, match=r"second encoder .*cls.* no mean of its states"):
        _loaded(tiny_bert, folder)


def test_a_second_that_lacks_words_is_called_by_its_name(tiny_bert: Path, second_base: Path, tmp_path: Path) -> None:
    """Not the encoder beside it."""
    folder = tmp_path / "small"
    shutil.copytree(second_base, folder)
    config = BertConfig.from_pretrained(folder)
    config.vocab_size = 20
    BertModel(config).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"second encoder .*small.* the model knows 20"):
        _loaded(tiny_bert, folder)


def test_a_model_without_its_second_is_not_sought_on_the_hub(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the folder's name and the second's look like an owner and a model."""
    shutil.copytree(trained, tmp_path / "mymodel", ignore=shutil.ignore_patterns("second"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"mymodel/second.*no such folder"):
        open_model("mymodel")


def test_a_new_run_drops_the_second_of_the_last(trained: Path, tmp_path: Path) -> None:
    """A model without one would publish it."""
    shutil.copytree(trained, tmp_path / "model")
    begin(tmp_path / "model")
    assert not (tmp_path / "model" / "second").exists()


def test_weights_are_read_where_training_left_the_second(trained: Path, tiny_bert: Path, second_base: Path) -> None:
    """The trainer moves the model to a GPU, and with it the second encoder, which is not read again."""
    model = _loaded(tiny_bert, second_base)
    model.head = read_card(trained, LateCard).head
    read = load_trained(trained, model.to("meta"))
    assert {each.device.type for each in (*read.parameters(), *read.buffers())} == {"meta"}


@pytest.mark.parametrize(("second", "shown"), [("mit", True), ("cc-by-nc-4.0", False), (None, False)])
def test_a_repository_has_a_licence_if_both_encoders_have_it(
    second: str | None, shown: bool, trained: Path, tmp_path: Path
) -> None:
    """The card names the second one's in any case."""
    manifest = write_late(trained, tmp_path / "bundle")
    licences = {"base_licence": "mit"} | ({"second_licence": second} if second else {})
    seal(tmp_path / "bundle", manifest.model_copy(update={"figures": licences}))
    card = model_card(tmp_path / "bundle")
    assert ("\nlicense: mit\n" in card) == shown
    assert f"`model`; licence: {second or 'not known'}" in card


def _loaded(base: Path, second: Path) -> LateModel:
    encoder = EncoderConfig(model=str(base))
    return load_late(encoder.model, encoder, max_length=64, dimension=8, second=str(second))


def _step(query: str) -> Step:
    return Step(query, tuple(TEXTS), (1.0, 0.0, 0.0, 1.0), (1.0,) * len(TEXTS))


def _cosines(model: LateModel, query: str, documents: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Both encoders' cosines, as the model has them."""
    assert model.second is not None
    with torch.no_grad():
        ((_, asked, _),) = model.vectors([query], model.queries)
        read = sorted(model.vectors(documents, model.documents), key=lambda row: row[0])
    return model.second.cosines(asked, torch.stack([pooled for _, pooled, _ in read]))

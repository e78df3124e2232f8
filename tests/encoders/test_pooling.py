"""How an encoder's folder says that its vectors are made."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from relsearch.core.errors import ConfigError, ModelError
from relsearch.core.settings.config import EncoderConfig
from relsearch.encoders.loading import Source
from relsearch.encoders.pooling import pooling_of
from relsearch.rerank.late.model import load_late

TEXTS = ["the sea is deep", "a blue sky over the town"]


def pooled_by(base: Path, folder: Path, said: object) -> Path:
    """A copy of an encoder that says so in the file of its pooling."""
    shutil.copytree(base, folder)
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(said if isinstance(said, str) else json.dumps(said))
    return folder


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_all_versions_of_the_file_are_read(said: object, wanted: str, tiny_bert: Path, tmp_path: Path) -> None:
    """Flags, as older versions of sentence-transformers write them, and names."""
    assert pooling_of(Source.find(str(pooled_by(tiny_bert, tmp_path / "model", said)), "")) == wanted


def test_without_the_file_it_is_the_mean(tiny_bert: Path) -> None:
    """As sentence-transformers takes a plain folder."""
    assert pooling_of(Source.find(str(tiny_bert), "")) == "mean"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"pooling_mode": "lasttoken"}, ConfigError),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, ConfigError),
        ("{", ModelError),
    ],
)
def test_other_poolings_are_refused(said: object, error: type[Exception], tiny_bert: Path, tmp_path: Path) -> None:
    """The last token, two at once, a damaged file."""
    with pytest.raises(error):
        pooling_of(Source.find(str(pooled_by(tiny_bert, tmp_path / "model", said)), "name another"))


@pytest.mark.parametrize("module", ["models.Dense", "base.modules.dense.Dense", "models.CNN"])
def test_vectors_of_further_modules_are_refused(module: str, tiny_bert: Path, tmp_path: Path) -> None:
    """Pooled states are not what such an encoder was trained to compare."""
    folder = pooled_by(tiny_bert, tmp_path / "model", {"pooling_mode": "mean"})
    kinds = ["models.Transformer", "models.Pooling", "models.Normalize"]
    for named, refused in ((kinds, False), ([*kinds, module], True)):
        rows = [{"idx": place, "type": f"sentence_transformers.{kind}"} for place, kind in enumerate(named)]
        (folder / "modules.json").write_text(json.dumps(rows))
        with pytest.raises(ConfigError, match="module") if refused else nullcontext():
            assert pooling_of(Source.find(str(folder), "")) == "mean"


def test_a_reranker_pools_as_its_encoder_and_its_folder_says_so(tiny_bert: Path, tmp_path: Path) -> None:
    """What is written is read as the same again, by sentence-transformers too."""
    base = pooled_by(tiny_bert, tmp_path / "base", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    model = load_late(str(base), EncoderConfig(model=str(base)), max_length=32, dimension=8)
    with torch.inference_mode():
        found = {place: pooled.numpy() for place, pooled, _ in model.vectors(TEXTS, model.documents)}
        states = model.encoder(**model.tokenizer(TEXTS, padding=True, return_tensors="pt")).last_hidden_state
    first = states[:, 0] / states[:, 0].norm(dim=1, keepdim=True)
    assert np.stack([found[0], found[1]]) == pytest.approx(first.numpy(), abs=1e-5)
    model.save_pretrained(str(tmp_path / "trained"))
    again = load_late(str(tmp_path / "trained"), EncoderConfig(), max_length=32, dimension=8)
    assert again.pooling == "cls"
    by_library = SentenceTransformer(str(tmp_path / "trained"), device="cpu").encode_document(TEXTS)
    assert by_library == pytest.approx(first.numpy(), abs=1e-5)

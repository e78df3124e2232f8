"""The files by which sentence-transformers, and all that reads its folders, take a trained model for an encoder.

They are written in the form of its older versions, which every version reads, and text-embeddings-inference too.
"""

from __future__ import annotations

import json
from pathlib import Path

from relsearch.core.files.atomic import replace_text
from relsearch.encoders.pooling import Pooling
from relsearch.encoders.prefixes import SETTINGS
from relsearch.rerank.late.reading import Reading

_MODES = {
    "mean": {"pooling_mode_mean_tokens": True},
    "cls": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
}
_MODULES = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}


def write_sentence_modules(folder: Path, queries: Reading, documents: Reading, *, size: int, pooling: Pooling) -> None:
    """Write that texts get their prefix, states of `size` numbers are pooled so, and vectors have length 1."""
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{name}"}
        for place, (name, path) in enumerate(_MODULES.items())
    ]
    prompts = {"query": queries.prefix, "document": documents.prefix}
    contents: dict[str, object] = {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": documents.max_length, "do_lower_case": False},
        SETTINGS: {"prompts": prompts, "similarity_fn_name": "cosine"},
        "1_Pooling/config.json": {"word_embedding_dimension": size, **_MODES[pooling]},
    }
    for path in _MODULES.values():
        (folder / path).mkdir(exist_ok=True)
    for name, content in contents.items():
        replace_text(folder / name, json.dumps(content, indent=2) + "\n")

"""Whether a copy of a hub's repository is whole: of one whose download was interrupted, some files are not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

# The lists of files that bundles, exported judges and models in several parts bring, and the key they stand under.
_LISTS = {"bundle.json": "files", "onnx/onnx.json": "files", "model.safetensors.index.json": "weight_map"}
_JUDGE = ("judge.json", "adapter/adapter_model.safetensors", "adapter/head.safetensors")
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.*", "*.model")


def is_whole(folder: Path) -> bool:
    """Tell whether a folder has all files that it lists, and those that a bundle, a judge or a model cannot lack."""
    names = {name for path in folder.rglob("*") if path.is_file() for name in [path.relative_to(folder).as_posix()]}
    if not names.issuperset(_listed(folder)):
        return False
    if "bundle.json" in names:
        return True
    if "judge.json" in names:
        return names.issuperset(_JUDGE) and ((folder / "onnx").is_dir() == ("onnx/onnx.json" in names))
    weights = names & {"model.safetensors", "model.safetensors.index.json"}
    model = "config.json" in names and bool(weights) and any(any(folder.glob(each)) for each in TOKENIZERS)
    return model and (not _has_second(folder) or ((folder / "second").is_dir() and is_whole(folder / "second")))


def _has_second(folder: Path) -> bool:
    """Whether a reranker's card names a second encoder; no for what cannot be read, the error of who opens it."""
    try:
        return bool(json.loads((folder / "reranker.json").read_bytes()).get("second"))
    except (OSError, ValueError, AttributeError):
        return False


def _listed(folder: Path) -> Iterator[str]:
    for name, key in _LISTS.items():
        try:
            listed = json.loads((folder / name).read_bytes())[key]
        except (OSError, ValueError, KeyError, TypeError):  # what cannot be read is the error of who opens it
            continue
        if isinstance(listed, dict):
            files = listed.values() if key == "weight_map" else listed
            yield from (str(Path(name).parent / each) for each in files)

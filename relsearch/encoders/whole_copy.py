"""Whether a copy of a hub's repository is whole: of one whose download was interrupted, some files are not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from relsearch.core.files.text_files import parse_json

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
    return model and (not _said(folder / "reranker.json", "second") or is_whole(folder / "second"))


def _listed(folder: Path) -> Iterator[str]:
    for name, key in _LISTS.items():
        if isinstance(listed := _said(folder / name, key), dict):
            files = listed.values() if key == "weight_map" else listed
            yield from (str(Path(name).parent / str(each)) for each in files)


def _said(path: Path, key: str) -> object:
    """What stands under a key of a JSON file; None where it cannot be read, which is the error of who opens it."""
    try:
        return parse_json(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""Models with one thing wrong: what a copy of a good folder is changed by, and what is said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Change = Callable[[Path], object]
WEIGHTS = "model.safetensors"


def copied(model: Path, folder: Path, change: Change) -> Path:
    """Copy a model's folder and change the copy."""
    shutil.copytree(model, folder)
    change(folder)
    return folder


def edit(folder: Path, name: str = "config.json", **values: Any) -> None:
    """Set values of a JSON file; None removes one."""
    path = folder / name
    content = json.loads(path.read_text(encoding="utf-8")) | values
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def reweigh(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the weights by name."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / WEIGHTS, {"format": "pt"})


def spoil(folder: Path, value: float) -> None:
    """Put a number that is none into one weight of a word."""

    def change(tensors: dict[str, torch.Tensor]) -> None:
        words = next(name for name in tensors if "word_embeddings" in name or "embed_tokens" in name)
        tensors[words][7, 0] = value

    reweigh(folder, change)


def lose(folder: Path, part: str) -> None:
    """Lose the weights whose name holds a part."""
    reweigh(folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if part in name])


def halve(folder: Path) -> None:
    """Keep the first half of the weights' file."""
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def without_tokenizer(folder: Path) -> None:
    """Keep config and weights alone."""
    for path in folder.iterdir():
        if path.name not in ("config.json", WEIGHTS):
            path.unlink()


# Wrong whatever the model is loaded for.
BROKEN: dict[str, tuple[Change, str]] = {
    "no safetensors": (lambda folder: (folder / WEIGHTS).write_bytes(b"not weights"), "cannot be loaded"),
    "empty weights": (lambda folder: (folder / WEIGHTS).write_bytes(b""), "cannot be loaded"),
    "half the weights": (halve, "cannot be loaded"),
    "NaN": (lambda folder: spoil(folder, float("nan")), "NaN or infinite"),
    "infinite": (lambda folder: spoil(folder, float("inf")), "NaN or infinite"),
    "a layer that is absent": (lambda folder: edit(folder, num_hidden_layers=3), "not in its weights"),
    "another size": (lambda folder: edit(folder, hidden_size=64), "another size than config.json says"),
    "a size that is no number": (lambda folder: edit(folder, hidden_size="big"), "cannot be loaded"),
    "an unknown architecture": (lambda folder: edit(folder, model_type="nonesuch"), "cannot be loaded.*nonesuch"),
    "no model_type": (lambda folder: edit(folder, model_type=None), "no model_type"),
    "config that is no JSON": (lambda folder: (folder / "config.json").write_text("{"), r"config\.json: not JSON"),
    "code of its own": (
        lambda folder: edit(folder, model_type="own", auto_map={"AutoConfig": "own.C", "AutoModel": "own.M"}),
        "cannot be loaded",
    ),
    "no tokenizer": (without_tokenizer, "has no tokenizer"),
    "a tokenizer that is none": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be loaded"),
}

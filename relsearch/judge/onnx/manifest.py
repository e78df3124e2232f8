"""onnx.json: the graphs of an exported judge, each with its checksum."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from relsearch.core.errors import ArtifactError, model_fault
from relsearch.core.files.atomic import checksum, replace_text

FOLDER = "onnx"  # within the judge's folder
MANIFEST = "onnx.json"
PAIR, TOKENIZER, WEIGHTS = "pair.onnx", "tokenizer.json", "weights.bin"
ADDED, VECTOR = "added", "sentence_embedding"  # what the graphs give


class EncoderGraph(BaseModel):
    """An encoder's graph and tokenizer, and how many tokens of a text it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    graph: str
    tokenizer: str
    max_tokens: int


class OnnxManifest(BaseModel):
    """What lies in a judge's `onnx` folder.

    `pair` is the graph that scores query and document together and its tokenizer, None where the retrieval features
    alone decide; it reads pairs with or without `special_tokens`.
    `encoders` are those of the judge's card, in its order. `files` maps every
    file to its SHA-256. `judge` is the fingerprint of the card that they were exported from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    judge: str
    pair: tuple[str, str] | None
    special_tokens: bool = True
    encoders: tuple[EncoderGraph, ...]
    figures: Mapping[str, float | int | str] = {}
    files: Mapping[str, str] = {}


def is_exported(judge: Path) -> bool:
    """Whether a judge's folder holds ONNX graphs, so that it needs no torch."""
    return (judge / FOLDER).is_dir()


def exported_files(judge: Path) -> list[str]:
    """Return the names of the files in a judge's `onnx` folder that its manifest lists; none where there is none."""
    try:
        manifest = OnnxManifest.model_validate_json((judge / FOLDER / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return []
    return [MANIFEST, *manifest.files]


def seal(folder: Path, manifest: OnnxManifest) -> OnnxManifest:
    """Write onnx.json with the checksum of every file beside it; return it complete."""
    files = {path.name: checksum(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    complete = manifest.model_copy(update={"files": files})
    replace_text(folder / MANIFEST, complete.model_dump_json(indent=1) + "\n")
    return complete


def open_manifest(folder: Path, *, judge: str) -> OnnxManifest:
    """Read and verify an exported judge; raise ArtifactError where a file is absent, altered, or of another judge."""
    path = folder / MANIFEST
    try:
        manifest = OnnxManifest.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise ArtifactError(f"{path}: {exc.strerror}; export the judge again") from exc
    except ValidationError as exc:
        raise ArtifactError(f"{path}: {model_fault(exc)}; export the judge again") from exc
    if manifest.judge != judge:
        raise ArtifactError(f"{path}: exported from another judge than the one beside it; export the judge again")
    for name, digest in manifest.files.items():
        if not (folder / name).is_file() or checksum(folder / name) != digest:
            raise ArtifactError(f"{folder / name}: missing or altered; export the judge again")
    return manifest

"""Publishing a bundle, a trained model or a judge on the model hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from relsearch.core.errors import ArtifactError, ConfigError, MissingExtraError, RemoteError, reason
from relsearch.core.files.atomic import files_in
from relsearch.core.types import StrPath
from relsearch.encoders.hub import is_hub_id
from relsearch.encoders.whole_copy import is_whole
from relsearch.exporters.model_card import model_card
from relsearch.rerank.bundle import MODEL_CARD

_ENDINGS = (".json", ".safetensors", ".onnx", ".xml", ".bin", ".txt", ".model", ".jinja", ".md", ".toml")
_LEFT_OUT = ("held_out.parquet",)  # pairs of the collection, which are not ours to publish


@dataclass(frozen=True, slots=True)
class PushedFile:
    """A file of the repository, and its size in bytes."""

    name: str
    size: int


def push(folder: StrPath, repository: str, *, private: bool = False, dry_run: bool = False) -> list[PushedFile]:
    """Upload a folder to a repository of the hub, which is made where there is none; return the files.

    The repository of a folder without README.md gets its model card. With `dry_run` nothing is sent. The token is what
    `hf auth login` stored, or HF_TOKEN. Raise ArtifactError for a folder that is no bundle, trained model or judge, or
    not whole; ConfigError for a repository that is not OWNER/NAME; RemoteError where the hub refuses.
    """
    folder = Path(folder)
    card = model_card(folder)  # which checks the folder
    if not is_whole(folder):
        raise ArtifactError(f"{folder}: is not whole, some of its files are missing; train, export or copy it again")
    if not is_hub_id(repository) or "@" in repository:
        raise ConfigError(f"repository {repository!r}: name it OWNER/NAME")
    names = [name for name in files_in(folder) if name.endswith(_ENDINGS) and name not in _LEFT_OUT]
    contents: dict[str, Path | bytes] = {name: folder / name for name in names}
    contents.setdefault(MODEL_CARD, card.encode())
    if not dry_run:
        _upload(contents, repository, private=private)
    return [PushedFile(name, _size(content)) for name, content in contents.items()]


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _upload(contents: Mapping[str, Path | bytes], repository: str, *, private: bool) -> None:
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
    except ImportError as exc:
        raise MissingExtraError("publishing on the hub", "train") from exc
    api = HfApi()
    operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        api.create_commit(repository, operations, commit_message="Upload by relsearch")
    except (OSError, ValueError) as exc:
        advice = "log in by `hf auth login`, or set HF_TOKEN"
        raise RemoteError(f"{repository}: the hub refused ({reason(exc)}); {advice}") from exc

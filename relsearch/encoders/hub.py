"""Repositories of the model hub: fetched once, at a revision that a name may pin, and found in the cache from then on.

A name is OWNER/NAME or OWNER/NAME@REVISION, a commit, a tag or a branch. Only JSON, safetensors, ONNX and tokenizer
files are fetched: never pickled weights, nor code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from relsearch.core.errors import MissingExtraError, ModelError, reason
from relsearch.core.types import StrPath
from relsearch.encoders.whole_copy import is_whole

_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w.-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# What a model is read from; a repository often holds the same weights in other formats, too.
_MODEL = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README.md")
_NO_MODEL = ("onnx/*", "openvino/*", "original/*")
# The .bin are those of graphs, which no pickle reader opens.
_OURS = (*_MODEL, "*.onnx", "*.xml", "model.bin", "encoder.bin", "onnx/weights.bin")
_LICENCE = re.compile(r"^license(?:_name)?: *['\"]?([\w.+-]+)", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)^---", re.MULTILINE | re.DOTALL)


def is_hub_id(name: StrPath) -> bool:
    """Whether a name may be a repository's of the hub; a Path never is."""
    return isinstance(name, str) and bool(_HUB_ID.fullmatch(name))


def from_hub(name: str, *, marker: str = "") -> Path:
    """Return the local copy of a repository, at its revision or the newest that can be had.

    One question to the hub, and without network the cache's. Of a repository with the file `marker`, a bundle's or a
    judge's, all that relsearch writes is fetched; of any other a model. Raise ModelError where there is none.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HFValidationError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError as exc:
        raise MissingExtraError("a model of the hub", "train") from exc
    ours = bool(marker) and _has(name, marker)
    take, leave = (_OURS, ()) if ours else (_MODEL, _NO_MODEL)
    try:
        folder = Path(snapshot_download(**_repository(name), allow_patterns=list(take), ignore_patterns=list(leave)))
    except LocalEntryNotFoundError as exc:
        if found := in_hub_cache(name):  # without what a model is not read from, such as its README.md
            return found
        raise _unreachable(name) from exc
    except RevisionNotFoundError as exc:
        raise ModelError(f"model {name!r}: the hub has no such revision; check what follows the @") from exc
    except (RepositoryNotFoundError, HFValidationError) as exc:
        raise ModelError(f"model {name!r}: the hub shows no such model; check the name, or run: hf auth login") from exc
    except OSError as exc:
        raise ModelError(f"model {name!r} cannot be downloaded ({reason(exc)}); try again, or give a folder") from exc
    if not is_whole(folder) and not _answers(name):  # of an older package's cache, whose files nothing lists
        raise _unreachable(name)
    return folder


def in_hub_cache(name: str) -> Path | None:
    """Return the copy of a repository in the hub's cache, at its revision or the newest.

    None where there is none, or one whose download was interrupted.
    """
    folder = _cached(name) if is_hub_id(name) else None
    return folder if folder and is_whole(folder) else None


def revision_of(folder: Path) -> str | None:
    """Return the commit that a folder of the hub's cache is a copy of; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name) else None


def licence_of(folder: Path) -> str | None:
    """Return the licence that a model folder's README.md names, as the hub writes it; None where it names none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    front = _FRONT_MATTER.match(text)
    found = _LICENCE.search(front[1]) if front else None
    return found[1] if found else None


def _repository(name: str) -> dict[str, Any]:
    repository, _, revision = name.partition("@")
    return {"repo_id": repository, **({"revision": revision} if revision else {})}


def _cached(name: str) -> Path | None:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:  # no package of the hub, no cache of it
        return None
    try:
        # Asked for no file, it does not miss those that were left out on purpose, such as pickled weights.
        return Path(snapshot_download(**_repository(name), local_files_only=True, allow_patterns=[]))
    except (OSError, ValueError):  # not there
        return None


def _unreachable(name: str) -> ModelError:
    repository = _repository(name)
    why = "its download was interrupted" if _cached(name) else "it is not in the cache"
    command = f"hf download {repository['repo_id']}"
    command += f" --revision {repository['revision']}" if "revision" in repository else ""
    why += ", and the hub cannot be reached"
    return ModelError(f"model {name!r}: {why}; give a folder, or run where there is network: {command}")


def _answers(name: str) -> bool:
    """Whether the hub tells of a repository."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(**_repository(name))
    except Exception:  # the errors of its HTTP client, which differ by version
        return False
    return True


def _has(name: str, file: str) -> bool:
    """Whether a repository has a file, which then lies in the cache; not where it cannot be reached."""
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(**_repository(name), filename=file)
    except (OSError, ValueError):
        return False
    return True

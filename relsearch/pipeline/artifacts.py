"""Artefact directories: a stage's files beside a manifest that says what they were made from.

A stage writes into `NAME.partial/` and the directory takes its name by one rename when it is whole, so a
half-written artefact is never taken for a finished one. The partial directory of an interrupted stage is
kept and handed to the next attempt with the same fingerprint, which goes on where it stopped. A directory that
holds a file no stage wrote is never replaced.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from relsearch import __version__
from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import (
    PARTIAL,
    check_replaceable,
    checksum,
    drop_partial,
    files_in,
    recover,
    replace_text,
    swap,
)

MANIFEST = "manifest.json"
_FINGERPRINT = "fingerprint"


class Manifest(BaseModel):
    """What stands in an artefact directory and what it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    fingerprint: str
    version: str
    created: str
    seconds: float
    figures: dict[str, JsonValue]
    files: dict[str, str]


class Building:
    """A directory under construction; `figures` set on it end up in the manifest."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.figures: dict[str, JsonValue] = {}


def fingerprint(stage: str, settings: Mapping[str, object], inputs: Sequence[object] = ()) -> str:
    """Return a short hash of the stage's name, its settings, its inputs and the code version."""
    return _short_hash([stage, __version__, settings, inputs])


def content(directory: Path) -> str | None:
    """Return a short hash of the files of a finished artefact as its manifest lists them, None where there is none."""
    return _short_hash(read_manifest(directory).files) if (directory / MANIFEST).is_file() else None


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of a finished artefact; raise ArtifactError if there is none."""
    try:
        return Manifest.model_validate_json((directory / MANIFEST).read_text(encoding="utf-8"))
    except OSError as exc:
        raise ArtifactError(f"{directory}: not a finished artefact; run the stage that makes it") from exc
    except ValidationError as exc:
        raise ArtifactError(f"{directory / MANIFEST}: damaged; delete {directory} and run its stage again") from exc


def is_current(directory: Path, expected: str) -> bool:
    """Tell whether the directory holds a finished artefact with this fingerprint and all its files."""
    if not (directory / MANIFEST).is_file():
        return False
    manifest = read_manifest(directory)
    return manifest.fingerprint == expected and all((directory / name).is_file() for name in manifest.files)


def verify(directory: Path) -> Manifest:
    """Return the manifest after checking every file against its checksum; raise ArtifactError otherwise."""
    manifest = read_manifest(directory)
    for name, expected in manifest.files.items():
        if not (directory / name).is_file() or checksum(directory / name) != expected:
            raise ArtifactError(f"{directory / name}: missing or altered since it was made; run its stage again")
    return manifest


def check_free(directory: Path) -> None:
    """Raise ArtifactError where a stage could not write its directory, now or later, without losing a user's file."""
    if directory.is_dir() and (directory / MANIFEST).is_file():
        check_replaceable(directory, [MANIFEST, _FINGERPRINT, *read_manifest(directory).files])
    else:
        check_replaceable(directory, None)
    partial = partial_of(directory)
    if not (partial / _FINGERPRINT).is_file():
        check_replaceable(partial, None)


@contextmanager
def building(directory: Path, stage: str, *, expected: str) -> Iterator[Building]:
    """Yield a partial directory to write into; publish it under its name when the block ends well.

    After an exception the partial directory stays and is handed out again for the same fingerprint. Raise
    ArtifactError where a file stands in the way that no stage wrote.
    """
    recover(directory)
    check_free(directory)
    partial = partial_of(directory)
    marker = partial / _FINGERPRINT
    if marker.is_file() and marker.read_text() != expected:
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    replace_text(marker, expected)
    drop_partial(partial)
    work = Building(partial)
    started = datetime.now(UTC)
    yield work
    check_free(directory)
    drop_partial(partial)
    manifest = Manifest(
        stage=stage,
        fingerprint=expected,
        version=__version__,
        created=started.isoformat(timespec="seconds"),
        seconds=round((datetime.now(UTC) - started).total_seconds(), 1),
        figures=work.figures,
        files={name: checksum(partial / name) for name in files_in(partial) if name not in (MANIFEST, _FINGERPRINT)},
    )
    replace_text(partial / MANIFEST, manifest.model_dump_json(indent=1))
    swap(partial, directory)
    (directory / _FINGERPRINT).unlink()


def _short_hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def partial_of(directory: Path) -> Path:
    """Return where a stage's directory is made before it takes its name."""
    return directory.with_name(directory.name + PARTIAL)

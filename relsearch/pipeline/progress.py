"""What a pipeline does right now, or what it failed with: a small file in its folder, for those who look on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from relsearch.core.errors import reason
from relsearch.core.files.atomic import process_runs, replace_text

PROGRESS = "progress.json"


class Progress(BaseModel):
    """The stage that runs or ran last, since when, in which process, which stages belong to the run, and its error."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str
    stages: tuple[str, ...]
    started: datetime
    process: int
    ended: bool = False
    error: str | None = None

    @property
    def running(self) -> bool:
        """Whether its process is there and has not ended the stage."""
        return not self.ended and process_runs(str(self.process))


@contextmanager
def noted(folder: Path, stage: str, stages: Sequence[str]) -> Iterator[None]:
    """Write down that a stage runs, and afterwards that it ended, with the message of what it raised."""
    path, running = (
        folder / PROGRESS,
        Progress(stage=stage, stages=tuple(stages), started=datetime.now(UTC), process=os.getpid()),
    )
    _write(path, running)
    error: str | None = "interrupted"
    try:
        yield
        error = None
    except Exception as exc:
        error = reason(exc)
        raise
    finally:
        _write(path, running.model_copy(update={"ended": True, "error": error}))


def read_progress(folder: Path) -> Progress | None:
    """Return what was written down last, None where nothing was, or what stands there is damaged."""
    try:
        return Progress.model_validate_json((folder / PROGRESS).read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, progress: Progress) -> None:
    replace_text(path, progress.model_dump_json() + "\n")

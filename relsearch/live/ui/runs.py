"""Run folders as a page shows them: their stages, what runs, what failed, their report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from relsearch.core.errors import ArtifactError
from relsearch.pipeline.artifacts import MANIFEST, read_manifest
from relsearch.pipeline.order import STAGES
from relsearch.pipeline.progress import Progress, read_progress
from relsearch.pipeline.stages.ship import REFUSED

Status = Literal["done", "refused", "running", "failed", "to do"]
_DEPTH = ("*", "*/*")  # runs/NAME, runs/GROUP/NAME


@dataclass(frozen=True, slots=True)
class StageState:
    """One stage of a run: seconds that it took, or has taken so far, and what it found, or why it was refused."""

    name: str
    status: Status
    seconds: float | None
    brief: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder; `table` is what its evaluation printed."""

    name: str
    folder: Path
    stages: tuple[StageState, ...]
    error: str | None
    table: str | None

    @property
    def running(self) -> bool:
        """Whether a process works on it."""
        return any(stage.status == "running" for stage in self.stages)

    @property
    def done(self) -> int:
        """How many stages are done, whether or not what they made was refused."""
        return sum(stage.status in ("done", "refused") for stage in self.stages)

    @property
    def reports(self) -> bool:
        """Whether a stage is done, which a report shows."""
        return self.done > 0


def list_runs(root: Path) -> list[Run]:
    """Return the run folders below `root`, the one that changed last first."""
    names = {stage.name for stage in STAGES}
    folders = {
        path.parent.parent
        for depth in _DEPTH
        for path in root.glob(f"{depth}/*/{MANIFEST}")
        if path.parent.name in names
    }
    folders |= {path for depth in _DEPTH for path in root.glob(depth) if path.is_dir() and read_progress(path)}
    found = sorted(folders, key=lambda folder: (-folder.stat().st_mtime, folder))
    return [open_run(root, str(folder.relative_to(root))) for folder in found]


def open_run(root: Path, name: str) -> Run:
    """Return one run folder."""
    folder = root / name
    progress = read_progress(folder)
    states = [state for stage in STAGES if (state := _stage(folder, stage.name, progress))]
    manifest = folder / "evaluate" / MANIFEST
    table = read_manifest(manifest.parent).figures.get("table") if manifest.is_file() else None
    return Run(name, folder, tuple(states), _error(progress), table if isinstance(table, str) else None)


def _stage(folder: Path, name: str, progress: Progress | None) -> StageState | None:
    if progress and progress.stage == name and progress.running:
        return StageState(name, "running", (datetime.now(UTC) - progress.started).total_seconds(), "")
    if progress and progress.stage == name and _error(progress):
        return StageState(name, "failed", None, "")
    if (folder / name / MANIFEST).is_file():
        try:
            manifest = read_manifest(folder / name)
        except ArtifactError as exc:
            return StageState(name, "failed", None, str(exc))
        if REFUSED in manifest.figures:
            return StageState(name, "refused", manifest.seconds, str(manifest.figures[REFUSED]))
        return StageState(name, "done", manifest.seconds, _brief(manifest.figures))
    return StageState(name, "to do", None, "") if progress and name in progress.stages else None


def _error(progress: Progress | None) -> str | None:
    if progress is None or progress.running:
        return None
    if not progress.ended:
        return f"{progress.stage}: its process is gone and left no message; it may have been killed, or out of memory"
    if progress.error is None or progress.error.startswith(f"{progress.stage}: "):
        return progress.error
    return f"{progress.stage}: {progress.error}"


def _brief(figures: dict[str, JsonValue]) -> str:
    numbers = (
        f"{name.replace('_', ' ')} {value:,.{3 if abs(value) < 10 else 0}f}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value:,}"
        for name, value in figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    )
    return ", ".join(list(numbers)[:4])

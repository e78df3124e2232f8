"""relsearch.Pipeline: every stage of a relsearch.toml from Python."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relsearch.core.display.text_table import table
from relsearch.core.settings.config import Config
from relsearch.core.settings.load import load_config, parse_config
from relsearch.core.types import StrPath
from relsearch.pipeline.order import StageResult, check_quality_gate, run_all, run_verb

_BRIEF_WIDTH = 44  # keeps the table of stages within 80 columns


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """What became of the stages, in their order."""

    stages: tuple[StageResult, ...]
    config: Config

    @property
    def bundle(self) -> Path:
        """The folder of the bundle that `export` wrote, which relsearch.Reranker opens; raise as `check` does."""
        self.check()
        return self.config.output / "export" / "bundle"

    def check(self) -> None:
        """Raise GateError where the new reranker failed the quality gate, and `[export] quality_gate` refuses that."""
        check_quality_gate(self.stages, self.config)

    def to_table(self) -> str:
        """Return a line for each stage, and the tables that stages measured."""
        rows = [[each.name, each.status, f"{each.seconds:.0f}", _brief(each.figures)] for each in self.stages]
        measured = [str(each.figures["table"]) for each in self.stages if "table" in each.figures]
        return "\n\n".join([table(["stage", "status", "s", "figures"], rows), *measured])


class Pipeline:
    """The stages of one configuration: the path of a relsearch.toml, a dict with its sections, or a Config.

    Raise ConfigError for a key or a value that there is not.
    """

    def __init__(self, config: Config | StrPath | Mapping[str, Any]) -> None:
        if isinstance(config, Config):
            self.config = config
        elif isinstance(config, Mapping):
            self.config = parse_config(config, "config")
        else:
            self.config = load_config(config)

    def run(
        self, stage: str | None = None, *, on_stage: Callable[[StageResult], object] | None = None
    ) -> PipelineResult:
        """Run what is not up to date: every stage, or those of the verb `stage`; an interrupted one goes on.

        `on_stage` is called with each result as it comes. Raise ConfigError for settings that a stage cannot run with,
        ArtifactError where stages before `stage` are not up to date, GateError where labels fail their gate. A
        reranker that fails the quality gate raises where its bundle is asked for.
        """
        results = []
        for result in run_all(self.config) if stage is None else run_verb(stage, self.config):
            results.append(result)
            if on_stage is not None:
                on_stage(result)
        return PipelineResult(tuple(results), self.config)


def _brief(figures: Mapping[str, Any]) -> str:
    parts = [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
        if isinstance(value, int | float | str) and name != "table"
    ]
    return textwrap.shorten(", ".join(parts), _BRIEF_WIDTH, placeholder=" …")

"""The stages in their order: what each one depends on, what is up to date, what runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from itertools import groupby
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from relsearch.cluster.processes import check_shared, decided_by_first, is_first
from relsearch.core.errors import ArtifactError, ConfigError, GateError, ModelError
from relsearch.core.files.atomic import alone
from relsearch.core.settings.config import Config
from relsearch.data.collection import load_collection
from relsearch.encoders.model_source import located
from relsearch.judge.registry import RERANKER, TUNED, judge_content
from relsearch.judge.teacher import is_teacher
from relsearch.pipeline import artifacts
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.contents import Contents, named_outside
from relsearch.pipeline.kept_settings import write_settings
from relsearch.pipeline.progress import noted
from relsearch.pipeline.stages import gather, label, make, rank, refine
from relsearch.pipeline.stages.check import check_labels, check_settings
from relsearch.pipeline.stages.inputs import Artefacts, open_collected, open_pools
from relsearch.pipeline.stages.ship import REFUSED

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """One step: its name and directory, the config sections and the stages it depends on.

    Of a section it may name single keys, "pool.depth": others then change without making it outdated.
    """

    name: str
    function: Callable[..., None]
    sections: tuple[str, ...]
    after: tuple[str, ...] = ()

    def run(self, config: Config, work: Building) -> None:
        """Fill the directory; the function's keywords say which inputs it reads."""
        inputs = {
            "artefacts": Artefacts(config.output),
            "collected": open_collected(config),
            "pools": open_pools(config),
        }
        asked = signature(self.function).parameters
        self.function(config, work, **{name: value for name, value in inputs.items() if name in asked})


@dataclass(frozen=True)
class StageResult:
    """What became of one stage in a run; "refused": it ended, but its new reranker failed the quality gate."""

    name: str
    status: Literal["done", "up to date", "refused"]
    seconds: float
    figures: dict[str, JsonValue]


STAGES: tuple[Stage, ...] = (
    Stage("collect", gather.collect, ("collection", "pool.dev_share", "pool.test_share", "pool.near_duplicate")),
    Stage("index", gather.index, ("index", "encoder", "collection", "pool.runs"), ("collect",)),
    Stage("pool", gather.pool, ("index", "pool"), ("collect", "index")),
    Stage("tune", label.tune, ("tune", "judge", "encoder"), ("pool",)),
    Stage("train-human", rank.train_human, ("train", "encoder"), ("collect", "pool")),
    Stage("judge", label.judge, ("label", "remote", "judge"), ("pool", "tune", "train-human")),
    Stage("agree", label.agree, ("evaluate.resamples",), ("judge",)),
    Stage(
        "synthesize",
        make.synthesize,
        ("synthesize", "label", "remote", "judge", "pool.depth"),
        ("index", "pool", "tune", "train-human"),
    ),
    Stage("augment", label.augment, ("augment",), ("judge", "agree", "synthesize")),
    Stage("train-augmented", rank.train_augmented, ("train", "encoder"), ("augment",)),
    Stage(
        "optimize",
        refine.optimize,
        ("optimize", "augment", "train", "encoder", "label", "remote", "judge"),
        ("augment", "train-augmented"),
    ),
    Stage("export", rank.export, ("export", "evaluate"), ("train-human", "train-augmented", "optimize")),
    Stage("rerank", rank.rerank, (), ("pool", "export")),
    Stage("evaluate", rank.evaluate, ("evaluate",), ("rerank",)),
)

_CONTENTS = "contents.json"  # beside the stages' directories
_JUDGING = ("judge", "synthesize")
_END = -1


def stages_of(config: Config) -> tuple[Stage, ...]:
    """Return the stages that this config needs, without those that `_unneeded` names."""
    unneeded = _unneeded(config)
    kept = [stage for stage in STAGES if stage.name not in unneeded]
    return tuple(
        replace(stage, after=tuple(name for name in stage.after if name not in {*unneeded, *_unread(stage, config)}))
        for stage in kept
    )


def _unread(stage: Stage, config: Config) -> tuple[str, ...]:
    """What the stage stands after and does not read: only a reranker that judges is calibrated on pools."""
    if stage.name not in _JUDGING or RERANKER in config.label.judges:
        return ()
    calibrated = stage.name == "judge" or any(map(is_teacher, config.label.judges))
    return ("train-human",) if calibrated else ("train-human", "pool")


def _unneeded(config: Config) -> dict[str, str]:
    """The stages that have nothing to do under this config, and why."""
    unneeded = {}
    if TUNED not in config.label.judges:
        unneeded["tune"] = f"[label] judge is {config.label.judge!r}"
    if "synthetic" not in config.augment.chosen:
        unneeded["synthesize"] = "[augment] policies does not name 'synthetic'"
    if not config.optimize.enabled:
        unneeded["optimize"] = "[optimize] enabled is false"
    if config.pool.test_share == 0 and config.collection.splits is None:
        unneeded |= dict.fromkeys(("rerank", "evaluate"), "[pool] test_share is 0")
    return unneeded


def stage_fingerprint(name: str, config: Config) -> str:
    """Return the fingerprint that a stage has under this config, from its settings and from the stages before it.

    Those count by their fingerprints, since a stage may read their settings, and by what they made: one made anew with
    other content makes all that follow outdated. What stands outside counts by what is in it: the same path may hold
    other labels, another run, model or judge tomorrow.
    """
    return _Fingerprints(config).fingerprint(name)


class _Fingerprints:
    """The fingerprints of a config's stages as things stand at one moment, each computed once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stages = {stage.name: stage for stage in stages_of(config)}
        self._known: dict[str, str] = {}
        self.contents = Contents(config.output / _CONTENTS)

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of a stage."""
        if name not in self._known:
            self._known[name] = self._computed(self._stages[name])
        return self._known[name]

    def _computed(self, stage: Stage) -> str:
        config = self._config
        included = _included(stage.sections)
        settings = config.model_dump(mode="json", include={"seed": True, **included})
        settings["outside"] = [
            (section, key, self._content(name))
            for section, keys in included.items()
            for key, name in named_outside(getattr(config, section))
            if keys is True or key in keys
        ]
        if stage.name == "collect":
            settings["collected"] = [
                self._content(each) for each in load_collection(config.collection.source).sources()
            ]
        if stage.name == "tune" and config.tune.start:
            settings["content"] = judge_content(config.tune.start)
        if stage.name in _JUDGING:
            settings["content"] = [judge_content(judge) for judge in config.label.judges]
            if any(map(is_teacher, config.label.judges)):
                settings["calibrated"] = config.tune.aim
            if RERANKER in config.label.judges:
                settings["read"] = [config.export.first_stage_weight, config.export.prf_weight, config.tune.aim]
        inputs = [(self.fingerprint(before), artifacts.content(config.output / before)) for before in stage.after]
        return artifacts.fingerprint(stage.name, settings, inputs)

    def _content(self, name: Path | str) -> str:
        """The digest of a file or folder; of what is none here, such as a hub id, its name."""
        try:
            path = located(str(name))
        except ModelError:  # a package that is not installed, which the stage may not need
            path = None
        return self.contents.digest(path) if path else str(name)


def _included(sections: Iterable[str]) -> dict[str, Literal[True] | dict[str, bool]]:
    """The sections as pydantic takes them: True for a whole one, else its keys."""
    found: dict[str, Literal[True] | dict[str, bool]] = {}
    for section, keys in groupby(sorted(sections), key=lambda name: name.partition(".")[0]):
        names = [name.partition(".")[2] for name in keys]
        found[section] = dict.fromkeys(names, True) if all(names) else True
    return found


def run_all(config: Config) -> Iterator[StageResult]:
    """Run every stage that is not up to date, in order, yielding each result as it comes."""
    check_shared("run")
    stages = stages_of(config)
    check_settings(config, [stage.name for stage in stages])
    for stage in stages:
        yield _run(stage, config, _Fingerprints(config), [each.name for each in stages])
        if stage.name == "collect":
            _say_limits(config, stages)


def run_verb(verb: str, config: Config) -> Iterator[StageResult]:
    """Run the stages of one verb; raise ArtifactError where a stage before them has not run.

    Of several processes only the first has results; the others take part in its trainings.
    """
    check_shared(verb)
    if not is_first():
        _follow(config)
        return
    if verb == "optimize":  # asked for by name, it runs though `run` goes without it
        config = config.model_copy(update={"optimize": config.optimize.model_copy(update={"enabled": True})})
    if verb not in (verbs := dict.fromkeys(_verb_of(stage.name) for stage in STAGES)):
        raise ConfigError(f"stage {verb!r}: no such stage; name one of {', '.join(verbs)}")
    stages = stages_of(config)
    wanted = [stage for stage in stages if _verb_of(stage.name) == verb]
    if not wanted:
        raise ConfigError(f"{verb}: nothing to do, {_unneeded(config)[verb]}")
    check_settings(config, [stage.name for stage in wanted])
    for stage in wanted:
        fingerprints = _Fingerprints(config)
        for before in _all_before(stage, stages):
            if not artifacts.is_current(config.output / before, fingerprints.fingerprint(before)):
                raise ArtifactError(f"{config.output / before}: absent or outdated; run: relsearch {_verb_of(before)}")
        if stage.name != "collect":
            _say_limits(config, [stage])
        yield _run(stage, config, fingerprints, [each.name for each in wanted])
    decided_by_first([_END])


def _follow(config: Config) -> None:
    """Take part in every stage that the first process begins, until it has no more."""
    while (place := decided_by_first([_END])[0]) != _END:
        stage = STAGES[place]
        stage.run(config, Building(artifacts.partial_of(config.output / stage.name)))


def _verb_of(stage: str) -> str:
    """The verb that runs a stage: the judge's agreement with people is measured where its labels are made."""
    return "judge" if stage == "agree" else stage.split("-")[0]


def _say_limits(config: Config, stages: Sequence[Stage]) -> None:
    for limit in check_labels(config, [stage.name for stage in stages], collected=open_collected(config)):
        _LOG.warning("%s", limit)


def check_quality_gate(results: Iterable[StageResult], config: Config) -> None:
    """Raise GateError where a new reranker failed the quality gate and `[export] quality_gate` calls that an error.

    The stages after it run all the same: their tables show what there is to decide on.
    """
    refusals = [str(result.figures[REFUSED]) for result in results if REFUSED in result.figures]
    if refusals and config.export.quality_gate == "refuse":
        raise GateError(refusals[-1])


def _all_before(stage: Stage, stages: Sequence[Stage]) -> Iterable[str]:
    needed = set(stage.after)
    for earlier in reversed(stages):
        if earlier.name in needed:
            needed |= set(earlier.after)
    return [earlier.name for earlier in stages if earlier.name in needed]


def _run(stage: Stage, config: Config, fingerprints: _Fingerprints, stages: Sequence[str]) -> StageResult:
    directory = config.output / stage.name
    expected = fingerprints.fingerprint(stage.name)
    fingerprints.contents.save()
    write_settings(config)
    if artifacts.is_current(directory, expected):
        manifest = artifacts.read_manifest(directory)
        return StageResult(stage.name, "up to date", 0.0, manifest.figures)
    started = time.monotonic()
    with (
        alone(config.output),
        noted(config.output, stage.name, stages),
        artifacts.building(directory, stage.name, expected=expected) as work,
    ):
        decided_by_first([[each.name for each in STAGES].index(stage.name)])
        stage.run(config, work)
    status: Literal["done", "refused"] = "refused" if REFUSED in work.figures else "done"
    return StageResult(stage.name, status, time.monotonic() - started, work.figures)

"""What stages need of settings and of this machine, looked at before the first one works, not hours later."""

from __future__ import annotations

from collections.abc import Collection

from relsearch.cluster.processes import lists_of_each
from relsearch.core.errors import ConfigError, DataError
from relsearch.core.extras import TORCH, check_packages
from relsearch.core.fields.template import template_fields
from relsearch.core.settings.config import Config
from relsearch.data.collection import load_collection
from relsearch.data.pool import CROSS_VALIDATED_BELOW
from relsearch.encoders.model_source import check_model
from relsearch.index.registry import check_searcher
from relsearch.judge.registry import REMOTE, RERANKER, TUNED, by_judge, check_judge, check_tuning, judge_content
from relsearch.measure.quality_gate import queries_needed
from relsearch.pipeline import artifacts
from relsearch.pipeline.stages.folds import answerable, folds, folds_need, is_cross_validated, testing_the_judge
from relsearch.pipeline.stages.inputs import Collected, of_queries
from relsearch.rerank.bundle import open_bundle

# Below, a paired test finds at 80 % power only a difference of about its own standard deviation between queries.
_TEST_QUERIES = 10
_LEAST = 2  # labelled queries that cross-validation takes: each is ranked by a model that learnt from others
_TRAINING = {"torch", "transformers", "sentence_transformers", "datasets", "accelerate"}
# By stage: the extra, and the packages of it that are imported.
_PACKAGES = {
    "tune": ("train", {*_TRAINING, "peft"}),
    "train-human": ("train", _TRAINING),
    "synthesize": ("train", {*TORCH, "sklearn"}),
    "train-augmented": ("train", _TRAINING),
    "optimize": ("optimize", {"optuna"}),
    "export": ("export", {"onnx", "onnxscript"}),
}


def check_settings(config: Config, stages: Collection[str]) -> None:
    """Raise an error of ours where one of the stages could not use its settings, or would have to erase a file."""
    template_fields(config.collection.template)
    load_collection(config.collection.source)
    if config.collection.splits is not None and not config.collection.splits.is_file():
        raise ConfigError(f"[collection] splits: {config.collection.splits}: no such file")
    _check_packages(config, stages)
    _check_searching(config, stages)
    if "train-human" in stages:
        lists_of_each(config.train.lists_per_step, section="train")
        check_model(config.train_encoder.model)
    if "train-human" in stages and config.train.family == "cross":
        check_model(config.train.base)
    if "train-human" in stages and config.train.family == "late" and config.train.second_encoder:
        check_model(config.train.second_encoder)
    _check_labelling(config, stages)
    if "export" in stages and config.export.shipped is not None:
        open_bundle(config.export.shipped)
    for stage in stages:
        artifacts.check_free(config.output / stage)


def check_labels(config: Config, stages: Collection[str], *, collected: Collected) -> list[str]:
    """Return what the labelled queries are too few for, a line each; raise DataError where a stage could not run."""
    train, dev, test = (answerable(collected, split, scale=config.scale) for split in ("train", "dev", "test"))
    held = f"{len(train)} training, {len(dev)} dev and {len(test)} test queries have a relevant document"
    folded = is_cross_validated(collected)
    if "train-human" in stages and (len(train) < _LEAST if folded else not (train and dev)):
        raise DataError(
            f"{held}; a reranker takes {_LEAST} queries besides the test, one to learn from and one to test on: "
            "label more queries, or move them with [pool] test_share, or rerank with --bundle ready, which needs no "
            "labels"
        )
    if "evaluate" in stages and not test:
        raise DataError(f"{held}; label a test query, raise [pool] test_share, or set it to 0 to measure nothing")
    testing = of_queries(collected.human, testing_the_judge(config, collected))["query_id"].n_unique()
    if "augment" in stages and not config.augment.force and testing < 2:
        raise DataError(
            f"{held}; a single query cannot tell whether the judge is better than the majority class: label more "
            "queries, raise [pool] dev_share, or take the judge's labels as they are with [augment] force = true"
        )
    limits = []
    if folded and "train-human" in stages:
        limits.append(
            f"{len(train)} labelled queries besides the test; from {CROSS_VALIDATED_BELOW} on some are set apart as "
            "dev queries. With fewer every one is learnt from, and cross-validation in "
            f"{len(folds(config, collected))} folds does their work: it chooses weights, calibrates, and tests judge "
            "and reranker"
        )
    max_p = config.export.quality_gate_p
    needed = queries_needed(max_p)
    if "export" in stages and config.export.quality_gate != "off" and len(dev) < needed:
        both = len(train | dev)
        if folded and both >= folds_need(max_p):
            how = f"so the gate takes the cross-validation of the {both} training queries"
        elif both < folds_need(max_p):
            how = f"and there are {both} training and dev queries together: the gate cannot tell, and nothing ships"
        else:
            how = f"so the gate trains again on folds of the {both} training and dev queries"
        limits.append(f"{held}; it takes {needed} dev queries to show a gain at p {max_p:g}, {how}")
    if "evaluate" in stages and len(test) < _TEST_QUERIES:
        limits.append(f"{held}; with so few test queries intervals are wide and few differences are significant")
    return limits


def _check_packages(config: Config, stages: Collection[str]) -> None:
    needed = [(stage, *_PACKAGES[stage]) for stage in stages if stage in _PACKAGES]
    if REMOTE in config.label.judges and "judge" in stages:
        needed.append(("judge", "remote", {"httpx", "stamina"}))
    if RERANKER in config.label.judges and "judge" in stages:
        needed.append(("judge", "train", set(TORCH)))
    if config.export.runtime == "openvino" and "export" in stages:
        needed.append(("export", "export-openvino", {"openvino", "nncf"}))
    for stage, extra, packages in needed:
        check_packages(f"the stage {stage}", extra, packages)


def _check_searching(config: Config, stages: Collection[str]) -> None:
    for path in config.pool.runs:
        if not path.is_file():
            raise ConfigError(f"[pool] runs: {path}: no such file")
    if not config.pool.runs and not config.index.searchers:
        raise ConfigError("[index] searchers is empty and [pool] runs names no file; name one of them")
    for name in () if config.pool.runs else config.index.searchers:
        check_searcher(name, config.index)
    if config.pool.runs and "synthesize" in stages:
        raise ConfigError("synthesize: [pool] runs hold no new query; name [index] searchers instead of runs")


def _check_labelling(config: Config, stages: Collection[str]) -> None:
    if "tune" in stages and config.tune.start:
        judge_content(config.tune.start)
    if "tune" in stages:
        check_tuning(config)
        lists_of_each(config.tune.lists_per_step, section="tune")
        check_model(config.judge.base)
    for each in by_judge(config) if "judge" in stages else ():
        if each.label.judge not in (TUNED, RERANKER):
            check_judge(each)
    if "tune" in stages or "judge" in stages:
        for encoder in config.judge_encoders:
            check_model(encoder.model)
    if "synthesize" in stages and "llm" in config.synthesize.sources:
        from relsearch.synthesis.writer.prompt import load_writer_prompt

        check_model(config.synthesize.base)
        load_writer_prompt(config.synthesize.prompt)

"""Tuning of the judge on human grades, starting from the retrieval features: by LoRA, or by a regression on states."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from relsearch.cluster.processes import first_then_others, is_first, wait
from relsearch.core.errors import ConfigError, DataError
from relsearch.core.query_pool import QueryPool, pairs_of, pools_of, rows_by_query
from relsearch.core.settings.config import JudgeConfig, TuneConfig
from relsearch.core.settings.judge import check_frozen
from relsearch.core.types import Pair, Scale
from relsearch.encoders.encoder import Encoder
from relsearch.encoders.model_source import base_facts, fast_dtype
from relsearch.encoders.shared_steps import whole_steps
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.judge_card import ADAPTER, HEAD, HELD_OUT, JudgeCard, adapter_checksum, read_card, write_card
from relsearch.judge.models import adapter
from relsearch.judge.models.base import Base, load_base
from relsearch.judge.models.probe import probe
from relsearch.judge.models.prompt import Prompt, Tokens, load_prompt
from relsearch.judge.registry import judge_folder
from relsearch.judge.retrieval_features import RetrievalFeatures
from relsearch.judge.tuning.dev import DevSet, Scores
from relsearch.judge.tuning.report import Learning, TuneReport
from relsearch.judge.tuning.ridge import weights
from relsearch.judge.tuning.sample import balanced_steps, grade_weights, natural_sample
from relsearch.judge.tuning.trainer import Step, TunedModel, run
from relsearch.stats.ordinal import CumulativeLink

_LOG = logging.getLogger(__name__)
_CHECKPOINTS = "checkpoints"
_TRUNK = "trunk"


@dataclass(frozen=True, slots=True)
class _Setting:
    """What every part of a tuning run needs."""

    judge: JudgeConfig
    tune: TuneConfig
    scale: Scale
    seed: int
    base: Base
    prompt: Prompt


def tune(
    train_pairs: Sequence[Pair],
    train_grades: Sequence[int],
    dev_pairs: Sequence[Pair],
    dev_grades: Sequence[int],
    *,
    judge: JudgeConfig,
    tune: TuneConfig,
    encoders: Sequence[Encoder],
    scale: Scale,
    seed: int,
    output: Path,
) -> TuneReport:
    """Tune on the training pairs, choose and calibrate on the dev pairs, write a judge folder to `output`.

    Dev pairs must be of other queries. An interrupted run goes on from its last checkpoint in `output`, where the
    frozen layers' states are kept until it is whole. Where the model explains the dev grades no better than the
    retrieval features alone, its part is set to zero, and the report says so. Of several processes the first writes.
    """
    _check(train_pairs, dev_pairs)
    check_frozen(judge, tune)
    started = time.monotonic()
    prompt = load_prompt(judge.prompt)
    with first_then_others():
        base = load_base(judge, prompt, scale, dtype=fast_dtype(), frozen=not tune.layers)
        setting = _Setting(judge, tune, scale, seed, base, prompt)
        train_pools, grades = _by_query(train_pairs, train_grades)
        features, known = RetrievalFeatures.fit(
            train_pools, grades, encoders=encoders, names=judge.retrieval_features, scale=scale
        )
        prior = CumulativeLink.fit(known, grades, scale)
        dev = _dev_set(*_by_query(dev_pairs, dev_grades), features, setting)
        if base.frozen:
            model, learning = _regressed(pairs_of(train_pools), grades, known, dev, prior, setting, output / _TRUNK)
        else:
            steps = _steps(pairs_of(train_pools), grades, known, setting)
            model = _model(
                setting, prior, [*(row for step in steps for row in step.tokens), *dev.tokens], output / _TRUNK
            )
    if not base.frozen:
        learning = _learn(model, steps, dev, prior, setting=setting, folder=output / _CHECKPOINTS)
    silent = model.head.silent  # its scores would differ from the prior's by rounding alone, and so might beat them
    scores = dev.prior_scores(prior) if silent else dev.scores(model, batch_size=judge.batch_size)
    report = TuneReport(
        tuned=dev.measure(scores),
        prior=dev.measure(dev.prior_scores(prior)),
        seconds=time.monotonic() - started,
        **asdict(learning),
    )
    if not report.beats_prior:
        _LOG.warning(
            "the tuned model explains the dev grades no better than the retrieval features alone; it is left out"
        )
        model.head.silence()
        scores = dev.prior_scores(prior)
    wait()
    if is_first():
        _write(output, model, setting, features=features, dev=dev, scores=scores, report=report)
        for name in (_CHECKPOINTS, _TRUNK):
            shutil.rmtree(output / name, ignore_errors=True)
    return report


def _regressed(
    pairs: Sequence[Pair],
    grades: Sequence[int],
    known: Scores,
    dev: DevSet,
    prior: CumulativeLink,
    setting: _Setting,
    folder: Path,
) -> tuple[TunedModel, Learning]:
    """The base as it is, and a head that a ridge regression fits to its states; what was done."""
    rows = natural_sample(pairs, count=setting.tune.max_pairs, seed=setting.seed)
    chosen = [pairs[row] for row in rows]
    tokens, started = setting.base.encode(chosen), time.monotonic()
    every = [*tokens, *dev.tokens]
    reader = setting.base.kept_reader(every, batch_size=setting.judge.batch_size, folder=folder)
    tokens_per_s = sum(len(row.rest) for row in every) / (time.monotonic() - started)
    found = weights(
        reader.features(tokens).double().numpy(),
        prior.logits(known[rows]),
        [grades[row] for row in rows],
        [pair.query_id for pair in chosen],
        setting.scale,
        seed=setting.seed,
    )
    head = OrdinalHead(prior, reader.width)
    head.added.load_state_dict({"weight": torch.from_numpy(found)[None]})
    model = setting.base.model.requires_grad_(False)
    return TunedModel(model, head, reader), Learning(pairs=len(chosen), tokens_per_s=tokens_per_s)


def _learn(
    model: TunedModel, steps: list[Step], dev: DevSet, prior: CumulativeLink, *, setting: _Setting, folder: Path
) -> Learning:
    """Tune the model by steps; return what was done."""
    part = dev.part(setting.tune.dev_pairs, seed=setting.seed)
    before = part.measure(part.prior_scores(prior))
    _LOG.info("retrieval features alone on %d dev pairs: %s", len(part.pairs), before)
    evaluating_s = 0.0

    def evaluate_dev() -> dict[str, float | None]:
        nonlocal evaluating_s
        started = time.monotonic()
        figures = part.measure(part.scores(model, batch_size=setting.judge.batch_size)).to_json()
        evaluating_s += time.monotonic() - started
        return figures

    started = time.monotonic()
    done = run(model, steps, config=setting.tune, seed=setting.seed, evaluate_dev=evaluate_dev, folder=folder)
    tokens = done.steps * setting.tune.lists_per_step * sum(step.token_count for step in steps) / len(steps)
    return Learning(
        pairs=sum(len(step.tokens) for step in steps),
        tokens_per_s=tokens / (time.monotonic() - started - evaluating_s),
        steps=done.steps,
        history=((0, before.log_likelihood), *done.history),
        losses=tuple(done.losses),
    )


def _write(
    folder: Path,
    model: TunedModel,
    setting: _Setting,
    *,
    features: RetrievalFeatures,
    dev: DevSet,
    scores: Scores,
    report: TuneReport,
) -> None:
    adapter.save(model.model, folder / ADAPTER, base=setting.judge.base)
    save_file({"added": model.head.added.weight.detach().cpu()}, folder / ADAPTER / HEAD)
    dev.table(scores).write_parquet(folder / HELD_OUT)
    scale = setting.scale
    card = JudgeCard(
        judge=setting.judge,
        encoders=tuple(encoder.config for encoder in features.encoders),
        features=features.blend,
        prompt=setting.prompt,
        lowest=scale.lowest,
        names=scale.names,
        relevant=scale.relevant,
        prior=model.head.prior.to_json(),
        calibration=CumulativeLink.fit(scores, dev.grades, scale).to_json(),
        thresholds=dev.thresholds(scores, aim=setting.tune.aim, seed=setting.seed),
        base_checksum=setting.base.checksum,
        probe=probe(setting.base, model.head),
        special_tokens=True,
        frozen=setting.base.frozen,
        adapter_checksum=adapter_checksum(folder),
        figures={**report.figures(), **base_facts(setting.judge.base)},
    )
    write_card(folder, card)


def _check(train_pairs: Sequence[Pair], dev_pairs: Sequence[Pair]) -> None:
    if not dev_pairs:
        raise ConfigError("no labelled dev pairs: the judge is chosen and calibrated on them; raise [pool] dev_share")
    shared = {pair.query_id for pair in train_pairs} & {pair.query_id for pair in dev_pairs}
    if shared:
        raise DataError(f"query {min(shared)!r} is in both training and dev pairs; split by query")


def _by_query(pairs: Sequence[Pair], grades: Sequence[int]) -> tuple[list[QueryPool], list[int]]:
    """The pairs as pools, and the grades pool by pool."""
    return pools_of(pairs), [grades[row] for rows in rows_by_query(pairs) for row in rows]


def _steps(pairs: Sequence[Pair], grades: Sequence[int], known: Scores, setting: _Setting) -> list[Step]:
    config = setting.tune
    drawn = balanced_steps(
        pairs, grades, size=config.documents_per_query, max_pairs=config.max_pairs, seed=setting.seed
    )
    if not drawn:
        raise DataError("no training query has two labelled documents; the judge learns from documents side by side")
    drawn = whole_steps(drawn, lists_per_step=config.lists_per_step)
    rows = [row for step in drawn for row in step]
    chosen = [pairs[row] for row in rows]
    tokens = dict(zip(rows, setting.base.encode(chosen), strict=True))
    weights = grade_weights(grades, [grades[row] for row in rows])
    return [
        Step(
            tokens=tuple(tokens[row] for row in step),
            known=tuple(float(known[row]) for row in step),
            levels=tuple(grades[row] - setting.scale.lowest for row in step),
            weights=tuple(weights[grades[row]] for row in step),
        )
        for step in drawn
    ]


def _dev_set(
    pools: Sequence[QueryPool], grades: Sequence[int], features: RetrievalFeatures, setting: _Setting
) -> DevSet:
    """Draw the dev pairs, every query's share equal, and prepare them for scoring."""
    pairs, known = pairs_of(pools), features.scores(pools)  # features of whole pools, then the draw
    rows = natural_sample(pairs, count=setting.tune.calibration_pairs, seed=setting.seed)
    chosen = [pairs[row] for row in rows]
    return DevSet(chosen, [grades[row] for row in rows], known[rows], setting.base.encode(chosen), setting.scale)


def _model(setting: _Setting, prior: CumulativeLink, tokens: Sequence[Tokens], states: Path) -> TunedModel:
    """The base with what is tuned of it, and a reader for all these pairs."""
    base, config = setting.base, setting.tune
    start = judge_folder(config.start) if config.start else None
    model = adapter.adapted(base.model, base.task, config, seed=setting.seed, start=start / ADAPTER if start else None)
    reader = base.tuning_reader(tokens, tuned_layers=config.layers, folder=states)
    head = OrdinalHead(prior, reader.width).to(base.model.device)
    if start is not None:
        _check_start(read_card(start), setting)
        head.added.load_state_dict({"weight": load_file(start / ADAPTER / HEAD)["added"]})
    return TunedModel(model, head, reader)


def _check_start(card: JudgeCard, setting: _Setting) -> None:
    mine, theirs = ((one.family, one.prompt) for one in (setting.judge, card.judge))
    if card.base_checksum != setting.base.checksum or mine != theirs:
        raise ConfigError(
            f"[tune] start: that judge is a {card.judge.family} judge on {card.judge.base} with prompt "
            f"{card.judge.prompt!r}; set the same [judge] family, base and prompt"
        )

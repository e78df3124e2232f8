"""Search over augmentation and training against a dev measure, and the rounds of judging that pay.

Nothing here knows of queries: what to train and how it is measured are callables of the caller, who must hand in
figures of dev queries only. A study is kept in a journal file: a cut search goes on with what is left of its budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from relsearch.core.display.text_table import table
from relsearch.core.errors import MissingExtraError
from relsearch.core.settings.config import AugmentConfig, Config, TrainConfig

if TYPE_CHECKING:
    import optuna

_SECONDS = "seconds"
_FIRST, _WHOLE = 1, 2  # the rungs: a share of the steps, then all of them


class Objective(Protocol):
    """Trains under settings and returns dev NDCG@10; with a share under 1 it makes only that share of the steps."""

    def __call__(self, augment: AugmentConfig, train: TrainConfig, *, share: float) -> float:
        """Return the dev measure."""
        ...


@dataclass(frozen=True, slots=True)
class BestSettings:
    """The best settings, their measure, that of the configured ones, and what became of the trials."""

    augment: AugmentConfig
    train: TrainConfig
    value: float
    configured: float
    finished: int
    pruned: int


@dataclass(frozen=True, slots=True)
class Round:
    """One round: pairs judged anew, training examples, dev NDCG@10 and what that adds to the best before it."""

    number: int
    judged: int
    examples: int
    ndcg10: float
    gain: float


def search(objective: Objective, config: Config, journal: Path, *, minutes: float) -> BestSettings | None:
    """Try settings, the configured ones first, and return the best; None where no trial fitted into the minutes.

    A trial that is under the median of the others' first rung is pruned there. Raise what the objective raises: the
    trial then counts as failed and is not tried again by itself.
    """
    _require_optuna()
    import optuna

    study = _study(config, journal)
    if not any(trial.state.name in ("COMPLETE", "PRUNED", "WAITING") for trial in study.trials):
        study.enqueue_trial(_configured(config))
    while (left := minutes * 60 - _spent(study)) > 0 and len(_ended(study)) < config.optimize.trials:
        trial = study.ask()
        started = time.monotonic()
        try:
            value = _try(trial, objective, config)
        except BaseException:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            raise
        trial.set_user_attr(_SECONDS, min(time.monotonic() - started, left))
        study.tell(trial, value, state=None if value is not None else optuna.trial.TrialState.PRUNED)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    if not complete:
        return None
    best = max(complete, key=lambda trial: (trial.value or 0.0, -trial.number))
    augment, train = _settings(best, config)
    pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    return BestSettings(augment, train, best.value or 0.0, complete[0].value or 0.0, len(complete), pruned)


def rounds(
    one: Callable[[int], tuple[int, int, float]], *, most: int, min_gain: float, start: float
) -> Iterator[Round]:
    """Yield rounds until they stop paying; `one` makes a round and returns judged pairs, examples and dev NDCG@10.

    It stops after a round with nothing new to judge, or one that adds less than `min_gain` to the best before it.
    """
    best = start
    for number in range(1, most + 1):
        judged, examples, ndcg10 = one(number)
        yield Round(number, judged, examples, ndcg10, ndcg10 - best)
        if not judged or not ndcg10 - best >= min_gain:
            return
        best = ndcg10


def rounds_table(made: Sequence[Round]) -> str:
    """Return one row a round."""
    headers = ["round", "judged", "examples", "dev NDCG@10", "gain"]
    rows = [[str(r.number), str(r.judged), str(r.examples), f"{r.ndcg10:.4f}", f"{r.gain:+.4f}"] for r in made]
    return table(headers, rows)


def settings_toml(best: BestSettings) -> str:
    """Return the sections of relsearch.toml that the best settings change."""
    augment, train = best.augment, best.train
    policies = ", ".join(f'"{name}"' for name in augment.policies)
    lines = [
        "[augment]",
        f"policies = [{policies}]",
        f'labels = "{augment.labels}"',
        f"weight = {augment.weight:.4g}",
        f"confidence_floor = {augment.confidence_floor:.4g}",
        "",
        "[train]",
        f"learning_rate = {train.learning_rate:.4g}",
        f"listwise_weight = {train.listwise_weight:.4g}",
        f"documents_per_query = {train.documents_per_query}",
    ]
    return "\n".join(lines) + "\n"


def _try(trial: optuna.Trial, objective: Objective, config: Config) -> float | None:
    """The measure of the whole training, or None where the first rung shows that it is not worth it."""
    augment, train = _settings(trial, config)
    trial.report(objective(augment, train, share=config.optimize.first_rung), _FIRST)
    if trial.should_prune():
        return None
    value = objective(augment, train, share=1.0)
    trial.report(value, _WHOLE)
    return value


def _settings(trial: optuna.Trial | optuna.trial.FrozenTrial, config: Config) -> tuple[AugmentConfig, TrainConfig]:
    """What a trial stands for; a policy can be left out but none is added whose labels were never made."""
    chosen = sorted(config.augment.chosen)
    policies = tuple(name for name in chosen if trial.suggest_categorical(f"policy_{name}", [True, False]))
    augment = {
        "policies": policies,
        "labels": trial.suggest_categorical("labels", ["soft", "hard"]),
        "weight": trial.suggest_float("weight", *_range(0.1, 1.0, config.augment.weight)),
        "confidence_floor": trial.suggest_float("confidence_floor", *_range(0.0, 0.8, config.augment.confidence_floor)),
    }
    train = {
        "learning_rate": trial.suggest_float("learning_rate", *_around(config.train.learning_rate), log=True),
        "listwise_weight": trial.suggest_float("listwise_weight", *_range(0.0, 2.0, config.train.listwise_weight)),
        "documents_per_query": trial.suggest_categorical("documents_per_query", _sizes(config)),
    }
    return config.augment.model_copy(update=augment), config.train.model_copy(update=train)


def _configured(config: Config) -> dict[str, object]:
    augment, train = config.augment, config.train
    return {
        **{f"policy_{name}": True for name in sorted(augment.chosen)},
        "labels": augment.labels,
        "weight": augment.weight,
        "confidence_floor": augment.confidence_floor,
        "learning_rate": train.learning_rate,
        "listwise_weight": train.listwise_weight,
        "documents_per_query": train.documents_per_query,
    }


def _range(low: float, high: float, configured: float) -> tuple[float, float]:
    return min(low, configured), max(high, configured)


def _around(learning_rate: float) -> tuple[float, float]:
    return learning_rate / 4, learning_rate * 4


def _sizes(config: Config) -> list[int]:
    return sorted({8, 16, 24, config.train.documents_per_query})


def _study(config: Config, journal: Path) -> optuna.Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="relsearch",
        storage=JournalStorage(JournalFileBackend(str(journal))),
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
    )
    # Seeded by how far the study is: a resumed search must not draw its first trials once more.
    study.sampler = optuna.samplers.TPESampler(seed=config.seed + len(study.trials))
    for trial in study.trials:  # what a kill left behind
        if trial.state.name == "RUNNING":
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]


def _spent(study: optuna.Study) -> float:
    return sum(float(trial.user_attrs.get(_SECONDS, 0.0)) for trial in study.trials)


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as exc:
        raise MissingExtraError("relsearch optimize", "optimize") from exc

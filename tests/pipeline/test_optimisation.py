"""The search over settings: the configured ones first, resumable, pruned, in its minutes; rounds end in time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from relsearch.core.settings.config import AugmentConfig, Config, OptimizeConfig, TrainConfig
from relsearch.core.settings.load import load_config
from relsearch.pipeline.optimisation import BestSettings, Round, rounds, rounds_table, search, settings_toml

pytest.importorskip("optuna", reason="the extra optimize is not installed")
MINUTES = 60.0


class _Bowl:
    """A measure that is best at a weight of 0.9; a share of the steps shows it already."""

    def __init__(self, *, interrupt_at: int | None = None, seconds: float = 0.0) -> None:
        self.calls: list[tuple[float, AugmentConfig, float]] = []
        self._interrupt_at = interrupt_at
        self._seconds = seconds

    def __call__(self, augment: AugmentConfig, train: TrainConfig, *, share: float) -> float:
        if len(self.calls) == self._interrupt_at:
            raise KeyboardInterrupt
        self.calls.append((share, augment, train.learning_rate))
        time.sleep(self._seconds)
        return 1 - abs(augment.weight - 0.9)


def _config(**settings: float) -> Config:
    augment = AugmentConfig(policies=("fill", "unlabelled"), weight=0.5)
    return Config(augment=augment, optimize=OptimizeConfig.model_validate({"trials": 12, **settings}))


def _search(bowl: _Bowl, folder: Path, *, minutes: float = MINUTES, **settings: float) -> BestSettings | None:
    return search(bowl, _config(**settings), folder / "study.journal", minutes=minutes)


def test_the_configured_settings_come_first_and_are_never_lost(tmp_path: Path) -> None:
    """The first trial is the config as it is; the best found is at least as good."""
    bowl = _Bowl()
    found = _search(bowl, tmp_path)
    assert found is not None
    _, augment, learning_rate = bowl.calls[0]
    assert (augment.weight, set(augment.policies), learning_rate) == (0.5, {"fill", "unlabelled"}, 3e-5)
    assert found.configured == pytest.approx(0.6)
    assert found.value == max(1 - abs(augment.weight - 0.9) for share, augment, _ in bowl.calls if share == 1)
    assert found.value > found.configured


def test_configured_settings_beyond_the_usual_ranges_are_tried_as_they_are(tmp_path: Path) -> None:
    """What is reported as configured is nothing nearer to the middle."""
    augment, train = AugmentConfig(weight=0.05, confidence_floor=0.9), TrainConfig(listwise_weight=4.0)
    config = Config(augment=augment, train=train, optimize=OptimizeConfig(trials=1))
    tried = []

    def measure(augment: AugmentConfig, train: TrainConfig, *, share: float) -> float:
        tried.append((augment.weight, augment.confidence_floor, train.listwise_weight))
        return share

    search(measure, config, tmp_path / "study.journal", minutes=MINUTES)
    assert tried == [(0.05, 0.9, 4.0)] * 2


def test_no_policy_is_tried_whose_labels_were_not_made(tmp_path: Path) -> None:
    """Policies are left out now and then, none is added."""
    bowl = _Bowl()
    _search(bowl, tmp_path)
    tried = {augment.chosen for _, augment, _ in bowl.calls}
    assert len(tried) > 1
    assert all(policies <= {"fill", "unlabelled"} for policies in tried)


def test_a_poor_trial_is_pruned_after_its_first_rung(tmp_path: Path) -> None:
    """What is under the median after a share of the steps never makes all of them."""
    bowl = _Bowl()
    found = _search(bowl, tmp_path)
    assert found is not None
    assert found.pruned > 0
    assert [share for share, *_ in bowl.calls].count(0.25) == 12
    assert [share for share, *_ in bowl.calls].count(1.0) == found.finished == 12 - found.pruned


def test_a_cut_search_goes_on(tmp_path: Path) -> None:
    """Finished trials are kept, the cut one does not count, and no draw comes twice."""
    cut = _Bowl(interrupt_at=5)
    with pytest.raises(KeyboardInterrupt):
        _search(cut, tmp_path)
    again = _Bowl()
    found = _search(again, tmp_path)
    assert found is not None
    assert found.finished + found.pruned == 12
    assert found.configured == pytest.approx(0.6)
    drawn = {augment.weight for _, augment, _ in cut.calls}
    assert not drawn & {augment.weight for _, augment, _ in again.calls}
    idle = _Bowl()
    assert _search(idle, tmp_path) == found
    assert not idle.calls


def test_a_search_cut_in_its_first_trial_tries_the_config_again(tmp_path: Path) -> None:
    """The baseline of the search is never lost."""
    with pytest.raises(KeyboardInterrupt):
        _search(_Bowl(interrupt_at=1), tmp_path)
    found = _search(_Bowl(), tmp_path, trials=1)
    assert found is not None
    assert found.value == found.configured == pytest.approx(0.6)


def test_the_minutes_hold_over_resumed_runs(tmp_path: Path) -> None:
    """The trial in hand is ended, no other begins, and a second run has no minutes left."""
    bowl = _Bowl(seconds=0.1)
    found = _search(bowl, tmp_path, minutes=0.15 / 60)
    assert found is not None
    assert found.finished == 1
    assert _search(_Bowl(), tmp_path, minutes=0.15 / 60) == found
    assert _search(_Bowl(), tmp_path / "other", minutes=0) is None


def test_the_best_settings_are_written_as_a_user_writes_them(tmp_path: Path) -> None:
    """The TOML loads as a config with these settings."""
    found = _search(_Bowl(), tmp_path)
    assert found is not None
    path = tmp_path / "relsearch.toml"
    path.write_text(settings_toml(found), encoding="utf-8")
    config = load_config(path)
    assert config.augment.chosen == found.augment.chosen
    assert config.augment.weight == pytest.approx(found.augment.weight, rel=1e-3)
    assert config.train.learning_rate == pytest.approx(found.train.learning_rate, rel=1e-3)
    assert config.train.documents_per_query == found.train.documents_per_query


@pytest.mark.parametrize(
    ("outcomes", "made"),
    [
        ([(9, 0.55), (9, 0.60), (9, 0.65)], 3),
        ([(9, 0.55), (9, 0.551), (9, 0.65)], 2),
        ([(9, 0.40), (9, 0.60)], 1),
        ([(0, 0.50), (9, 0.60)], 1),
        ([(9, 0.55), (9, float("nan")), (9, 0.65)], 2),
    ],
)
def test_rounds_end_when_they_stop_paying(outcomes: list[tuple[int, float]], made: int) -> None:
    """A round that adds too little, loses, has no measure, or nothing new to judge is the last."""

    def one(number: int) -> tuple[int, int, float]:
        judged, ndcg10 = outcomes[number - 1]
        return judged, 100, ndcg10

    found = list(rounds(one, most=3, min_gain=0.002, start=0.5))
    assert len(found) == made
    assert found[0] == Round(1, outcomes[0][0], 100, outcomes[0][1], outcomes[0][1] - 0.5)
    assert len(rounds_table(found).splitlines()) == 2 + made

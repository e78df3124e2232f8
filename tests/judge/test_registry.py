"""Judges by name: folders, windows around them, and names that do not fit the collection."""

from __future__ import annotations

from pathlib import Path

import pytest

from relsearch.config import CollectionConfig, Config, JudgeConfig, LabelConfig
from relsearch.errors import ConfigError
from relsearch.judge.registry import open_judge
from relsearch.judge.report import TuneReport
from relsearch.judge.tuned import TunedJudge
from relsearch.judge.windows import WindowedJudge
from relsearch.judge.zero_shot import ZeroShotJudge
from relsearch.pipeline import stage_fingerprint, stages_of
from relsearch.types import Pair


def test_a_folder_is_the_judge_in_it(
    tuned: tuple[Path, TuneReport], tuned_judge: TunedJudge, pairs: list[Pair]
) -> None:
    """Named by its folder, or as the pipeline's own, it gives the same labels."""
    named = open_judge(Config(label=LabelConfig(judge=str(tuned[0]))))
    own = open_judge(Config(), tuned=tuned[0])
    assert list(named.judge(pairs)) == list(own.judge(pairs)) == list(tuned_judge.judge(pairs))


def test_windows_are_put_around_any_judge(tuned: tuple[Path, TuneReport]) -> None:
    """A long document is cut into windows, and what is beyond the last is counted."""
    label = LabelConfig(judge=str(tuned[0]), window_characters=20, max_windows=2)
    judge = open_judge(Config(label=label))
    assert isinstance(judge, WindowedJudge)
    (judgment,) = judge.judge([Pair("q", "d", "why does a cat purr", "A cat purrs when it is calm. " * 9)])
    assert judgment.grade in judge.scale.grades
    assert judge.truncated == 1


def test_the_untuned_base_has_a_name(judge_config: JudgeConfig) -> None:
    """`zero-shot` takes base and prompt from [judge]."""
    judge = open_judge(Config(judge=judge_config, label=LabelConfig(judge="zero-shot")))
    assert isinstance(judge, ZeroShotJudge)


def test_a_judge_of_another_scale_is_refused(tuned: tuple[Path, TuneReport]) -> None:
    """Grades 0-3 are no labels for a binary collection."""
    config = Config(collection=CollectionConfig(source="demo", scale="binary"), label=LabelConfig(judge=str(tuned[0])))
    with pytest.raises(ConfigError, match=r"grades 0-3 .* the collection 0-1"):
        open_judge(config)


@pytest.mark.parametrize("name", ["nowhere", "tuned"])
def test_a_name_without_a_judge_is_refused(name: str) -> None:
    """A pipeline that has not tuned has no judge of its own."""
    with pytest.raises(ConfigError, match="no such judge"):
        open_judge(Config(label=LabelConfig(judge=name)))


def test_a_pipeline_with_another_s_judge_tunes_none() -> None:
    """The stage falls out, and what judges has another fingerprint."""
    own, other = Config(), Config(label=LabelConfig(judge="ready"))
    assert "tune" in {stage.name for stage in stages_of(own)}
    assert "tune" not in {stage.name for stage in stages_of(other)}
    assert stage_fingerprint("judge", own) != stage_fingerprint("judge", other)
    assert stage_fingerprint("pool", own) == stage_fingerprint("pool", other)


def test_how_much_is_judged_does_not_make_the_judge_anew() -> None:
    """Depth belongs to labelling, so the tuned judge stays up to date."""
    deeper = Config(label=LabelConfig(depth=40))
    assert stage_fingerprint("tune", Config()) == stage_fingerprint("tune", deeper)
    assert stage_fingerprint("judge", Config()) != stage_fingerprint("judge", deeper)

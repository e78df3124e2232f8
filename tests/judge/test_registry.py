"""Judges by name: folders, windows around them, and names that do not fit the collection."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError
from relsearch.core.settings.config import CollectionConfig, Config, JudgeConfig, LabelConfig, TuneConfig
from relsearch.core.types import SCALES, Judgment, Pair
from relsearch.judge.judge_card import read_card, write_card
from relsearch.judge.registry import open_judge
from relsearch.judge.tuned import TunedJudge
from relsearch.judge.tuning.report import TuneReport
from relsearch.judge.wrappers.binary import BinaryJudge
from relsearch.judge.wrappers.windows import WindowedJudge
from relsearch.judge.zero_shot import ZeroShotJudge
from relsearch.pipeline.order import stage_fingerprint, stages_of
from tests.judge.conftest import WordOverlapJudge, judge_pairs

TUNED = Config(label=LabelConfig(judge="tuned"))


def test_a_folder_is_the_judge_in_it(
    tuned: tuple[Path, TuneReport], tuned_judge: TunedJudge, pairs: list[Pair]
) -> None:
    """Named by its folder, or as the pipeline's own, it gives the same labels."""
    named = open_judge(Config(label=LabelConfig(judge=str(tuned[0]))))
    own = open_judge(TUNED, tuned=tuned[0])
    assert judge_pairs(named, pairs) == judge_pairs(own, pairs) == judge_pairs(tuned_judge, pairs)


def test_windows_are_put_around_any_judge(tuned: tuple[Path, TuneReport]) -> None:
    """A long document is cut into windows, and what is beyond the last is counted."""
    label = LabelConfig(judge=str(tuned[0]), window_characters=20, max_windows=2)
    judge = open_judge(Config(label=label))
    assert isinstance(judge, WindowedJudge)
    pair = Pair("q", "d", "why does a cat purr", "A cat purrs when it is calm. " * 9)
    (judgment,) = judge_pairs(judge, [pair])
    assert judgment.grade in judge.scale.grades
    assert judge.truncated == 1


def test_the_untuned_base_has_a_name(judge_config: JudgeConfig) -> None:
    """`zero-shot` takes base and prompt from [judge]."""
    judge = open_judge(Config(judge=judge_config, label=LabelConfig(judge="zero-shot")))
    assert isinstance(judge, ZeroShotJudge)


def test_a_judge_of_another_scale_is_refused(tuned: tuple[Path, TuneReport]) -> None:
    """Grades 0-3 are no labels for a collection of five grades."""
    config = Config(collection=CollectionConfig(source="demo", scale="0-4:3"), label=LabelConfig(judge=str(tuned[0])))
    with pytest.raises(ConfigError, match=r"grades 0-3 .* the collection 0-4"):
        open_judge(config)


def test_a_graded_judge_labels_a_binary_collection(
    tuned: tuple[Path, TuneReport], tuned_judge: TunedJudge, pairs: list[Pair]
) -> None:
    """Relevant is what it grades 2 or 3, with the probability of both; its fingerprint tells the two apart."""
    config = Config(collection=CollectionConfig(source="demo", scale="binary"), label=LabelConfig(judge=str(tuned[0])))
    judge = open_judge(config)
    assert (judge.scale, judge.truncated) == (config.scale, 0)
    assert judge.fingerprint != tuned_judge.fingerprint
    for binary, graded in zip(judge_pairs(judge, pairs), judge_pairs(tuned_judge, pairs), strict=True):
        assert graded.grade is not None
        assert graded.probabilities is not None
        relevant = graded.probabilities[2] + graded.probabilities[3]
        assert binary.grade == int(graded.grade >= 2)
        assert binary.expected == pytest.approx(relevant)
        assert binary.confidence == pytest.approx(relevant if binary.grade else 1 - relevant)
        assert (binary.query_id, binary.doc_id, binary.judge) == (graded.query_id, graded.doc_id, judge.fingerprint)


def test_a_missing_label_stays_missing_on_two_grades() -> None:
    """A remote judge that gave no grade gave none on any scale."""

    class Silent(WordOverlapJudge):
        truncated = 3

        def label(self, pair: Pair) -> Judgment:
            return self.judgment(pair, None, None)

    judge = BinaryJudge(Silent(), SCALES["binary"])
    (judgment,) = judge_pairs(judge, [Pair("q", "d", "why", "because")])
    assert judgment == Judgment("q", "d", None, "judge", judge=judge.fingerprint)
    assert judge.truncated == 3


@pytest.mark.parametrize(
    ("name", "fault"), [("nowhere", "no such judge"), ("tuned", "by a pipeline"), ("reranker", "by a pipeline")]
)
def test_a_name_without_a_judge_is_refused(name: str, fault: str) -> None:
    """Without a pipeline there is none of its judges."""
    with pytest.raises(ConfigError, match=fault):
        open_judge(Config(label=LabelConfig(judge=name)))


def test_a_pipeline_with_another_s_judge_tunes_none() -> None:
    """The stage falls out, and what judges has another fingerprint."""
    own, other = TUNED, Config(label=LabelConfig(judge="ready"))
    assert "tune" in {stage.name for stage in stages_of(own)}
    assert "tune" not in {stage.name for stage in stages_of(other)}
    assert stage_fingerprint("judge", own) != stage_fingerprint("judge", other)
    assert stage_fingerprint("pool", own) == stage_fingerprint("pool", other)


def test_how_much_is_judged_does_not_make_the_judge_anew() -> None:
    """Depth belongs to labelling, so the tuned judge stays up to date."""
    deeper = Config(label=LabelConfig(judge="tuned", depth=40))
    assert stage_fingerprint("tune", TUNED) == stage_fingerprint("tune", deeper)
    assert stage_fingerprint("judge", TUNED) != stage_fingerprint("judge", deeper)


@pytest.mark.parametrize("change", [{"base": "other"}, {"prompt": "other"}, {"max_document_tokens": 99}])
def test_another_untuned_base_judges_anew(change: dict[str, object]) -> None:
    """With `zero-shot` [judge] decides the labels, so labels of another base are outdated."""
    own = Config(label=LabelConfig(judge="zero-shot"))
    other = own.model_copy(update={"judge": own.judge.model_copy(update=change)})
    assert stage_fingerprint("judge", own) != stage_fingerprint("judge", other)
    assert stage_fingerprint("pool", own) == stage_fingerprint("pool", other)


@pytest.mark.parametrize("stage", ["judge", "tune"])
def test_another_judge_in_the_same_folder_outdates_what_was_made_with_it(
    tuned: tuple[Path, TuneReport], tmp_path: Path, stage: str
) -> None:
    """A path is not a judge: labels, and tuning that started there, count by the folder's content."""
    folder = tmp_path / "judge"
    shutil.copytree(tuned[0], folder)
    named = Config(label=LabelConfig(judge=str(folder)))
    config = named if stage == "judge" else Config(label=TUNED.label, tune=TuneConfig(start=str(folder)))
    before = stage_fingerprint(stage, config)
    assert stage_fingerprint(stage, config) == before
    card = read_card(folder)
    write_card(folder, card.model_copy(update={"thresholds": tuple(threshold + 1 for threshold in card.thresholds)}))
    assert stage_fingerprint(stage, config) != before

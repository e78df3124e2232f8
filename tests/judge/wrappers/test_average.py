"""Labels that were made elsewhere, and the average of several judges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError, DataError
from relsearch.core.query_pool import QueryPool
from relsearch.core.settings.config import Config, LabelConfig
from relsearch.core.tables import JUDGMENTS, judgments_table, write
from relsearch.core.types import SCALES, Judgment
from relsearch.judge.judge_base import JudgeBase
from relsearch.judge.registry import check_judge, open_judge
from relsearch.judge.wrappers.average import AverageJudge
from relsearch.judge.wrappers.binary import BinaryJudge
from relsearch.pipeline.order import stage_fingerprint, stages_of
from tests.judge.conftest import WordOverlapJudge

POOL = QueryPool("q", "cat purr", ("a", "b"), ("a cat", "a cat will purr"))


class FixedJudge(JudgeBase):
    """A fake that gives every document the same distribution, or no label."""

    def __init__(self, *shares: float) -> None:
        super().__init__(fingerprint=f"fixed {shares}", scale=SCALES["0-3"])
        self.shares = shares

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other."""
        for pool in pools:
            grade = self.shares.index(max(self.shares)) if self.shares else None
            yield [self.judgment(pair, grade, self.shares or None) for pair in pool.pairs()]


def labels(name: str | Path, pool: QueryPool = POOL) -> list[Judgment]:
    """The judgments of the judge that `[label] judge` names."""
    (judgments,) = open_judge(Config(label=LabelConfig(judge=str(name)))).judge([pool])
    return judgments


@pytest.mark.parametrize(
    "lines", ["q 0 a 2\n", '{"query_id": "q", "doc_id": "a", "relevance": 2}\n'], ids=["TREC", "JSON lines"]
)
def test_a_file_of_labels_is_a_judge(tmp_path: Path, lines: str) -> None:
    """A pair of the file has its grade, sure of it; one that the file lacks has a missing label."""
    path = tmp_path / "gpt4.labels"
    path.write_text(lines)
    known, unknown = labels(path)
    assert (known.grade, known.expected, known.confidence) == (2, 2.0, 1.0)
    assert (unknown.grade, unknown.probabilities) == (None, None)


def test_a_table_of_judgments_keeps_its_distributions(tmp_path: Path) -> None:
    """What `relsearch grade` wrote comes back with the judge's doubt."""
    (judgments,) = FixedJudge(0.1, 0.2, 0.6, 0.1).judge([POOL])
    path = tmp_path / "judgments.parquet"
    write(judgments_table(judgments), path, JUDGMENTS)
    assert [one.probabilities for one in labels(path)] == [one.probabilities for one in judgments]


def test_other_labels_are_another_judge(tmp_path: Path) -> None:
    """The fingerprint follows what is in the file."""
    path, fingerprints = tmp_path / "labels", []
    for grade in (1, 2):
        path.write_text(f"q 0 a {grade}\n")
        fingerprints.append(labels(path)[0].judge)
    assert fingerprints[0] != fingerprints[1]


def test_a_grade_outside_the_scale_is_found_before_any_work(tmp_path: Path) -> None:
    """The error names file and line."""
    path = tmp_path / "labels"
    path.write_text("q 0 a 2\nq 0 b 7\n")
    with pytest.raises(DataError, match="labels:2: grade 7"):
        check_judge(Config(label=LabelConfig(judge=str(path))))


def test_an_average_is_the_mean_distribution() -> None:
    """The grade is the rounded mean grade."""
    ((judgment, _),) = AverageJudge([FixedJudge(0, 0, 0, 1), FixedJudge(0.5, 0.5, 0, 0)]).judge([POOL])
    assert judgment.probabilities == (0.25, 0.25, 0.0, 0.5)
    assert (judgment.grade, judgment.expected, judgment.confidence) == (2, 1.75, 0.0)


def test_who_gives_no_label_has_no_say() -> None:
    """A document that one judge labels has that label; one that none labels has a missing one."""
    sure, silent = FixedJudge(0, 0, 0, 1), FixedJudge()
    assert [one.grade for one in next(AverageJudge([silent, sure]).judge([POOL]))] == [3, 3]
    assert [one.grade for one in next(AverageJudge([silent, silent]).judge([POOL]))] == [None, None]


def test_several_names_are_an_average(tmp_path: Path) -> None:
    """Two files joined by " + " label together."""
    for name, grade in (("one", 0), ("two", 2)):
        (tmp_path / name).write_text(f"q 0 a {grade}\n")
    known, unknown = labels(f"{tmp_path / 'one'} + {tmp_path / 'two'}")
    assert (known.grade, known.confidence, unknown.grade) == (1, 0.0, None)


def test_judges_of_different_scales_are_refused() -> None:
    """Grades 0-3 and two grades have no mean."""
    with pytest.raises(ConfigError, match="different scales"):
        AverageJudge([WordOverlapJudge(), BinaryJudge(WordOverlapJudge("other"), SCALES["binary"])])


def test_a_pipeline_trains_the_reranker_that_an_average_names() -> None:
    """The judge stage waits for the reranker where it is one of several judges."""
    after = {
        judge: {stage.name: stage.after for stage in stages_of(Config(label=LabelConfig(judge=judge)))}["judge"]
        for judge in ("reranker + ready", "ready")
    }
    assert ("train-human" in after["reranker + ready"], "train-human" in after["ready"]) == (True, False)


def test_other_labels_in_a_file_make_the_judge_stage_outdated(tmp_path: Path) -> None:
    """Its fingerprint follows each of the judges that are averaged."""
    path = tmp_path / "labels"
    config = Config(output=tmp_path / "run", label=LabelConfig(judge=f"ready + {path}"))
    fingerprints = []
    for grade in (1, 2):
        path.write_text(f"q 0 a {grade}\n")
        fingerprints.append(stage_fingerprint("judge", config))
    assert fingerprints[0] != fingerprints[1]

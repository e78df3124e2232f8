"""Rerankers that others made as judges: by name, with and without human labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError
from relsearch.core.query_pool import QueryPool
from relsearch.core.settings.config import Config, LabelConfig, RemoteConfig
from relsearch.core.types import SCALES
from relsearch.judge.registry import check_judge, judge_content, open_judge
from relsearch.judge.teacher import PoolShareJudge, Teacher, open_teacher
from relsearch.pipeline.order import stages_of
from relsearch.rerank.interpolation import NO_INTERPOLATION
from relsearch.rerank.reranker import Reranker
from tests.judge.chat_server import Answer, Request, serving
from tests.judge.conftest import OneWordScorer

QUERY = "why do cats purr at night"
WORDS = QUERY.split()
TEXTS = tuple(" ".join(WORDS[:number]) or "tea" for number in (0, 0, 0, 0, 0, 1, 1, 2, 4, 6))
POOL = QueryPool("q", QUERY, tuple(map(str, range(len(TEXTS)))), TEXTS)


def _named(judge: str) -> Config:
    return Config(label=LabelConfig(judge=judge))


def test_without_labels_the_pool_s_order_makes_the_grades() -> None:
    """A better score is at least as good a grade; about a fifth is relevant; equal scores all get the lowest grade."""
    judge = PoolShareJudge(Teacher(OneWordScorer(), NO_INTERPOLATION, "fake"), SCALES["0-3"])
    (labels,) = judge.judge([POOL])
    grades = [label.grade or 0 for label in labels]
    assert grades == sorted(grades)
    assert grades[-1] == 3
    assert sum(grade >= 2 for grade in grades) == 2
    expected = [label.expected or 0.0 for label in labels]
    assert expected == sorted(expected)
    (alike,) = judge.judge([POOL.part([0, 1, 2])])
    assert [label.grade for label in alike] == [0, 0, 0]
    assert judge.truncated == sum(len(text.split()) > 1 for text in TEXTS)


@pytest.mark.slow
def test_a_folder_s_reranker_judges(tiny_bundles: dict[str, Path]) -> None:
    """A bundle named after the prefix orders a pool as it ranks it, and its files are in the judge's content."""
    name = f"reranker:{tiny_bundles['fp32']}"
    check_judge(_named(name))
    judge = open_judge(_named(name))
    (labels,) = judge.judge([POOL])
    ranked = Reranker(tiny_bundles["fp32"]).score_pool(QUERY, TEXTS)
    expected = [label.expected or 0.0 for label in labels]
    assert sorted(range(10), key=lambda row: expected[row]) == sorted(range(10), key=lambda row: ranked[row])
    assert judge_content(name) not in (None, judge_content(f"reranker:{tiny_bundles['int8']}"))
    assert judge.fingerprint == open_judge(_named(name)).fingerprint


def test_an_endpoint_s_reranker_judges() -> None:
    """The address stands after the prefix; it is no part of what tells the labels where the model is named."""

    def respond(request: Request) -> Answer:
        scores = OneWordScorer().score(request.body["query"], request.body["documents"])
        return Answer({"results": [{"index": place, "relevance_score": each} for place, each in enumerate(scores)]})

    with serving(respond) as server:
        config = _named(f"reranker:{server.url}/rerank")
        (labels,) = open_judge(config).judge([POOL])
        abouts = {
            open_teacher(f"reranker:{server.url}/{path}", RemoteConfig(model="theirs")).about for path in ("a", "b")
        }
    assert [label.grade or 0 for label in labels][-1] == 3
    assert abouts == {"endpoint theirs"}


def test_no_reranker_of_the_pipeline_is_trained_for_it() -> None:
    """Only the judge `reranker` waits for the pipeline's own."""
    after = {stage.name: stage.after for stage in stages_of(_named("reranker:ready"))}
    assert "train-human" not in after["judge"]
    assert "train-human" in {stage.name: stage.after for stage in stages_of(_named("reranker"))}["judge"]


def test_a_name_that_leads_nowhere_is_refused() -> None:
    """Before anything is loaded, and windows around a reranker are."""
    with pytest.raises(ConfigError, match="no such reranker"):
        check_judge(_named("reranker:./nowhere"))
    with pytest.raises(ValueError, match="window_characters"):
        Config(label=LabelConfig(judge="reranker:ready", window_characters=100))

"""A judge tuned on the tiny models, and a fake one, for the suites of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from relsearch.config import EncoderConfig, JudgeConfig, TuneConfig
from relsearch.judge.llm import LLMJudge, load_judge, zero_shot
from relsearch.judge.report import TuneReport
from relsearch.judge.tune import tune
from relsearch.types import SCALES, Document, Judgment, Pair, Query, Scale


class WordOverlapJudge:
    """A fake judge: the grade is how many of the query's words the text holds, at most 3."""

    fingerprint = "overlap"
    scale = SCALES["0-3"]

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, certain of itself."""
        for pair in pairs:
            grade = min(3, len(set(pair.query.split()) & set(pair.text.split())))
            certain = tuple(float(level == grade) for level in self.scale.grades)
            yield Judgment(pair.query_id, pair.doc_id, grade, "judge", self.fingerprint, certain, float(grade), 1.0)


@pytest.fixture(scope="session")
def pairs(queries: list[Query], documents: list[Document]) -> list[Pair]:
    """Every query with every document."""
    return [Pair(q.query_id, d.doc_id, q.text, d.fields["text"]) for q in queries for d in documents]


@pytest.fixture(scope="session")
def grades(pairs: list[Pair]) -> list[int]:
    """Grades 0-3 that follow shared words, so that there is something to learn."""
    return [judgment.grade for judgment in WordOverlapJudge().judge(pairs)]


@pytest.fixture(scope="session")
def judge_config(tiny_llama: Path) -> JudgeConfig:
    """The tiny Llama as the judge's base."""
    return JudgeConfig(base=str(tiny_llama), max_document_tokens=48, batch_size=4)


@pytest.fixture(scope="session")
def scale() -> Scale:
    """The four-grade scale."""
    return SCALES["0-3"]


@pytest.fixture(scope="session")
def tuned(
    pairs: list[Pair],
    grades: list[int],
    judge_config: JudgeConfig,
    tiny_bert: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, TuneReport]:
    """A judge folder and its report, tuned on two queries and chosen on the two others."""
    folder = tmp_path_factory.mktemp("judge")
    half = len(pairs) // 2
    report = tune(
        pairs[:half],
        grades[:half],
        pairs[half:],
        grades[half:],
        judge=judge_config,
        tune=TuneConfig(layers=1, rank=2, documents_per_query=5, evaluations=2),
        encoder=EncoderConfig(model=str(tiny_bert)),
        scale=SCALES["0-3"],
        seed=3,
        output=folder,
    )
    return folder, report


@pytest.fixture(scope="session")
def tuned_judge(tuned: tuple[Path, TuneReport]) -> LLMJudge:
    """The tuned judge, loaded."""
    return load_judge(tuned[0])


@pytest.fixture(scope="session")
def untuned_judge(judge_config: JudgeConfig) -> LLMJudge:
    """The same base without tuning."""
    return zero_shot(judge_config, SCALES["0-3"])

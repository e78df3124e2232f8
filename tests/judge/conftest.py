"""A judge tuned on the tiny models, and a fake one, for the suites of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest

from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool, pools_of
from relsearch.core.settings.config import EncoderConfig, JudgeConfig, RemoteConfig, TuneConfig
from relsearch.core.types import SCALES, Document, Judgment, Pair, Query, Scale
from relsearch.encoders.encoder import load_encoder
from relsearch.judge.judge_base import JudgeBase
from relsearch.judge.remote.remote_judge import RemoteJudge
from relsearch.judge.tune import tune
from relsearch.judge.tuned import TunedJudge, load_judge
from relsearch.judge.tuning.report import TuneReport
from relsearch.judge.zero_shot import ZeroShotJudge
from tests.judge.chat_server import serving, word_overlap
from tests.rerank.fake_scorer import OverlapScorer

TuneHalf = Callable[..., TuneReport]


class WordOverlapJudge(JudgeBase):
    """A fake judge: the grade is how many of the query's words the text holds, at most 3."""

    def __init__(self, fingerprint: str = "overlap") -> None:
        super().__init__(fingerprint=fingerprint, scale=SCALES["0-3"])

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other."""
        for pool in pools:
            yield [self.label(pair) for pair in pool.pairs()]

    def label(self, pair: Pair) -> Judgment:
        """Return the judgment of one pair, certain of itself."""
        grade = min(3, len(set(pair.query.split()) & set(pair.text.split())))
        return self.judgment(pair, grade, [float(level == grade) for level in self.scale.grades])


class OneWordScorer(OverlapScorer):
    """A fake scorer that reads one word of a text."""

    def truncated(self, query: str, texts: Sequence[str]) -> int:
        """Count the texts of more than one word."""
        return sum(len(text.split()) > 1 for text in texts)


def judge_pairs(judge: Judge, pairs: Iterable[Pair]) -> list[Judgment]:
    """Return a judge's judgments of these pairs, grouped by query."""
    return list(chain.from_iterable(judge.judge(pools_of(list(pairs)))))


@pytest.fixture(scope="session")
def pairs(queries: list[Query], documents: list[Document]) -> list[Pair]:
    """Every query with every document."""
    return [Pair(q.query_id, d.doc_id, q.text, d.fields["text"]) for q in queries for d in documents]


@pytest.fixture(scope="session")
def grades(pairs: list[Pair]) -> list[int]:
    """Grades 0-3 that follow shared words, so that there is something to learn."""
    return [judgment.grade for judgment in judge_pairs(WordOverlapJudge(), pairs) if judgment.grade is not None]


@pytest.fixture(scope="session")
def judge_config(tiny_llama: Path) -> JudgeConfig:
    """The tiny Llama as the judge's base."""
    return JudgeConfig(base=str(tiny_llama), max_document_tokens=48, batch_size=4)


@pytest.fixture(scope="session")
def scale() -> Scale:
    """The four-grade scale."""
    return SCALES["0-3"]


@pytest.fixture(scope="session")
def encoder_config(tiny_bert: Path) -> JudgeConfig:
    """The tiny BERT as the judge's base."""
    return JudgeConfig(family="encoder", base=str(tiny_bert), max_document_tokens=48, batch_size=4)


@pytest.fixture(scope="session")
def tune_half(pairs: list[Pair], grades: list[int], tiny_bert: Path) -> TuneHalf:
    """Tunes a judge on two queries, chosen on the two others; `cut` moves the border between them."""
    config = TuneConfig(layers=1, rank=2, documents_per_query=5, evaluations=2, epochs=6, learning_rate=1e-2)

    def run(judge: JudgeConfig, output: Path, cut: int = len(pairs) // 2, config: TuneConfig = config) -> TuneReport:
        return tune(
            pairs[:cut],
            grades[:cut],
            pairs[cut:],
            grades[cut:],
            judge=judge,
            tune=config,
            encoders=[load_encoder(EncoderConfig(model=str(tiny_bert)))],
            scale=SCALES["0-3"],
            seed=3,
            output=output,
        )

    return run


@pytest.fixture(scope="session", params=["llm", "encoder"])
def tuned(
    request: pytest.FixtureRequest, tune_half: TuneHalf, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TuneReport]:
    """A judge folder of each family and its report."""
    folder = tmp_path_factory.mktemp("judge")
    config = request.getfixturevalue("judge_config" if request.param == "llm" else "encoder_config")
    return folder, tune_half(config, folder)


@pytest.fixture(scope="session")
def tuned_judge(tuned: tuple[Path, TuneReport]) -> TunedJudge:
    """The tuned judge, loaded."""
    return load_judge(tuned[0])


@pytest.fixture(scope="session")
def untuned_judge(judge_config: JudgeConfig) -> ZeroShotJudge:
    """The causal base without tuning."""
    return ZeroShotJudge(judge_config, SCALES["0-3"])


@pytest.fixture(scope="session")
def remote_judge() -> Iterator[RemoteJudge]:
    """A judge behind a chat endpoint of this process."""
    with serving(word_overlap) as server:
        yield RemoteJudge(RemoteConfig(url=server.url, model="word-overlap"), SCALES["0-3"])

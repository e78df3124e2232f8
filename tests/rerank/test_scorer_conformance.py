"""What every scorer must do, tested on torch, ONNX fp32, ONNX int8 and the fake that other suites use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from relsearch.core.protocols import Scorer
from relsearch.core.types import Document
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.cross.torch_scorer import TorchScorer
from tests.rerank.fake_scorer import OverlapScorer

QUERY = "why does a cat purr"
KINDS = ("fake", "torch", "onnx-fp32", "onnx-int8")


@pytest.fixture(scope="session")
def open_scorer(request: pytest.FixtureRequest) -> Callable[[str], Scorer]:
    """Opens a scorer of a kind, once."""
    opened: dict[str, Scorer] = {"fake": OverlapScorer()}

    def open_kind(kind: str) -> Scorer:
        if kind == "torch" and kind not in opened:
            opened[kind] = TorchScorer.open(request.getfixturevalue("tiny_reranker"))
        elif kind not in opened:
            bundles: dict[str, Path] = request.getfixturevalue("tiny_bundles")
            opened[kind] = OnnxScorer.open(bundles[kind.removeprefix("onnx-")], workers=2)
        return opened[kind]

    return open_kind


@pytest.fixture(params=KINDS)
def scorer(request: pytest.FixtureRequest, open_scorer: Callable[[str], Scorer]) -> Scorer:
    """Each implementation in turn."""
    return open_scorer(request.param)


@pytest.fixture(scope="session")
def texts(documents: list[Document]) -> list[str]:
    """Texts of many lengths over the tiny vocabulary."""
    words = sorted({word for document in documents for word in document.fields["text"].lower().split()})
    rng = np.random.default_rng(3)
    return [" ".join(rng.choice(words, size=size)) for size in rng.integers(1, 40, size=40)]


def test_one_probability_a_text_in_input_order(scorer: Scorer, texts: list[str]) -> None:
    """Scoring a permutation gives the permuted scores."""
    order = np.random.default_rng(5).permutation(len(texts))
    scores = np.array(scorer.score(QUERY, texts))
    again = np.array(scorer.score(QUERY, [texts[place] for place in order]))
    assert again == pytest.approx(scores[order], abs=1e-5)


def test_scores_lie_strictly_inside(scorer: Scorer, texts: list[str]) -> None:
    """No score is 0, 1 or not a number."""
    assert all(0 < score < 1 for score in scorer.score(QUERY, texts))


def test_a_score_does_not_depend_on_its_batch(scorer: Scorer, texts: list[str]) -> None:
    """A text alone, among others, and beside a very long one has the same score."""
    together = scorer.score(QUERY, [*texts, "sea " * 5000])
    alone = [scorer.score(QUERY, [text])[0] for text in texts[:10]]
    assert alone == pytest.approx(together[:10], abs=1e-5)


def test_equal_texts_have_equal_scores(scorer: Scorer, texts: list[str]) -> None:
    """Duplicates are tied to the last bit."""
    scores = scorer.score(QUERY, [texts[0], *texts, texts[0]])
    assert scores[0] == scores[1] == scores[-1]


def test_nothing_in_nothing_out(scorer: Scorer) -> None:
    """No texts, no scores."""
    assert scorer.score(QUERY, []) == []


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00", "a\x00b", "🐈‍⬛ cat", "x" * 60_000, "\n\t\r", "\ud800 lone surrogate", "日本語 ünï"],
    ids=["empty", "space", "nul", "inner-nul", "emoji", "long-word", "breaks", "surrogate", "scripts"],
)
def test_any_text_is_scored(scorer: Scorer, text: str) -> None:
    """Texts that no one would type still get a score, as document and as query."""
    assert 0 < scorer.score(QUERY, [text])[0] < 1
    assert 0 < scorer.score(text, ["a cat purrs"])[0] < 1


def test_a_thousand_texts(scorer: Scorer) -> None:
    """There is no limit on the number of documents in a call."""
    scores = scorer.score(QUERY, [f"a cat purrs {number}" for number in range(1000)])
    assert len(scores) == 1000
    assert all(0 < score < 1 for score in scores)


def test_rankings_of_exports_follow_torch(open_scorer: Callable[[str], Scorer], texts: list[str]) -> None:
    """fp32 gives torch's scores to 1e-4; int8 nearly its order."""
    torch, fp32, int8 = (np.array(open_scorer(kind).score(QUERY, texts)) for kind in KINDS[1:])
    assert fp32 == pytest.approx(torch, abs=1e-4)
    assert np.corrcoef(int8, torch)[0, 1] > 0.95

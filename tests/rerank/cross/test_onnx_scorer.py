"""What a bundle offers beyond the scorer's protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.cross.torch_scorer import TorchScorer

QUERY = "why does a cat purr"
TEXTS = ["a cat purrs", "sea water holds salt", "green tea is steeped", "a cat " * 60]


def test_many_queries_are_scored_as_one_by_one(tiny_bundles: dict[str, Path]) -> None:
    """Requests of any size, empty ones too, have the scores of single calls."""
    scorer = OnnxScorer.open(tiny_bundles["fp32"], workers=2)
    requests = [(QUERY, TEXTS), ("tides", []), ("why is the sky blue", TEXTS[:2])]
    for found, (query, texts) in zip(scorer.score_many(requests), requests, strict=True):
        assert found == pytest.approx(scorer.score(query, texts), abs=1e-6)
    assert scorer.score_many([]) == []


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_a_score_stays_the_same_in_any_company(tiny_bundles: dict[str, Path], variant: str) -> None:
    """To 1e-6 in fp32, where other texts are padding; to the last bit in int8, where each text is a call of its own."""
    scorer = OnnxScorer.open(tiny_bundles[variant], workers=2)
    others = [f"{'sea salt ' * (number % 12)}{number}" for number in range(50)]
    together = scorer.logits(QUERY, TEXTS + others)[: len(TEXTS)]
    alone = np.concatenate([scorer.logits(QUERY, [text]) for text in TEXTS])
    assert together == pytest.approx(alone, abs=0 if variant == "int8" else 1e-6)


def test_truncated_texts_are_counted(tiny_reranker: Path, tiny_bundles: dict[str, Path]) -> None:
    """Only the text that is longer than 64 tokens counts, in torch as in a bundle; windows read it whole."""
    assert TorchScorer.open(tiny_reranker).truncated(QUERY, TEXTS) == 1
    assert TorchScorer.open(tiny_reranker).truncated(QUERY, []) == 0
    assert OnnxScorer.open(tiny_bundles["fp32"]).truncated(QUERY, TEXTS) == 1
    assert OnnxScorer.open(tiny_bundles["fp32"], windows=4).truncated(QUERY, TEXTS) == 0


def test_blanks_before_a_text_are_not_read(tiny_bundles: dict[str, Path]) -> None:
    """Neither by the encoder nor by the cross-encoder."""
    padded, plain = OnnxScorer.open(tiny_bundles["fp32"]).logits(QUERY, [" " * 60_000 + TEXTS[0], TEXTS[0]])
    assert padded == pytest.approx(plain, abs=1e-5)


def test_a_long_document_is_scored_by_its_best_window(tiny_bundles: dict[str, Path]) -> None:
    """What stands at the end of a long document counts; the others keep their scores."""
    plain = OnnxScorer.open(tiny_bundles["fp32"])
    windowed = OnnxScorer.open(tiny_bundles["fp32"], windows=8)
    assert windowed.logits(QUERY, TEXTS[:3]) == pytest.approx(plain.logits(QUERY, TEXTS[:3]), abs=1e-6)
    long = "green tea is steeped " * 30 + "sea water holds salt " * 30
    residuals = [scorer.logits(QUERY, [long]) for scorer in (plain, windowed)]
    assert residuals[1] > residuals[0]
    in_time = windowed.rerank(QUERY, [long], budget_ms=60_000)
    assert in_time.scores == pytest.approx(windowed.score(QUERY, [long]), abs=1e-6)


def test_kept_scores_are_the_scores(tiny_bundles: dict[str, Path]) -> None:
    """A pair that comes again has its score, and no other pair's."""
    scorer = OnnxScorer.open(tiny_bundles["fp32"], cached_scores=100)
    first = scorer.score("a", ["cat purrs"])
    assert scorer.score("a", ["cat purrs"]) == first
    assert scorer.score("a cat", [" purrs", "purrs"]) == pytest.approx(
        OnnxScorer.open(tiny_bundles["fp32"]).score("a cat", [" purrs", "purrs"]), abs=1e-6
    )

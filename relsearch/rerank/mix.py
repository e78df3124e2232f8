"""The first stage's own score beside the reranker's: words that match exactly are evidence that an encoder blurs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relsearch.rerank.logistic import Floats, Logistic

_EDGE = 1e-15  # probabilities that rounding took to 0 or 1 have finite logits again


def mixed(scores: Sequence[float], first_stage: Sequence[float], mix: float) -> list[float]:
    """Return scores in (0, 1) in which the first stage weighs `mix` times what the reranker does, one a candidate.

    Both count by how far they lie from the mean of this query's candidates, in standard deviations; on the logits'
    scale, so that candidates of average first-stage score keep the reranker's. `mix` 0 changes nothing.
    """
    if len(scores) != len(first_stage):
        raise ValueError(f"{len(scores)} scores for {len(first_stage)} first-stage scores")
    if not mix or not scores:
        return list(scores)
    probabilities = np.clip(np.asarray(scores, dtype=np.float64), _EDGE, 1 - _EDGE)
    logits = np.log(probabilities) - np.log1p(-probabilities)
    moved: list[float] = Logistic().probabilities(logits + mix * logits.std() * _standard(first_stage)).tolist()
    return moved


def _standard(values: Sequence[float]) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    deviation = numbers.std()
    standard: Floats = (numbers - numbers.mean()) / deviation if deviation > 0 else np.zeros_like(numbers)
    return standard

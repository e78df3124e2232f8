"""Pseudo-relevance feedback (PRF) within a query's pool: likeness to the candidates with the best scores.

Rocchio (1971) moves a query towards relevant documents; here the best-scored candidates stand for them. Each candidate
is compared with the others alone, so a single candidate, or one unlike all others, gains nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relsearch.stats.deviation import standard_deviation

# The weight of a candidate whose score is one standard deviation higher is e^2 times as large. Chosen on TREC DL 2021,
# where 1 to 3 did alike.
_SHARPNESS = 2.0
_LEAST = 1e-6


def leave_one_out_mean(vectors: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return for each candidate the mean of the others' vectors, the best counting most; shape [n, h].

    Vectors are [n, h], scores [n]; both of one query's candidates. A candidate alone has the zero vector.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    weights = np.exp(_SHARPNESS * standardise(scores))
    weights /= weights.sum()
    own = weights[:, None]
    return np.asarray((weights @ rows - own * rows) / np.maximum(1 - own, _LEAST))


def standardise(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the values with mean 0 and deviation 1, all 0 where they are equal but for rounding."""
    numbers = np.asarray(values, dtype=np.float64)
    deviation = float(standard_deviation(numbers))
    return (numbers - numbers.mean()) / deviation if deviation else np.zeros_like(numbers)

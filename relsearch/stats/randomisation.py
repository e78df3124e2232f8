"""The paired randomisation test (Smucker et al. 2007): how often chance signs make the mean difference as large.

All signs where there are at most as many as are drawn, else draws by the seed. Figures are those of SciPy's
permutation_test with permutation_type="samples", to the last digit; that holds every draw at once, gigabytes for
thousands of queries, and refuses a single difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 9999
_BATCH = 2**17  # signs that are held at once, in 1 MB: they stay in the processor's cache
_ROUNDING = 100 * np.finfo(np.float64).eps  # means that differ by less are equal, as in SciPy


def randomisation_p(differences: Floats, *, alternative: Literal["two-sided", "greater"], seed: int) -> float:
    """Return the p value of differences, shape [queries], against a mean of 0; nan where one of them is.

    One-sided it is at least 1 / 2^n on n queries.
    """
    observed = differences.mean()
    if np.isnan(observed):
        return float("nan")
    tolerance = abs(observed) * _ROUNDING
    exact = 2 ** len(differences) <= DRAWS
    means = np.concatenate(list(_every(differences) if exact else _drawn(differences, seed)))
    # The observed signs are one of all; of drawn ones they count as one more (Phipson and Smyth 2010).
    added = 0 if exact else 1
    greater, less = (
        float((np.count_nonzero(sides) + added) / (len(means) + added))
        for sides in (means >= observed - tolerance, means <= observed + tolerance)
    )
    return greater if alternative == "greater" else min(1.0, 2 * min(greater, less))


def _every(differences: Floats) -> Iterator[Floats]:
    queries = np.arange(len(differences))[:, None]
    yield _means(differences, (np.arange(2 ** len(differences)) >> queries) & 1)


def _drawn(differences: Floats, seed: int) -> Iterator[Floats]:
    rng = np.random.default_rng(seed)
    batch = max(2, _BATCH // len(differences))
    for start in range(0, DRAWS, batch):
        # SciPy shuffles a sign's two places, which takes the last bit of 32: the same draws, a tenth of the time.
        words = rng.integers(2**32, size=(min(batch, DRAWS - start), len(differences)), dtype=np.uint32)
        yield _means(differences, np.ascontiguousarray(words.T & 1))


def _means(differences: Floats, kept: NDArray[np.integer[Any]]) -> Floats:
    """The mean of each column of signs [queries, draws], which are 1 where a difference keeps its sign and else 0."""
    signed = 2.0 * kept - 1.0
    signed *= differences[:, None]
    return np.asarray(signed.mean(axis=0), dtype=np.float64)

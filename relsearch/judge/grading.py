"""From pairs to judgments, chunk by chunk, alike for every local judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from relsearch.core.types import Judgment, Pair, Scale

Decision = tuple[NDArray[np.int64], NDArray[np.float64]]  # grades [n], distributions [n, grades]
# Pairs that are sorted together: enough for whole queries to share their prefix, few enough to hold in memory.
_CHUNK = 512
BAR_DELAY_S = 2.0


def judgments(
    pairs: Iterable[Pair],
    decide: Callable[[list[Pair], Callable[[int], object]], Decision],
    *,
    scale: Scale,
    fingerprint: str,
    pooled: bool = False,
) -> Iterator[Judgment]:
    """Yield one judgment a pair, in order; `decide` gets a chunk, and what to call with each number of pairs done.

    With `pooled` the chunk is all pairs, for a label depends on the query's other pairs.
    """
    waiting = iter(pairs)
    with tqdm(desc="judge", unit="pair", delay=BAR_DELAY_S, disable=None) as bar:
        while chunk := list(islice(waiting, None if pooled else _CHUNK)):
            grades, probabilities = decide(chunk, bar.update)
            expected = probabilities @ np.asarray(scale.grades, dtype=np.float64)
            for row, pair in enumerate(chunk):
                grade = int(grades[row])
                yield Judgment(
                    pair.query_id,
                    pair.doc_id,
                    grade,
                    "judge",
                    judge=fingerprint,
                    probabilities=tuple(float(value) for value in probabilities[row]),
                    expected=float(expected[row]),
                    confidence=float(probabilities[row, grade - scale.lowest]),
                )

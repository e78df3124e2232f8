"""What all judges share, so that a judge is little more than its way from a pool to grades."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, tee

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from relsearch.core.errors import DataError
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool, in_batches
from relsearch.core.types import Judgment, Pair, Scale

Advance = Callable[[int], object]  # called with each number of documents done
Decision = tuple[NDArray[np.int64], NDArray[np.float64]]  # grades [n], distributions [n, grades]

# Documents that are graded together: texts of many queries are sorted by length, and all fit in memory.
_CHUNK = 512
_BAR_DELAY_S = 2.0


class JudgeBase(ABC):
    """Fingerprint, scale, count of truncated documents; a subclass adds `judge`.

    Documents are judged alone unless the subclass overrides `context`.
    """

    def __init__(self, *, fingerprint: str, scale: Scale) -> None:
        self._fingerprint = fingerprint
        self._scale = scale
        self._truncated = 0

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides a label."""
        return self._fingerprint

    @property
    def scale(self) -> Scale:
        """The scale of its grades."""
        return self._scale

    @property
    def truncated(self) -> int:
        """How many documents it has not read to the end so far."""
        return self._truncated

    @abstractmethod
    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other, one per document in the pool's order."""

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return no row: each document is judged alone."""
        return ()

    def judgment(self, pair: Pair, grade: int | None, probabilities: Iterable[float] | None) -> Judgment:
        """Return the judgment of one document, a missing label where there is no grade.

        `probabilities` has one entry per grade, lowest first, summing to 1.
        """
        if grade is None or probabilities is None:
            return Judgment(pair.query_id, pair.doc_id, None, "judge", self.fingerprint)
        row = tuple(float(share) for share in probabilities)
        expected = float(np.dot(row, self.scale.grades))
        confidence = row[grade - self.scale.lowest]
        return Judgment(pair.query_id, pair.doc_id, grade, "judge", self.fingerprint, row, expected, confidence)


class ModelJudge(JudgeBase):
    """A judge with a model in this process: grades many pools at a time; a subclass adds `_decide`."""

    @abstractmethod
    def _decide(self, pools: Sequence[QueryPool], advance: Advance) -> Decision:
        """Return grades [n] and distributions [n, grades] of the n documents of these pools, pool by pool."""

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other, one per document in the pool's order."""
        with progress_bar() as bar:
            for chunk in in_batches(pools, _CHUNK):
                rows = iter(self._rows(chunk, bar.update))
                for pool in chunk:
                    labels = zip(pool.pairs(), islice(rows, len(pool)), strict=True)
                    yield [self.judgment(pair, int(grade), probabilities) for pair, (grade, probabilities) in labels]

    def _rows(self, pools: Sequence[QueryPool], advance: Advance) -> Iterable[tuple[np.int64, NDArray[np.float64]]]:
        return zip(*self._decide(pools, advance), strict=True) if any(map(len, pools)) else ()


class WrappedJudge(JudgeBase):
    """A judge made of another one; labels depend on the same documents as the inner judge's do."""

    def __init__(self, judge: Judge, *, fingerprint: str, scale: Scale) -> None:
        super().__init__(fingerprint=fingerprint, scale=scale)
        self._inner = judge

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return the rows that the inner judge's labels depend on."""
        return self._inner.context(pool)


def progress_bar() -> tqdm:
    """Return a progress bar over the documents of one call, which goes at its end; the store has one over all."""
    return tqdm(desc="these pools", unit="doc", delay=_BAR_DELAY_S, disable=None, leave=False)


def judged(judge: Judge, pools: Iterable[QueryPool]) -> Iterator[tuple[QueryPool, list[Judgment]]]:
    """Yield each pool with its judgments; raise DataError where a judge does not give one per document, in order."""
    asked, kept = tee(pools)
    answers = iter(judge.judge(asked))
    for pool in kept:
        judgments = next(answers, [])
        if [(one.query_id, one.doc_id) for one in judgments] != [(pool.query_id, doc_id) for doc_id in pool.doc_ids]:
            raise _mismatch(judge)
        yield pool, judgments
    if next(answers, None) is not None:
        raise _mismatch(judge)


def mean_judgment(judgments: Sequence[Judgment], scale: Scale) -> Judgment:
    """Return the first judgment with the mean of all distributions and the rounded mean grade.

    Raise DataError where one of them has no distribution.
    """
    rows = [one.probabilities for one in judgments if one.probabilities is not None]
    if len(rows) != len(judgments):
        lacking = next(one.judge for one in judgments if one.probabilities is None)
        raise DataError(
            f"judge {lacking}: gives no distributions to average; name another judge, or combine windows by max"
        )
    mean = np.asarray(rows, dtype=np.float64).mean(axis=0)
    expected = float(mean @ np.asarray(scale.grades, dtype=np.float64))
    # Rounded before the half is added, so that a mean of 1.5 is one whatever its last bit.
    grade = min(max(int(np.floor(round(expected, 9) + 0.5)), scale.lowest), scale.highest)
    shares = tuple(float(share) for share in mean)
    confidence = shares[grade - scale.lowest]
    return replace(judgments[0], grade=grade, probabilities=shares, expected=expected, confidence=confidence)


def _mismatch(judge: Judge) -> DataError:
    return DataError(f"judge {judge.fingerprint}: did not give one judgment per document in order; mend the judge")

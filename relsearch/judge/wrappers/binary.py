"""A graded judge on a collection of two grades: relevant is what the judge's own scale calls so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool
from relsearch.core.types import Judgment, Scale
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.judge_base import WrappedJudge, judged


class BinaryJudge(WrappedJudge):
    """Any graded judge on a scale of two grades: P(relevant) sums the probabilities of its relevant grades.

    Relevant is what the graded judge's own grade says, even where P(relevant) is below a half.
    """

    def __init__(self, judge: Judge, scale: Scale) -> None:
        if len(scale.grades) != 2:
            raise ValueError(f"a scale of {len(scale.grades)} grades; relevant and irrelevant are two")
        super().__init__(judge, fingerprint=fingerprint_of("binary", judge.fingerprint, scale.lowest), scale=scale)

    @property
    def truncated(self) -> int:
        """How many documents the inner judge has not read to the end so far."""
        return self._inner.truncated

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other; a missing label stays missing."""
        for _, judgments in judged(self._inner, pools):
            yield [replace(self._binary(judgment), judge=self.fingerprint) for judgment in judgments]

    def _binary(self, judgment: Judgment) -> Judgment:
        if judgment.grade is None:
            return judgment
        cutoff = self._inner.scale.relevant
        level = int(judgment.grade >= cutoff)
        graded = replace(judgment, grade=self.scale.lowest + level)
        if judgment.probabilities is None:
            return graded
        relevant = sum(judgment.probabilities[cutoff - self._inner.scale.lowest :])
        probabilities = (1 - relevant, relevant)
        return replace(
            graded,
            probabilities=probabilities,
            expected=self.scale.lowest + relevant,
            confidence=probabilities[level],
        )

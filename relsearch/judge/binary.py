"""A graded judge on a collection of two grades: relevant is what the judge's own scale calls so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from relsearch.core.protocols import CountingJudge
from relsearch.core.types import Judgment, Pair, Scale
from relsearch.judge.fingerprint import fingerprint_of


class BinaryJudge:
    """Any judge on a scale of two grades: probabilities of its grades below and from its cut-off on, summed.

    A grade that its thresholds put at the cut-off is relevant even where less than half of the probability is.
    """

    def __init__(self, judge: CountingJudge, scale: Scale) -> None:
        if len(scale.grades) != 2:
            raise ValueError(f"a scale of {len(scale.grades)} grades; relevant and irrelevant are two")
        self._judge = judge
        self._scale = scale
        about = ("binary", judge.fingerprint, scale.lowest)
        self._fingerprint = fingerprint_of(*about)

    @property
    def fingerprint(self) -> str:
        """A hash of the judge's fingerprint and the scale."""
        return self._fingerprint

    @property
    def scale(self) -> Scale:
        """The scale of two grades."""
        return self._scale

    @property
    def pooled(self) -> bool:
        """Whether the judge beneath looks at a query's other pairs."""
        return self._judge.pooled

    @property
    def truncated(self) -> int:
        """How many pairs the judge beneath cut so far."""
        return self._judge.truncated

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, in the order of the pairs; a missing label stays missing."""
        for judgment in self._judge.judge(pairs):
            yield replace(self._folded(judgment), judge=self._fingerprint)

    def _folded(self, judgment: Judgment) -> Judgment:
        if judgment.grade is None:
            return judgment
        cutoff = self._judge.scale.relevant
        level = int(judgment.grade >= cutoff)
        graded = replace(judgment, grade=self._scale.lowest + level)
        if judgment.probabilities is None:
            return graded
        relevant = sum(judgment.probabilities[cutoff - self._judge.scale.lowest :])
        probabilities = (1 - relevant, relevant)
        return replace(
            graded,
            probabilities=probabilities,
            expected=self._scale.lowest + relevant,
            confidence=probabilities[level],
        )

"""Several judges as one: the mean of their distributions over the grades."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import tee

from relsearch.core.errors import ConfigError
from relsearch.core.protocols import Judge
from relsearch.core.query_pool import QueryPool
from relsearch.core.types import Judgment
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.judge_base import JudgeBase, judged, mean_judgment


class AverageJudge(JudgeBase):
    """Judges of one scale, each with the same say; a document is labelled by those that give it a label.

    Raise ConfigError where their scales differ.
    """

    def __init__(self, judges: Sequence[Judge]) -> None:
        first = judges[0].scale
        if any((judge.scale.grades, judge.scale.relevant) != (first.grades, first.relevant) for judge in judges):
            raise ConfigError("an average of judges: they grade on different scales; name judges of one scale")
        super().__init__(fingerprint=fingerprint_of("average", *(judge.fingerprint for judge in judges)), scale=first)
        self._judges = tuple(judges)

    @property
    def truncated(self) -> int:
        """How many documents the judge that reads least has not read to the end so far."""
        return max(judge.truncated for judge in self._judges)

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return the rows that the labels of any of the judges depend on."""
        return sorted({row for judge in self._judges for row in judge.context(pool)})

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other; a label that no judge gives is missing."""
        asked = zip(self._judges, tee(pools, len(self._judges)), strict=True)
        answers = (judged(judge, each) for judge, each in asked)
        for turn in zip(*answers, strict=True):
            labels = zip(*(judgments for _, judgments in turn), strict=True)
            yield [replace(self._mean(each), judge=self.fingerprint) for each in labels]

    def _mean(self, labels: Sequence[Judgment]) -> Judgment:
        given = [label for label in labels if label.grade is not None]
        return mean_judgment(given, self.scale) if given else labels[0]


def mean_of(judges: Sequence[Judge]) -> Judge:
    """Return the average of some judges, a single one as it is."""
    return judges[0] if len(judges) == 1 else AverageJudge(judges)

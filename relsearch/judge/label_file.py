"""Labels that were made elsewhere, such as a large model's, as a judge: TREC or BEIR qrels, JSON lines, or a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from relsearch.core.files.atomic import checksum
from relsearch.core.query_pool import QueryPool
from relsearch.core.types import Judgment, Pair, Scale, StrPath
from relsearch.data.trec import read_labels
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.judge_base import JudgeBase

_Distribution = tuple[float, ...]


class LabelFileJudge(JudgeBase):
    """Looks a pair's label up by its ids; a pair that the file lacks has a missing label.

    A label without a distribution, as in qrels, is certain of its grade.
    """

    def __init__(self, path: StrPath, scale: Scale) -> None:
        about = fingerprint_of("file", checksum(Path(path)), scale.names, scale.lowest)
        super().__init__(fingerprint=about, scale=scale)
        labelled = read_labels(path, scale).filter(pl.col("grade").is_not_null())
        rows = labelled.select("query_id", "doc_id", "grade", "probabilities").iter_rows()
        self._labels: dict[tuple[str, str], tuple[int, _Distribution | None]] = {
            (query_id, doc_id): (grade, shares and tuple(shares)) for query_id, doc_id, grade, shares in rows
        }

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other, one per document in the pool's order."""
        for pool in pools:
            yield [self._label(pair) for pair in pool.pairs()]

    def _label(self, pair: Pair) -> Judgment:
        grade, shares = self._labels.get((pair.query_id, pair.doc_id), (None, None))
        return self.judgment(pair, grade, shares or [float(level == grade) for level in self.scale.grades])

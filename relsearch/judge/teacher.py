"""Rerankers that others made as judges: `reranker:NAME`, a bundle, a hub cross-encoder, or an endpoint's address.

Their scores have no grades. Human labels calibrate them where there are any (self_training.RerankerJudge); else a
query's grades are shared out among its candidates in the order of the scores, at frequencies that pools of a search
have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from relsearch.core.errors import ConfigError
from relsearch.core.extras import check_packages
from relsearch.core.files.atomic import checksum
from relsearch.core.plugins import has_plugin
from relsearch.core.query_pool import QueryPool
from relsearch.core.settings.config import RemoteConfig
from relsearch.core.types import Scale
from relsearch.encoders.hub import is_hub_id
from relsearch.encoders.prf import standardise
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.judge_base import Advance, Decision, ModelJudge
from relsearch.judge.self_training import CountingScorer
from relsearch.rerank.bundle import bundle_folder
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from relsearch.rerank.opening import PLUGINS, open_reranker
from relsearch.rerank.reranker import Reranker
from relsearch.stats.logistic import log_odds
from relsearch.stats.ordinal import CumulativeLink, grade_scores

PREFIX = "reranker:"
# Of BM25's candidates people call about a fifth relevant (0.2 to 0.3 in TREC Deep Learning); each grade above is half
# as frequent.
_RELEVANT_SHARE = 0.2
_SLOPE = 2.0  # of the distribution over grades, a deviation of the pool's scores being 1


@dataclass(frozen=True, slots=True)
class Teacher:
    """A reranker that is open, the score interpolation that it asks for, and what tells it from others."""

    scorer: CountingScorer
    interpolation: Interpolation
    about: str

    def reranker(self) -> Reranker:
        """Return it as what scores pools."""
        return Reranker(self.scorer, interpolation=self.interpolation)


def is_teacher(judge: str) -> bool:
    """Whether a judge's name is that of a given reranker."""
    return judge.startswith(PREFIX)


def open_teacher(judge: str, remote: RemoteConfig) -> Teacher:
    """Open the reranker that a judge's name leads to; raise as Reranker and RerankEndpoint do.

    Where an endpoint stands is no part of `about` if [remote] model names its model.
    """
    name = _name(judge)
    if _is_address(name):
        from relsearch.judge.remote.rerank_endpoint import RerankEndpoint

        return Teacher(RerankEndpoint(name, remote), NO_INTERPOLATION, f"endpoint {remote.model or name}")
    opened = open_reranker(name)
    scorer = opened.scorer
    if not isinstance(scorer, CountingScorer):
        raise ConfigError(f"[label] judge {judge!r}: does not tell what it truncates (`truncated`); name another")
    return Teacher(scorer, opened.interpolation, teacher_content(judge) or name)


def check_teacher(judge: str) -> None:
    """Raise what open_teacher would, as far as it shows without loading a model or asking an endpoint."""
    name = _name(judge)
    if _is_address(name):
        check_packages("a reranker's endpoint", "remote", ("httpx", "stamina"))
        RemoteConfig().with_address(name)
    elif not (bundle_folder(name).is_dir() or has_plugin(PLUGINS, name) or is_hub_id(name)):
        raise ConfigError(f"[label] judge {judge!r}: no such reranker; name a folder, a hub id, or http://HOST/rerank")


def teacher_content(judge: str) -> str | None:
    """Return a hash of the files of a reranker that is on this machine, None of any other."""
    name = _name(judge)
    if _is_address(name) or not (folder := bundle_folder(name)).is_dir():
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return fingerprint_of(*(f"{path.relative_to(folder)} {checksum(path)}" for path in files))


class PoolShareJudge(ModelJudge):
    """Grades a query's documents by where their scores stand in its pool; needs no label, and is not calibrated.

    A fifth of a pool whose scores are normally distributed is called relevant, each higher grade is half as frequent,
    each lower one twice. The order is the reranker's; how many documents are relevant is assumed.
    """

    def __init__(self, teacher: Teacher, scale: Scale) -> None:
        about = ("pool shares", teacher.about, teacher.interpolation, scale.names, scale.lowest, scale.relevant)
        super().__init__(fingerprint=fingerprint_of(*about), scale=scale)
        self._teacher, self._reranker = teacher, teacher.reranker()
        shares = (min(_RELEVANT_SHARE * 2.0 ** (scale.relevant - grade), 0.9) for grade in scale.grades[1:])
        self._thresholds = tuple(NormalDist().inv_cdf(1 - share) for share in shares)
        self._link = CumulativeLink(0.0, 1.0, _SLOPE, tuple(_SLOPE * each for each in self._thresholds))

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return all rows: a grade depends on the others' scores."""
        return range(len(pool))

    def _decide(self, pools: Sequence[QueryPool], advance: Advance) -> Decision:
        found = []
        for pool in filter(len, pools):
            scores = self._reranker.score_pool(pool.query, pool.texts, [0.0] * len(pool))
            found.append(standardise(log_odds(scores)))
            self._truncated += self._teacher.scorer.truncated(pool.query, pool.texts)
            advance(len(pool))
        places = np.concatenate(found)
        return grade_scores(places, self._thresholds, self.scale), self._link.probabilities(places)


def _name(judge: str) -> str:
    return judge.removeprefix(PREFIX)


def _is_address(name: str) -> bool:
    return name.startswith(("http://", "https://"))

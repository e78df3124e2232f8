"""The tuned judge: retrieval features and what a model adds to them, calibrated to human grades."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relsearch.core.query_pool import QueryPool, pairs_of
from relsearch.core.types import Pair, StrPath
from relsearch.encoders.model_source import model_folder
from relsearch.judge.judge_base import Advance, Decision, ModelJudge
from relsearch.judge.judge_card import SHIPPED, JudgeCard, read_card
from relsearch.judge.onnx.manifest import is_exported
from relsearch.judge.retrieval_features import RetrievalFeatures, TextEncoder
from relsearch.stats.ordinal import CumulativeLink, grade_scores

_LOG = logging.getLogger(__name__)


class PairModel(Protocol):
    """A model that reads query and document together."""

    @property
    def truncated(self) -> int:
        """How many pairs it has not read to the end so far."""
        ...

    def added(self, pairs: Sequence[Pair], advance: Advance) -> NDArray[np.float64]:
        """Return what the model adds to the score of each pair, shape [pairs]."""
        ...


class TunedJudge(ModelJudge):
    """Grades documents by score = prior(retrieval features) + what the model adds.

    Without a model the retrieval features alone grade them. `truncated` counts the documents whose query or text was
    too long for the model.
    """

    def __init__(
        self,
        model: PairModel | None,
        encoders: Sequence[TextEncoder],
        card: JudgeCard,
        *,
        fingerprint: str,
    ) -> None:
        super().__init__(fingerprint=fingerprint, scale=card.scale)
        self.model = model
        self._features = RetrievalFeatures(encoders, card.judge.retrieval_features, card.features)
        self._prior = CumulativeLink.from_json(card.prior)
        self._calibration = CumulativeLink.from_json(card.calibration)
        self._thresholds = card.thresholds

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return all rows where a retrieval feature compares documents of the pool, else none."""
        return range(len(pool)) if self._features.depend_on_pool else ()

    def scores(self, pools: Sequence[QueryPool], advance: Advance = lambda done: done) -> NDArray[np.float64]:
        """Return the ordinal score of each document before calibration, shape [documents], pool by pool."""
        known = self._prior.logits(self._features.scores(pools))
        return known + self._added(pairs_of(pools), advance)

    def _added(self, pairs: Sequence[Pair], advance: Advance) -> NDArray[np.float64]:
        if self.model is None:
            advance(len(pairs))
            return np.zeros(len(pairs))
        added = self.model.added(pairs, advance)
        if self.model.truncated and not self._truncated:
            _LOG.info("some texts are longer than the judge reads and are truncated; raise [judge] max_document_tokens")
        self._truncated = self.model.truncated
        return added

    def _decide(self, pools: Sequence[QueryPool], advance: Advance) -> Decision:
        scores = self.scores(pools, advance)
        return grade_scores(scores, self._thresholds, self.scale), self._calibration.probabilities(scores)


def load_judge(name: StrPath, *, keep: StrPath | None = None) -> TunedJudge:
    """Load a tuned judge's folder, or `ready`: its ONNX graphs where it was exported, else adapter and base in torch.

    `keep` is a folder where the encoders' vectors outlive the process. Raise ArtifactError if the folder is not whole
    or its base has changed.
    """
    folder = model_folder(name, ready=SHIPPED)
    card = read_card(folder)
    if is_exported(folder):
        from relsearch.judge.onnx.loading import load_onnx_judge

        return load_onnx_judge(folder, card, keep=keep)
    from relsearch.judge.models.loading import load_torch_judge

    return load_torch_judge(folder, card, keep=keep)

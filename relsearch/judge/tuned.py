"""The tuned judge of either family: model and retrieval features in one ordinal score, calibrated to human grades."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from relsearch.core.errors import ArtifactError
from relsearch.core.query_pool import QueryPool, pairs_of
from relsearch.core.types import Pair, Scale, StrPath
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.model_source import fast_dtype, model_folder
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.judge_base import Advance, Decision, ModelJudge
from relsearch.judge.judge_card import ADAPTER, HEAD, SHIPPED, JudgeCard, read_card
from relsearch.judge.models import adapter
from relsearch.judge.models.base import Base, load_base
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.probe import TOLERANCE, probe
from relsearch.judge.retrieval_features import RetrievalFeatures
from relsearch.stats.ordinal import CumulativeLink, grade_scores

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns a score into a grade and its distribution, fitted on held-out queries."""

    link: CumulativeLink
    thresholds: tuple[float, ...]


class TunedJudge(ModelJudge):
    """Grades each document with one forward pass; `truncated` counts those whose query or text was too long.

    Without a base, which only a silent head can do without, the retrieval features alone grade them.
    """

    def __init__(
        self,
        base: Base | None,
        head: OrdinalHead,
        features: RetrievalFeatures,
        calibration: Calibration,
        *,
        scale: Scale,
        batch_size: int,
        fingerprint: str,
    ) -> None:
        super().__init__(fingerprint=fingerprint, scale=scale)
        self._base = base
        self._head = head
        self._features = features
        self._calibration = calibration
        self._batch_size = batch_size

    def context(self, pool: QueryPool) -> Sequence[int]:
        """Return all rows where a retrieval feature compares documents of the pool, else none."""
        return range(len(pool)) if self._features.depend_on_pool else ()

    def scores(self, pools: Sequence[QueryPool], advance: Advance = lambda done: done) -> NDArray[np.float64]:
        """Return the ordinal score of each document before calibration, shape [documents], pool by pool."""
        known = torch.from_numpy(self._features.scores(pools))
        with torch.inference_mode():
            scores = self._head(self._model_features(pairs_of(pools), advance), known)
        return np.asarray(scores.double().numpy())

    def _model_features(self, pairs: Sequence[Pair], advance: Advance) -> torch.Tensor:
        if self._base is None or self._head.silent:
            advance(len(pairs))
            return torch.zeros(len(pairs), self._head.added.in_features)
        tokens = self._base.encode(pairs)
        self._count_truncated(sum(row.truncated for row in tokens))
        return read_all(self._base.reader().features, tokens, batch_size=self._batch_size, advance=advance)

    def _decide(self, pools: Sequence[QueryPool], advance: Advance) -> Decision:
        scores = self.scores(pools, advance)
        return grade_scores(scores, self._calibration.thresholds, self.scale), self._calibration.link.probabilities(
            scores
        )

    def _count_truncated(self, count: int) -> None:
        if count and not self._truncated:
            _LOG.info("some texts are longer than the judge reads and are truncated; raise [judge] max_document_tokens")
        self._truncated += count


def load_judge(name: StrPath, *, keep: StrPath | None = None) -> TunedJudge:
    """Load a tuned judge's folder, or `ready`; raise ArtifactError if it is not whole or its base has changed.

    `keep` is a folder where the encoders' vectors outlive the process.
    """
    folder = model_folder(name, ready=SHIPPED)
    card = read_card(folder)
    added = load_file(folder / ADAPTER / HEAD)["added"]
    head = OrdinalHead(CumulativeLink.from_json(card.prior), added.shape[1])
    head.added.load_state_dict({"weight": added})
    base = None if head.silent else _merged(folder, card)  # seconds and memory for what would count nothing
    if base and base.checksum != card.base_checksum:
        _check_probe(folder, card, probe(base, head))
    encoders = [load_encoder(config, keep=keep) for config in card.encoders]
    return TunedJudge(
        base,
        head.eval(),
        RetrievalFeatures(encoders, card.judge.retrieval_features, card.features),
        Calibration(CumulativeLink.from_json(card.calibration), card.thresholds),
        scale=card.scale,
        batch_size=card.judge.batch_size,
        fingerprint=card.fingerprint(str(fast_dtype())),
    )


def _merged(folder: Path, card: JudgeCard) -> Base:
    """The base with the adapter merged in float32, then in the dtype that computes fastest here."""
    base = load_base(card.judge, card.prompt, card.scale, dtype=torch.float32)
    merged = adapter.merge(base.model, folder / ADAPTER).eval()
    torch.nn.Module.to(merged, fast_dtype())  # transformers' own `to` is typed as if it took no model
    return replace(base, model=merged)


def _check_probe(folder: Path, card: JudgeCard, found: Sequence[float]) -> None:
    gap = float(np.max([abs(mine - theirs) for mine, theirs in zip(found, card.probe, strict=True)]))
    if not gap <= TOLERANCE:
        raise ArtifactError(
            f"{folder}: tuned on other weights of {card.judge.base} (probe scores differ by {gap:.2f}); "
            "run `relsearch tune` again"
        )
    _LOG.info("%s: the base has other bytes and the same behaviour (probe scores within %.3f)", folder, gap)

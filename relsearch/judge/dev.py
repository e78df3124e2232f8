"""Held-out pairs: scored while tuning goes on, and the data that calibration is fitted on."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from relsearch.encoder import Encoder
from relsearch.judge.head import GradeHead
from relsearch.judge.prompt import PromptEncoder
from relsearch.judge.quality import Quality, quality
from relsearch.judge.reader import read_labels
from relsearch.judge.sample import natural_sample
from relsearch.judge.trainer import TunedModel
from relsearch.ordinal import CumulativeLink
from relsearch.types import Pair, Scale

Scores = NDArray[np.float64]


class DevSet:
    """A sample of dev pairs at their natural frequencies, with evidence and tokens; `seconds` spent scoring."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        grades: Sequence[int],
        *,
        count: int,
        evidence: Encoder,
        reader: PromptEncoder,
        scale: Scale,
        seed: int,
    ) -> None:
        rows = natural_sample(pairs, count=count, seed=seed)
        chosen = [pairs[row] for row in rows]
        self.grades = [grades[row] for row in rows]
        self.seconds = 0.0
        self._query_ids = [pair.query_id for pair in chosen]
        self._cosines = evidence.cosines(chosen)
        self._tokens = reader.encode(chosen)
        self._scale = scale

    def scores(self, model: TunedModel, *, batch_size: int) -> Scores:
        """Return the model's score of each pair."""
        started = time.monotonic()
        logits = read_labels(model.model, self._tokens, model.labels, batch_size=batch_size)
        self.seconds += time.monotonic() - started
        return self._combined(model.head, logits)

    def evidence_scores(self, prior: CumulativeLink) -> Scores:
        """Return the score of each pair by evidence alone."""
        nothing = torch.zeros(len(self.grades), len(self._scale.names))
        return self._combined(GradeHead(prior, gamma=0.0, offset=nothing[0]), nothing)

    def measure(self, scores: Scores) -> Quality:
        """Hold scores against the human grades."""
        return quality(scores, self.grades, self._query_ids, self._scale)

    def _combined(self, head: GradeHead, logits: torch.Tensor) -> Scores:
        with torch.inference_mode():
            combined = head(logits.to(head.gamma.device), torch.from_numpy(self._cosines))
            return GradeHead.scores(combined).cpu().double().numpy()

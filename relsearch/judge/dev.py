"""Held-out pairs: scored while tuning goes on, and the data that calibration is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from relsearch.encoder import Encoder
from relsearch.judge.head import GradeHead
from relsearch.judge.prompt import PromptEncoder, Tokens
from relsearch.judge.quality import Quality, quality
from relsearch.judge.reader import read_labels
from relsearch.judge.sample import natural_sample
from relsearch.judge.trainer import TunedModel
from relsearch.ordinal import CumulativeLink
from relsearch.types import Pair, Scale

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DevSet:
    """Pairs at their natural frequencies with human grades, evidence and tokens, one entry a pair each."""

    pairs: list[Pair]
    grades: list[int]
    cosines: NDArray[np.float32]
    tokens: list[Tokens]
    scale: Scale

    def part(self, count: int, *, seed: int) -> DevSet:
        """Return a smaller set of at most `count` pairs, every query's share equal."""
        rows = natural_sample(self.pairs, count=count, seed=seed)
        return DevSet(
            [self.pairs[row] for row in rows],
            [self.grades[row] for row in rows],
            self.cosines[rows],
            [self.tokens[row] for row in rows],
            self.scale,
        )

    def scores(self, model: TunedModel, *, batch_size: int) -> Scores:
        """Return the model's score of each pair."""
        return self._combined(model.head, read_labels(model.causal, self.tokens, model.labels, batch_size=batch_size))

    def evidence_scores(self, prior: CumulativeLink) -> Scores:
        """Return the score of each pair by evidence alone."""
        nothing = torch.zeros(len(self.pairs), len(self.scale.names))
        return self._combined(GradeHead(prior, gamma=0.0, offset=nothing[0]), nothing)

    def measure(self, scores: Scores) -> Quality:
        """Hold scores against the human grades."""
        return quality(scores, self.grades, [pair.query_id for pair in self.pairs], self.scale)

    def _combined(self, head: GradeHead, logits: torch.Tensor) -> Scores:
        with torch.inference_mode():
            combined = head(logits.to(head.gamma.device), torch.from_numpy(self.cosines))
            return GradeHead.scores(combined).cpu().double().numpy()


def dev_set(
    pairs: Sequence[Pair],
    grades: Sequence[int],
    *,
    count: int,
    evidence: Encoder,
    reader: PromptEncoder,
    scale: Scale,
    seed: int,
) -> DevSet:
    """Draw at most `count` dev pairs, every query's share equal, and prepare them for scoring."""
    rows = natural_sample(pairs, count=count, seed=seed)
    chosen = [pairs[row] for row in rows]
    return DevSet(chosen, [grades[row] for row in rows], evidence.cosines(chosen), reader.encode(chosen), scale)

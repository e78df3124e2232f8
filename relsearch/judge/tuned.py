"""The tuned judge of either family: features of a merged model, combined with evidence, calibrated to human grades."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from relsearch.core.errors import ArtifactError
from relsearch.core.settings.config import EncoderConfig
from relsearch.core.types import Judgment, Pair, Scale, StrPath
from relsearch.encoders.encoder import Encoder, load_encoder
from relsearch.encoders.model_source import fast_dtype, model_folder
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.grading import Decision, judgments
from relsearch.judge.judge_card import ADAPTER, HEAD, SHIPPED, JudgeCard, read_card
from relsearch.judge.models import adapter
from relsearch.judge.models.base import Base, load_base
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.probe import TOLERANCE, probe
from relsearch.judge.retrieval_features import Evidence, Similarities
from relsearch.stats.ordinal import CumulativeLink, cut

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns a score into a grade and its distribution, fitted on held-out queries."""

    link: CumulativeLink
    cuts: tuple[float, ...]


class TunedJudge:
    """Grades pairs with one forward pass each; `truncated` counts the pairs whose query or text was cut.

    Without a base, which only a silent head can do without, the evidence alone grades them.
    """

    def __init__(
        self,
        base: Base | None,
        head: OrdinalHead,
        evidence: Evidence,
        calibration: Calibration,
        *,
        scale: Scale,
        batch_size: int,
        fingerprint: str,
    ) -> None:
        self._base = base
        self._head = head
        self._evidence = evidence
        self._calibration = calibration
        self._scale = scale
        self._batch_size = batch_size
        self._fingerprint = fingerprint
        self.truncated = 0

    @property
    def fingerprint(self) -> str:
        """A hash of base, adapter, prompt, scale, evidence, calibration and dtype."""
        return self._fingerprint

    @property
    def scale(self) -> Scale:
        """The scale its grades are on."""
        return self._scale

    @property
    def pooled(self) -> bool:
        """Whether a label depends on the query's other pairs."""
        return self._evidence.pooled

    @property
    def encoders(self) -> Sequence[Encoder]:
        """The encoders of its evidence."""
        return self._evidence.needed

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, in the order of the pairs."""
        return judgments(pairs, self._decide, scale=self._scale, fingerprint=self._fingerprint, pooled=self.pooled)

    def scores(
        self,
        pairs: Sequence[Pair],
        advance: Callable[[int], object] = lambda done: done,
        *,
        known: Similarities | None = None,
    ) -> NDArray[np.float64]:
        """Return the ordinal score of each pair before calibration, shape [pairs].

        `known` are these pairs' similarities by each of `encoders`, where they were computed already.
        """
        evidence = torch.from_numpy(self._evidence.scores(pairs, known))
        with torch.inference_mode():
            found = self._head(self._features(pairs, advance), evidence)
        return np.asarray(found.double().numpy())

    def _features(self, pairs: Sequence[Pair], advance: Callable[[int], object]) -> torch.Tensor:
        if self._base is None or self._head.silent:
            advance(len(pairs))
            return torch.zeros(len(pairs), self._head.added.in_features)
        tokens = self._base.encode(pairs)
        self._count_truncated(sum(row.truncated for row in tokens))
        return read_all(self._base.reader().features, tokens, batch_size=self._batch_size, advance=advance)

    def _decide(self, pairs: list[Pair], advance: Callable[[int], object]) -> Decision:
        scores = self.scores(pairs, advance)
        return cut(scores, self._calibration.cuts, self._scale), self._calibration.link.probabilities(scores)

    def _count_truncated(self, count: int) -> None:
        if count and not self.truncated:
            _LOG.info("some texts are longer than the judge reads and are cut; raise [judge] max_document_tokens")
        self.truncated += count


def load_judge(
    name: StrPath, *, keep: StrPath | None = None, load: Callable[[EncoderConfig], Encoder] | None = None
) -> TunedJudge:
    """Load a tuned judge's folder, or `ready`; raise ArtifactError if it is not whole or its base has changed.

    `keep` is a folder where the evidence's vectors outlive the process; `load` gives encoders that are loaded already.
    """
    folder = model_folder(name, ready=SHIPPED)
    card = read_card(folder)
    added = load_file(folder / ADAPTER / HEAD)["added"]
    head = OrdinalHead(CumulativeLink.from_json(card.prior), added.shape[1])
    head.added.load_state_dict({"weight": added})
    base = None if head.silent else _merged(folder, card)  # seconds and memory for what would count nothing
    if base and base.checksum != card.base_checksum:
        _check_probe(folder, card, probe(base, head))
    encoders = [(load or partial(load_encoder, keep=keep))(config) for config in card.encoders]
    return TunedJudge(
        base,
        head.eval(),
        Evidence(encoders, card.judge.retrieval_features, card.evidence),
        Calibration(CumulativeLink.from_json(card.calibration), card.cuts),
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

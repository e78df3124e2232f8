"""Tuned judges in torch: adapter and head over a base of either family."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from relsearch.core.errors import ArtifactError
from relsearch.core.types import Pair, StrPath
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.calibration.head import OrdinalHead
from relsearch.judge.judge_base import Advance
from relsearch.judge.judge_card import ADAPTER, HEAD, JudgeCard
from relsearch.judge.models import adapter
from relsearch.judge.models.base import Base, load_base, pair_encoder
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.probe import TOLERANCE, probe
from relsearch.judge.tuned import TunedJudge
from relsearch.stats.ordinal import CumulativeLink

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class TorchPairModel:
    """A base with its adapter merged, and the head that reads its features; `truncated` counts pairs."""

    base: Base
    head: OrdinalHead
    batch_size: int
    special_tokens: bool
    truncated: int = 0

    def added(self, pairs: Sequence[Pair], advance: Advance) -> NDArray[np.float64]:
        """Return what the model adds to the score of each pair, shape [pairs]."""
        tokens = self.base.encode(pairs)
        self.truncated += sum(row.truncated for row in tokens)
        features = read_all(self.base.reader().features, tokens, batch_size=self.batch_size, advance=advance)
        with torch.inference_mode():
            return np.asarray(self.head.added(features).squeeze(1).double().numpy())


def load_torch_judge(folder: Path, card: JudgeCard, *, keep: StrPath | None = None, exact: bool = False) -> TunedJudge:
    """Load the judge that `card` describes; raise ArtifactError if its base has changed since it was tuned.

    `keep` is a folder where the encoders' vectors outlive the process. An `exact` judge computes in single precision
    also where half precision is faster.
    """
    encoders = [load_encoder(config, keep=keep, exact=exact) for config in card.encoders]
    fingerprint = card.fingerprint(str(torch.float32 if exact else fast_dtype()))
    return TunedJudge(load_pair_model(folder, card, exact=exact), encoders, card, fingerprint=fingerprint)


def load_pair_model(folder: Path, card: JudgeCard, *, exact: bool = False) -> TorchPairModel | None:
    """Return the judge's model, None where its head adds nothing; `exact` and errors as for load_torch_judge."""
    added = load_file(folder / ADAPTER / HEAD)["added"]
    head = OrdinalHead(CumulativeLink.from_json(card.prior), added.shape[1])
    head.added.load_state_dict({"weight": added})
    if head.silent:  # seconds and memory for what would count nothing
        return None
    dtype = torch.float32 if exact else fast_dtype()
    if card.frozen:
        base = load_base(card.judge, card.prompt, card.scale, dtype=dtype, frozen=True)
        base.model.eval()
    else:
        base = load_base(card.judge, card.prompt, card.scale, dtype=torch.float32)
        merged = adapter.merge(base.model, folder / ADAPTER).eval()
        torch.nn.Module.to(merged, dtype)  # transformers' own `to` is typed as if it took no model
        base = replace(base, model=merged)
    unsaid = card.special_tokens is None and card.judge.family == "encoder"
    ways = (True, False) if unsaid else (card.special_tokens is not False,)
    bases = {way: base if way else _without_special_tokens(base, card) for way in ways}
    sure = base.checksum == card.base_checksum and len(ways) == 1
    way = ways[0] if sure else _recognised(folder, card, bases, head)
    return TorchPairModel(bases[way], head.eval(), card.judge.batch_size, special_tokens=way)


def _without_special_tokens(base: Base, card: JudgeCard) -> Base:
    return replace(base, encode=pair_encoder(base.tokenizer, card.judge, special_tokens=False).encode)


def _recognised(folder: Path, card: JudgeCard, bases: Mapping[bool, Base], head: OrdinalHead) -> bool:
    """Whether it is with special tokens that the model adds to the probe's scores what the card says."""
    gaps = {way: _gap(probe(base, head), card.probe) for way, base in bases.items()}
    way = min(gaps, key=lambda each: gaps[each])
    if not gaps[way] <= TOLERANCE:
        raise ArtifactError(
            f"{folder}: tuned on other weights of {card.judge.base} (probe scores differ by {gaps[way]:.2f}); "
            "run `relsearch tune` again"
        )
    if bases[way].checksum != card.base_checksum:
        _LOG.info("%s: the base has other bytes and the same behaviour (probe scores within %.3f)", folder, gaps[way])
    return way


def _gap(found: Sequence[float], wanted: Sequence[float]) -> float:
    return float(np.abs(np.subtract(found, wanted)).max())

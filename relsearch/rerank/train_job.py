"""What training does alike for every family of rerankers: texts in, dev documents, calibration, a finished folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from relsearch.cluster.processes import is_first, wait
from relsearch.core.errors import DataError
from relsearch.core.settings.config import EncoderConfig, TrainConfig
from relsearch.core.types import Pair, Scale
from relsearch.data.assumed import ASSUMED
from relsearch.encoders.model_source import base_facts
from relsearch.rerank.card import CARD, CardBase, Kept, write_card
from relsearch.rerank.cross.fit import CHECKPOINTS
from relsearch.rerank.late.model import SECOND
from relsearch.rerank.training.callbacks import BEST, HISTORY
from relsearch.rerank.training.dev import DevSet, dev_set
from relsearch.stats.logistic import Floats, Logistic

Trained = TypeVar("Trained", bound=CardBase)


@dataclass(frozen=True, slots=True)
class Texts:
    """The text of each query and of each rendered document, and the template that rendered them."""

    queries: Mapping[str, str]
    documents: Mapping[str, str]
    template: str

    def pairs(self, ids: Iterable[tuple[str, str]]) -> list[Pair]:
        """Return the pairs with their texts; raise DataError naming the first id that has none."""
        return [Pair(q, d, _text(self.queries, q, "query"), _text(self.documents, d, "document")) for q, d in ids]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """One training run: graded examples, how to train on them, and the folder that the model is written to.

    `dev_examples` choose among the weights, and only human grades among them do. `vectors` is a folder where the
    untrained encoder's vectors outlive the process, `training_data` what the model's card says it was trained on;
    `kept` says which weights are kept.
    """

    examples: pl.DataFrame
    dev_examples: pl.DataFrame
    texts: Texts
    config: TrainConfig
    encoder: EncoderConfig
    scale: Scale
    seed: int
    output: Path
    training_data: str = ""
    vectors: Path | None = None
    kept: Kept = "best"


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training run did; `card` holds the dev figures, the untrained start's first.

    `logits` of the kept weights and `relevant`, 0 or 1, have one entry for each dev document.
    """

    card: CardBase
    steps: int
    pairs: int
    seconds: float
    logits: Floats
    relevant: Floats

    def with_card(self, card: CardBase) -> TrainReport:
        """Return the same report with another card."""
        return replace(self, card=card)

    @property
    def pairs_per_s(self) -> float:
        """Training pairs a second, evaluations included."""
        return self.pairs / self.seconds if self.seconds else 0.0

    @property
    def gained(self) -> bool:
        """Whether any trained weights beat the untrained start on the dev queries."""
        return self.card.best_step > 0


def begin(output: Path) -> None:
    """Make the folder; a finished run in it is dropped, a cut one goes on."""
    output.mkdir(parents=True, exist_ok=True)
    if (output / CARD).exists():
        (output / CARD).unlink()
        _clear(output)
        shutil.rmtree(output / SECOND, ignore_errors=True)  # the next model may have none


def build_dev_set(job: TrainJob, start: Callable[[Sequence[Pair]], Floats]) -> DevSet:
    """Return the human dev documents that the untrained start puts first; raise DataError where none is relevant.

    `start` returns the logit of each pair that training starts from, shape [pairs].
    """
    scale, examples = job.scale, job.dev_examples
    human = examples.filter(pl.col("source").is_in(["human", ASSUMED]), pl.col("grade").is_not_null())
    if not human["grade"].is_between(scale.relevant, scale.highest).any():
        raise DataError(f"{human.height} human dev labels: none is relevant; raise [pool] dev_share or label more")
    pairs = job.texts.pairs(human.select("query_id", "doc_id").iter_rows())
    return dev_set(pairs, start(pairs), examples=human, scale=scale, depth=job.config.dev_depth)


def calibrate(logits: Floats, relevant: Floats) -> Logistic:
    """Platt scaling with his smoothed targets, which keep small dev sets from certainty."""
    positives, negatives = float(relevant.sum()), float((1 - relevant).sum())
    targets = np.where(relevant > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    return Logistic.fit(logits, targets)


def finish(output: Path, card: Trained) -> Trained:
    """Copy the best weights up, then write the card, which marks the model whole, then drop what resuming needed.

    Return the card with the revisions and the licences of its bases. Of several processes the first writes, once all
    have read the best weights.
    """
    facts = base_facts(card.base) | (base_facts(card.second, "second") if card.second else {})
    card = card.model_copy(update=facts)
    wait()
    if not is_first():
        return card
    shutil.copytree(output / BEST, output, dirs_exist_ok=True)
    write_card(card, output)
    _clear(output)
    return card


def _clear(output: Path) -> None:
    for name in (BEST, CHECKPOINTS):
        shutil.rmtree(output / name, ignore_errors=True)
    (output / HISTORY).unlink(missing_ok=True)


def _text(texts: Mapping[str, str], key: str, kind: str) -> str:
    if key not in texts:
        raise DataError(f"training examples: {kind} {key!r} has no text; pass the collection they were pooled from")
    return texts[key]
